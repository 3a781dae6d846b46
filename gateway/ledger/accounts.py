"""The operations on accounts: their settings, their users, their conferences."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.connection import REPLY_SECONDS_MAX
from gateway.ledger.outcomes import Joined, Limits, Refused
from gateway.ledger.store import Store
from gateway.money import AMOUNT_MICROS_MAX

AMOUNTS = frozenset(
    {
        *("overdraft", "low_below", "low_percent"),
        *("recharge_below", "recharge_amount", "recharge_day_max", "recharge_month_max"),
    }
)
"""Settings of an account that are amounts: of money, or a percentage, or a number of recharges."""

_NONE: Mapping[str, Any] = MappingProxyType({})
_NO_PIN = "-"


class Accounts:
    """The accounts of a store, and the way in which each operation on them is asked for."""

    def __init__(self, store: Store) -> None:
        """Keep the accounts in this store."""
        self._store = store

    async def open_account(self, account: str, currency: str) -> Refused | None:
        """Open an account, whose currency never changes; one that is open stays as it is."""
        at = self._store.account(account)
        return await self._done(
            at, scripts.OPEN_ACCOUNT, [*at.books, at.shard.accounts], [account, currency]
        )

    async def configure(
        self,
        account: str,
        operation_id: str,
        *,
        users: Sequence[str] = (),
        numbers: Sequence[str] = (),
        amounts: Mapping[str, int] = _NONE,
        limits: Mapping[str, int] = _NONE,
        profile: Mapping[str, str] = _NONE,
        methods: str | None = None,
        recipients: str | None = None,
    ) -> Refused | None:
        """Change settings of an account, and add users and numbers to those it has.

        ``numbers`` are the toll-free numbers that the account owns and pays for. They follow one by
        one after the settings: the first that another account owns is refused as number_taken.
        ``amounts`` are by the names of `AMOUNTS`, those of money in micro-units; ``methods`` of
        payment, the first to be asked first, are joined by commas. What is not named stays as it
        is, and so does what ``limits`` (by the names of `Limits`) and ``profile`` do not name. A
        word "" takes its name off the profile.
        """
        at = self._store.account(account)
        if unknown := amounts.keys() - AMOUNTS:
            raise ValueError(f"no settings: {', '.join(sorted(unknown))}")
        words = {"methods": methods, "recipients": recipients}
        settings: dict[str, int | str] = {name: amount(value) for name, value in amounts.items()}
        settings |= {name: word for name, word in words.items() if word is not None}
        answer = await self._run(
            at,
            scripts.CONFIGURE,
            [*at.books, at.users, at.operation("configure", operation_id), at.licences],
            [
                account,
                operation_id,
                " ".join(numbers),
                " ".join(keys.named(names.USER, user) for user in users),
                *_pairs(settings),
                *_limits(limits),
                *_profile(profile),
            ],
        )
        if isinstance(answer, Refused):
            return answer
        for number in numbers:
            if not await self._own_number(number, account):
                return Refused(f"number_taken {number}")
        return None

    async def _own_number(self, number: str, account: str) -> bool:
        shard = self._store.shard_of(number)
        owner = await self._store.run(shard, scripts.OWN_NUMBER, [shard.numbers], [number, account])
        return bool(owner == account)

    async def set_user(
        self,
        account: str,
        operation_id: str,
        user: str,
        *,
        limits: Mapping[str, int] = _NONE,
        profile: Mapping[str, str] = _NONE,
    ) -> Refused | None:
        """Add a user, or change the settings of one, as `configure` does those of an account."""
        at = self._store.account(account)
        return await self._done(
            at,
            scripts.SET_USER,
            [
                *at.books,
                at.users,
                at.operation("set_user", operation_id),
                at.user(keys.named(names.USER, user)),
                at.licences,
            ],
            [account, operation_id, user, *_limits(limits), *_profile(profile)],
        )

    async def set_conference(
        self, account: str, conference: str, organizer: str, *, pin: str = "", leader_pin: str = ""
    ) -> Refused | None:
        """Set up a conference, or change it; without an ``organizer`` it is taken away.

        Who leads it enters ``leader_pin`` in place of ``pin``; either may be empty.
        """
        at = self._store.account(account)
        pins = [keys.named(names.PIN, word) if word else _NO_PIN for word in (pin, leader_pin)]
        return await self._done(
            at,
            scripts.SET_CONFERENCE,
            [at.account, at.users, at.conferences],
            [keys.named(names.CONFERENCE, conference), organizer, *pins],
        )

    async def join_conference(
        self, account: str, call_id: str, conference: str, pin: str
    ) -> Joined | Refused:
        """Let a live call into a conference of its account.

        ``pin`` is what was entered, "-" if nothing, "" if nobody was asked for it yet.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.JOIN_CONFERENCE,
            [at.conferences, at.call(call_id)],
            [keys.named(names.CONFERENCE, conference), pin],
        )
        if isinstance(answer, Refused):
            return answer
        return Joined(organizer=answer[0], leads=answer[1] == "leader")

    async def dial_out(
        self,
        account: str,
        request_id: str,
        conference: str,
        number: str,
        pbx: str,
        *,
        press_one: bool,
    ) -> str | Refused:
        """Ask whoever follows a PBX to let a conference call a number; give the organizer."""
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.DIAL_OUT,
            [at.conferences, at.operation("dial_out", request_id), at.shard.events],
            [account, request_id, conference, number, pbx, int(press_one)],
        )
        return answer if isinstance(answer, Refused) else answer[0]

    async def _done(
        self,
        at: keys.Account,
        script: scripts.Script,
        key_names: list[str],
        arguments: list[str | int],
    ) -> Refused | None:
        """Run an operation that answers nothing, unless it was refused."""
        answer = await self._run(at, script, key_names, arguments)
        return answer if isinstance(answer, Refused) else None

    async def _run(
        self,
        at: keys.Account,
        script: scripts.Script,
        key_names: list[str],
        arguments: list[str | int],
        *,
        seconds_max: float = REPLY_SECONDS_MAX,
    ) -> list[str] | Refused:
        """Run an operation, and give its answer in words, without the first."""
        answer = await self._store.run(
            at.shard, script, key_names, arguments, seconds_max=seconds_max
        )
        first, *words = str(answer).split(" ")
        return Refused(words[0], int(words[1]), *words[2:]) if first == "refused" else words


def amount(micros: int) -> int:
    """Give an amount of micro-units, or a count, that the scripts hold exactly."""
    if not 0 <= micros <= AMOUNT_MICROS_MAX:
        raise ValueError(f"{micros} is not an amount of micro-units up to {AMOUNT_MICROS_MAX}")
    return micros


def _pairs(settings: Mapping[str, int | str]) -> Iterator[int | str]:
    for name, value in sorted(settings.items()):
        yield from (name, value)


def _limits(limits: Mapping[str, int]) -> Iterator[int | str]:
    if unknown := limits.keys() - set(Limits.__slots__):
        raise ValueError(f"no limits: {', '.join(sorted(unknown))}")
    return _pairs({f"limit_{name}": amount(value) for name, value in limits.items()})


def _profile(profile: Mapping[str, str]) -> Iterator[int | str]:
    named = {keys.named(names.PROFILE, name): word for name, word in profile.items()}
    return _pairs({f"profile.{name}": word for name, word in named.items()})
