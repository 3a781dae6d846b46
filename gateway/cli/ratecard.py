"""``coinbox ratecard``: make rate cards, check them, compare them, look into them."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from time import time
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from gateway import config, published
from gateway.cli.decks import import_decks
from gateway.cli.terminal import ConfigOption, fail, moment, out
from gateway.rating.columns import COLUMNS, Direction
from gateway.rating.difference import Change, Kind, differences
from gateway.rating.price import Rate, rate_at
from gateway.rating.ratecard import RateCard
from gateway.rating.written import written

commands = typer.Typer(help="Make, check, compare and show rate cards.", no_args_is_help=True)
commands.command("import")(import_decks)

_NUMBER = re.compile(r"\+?[0-9]{1,15}")
# What a table of rates has no column for: it is said where it says something.
_MORE = (
    "first_rate_per_minute",
    "minimum_charge",
    "maximum_charge",
    "grace_seconds",
    "increments",
    "effective_from",
    "effective_until",
    "times",
)
_OF_A_ZONE = {"effective_from", "effective_until", "times"}
_DEFAULTS = {name: column.default for name, column in COLUMNS.items()}

_JsonOption = Annotated[bool, typer.Option("--json", help="All of it, as JSON.")]
_LimitOption = Annotated[int, typer.Option(min=1, help="How many rows a table has at most.")]


def _cards(named: Sequence[Path], config_file: Path | None) -> Sequence[Path]:
    """Give the cards that are named, else those of the settings."""
    return named or config.load(config_file).rates.cards


@commands.command()
def check(
    cards: Annotated[
        list[Path] | None, typer.Argument(help="Cards; else those of the settings.")
    ] = None,
    config_file: ConfigOption = None,
) -> None:
    """Load cards together, as the gateway does; without any, those of the settings, and plans.

    Ends with 1, and names every fault, if the gateway would refuse them.
    """
    if cards:
        card = published.load_cards(*cards)
    else:
        card = published.load_rules(config.load(config_file)).cards
    table = Table("version", "rows", "prefixes", "currencies", "directions")
    for version in card.versions:
        rates = [(direction, rate) for direction, rate in _rates(card) if rate.card == version]
        _add(
            table,
            version,
            str(len(rates)),
            str(len({rate.prefix for _, rate in rates})),
            " ".join(sorted({rate.currency for _, rate in rates})),
            " ".join(sorted({direction for direction, _ in rates})),
        )
    out.print(table)


@commands.command()
def diff(
    old: Path,
    new: Path,
    *,
    limit: _LimitOption = 50,
    as_json: _JsonOption = False,
) -> None:
    """Say what a new card changes for a caller: by direction, currency and prefix."""
    changes = list(differences(published.load_cards(old), published.load_cards(new)))
    if as_json:
        _print_json([_change_body(change) for change in changes])
        return
    for (direction, currency), group in groupby(changes[:limit], key=_group):
        out.print(_change_table(f"{direction}, {currency}", group))
    if len(changes) > limit:
        out.print(f"{len(changes) - limit} changes more")
    kinds = [change.kind for change in changes]
    out.print(", ".join(f"{kinds.count(kind)} {kind}" for kind in Kind))


def _group(change: Change) -> tuple[Direction, str]:
    return change.direction, change.rate.currency


def _change_table(title: str, changes: Iterable[Change]) -> Table:
    table = Table("", "prefix", "destination", "before", "now", "differs in", title=Text(title))
    for change in changes:
        body = _change_body(change)
        _add(
            table,
            change.kind,
            change.rate.prefix,
            change.rate.destination,
            *((body[name] or {}).get("rate_per_minute", "") for name in ("before", "after")),
            ", ".join(change.columns),
        )
    return table


def _change_body(change: Change) -> dict[str, Any]:
    rate, before = written(change.rate), change.before and written(change.before)
    removed = change.kind is Kind.REMOVED
    return {
        "change": change.kind,
        "direction": change.direction,
        "currency": change.rate.currency,
        "prefix": change.rate.prefix,
        "before": rate if removed else before,
        "after": None if removed else rate,
        "columns": change.columns,
    }


@commands.command()
def show(
    named: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CARD]... [NUMBER]",
            help="Cards, else those of the settings; and a number or prefix, else all rows.",
        ),
    ] = None,
    *,
    at: Annotated[str, typer.Option(help="A time as 2027-01-31T12:00Z; else now.")] = "",
    limit: _LimitOption = 50,
    as_json: _JsonOption = False,
    config_file: ConfigOption = None,
) -> None:
    """Show the rows of cards, or those that price a number: of the longest prefix."""
    at_ms = moment("--at", at) if at else int(time() * 1000)
    cards = named or []
    number = cards.pop() if cards and _NUMBER.fullmatch(cards[-1]) else ""
    card = published.load_cards(*_cards([Path(one) for one in cards], config_file))
    rows = _priced(card, number, at_ms) if number else _rates(card, at_ms if at else None)
    bodies = [{"direction": direction, **_body(rate)} for direction, rate in rows]
    bodies.sort(key=_title)
    if number and not bodies:
        fail(f"{number}: no row prices it")
    if as_json:
        _print_json(bodies)
        return
    for title, group in groupby(bodies[:limit], key=_title):
        out.print(_rate_table(title, group))
    if len(bodies) > limit:
        out.print(f"{len(bodies) - limit} rows more")


def _rates(card: RateCard, at_ms: int | None = None) -> Iterator[tuple[Direction, Rate]]:
    """Give all rows, or those that are in force at a time."""
    for (direction, _), table in sorted(card.tables.items()):
        for prefix in sorted(table):
            for rate in table[prefix]:
                if at_ms is None or rate.from_ms <= at_ms < rate.until_ms:
                    yield direction, rate


def _priced(card: RateCard, number: str, at_ms: int) -> Iterator[tuple[Direction, Rate]]:
    """Give what prices a number at a time, once for each direction and currency."""
    for direction, currency in sorted(card.tables):
        if tariff := card.tariff(direction, currency, number, at_ms):
            yield direction, rate_at(tariff, at_ms // 1000)


def _body(rate: Rate) -> dict[str, Any]:
    return {**written(rate), "card": rate.card, "row": rate.row}


def _title(body: Mapping[str, Any]) -> str:
    return f"{body['direction']}, {body['currency']}: {body['card']}"


def _rate_table(title: str, bodies: Iterable[Mapping[str, Any]]) -> Table:
    columns = ("row", "prefix", "destination", "per minute", "fee", "blocks", "and")
    table = Table(*columns, title=Text(title))
    for body in bodies:
        more = [name for name in _MORE if body[name] != (_DEFAULTS.get(name) or "")]
        zone = [body["timezone"]] if _OF_A_ZONE & {*more} else []
        _add(
            table,
            str(body["row"]),
            body["prefix"],
            body["destination"],
            body["rate_per_minute"],
            body["connection_fee"],
            f"{body['initial_seconds']}/{body['increment_seconds']}",
            ", ".join([*(f"{name} {body[name]}" for name in more), *zone]),
        )
    return table


def _add(table: Table, *cells: str) -> None:
    """Add a row of cells as they are: a bracket in a name is no markup."""
    table.add_row(*map(Text, cells))


def _print_json(bodies: Sequence[Mapping[str, Any]]) -> None:
    # Rich's own takes minutes for the rows of a long card.
    typer.echo(json.dumps(bodies, indent=2))
