from pathlib import Path

from tests.conftest import Store
from tests.lab.lab import Lab
from tests.lab.ports import Ports
from tests.lab.scenes import SETTINGS, international_call
from tests.lab.servers import cluster, valkey


async def test_a_gateway_on_a_cluster_charges_the_same(
    store: Store, ports: Ports, tmp_path: Path
) -> None:
    async with (
        cluster(await valkey(store), tmp_path, ports) as nodes,
        Lab(settings={**SETTINGS, "store": {"url": nodes.url, "cluster": True}}) as lab,
    ):
        outcome = await international_call(lab)

    assert [check for check in outcome.checks if not check.holds] == []
