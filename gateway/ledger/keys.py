"""Names of the store's keys.

All keys of an account, and the journal of its shard, share one hash tag, so that an operation
stays in one slot of a cluster.
An id that is not as `names` has it raises ValueError: others would take keys and answers apart.
"""

import re
from dataclasses import dataclass

from gateway import names


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of the accounts."""

    tag: str

    @property
    def made_with(self) -> str:
        """Number of shards that the store was made with."""
        return f"{self.tag}:shards"

    @property
    def numbers(self) -> str:
        """Hash of the accounts that own dial-in numbers: those whose number selects this shard."""
        return f"{self.tag}:numbers"

    @property
    def accounts(self) -> str:
        """Set of the ids of the accounts."""
        return f"{self.tag}:accounts"

    @property
    def journal(self) -> str:
        """Stream of every change of money."""
        return f"{self.tag}:journal"

    @property
    def events(self) -> str:
        """Stream of what readers act on.

        Recharges that are due, credit that came, balances that are low or used up, lots that will
        expire.
        """
        return f"{self.tag}:events"

    @property
    def live(self) -> str:
        """Set of the calls that hold something, each as ACCOUNT/CALL."""
        return f"{self.tag}:live"

    def lease(self, name: str) -> str:
        """Name of the gateway that has a lease: that follows a PBX, or does a common duty."""
        return f"{self.tag}:lease:{name}"

    def jobs(self, kind: str) -> str:
        """Hash of the jobs of a kind that are not done."""
        return f"{self.tag}:jobs:{kind}"

    def due(self, kind: str) -> str:
        """Sorted set of when each job is tried next (ms)."""
        return f"{self.tag}:due:{kind}"

    def live_call(self, name: str) -> str:
        """Hash of a call by its name in `live`."""
        return f"{self.tag}:call:{name}"


@dataclass(frozen=True, slots=True)
class Account:
    """The keys of one account."""

    shard: Shard
    account_id: str

    def _key(self, kind: str) -> str:
        return f"{self.shard.tag}:{kind}:{self.account_id}"

    @property
    def account(self) -> str:
        """Hash of the sums, the settings, what is under way, and what was used beside limits."""
        return self._key("account")

    @property
    def lots(self) -> str:
        """Hash of the lots."""
        return self._key("lots")

    @property
    def users(self) -> str:
        """Set of those who may spend."""
        return self._key("users")

    def user(self, name: str) -> str:
        """Hash of a user's settings, and of what was used beside limits.

        The name "" stands for no user: nothing is ever kept under it.
        """
        return self._key("user") + f"/{_user(name)}"

    @property
    def licences(self) -> str:
        """Hash of how many users have set which country and plans."""
        return self._key("licences")

    @property
    def payments(self) -> str:
        """Hash of the answers to grants and reversals, kept for ever."""
        return self._key("payments")

    @property
    def unbooked(self) -> str:
        """Hash of payments that were set aside: what was paid, and why it is not booked."""
        return self._key("unbooked")

    @property
    def books(self) -> list[str]:
        """The first KEYS of every operation."""
        order = self._key("order")
        return [self.account, self.lots, order, self.shard.journal, self.shard.events]

    def call(self, call_id: str) -> str:
        """Hash of a call's hold and of the answers it got."""
        return self.shard.live_call(f"{self.account_id}/{named(names.CALL_ID, call_id)}")

    def pool(self, name: str) -> str:
        """Hash of the seconds held and used of a pool."""
        return self._key("pool") + f"/{named(names.POOL, name)}"

    def begun(self, prefix: str) -> str:
        """List of when the latest calls to numbers with this prefix began."""
        return self._key("begun") + f"/{named(names.PREFIX, prefix)}"

    def begun_by(self, user: str, prefix: str) -> str:
        """List of when the latest of them began that this user made."""
        return self._key("begun") + f"/{_user(user)}/{named(names.PREFIX, prefix)}"

    @property
    def conferences(self) -> str:
        """Hash of the account's conferences: organizer and PINs."""
        return self._key("conferences")

    def operation(self, kind: str, operation_id: str) -> str:
        """Hash of the answer to an operation, kept for as long as it may be asked again."""
        return self._key("op") + f"/{kind}/{named(names.REFERENCE, operation_id)}"


def shards(count: int) -> tuple[Shard, ...]:
    """List the shards of a store that has ``count`` of them."""
    return tuple(Shard(f"{{s{number:02d}}}") for number in range(count))


def _user(name: str) -> str:
    return name and named(names.USER, name)


def named(pattern: re.Pattern[str], word: str) -> str:
    """Give a word that is a name by this pattern."""
    if not pattern.fullmatch(word):
        message = f"{word!r} does not match {pattern.pattern}"
        raise ValueError(message)
    return word
