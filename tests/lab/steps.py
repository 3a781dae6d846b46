"""What a phone does once its call is answered, written as a scenario for SIPp."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.lab.templates import PLACE, render

SCENARIOS = Path(__file__).parent / "sipp"


KEY_SECONDS = 0.2  # from one key to the next


# Asterisk refuses to transfer a call that it has answered but not connected yet. Busy, it shows.
CONNECT_SECONDS = 0.5


ANSWER_SECONDS = 60.0  # for the PBX to answer a step, a transfer's outcome included


LEAVE_SECONDS = 5.0  # for the PBX to end the call that it has transferred


LAST_CSEQ = 1000  # of the BYE: a call has fewer steps


@dataclass(frozen=True)
class Dialog:
    """A call as SIP names it, seen from the phone's side."""

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Press:
    """Send digits by SIP INFO, no faster than fingers: Asterisk's features lose a burst."""

    digits: str


@dataclass(frozen=True)
class Hold:
    pass


@dataclass(frozen=True)
class Resume:
    pass


@dataclass(frozen=True)
class Refer:
    """Transfer the call, after `CONNECT_SECONDS`, to a number or to the PBX's end of another call.

    Done, the phone hangs up if the PBX does not; refused or failed, it goes on with the call.
    """

    to: str
    replaces: Dialog | None = None

    @property
    def target(self) -> str:
        """The Refer-To URI's part after `sip:`, for SIPp to fill in."""
        target = f"{quote(self.to, safe='+*')}@[remote_ip]:[remote_port]"
        if not self.replaces:
            return target
        # RFC 3891: the tags as the PBX, which takes the request, sees them.
        tags = f"to-tag={self.replaces.remote_tag};from-tag={self.replaces.local_tag}"
        return f"{target}?Replaces={quote(f'{self.replaces.call_id};{tags}', safe='')}"


Step = Wait | Press | Hold | Resume | Refer


STAYS = Wait(3600)  # until the PBX hangs up


@dataclass(frozen=True)
class Party:
    """How a phone writes the requests of a call, and what its log calls the two ends."""

    me: str
    peer: str
    uri: str
    sender: str
    receiver: str
    contact: str
    media_port: int

    @property
    def values(self) -> dict[str, object]:
        return {**vars(self), "from": self.sender, "to": self.receiver}


def prepare(folder: Path, scenario: str, party: Party, **values: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    end = fill("end.xml", **party.values, cseq=LAST_CSEQ)
    file = render(SCENARIOS / scenario, folder / scenario, {**party.values, **values, "end": end})
    # SIPp reads 64 kB of a scenario, and overlooks what a line begins with.
    file.write_text("\n".join(line.lstrip() for line in file.read_text().splitlines()))
    return file


def write_steps(label: str, steps: Iterable[Step], party: Party) -> str:
    """Write the steps of a call, and then its hang-up."""
    parts = [part for step in steps for part in _parts(step)]
    labels = [*(f"{label}_{place}" for place in range(len(parts))), "hangup"]
    direction = "sendrecv"
    written = []
    for place, part in enumerate(parts):
        direction = {Hold: "sendonly", Resume: "sendrecv"}.get(type(part), direction)
        values = {
            **party.values,
            "step": labels[place],
            "then": labels[place + 1],
            "cseq": place + 2,
            "direction": direction,
        }
        written.append(_step(part, values))
    return "\n".join(written)


def _parts(step: Step) -> Iterable[Step]:
    match step:
        case Press(digits):
            return [part for digit in digits for part in (Press(digit), Wait(KEY_SECONDS))]
        case Refer():
            return Wait(CONNECT_SECONDS), step
    return (step,)


def _step(step: Step, values: dict[str, object]) -> str:
    label = str(values["step"])
    match step:
        case Wait(seconds):
            return _listen(label, seconds, values)
        case Press(digit):
            listen = _await("answer_awaited.xml", {**values, "agreed": values["then"]})
            return fill("press.xml", **values, digit=digit, listen=listen)
        case Hold() | Resume():
            listen = _await("answer_awaited.xml", {**values, "agreed": f"{label}_agreed"})
            return fill("media.xml", **values, name=type(step).__name__.lower(), listen=listen)
        case Refer():
            listen = _await("refer_awaited.xml", values)
            leave = _listen(f"{label}_left", LEAVE_SECONDS, {**values, "then": "hangup"})
            return fill("refer.xml", **values, target=step.target, listen=listen, leave=leave)


def _await(fragment: str, values: dict[str, object]) -> str:
    """Write the wait for the answer to what a step has sent."""
    awaited = fill(fragment, **values, ms=round(ANSWER_SECONDS * 1000))
    return _listen(f"{values['step']}_sent", ANSWER_SECONDS, values, awaited)


def _listen(label: str, seconds: float, values: dict[str, object], awaited: str = "") -> str:
    ms = round(seconds * 1000)
    return fill("listen.xml", **values, listen=label, ms=ms, awaited=awaited)


def fill(fragment: str, **values: object) -> str:
    text = (SCENARIOS / fragment).read_text().rstrip("\n")
    return PLACE.sub(lambda place: str(values[place[1]]), text)
