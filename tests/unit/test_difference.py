import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rating.columns import COLUMNS
from gateway.rating.difference import Change, Kind, differences
from gateway.rating.price import Rate
from gateway.rating.ratecard import RateCard, read_cards
from gateway.rating.written import written
from tests.unit.rates import card

BRITAIN = "44,Britain,0.6,0.1,60,60,USD"


def changes(old: RateCard, new: RateCard) -> list[tuple[Kind, str, tuple[str, ...]]]:
    found: list[Change] = list(differences(old, new))
    return [(change.kind, change.rate.prefix, change.columns) for change in found]


def test_a_card_does_not_differ_from_itself_in_another_order() -> None:
    assert (
        changes(card(BRITAIN, "33,France,0,0,1,1,USD"), card("33,France,0,0,1,1,USD", BRITAIN))
        == []
    )


def test_a_prefix_of_one_card_only_is_added_or_removed() -> None:
    old, new = card(BRITAIN), card("33,France,0.1,0,1,1,USD")
    assert changes(old, new) == [(Kind.ADDED, "33", ()), (Kind.REMOVED, "44", ())]


@pytest.mark.parametrize(
    ("row", "kind", "columns"),
    [
        ("44,Britain,0.7,0.1,60,60,USD", Kind.DEARER, ("rate_per_minute",)),
        ("44,Britain,0.6,0,60,60,USD", Kind.CHEAPER, ("connection_fee",)),
        ("44,Britain,0.6,0.1,60,6,USD", Kind.CHEAPER, ("increment_seconds",)),
        ("44,Britain,0.7,0,60,60,USD", Kind.CHANGED, ("rate_per_minute", "connection_fee")),
        ("44,UK,0.6,0.1,60,60,USD", Kind.CHANGED, ("destination",)),
    ],
)
def test_a_rate_is_dearer_or_cheaper_if_it_is_so_in_everything(
    row: str, kind: Kind, columns: tuple[str, ...]
) -> None:
    assert changes(card(BRITAIN), card(row)) == [(kind, "44", columns)]


@pytest.mark.parametrize(
    ("column", "old", "new", "kind"),
    [
        ("maximum_charge", "", "5", Kind.CHEAPER),
        ("minimum_charge", "0", "0.2", Kind.DEARER),
        ("grace_seconds", "0", "3", Kind.CHEAPER),
        ("first_rate_per_minute", "", "0.9", Kind.DEARER),
        ("increments", "each", "total", Kind.CHANGED),
        ("effective_from", "", "2027-01-01", Kind.CHANGED),
        ("effective_until", "2027-01-01", "2027-01-01T12:00", Kind.CHANGED),
        ("timezone", "UTC", "Europe/London", Kind.CHANGED),
    ],
)
def test_a_change_is_named_by_its_column(column: str, old: str, new: str, kind: Kind) -> None:
    before, after = (card(f"{BRITAIN},{cell}", more=column) for cell in (old, new))
    assert changes(before, after) == [(kind, "44", (column,))]


def test_a_currency_is_compared_with_itself_only() -> None:
    euros = card(BRITAIN.replace("USD", "EUR"))
    found = [(one.kind, one.rate.currency) for one in differences(card(BRITAIN), euros)]
    assert found == [(Kind.ADDED, "EUR"), (Kind.REMOVED, "USD")]


def test_rates_of_a_prefix_are_compared_by_their_times() -> None:
    always, weekend = f"{BRITAIN},,", f"{BRITAIN},sat sun,"
    night = f"{BRITAIN},,22:00-06:00"
    more = "days,hours"
    old = card(always, weekend, more=more)
    assert changes(old, card(always, weekend.replace("0.6", "0.5"), more=more)) == [
        (Kind.CHEAPER, "44", ("rate_per_minute",))
    ]
    assert changes(old, card(always, night, more=more)) == [
        (Kind.REMOVED, "44", ()),
        (Kind.ADDED, "44", ()),
    ]


AMOUNT = st.decimals(0, 999_999, places=12).map(lambda amount: f"{amount:f}")


@given(
    amounts=st.tuples(AMOUNT, AMOUNT),
    initial=st.integers(1, 86_400),
    increments=st.sampled_from(("each", "total")),
    effective_from=st.sampled_from(("", "2027-01-31", "2027-01-31T12:00:30")),
    zone=st.sampled_from(("UTC", "Europe/Berlin", "America/Los_Angeles")),
)
def test_a_rate_that_is_written_is_read_as_the_same_one(
    amounts: tuple[str, str], initial: int, increments: str, effective_from: str, zone: str
) -> None:
    more = "increments,effective_from,timezone"
    row = f"44,Britain,{','.join(amounts)},{initial},6,USD,{increments},{effective_from},{zone}"
    first = only_rate(card(row, more=more))
    cells = {name: cell for name, cell in written(first).items() if name in COLUMNS}
    again = read_cards(("again.csv", f"{','.join(cells)}\n{','.join(cells.values())}\n"))
    assert only_rate(again)._replace(card=first.card) == first


def only_rate(rate_card: RateCard) -> Rate:
    [[(rate,)]] = [table.values() for table in rate_card.tables.values()]
    return rate


@pytest.mark.parametrize(
    ("days", "hours", "expected"),
    [
        ("mon-fri", "08:00-18:30", "mon-fri 08:00-18:30"),
        ("sat sun", "", "sat sun 00:00-24:00"),
        ("fri", "22:00-06:00", "fri 22:00-24:00, sat 00:00-06:00"),
        ("mon wed", "08:00-09:00", "mon wed 08:00-09:00"),
    ],
)
def test_times_of_the_week_are_written_by_days(days: str, hours: str, expected: str) -> None:
    more = "days,hours"
    both = card(f"{BRITAIN},,", f"{BRITAIN},{days},{hours}", more=more)
    times = [
        written(rate)["times"]
        for table in both.tables.values()
        for rate in table["44"]
        if rate.times
    ]
    assert times == [expected]
