from pathlib import Path

from gateway.ledger import embedded
from tests.lab.lab import Lab
from tests.lab.scenes import SETTINGS, international_call


async def test_a_gateway_on_a_store_by_url_charges_the_same(tmp_path: Path) -> None:
    async with (
        embedded.running(tmp_path),
        Lab(settings={**SETTINGS, "store": {"url": embedded.url(tmp_path)}}) as lab,
    ):
        outcome = await international_call(lab)

    assert [check for check in outcome.checks if not check.holds] == []
