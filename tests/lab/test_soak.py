"""An hour's soak in short. SOAK_SEED repeats one: its calls, and the order of its faults."""

import os
import random

import pytest

from tests.lab.soak import Extent, Soak

SHORT = Extent(calls=40, per_second=4, longest_seconds=8, slice_seconds=3, faults=2)
LONG = Extent(calls=300, per_second=2.3, longest_seconds=20, slice_seconds=6, faults=18)


@pytest.mark.parametrize(
    "extent",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.slow, pytest.mark.timeout(400)]),
    ],
)
async def test_usage_is_what_the_other_ends_of_calls_saw_whatever_breaks_meanwhile(
    extent: Extent,
) -> None:
    seed = int(os.environ.get("SOAK_SEED") or random.getrandbits(32))
    soak = Soak(seed, extent)
    await soak.run()
    print(soak)  # noqa: T201
