"""The store that the settings name, for the gateway and for commands."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from gateway.config import Settings
from gateway.ledger import embedded
from gateway.ledger.check import check_shards
from gateway.ledger.cluster import open_servers
from gateway.ledger.store import Store


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """Give the store alone, beside a gateway that runs or without one."""
    folder = settings.data_dir / "store"
    async with AsyncExitStack() as stack:
        if not settings.store.url and not embedded.is_running(folder):
            await stack.enter_async_context(embedded.running(folder))
        store = await stack.enter_async_context(connected(settings))
        await check_shards(store)
        yield store


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Store]:
    """Give the store, whose servers run."""
    url = settings.store.url or embedded.url(settings.data_dir / "store")
    servers = open_servers(url, cluster=settings.store.cluster)
    try:
        yield Store(servers, settings.store.shards)
    finally:
        await servers.aclose()
