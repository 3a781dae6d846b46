"""Cards and plans that are published anew, beside a gateway that decides calls."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.agi import asked
from tests.lab.gateway import Gateway, Section
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.unit.rates import HEADER

BRITAIN = "+442071838750"


@dataclass(frozen=True)
class Operator:
    """Publishes cards and plans for a gateway that runs."""

    gateway: Gateway
    folder: Path
    agi_port: int

    def publish(self, *rows: str) -> None:
        (self.folder / "card.csv").write_text("\n".join([HEADER, *rows, ""]))

    async def reload(self, said: str) -> str:
        """Let the gateway read anew, and give what it then says."""
        before = len(self.gateway.log())
        self.gateway.reload()
        await until(lambda: said in self.gateway.log()[before:], said)
        return self.gateway.log()[before:]

    async def authorize(self, call_id: str) -> str:
        return await asked(self.agi_port, f"pbx-{call_id}", "user_out", "contoso", "ana", BRITAIN)

    async def held(self) -> object:
        return (await self.gateway.account("contoso"))["held"]


@pytest.fixture
async def operator(tmp_path: Path, ports: Ports) -> AsyncIterator[Operator]:
    agi_port = ports.take()
    settings: dict[str, Section] = {
        "agi": {"port": agi_port},
        "pbx.pbx": {"port": ports.take()},
        "http": {"port": ports.take(), "token": "s3cret"},
        "rates": {"cards": [str(tmp_path / "card.csv")], "plans": str(tmp_path / "plans.toml")},
    }
    operator = Operator(Gateway(tmp_path / "gateway", settings), tmp_path, agi_port)
    operator.publish("44,Britain,0.60,0,60,60,USD")
    (tmp_path / "plans.toml").write_text("[plans.credits]\ncredits = true\n")
    await operator.gateway.start(until="/healthz")
    try:
        await operator.gateway.open_account("contoso", "--user", "ana")
        await operator.gateway.grant("contoso", "10", "wire-7")
        yield operator
    finally:
        await operator.gateway.stop()


async def test_a_card_that_is_published_prices_the_calls_that_come_and_no_others(
    operator: Operator,
) -> None:
    assert (
        await operator.authorize("one")
        == f'SET VARIABLE COINBOX_ANSWER "ALLOW,60,{BRITAIN},contoso"\n'
    )
    assert await operator.held() == "0.600000"
    operator.publish("44,Britain,0.70,0,60,60,USD")
    await operator.reload("rules.loaded")
    # Asked again, it is the call that was allowed before.
    assert "ALLOW,60" in await operator.authorize("one")
    assert await operator.held() == "0.600000"
    assert "ALLOW" in await operator.authorize("two")
    assert await operator.held() == "1.300000"
    rates = {call["id"]: call["rate"] for call in await operator.gateway.calls()}
    kept = {file.stem for file in (operator.folder / "gateway/data/ratecards").glob("*.csv")}
    assert {str(rate).rpartition(":")[0] for rate in rates.values()} == kept
    assert len(kept) == 2


async def test_what_is_wrong_is_said_and_changes_nothing(operator: Operator) -> None:
    card, plans = operator.folder / "card.csv", operator.folder / "plans.toml"
    right = {file: file.read_text() for file in (card, plans)}
    for number, (file, text, named) in enumerate(
        (
            (card, right[card].replace("0.60", "free"), "rate_per_minute = 'free'"),
            (plans, "[plans.credits]\ncredit = true\n", "plans.credits.credit"),
            (plans, "domestic = " + "[" * 5000, "plans.toml"),
            (plans, f"[plans.x]\ncredits = {'9' * 5000}\n", "plans.toml"),
            (card, None, "No such file"),
        )
    ):
        file.unlink() if text is None else file.write_text(text)
        said = await operator.reload("rules.refused")
        [line] = [line for line in said.splitlines() if "rules.refused" in line]
        assert any(named in fault for fault in json.loads(line)["faults"])
        assert "ALLOW" in await operator.authorize(f"after-{number}")
        file.write_text(right[file])
