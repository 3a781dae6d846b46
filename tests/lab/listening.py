"""Servers that stop while they are asked, and leave nothing unclosed."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web


class Listener(Protocol):
    """A socket that listens."""

    def fileno(self) -> int: ...


async def accept_no_more(listeners: Iterable[Listener]) -> None:
    """Let a server's sockets accept nobody, before it is closed.

    Python loses, unclosed, what it accepted just before it closes a server.
    """
    for listener in listeners:
        asyncio.get_running_loop().remove_reader(listener.fileno())
    await asyncio.sleep(0)


@dataclass
class HttpServer:
    """An application at a port, which ends whoever still asks when it stops."""

    app: web.Application
    port: int
    host: str = "127.0.0.1"
    _runner: web.AppRunner = field(init=False)
    _listener: socket.socket = field(init=False)

    async def start(self) -> None:
        self._runner = web.AppRunner(self.app, shutdown_timeout=0.1)
        await self._runner.setup()
        self._listener = socket.create_server((self.host, self.port))
        await web.SockSite(self._runner, self._listener).start()

    async def stop(self) -> None:
        await accept_no_more([self._listener])
        await self._runner.cleanup()
