"""The gateway's books, reached beside it: accounts made at once, and the journal of calls."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.config import StoreSettings
from gateway.ledger import embedded
from gateway.ledger.connection import Server, connect
from gateway.ledger.journal import Entry, entries
from gateway.ledger.ledger import Ledger
from gateway.ledger.store import Store
from tests.lab.lab import Lab

_NONE: Mapping[str, int] = {}


@dataclass
class Booked:
    """What the journal has of one call."""

    account: str
    call_id: str
    grants: list[int] = field(default_factory=list)  # seconds in all, at each hold and extension
    closings: list[Entry] = field(default_factory=list)  # one settle or void, if all is right

    @property
    def number(self) -> str:
        return self.closings[0].fields["number"]

    @property
    def is_settled(self) -> bool:
        return [entry.operation for entry in self.closings] == ["settle"]

    @property
    def seconds(self) -> int:
        return self._amount("seconds")

    @property
    def charge(self) -> int:
        return self._amount("charge")

    @property
    def answered(self) -> float:
        return self._amount("answered") / 1000

    @property
    def ended(self) -> float:
        return self._amount("ended") / 1000

    def _amount(self, name: str) -> int:
        return int(self.closings[0].fields.get(name, "0"))


@asynccontextmanager
async def store_of(lab: Lab) -> AsyncIterator[Store]:
    """Reach the gateway's embedded store."""
    async with connect(embedded.url(lab.gateway.data / "store")) as redis:
        yield Store(Server(redis), StoreSettings().shards)


async def open_account(
    store: Store,
    account: str,
    micros: int,
    *,
    numbers: Sequence[str] = (),
    limits: Mapping[str, int] = _NONE,
) -> None:
    """Open an account of alice's with so much credit; the command line takes a second for it."""
    ledger = Ledger(store)
    await ledger.open_account(account, "USD")
    await ledger.configure(account, "open", users=["alice"], numbers=numbers, limits=limits)
    if micros:
        await ledger.grant(account, "p1", micros, "USD")


async def booked_calls(store: Store) -> list[Booked]:
    """Read each call for which something was ever held."""
    calls: dict[str, Booked] = {}
    for shard in store.shards:
        async for entry in entries(store, shard, (0, 0)):
            if "call" not in entry.fields:
                continue
            call_id = entry.fields["call"]
            call = calls.setdefault(call_id, Booked(entry.account, call_id))
            if entry.operation in ("settle", "void"):
                call.closings.append(entry)
            else:
                call.grants.append(int(entry.fields["seconds"]))
    return list(calls.values())
