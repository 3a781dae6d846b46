"""The AMI client: the dialplan's events in; deadlines, hang-ups, warnings and calls out."""

import asyncio
from asyncio import Future, Task
from typing import Any

import structlog
from panoramisk import Manager
from panoramisk.message import Message

from gateway.calls.ports import (
    ChannelGoneError,
    DialOut,
    Leg,
    PbxUnavailableError,
    Record,
    Watcher,
)
from gateway.pbx import variables
from gateway.pbx.clock import Clock, steady_ms
from gateway.pbx.events import (
    Told,
    by_our_clock,
    read_leg_event,
    read_legs,
    read_record,
    record_by_our_clock,
)

# All that is asked of a PBX, and so all that our user needs to be allowed.
ACTIONS = (
    "Ping",
    "Status",
    "Hangup",
    "AbsoluteTimeout",
    "Originate",
    "DBGetTree",
    "DBDel",
)
REPLY_SECONDS_MAX = 2.0
# A PBX that had no gateway for long has very many records.
LIST_SECONDS_MAX = 20.0
LOGIN_SECONDS_MAX = 5.0
# Asterisk may keep an event back until it has the next thing to send: a ping brings it out.
PING_SECONDS = 1.0
_WHISPER_MS = 5000
# A transfer is told of before the channels have taken each other's places.
_TRANSFER_SECONDS = (0.5, 3.0)
_RING_MS = 120_000  # longer than the dialplan lets a called leg ring
# So often is the clock looked at for an event that it does not fit to.
_CLOCK_LOOKS_MAX = 5

_log = structlog.get_logger()


class _Connection(Manager):  # type: ignore[misc]
    """panoramisk's client, which stays connected until it is ended."""

    def __init__(self, **config: object) -> None:
        super().__init__(**config)
        self._is_ended = False

    def end(self) -> None:
        """Close, and connect no more."""
        self._is_ended = True
        self.close()

    def connect(self, *args: object, **options: object) -> "Task[Any] | None":
        """Open a connection. A lost one asks for this after a pause."""
        return None if self._is_ended else super().connect(*args, **options)

    def connection_made(self, opened: "Future[Any]") -> None:
        """Log in."""
        if not self._is_ended:
            super().connection_made(opened)
        elif not opened.cancelled() and not opened.exception():
            opened.result()[0].close()


class Ami:
    """One PBX (`gateway.calls.ports.Pbx`). `run` keeps it connected."""

    def __init__(self, host: str, port: int, username: str, secret: str) -> None:
        """Remember the PBX; nothing is connected yet."""
        self.connected = False
        self._login = {"host": host, "port": port, "username": username, "secret": secret}
        self._clock = Clock()
        self._booted = asyncio.Event()
        # With our time at which each was heard.
        self._told: asyncio.Queue[tuple[Told, int]] = asyncio.Queue()
        self._opened_at: float | None = None
        self._refused = False
        # Our time of the latest look at the PBX's clock.
        self._learned_ms = 0
        self._lists_under_way = 0
        self._pending: set[asyncio.Future[Any]] = set()
        self._connection: _Connection | None = None

    async def run(self, watcher: Watcher) -> None:
        """Stay connected until cancelled, and tell of legs, and of each time the PBX is there."""
        connection = self._connection = self._opened(watcher)
        connection.loop = asyncio.get_running_loop()
        connection.connect()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._look_after(watcher))
                tasks.create_task(self._tell(watcher))
        finally:
            connection.end()
            self._connection, self.connected = None, False
            self._told = asyncio.Queue()

    def _opened(self, watcher: Watcher) -> _Connection:
        """Make the client, which hears what the PBX tells."""

        def user_event(_manager: Manager, event: Message) -> None:
            try:
                is_ours = event["UserEvent"] == variables.LEG_EVENT
                if is_ours and event["State"] != variables.DOCTOR_STATE:
                    self._told.put_nowait((read_leg_event(event), steady_ms()))
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # A header that is there twice, for instance, is a list.
                _log.error("event.unreadable", error=repr(error), headers=dict(event))

        def fully_booted(_manager: Manager, _event: Message) -> None:
            self._booted.set()

        def attended_transfer(_manager: Manager, _event: Message) -> None:
            for seconds in _TRANSFER_SECONDS:
                asyncio.get_running_loop().call_later(seconds, watcher.on_transfer)

        connection = _Connection(
            **self._login,
            ping_delay=86_400,  # our own ping looks at the answer
            reconnect_timeout=1,
            # An action without an answer must not be repeated later, on another call's channel.
            forgetable_actions=("login", *(action.lower() for action in ACTIONS)),
            on_connect=self._on_opened,
            on_login=self._on_logged_in,
            on_disconnect=self._on_closed,
        )
        connection.register_event("UserEvent", user_event)
        connection.register_event("FullyBooted", fully_booted)
        connection.register_event("AttendedTransfer", attended_transfer)
        return connection

    async def _look_after(self, watcher: Watcher) -> None:
        """Ping, and break a connection on which nothing comes; panoramisk then makes another."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await self._booted.wait()
            except TimeoutError:
                if self.connected and not self._lists_under_way:
                    await self._ping(watcher)
                elif self._opened_at and loop.time() > self._opened_at + LOGIN_SECONDS_MAX:
                    self._break("no answer to Login")
                continue
            self._booted.clear()
            # What is told next needs the PBX's clock.
            if await self._ping(watcher):
                self.connected = True
                watcher.on_booted()

    async def _tell(self, watcher: Watcher) -> None:
        """Tell of legs, in their order; what has an odd time waits for a look at the clock."""
        while True:
            told, heard_ms = await self._told.get()
            if told.at_ms and self._clock.doubts(told.at_ms, heard_ms):
                await self._look_at_clock(heard_ms, watcher)
            watcher.on_leg(by_our_clock(told.event, self._clock.ours))

    async def _look_at_clock(self, since_ms: int, watcher: Watcher) -> None:
        """Look at the PBX's clock, if that was not done since then."""
        looks = 0
        while self._learned_ms < since_ms and looks < _CLOCK_LOOKS_MAX and self.connected:
            looks += 1
            await self._ping(watcher)

    async def _ping(self, watcher: Watcher) -> bool:
        sent_ms = steady_ms()
        try:
            [reply] = await self._send({"Action": "Ping"})
            pbx_ms = round(float(reply.timestamp) * 1000)
        except PbxUnavailableError as error:
            self._break(str(error))
            return False
        except ValueError:
            return True  # an answer without a time says nothing of the clock
        received_ms = steady_ms()
        if self._clock.learns_by(sent_ms, received_ms):
            self._learned_ms = sent_ms
        jump_ms = self._clock.learn(pbx_ms, sent_ms, received_ms)
        if jump_ms:
            _log.error("pbx.clock_jumped", by_ms=jump_ms)
            watcher.on_clock()
        return True

    def _break(self, reason: str) -> None:
        _log.warning("ami.silent", reason=reason)
        if self._connection and self._connection.protocol:
            self._connection.protocol.transport.abort()

    def now_ms(self) -> int:
        """Give the time in which the PBX's events are told."""
        return self._clock.now_ms(steady_ms())

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

    async def warn(self, channel: str, seconds: int) -> None:
        """Whisper into a channel how much is left."""
        await self._do(
            {
                "Action": "Originate",
                # One half whispers into the ear what the other half plays.
                "Channel": f"Local/s@{variables.WHISPER}/n",
                "Context": variables.WARNING,
                "Exten": str(seconds),
                "Priority": "1",
                "Timeout": str(_WHISPER_MS),
                "Variable": f"{variables.EAR}={channel}",
                "Async": "true",
            }
        )

    async def dial_out(self, asked: DialOut) -> None:
        """Let a conference call a number. The same request again is refused by the PBX."""
        of = {
            variables.ACCOUNT: asked.account,
            variables.USER: asked.organizer,
            variables.CONFERENCE: f"{asked.account}-{asked.conference}",
            variables.PRESS_ONE: "1" if asked.press_one else "",
        }
        await self._do(
            {
                "Action": "Originate",
                "Channel": f"Local/{asked.number}@{variables.CONF_OUT}/n",
                "ChannelId": asked.channel_id,
                "Context": variables.ROOM,
                "Exten": "s",
                "Priority": "1",
                "Timeout": str(_RING_MS),
                "Variable": [f"{name}={value}" for name, value in of.items()],
                "Async": "true",
            }
        )

    async def legs(self) -> list[Leg]:
        """List the channels that carry a call id."""
        names = (
            *(variables.ASKED, variables.CALL, variables.ANSWERED, variables.EAR),
            *(variables.SHARED_ANSWERED, variables.SHARED_EAR),
            *(variables.TYPE, variables.ACCOUNT, variables.USER, variables.NUMBER),
        )
        replies = await self._list({"Action": "Status", "Variables": ",".join(names)})
        return [
            leg
            for reply in replies
            if "Channel" in reply
            for leg in read_legs(reply, self._clock.ours)
        ]

    async def records(self) -> dict[str, Record]:
        """Read the AstDB's records of ended calls."""
        replies = await self._list({"Action": "DBGetTree", "Family": variables.RECORDS})
        records = {}
        for reply in replies:
            if reply.event == "DBGetTreeResponse":
                _, _, call_id = reply["Key"].strip("/").partition("/")
                try:
                    record = read_record(reply["Val"])
                except ValueError:
                    _log.error("record.unreadable", call=call_id, record=reply["Val"])
                    continue
                records[call_id] = record_by_our_clock(record, self._clock.ours)
        return records

    async def forget(self, call_id: str) -> None:
        """Delete a call's record from the AstDB."""
        await self._ask({"Action": "DBDel", "Family": variables.RECORDS, "Key": call_id})

    async def _do(self, action: dict[str, Any]) -> None:
        """Send an action that must be done, or the state of the channel is unknown."""
        [reply] = await self._ask(action)
        if reply.success:
            return
        message = f"{action['Action']} {action['Channel']}: {reply.message}"
        if reply.message == "No such channel":
            raise ChannelGoneError(message)
        raise PbxUnavailableError(message)

    async def _list(self, action: dict[str, Any]) -> list[Message]:
        """Send an action that brings a list back."""
        self._lists_under_way += 1
        try:
            return await self._ask(action, as_list=True)
        finally:
            self._lists_under_way -= 1

    async def _ask(self, action: dict[str, Any], *, as_list: bool = False) -> list[Message]:
        if not self.connected:
            raise PbxUnavailableError("AMI is not connected")
        return await self._send(action, as_list=as_list)

    async def _send(self, action: dict[str, Any], *, as_list: bool = False) -> list[Message]:
        """Send an action and wait for what it brings back."""
        if self._connection is None:
            raise PbxUnavailableError("AMI is not connected")
        sent = self._connection.send_action(action, as_list=as_list)
        self._pending.add(sent)
        try:
            async with asyncio.timeout(LIST_SECONDS_MAX if as_list else REPLY_SECONDS_MAX):
                answer = await sent
        except TimeoutError as error:
            raise PbxUnavailableError(f"no answer to {action['Action']}") from error
        finally:
            self._pending.discard(sent)
        return answer if isinstance(answer, list) else [answer]

    def _on_opened(self, _manager: Manager) -> None:
        self._opened_at = asyncio.get_running_loop().time()

    def _on_logged_in(self, _manager: Manager) -> None:
        self._opened_at = None
        self._refused = False
        _log.info("ami.connected")

    def _on_closed(self, _manager: Manager, error: Exception | None) -> None:
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
        for sent in self._pending:
            # panoramisk forgets what was asked on a connection that is lost, and who waits for it.
            if not sent.done():
                sent.set_exception(PbxUnavailableError("AMI was disconnected"))
