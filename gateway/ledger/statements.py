"""What the store knows, read without a change."""

from collections.abc import AsyncIterator

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.outcomes import NEVER_MS, Hold, Lot, Statement
from gateway.ledger.store import Store, reached

_OVERDRAFT = "overdraft"
_RETIRED = "retired"
_NO_LOT = f"0 0 0 0 0 0 0 {NEVER_MS} 0"


class Statements:
    """Reads of the ledger. Every method may raise LedgerUnavailableError."""

    def __init__(self, store: Store) -> None:
        """Read this store."""
        self._store = store

    async def ping(self) -> None:
        """Return if the store answers."""
        for shard in self._store.shards:
            async with reached():
                await self._store.at(shard.tag).ping()

    async def owner_of(self, number: str) -> str | None:
        """Give the account that owns a dial-in number (E.164)."""
        async with reached():
            owner = await self._store.at(keys.NUMBERS).hget(keys.NUMBERS, number)
        return None if owner is None else str(owner)

    async def accounts(self) -> list[str]:
        """List all accounts."""
        found: list[str] = []
        for shard in self._store.shards:
            async with reached():
                found += map(str, await self._store.at(shard.tag).smembers(shard.accounts))
        return sorted(found)

    async def statement(self, account: str) -> Statement | None:
        """Read an account and its lots at one moment; nothing if there is no such account."""
        if not names.ACCOUNT.fullmatch(account):
            return None
        at = self._store.account(account)
        now_ms, cells, lots = await self._store.run(
            at.shard, scripts.STATEMENT, [at.account, at.lots]
        )
        return _statement(account, now_ms, _paired(cells), _paired(lots)) if cells else None

    async def live_holds(self) -> list[Hold]:
        """List the holds of all live calls."""
        async with reached():
            return [hold async for hold in self._live_holds()]

    async def _live_holds(self) -> AsyncIterator[Hold]:
        for shard in self._store.shards:
            client = self._store.at(shard.tag)
            for name in sorted(map(str, await client.smembers(shard.live))):
                cells: dict[str, str] = await client.hgetall(shard.live_call(name))  # type: ignore[assignment]
                if cells.get("state") == "active":
                    account, _, call_id = name.partition("/")
                    yield _hold(account, call_id, cells)


def _paired(cells: list[str]) -> dict[str, str]:
    """Join a flat reply of names and values."""
    return dict(zip(cells[::2], cells[1::2], strict=True))


def _statement(
    account: str, now_ms: int, cells: dict[str, str], lot_cells: dict[str, str]
) -> Statement:
    overdrawn, retired = (
        _lot(name, lot_cells.pop(name, _NO_LOT), now_ms) for name in (_OVERDRAFT, _RETIRED)
    )
    lots = [_lot(name, words, now_ms) for name, words in lot_cells.items()]
    lapsed = sum(lot.expired for lot in (*lots, retired)) - int(cells["expired"])
    return Statement(
        account=account,
        currency=cells["currency"],
        granted=int(cells["granted"]),
        available=int(cells["available"]) - lapsed,
        held=int(cells["held"]),
        spent=int(cells["spent"]),
        expired=int(cells["expired"]) + lapsed,
        reversed=int(cells["reversed"]),
        overdraft=int(cells["overdraft"]),
        low_below=int(cells["low_below"]),
        recharge_below=int(cells["recharge_below"]),
        recharge_amount=int(cells["recharge_amount"]),
        recharge_key=cells["recharge_key"],
        entry=cells["entry"],
        lots=tuple(sorted(lots, key=lambda lot: (lot.expires_ms, lot.lot))),
        overdrawn=overdrawn,
        retired=retired,
    )


def _lot(name: str, words: str, now_ms: int) -> Lot:
    granted, available, held, spent, expired, back, purchased_ms, expires_ms, _ = map(
        int, words.split(" ")
    )
    if expires_ms <= now_ms:
        expired, available = expired + available, 0
    return Lot(
        lot=name,
        purchased_ms=purchased_ms,
        expires_ms=expires_ms,
        granted=granted,
        available=available,
        held=held,
        spent=spent,
        expired=expired,
        reversed=back,
    )


def _hold(account: str, call_id: str, cells: dict[str, str]) -> Hold:
    return Hold(
        call_id=call_id,
        account=account,
        user=cells["user"],
        call_type=cells["type"],
        number=cells["number"],
        rate=cells["rate"],
        granted_seconds=int(cells["seconds"]),
        held=int(cells["held"]),
        extension=int(cells.get("extension", "0")),
        pool=cells["pool"],
        pool_seconds=int(cells["pool_seconds"]),
    )
