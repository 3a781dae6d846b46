"""Find what a table of prefixes has for a number: the longest prefix wins."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

T = TypeVar("T")


def longest_first(table: Mapping[str, T], digits: str) -> Iterator[T]:
    """Give what the table has for the starts of a number (E.164 digits, no plus)."""
    for length in range(len(digits), 0, -1):
        found = table.get(digits[:length])
        if found is not None:
            yield found
