"""One session of AMI: opened, asked one thing after the other, closed, and not opened again."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from gateway.calls.ports import PbxUnavailableError
from gateway.pbx.ami import LOGIN_SECONDS_MAX, REPLY_SECONDS_MAX

_PINGS_MAX = 10
_PING_SECONDS = 0.1


class AmiSession(AMIProtocol):  # type: ignore[misc]
    """panoramisk's protocol without its client, which would connect again and again.

    ``events`` has what came and was no answer. Each method raises PbxUnavailableError if the PBX
    closes or does not answer in time.
    """

    encoding = "utf8"

    def __init__(self) -> None:
        """Wait for nothing yet."""
        self.events: list[Message] = []
        self._answer: asyncio.Future[Any] | None = None
        # What the protocol wants of its client: nothing is kept to be asked again.
        self.forgetable_actions: tuple[str, ...] = ()
        self.awaiting_actions: deque[Any] = deque(maxlen=0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hear the events, too."""
        super().connection_made(transport)
        self.factory = self

    def connection_lost(self, error: Exception | None) -> None:
        """Let nobody wait for an answer that cannot come any more."""
        self.close()
        if self._answer and not self._answer.done():
            self._answer.set_exception(PbxUnavailableError(f"the PBX closed {error or ''}".strip()))

    def dispatch(self, event: Message) -> None:
        """Keep an event."""
        self.events.append(event)

    @property
    def own_address(self) -> str:
        """From where the PBX is asked."""
        return str(self.transport.get_extra_info("sockname")[0])

    async def ask(
        self, action: dict[str, str], seconds: float = REPLY_SECONDS_MAX
    ) -> list[Message]:
        """Send an action; give its reply, and the list that follows it, if one does."""
        if self.closed:
            raise PbxUnavailableError("the PBX has closed")
        # None: the reply itself says whether a list follows.
        self._answer = self.send(action, as_list=None)
        try:
            async with asyncio.timeout(seconds):
                answer = await self._answer
        except TimeoutError as error:
            raise PbxUnavailableError(f"no answer to {action['Action']}") from error
        return answer if isinstance(answer, list) else [answer]

    async def heard(self, is_it: Callable[[Message], bool]) -> Message | None:
        """Wait a second for an event; a ping brings out what Asterisk keeps back."""
        for _ in range(_PINGS_MAX):
            for event in self.events:
                if is_it(event):
                    return event
            await self.ask({"Action": "Ping"})
            await asyncio.sleep(_PING_SECONDS)
        return None


@asynccontextmanager
async def open_session(host: str, port: int) -> AsyncIterator[AmiSession]:
    """Connect, and close in the end. Raises OSError if nobody listens there."""
    async with asyncio.timeout(LOGIN_SECONDS_MAX):
        _, session = await asyncio.get_running_loop().create_connection(AmiSession, host, port)
    try:
        yield session
    finally:
        session.close()
