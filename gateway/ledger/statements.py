"""What the store knows, read without a change."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.outcomes import (
    NEVER_MS,
    OVERDRAFT,
    RETIRED,
    Conference,
    Facts,
    Hold,
    Limits,
    Lot,
    Party,
    Recharge,
    Statement,
    Unbooked,
    Usage,
)
from gateway.ledger.store import Store, reached

# A call that is asked for hears nothing meanwhile.
DECIDE_SECONDS_MAX = 2.0

DAY_MS = 86_400_000
_AT_ONCE = 500
_LOT_CELLS = (
    *("granted", "available", "held", "spent", "expired", "reversed"),
    *("purchased", "expires", "warned"),
)
_PROFILE = "profile."
_RECHARGE = "recharge_"
# A hash that has no such cell.
_NOTHING_USED = {
    **{f"limit_{limit}": "0" for limit in Limits.__slots__},
    "calls": "0",
    "day": "",
    "day_micros": "0",
    "month": "",
    "month_micros": "0",
}
_NO_LOT = f"0 0 0 0 0 0 0 {NEVER_MS} 0"


class Statements:
    """Reads of the ledger. Every method may raise LedgerUnavailableError."""

    def __init__(self, store: Store) -> None:
        """Read this store."""
        self._store = store

    async def ping(self) -> None:
        """Return if a server of the store answers: the accounts that it has go on."""
        async with reached():
            servers = (await self._store.servers.primaries()).values()
            answers = await asyncio.gather(
                *(server.ping() for server in servers), return_exceptions=True
            )
            failures = [answer for answer in answers if isinstance(answer, BaseException)]
            if len(failures) == len(answers):
                raise failures[0]

    async def owner_of(self, number: str) -> str | None:
        """Give the account that owns a dial-in number (E.164)."""
        shard = self._store.shard_of(number)
        client = self._store.at(shard.tag)
        owner = await self._store.answer(
            lambda: client.hget(shard.numbers, number), seconds_max=DECIDE_SECONDS_MAX
        )
        return None if owner is None else str(owner)

    async def accounts(self, shard: keys.Shard) -> list[str]:
        """List the accounts of a shard."""
        async with reached():
            return sorted(map(str, await self._store.at(shard.tag).smembers(shard.accounts)))

    async def statement(self, account: str) -> Statement | None:
        """Read an account and its lots at one moment; nothing if there is no such account."""
        if not names.ACCOUNT.fullmatch(account):
            return None
        at = self._store.account(account)
        now_ms, cells, lots, _ = await self._store.run(at.shard, scripts.STATEMENT, at.books[:3])
        return _statement(account, now_ms, paired(cells), paired(lots)) if cells else None

    async def facts(self, account: str, user: str) -> Facts | None:
        """Read what a decision about a call needs; nothing if there is no such account."""
        if not names.ACCOUNT.fullmatch(account):
            return None
        if not names.USER.fullmatch(user):
            user = ""
        at = self._store.account(account)
        now_ms, cells, available, is_known, user_cells, licences = await self._store.run(
            at.shard,
            scripts.FACTS,
            [*at.books[:3], at.users, at.user(user), at.licences],
            [user],
            seconds_max=DECIDE_SECONDS_MAX,
        )
        if not cells:
            return None
        of_account = paired(cells)
        return Facts(
            now_ms=now_ms,
            account=account,
            currency=of_account["currency"],
            available=available,
            overdraft=int(of_account["overdraft"]),
            party=read_party(of_account),
            user=read_party(paired(user_cells)) if is_known else None,
            licences=_licences(paired(licences)),
        )

    async def users(self, account: str) -> dict[str, Party]:
        """Read the users of an account."""
        at = self._store.account(account)
        async with reached():
            users = sorted(map(str, await self._store.at(at.shard.tag).smembers(at.users)))
            hashes = await self._hashes(at.shard, [at.user(user) for user in users])
        return {user: read_party(cells) for user, cells in zip(users, hashes, strict=True)}

    async def conferences(self, account: str) -> dict[str, Conference]:
        """Read the conferences of an account."""
        at = self._store.account(account)
        [cells] = await self._store.answer(lambda: self._hashes(at.shard, [at.conferences]))
        return {
            conference: Conference(*(word.removeprefix("-") for word in words.split(" ")))
            for conference, words in sorted(cells.items())
        }

    async def pools(self, account: str, pool_names: Sequence[str]) -> dict[str, int]:
        """Give the seconds that are used or held of each of these pools."""
        at = self._store.account(account)
        pools = [at.pool(name) for name in pool_names]
        hashes = await self._store.answer(
            lambda: self._hashes(at.shard, pools), seconds_max=DECIDE_SECONDS_MAX
        )
        return {
            name: sum(int(cells[part]) for part in cells.keys() & {"used", "held"})
            for name, cells in zip(pool_names, hashes, strict=True)
        }

    async def hold(self, account: str, call_id: str) -> Hold | None:
        """Read what a call holds; nothing if it is not live."""
        at = self._store.account(account)
        [cells] = await self._store.answer(
            lambda: self._hashes(at.shard, [at.call(call_id)]), seconds_max=DECIDE_SECONDS_MAX
        )
        live = cells.get("state") == "active"
        return _hold(f"{account}/{call_id}", cells) if live else None

    async def unbooked(self, account: str) -> list[Unbooked]:
        """List the payments of an account that were set aside."""
        at = self._store.account(account)
        [cells] = await self._store.answer(lambda: self._hashes(at.shard, [at.unbooked]))
        return [
            Unbooked(payment, key, int(micros), currency, reason)
            for payment, words in sorted(cells.items())
            for key, micros, currency, reason in [words.split(" ")]
        ]

    async def live_holds(self) -> list[Hold]:
        """List the holds of all live calls."""
        return [hold for shard in self._store.shards for hold in await self._live_holds(shard)]

    async def _live_holds(self, shard: keys.Shard) -> list[Hold]:
        async with reached():
            calls = sorted(map(str, await self._store.at(shard.tag).smembers(shard.live)))
            hashes = await self._hashes(shard, [shard.live_call(call) for call in calls])
        return [
            _hold(call, cells)
            for call, cells in zip(calls, hashes, strict=True)
            if cells.get("state") == "active"
        ]

    async def _hashes(self, shard: keys.Shard, key_names: Sequence[str]) -> list[dict[str, str]]:
        """Read hashes, some at once: calls come in between."""
        found: list[dict[str, str]] = []
        for first in range(0, len(key_names), _AT_ONCE):
            async with self._store.at(shard.tag).pipeline(transaction=False) as pipe:
                for key in key_names[first : first + _AT_ONCE]:
                    pipe.hgetall(key)
                found += await pipe.execute()
        return found


def paired(cells: list[str]) -> dict[str, str]:
    """Join a flat reply of names and values."""
    return dict(zip(cells[::2], cells[1::2], strict=True))


def read_lots(cells: dict[str, str]) -> dict[str, dict[str, int]]:
    """Read the lots as they are written: what has lapsed since is still available."""
    return {
        lot: dict(zip(_LOT_CELLS, map(int, words.split(" ")), strict=True))
        for lot, words in cells.items()
    }


def read_party(cells: dict[str, str]) -> Party:
    """Read an account's hash, or a user's, which may not be there yet."""
    of = _NOTHING_USED | cells
    words = {
        field.removeprefix(_PROFILE): word
        for field, word in cells.items()
        if field.startswith(_PROFILE) and word
    }
    return Party(
        profile=words,
        limits=Limits(*(int(of[f"limit_{limit}"]) for limit in Limits.__slots__)),
        usage=Usage(
            calls=int(of["calls"]),
            day=of["day"],
            day_micros=int(of["day_micros"]),
            month=of["month"],
            month_micros=int(of["month_micros"]),
        ),
    )


def _licences(cells: dict[str, str]) -> dict[tuple[str, str], int]:
    found = {}
    for field, count in cells.items():
        country, _, plans = field.partition(" ")
        found[country, plans] = int(count)
    return found


def _statement(
    account: str, now_ms: int, cells: dict[str, str], lot_cells: dict[str, str]
) -> Statement:
    written = read_lots({OVERDRAFT: _NO_LOT, RETIRED: _NO_LOT, **lot_cells})
    lots = {name: _lot(name, lot, now_ms) for name, lot in written.items()}
    lapsed = sum(lot.expired for lot in lots.values()) - int(cells["expired"])
    overdrawn, retired = lots.pop(OVERDRAFT), lots.pop(RETIRED)
    return Statement(
        now_ms=now_ms,
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
        low_percent=int(cells["low_percent"]),
        recharge=_recharge(cells, now_ms),
        recipients=cells["recipients"],
        party=read_party(cells),
        lots=tuple(sorted(lots.values(), key=lambda lot: (lot.expires_ms, lot.lot))),
        overdrawn=overdrawn,
        retired=retired,
    )


def _recharge(cells: dict[str, str], now_ms: int) -> Recharge:
    day, month = day_number(now_ms), month_number(now_ms)
    of = {
        name.removeprefix(_RECHARGE): word
        for name, word in cells.items()
        if name.startswith(_RECHARGE)
    }
    return Recharge(
        below=int(of["below"]),
        amount=int(of["amount"]),
        day_max=int(of["day_max"]),
        month_max=int(of["month_max"]),
        methods=tuple(filter(None, cells["methods"].split(","))),
        state=_recharge_state(of, now_ms),
        suspended=of["suspended"],
        key=of["key"],
        asked=int(of["asked"]) if of["key"] else 0,
        method=of["method"] if of["key"] else "",
        after_ms=int(of["after"]),
        failures=int(of["failures"]),
        day_count=int(of["day_count"]) if int(of["day"]) == day else 0,
        month_micros=int(of["month_micros"]) if int(of["month"]) == month else 0,
    )


def _recharge_state(of: dict[str, str], now_ms: int) -> str:
    """Name the state as it is now: what holds it up ends with time too."""
    if of["key"]:
        return of["status"]
    if of["suspended"]:
        return "suspended"
    if of["amount"] == "0":
        return "off"
    if now_ms < int(of["after"]):
        return "cooldown"
    current = {f"day {day_number(now_ms)}", f"month {month_number(now_ms)}"}
    return "capped" if of["capped"] in current else "armed"


def day_number(ms: int) -> int:
    """Count the days in UTC, as the scripts do."""
    return ms // DAY_MS


def month_number(ms: int) -> int:
    """Count the calendar months in UTC, as the scripts do."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.year * 12 + at.month


def _lot(name: str, cells: dict[str, int], now_ms: int) -> Lot:
    available, expired = cells["available"], cells["expired"]
    if cells["expires"] <= now_ms:
        expired, available = expired + available, 0
    return Lot(
        lot=name,
        purchased_ms=cells["purchased"],
        expires_ms=cells["expires"],
        granted=cells["granted"],
        available=available,
        held=cells["held"],
        spent=cells["spent"],
        expired=expired,
        reversed=cells["reversed"],
    )


def _hold(call: str, cells: dict[str, str]) -> Hold:
    account, _, call_id = call.partition("/")
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
        answered_ms=int(cells.get("answered", "0")),
        seen_ms=int(cells.get("seen", "0")),
    )
