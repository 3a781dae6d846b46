"""What the dialplan and the gateway must agree on, read from the dialplan's file."""

import re
from pathlib import Path

import pytest

from gateway.rating.steps import Reason

FILE = Path(__file__).parents[2] / "dialplan/extensions-coinbox.conf"


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_to_refuse_has_one_extension(reason: Reason) -> None:
    table = FILE.read_text().partition("[coinbox-prompts]\n")[2].partition("\n[")[0]

    assert len(re.findall(rf"^exten => {reason},1,", table, re.MULTILINE)) == 1
