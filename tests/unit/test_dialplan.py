"""What the dialplan and the gateway must agree on, read from the dialplan's file."""

import re
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "dialplan/extensions-coinbox.conf"

REASONS = (
    *("bad_number", "no_rate", "unknown_call_type", "unknown_account", "unknown_user"),
    *("policy", "premium", "blocked", "limit_rate", "no_licence", "no_credit"),
    *("limit_day", "limit_month", "limit_calls", "limit_per_minute"),
    *("rating_fault", "service_down", "bad_call_id", "conflict"),
)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_to_refuse_has_one_extension(reason: str) -> None:
    table = FILE.read_text().partition("[coinbox-refused]\n")[2].partition("\n[")[0]

    assert len(re.findall(rf"^exten => {reason},1,", table, re.MULTILINE)) == 1
