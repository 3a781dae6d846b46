from collections.abc import AsyncIterator

import pytest

from tests.lab.lab import Lab
from tests.lab.scenes import SETTINGS


@pytest.fixture(scope="session")
async def lab() -> AsyncIterator[Lab]:
    """One Asterisk, far end, provider and gateway for all tests; each test has its own account."""
    async with Lab(settings=SETTINGS) as lab:
        yield lab
