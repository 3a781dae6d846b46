"""Read the journal: every change of money, in the order in which it was made."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.ledger.keys import Shard
from gateway.ledger.store import Store, reached

_PAGE = 1000

EntryId = tuple[int, int]
"""Milliseconds of the store's clock, and a number within them; later entries have greater ids."""


@dataclass(frozen=True, slots=True)
class Move:
    """Micro-units moved between parts of a lot, or, if ``lot`` is ``pool:NAME``, seconds."""

    lot: str
    source: str
    target: str
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What one operation did to an account; ``fields`` tell its call, payment, or cause."""

    entry_id: EntryId
    operation: str
    account: str
    moves: tuple[Move, ...]
    fields: Mapping[str, str]


def entry_id(text: str) -> EntryId:
    """Read an id as the store writes it."""
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)


async def entries(store: Store, shard: Shard, after: EntryId) -> AsyncIterator[Entry]:
    """Give the entries after an id, up to the last that there is now.

    Raises LedgerUnavailableError.
    """
    client = store.at(shard.tag)
    async with reached():
        last: Any = await client.xrevrange(shard.journal, count=1)
    if not last:
        return
    end = entry_id(last[0][0])
    while after < end:
        async with reached():
            page: Any = await client.xrange(
                shard.journal, f"({after[0]}-{after[1]}", f"{end[0]}-{end[1]}", count=_PAGE
            )
        for text, fields in page:
            after = entry_id(text)
            yield _entry(after, fields)
        if not page:
            return


def _entry(at: EntryId, fields: dict[str, str]) -> Entry:
    words = (move.split(" ") for move in fields["moves"].split(";") if move)
    moves = tuple(Move(lot, source, target, int(amount)) for lot, source, target, amount in words)
    return Entry(at, fields["op"], fields["account"], moves, fields)
