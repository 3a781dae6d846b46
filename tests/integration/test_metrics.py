from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.admin.metrics import Metrics
from gateway.calls.ports import CallRequest
from gateway.ledger.outcomes import LedgerUnavailableError
from tests.integration.agi import asked
from tests.lab.gateway import Gateway, lone_gateway
from tests.lab.ports import Ports

Samples = dict[tuple[str, frozenset[str]], float]


@pytest.fixture
async def gateway(tmp_path: Path, ports: Ports) -> AsyncIterator[Gateway]:
    async with lone_gateway(tmp_path, ports, ("pbx", "other")) as gateway:
        yield gateway


async def scraped(gateway: Gateway) -> Samples:
    """Give what Prometheus reads, by name and the values of labels."""
    status, text = await gateway.get_text("/metrics")
    assert status == 200
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_prometheus_reads_answers_and_live_calls_and_which_pbxes_are_followed(
    gateway: Gateway,
) -> None:
    await gateway.open_account("contoso", "--user", "alice")
    await gateway.grant("contoso", "1.00", "p1")
    for call in ("pbx-1-1", "pbx-2-1"):
        said = await asked(gateway.agi_port, call, "user_out", "contoso", "alice", "+442071838750")
        assert "ALLOW" in said
    await asked(gateway.agi_port, "pbx-3-1", "user_out", "contoso", "alice", "+8821612345678")
    await asked(gateway.agi_port, "pbx-4-1", "user_out", "nobody", "alice", "+442071838750")
    await asked(gateway.agi_port, "pbx-5-1", "user_out", "contoso", "alice", "112")

    seen = await scraped(gateway)
    answers = "coinbox_authorization_seconds_count"
    assert {names: value for (name, names), value in seen.items() if name == answers} == {
        frozenset({"allow"}): 2,
        frozenset({"no_credit"}): 1,
        frozenset({"unknown_account"}): 1,
        frozenset({"emergency"}): 1,
    }
    assert seen["coinbox_live_calls", frozenset({"pbx", "authorized"})] == 2
    assert seen["coinbox_live_calls", frozenset({"pbx", "answered"})] == 0
    assert seen["coinbox_pbx_followed", frozenset({"pbx"})] == 0
    assert seen["coinbox_pbx_followed", frozenset({"other"})] == 0


async def test_an_answer_that_the_store_did_not_help_to_is_counted_too() -> None:
    async def fail(_request: CallRequest) -> NoReturn:
        raise LedgerUnavailableError("it is away")

    metrics = Metrics(dict, dict)
    with pytest.raises(LedgerUnavailableError):
        await metrics.timed(fail)(CallRequest("pbx-1-1", "user_out", "contoso", "ana", "112"))
    counted = metrics.registry.get_sample_value
    assert counted("coinbox_authorization_seconds_count", {"answer": "service_down"}) == 1


async def test_metrics_are_for_the_admin_as_all_else_is(gateway: Gateway) -> None:
    gateway.settings["http"]["token"] = "another"  # noqa: S105
    status, _ = await gateway.get_text("/metrics")
    assert status == 401
