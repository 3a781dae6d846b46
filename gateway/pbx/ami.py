"""The AMI client: the dialplan's events in, deadlines and hang-ups out."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog
from panoramisk import Manager
from panoramisk.message import Message

from gateway.calls.ports import Leg, LegEvent, PbxUnavailableError, Record
from gateway.pbx.events import read_leg_event, read_record
from gateway.pbx.variables import ANSWERED, ASKED, CALL, LEG_EVENT, RECORDS

REPLY_SECONDS_MAX = 2.0
# A PBX that had no gateway for long has very many records.
LIST_SECONDS_MAX = 60.0
LOGIN_SECONDS_MAX = 5.0
# Asterisk may keep an event back until it has the next thing to send: a ping brings it out.
PING_SECONDS = 1.0
_CLOCK_SAMPLES = 30

_log = structlog.get_logger()


class Ami:
    """One PBX (`gateway.calls.ports.Pbx`). `run` keeps it connected."""

    def __init__(self, host: str, port: int, username: str, secret: str) -> None:
        """Remember the PBX; nothing is connected yet."""
        self.connected = False
        # The PBX's time less ours, as each ping shows it.
        self._offsets_ms: deque[int] = deque(maxlen=_CLOCK_SAMPLES)
        self._booted = asyncio.Event()
        self._opened_at: float | None = None
        self._refused = False
        self._lists_under_way = 0
        self._manager = Manager(
            host=host,
            port=port,
            username=username,
            secret=secret,
            ping_delay=86_400,  # our own ping looks at the answer
            reconnect_timeout=1,
            # An action without an answer must not be repeated later, on another call's channel.
            forgetable_actions=(
                "login",
                "ping",
                "status",
                "hangup",
                "absolutetimeout",
                "dbgettree",
                "dbdel",
            ),
            on_connect=self._opened,
            on_login=self._logged_in,
            on_disconnect=self._closed,
        )

    async def run(self, on_leg: Callable[[LegEvent], None], on_booted: Callable[[], None]) -> None:
        """Stay connected until cancelled, and tell of legs, and of each time the PBX is there."""

        def user_event(_manager: Manager, event: Message) -> None:
            _tell(on_leg, event)

        def fully_booted(_manager: Manager, _event: Message) -> None:
            self._booted.set()

        self._manager.register_event("UserEvent", user_event)
        self._manager.register_event("FullyBooted", fully_booted)
        self._manager.loop = asyncio.get_running_loop()
        self._manager.connect()
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(PING_SECONDS):
                        await self._booted.wait()
                await self._look_after(on_booted)
        finally:
            self._manager.close()

    async def _look_after(self, on_booted: Callable[[], None]) -> None:
        """Ping, and break a connection on which nothing comes; panoramisk then makes another."""
        now = asyncio.get_running_loop().time()
        if self._booted.is_set():
            self._booted.clear()
            # What is told next needs the PBX's clock, and only as it is now.
            if await self._ping():
                while len(self._offsets_ms) > 1:
                    self._offsets_ms.popleft()
                self.connected = True
                on_booted()
        elif self.connected and not self._lists_under_way:
            await self._ping()
        elif self._opened_at is not None and now > self._opened_at + LOGIN_SECONDS_MAX:
            self._break("no answer to Login")

    async def _ping(self) -> bool:
        try:
            [reply] = await self._send({"Action": "Ping"})
        except PbxUnavailableError as error:
            self._break(str(error))
            return False
        with suppress(ValueError):  # an answer without a time says nothing of the clock
            pbx_ms = round(float(reply.timestamp) * 1000)
            self._offsets_ms.append(pbx_ms - _local_ms())
        return True

    def _break(self, reason: str) -> None:
        _log.warning("ami.silent", reason=reason)
        self._manager.protocol.transport.abort()

    def now_ms(self) -> int:
        """Give the PBX's time: our steady one, moved by the offset that its answers show.

        An answer is late by its way here, so the largest offset is the nearest to the truth.
        """
        return _local_ms() + max(self._offsets_ms, default=time.time_ns() // 10**6 - _local_ms())

    async def set_deadline(self, channel: str, seconds: float) -> None:
        """Move the deadline of a channel (AMI AbsoluteTimeout, exact to milliseconds)."""
        if seconds <= 0:
            # Asterisk would take the deadline off.
            return
        timeout = f"{seconds:.3f}"
        await self._do({"Action": "AbsoluteTimeout", "Channel": channel, "Timeout": timeout})

    async def hang_up(self, channel: str) -> None:
        """Ask for a channel's end."""
        await self._do({"Action": "Hangup", "Channel": channel})

    async def legs(self) -> list[Leg]:
        """List the channels that carry a call id."""
        variables = f"{ASKED},{CALL},{ANSWERED}"
        replies = await self._list({"Action": "Status", "Variables": variables})
        return [leg for reply in replies for leg in _legs(reply)]

    async def records(self) -> dict[str, Record]:
        """Read the AstDB's records of ended calls."""
        replies = await self._list({"Action": "DBGetTree", "Family": RECORDS})
        records = {}
        for reply in replies:
            if reply.event == "DBGetTreeResponse":
                _, _, call_id = reply["Key"].strip("/").partition("/")
                try:
                    records[call_id] = read_record(reply["Val"])
                except ValueError:
                    _log.error("record.unreadable", call=call_id, record=reply["Val"])
        return records

    async def forget(self, call_id: str) -> None:
        """Delete a call's record from the AstDB."""
        await self._ask({"Action": "DBDel", "Family": RECORDS, "Key": call_id})

    async def _do(self, action: dict[str, str]) -> None:
        """Send an action that must be done, or the state of the channel is unknown."""
        [reply] = await self._ask(action)
        if not reply.success:
            message = f"{action['Action']} {action['Channel']}: {reply.message}"
            raise PbxUnavailableError(message)

    async def _list(self, action: dict[str, str]) -> list[Message]:
        """Send an action that brings a list back."""
        self._lists_under_way += 1
        try:
            return await self._ask(action, as_list=True)
        finally:
            self._lists_under_way -= 1

    async def _ask(self, action: dict[str, str], *, as_list: bool = False) -> list[Message]:
        if not self.connected:
            message = "AMI is not connected"
            raise PbxUnavailableError(message)
        return await self._send(action, as_list=as_list)

    async def _send(self, action: dict[str, str], *, as_list: bool = False) -> list[Message]:
        """Send an action and wait for what it brings back."""
        try:
            async with asyncio.timeout(LIST_SECONDS_MAX if as_list else REPLY_SECONDS_MAX):
                answer = await self._manager.send_action(action, as_list=as_list or None)
        except TimeoutError as error:
            message = f"no answer to {action['Action']}"
            raise PbxUnavailableError(message) from error
        return answer if isinstance(answer, list) else [answer]

    def _opened(self, _manager: Manager) -> None:
        self._opened_at = asyncio.get_running_loop().time()

    def _logged_in(self, _manager: Manager) -> None:
        self._opened_at = None
        self._refused = False
        _log.info("ami.connected")

    def _closed(self, _manager: Manager, error: Exception | None) -> None:
        if self.connected:
            _log.warning("ami.disconnected", error=str(error or ""))
        elif self._opened_at is not None and not self._refused:
            # Said once, not at every attempt.
            _log.error(
                "ami.refused", reason="the PBX closed before Login: are user and secret right?"
            )
            self._refused = True
        self.connected = False
        self._opened_at = None
        self._booted.clear()


def _tell(on_leg: Callable[[LegEvent], None], event: Message) -> None:
    try:
        if event["UserEvent"] == LEG_EVENT:
            on_leg(read_leg_event(event))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A header that is there twice, for instance, is a list.
        _log.error("event.unreadable", error=repr(error), headers=dict(event))


def _legs(reply: Message) -> list[Leg]:
    """Read the legs of one channel from its Status event."""
    found = reply.get("Variable", [])
    named = (pair.partition("=") for pair in ([found] if isinstance(found, str) else found))
    # Asterisk writes "(null)" for a variable that the channel does not have.
    variables = {name: value for name, _, value in named if value not in ("", "(null)")}
    try:
        answered_ms = int(variables.get(ANSWERED, "0"))
    except ValueError:
        _log.error("channel.unreadable", channel=reply.channel, variables=variables)
        return []
    return [
        Leg(variables[name], str(reply["Channel"]), at_ms)
        for name, at_ms in ((ASKED, 0), (CALL, answered_ms))
        if name in variables
    ]


def _local_ms() -> int:
    """Give a time that only goes forward, whatever is done to this machine's clock."""
    return time.monotonic_ns() // 10**6
