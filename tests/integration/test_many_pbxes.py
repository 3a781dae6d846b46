"""One gateway for several PBXes: each asks under its own name."""

from pathlib import Path

from tests.integration.agi import CALL, asked
from tests.lab.gateway import lone_gateway
from tests.lab.ports import Ports


async def test_every_pbx_of_the_settings_is_answered_and_no_other(
    ports: Ports, tmp_path: Path
) -> None:
    async with lone_gateway(tmp_path, ports, ("berlin", "paris")) as gateway:
        await gateway.open_account("contoso", "--user", "alice")
        await gateway.grant("contoso", "1.00", "p1")
        answers = {
            pbx: await asked(gateway.agi_port, f"{pbx}-1-1", *CALL[1:])
            for pbx in ("berlin", "paris", "rome")
        }
        _, ready = await gateway.get("/readyz")

    allowed = 'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+442071838750,contoso"\n'
    # Nobody would ever extend or settle a call of a PBX that nobody follows.
    assert answers == {
        "berlin": allowed,
        "paris": allowed,
        "rome": 'SET VARIABLE COINBOX_ANSWER "DENY,bad_call_id,"\n',
    }
    assert ready["pbx"] == {"berlin": "disconnected", "paris": "disconnected"}
