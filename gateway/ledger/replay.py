"""Rebuild balances from the journal alone."""

from collections import defaultdict
from dataclasses import dataclass, field

from gateway.ledger.journal import Entry, Move
from gateway.ledger.outcomes import RETIRED

PARTS = ("granted", "available", "held", "spent", "expired", "reversed")
"""Of a lot and of an account; what was granted is the sum of the others (rule M5)."""

POOL = "pool:"
_CLOSING = ("settle", "void")

Parts = dict[str, int]


def no_parts() -> Parts:
    """Give the parts of a lot, or of an account, that has nothing."""
    return dict.fromkeys(PARTS, 0)


def _pins() -> defaultdict[str, int]:
    return defaultdict(int)


@dataclass(slots=True)
class AccountReplay:
    """An account as its entries make it. Lots that have nothing left are summed up as one."""

    opened: bool = False
    lots: defaultdict[str, Parts] = field(default_factory=lambda: defaultdict(no_parts))
    expires_ms: dict[str, int] = field(default_factory=dict)
    calls: defaultdict[str, defaultdict[str, int]] = field(
        default_factory=lambda: defaultdict(_pins)
    )
    """What each live call holds: of lots in micro-units, of a pool in seconds."""
    pools: defaultdict[str, Parts] = field(
        default_factory=lambda: defaultdict(lambda: {"free": 0, "held": 0, "used": 0})
    )

    def apply(self, entry: Entry) -> None:
        """Take in the account's next entry."""
        self.opened = self.opened or entry.operation == "open_account"
        for move in entry.moves:
            self._move(move)
        if entry.operation == "grant":
            self.expires_ms |= {move.lot: int(entry.fields["expires"]) for move in entry.moves}
        if "call" in entry.fields:
            self._apply_to_call(entry)
        for lot in {move.lot for move in entry.moves} & self.lots.keys():
            self._retire(lot)

    def _move(self, move: Move) -> None:
        if move.lot.startswith(POOL):
            parts = self.pools[move.lot.removeprefix(POOL)]
        else:
            parts = self.lots[move.lot]
        # What is granted comes from outside, and is the sum of the other parts.
        parts[move.source] += move.amount if move.source == "granted" else -move.amount
        parts[move.target] += move.amount

    def _apply_to_call(self, entry: Entry) -> None:
        call_id = entry.fields["call"]
        if entry.operation in _CLOSING:
            self.calls.pop(call_id, None)
            return
        pins = self.calls[call_id]  # also of a call that costs nothing
        for move in entry.moves:
            pins[move.lot] += move.amount

    def _retire(self, lot: str) -> None:
        parts = self.lots[lot]
        if parts["available"] == parts["held"] == 0:
            del self.lots[lot]
            self.expires_ms.pop(lot, None)
            retired = self.lots[RETIRED]
            for part, micros in parts.items():
                retired[part] += micros
