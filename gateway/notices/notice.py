"""A notice: what an event says, kept as the fields of a job until it is told."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.ledger.events import Event
from gateway.ledger.jobs import Job
from gateway.ledger.outcomes import NEVER_MS, Statement
from gateway.money import format_amount
from gateway.notices.kinds import Kind

# How the fields of events are written, by their names; others are words.
_AMOUNTS = {"micros": "amount"} | {
    name: name for name in ("asked", "available", "below", "held", "needed")
}
_TIMES = ("after", "expires")
_NUMBERS = ("days", "percent", "seconds", "size")
# Words come from payment providers too: nothing of them begins a line, or hides what follows.
_NO_WORDS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]+")
_DECIMALS = 2


@dataclass(frozen=True, slots=True)
class Notice:
    """What one recipient is told. ``notice_id`` stays the same however often it is tried."""

    notice_id: str
    to: str
    kind: Kind
    account: str
    at_ms: int
    currency: str
    fields: Mapping[str, str]

    @property
    def words(self) -> dict[str, object]:
        """The fields as people read them: amounts with their currency, times in UTC."""
        currency = _one_line(self.fields.get("currency", self.currency))
        return {
            **{name: _one_line(word) for name, word in self.fields.items()},
            **{
                new: _amount(self.fields[name], currency if name == "micros" else self.currency)
                for name, new in _AMOUNTS.items()
                if name in self.fields
            },
            **{name: _time(self.fields[name]) for name in _TIMES if name in self.fields},
            **{name: int(self.fields[name]) for name in _NUMBERS if name in self.fields},
            "at": _time(str(self.at_ms)),
            "account": self.account,
            "kind": self.kind,
            "to": self.to,
        }

    @property
    def data(self) -> dict[str, object]:
        """The fields as programs read them: amounts as decimals with six places, ISO times.

        ``amount`` is in ``payment_currency``, if there is one; all else is in ``currency``.
        """
        told: dict[str, object] = {"account": self.account, "currency": self.currency}
        for name, word in self.fields.items():
            if name in _AMOUNTS:
                told[_AMOUNTS[name]] = format_amount(int(word)) if word else None
            elif name in _TIMES:
                told[name] = iso(int(word)) if 0 < int(word) < NEVER_MS else None
            elif name in _NUMBERS:
                told[name] = int(word)
            else:
                told["payment_currency" if name == "currency" else name] = word
        return told


def fields_of(event: Event, statement: Statement, to: str) -> dict[str, str]:
    """Give all that is needed to tell of an event, with the balance as it was, or as it is."""
    told = {name: word for name, word in event.fields.items() if name not in {"event", "account"}}
    balance = {"available": str(statement.available), "held": str(statement.held)}
    return {
        **balance,
        **told,
        ":to": to,
        ":kind": event.kind,
        ":account": event.account,
        ":at": event.entry_id.partition("-")[0],
        ":currency": statement.currency,
    }


def notice_of(job: Job) -> Notice:
    """Read a job's fields, as `fields_of` wrote them."""
    return Notice(
        notice_id=job.job_id,
        to=job.fields[":to"],
        kind=Kind(job.fields[":kind"]),
        account=job.fields[":account"],
        at_ms=int(job.fields[":at"]),
        currency=job.fields[":currency"],
        fields={name: word for name, word in job.fields.items() if name[:1] != ":"},
    )


def iso(milliseconds: int) -> str:
    """Write a time for programs."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


def _one_line(word: str) -> str:
    return _NO_WORDS.sub(" ", word).strip()


def _amount(word: str, currency: str) -> str:
    """Write an amount with the two decimals that people expect, or as many as it needs."""
    if not word:
        return ""
    whole, _, decimals = format_amount(int(word)).partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(_DECIMALS, '0')} {currency}"


def _time(word: str) -> str:
    if not 0 < int(word) < NEVER_MS:
        return ""
    return f"{datetime.fromtimestamp(int(word) / 1000, UTC):%d %b %Y, %H:%M} UTC"
