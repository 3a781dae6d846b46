import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.lab import processes
from tests.lab.media import Heard
from tests.lab.steps import (
    STAYS,
    Dialog,
    Hold,
    Party,
    Press,
    Resume,
    Step,
    Wait,
    fill,
    prepare,
    write_steps,
)

AT_ONCE = 1000  # calls a second: a group of callers starts within some milliseconds

ANSWERS = "00"  # the last digits of a number tell the far end what to do; any others answer too
PRESSES_ONE = "11"  # a second after its answer
HOLDS = "22"  # two seconds after its answer, for two seconds
RINGS_LONG = "33"
REDIRECTS = "44"  # to the number that ends with ANSWERS instead
EARLY_MEDIA = "55"
NEVER_ANSWERS = "66"
HANGS_UP = "77"
BUSY = "88"


@dataclass(frozen=True)
class Event:
    """A line of a scenario's log."""

    subject: str
    name: str
    detail: str
    at: float


@dataclass(frozen=True)
class CallResult:
    """What one caller saw; times are epoch seconds, 0 for what did not happen."""

    code: int
    called: float
    ringing: float
    early: float
    answered: float
    ended: float
    ended_by: str  # "caller", "far" or ""
    # With times: hold, resume, press-1, refer, refer-202, notify-200; reinvited is the PBX's doing.
    steps: tuple[tuple[str, float], ...]
    dialog: Dialog | None


@dataclass(frozen=True)
class FarCall:
    """What the far end or a phone saw of one call; times are epoch seconds, 0 for what was not."""

    number: str
    called: float
    answered: float
    ended: float
    ended_by: str  # "pbx", "far" or ""
    steps: tuple[tuple[str, float], ...]
    dialog: Dialog | None


@dataclass(frozen=True)
class Caller:
    """Who calls, from where, and how patiently."""

    account: str = "contoso"
    user: str = "alice"
    # "pstn" dials in from outside, "desk" is a phone with fixed account, "plain" has no
    # Coinbox.
    endpoint: str = "phone"
    from_user: str = "4001"  # who the caller says he is
    country: str = ""
    conference: str = ""
    phone: str = ""  # of alice, whom "pstn" calls
    language: str = ""  # of the channel
    steps: tuple[Step, ...] = ()  # from the answer on, before he talks
    talk_seconds: float = 3.0
    patience_seconds: float = 90.0


class Calls:
    """A group of callers who dial one number at once."""

    def __init__(self, folder: Path, process: asyncio.subprocess.Process, heard: Heard) -> None:
        self.heard = heard  # by all of them together
        self._log = folder / "log"
        self._process = process

    def results(self) -> list[CallResult]:
        """Give what each caller has seen so far."""
        return [_call_result(events) for events in _by_call(self._log)]

    async def until_ringing(self) -> list[CallResult]:
        """Wait until a caller hears it ring, and give those who do."""
        return await processes.until(
            lambda: [call for call in self.results() if call.ringing], "a caller hears it ring"
        )

    async def until_answered(self, seconds: float = 20.0) -> list[CallResult]:
        """Wait until a caller is answered, and give those who are."""
        return await processes.until(
            lambda: [call for call in self.results() if call.answered],
            "a caller is answered",
            seconds,
        )

    async def finished(self, seconds: float = 100.0) -> list[CallResult]:
        """Wait until the last caller is done, and give what each has seen."""
        async with asyncio.timeout(seconds):
            await self._process.wait()
        self.heard.close()
        return self.results()

    async def stop(self) -> None:
        await processes.kill(self._process)
        self.heard.close()


async def call(
    number: str,
    caller: Caller,
    *,
    count: int,
    rate: int,
    sip_port: int,
    own_port: int,
    media_port: int,
    folder: Path,
) -> Calls:
    """Start callers; `Calls.finished` waits for them."""
    heard = await Heard.listen(media_port)
    party = Party(
        me="caller",
        peer="far",
        uri="sip:[service]@[remote_ip]:[remote_port]",
        sender="<sip:[from_user]@[local_ip]:[local_port]>;tag=[pid]c[call_number]",
        receiver="<sip:[service]@[remote_ip]:[remote_port]>[peer_tag_param]",
        contact="<sip:[endpoint]@[local_ip]:[local_port]>",
        media_port=media_port,
    )
    scenario = prepare(
        folder,
        "caller.xml",
        party,
        steps=write_steps("step", (*caller.steps, Wait(caller.talk_seconds)), party),
        patience_ms=round(caller.patience_seconds * 1000),
    )
    keys = {
        "account": caller.account,
        "user": caller.user,
        "endpoint": caller.endpoint,
        "from_user": quote(caller.from_user),
        "country": caller.country,
        "conference": caller.conference,
        "phone": caller.phone,
        "language": caller.language,
    }
    process = await _sipp(
        folder,
        scenario,
        own_port,
        f"127.0.0.1:{sip_port}",
        *("-s", quote(number, safe="+*,&;=")),
        *(word for name, value in keys.items() for word in ("-key", name, value)),
        *("-m", str(count), "-l", str(count), "-r", str(rate)),
    )
    return Calls(folder, process, heard)


class FarEnd:
    """Everybody who can be called over the trunk, or at one endpoint: a phone.

    Whom the PBX asks for decides what happens. Numbers, by their last two digits: see `ANSWERS` and
    its like. Names, as in `PJSIP/busy@alice`: `silent`, `busy`, `to4930123456` (redirects to
    +4930123456) and those that `steps` has; any other answers.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        media_port: int,
        sip_port: int,
        ring_seconds: float = 0.5,
        long_ring_seconds: float = 15.0,
        talk_seconds: float = 2.0,
        steps: Mapping[str, tuple[Step, ...]] | None = None,
    ) -> None:
        self._folder = folder
        self._port = port
        self._sip_port = sip_port
        self._media_port = media_port
        self._ring_ms = round(ring_seconds * 1000)
        self._long_ring_ms = round(long_ring_seconds * 1000)
        # What each does after its answer, by a regular expression for whom the PBX asks for.
        self._steps: dict[str, tuple[Step, ...]] = {
            f"[^@]*{PRESSES_ONE}": (Wait(1), Press("1"), STAYS),
            f"[^@]*{HOLDS}": (Wait(2), Hold(), Wait(2), Resume(), STAYS),
            f"[^@]*{HANGS_UP}": (Wait(talk_seconds),),
            **{name: (*own, STAYS) for name, own in (steps or {}).items()},
        }
        self._process: asyncio.subprocess.Process | None = None
        self._heard: Heard | None = None

    async def start(self) -> None:
        self._heard = await Heard.listen(self._media_port)
        party = Party(
            me="far",
            peer="pbx",
            uri="sip:[remote_ip]:[remote_port]",
            sender="<sip:[$number]@[local_ip]:[local_port]>;tag=[pid]f[call_number]",
            receiver="[$caller]",
            contact="<sip:far@[local_ip]:[local_port]>",
            media_port=self._media_port,
        )
        named = {f"as{place}": who for place, who in enumerate(self._steps)}
        scenario = prepare(
            self._folder,
            "far_end.xml",
            party,
            ring_ms=self._ring_ms,
            long_ring_ms=self._long_ring_ms,
            anybody="|".join(named.values()),
            choices="\n".join(fill("choice.xml", act=act, who=who) for act, who in named.items()),
            steps="\n".join(
                [
                    write_steps("stay", [STAYS], party),
                    '  <label id="acts"/>',
                    *(fill("act.xml", act=act) for act in named),
                    *(write_steps(act, self._steps[who], party) for act, who in named.items()),
                ]
            ),
        )
        self._process = await _sipp(
            self._folder,
            scenario,
            self._port,
            f"127.0.0.1:{self._sip_port}",
            *("-l", "1000"),
        )

    async def stop(self) -> None:
        if self._process:
            await processes.kill(self._process)
        if self._heard:
            self._heard.close()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def calls(self, number: str = "") -> list[FarCall]:
        """Give the calls that reached the far end, all or those to a number."""
        calls = [_far_call(events) for events in _by_call(self._folder / "log")]
        return [seen for seen in calls if number in ("", seen.number)]

    async def until_ended(self, number: str, seconds: float = 20.0) -> FarCall:
        """Wait for the end of an answered call to a number."""
        found = await processes.until(
            lambda: [seen for seen in self.calls(number) if seen.answered and seen.ended],
            f"the far end's call to {number} has ended",
            seconds,
        )
        return found[-1]


async def _sipp(
    folder: Path, scenario: Path, port: int, *arguments: str
) -> asyncio.subprocess.Process:
    return await processes.start(
        (
            "sipp",
            *arguments,
            *("-sf", str(scenario), "-i", "127.0.0.1", "-nostdin", "-f", "60"),
            "-aa",  # answers UPDATE, NOTIFY, INFO and OPTIONS where no step awaits them
            # It opens media ports that it never uses. On one address, 50 SIPps find theirs.
            *("-p", str(port), "-mi", f"127.1.{port // 256}.{port % 256}"),
            *("-trace_logs", "-log_file", str(folder / "log")),
            *("-trace_err", "-error_file", str(folder / "errors")),
        ),
        folder=folder,
        output=folder / "output",
    )


def _events(log: Path) -> Iterator[Event]:
    """Read whole lines only: SIPp may be writing the last one."""
    text = log.read_text() if log.exists() else ""
    for line in text.splitlines(keepends=True):
        words = line.split()
        if line.endswith("\n") and len(words) == len(("call id", "event", "detail", "s", "us")):
            subject, name, detail, seconds, microseconds = words
            yield Event(subject, name, detail, float(seconds) + float(microseconds) / 1e6)


def _by_call(log: Path) -> Iterable[list[Event]]:
    by_call: dict[str, list[Event]] = {}
    for event in _events(log):
        by_call.setdefault(event.subject, []).append(event)
    return by_call.values()


def _call_result(events: list[Event]) -> CallResult:
    seen = {event.name: event for event in events}
    code = seen.get("answered") or seen.get("refused")
    return CallResult(
        code=int(code.detail) if code else 0,
        called=_at(seen, "called"),
        ringing=_at(seen, "ringing"),
        early=_at(seen, "early"),
        answered=_at(seen, "answered"),
        ended=_at(seen, "ended", "refused"),
        ended_by=_detail(seen, "ended"),
        steps=_steps_done(events),
        dialog=_dialog(seen),
    )


def _far_call(events: list[Event]) -> FarCall:
    seen = {event.name: event for event in events}
    return FarCall(
        number=_detail(seen, "called"),
        called=_at(seen, "called"),
        answered=_at(seen, "answered"),
        ended=_at(seen, "ended"),
        ended_by=_detail(seen, "ended"),
        steps=_steps_done(events),
        dialog=_dialog(seen),
    )


def _steps_done(events: list[Event]) -> tuple[tuple[str, float], ...]:
    return tuple((event.detail, event.at) for event in events if event.name == "step")


def _dialog(seen: Mapping[str, Event]) -> Dialog | None:
    if "dialog" not in seen:
        return None
    local_tag, remote_tag = seen["dialog"].detail.split(";")
    return Dialog(seen["dialog"].subject, local_tag, remote_tag)


def _detail(seen: Mapping[str, Event], name: str) -> str:
    return seen[name].detail if name in seen else ""


def _at(seen: Mapping[str, Event], *names: str) -> float:
    return next((seen[name].at for name in names if name in seen), 0.0)
