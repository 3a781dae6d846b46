"""The ledger in plain Python, without a store: what each operation must answer, and do.

Written from the rules and the headers of the scripts, to be read beside them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.ledger.outcomes import (
    NEVER_MS,
    Asked,
    Expired,
    Flagged,
    Granted,
    Held,
    Hold,
    RechargeStatus,
    Refused,
    Reversed,
    Settled,
)
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.plan import Pool
from gateway.rating.price import Slice
from tests.integration.model.account import (
    DAY_MS,
    HOUR_MS,
    Account,
    Live,
    twelve_months_after,
)
from tests.integration.model.accounts import Accounts, Kept, once
from tests.integration.model.party import Party
from tests.integration.model.recharge import NEEDS_ADMIN, UNBOOKED

CREDIT_LIMITS = {"day", "month"}  # more of which is credit that comes


class Model(Accounts):
    """The operations of `Ledger`, with the same arguments and answers."""

    def open_account(self, account: str, currency: str) -> Refused | None:
        of = self.accounts.setdefault(account, Account(account, currency))
        return None if of.currency == currency else Refused("currency_differs")

    def configure(
        self, account: str, operation_id: str, *, numbers: Sequence[str], **changes: object
    ) -> Refused | None:
        if refused := self._configure(account, operation_id, numbers, **changes):
            return Refused(refused.reason)
        for number in numbers:
            if self.owners.setdefault(number, account) != account:
                return Refused(f"number_taken {number}")
        return None

    @once("configure", done_ms=DAY_MS)
    def _configure(
        self,
        of: Account,
        _: str,
        __: Sequence[str],
        *,
        users: Sequence[str],
        limits: Mapping[str, int],
        profile: Mapping[str, str],
        amounts: Mapping[str, int],
        methods: str | None = None,
    ) -> None:
        raised = amounts.get("overdraft", 0) > of.overdraft
        for user in users:
            of.users.setdefault(user, Party())
        of.party.set(limits, profile)
        for setting, value in amounts.items():
            whose = of.recharges if setting.startswith("recharge_") else of
            setattr(whose, setting.removeprefix("recharge_"), value)
        if amounts.get("recharge_amount") == 0:
            of.recharges.cancel()
        if methods not in (None, of.recharges.methods):
            of.recharges.methods = methods or ""
            if of.recharges.suspended not in NEEDS_ADMIN:
                of.recharges.resume()
        if raised or limits.keys() & CREDIT_LIMITS:
            of.tell("credit")
        of.close(lifted=raised)

    @once("set_user", done_ms=DAY_MS)
    def set_user(
        self,
        of: Account,
        _: str,
        user: str,
        *,
        limits: Mapping[str, int],
        profile: Mapping[str, str],
    ) -> None:
        of.users.setdefault(user, Party()).set(limits, profile)
        if limits.keys() & CREDIT_LIMITS:
            of.tell("credit")
        of.close()

    @once("grant", done_ms=NEVER_MS)
    def grant(
        self,
        of: Account,
        reference: str,
        micros: int,
        currency: str,
        *,
        kind: str = "paid",
        expires_ms: int | None = None,
    ) -> Granted | Refused:
        if expires_ms is None:
            expires_ms = twelve_months_after(self.now_ms)
        if of.currency != currency:
            return Refused("currency_differs")
        if of.sum("granted") + micros > AMOUNT_MICROS_MAX:
            return Refused("too_large")
        if expires_ms <= self.now_ms:
            return Refused("expired")
        name = of.add_lot(kind, reference, micros, expires_ms)
        of.end_recharge(reference)
        of.unbooked.pop(reference, None)
        of.close(lifted=True)
        return Granted(name, of.available)

    def pay(
        self, account: str, key: str, payment: str, micros: int, currency: str
    ) -> Granted | Flagged | Refused:
        """Rules R3 and R4: what was paid is credited once, whatever was asked for, and when."""
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        is_reused = self.key_of.setdefault((account, payment), key) != key
        by_payment = None if is_reused else self.kept("grant", account, payment)
        booked = self.kept("grant", account, key) or by_payment
        paid = self.paid.get((account, key))
        if paid and paid != (payment, micros, currency):
            reason = "amount_differs" if paid[0] == payment else "paid_twice"
            return self._flag(of, payment, key, reason, micros, currency)
        if paid:
            answer = booked.answer if booked else None
            return Granted(answer.lot, answer.available) if answer else Flagged("unbooked")
        self.paid[account, key] = payment, micros, currency
        asked, method, declined = self._count_paid(of, key, micros)
        if booked:
            for name in {key} if is_reused else {key, payment}:
                self.keep(("grant", account, name), booked)
            lot = of.lots.get(booked.answer.lot)
            if lot and currency == of.currency and lot.granted != micros:
                of.flag(payment, key, "amount_differs", micros, currency=currency)
            of.close()
            return Granted(booked.answer.lot, booked.answer.available)
        faults = {
            "payment_id_reused": is_reused,
            "currency_differs": of.currency != currency,
            "too_large": of.sum("granted") + micros > AMOUNT_MICROS_MAX,
        }
        reason = next((reason for reason, holds in faults.items() if holds), "")
        if reason:
            of.recharges.cancel()
            of.recharges.suspend(reason)
            return self._flag(of, key if is_reused else payment, key, reason, micros, currency)
        expires_ms = twelve_months_after(self.now_ms)
        name = of.add_lot("paid", key, micros, expires_ms)
        of.tell_of_recharge(
            "recharged",
            key=key,
            payment=payment,
            micros=micros,
            expires=expires_ms,
            method=method,
            declined=declined,
        )
        if asked not in (None, micros):
            of.flag(payment, key, "amount_differs", micros, currency=currency, asked=asked)
        of.close(lifted=True)
        granted = Granted(name, of.available)
        for known in (key, payment):
            self.keep(("grant", account, known), Kept(None, granted, NEVER_MS))
        return granted

    def _flag(self, of: Account, payment: str, key: str, reason: str, *money: Any) -> Flagged:  # noqa: ANN401 - an amount and its currency
        micros, currency = money
        of.flag(payment, key, reason, micros, currency=currency)
        of.close()
        return Flagged(reason)

    def _count_paid(self, of: Account, key: str, micros: int) -> tuple[int | None, str, str]:
        """End the recharge of this key, if it is one: what was asked, by which method, and why."""
        claim, asked = of.recharges.claim, self.failed.get((of.name, key))
        if claim and claim.key == key:
            of.recharges.counted.remove((claim.claimed_ms, claim.micros))
            of.recharges.counted.append((claim.claimed_ms, micros))
            of.end_recharge(key)
            return claim.micros, claim.method, claim.declined
        if asked is not None:
            of.recharges.counted.append((self.now_ms, micros))
            of.recharges.failures = 0
        return asked, "", ""

    def flag_payment(
        self,
        account: str,
        payment: str,
        *,
        key: str,
        micros: int,
        currency: str,
        reason: str,
        unbooked: bool,
    ) -> Refused | None:
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        assert unbooked == (reason in UNBOOKED)
        of.flag(payment, key, reason, micros, currency=currency)
        of.close()
        return None

    def dismiss_payment(self, account: str, payment: str) -> Refused | None:
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        if payment not in of.unbooked:
            return Refused("unknown_payment")
        del of.unbooked[payment]
        of.close()
        return None

    def take_back(
        self,
        account: str,
        key: str,
        payment: str,
        *,
        paid: int,
        micros: int,
        currency: str,
        way: str,
    ) -> int | Refused:
        """Rule M7: what the provider took back in all, as far as it is left."""
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        back = self.taken_back.setdefault((account, payment), {"refunded": 0, "disputed": 0})
        granted = self.kept("grant", account, payment)
        lot = granted.answer.lot if granted else ""
        is_converted = lot in of.lots and currency != of.currency
        booked = of.lots[lot].granted if is_converted else paid

        def in_all() -> int:
            return min(sum(back.values()), paid) * booked // paid

        before, is_news = in_all(), micros > back[way]
        back[way] = max(back[way], micros)
        more = in_all() - before
        taken = min(more, of.lots[lot].available if lot in of.lots else 0)
        if taken:
            of.move(lot, "available", "reversed", taken)
        if is_news and way == "disputed":
            of.recharges.cancel()
            if of.recharges.suspend("disputed"):
                of.tell_of_recharge("suspended", reason="disputed")
        aside = of.unbooked.get(payment)
        if granted and taken < more:
            short = more - taken
            told_in = of.currency if is_converted else currency
            of.flag(payment, key, "taken_back_short", short, currency=told_in, asked=more)
        elif not granted and aside and aside.micros > more:
            of.unbooked[payment] = replace(aside, micros=aside.micros - more)
        elif not granted and more:
            of.unbooked.pop(payment, None)
        of.close()
        return taken

    @once("reverse", done_ms=NEVER_MS, refused_ms=HOUR_MS)
    def reverse(
        self,
        of: Account,
        _: str,
        payment: str,
        micros: int,
        __: str,
        *,
        at_most: bool = False,
    ) -> Reversed | Refused:
        granted = self.kept("grant", of.name, payment)
        if not granted:
            of.close()
            return Refused("unknown_payment")
        name = granted.answer.lot
        left = of.lots[name].available if name in of.lots else 0
        if at_most:
            micros = min(micros, left)
        if micros > left:
            of.close()
            return Refused("exceeds_lot", left)
        if micros:
            of.move(name, "available", "reversed", micros)
        of.close()
        return Reversed(name, micros, of.available)

    def expire(self, account: str) -> Expired | Refused:
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        lapsed = of.lapsed
        of.warn()
        of.close()
        return Expired(lapsed, of.available)

    def request_recharge(self, account: str, name: str, micros: int) -> str | Refused:
        key: str | Refused = self._request_recharge(account, name, micros)
        return key

    @once("request_recharge", done_ms=DAY_MS)
    def _request_recharge(self, of: Account, _: str, micros: int) -> str | Refused:
        if of.recharges.claim:
            return Refused("under_way")
        of.begin_recharge(micros, by_admin=True)
        of.close()
        return of.recharges.claim.key if of.recharges.claim else ""

    def submit_recharge(self, account: str, key: str) -> Asked | Refused:
        return self._ask(account, key, RechargeStatus.SUBMITTED)

    def doubt_recharge(self, account: str, key: str) -> Asked | Refused:
        return self._ask(account, key, RechargeStatus.UNKNOWN)

    def _ask(self, account: str, key: str, status: RechargeStatus) -> Asked | Refused:
        of = self.look(account)
        claim = of.recharges.claim if of else None
        if not of or not claim or claim.key != key:
            return Refused("closed")
        if (claim.status, status) == (RechargeStatus.CLAIMED, RechargeStatus.SUBMITTED):
            claim.begun_ms = self.now_ms
        asked = of.recharges.asked(claim, of.currency, self.now_ms)
        if claim.status == RechargeStatus.CLAIMED or status == RechargeStatus.UNKNOWN:
            claim.status = status
        of.close()
        return asked

    @once("failed", done_ms=NEVER_MS, unknown="closed", not_asked=("pause_seconds",))
    def fail_recharge(
        self, of: Account, key: str, reason: str, *, lasting: bool, pause_seconds: int
    ) -> Refused | None:
        claim = of.recharges.claim
        if not claim or claim.key != key:
            return Refused("closed")
        self.failed[of.name, key] = claim.micros
        of.fail_recharge(reason, pause_seconds, lasting=lasting)
        of.close()
        return None

    def suspend_recharge(self, account: str) -> Refused | None:
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        of.recharges.cancel()
        if of.recharges.suspend("by_admin"):
            of.tell_of_recharge("suspended", reason="by_admin")
        of.close()
        return None

    def resume_recharge(self, account: str) -> Refused | None:
        of = self.look(account)
        if not of:
            return Refused("unknown_account")
        of.recharges.resume()
        of.close()
        return None

    def hold(self, account: str, call_id: str, *args: object, **kwargs: object) -> object:
        """Hold, unless the call has ended: what paid for it pays for no other call."""
        ended = self.kept("close", account, call_id)
        return Refused("conflict") if ended else self._hold(account, call_id, *args, **kwargs)

    @once("hold", done_ms=NEVER_MS, refused_ms=HOUR_MS)
    def _hold(
        self,
        of: Account,
        call_id: str,
        slices: Sequence[Slice],
        *,
        user: str,
        call_type: str,
        number: str,
        prefix: str,
        rate: str,
        currency: str,
        day: str,
        month: str,
        pool: Pool | None = None,
        **_: float,
    ) -> Held | Refused:
        """Rule D1: nothing rings before it is paid for, by the pool or else by the lots."""
        day, month = of.period(day, month)
        if user and user not in of.users:
            of.close()
            return Refused("unknown_user", of.available)
        if too_many := of.too_many(user, prefix):
            of.close()
            return Refused(too_many[0], of.available, too_many[1])
        seconds = pooled = of.take_seconds(pool)
        money = 0
        if not pooled:
            room, reason, whose = of.room(user, day, month)
            found = of.longest(slices, held=0, room=room)
            if of.currency != currency:
                of.close()
                return Refused("no_rate", of.available)
            if of.spendable <= 0:  # rule C9
                reason, whose, found = "no_credit", "", None
            if not found:
                of.close(needed=slices[-1].micros if reason == "no_credit" else 0)
                return Refused(reason, of.available, whose)
            seconds, money = found.seconds, found.micros
        live = Live(
            Hold(
                call_id=call_id,
                account=of.name,
                user=user,
                call_type=call_type,
                number=number,
                rate=rate,
                granted_seconds=seconds,
                held=money,
                extension=0,
                pool=pool.name if pool else "",
                pool_seconds=pooled,
            )
        )
        of.take(money, live.pins)
        of.live[call_id] = live
        of.spend(live, day, month, money)
        for party in of.parties(user).values():
            party.begin(prefix, self.now_ms)
        of.close()
        return Held(seconds, money, of.available, pooled)

    def extend(
        self,
        account: str,
        call_id: str,
        extension: int,
        slices: Sequence[Slice],
        *,
        user: str,
        day: str,
        month: str,
        pool: Pool | None = None,
    ) -> Held | Refused:
        """Rule D3; extensions are numbered upwards, and the answer to the last is kept."""
        of = self.look(account)
        live = of.live.get(call_id) if of else None
        if not of or not live:
            return Refused("closed")
        hold, question = live.hold, (extension, slices, user, pool)
        other = hold.user != user or hold.pool != (pool.name if pool else "")
        if extension <= hold.extension or other:
            known = live.extended
            return known[1] if known and known[0] == question else Refused("conflict")
        paid = hold.granted_seconds > hold.pool_seconds  # rule C7: then money goes on paying
        pooled = hold.pool_seconds + of.take_seconds(None if paid else pool)
        seconds, money = hold.granted_seconds + pooled - hold.pool_seconds, hold.held
        day, month = of.period(day, month)
        room, reason, whose = of.room(user, day, month)
        found = of.longest(slices, hold.held, room) if pooled == hold.pool_seconds else None
        if found and (found.micros < money or found.seconds + pooled <= seconds):
            return Refused("conflict")  # it adds nothing to the call
        if found:
            of.take(found.micros - money, live.pins)
            seconds, money = found.seconds + pooled, found.micros
        answer: Held | Refused
        if seconds > hold.granted_seconds:
            of.spend(live, day, month, money - hold.held)
            of.close()
            answer = Held(seconds, money, of.available, pooled)
        else:
            of.waiting = True
            of.close(needed=slices[-1].micros if reason == "no_credit" else 0)
            answer = Refused(reason, of.available, whose)
        live.extended = question, answer
        live.hold = replace(
            hold, granted_seconds=seconds, held=money, extension=extension, pool_seconds=pooled
        )
        return answer

    @once("close", done_ms=DAY_MS, unknown="closed")
    def settle(
        self,
        of: Account,
        call_id: str,
        charge: int,
        *,
        user: str,
        pool: str = "",
        pool_seconds: int = 0,
        **_: int,
    ) -> Settled | Refused:
        """Rule D6: nothing is charged beyond what was held, and nothing twice."""
        live = of.live.get(call_id)
        if not live:
            return Refused("closed")
        if (live.hold.user, live.hold.pool) != (user, pool):
            return Refused("conflict")
        if charge > live.hold.held or pool_seconds > live.hold.pool_seconds:
            return Refused("over_hold")
        return self._close(of, live, charge, pool_seconds)

    @once("close", done_ms=DAY_MS, unknown="closed")
    def void(
        self, of: Account, call_id: str, *, user: str, pool: str = "", **_: int
    ) -> Settled | Refused:
        live = of.live.get(call_id)
        if not live:
            return Refused("closed")
        if (live.hold.user, live.hold.pool) != (user, pool):
            return Refused("conflict")
        return self._close(of, live, 0, 0)

    def _close(self, of: Account, live: Live, charge: int, pool_seconds: int) -> Settled:
        call_id = live.hold.call_id
        del of.live[call_id]
        self.forget("hold", of.name, call_id)
        of.give_back_seconds(live.hold, pool_seconds)
        returned = of.give_back(live.pins, charge)
        of.unspend(live, live.hold.held - charge)
        if of.waiting and (live.hold.held > charge or live.hold.pool_seconds > pool_seconds):
            of.waiting = False  # rule D4: another call may use what this one gives back
            of.tell("credit")
        of.close()
        return Settled(charge, returned, of.available)
