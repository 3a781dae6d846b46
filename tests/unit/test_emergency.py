"""The emergency numbers that the dialplan connects, against what phonenumbers knows."""

import re
from itertools import product
from pathlib import Path

import phonenumbers
import pytest
from phonenumbers.shortnumberinfo import is_emergency_number

from tests.lab import emergency

FILE = Path(__file__).parents[2] / "dialplan/extensions-coinbox-emergency.conf"
REGIONS = sorted({*phonenumbers.SUPPORTED_REGIONS, *phonenumbers.SUPPORTED_SHORT_REGIONS})

CONTEXT = re.compile(r"^\[coinbox-emergency-(\w+)\]$((?:\n[^\[]*)*)", re.MULTILINE)
EXTENSION = re.compile(r"^exten => (\d+),1,", re.MULTILINE)
EXTENSIONS = {region: EXTENSION.findall(body) for region, body in CONTEXT.findall(FILE.read_text())}

# All numbers of two and three digits, and all longer ones that are an emergency number anywhere.
CANDIDATES = {
    *("".join(digits) for length in (2, 3) for digits in product("0123456789", repeat=length)),
    *(number for numbers in EXTENSIONS.values() for number in numbers),
}


def test_the_file_is_what_the_generator_writes() -> None:
    assert FILE.read_text() == emergency.dialplan()


def test_the_file_has_contexts_of_known_regions_only() -> None:
    assert set(EXTENSIONS) - set(REGIONS) == set()


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_s_emergency_numbers_and_no_others_are_its_extensions(region: str) -> None:
    known = {number for number in CANDIDATES if is_emergency_number(number, region)}

    assert sorted(EXTENSIONS.get(region, [])) == sorted(known)
