from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.recharge.providers.webhook import WebhookProvider
from tests.conftest import Store
from tests.integration import cases
from tests.integration.api import SIGNER, Api, serving
from tests.integration.books import Books, funded
from tests.integration.picture import Picture
from tests.integration.recharging import in_a_hurry
from tests.integration.shell import Shell
from tests.lab.ports import Ports
from tests.lab.provider import Provider


@pytest.fixture(autouse=True)
async def _empty_store(store: Store) -> None:
    await store.redis.flushall()


@pytest.fixture(scope="session")
async def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Picture]:
    """What each case leaves, in a store of its own: it may be made in the middle of any test's."""
    async with Store.on(tmp_path_factory.mktemp("undisturbed")) as store:
        return await cases.undisturbed(store)


@pytest.fixture
async def at(store: Store) -> Books:
    """An account with one lot of 5.00, paid for as a."""
    return await funded(store, 5_000_000)


@pytest.fixture
async def api(store: Store, ports: Ports, tmp_path: Path) -> AsyncIterator[Api]:
    async with serving(store, ports.take(), tmp_path) as api:
        yield api


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
async def provider(
    api: Api, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Provider]:
    in_a_hurry(monkeypatch)
    hook = f"http://127.0.0.1:{api.port}/webhooks/payments"
    started = Provider(ports.take(), SIGNER, hook)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def asking(provider: Provider, api: Api) -> WebhookProvider:
    return WebhookProvider(provider.url, SIGNER, api.client)
