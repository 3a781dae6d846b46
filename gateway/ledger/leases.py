"""Who follows which PBX: one gateway at a time, and another soon after it is gone."""

from uuid import uuid4

from gateway import names
from gateway.ledger import keys, scripts
from gateway.ledger.store import Store


class Leases:
    """The leases of one gateway. Every method may raise LedgerUnavailableError."""

    def __init__(self, store: Store) -> None:
        """Keep the leases in this store, under a name that no other gateway has."""
        self._store = store
        self._holder = uuid4().hex

    async def take(self, pbx: str, milliseconds: int) -> bool:
        """Take the lease of a PBX, or keep it, from now on; or say that another has it."""
        shard, key = self._lease(pbx)
        holder = await self._store.run(
            shard, scripts.TAKE_LEASE, [key], [self._holder, milliseconds]
        )
        return bool(holder == self._holder)

    async def give_up(self, pbx: str) -> None:
        """Let another gateway have the lease at once."""
        shard, key = self._lease(pbx)
        await self._store.run(shard, scripts.GIVE_UP_LEASE, [key], [self._holder])

    def _lease(self, pbx: str) -> tuple[keys.Shard, str]:
        shard = self._store.shard_of(pbx)
        return shard, shard.lease(keys.named(names.PBX, pbx))
