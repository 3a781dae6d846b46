"""All accounts of a plain model of the ledger, and the answers that it keeps."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from typing import Any

from gateway.ledger.outcomes import NEVER_MS, Hold, Refused
from tests.integration.model.account import Account

NOT_KEPT = -1
CLOCK = ("day", "month")  # what a repeated question may tell otherwise
Operation = Callable[..., Any]


@dataclass
class Kept:
    """An answer that is given again, or refused to other arguments, while it is kept."""

    asked: object
    answer: Any
    until_ms: int


class Accounts:
    """All accounts, at `now_ms`."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.accounts: dict[str, Account] = {}
        self.owners: dict[str, str] = {}
        self.paid: dict[tuple[str, str], tuple[str, int, str]] = {}
        # The charge that each payment was first reported for.
        self.key_of: dict[tuple[str, str], str] = {}
        self.failed: dict[tuple[str, str], int] = {}
        self.taken_back: dict[tuple[str, str], dict[str, int]] = {}
        self._kept: dict[tuple[str, str, str], Kept] = {}

    def look(self, account: str) -> Account | None:
        """Find an account as it is now, whenever it was looked at last."""
        of = self.accounts.get(account)
        if of:
            of.look(self.now_ms)
        return of

    def look_at_all(self) -> list[Account]:
        return [of for account in self.accounts if (of := self.look(account))]

    def live_holds(self) -> list[Hold]:
        return [live.hold for of in self.accounts.values() for live in of.live.values()]

    def payments(self, account: str) -> list[str]:
        return [name for kind, of, name in self._kept if (kind, of) == ("grant", account)]

    def kept(self, kind: str, account: str, name: str) -> Kept | None:
        kept = self._kept.get((kind, account, name))
        return kept if kept and self.now_ms <= kept.until_ms else None

    def keep(self, key: tuple[str, str, str], kept: Kept) -> None:
        self._kept[key] = kept

    def forget(self, kind: str, account: str, name: str) -> None:
        del self._kept[kind, account, name]

    def ends_ms(self) -> list[int]:
        """List when answers will not be known any more."""
        return [kept.until_ms for kept in self._kept.values() if kept.until_ms < NEVER_MS]

    def kept_names(self) -> set[str]:
        """Name what is kept for now and not for ever: answers, live calls, pools in use."""
        names = set()
        for of in self.look_at_all():
            names |= {f"pool:{of.name}/{name}" for name in of.pools}
            names |= {f"begun:{of.name}/{prefix}" for prefix in of.party.begun}
            for user, party in of.users.items():
                names |= {f"begun:{of.name}/{user}/{prefix}" for prefix in party.begun}
        for kind, account, name in self._kept:
            kept = self.kept(kind, account, name)
            if kept and kind in ("hold", "close"):
                names.add(f"call:{account}/{name}")
            elif kept and kept.until_ms < NEVER_MS:
                names.add(f"op:{account}/{kind}/{name}")
        return names


def once(
    kind: str,
    *,
    done_ms: int,
    refused_ms: int = NOT_KEPT,
    unknown: str = "unknown_account",
    not_asked: Collection[str] = CLOCK,
) -> Callable[[Operation], Operation]:
    """Let an operation be done once for each of its ids, as long as its answer is kept."""

    def wrapped(operation: Operation) -> Operation:
        @wraps(operation)
        def asked(model: Accounts, account: str, name: str, *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - as wide as operations are
            asked_for = {word: value for word, value in kwargs.items() if word not in not_asked}
            question = (operation.__name__, args, asked_for)
            kept = model.kept(kind, account, name)
            if kept:
                return kept.answer if kept.asked == question else Refused("conflict")
            of = model.look(account)
            answer = operation(model, of, name, *args, **kwargs) if of else Refused(unknown)
            life_ms = refused_ms if isinstance(answer, Refused) else done_ms
            if life_ms != NOT_KEPT:
                kept = Kept(question, answer, model.now_ms + life_ms)
                model.keep((kind, account, name), kept)
            return answer

        return asked

    return wrapped
