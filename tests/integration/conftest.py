import pytest

from tests.conftest import Store


@pytest.fixture(autouse=True)
async def _empty_store(store: Store) -> None:
    await store.redis.flushall()
