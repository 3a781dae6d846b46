from gateway.rating.columns import Direction
from gateway.rating.price import Tariff
from gateway.rating.ratecard import RateCard, read_cards

HEADER = (
    "prefix,destination,rate_per_minute,connection_fee,initial_seconds,increment_seconds,currency"
)
NOW_MS = 1_795_500_000_000  # on 24 November 2026


def card(*rows: str, more: str = "") -> RateCard:
    """Load a card of these rows, as if from a file; ``more`` are columns at their end."""
    header = f"{HEADER},{more}" if more else HEADER
    return read_cards(("rates/card.csv", "\n".join([header, *rows, ""])))


def tariff(*rows: str, more: str = "") -> Tariff:
    """Take what prices +44 the way the gateway does: from rows of a card."""
    found = card(*rows, more=more).tariff(Direction.OUTBOUND, "USD", "+44", NOW_MS)
    assert found
    return found


def rate(per_minute: str, *, fee: str = "0", initial: int = 1, increment: int = 1) -> Tariff:
    """Take a tariff of one plain rate."""
    return tariff(f"44,Britain,{per_minute},{fee},{initial},{increment},USD")
