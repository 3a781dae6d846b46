"""Find the rate of a number: the longest prefix wins."""

from collections.abc import Mapping

from gateway.rating.price import Rate


def longest_prefix(rates: Mapping[str, Rate], number: str) -> Rate | None:
    """Give the rate whose prefix is the longest start of ``number`` (E.164 digits, no plus)."""
    for length in range(len(number), 0, -1):
        rate = rates.get(number[:length])
        if rate is not None:
            return rate
    return None
