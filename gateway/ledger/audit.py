"""Prove the books: the sums of each account, its calls, and its journal tell the same.

An audit runs beside live traffic. Every account and call names its last entry in the journal, so
what was read of it is compared with the journal at that very entry, whatever came later.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.ledger import scripts
from gateway.ledger.cells import paired, read_lots, read_party
from gateway.ledger.journal import EntryId, entries, entry_id
from gateway.ledger.keys import Shard
from gateway.ledger.outcomes import OVERDRAFT, RETIRED
from gateway.ledger.replay import PARTS, POOL, AccountReplay, Parts, no_parts
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store, reached
from gateway.money import format_amount

_START: EntryId = (0, 0)


@dataclass(slots=True)
class Audit:
    """What an audit saw, and each difference that it found, as a line to read."""

    accounts: int = 0
    entries: int = 0
    holds: int = 0
    totals: defaultdict[str, Parts] = field(default_factory=lambda: defaultdict(no_parts))
    """Sums over all accounts of a currency, in micro-units."""
    differences: list[str] = field(default_factory=list)

    def expect(self, where: str, found: int, expected: int, by: str) -> None:
        """Note a difference between amounts, if there is one."""
        if found != expected:
            self.differences.append(
                f"{where} is {format_amount(found)}, by {by} {format_amount(expected)}"
            )


async def audit(store: Store) -> Audit:
    """Look at every account. Raises LedgerUnavailableError."""
    result = Audit()
    for shard in store.shards:
        await _ShardAudit(store, shard, result).run()
    for currency, parts in sorted(result.totals.items()):
        _expect_whole(result, f"all accounts in {currency}: granted", parts)
    return result


def _expect_whole(result: Audit, where: str, parts: Parts) -> None:
    """Expect what rule M5 says."""
    result.expect(
        where, parts["granted"], sum(parts[part] for part in PARTS[1:]), "the sum of parts"
    )


class _ShardAudit:
    """The audit of one shard: read what the store has, then follow the journal past it."""

    def __init__(self, store: Store, shard: Shard, result: Audit) -> None:
        self._store = store
        self._client = store.at(shard.tag)
        self._shard = shard
        self._result = result
        self._position = _START
        self._replays: defaultdict[str, AccountReplay] = defaultdict(AccountReplay)
        self._checks: defaultdict[EntryId, list[Callable[[], None]]] = defaultdict(list)

    async def run(self) -> None:
        accounts = await Statements(self._store).accounts(self._shard)
        async with reached():
            live = set(map(str, await self._client.smembers(self._shard.live)))
        for account in accounts:
            await self._read_account(account)
        for name in sorted(live):
            await self._read_call(name)
        await self._follow()
        # What the journal knows and nobody has looked at yet.
        for account, replay in list(self._replays.items()):
            if account not in accounts:
                await self._read_unlisted_account(account)
            for pool in sorted(replay.pools):
                await self._read_pool(account, pool)
            for call_id in sorted(replay.calls):
                await self._read_unlisted_call(account, call_id, live)
        await self._follow()
        for at, checks in self._checks.items():
            self._result.differences.append(
                f"journal {self._shard.journal}: entry {at[0]}-{at[1]}, which {len(checks)} records"
                " name, is not there"
            )

    async def _follow(self) -> None:
        """Replay the journal up to its end, and compare what was read at each entry."""
        async for entry in entries(self._store, self._shard, self._position):
            self._position = entry.entry_id
            self._replays[entry.account].apply(entry)
            self._result.entries += 1
            for check in self._checks.pop(entry.entry_id, []):
                check()

    async def _cells(self, key: str) -> dict[str, str]:
        async with reached():
            return await self._client.hgetall(key)  # type: ignore[return-value]

    def _at(self, text: str, check: Callable[[], None]) -> None:
        """Compare once the journal has been followed to this entry."""
        at = entry_id(text)
        if at <= self._position:
            check()
        else:
            self._checks[at].append(check)

    async def _read_account(self, account: str) -> None:
        keys = self._store.account(account)
        _, flat_cells, flat_lots, flat_order = await self._store.run(
            self._shard, scripts.STATEMENT, keys.books[:3]
        )
        cells = paired(flat_cells)
        if not cells:
            self._result.differences.append(f"{account}: open, but not there")
            return
        total = {part: int(cells[part]) for part in PARTS}
        lots = read_lots(paired(flat_lots))
        order = {lot: int(score) for lot, score in paired(flat_order).items()}
        result = self._result
        result.accounts += 1
        for part, micros in total.items():
            result.totals[cells["currency"]][part] += micros
            result.expect(
                f"{account}: {part}", micros, sum(lot[part] for lot in lots.values()), "its lots"
            )
        _expect_whole(result, f"{account}: granted", total)
        for name, lot in lots.items():
            _expect_whole(result, f"{account}: lot {name}: granted", lot)
            for part in PARTS:
                # Only what is spent beyond all lots makes something available less than nothing.
                if lot[part] < 0 and (name, part) != (OVERDRAFT, "available"):
                    result.differences.append(f"{account}: lot {name}: {part} is below zero")
            spendable = lot["expires"] if lot["available"] > 0 else None
            listed = order.pop(name, None)
            if listed != spendable:
                result.differences.append(
                    f"{account}: lot {name}: expires at {spendable} ms if it is to be spent,"
                    f" but its place in the order is {listed}"
                )
        result.differences += [f"{account}: lot {name}: ordered, but not there" for name in order]
        calls = read_party(cells).usage.calls
        self._at(cells["entry"], lambda: self._compare_account(account, lots, calls))

    def _compare_account(self, account: str, lots: dict[str, Parts], calls: int) -> None:
        result, replay = self._result, self._replays[account]
        if not replay.opened:
            result.differences.append(f"{account}: the journal does not begin with its opening")
            return
        for name in sorted(lots.keys() | replay.lots.keys()):
            found, expected = lots.get(name, {}), replay.lots.get(name, {})
            for part in PARTS:
                where = f"{account}: lot {name}: {part}"
                result.expect(where, found.get(part, 0), expected.get(part, 0), "the journal")
        for name, expires_ms in replay.expires_ms.items():
            if name in lots and lots[name]["expires"] != expires_ms:
                result.differences.append(
                    f"{account}: lot {name}: expires at {lots[name]['expires']} ms,"
                    f" by the journal at {expires_ms}"
                )
        if calls != len(replay.calls):
            result.differences.append(
                f"{account}: {calls} live calls, by the journal {len(replay.calls)}"
            )
        pinned: defaultdict[str, int] = defaultdict(int)
        for call in replay.calls.values():
            for lot, amount in call.items():
                pinned[lot] += amount
        for name in lots.keys() - {RETIRED}:
            held = lots[name]["held"]
            result.expect(f"{account}: lot {name}: held", held, pinned[name], "its calls")

    async def _read_unlisted_account(self, account: str) -> None:
        """Look at an account that was not there when accounts were listed: new, or lost."""
        async with reached():
            is_open = await self._client.sismember(self._shard.accounts, account)
        if not is_open:
            self._result.differences.append(f"{account}: in the journal, but not listed as open")
        await self._read_account(account)

    async def _read_call(self, name: str) -> None:
        cells = await self._cells(self._shard.live_call(name))
        if not cells:
            self._result.differences.append(f"call {name}: listed as live, but not there")
        if cells.get("state") == "active":
            self._result.holds += 1
            account, _, call_id = name.partition("/")
            self._at(cells["entry"], lambda: self._compare_call(account, call_id, cells))

    def _compare_call(self, account: str, call_id: str, cells: dict[str, str]) -> None:
        where = f"call {account}/{call_id}"
        expected = dict(self._replays[account].calls.get(call_id, {}))
        pool, seconds = f"{POOL}{cells['pool']}", int(cells["pool_seconds"])
        if seconds != (by_journal := expected.pop(pool, 0)):
            self._result.differences.append(
                f"{where}: {seconds} s of {pool}, by the journal {by_journal} s"
            )
        pins = {
            lot: int(micros)
            for lot, micros in (pin.split(" ") for pin in cells["pins"].split(";") if pin)
        }
        self._result.expect(f"{where}: held", int(cells["held"]), sum(pins.values()), "its lots")
        for lot in sorted(pins.keys() | expected.keys()):
            found, by_journal = pins.get(lot, 0), expected.get(lot, 0)
            self._result.expect(f"{where}: held of {lot}", found, by_journal, "the journal")

    async def _read_unlisted_call(self, account: str, call_id: str, listed: set[str]) -> None:
        """Look at a call that is live by the journal, but was not when calls were listed."""
        name = f"{account}/{call_id}"
        if name in listed:
            return
        # In this order: a call that ends meanwhile was listed, or is not active.
        async with reached():
            is_live = await self._client.sismember(self._shard.live, name)
        cells = await self._cells(self._shard.live_call(name))
        if not cells:
            self._result.differences.append(f"call {name}: live, but not there")
        elif cells.get("state") == "active" and not is_live:
            self._result.differences.append(f"call {name}: live, but not listed as live")

    async def _read_pool(self, account: str, pool: str) -> None:
        cells = await self._cells(self._store.account(account).pool(pool))
        if cells:
            self._at(cells["entry"], lambda: self._compare_pool(account, pool, cells))

    def _compare_pool(self, account: str, pool: str, cells: dict[str, str]) -> None:
        for part in ("held", "used"):
            expected = self._replays[account].pools[pool][part]
            found = int(cells.get(part, "0"))
            if found != expected:
                self._result.differences.append(
                    f"{account}: pool {pool}: {found} s {part}, by the journal {expected} s"
                )
