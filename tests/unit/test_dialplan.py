"""What the dialplan and the gateway must agree on, read from the dialplan's file."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

from gateway.pbx.checkup import MODULES
from gateway.rating.steps import Reason

ROOT = Path(__file__).parents[2]
FILE = ROOT / "dialplan/extensions-coinbox.conf"
LAB_MODULES = ROOT / "tests/lab/asterisk/modules.conf"


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_to_refuse_has_one_extension(reason: Reason) -> None:
    table = FILE.read_text().partition("[coinbox-prompts]\n")[2].partition("\n[")[0]

    assert len(re.findall(rf"^exten => {reason},1,", table, re.MULTILINE)) == 1


def test_it_tells_the_version_that_it_comes_with() -> None:
    assert re.findall(r"Version: ([^,]+),", FILE.read_text()) == [version("coinbox")]


def test_the_modules_that_are_looked_for_are_those_that_the_lab_loads_for_it() -> None:
    section = LAB_MODULES.read_text().partition("; Coinbox's dialplan\n")[2]

    assert sorted(MODULES) == sorted(re.findall(r"^load = (\S+)$", section, re.MULTILINE))
