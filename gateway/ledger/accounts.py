"""The operations on accounts: their settings, their users, and the money they are given."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.connection import REPLY_SECONDS_MAX
from gateway.ledger.outcomes import (
    Expired,
    Granted,
    Joined,
    Limits,
    Refused,
    Reversed,
)
from gateway.ledger.store import Store
from gateway.money import AMOUNT_MICROS_MAX

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
        answer = await self._run(
            at, scripts.OPEN_ACCOUNT, [*at.books, at.shard.accounts], [account, currency]
        )
        return answer if isinstance(answer, Refused) else None

    async def configure(
        self,
        account: str,
        operation_id: str,
        *,
        users: Sequence[str] = (),
        numbers: Sequence[str] = (),
        recharge_below: int | None = None,
        recharge_amount: int | None = None,
        low_below: int | None = None,
        overdraft: int | None = None,
        limits: Mapping[str, int] = _NONE,
        profile: Mapping[str, str] = _NONE,
    ) -> Refused | None:
        """Change settings of an account, and add users and numbers to those it has.

        ``numbers`` are the toll-free numbers that the account owns and pays for. They follow one by
        one after the settings: the first that another account owns is refused as number_taken.
        Amounts are in micro-units; what is None stays as it is, and so does what ``limits`` (by the
        names of `Limits`) and ``profile`` do not name. A word "" takes its name off the profile.
        """
        at = self._store.account(account)
        settings = [
            "" if value is None else amount(value)
            for value in (recharge_below, recharge_amount, low_below, overdraft)
        ]
        answer = await self._run(
            at,
            scripts.CONFIGURE,
            [*at.books, at.users, at.operation("configure", operation_id), at.licences],
            [
                account,
                operation_id,
                *settings,
                *_limits(limits),
                " ".join(numbers),
                " ".join(keys.named(names.USER, user) for user in users),
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
        answer = await self._run(
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
        return answer if isinstance(answer, Refused) else None

    async def set_conference(
        self, account: str, conference: str, organizer: str, *, pin: str = "", leader_pin: str = ""
    ) -> Refused | None:
        """Set up a conference, or change it; without an ``organizer`` it is taken away.

        Who leads it enters ``leader_pin`` in place of ``pin``; either may be empty.
        """
        at = self._store.account(account)
        pins = [keys.named(names.PIN, word) if word else _NO_PIN for word in (pin, leader_pin)]
        answer = await self._run(
            at,
            scripts.SET_CONFERENCE,
            [at.account, at.users, at.conferences],
            [keys.named(names.CONFERENCE, conference), organizer, *pins],
        )
        return answer if isinstance(answer, Refused) else None

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

    async def grant(
        self,
        account: str,
        reference: str,
        micros: int,
        currency: str,
        *,
        kind: Literal["paid", "bonus"] = "paid",
        expires_ms: int | None = None,
    ) -> Granted | Refused:
        """Add a lot, once for each ``reference`` of a payment, for ever.

        It expires in 12 months, or at ``expires_ms``; NEVER_MS is never.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.GRANT,
            [*at.books, at.payments],
            [
                account,
                keys.named(names.REFERENCE, reference),
                amount(micros),
                currency,
                kind,
                "" if expires_ms is None else expires_ms,
            ],
        )
        if isinstance(answer, Refused):
            return answer
        return Granted(answer[0], int(answer[1]))

    async def reverse(
        self,
        account: str,
        reference: str,
        payment: str,
        micros: int,
        reason: str,
        *,
        at_most: bool = False,
    ) -> Reversed | Refused:
        """Take back what is left of a payment's lot, once for each ``reference``, for ever.

        With ``at_most``, less than ``micros`` if less is left.
        """
        at = self._store.account(account)
        answer = await self._run(
            at,
            scripts.REVERSE,
            [*at.books, at.payments, at.operation("reverse", reference)],
            [account, reference, payment, amount(micros), reason, int(at_most)],
        )
        if isinstance(answer, Refused):
            return answer
        return Reversed(answer[0], int(answer[1]), int(answer[2]))

    async def expire(self, account: str) -> Expired | Refused:
        """Let an account's lots lapse whose time has come, and warn of those that will."""
        at = self._store.account(account)
        answer = await self._run(at, scripts.EXPIRE, at.books, [account])
        return answer if isinstance(answer, Refused) else Expired(*map(int, answer))

    async def fail_recharge(
        self, account: str, key: str, reason: str, *, pause_seconds: int
    ) -> Refused | None:
        """Give up a declined recharge; the next may be claimed after the pause."""
        at = self._store.account(account)
        answer = await self._run(
            at, scripts.FAIL_RECHARGE, at.books, [account, key, reason, pause_seconds]
        )
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


def _limits(limits: Mapping[str, int]) -> Iterator[int | str]:
    """Give every limit in its place, and "" for one that stays as it is."""
    if unknown := limits.keys() - set(Limits.__slots__):
        raise ValueError(f"no limits: {', '.join(sorted(unknown))}")
    for name in Limits.__slots__:
        yield amount(limits[name]) if name in limits else ""


def _profile(profile: Mapping[str, str]) -> Iterator[str]:
    for name, word in sorted(profile.items()):
        yield from (keys.named(names.PROFILE, name), word)
