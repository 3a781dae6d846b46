"""The prefixes that a cell of a rate deck names: one, a list, a range, or area codes."""

import re
from collections.abc import Iterator

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

# A range is written out, a row each.
_RANGE_MAX = 1000
# A country code, and at most two parts behind it: 1-876-555.
_PARTS_MAX = 3

_LIST = re.compile(r"[,;|/]")
_EXIT = re.compile(r"\s*(?:\+|00|011)?\s*")
_GAP = re.compile(r"[-\u2013\s()]+")
_RANGE = re.compile(r"\+?(\d{1,15})\s*[-\u2013]\s*\+?(\d{1,15})", re.ASCII)
_CALLING_CODES = {str(code) for code in COUNTRY_CODE_TO_REGION_CODE}


def prefixes(country_code: str, text: str) -> tuple[str, ...]:
    """List the prefixes of a cell; behind a country code, if the row has one in another cell.

    A gap follows a country calling code (``1-876``, ``44 20``), or is that of a range
    (``4420-4429``). Raises ValueError for what can be read in two ways.
    """
    if not country_code and text.isdigit() and text[0] != "0":
        return (text,)
    code = _EXIT.sub("", country_code, count=1)
    pieces = [piece.strip() for piece in _LIST.split(text) if piece.strip()]
    if not code:
        _check_list(pieces)
    return tuple(one for piece in pieces or [""] for one in _expand(code, piece))


def _check_list(pieces: list[str]) -> None:
    """Refuse a list where a country code may stand before its first piece only."""
    whole = [_parts(piece) for piece in pieces]
    if len(whole) > 1 and len(whole[0]) > 1 and whole[0][0] in _CALLING_CODES:
        code = whole[0][0]
        if not all("".join(parts).startswith(code) for parts in whole):
            raise ValueError(f"must have {code} before each of the list, or before none")


def _parts(piece: str) -> list[str]:
    return [part for part in _GAP.split(_EXIT.sub("", piece, count=1)) if part]


def _expand(code: str, piece: str) -> Iterator[str]:
    parts = _parts(piece)
    if len(parts) <= 1:
        yield code + "".join(parts)
    elif not code and parts[0] in _CALLING_CODES:
        yield _joined(parts)
    else:
        yield from (code + one for one in _range(piece))


def _joined(parts: list[str]) -> str:
    """Join a country code and what follows it."""
    first, second = parts[:2]
    if len(parts) > _PARTS_MAX or (
        len(first) == len(second) and first < second and second in _CALLING_CODES
    ):
        raise ValueError("may be a prefix or a list of them: write each whole, with commas between")
    return "".join(parts)


def _range(text: str) -> Iterator[str]:
    match = _RANGE.fullmatch(text)
    first, last = match.groups() if match else ("", "")
    if not match or len(first) != len(last) or first >= last:
        raise ValueError("must be prefixes such as 4420, or a range of them such as 4420-4429")
    if int(last) - int(first) >= _RANGE_MAX:
        raise ValueError(f"must be a range of at most {_RANGE_MAX} prefixes")
    return (str(one).zfill(len(first)) for one in range(int(first), int(last) + 1))
