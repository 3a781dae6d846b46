import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.lab import processes
from tests.lab.media import Heard
from tests.lab.templates import render

SCENARIOS = Path(__file__).parent / "sipp"
AT_ONCE = 1000  # calls a second: a group of callers starts within some milliseconds

ANSWERS = "00"  # the last digits of a number tell the far end what to do; any others answer too
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


@dataclass(frozen=True)
class FarCall:
    """What the far end saw of one call; times are epoch seconds, 0 for what did not happen."""

    number: str
    called: float
    answered: float
    ended: float
    ended_by: str  # "pbx", "far" or ""


@dataclass(frozen=True)
class Caller:
    """Who calls, from where, and how patiently."""

    account: str = "contoso"
    user: str = "alice"
    endpoint: str = "phone"  # "pstn" dials in from outside, "desk" is a phone with fixed account
    from_user: str = "4001"  # who the caller says he is
    country: str = ""
    conference: str = ""
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
        by_call: dict[str, list[Event]] = {}
        for event in _events(self._log):
            by_call.setdefault(event.subject, []).append(event)
        return [_call_result(events) for events in by_call.values()]

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
    scenario = _prepare(
        folder,
        "caller.xml",
        talk_ms=round(caller.talk_seconds * 1000),
        patience_ms=round(caller.patience_seconds * 1000),
        media_port=media_port,
    )
    keys = {
        "account": caller.account,
        "user": caller.user,
        "endpoint": caller.endpoint,
        "from_user": quote(caller.from_user),
        "country": caller.country,
        "conference": caller.conference,
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
    """Everybody who can be called over the trunk.

    The last two digits of the number decide: see `sipp/far_end.xml`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        media_port: int,
        ring_seconds: float = 0.5,
        talk_seconds: float = 2.0,
    ) -> None:
        self._folder = folder
        self._port = port
        self._media_port = media_port
        self._ring_ms = round(ring_seconds * 1000)
        self._talk_ms = round(talk_seconds * 1000)
        self._process: asyncio.subprocess.Process | None = None
        self._heard: Heard | None = None

    async def start(self) -> None:
        self._heard = await Heard.listen(self._media_port)
        scenario = _prepare(
            self._folder,
            "far_end.xml",
            ring_ms=self._ring_ms,
            talk_ms=self._talk_ms,
            media_port=self._media_port,
        )
        self._process = await _sipp(self._folder, scenario, self._port, "127.0.0.1", "-l", "1000")

    async def stop(self) -> None:
        if self._process:
            await processes.kill(self._process)
        if self._heard:
            self._heard.close()

    def calls(self, number: str = "") -> list[FarCall]:
        """Give the calls that reached the far end, all or those to a number."""
        by_call: dict[str, list[Event]] = {}
        for event in _events(self._folder / "log"):
            by_call.setdefault(event.detail, []).append(event)
        calls = [_far_call(events) for events in by_call.values()]
        return [seen for seen in calls if number in ("", seen.number)]

    async def until_ended(self, number: str, seconds: float = 20.0) -> FarCall:
        """Wait for the end of an answered call to a number."""
        found = await processes.until(
            lambda: [seen for seen in self.calls(number) if seen.answered and seen.ended],
            f"the far end's call to {number} has ended",
            seconds,
        )
        return found[-1]


def _prepare(folder: Path, scenario: str, **values: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return render(SCENARIOS / scenario, folder / scenario, values)


async def _sipp(
    folder: Path, scenario: Path, port: int, *arguments: str
) -> asyncio.subprocess.Process:
    return await processes.start(
        (
            "sipp",
            *arguments,
            *("-sf", str(scenario), "-i", "127.0.0.1", "-nostdin", "-f", "60"),
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
        if line.endswith("\n") and len(words) == len(("call", "event", "detail", "s", "us")):
            subject, name, detail, seconds, microseconds = words
            yield Event(subject, name, detail, float(seconds) + float(microseconds) / 1e6)


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
        ended_by=seen["ended"].detail if "ended" in seen else "",
    )


def _far_call(events: list[Event]) -> FarCall:
    seen = {event.name: event for event in events}
    by_pbx, by_far = _at(seen, "ended", "cancelled"), _at(seen, "left", "busy")
    return FarCall(
        number=events[0].subject,
        called=_at(seen, "called"),
        answered=_at(seen, "answered"),
        ended=by_pbx or by_far,
        ended_by="pbx" if by_pbx else "far" if by_far else "",
    )


def _at(seen: dict[str, Event], *names: str) -> float:
    return next((seen[name].at for name in names if name in seen), 0.0)
