from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Store
from tests.integration import cases
from tests.integration.api import Api, serving
from tests.integration.books import Books, funded
from tests.integration.picture import Picture
from tests.integration.shell import Shell
from tests.lab.ports import Ports


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
