import pytest

from gateway.rating.decision import Cards, Priced, Reason, decide
from tests.unit.rates import card

CARDS = Cards(
    outbound=card("44,Britain,0.6,0,60,60,USD", "1800,Toll-free,0.1,0,60,60,USD"),
    inbound=card("1800,Toll-free,0.02,0,60,60,USD"),
)


@pytest.mark.parametrize(
    ("call_type", "dialed", "per_minute"),
    [
        ("user_out", "+442071838750", 600_000),
        ("conf_out", "00442071838750", 600_000),
        ("user_out", "+18005550100", 100_000),
        ("conf_in", "+18005550100", 20_000),
    ],
)
def test_the_call_type_chooses_the_card(call_type: str, dialed: str, per_minute: int) -> None:
    priced = decide(CARDS, call_type, dialed, 60)
    assert isinstance(priced, Priced)
    assert (priced.number, priced.rate.per_minute) == (f"+{dialed.lstrip('+0')}", per_minute)
    assert [(one.seconds, one.micros) for one in priced.slices] == [(60, per_minute)]


@pytest.mark.parametrize(
    ("call_type", "dialed", "reason"),
    [
        ("fax", "911", Reason.UNKNOWN_CALL_TYPE),
        ("", "+442071838750", Reason.UNKNOWN_CALL_TYPE),
        ("emergency_out", "+442071838750", Reason.UNKNOWN_CALL_TYPE),
        ("user_out", "2071838750", Reason.BAD_NUMBER),
        ("user_out", "", Reason.BAD_NUMBER),
        ("conf_in", "8005550100", Reason.BAD_NUMBER),
        ("user_out", "+33142685300", Reason.NO_RATE),
        ("conf_in", "+442071838750", Reason.NO_RATE),
    ],
)
def test_the_first_fault_of_a_request_is_its_reason(
    call_type: str, dialed: str, reason: Reason
) -> None:
    assert decide(CARDS, call_type, dialed, 60) == reason
