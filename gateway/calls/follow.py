"""Follow a PBX, one gateway at a time: it hears of the calls, extends and settles them."""

import asyncio
from contextlib import suppress

import structlog

from gateway.calls.controller import Controller
from gateway.calls.ports import Pbx
from gateway.calls.reconcile import Reconciler
from gateway.ledger.leases import Leases
from gateway.ledger.outcomes import LedgerUnavailableError

# Another gateway takes over within the lease and a pause, and connects at once.
LEASE_SECONDS = 3.0
EVERY_SECONDS = 1.0
# So long may the PBX be out of reach before another gateway may try.
AWAY_SECONDS = 5.0

_log = structlog.get_logger()


class Lease:
    """A gateway's lease of one PBX (`gateway.calls.ports.Lease`)."""

    def __init__(self, leases: Leases, pbx_name: str) -> None:
        """Nothing is taken yet."""
        self.is_elsewhere = False
        self._leases = leases
        self._pbx_name = pbx_name
        self._sure_until = self._awake_until = 0.0

    def is_sure(self) -> bool:
        """Tell whether no other gateway can have the lease now.

        By a clock that goes on while this gateway is frozen, and before the store's does.
        """
        return asyncio.get_running_loop().time() < self._sure_until

    def is_awake(self) -> bool:
        """Tell whether this gateway has asked for it a moment ago, whatever came of that."""
        return asyncio.get_running_loop().time() < self._awake_until

    async def take(self) -> bool | None:
        """Take or keep the lease; nothing is known while the store is out of reach."""
        loop = asyncio.get_running_loop()
        asked_at = loop.time()
        try:
            taken = await self._leases.take(self._pbx_name, round(LEASE_SECONDS * 1000))
        except LedgerUnavailableError:
            if loop.time() < asked_at + LEASE_SECONDS:
                self._awake_until = loop.time() + LEASE_SECONDS
            return None
        self.is_elsewhere = not taken
        self._sure_until = asked_at + LEASE_SECONDS if taken else 0.0
        return taken

    async def give_up(self) -> None:
        """Let another gateway have it at once, if the store can be told."""
        self._sure_until = self._awake_until = 0.0
        with suppress(LedgerUnavailableError):
            await self._leases.give_up(self._pbx_name)


class Follower:
    """Follows a PBX whenever it can have its lease."""

    def __init__(
        self, pbx_name: str, pbx: Pbx, lease: Lease, controller: Controller, reconciler: Reconciler
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._pbx_name = pbx_name
        self._pbx = pbx
        self._lease = lease
        self._controller = controller
        self._reconciler = reconciler

    async def run(self) -> None:
        """Wait for the lease and follow, until cancelled; then hand the PBX over."""
        try:
            while True:
                if await self._lease.take():
                    await self._follow()
                else:
                    await asyncio.sleep(EVERY_SECONDS)
        finally:
            await self._lease.give_up()

    async def _follow(self) -> None:
        """Follow until another gateway has the lease, or may have had it meanwhile."""
        _log.info("pbx.followed", pbx=self._pbx_name)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(self._controller.run()),
                tasks.create_task(self._reconciler.run()),
                tasks.create_task(self._pbx.run(self._controller)),
            ]
            await self._keep()
            _log.warning("pbx.let_go", pbx=self._pbx_name, elsewhere=self._lease.is_elsewhere)
            for task in running:
                task.cancel()

    async def _keep(self) -> None:
        """Keep the lease until it is another's, or should be.

        A lease that was not sure for a while may have been another's: what is known of the calls
        is then old, and to be looked up anew. While the store is out of reach nobody can take it.
        Who cannot reach the PBX lets others try, if there are any.
        """
        loop = asyncio.get_running_loop()
        connected_at = loop.time()
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            was_sure = self._lease.is_sure()
            taken = await self._lease.take()
            if taken is False or (taken and not was_sure):
                return
            if self._pbx.connected:
                connected_at = loop.time()
            elif loop.time() > connected_at + AWAY_SECONDS:
                await self._lease.give_up()
                await asyncio.sleep(2 * EVERY_SECONDS)
                if await self._lease.take() is False:
                    return
                # Nobody else was there: what is known of the calls is as good as before.
                connected_at = loop.time()
