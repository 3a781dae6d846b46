import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from gateway.rating.number import UNIVERSAL_EMERGENCY, Kind, Number, read_number
from tests.lab.emergency import emergency_numbers

COUNTRIES = sorted(phonenumbers.SUPPORTED_REGIONS)
TYPES = {
    PhoneNumberType.FIXED_LINE: Kind.FIXED,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.FIXED,
    PhoneNumberType.MOBILE: Kind.MOBILE,
    PhoneNumberType.TOLL_FREE: Kind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
}


@pytest.mark.parametrize(
    ("dialed", "country", "text"),
    [
        ("+442071838750", "", "+442071838750"),
        ("00442071838750", "", "+442071838750"),
        ("00442071838750", "DE", "+442071838750"),
        ("011442071838750", "US", "+442071838750"),
        ("010442071838750", "JP", "+442071838750"),
        ("0011442071838750", "AU", "+442071838750"),
        ("02071838750", "GB", "+442071838750"),
        ("2025550123", "US", "+12025550123"),
        ("12025550123", "US", "+12025550123"),
        ("2025550123", "CA", "+12025550123"),
        ("0612345678", "IT", "+390612345678"),
        ("84951234567", "RU", "+74951234567"),
    ],
)
def test_a_number_is_read_as_its_country_dials(dialed: str, country: str, text: str) -> None:
    number = read_number(dialed, country)
    assert number
    assert number.text == text


@pytest.mark.parametrize("prefix", ["00", "011", "900"])
def test_a_pbx_may_have_international_prefixes_of_its_own(prefix: str) -> None:
    number = read_number(f"{prefix}4930123456", "US", ("00", "011", "900"))
    assert number == Number("+4930123456", Kind.FIXED, "DE")


@pytest.mark.parametrize(
    ("dialed", "country", "text"),
    [
        pytest.param("01134960999", "GB", "+441134960999", id="Leeds"),
        pytest.param("0115612345", "IT", "+390115612345", id="Turin"),
        pytest.param("0112901234", "JP", "+81112901234", id="Sapporo"),
        pytest.param("01143211234", "IN", "+911143211234", id="Delhi"),
    ],
)
def test_what_is_a_number_in_the_country_has_no_prefix_of_the_pbx(
    dialed: str, country: str, text: str
) -> None:
    for international in ((), ("00", "011")):
        number = read_number(dialed, country, international)
        assert number
        assert number.text == text


@pytest.mark.parametrize("country", COUNTRIES)
def test_a_premium_number_with_a_digit_too_many_is_as_premium(country: str) -> None:
    example = phonenumbers.example_number_for_type(country, PhoneNumberType.PREMIUM_RATE)
    if example is None:
        return
    text = phonenumbers.format_number(example, PhoneNumberFormat.E164)
    longer = read_number(f"{text}0", "")
    # Some are numbers of another kind with one digit more; others are none, or of no country.
    valid = phonenumbers.is_valid_number(phonenumbers.parse(f"{text}0"))
    assert longer is None or valid or longer.kind is Kind.PREMIUM or not longer.country


def test_the_longest_prefix_of_the_pbx_is_taken_off() -> None:
    number = read_number("00114930123456", "", ("00", "0011"))
    assert number == Number("+4930123456", Kind.FIXED, "DE")


@pytest.mark.parametrize(
    "dialed",
    [
        *("", "+", "00", "442071838750", "02071838750", "+0442071838750", "000442071838750"),
        *("+1234567890123456", "+44 2071838750", "+44\n2071838750", "+442071838750\n"),
        *("++442071838750", "+4420718#8750", "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "*100"),
        *("+4420718387500000", "0" * 40, "0044"),
    ],
)
def test_what_is_no_number_is_refused(dialed: str) -> None:
    assert read_number(dialed, "") is None


@pytest.mark.parametrize("dialed", ["*67", "0", "110#", "112*", "0049", "00004930123456"])
def test_what_is_no_number_of_the_country_is_refused(dialed: str) -> None:
    assert read_number(dialed, "US") is None


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_numbers_of_a_country_have_their_kinds(country: str) -> None:
    for wanted in TYPES:
        example = phonenumbers.example_number_for_type(country, wanted)
        if example is None:
            continue
        # An example may belong to a neighbour, or be of another kind too: what it is, counts.
        home = phonenumbers.region_code_for_number(example) or ""
        text = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        number = Number(text, TYPES[phonenumbers.number_type(example)], home)
        assert read_number(text, "") == number
        if home == country:
            national = phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL)
            assert read_number("".join(filter(str.isdigit, national)), country) == number


def test_examples_of_each_kind_are_known_for_many_countries() -> None:
    counted = {
        kind: sum(
            phonenumbers.example_number_for_type(country, kind_there) is not None
            for country in COUNTRIES
        )
        for kind_there, kind in TYPES.items()
    }
    assert all(count >= 40 for count in counted.values()), counted


@pytest.mark.parametrize("country", COUNTRIES)
def test_the_emergency_numbers_of_a_country_are_known(country: str) -> None:
    # C2.
    for dialed in {*emergency_numbers(country), *UNIVERSAL_EMERGENCY}:
        assert read_number(dialed, country) == Number(dialed, Kind.EMERGENCY, country)


def test_emergency_numbers_are_known_nearly_everywhere() -> None:
    assert sum(any(emergency_numbers(country)) for country in COUNTRIES) >= 235


@pytest.mark.parametrize(
    ("dialed", "country", "text"),
    [("+112", "", "112"), ("+911", "US", "911"), ("0112", "DE", "112"), ("0110", "DE", "110")],
)
def test_an_emergency_number_is_known_behind_what_phones_put_before_it(
    dialed: str, country: str, text: str
) -> None:
    assert read_number(dialed, country) == Number(text, Kind.EMERGENCY, country)


@pytest.mark.parametrize("dialed", ["0900123456", "09009123456", "0900123", "+4990012345670"])
def test_a_premium_number_is_premium_whatever_its_length(dialed: str) -> None:
    number = read_number(dialed, "DE")
    assert number
    assert number.kind is Kind.PREMIUM


def test_the_emergency_number_of_one_country_is_none_of_another() -> None:
    assert read_number("110", "DE") == Number("110", Kind.EMERGENCY, "DE")
    assert read_number("110", "GB") == Number("110", Kind.SHORT, "GB")


@pytest.mark.parametrize(
    ("dialed", "country"),
    [
        *(("116117", "DE"), ("411", "US"), ("118118", "GB"), ("3631", "FR"), ("+4911833", "DE")),
        # Networks overlook what follows.
        *(("118331", "DE"), ("1183300", "DE"), ("118118118", "GB")),
    ],
)
def test_a_short_number_is_none_of_the_numbers_that_begin_like_it(
    dialed: str, country: str
) -> None:
    assert read_number(dialed, country) == Number(dialed, Kind.SHORT, country)


@pytest.mark.parametrize(
    ("dialed", "kind"), [("+80012345678", Kind.TOLL_FREE), ("+881612345678", Kind.MOBILE)]
)
def test_a_number_of_no_country_has_none(dialed: str, kind: Kind) -> None:
    assert read_number(dialed, "US") == Number(dialed, kind, "")


def test_a_range_that_no_plan_knows_has_no_country() -> None:
    # Not domestic to anybody, so that it is never included.
    assert read_number("+15555550100", "US") == Number("+15555550100", Kind.OTHER, "")
