"""The AMI client: the dialplan's events in, deadlines and hang-ups out."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog
from panoramisk import Manager
from panoramisk.message import Message

from gateway.calls.ports import Leg, LegEvent, PbxUnavailableError, Record
from gateway.pbx.events import read_leg_event, read_record
from gateway.pbx.variables import ANSWERED, ASKED, CALL, LEG_EVENT, RECORDS

REPLY_SECONDS_MAX = 2.0
# Asterisk may keep an event back until it has the next thing to send: a ping brings it out.
PING_SECONDS = 1.0
_CLOCK_SAMPLES = 30

_log = structlog.get_logger()


class Ami:
    """One PBX (`gateway.calls.ports.Pbx`). `run` keeps it connected."""

    def __init__(self, host: str, port: int, username: str, secret: str) -> None:
        """Remember the PBX; nothing is connected yet."""
        self._offsets_ms: deque[int] = deque(maxlen=_CLOCK_SAMPLES)
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
            on_login=self._logged_in,
            on_disconnect=self._disconnected,
        )
        self.connected = False

    async def run(self, on_leg: Callable[[LegEvent], None], on_booted: Callable[[], None]) -> None:
        """Stay connected until cancelled, and tell of legs, and of each time the PBX is there."""

        def user_event(_manager: Manager, event: Message) -> None:
            _tell(on_leg, event)

        def fully_booted(_manager: Manager, _event: Message) -> None:
            self.connected = True
            on_booted()

        self._manager.register_event("UserEvent", user_event)
        self._manager.register_event("FullyBooted", fully_booted)
        self._manager.loop = asyncio.get_running_loop()
        self._manager.connect()
        try:
            while True:
                await asyncio.sleep(PING_SECONDS)
                if self.connected:
                    await self._ping()
        finally:
            self._manager.close()

    async def _ping(self) -> None:
        try:
            reply = await self._ask({"Action": "Ping"})
        except PbxUnavailableError:
            _log.warning("ami.silent")
            # A peer that vanished is noticed in no other way; panoramisk connects again.
            self._manager.protocol.transport.abort()
            return
        with suppress(ValueError):  # an answer without a time says nothing of the clock
            pbx_ms = round(float(reply[0].timestamp) * 1000)
            self._offsets_ms.append(pbx_ms - _local_ms())

    def now_ms(self) -> int:
        """Give the PBX's time: the local one, moved by the offset that its answers show.

        An answer is late by its way here, so the largest offset is the nearest to the truth.
        """
        return _local_ms() + max(self._offsets_ms, default=0)

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
        replies = await self._ask(
            {"Action": "Status", "Variables": f"{ASKED},{CALL},{ANSWERED}"}, as_list=True
        )
        legs = []
        for reply in replies:
            variables = _variables(reply)
            answered_ms = int(variables.get(ANSWERED, "0"))
            for name, at_ms in ((ASKED, 0), (CALL, answered_ms)):
                if name in variables:
                    legs.append(Leg(variables[name], reply["Channel"], at_ms))
        return legs

    async def records(self) -> dict[str, Record]:
        """Read the AstDB's records of ended calls."""
        replies = await self._ask({"Action": "DBGetTree", "Family": RECORDS}, as_list=True)
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

    async def _ask(self, action: dict[str, str], *, as_list: bool = False) -> list[Message]:
        """Send an action and wait for what it brings back."""
        if not self.connected:
            message = "AMI is not connected"
            raise PbxUnavailableError(message)
        try:
            async with asyncio.timeout(REPLY_SECONDS_MAX):
                answer = await self._manager.send_action(action, as_list=as_list or None)
        except TimeoutError as error:
            message = f"no answer to {action['Action']}"
            raise PbxUnavailableError(message) from error
        return answer if isinstance(answer, list) else [answer]

    def _logged_in(self, _manager: Manager) -> None:
        self.connected = True
        _log.info("ami.connected")

    def _disconnected(self, _manager: Manager, error: Exception | None) -> None:
        if self.connected:
            _log.warning("ami.disconnected", error=str(error or ""))
        self.connected = False


def _tell(on_leg: Callable[[LegEvent], None], event: Message) -> None:
    if event["UserEvent"] != LEG_EVENT:
        return
    try:
        on_leg(read_leg_event(event))
    except (KeyError, ValueError) as error:
        _log.error("event.unreadable", error=str(error), event=dict(event))


def _variables(reply: Message) -> Mapping[str, str]:
    """Read the ``Variable: NAME=value`` headers of a Status event that have a value of ours."""
    found = reply.get("Variable", [])
    pairs = [found] if isinstance(found, str) else found
    named = (pair.partition("=") for pair in pairs)
    # Asterisk writes "(null)" for a variable that the channel does not have.
    return {name: value for name, _, value in named if value not in ("", "(null)")}


def _local_ms() -> int:
    return time.time_ns() // 1_000_000
