import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.money import AMOUNT_MICROS_MAX, format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("0", 0),
        ("20", 20_000_000),
        ("0.000001", 1),
        ("1.5", 1_500_000),
        ("007.10", 7_100_000),
        ("4503599627.370496", AMOUNT_MICROS_MAX),
    ],
)
def test_an_amount_is_read_to_the_micro_unit(text: str, micros: int) -> None:
    assert parse_amount(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1 ", "-1", "+1", "1e3", "1,5", "1.", ".5", "0.0000001", "NaN", "inf", "0x1"),
        *("\u0661", "1\n", "1_000", "4503599627.370497", "9" * 13),
    ],
)
def test_what_is_no_amount_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an amount|is larger than"):
        parse_amount(text)


@given(st.integers(0, AMOUNT_MICROS_MAX))
def test_an_amount_reads_back_as_it_was_written(micros: int) -> None:
    assert parse_amount(format_amount(micros)) == micros


def test_an_amount_is_written_with_six_places_and_its_sign() -> None:
    assert [format_amount(micros) for micros in (0, 1, -1, 20_000_000, -1_500_000)] == [
        "0.000000",
        "0.000001",
        "-0.000001",
        "20.000000",
        "-1.500000",
    ]
