"""What the store knows, read without a change."""

import asyncio
from collections.abc import Sequence

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.cells import paired, read_hold, read_licences, read_party, read_statement
from gateway.ledger.outcomes import (
    Conference,
    Facts,
    Hold,
    Party,
    Statement,
    Unbooked,
)
from gateway.ledger.store import Store, reached

# A call that is asked for hears nothing meanwhile.
DECIDE_SECONDS_MAX = 2.0

_AT_ONCE = 500


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
        return read_statement(account, now_ms, paired(cells), paired(lots)) if cells else None

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
            licences=read_licences(paired(licences)),
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
        return read_hold(f"{account}/{call_id}", cells) if live else None

    async def unbooked(self, account: str) -> list[Unbooked]:
        """List the payments of an account that were set aside."""
        at = self._store.account(account)
        [cells] = await self._store.answer(lambda: self._hashes(at.shard, [at.unbooked]))
        return [
            Unbooked(payment, key, int(micros), currency, reason)
            for payment, words in sorted(cells.items())
            for key, micros, currency, reason in [words.split(" ")]
        ]

    async def holds_of(self, account: str) -> list[Hold]:
        """List the holds of an account's live calls."""
        shard = self._store.shard_of(account)
        return await self._store.answer(lambda: self._live_holds(shard, f"{account}/"))

    async def live_holds(self) -> list[Hold]:
        """List the holds of all live calls."""
        return [hold for shard in self._store.shards for hold in await self._live_holds(shard)]

    async def _live_holds(self, shard: keys.Shard, begin: str = "") -> list[Hold]:
        """List the live calls of a shard whose names begin so."""
        async with reached():
            live = map(str, await self._store.at(shard.tag).smembers(shard.live))
            calls = sorted(call for call in live if call.startswith(begin))
            hashes = await self._hashes(shard, [shard.live_call(call) for call in calls])
        return [
            read_hold(call, cells)
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
