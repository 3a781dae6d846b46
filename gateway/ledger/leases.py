"""Who does what only one gateway does at a time, and another soon after it is gone."""

from uuid import uuid4

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.store import Store


class Leases:
    """The leases of one gateway. Every method may raise LedgerUnavailableError."""

    def __init__(self, store: Store, kind: str) -> None:
        """Keep leases of a kind in this store, under a name that no other gateway has."""
        self._store = store
        self._kind = kind
        self._holder = uuid4().hex

    async def take(self, name: str, milliseconds: int) -> bool:
        """Take the lease of this name, or keep it, from now on; or say that another has it."""
        shard, key = self._lease(name)
        holder = await self._store.run(
            shard, scripts.TAKE_LEASE, [key], [self._holder, milliseconds]
        )
        return bool(holder == self._holder)

    async def give_up(self, name: str) -> None:
        """Let another gateway have the lease at once."""
        shard, key = self._lease(name)
        await self._store.run(shard, scripts.GIVE_UP_LEASE, [key], [self._holder])

    def _lease(self, name: str) -> tuple[keys.Shard, str]:
        shard = self._store.shard_of(name)
        return shard, shard.lease(f"{self._kind}:{keys.named(names.PBX, name)}")
