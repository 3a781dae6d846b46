import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Self

import hiredis

from tests.lab.processes import until

CHUNK = 65536
# What carries an operation: a handshake or a ping carries none.
SCRIPT_COMMANDS = frozenset({b"EVAL", b"EVALSHA"})
_SCRIPT_UNKNOWN = b"-NOSCRIPT"
_INCOMPLETE = object()


class Cut(Enum):
    """Where a connection breaks while one command is on its way."""

    BEFORE = "before the request"
    HALFWAY = "in the request"
    UNANSWERED = "before the reply"
    MIDWAY = "in the reply"
    STALLED = "the reply is held back"
    LATE = "the request is held back"


@dataclass
class _Order:
    cut: Cut
    times: int
    commands: Collection[bytes]
    naming: bytes
    released: asyncio.Event = field(default_factory=asyncio.Event)


class CuttingProxy:
    """A TCP proxy before a store on a Unix socket, which breaks commands on order.

    It passes one command at a time and waits for the whole reply to it, so that it knows what the
    store has done when it breaks the connection. A store that does not know a script has done
    nothing: that reply is passed, and what is broken is the command that brings the script.
    """

    def __init__(self, port: int, socket: str) -> None:
        self.port = port
        self.broken = 0
        self._socket = socket
        self._order: _Order | None = None
        self._harmed: list[_Order] = []  # one for each command that is under way
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @classmethod
    @asynccontextmanager
    async def running(cls, port: int, socket: str) -> AsyncIterator[Self]:
        proxy = cls(port, socket)
        async with await asyncio.start_server(proxy.serve, "127.0.0.1", port):
            try:
                yield proxy
            finally:
                await proxy.release()
                await proxy.disconnect()

    def harm(
        self,
        cut: Cut,
        times: int = 1,
        commands: Collection[bytes] = SCRIPT_COMMANDS,
        naming: bytes = b"",
    ) -> None:
        """Break the next of these commands that name this, so many times; `broken` counts them."""
        self._order, self.broken = _Order(cut, times, commands, naming), 0

    def spare(self) -> None:
        """Break no more commands. What is held back stays so."""
        self._order = None

    async def release(self) -> None:
        """Break no more, let go of what is held back, and wait until it has arrived."""
        self.spare()
        for order in self._harmed:
            order.released.set()
        await until(lambda: not self._harmed, "all that was held back has arrived")

    async def disconnect(self) -> None:
        """End every connection."""

        def none_is_left() -> bool:
            for writer in self._connections.values():
                writer.transport.abort()
            return not self._connections

        await until(none_is_left, "every connection has ended")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections[task] = writer
        with suppress(OSError, asyncio.IncompleteReadError):
            store = _Store(*await asyncio.open_unix_connection(self._socket))
            try:
                while True:
                    await self._pass(*await _command(reader), store, writer)
            finally:
                store.abort()
        writer.transport.abort()
        del self._connections[task]

    async def _pass(
        self, name: bytes, command: bytes, store: "_Store", client: asyncio.StreamWriter
    ) -> None:
        order = self._order
        if order and order.times and name in order.commands and order.naming in command:
            order.times -= 1
            self.broken += 1
            self._harmed.append(order)
            try:
                reply = await self._break(order, command, store, client)
            finally:
                self._harmed.remove(order)
        else:
            reply = await store.ask(command)
        client.write(reply)

    async def _break(
        self, order: _Order, command: bytes, store: "_Store", client: asyncio.StreamWriter
    ) -> bytes:
        """Break what has to be broken; give the reply where it is passed after all."""
        if order.cut is Cut.BEFORE:
            raise _BrokenError
        if order.cut is Cut.HALFWAY:
            await store.send(command[: len(command) // 2])
            raise _BrokenError
        if order.cut is Cut.LATE:
            await order.released.wait()
        reply = await store.ask(command)
        if reply.startswith(_SCRIPT_UNKNOWN):
            order.times += 1
            self.broken -= 1
        elif order.cut is Cut.UNANSWERED:
            raise _BrokenError
        elif order.cut is Cut.MIDWAY:
            client.write(reply[: len(reply) // 2])
            raise _BrokenError
        elif order.cut is Cut.STALLED:
            await order.released.wait()
        return reply


class _BrokenError(ConnectionError):
    """Ends a connection."""


class _Store:
    """One connection to the store."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, part: bytes) -> None:
        self._writer.write(part)
        await self._writer.drain()

    async def ask(self, command: bytes) -> bytes:
        """Send a command, and give its whole reply as it came."""
        await self.send(command)
        replies, received = hiredis.Reader(notEnoughData=_INCOMPLETE), b""
        while chunk := await self._reader.read(CHUNK):
            received += chunk
            replies.feed(chunk)
            if replies.gets() is not _INCOMPLETE:
                return received
        raise _BrokenError

    def abort(self) -> None:
        self._writer.transport.abort()


async def _command(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one command, an array of words: its name, and all of it as it came."""
    received = await reader.readuntil(b"\r\n")
    words = []
    for _ in range(int(received[1:])):
        size = await reader.readuntil(b"\r\n")
        words.append(await reader.readexactly(int(size[1:]) + 2))
        received += size + words[-1]
    return words[0].strip().upper(), received
