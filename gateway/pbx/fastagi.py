"""The FastAGI server: bounded in connections, in bytes and in time.

One request is one question and one command in answer, so that the dialplan has a whole answer or
none. panoramisk's own server reads for ever from a peer that closes early; only its dialogue
(`Request`) is used.

The question is the script's name, such as ``authorize/CALL/TYPE/ACCOUNT/USER/NUMBER/CALLER``:
Asterisk sends it before anything that a caller could have written, such as the caller's name.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from panoramisk.fast_agi import Request

from gateway import names
from gateway.calls.authorizer import Allowed, Emergency
from gateway.calls.authorizer import Answer as Authorized
from gateway.calls.ports import CallRequest, JoinRequest
from gateway.ledger.outcomes import Joined, LedgerUnavailableError
from gateway.pbx.variables import ANSWER
from gateway.rating.steps import Reason

HEADER_BYTES_MAX = 16_384
# Longer than a decision takes at worst; a silent peer goes.
CONVERSATION_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 1000
_BACKLOG = 1024

_SCRIPT = re.compile(r"^agi_network_script: (.*)$", re.MULTILINE)

Answer = Authorized | Joined

_log = structlog.get_logger()


class BadRequestError(Exception):
    """The peer does not speak FastAGI, or asks for something that is not offered."""


@dataclass(slots=True)
class FastAgi:
    """Answers the dialplan's questions, until it is told to take no more of them."""

    authorize: Callable[[CallRequest], Awaitable[Authorized]]
    quote: Callable[[CallRequest], Awaitable[Authorized]]
    join: Callable[[JoinRequest], Awaitable[Joined | Reason]]
    connections: int = 0
    _server: asyncio.Server | None = None
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, host: str, port: int, listening: asyncio.Event) -> None:
        """Listen until cancelled. Raises OSError if the port is taken."""
        self._server = await asyncio.start_server(
            self._connected, host, port, limit=HEADER_BYTES_MAX, backlog=_BACKLOG
        )
        listening.set()
        async with self._server:
            await asyncio.Event().wait()

    async def drain(self) -> None:
        """Listen no more, so that PBXes ask another gateway, and answer who has asked already."""
        if self._server:
            self._server.close()
        while self.connections:
            # Each ends by itself within the longest that a conversation may take.
            self._idle.clear()
            await self._idle.wait()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, whatever the peer does."""
        self.connections += 1
        loop = asyncio.get_running_loop()
        ending = loop.call_later(CONVERSATION_SECONDS_MAX, writer.transport.abort)
        try:
            # One too many is closed unanswered: the dialplan's preset refusal holds.
            if self.connections <= CONNECTIONS_MAX:
                await self._serve(reader, writer)
        except (BadRequestError, OSError, asyncio.IncompleteReadError) as error:
            _log.debug("agi.dropped", error=repr(error))
        except Exception:  # noqa: BLE001 - one connection must not end the server
            _log.exception("agi.failed")
        finally:
            self.connections -= 1
            if not self.connections:
                self._idle.set()
            ending.cancel()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = await self._answer(await _read_header(reader))
        await _send(Request(None, {}, reader, writer), _command(answer))

    async def _answer(self, header: str) -> Answer:
        script = _SCRIPT.search(header)
        words = script[1].split("/") if script else []
        try:
            return await self._asked(words)
        except LedgerUnavailableError as error:
            _log.error("ledger.unavailable", call=words[1], error=str(error))
            return Reason.SERVICE_DOWN

    async def _asked(self, words: list[str]) -> Answer:
        match words:
            case ["authorize" | "quote" as what, *rest] if len(rest) == len(CallRequest.__slots__):
                request = CallRequest(*rest)
                ask = self.authorize if what == "authorize" else self.quote
                return _refused(request) or await ask(request)
            case ["conference", *rest] if len(rest) == len(JoinRequest.__slots__):
                return await self.join(JoinRequest(*rest))
        message = f"no such script: {'/'.join(words)!r}"
        raise BadRequestError(message)


async def _read_header(reader: asyncio.StreamReader) -> str:
    """Read the ``agi_...: value`` lines that end with an empty one."""
    try:
        return (await reader.readuntil(b"\n\n")).decode("utf-8", "replace")
    except asyncio.LimitOverrunError as error:
        message = "the header is too long"
        raise BadRequestError(message) from error


def _refused(request: CallRequest) -> Reason | None:
    """Refuse words that are none of the names that they should be."""
    if not names.CALL_ID.fullmatch(request.call_id):
        return Reason.BAD_CALL_ID
    # Toll-free dial-in comes with neither: its account is the one that owns the number.
    if request.account and not names.ACCOUNT.fullmatch(request.account):
        return Reason.UNKNOWN_ACCOUNT
    if request.user and not names.USER.fullmatch(request.user):
        return Reason.UNKNOWN_USER
    # What is only for the records need not be perfect, but must break none.
    if not names.RECORDED.fullmatch(request.caller + request.conference):
        return Reason.BAD_CALL_ID
    return None


def _command(answer: Answer) -> str:
    match answer:
        case Allowed(granted_seconds=seconds, number=number, account=account):
            value = f"ALLOW,{seconds},{number},{account}"
        case Emergency(number=number):
            value = f"EMERGENCY,,{number}"
        case Joined(organizer=organizer, leads=leads):
            value = f"JOIN,{'leader' if leads else 'guest'},{organizer}"
        case _:
            value = f"DENY,{answer},"
    return f'SET VARIABLE {ANSWER} "{value}"'


async def _send(request: Request, command: str) -> None:
    """Send the command and read its reply.

    A caller who hung up meanwhile is told by HANGUP in place of the reply, or by a closed
    connection, which panoramisk reports as a ValueError. Both are the dialplan's to report: its
    hangup handler tells the end of every call that was asked for.
    """
    try:
        reply = await request.send_command(command)
    except ValueError:
        return
    if "error" in reply:
        _log.debug("agi.hung_up", reply=reply["msg"])
