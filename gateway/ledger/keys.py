"""Names of the store's keys.

All keys of an account, and the journal of its shard, share one hash tag, so that an operation
stays in one slot of a cluster.
"""

from dataclasses import dataclass
from zlib import crc32

# Account that owns a dial-in number: looked up before the account, and so its shard, is known.
NUMBERS = "coinbox:numbers"


@dataclass(frozen=True, slots=True)
class Shard:
    """One share of the accounts."""

    tag: str

    @property
    def journal(self) -> str:
        """Stream of every change of money in the shard."""
        return f"{self.tag}:journal"

    @property
    def events(self) -> str:
        """Stream of what readers act on: recharges that are due, credit that came."""
        return f"{self.tag}:events"

    @property
    def live(self) -> str:
        """Set of the ids of calls that hold money."""
        return f"{self.tag}:live"

    def call(self, call_id: str) -> str:
        """Hash of a call's hold and of the answers it got."""
        return f"{self.tag}:call:{call_id}"


@dataclass(frozen=True, slots=True)
class Account:
    """The keys of one account."""

    shard: Shard
    account: str
    lots: str
    order: str
    users: str
    payments: str


def shards(count: int) -> tuple[Shard, ...]:
    """List the shards of a store that has ``count`` of them."""
    return tuple(Shard(f"{{s{number:02d}}}") for number in range(count))


def account_keys(all_shards: tuple[Shard, ...], account_id: str) -> Account:
    """Give the keys of an account, in the shard that its id selects."""
    shard = all_shards[crc32(account_id.encode()) % len(all_shards)]
    return Account(
        shard,
        *(
            f"{shard.tag}:{kind}:{account_id}"
            for kind in ("account", "lots", "order", "users", "payments")
        ),
    )
