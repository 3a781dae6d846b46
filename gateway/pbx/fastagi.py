"""The FastAGI server: bounded in connections, in bytes and in time.

One request is one question and one command in answer, so that the dialplan has a whole answer or
none. panoramisk's own server reads for ever from a peer that closes early; only its dialogue
(`Request`) is used.

The question is the script's name, ``authorize/CALL/TYPE/ACCOUNT/USER/NUMBER``: Asterisk sends it
before anything that a caller could have written, such as the caller's name.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from panoramisk.fast_agi import Request

from gateway import names
from gateway.calls.controller import Allowed, Answer, Emergency
from gateway.calls.ports import CallRequest
from gateway.pbx.variables import ANSWER
from gateway.rating.steps import Reason

HEADER_BYTES_MAX = 16_384
# Longer than a decision takes at worst; a silent peer goes.
CONVERSATION_SECONDS_MAX = 10.0
CONNECTIONS_MAX = 1000
_BACKLOG = 1024

_SCRIPT = re.compile(r"^agi_network_script: (.*)$", re.MULTILINE)
_WORDS = 6  # authorize, call id, call type, account, user, number

Authorize = Callable[[CallRequest], Awaitable[Answer]]

_log = structlog.get_logger()


class BadRequestError(Exception):
    """The peer does not speak FastAGI, or asks for something that is not offered."""


@dataclass(slots=True)
class FastAgi:
    """Answers the dialplan's questions with ``authorize``."""

    authorize: Authorize
    connections: int = 0

    async def serve(self, host: str, port: int) -> None:
        """Listen until cancelled. Raises OSError if the port is taken."""
        server = await asyncio.start_server(
            self._connected, host, port, limit=HEADER_BYTES_MAX, backlog=_BACKLOG
        )
        async with server:
            await server.serve_forever()

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
            ending.cancel()
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = _question(await _read_header(reader))
        answer = question if isinstance(question, Reason) else await self.authorize(question)
        await _send(Request(None, {}, reader, writer), _command(answer))


async def _read_header(reader: asyncio.StreamReader) -> str:
    """Read the ``agi_...: value`` lines that end with an empty one."""
    try:
        return (await reader.readuntil(b"\n\n")).decode("utf-8", "replace")
    except asyncio.LimitOverrunError as error:
        message = "the header is too long"
        raise BadRequestError(message) from error


def _question(header: str) -> CallRequest | Reason:
    script = _SCRIPT.search(header)
    words = script[1].split("/") if script else []
    if len(words) != _WORDS or words[0] != "authorize":
        message = f"no such script: {script and script[1]!r}"
        raise BadRequestError(message)
    _, call_id, call_type, account, user, dialed = words
    if not names.CALL_ID.fullmatch(call_id):
        return Reason.BAD_CALL_ID
    # Toll-free dial-in comes with neither: its account is the one that owns the number.
    if account and not names.ACCOUNT.fullmatch(account):
        return Reason.UNKNOWN_ACCOUNT
    if user and not names.USER.fullmatch(user):
        return Reason.UNKNOWN_USER
    return CallRequest(call_id, call_type, account, user, dialed)


def _command(answer: Answer) -> str:
    match answer:
        case Allowed(granted_seconds=seconds, number=number):
            value = f"ALLOW,{seconds},{number}"
        case Emergency(number=number):
            value = f"EMERGENCY,,{number}"
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
