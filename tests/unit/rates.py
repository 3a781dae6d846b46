from gateway.rating.price import Rate
from gateway.rating.ratecard import COLUMNS, RateCard, read_card


def card(*rows: str) -> RateCard:
    """Load a card of these rows, as if from a file."""
    return read_card("rates/card.csv", "\n".join([",".join(COLUMNS), *rows, ""]))


def rate(
    per_minute: str, *, fee: str = "0", initial_seconds: int = 1, increment_seconds: int = 1
) -> Rate:
    """Take a rate the way the gateway does: from a row of a card."""
    loaded = card(f"44,Britain,{per_minute},{fee},{initial_seconds},{increment_seconds},USD")
    return loaded.rates["44"]
