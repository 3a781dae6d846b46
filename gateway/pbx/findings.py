"""What a check of a PBX finds, and what is to be changed there: the words of ``coinbox doctor``."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from panoramisk.message import Message

from gateway.config import share
from gateway.pbx import variables
from gateway.pbx.ami import ACTIONS
from gateway.rating.steps import Reason

_READ = "read = system,call,user"
_WRITE = "write = system,originate"
_WRITE_CLASSES = {"system", "originate"}
_OURS = variables.LEG_EVENT
_FILTER = f"eventfilter = ^Event: (FullyBooted|AttendedTransfer|UserEvent.*UserEvent: {_OURS})"
_EVENTS = {"FullyBooted", "AttendedTransfer", f"UserEvent {_OURS}"}
_EVENTS_NAMED_MAX = 3
# An action that is of one class alone is allowed to nobody but who has that class.
_OF_ONE_CLASS = re.compile(r"\(Priv: (\w+),all\)$")
_CLOCK_SECONDS_OFF = 1.0
_GLOBALS = "extensions.conf, [globals]"
_RELOAD = "Asterisk's console: dialplan reload"


class Verdict(StrEnum):
    """How a check ended; a warning is of what works, and is not as it should be."""

    OK = "ok"
    WARN = "warn"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``change`` has a line for each change: where, and what it is."""

    check: str
    verdict: Verdict
    says: str
    change: tuple[str, ...] = ()


def _ok(check: str, says: str) -> Finding:
    return Finding(check, Verdict.OK, says)


def _warn(check: str, says: str, *change: str) -> Finding:
    return Finding(check, Verdict.WARN, says, change)


def _wrong(check: str, says: str, *change: str) -> Finding:
    return Finding(check, Verdict.WRONG, says, change)


def not_checked(check: str, action: str) -> Finding:
    """Say that a check needs what the PBX does not have, or does not let us do."""
    return _warn(check, f"not checked: the user may not {action}, or the PBX does not know it")


@dataclass(frozen=True, slots=True)
class Login:
    """Where AMI is of a PBX, which the settings name, our user there, and where his secret is."""

    name: str
    place: str
    user: str
    secret: str

    @property
    def section(self) -> str:
        """Where the PBX has the user."""
        return f"manager-coinbox.conf, [{self.user}]"

    def unknown_secret(self, file: Path) -> Finding:
        """Judge settings that have no secret: those of another folder than the gateway's."""
        return _wrong(
            "AMI",
            f"pbx.{self.name}.secret is not set, and {file} is not there",
            "run this with the settings of the gateway: --config, COINBOX_DATA_DIR",
            "or start the gateway once, which makes a secret",
        )

    def unreachable(self, reason: str) -> Finding:
        """Judge a port where nobody listens."""
        return _wrong(
            "AMI",
            f"nobody listens at {self.place}: {reason}",
            "start Asterisk, if it does not run",
            "manager.conf, [general]: enabled = yes, with the port, and a bindaddr that leads here",
            f"settings, [pbx.{self.name}]: host and port",
        )

    def silent(self, reason: str) -> Finding:
        """Judge a session that ended, or on which nothing came, whatever was asked last."""
        return _wrong(
            "AMI",
            f"{self.place} answers no more: {reason}",
            f"settings, [pbx.{self.name}]: host and port, if they are not those of AMI",
            "else Asterisk's log tells why",
        )

    def refused(self, reason: str, address: str) -> Finding:
        """Judge a Login that failed; Asterisk's log alone tells user, secret and address apart."""
        says = f"{self.user} may not log in from {address}: {reason}"
        if reason != "Authentication failed":
            # A gateway is logged in, and no other could take over from it.
            return _wrong("AMI", says, f"{self.section}: allowmultiplelogin = yes")
        return _wrong(
            "AMI",
            says,
            "manager.conf, after [general]: #include manager-coinbox.conf",
            f"{self.section}: secret = as in {self.secret}",
            f"{self.section}: permit = {address}, too, if that is another machine",
        )

    def boot(self, *, told: bool) -> Finding:
        """Judge whether the PBX tells who logs in that it has booted."""
        if told:
            return _ok("AMI", f"{self.user} is logged in, and the PBX has booted")
        return _wrong(
            "AMI",
            f"{self.user} is logged in, but not told that the PBX has booted",
            "wait, if Asterisk was just started",
            f"{self.section}: {_READ}",
        )

    def rights(self, actions: Message) -> Finding:
        """Judge what the user may do: a synopsis with its classes for each action."""
        missing = [action for action in ACTIONS if action not in actions]
        if missing:
            says = f"{self.user} may not {', '.join(missing)}"
            return _wrong("rights", says, f"{self.section}: {_WRITE}")
        alone = (_OF_ONE_CLASS.search(str(synopsis)) for synopsis in actions.values())
        extra = sorted({found[1] for found in alone if found} - _WRITE_CLASSES)
        if extra:
            says = f"{self.user} has rights that the gateway does not need: {', '.join(extra)}"
            return _warn("rights", says, f"{self.section}: {_WRITE}")
        return _ok("rights", f"{self.user} has the rights that the gateway needs, and no others")

    def untold(self, says: str) -> Finding:
        """Judge an event of the gateway's that does not arrive."""
        return _wrong(
            "events",
            says,
            f"{self.section}: {_READ}",
            f"{self.section}: {_FILTER}",
        )

    def events(self, events: Collection[Message], *, hears_of_calls: bool) -> Finding:
        """Judge what arrives while channels come and go."""
        others = sorted({f"{event.event} {event.userevent}".strip() for event in events} - _EVENTS)
        if others:
            named = ", ".join(others[:_EVENTS_NAMED_MAX])
            more = len(others) - _EVENTS_NAMED_MAX
            return _warn(
                "events",
                f"some arrive that nobody reads: {named}{f', {more} more' if more > 0 else ''}",
                f"{self.section}: {_FILTER}",
            )
        if not hears_of_calls:
            return self.untold("the PBX would not tell of transfers")
        return _ok("events", "those that the gateway reads arrive, and no others")

    def name_there(self, told: str) -> Finding:
        """Judge how the PBX names itself in call ids."""
        if told == self.name:
            return _ok("name", f"COINBOX_PBX is {told}")
        return _wrong(
            "name",
            f"COINBOX_PBX is {told!r}, and [pbx.{self.name}] its section of the settings",
            f"{_GLOBALS}: COINBOX_PBX = {self.name}",
            f"or settings: [pbx.{told}] for [pbx.{self.name}]",
        )


def clock(ahead_seconds: float) -> Finding:
    """Judge the PBX's clock by ours."""
    if abs(ahead_seconds) < _CLOCK_SECONDS_OFF:
        return _ok("clock", f"within {_CLOCK_SECONDS_OFF:g} s of ours")
    return _warn(
        "clock",
        f"{abs(ahead_seconds):.1f} s {'ahead of' if ahead_seconds > 0 else 'behind'} ours:"
        " calls are charged right, but its records and logs have other times than ours",
        "both machines: NTP",
    )


def modules(states: Mapping[str, bool]) -> Finding:
    """Judge whether the modules that are needed are loaded."""
    missing = [module for module, is_loaded in states.items() if not is_loaded]
    if missing:
        change = (f"modules.conf, [modules]: load = {module}" for module in missing)
        return _wrong("modules", f"not loaded: {', '.join(missing)}", *change)
    return _ok("modules", f"the {len(states)} that the dialplan needs are loaded")


def times(timestamp: str) -> Finding:
    """Judge whether events say when they happened."""
    if timestamp:
        return _ok("times", "events have a Timestamp")
    return _warn(
        "times", "events have no Timestamp", "manager.conf, [general]: timestampevents = yes"
    )


def not_loaded() -> Finding:
    """Judge a dialplan that did not run."""
    return _wrong(
        "dialplan",
        f"the context {variables.DOCTOR} does not run: the dialplan is not loaded, or an old one",
        "extensions.conf, at the top: #include extensions-coinbox.conf",
        f"Asterisk's folder: both extensions-coinbox*.conf of {share('dialplan')}",
        f"{_RELOAD}; its log names what it misses",
    )


def dialplan(theirs: str, ours: str) -> Finding:
    """Judge the dialplan by its version."""
    if theirs == ours:
        return _ok("dialplan", f"version {theirs} is loaded")
    return _wrong(
        "dialplan",
        f"version {theirs} is loaded, and the gateway is {ours}",
        f"Asterisk's folder: the files of {share('dialplan')}",
        _RELOAD,
    )


def emergency(country: str, *, is_known: bool) -> Finding:
    """Judge whether the emergency numbers are there, of all countries and of the one set."""
    if is_known:
        return _ok("emergency", f"the numbers of {country or 'all countries'} are loaded")
    file = f"Asterisk's folder: extensions-coinbox-emergency.conf of {share('dialplan')}"
    if not country:
        return _wrong("emergency", "the numbers of the countries are not loaded", file, _RELOAD)
    return _wrong(
        "emergency",
        f"no numbers are loaded of {country!r}, which COINBOX_COUNTRY is",
        f"{_GLOBALS}: COINBOX_COUNTRY = two letters of ISO 3166, as DE",
        f"else {file}",
        _RELOAD,
    )


def no_gateways() -> Finding:
    """Judge an empty list of gateways."""
    return _wrong(
        "AGI", "COINBOX_AGI names no gateway", f"{_GLOBALS}: COINBOX_AGI = agi://127.0.0.1:4573"
    )


def gateway(url: str, told: Message | None, *, others_answer: bool) -> Finding:
    """Judge what a gateway answered the PBX, if it came back to tell."""
    if told is None:
        return _wrong(
            "AGI",
            f"{url} accepts the PBX, and never answers: calls that ask it end after 10 s",
            "that gateway: restart it, if it is one",
            f"else {_GLOBALS}: COINBOX_AGI without it",
        )
    if told.reason == Reason.SERVICE_DOWN:
        says = f"{url} answers the PBX, but its store does not answer it"
        return _wrong("AGI", says, "that gateway: its log tells why (ledger.unavailable)")
    if told.answer:
        return _ok("AGI", f"{url} answers the PBX")
    found = "cannot be reached from the PBX" if told.reached == "FAILURE" else "gives no answer"
    return (_warn if others_answer else _wrong)(
        "AGI",
        f"{url} {found}" + (", so that calls ask the next one" if others_answer else ""),
        "that gateway: coinbox serve; in its settings, [agi]: a host and port that the PBX reaches",
        f"else {_GLOBALS}: COINBOX_AGI without it",
    )


def trunk(name: str, endpoint: Message | None) -> Finding:
    """Judge the PJSIP endpoint that leads out."""
    if endpoint is None:
        return _wrong(
            "trunk",
            f"there is no PJSIP endpoint {name!r}, which COINBOX_TRUNK is",
            f"{_GLOBALS}: COINBOX_TRUNK = the endpoint that leads out",
            f"or pjsip.conf, [{name}]: type = endpoint",
        )
    if endpoint.allowtransfer in {"true", "yes"}:
        return _warn(
            "trunk",
            f"{name} lets those who are called transfer",
            f"pjsip.conf, [{name}]: allow_transfer = no",
        )
    return _ok("trunk", f"{name} is a PJSIP endpoint, and transfers nobody")
