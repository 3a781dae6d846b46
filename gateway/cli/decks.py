"""``coinbox ratecard import``: make a rate card of the decks that others send."""

import io
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.progress import Progress

from gateway import published
from gateway.cli.terminal import err, fail, out
from gateway.errors import BadInputError
from gateway.rating.columns import COLUMNS, Direction, moment_ms
from gateway.rating.decks.cells import Dates, Decimals, Manner
from gateway.rating.decks.cgrates.files import FILES
from gateway.rating.decks.convert import NAMES, Options, convert
from gateway.rating.decks.sheet import Deck

# More of them tell no more, and do not fit on a screen.
_FAULTS_MAX = 50

_UNSAID = "What the deck does not say"

_DecksArgument = Annotated[
    list[Path],
    typer.Argument(metavar="DECK...", help="Files; or the folder of a tariff plan of CGRateS."),
]
_OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="CARD", help="The card to write.")
]
_ForceOption = Annotated[bool, typer.Option("--force", help="Replace a card that is there.")]
_FormatOption = Annotated[
    str, typer.Option("--format", help=f"{', '.join(NAMES)}; else the header tells.")
]
_SeparatorOption = Annotated[
    str, typer.Option(help="What stands between cells, or 'tab'; else the header tells.")
]
_EncodingOption = Annotated[str, typer.Option(help="Such as cp1252.")]
_DecimalOption = Annotated[
    Decimals | None,
    typer.Option(help="'.' or ',', for amounts such as 1,250; else only clear ones are read."),
]
_DatesOption = Annotated[
    Dates | None,
    typer.Option(help="dmy or mdy, for dates such as 01/02/2027; else only clear ones are."),
]
_ColumnsOption = Annotated[
    str, typer.Option(help="Names of the columns, for a deck without a header: a,b,c.")
]
_PlanOption = Annotated[str, typer.Option(help="Which one of the plans of a tariff plan.")]
_CurrencyOption = Annotated[str, typer.Option(help="ISO 4217 code.", rich_help_panel=_UNSAID)]
_DirectionOption = Annotated[
    Direction | None, typer.Option(help="Else outbound.", rich_help_panel=_UNSAID)
]
_IncrementsOption = Annotated[
    str,
    typer.Option(
        help="Round up each block behind the first, or the total; else as the format has it.",
        rich_help_panel=_UNSAID,
    ),
]
_TimezoneOption = Annotated[
    str, typer.Option(help="Of dates, days and hours; else UTC.", rich_help_panel=_UNSAID)
]
_InitialOption = Annotated[
    int | None,
    typer.Option(min=1, help="The first block; else as the others.", rich_help_panel=_UNSAID),
]
_IncrementOption = Annotated[
    int | None, typer.Option(min=1, help="The other blocks; else 1.", rich_help_panel=_UNSAID)
]
_FromOption = Annotated[
    str, typer.Option(help="A date, or a date and time.", rich_help_panel=_UNSAID)
]


def import_decks(  # noqa: PLR0913 - an option for each thing that a deck may leave open
    decks: _DecksArgument,
    *,
    output: _OutputOption,
    force: _ForceOption = False,
    format_name: _FormatOption = "",
    separator: _SeparatorOption = "",
    encoding: _EncodingOption = "utf-8-sig",
    decimal: _DecimalOption = None,
    dates: _DatesOption = None,
    columns: _ColumnsOption = "",
    plan: _PlanOption = "",
    currency: _CurrencyOption = "",
    direction: _DirectionOption = None,
    increments: _IncrementsOption = "",
    timezone: _TimezoneOption = "",
    initial_seconds: _InitialOption = None,
    increment_seconds: _IncrementOption = None,
    effective_from: _FromOption = "",
) -> None:
    """Turn decks into one rate card: whole, or every wrong row is named and none is written."""
    unsaid = {
        "currency": currency,
        "direction": direction or "",
        "increments": increments,
        "timezone": timezone,
        "initial_seconds": str(initial_seconds or ""),
        "increment_seconds": str(increment_seconds or ""),
        "effective_from": effective_from,
    }
    options = Options(
        format=_one_of("--format", format_name, NAMES),
        separator=_separator(separator),
        columns=tuple(filter(None, columns.split(","))),
        plan=plan,
        manner=Manner(decimal, dates),
        unsaid=_unsaid(unsaid),
    )
    if output.exists() and not force:
        fail(f"{output}: is there already; --force replaces it")
    encoding = _encoding(encoding)
    texts = [(str(file), published.read_text(file, encoding)) for file in _files(decks)]
    if not texts:
        fail(f"{', '.join(map(str, decks))}: there are no files of a tariff plan")
    _import(texts, options, output, force=force)


def _import(
    texts: Sequence[tuple[str, str]], options: Options, output: Path, *, force: bool
) -> None:
    try:
        with _progress(texts) as decks:
            converted = convert(decks, options)
    except BadInputError as error:
        _fail(error)
    _put(output, converted.text, force=force)
    for note in converted.notes:
        out.print(note, markup=False)
    out.print(
        f"{output}: {converted.rows_in} rows in, {converted.rows_out} rows out,"
        f" {converted.duplicates} duplicates dropped",
        markup=False,
    )


def _fail(error: BadInputError) -> NoReturn:
    more = len(error.faults) - _FAULTS_MAX
    lines = [str(fault) for fault in error.faults[:_FAULTS_MAX]]
    fail("\n".join([*lines, *([f"and {more} faults more"] if more > 0 else [])]))


def _put(file: Path, text: str, *, force: bool) -> None:
    """Write a file whole, or not at all; one that is there stays, unless it is forced away."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="")
        if force:
            aside.replace(file)
        else:
            # As a name more, for a rename would replace what came there meanwhile.
            file.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _progress(texts: Sequence[tuple[str, str]]) -> Iterator[list[Deck]]:
    """Show on a terminal how far decks are read."""
    with Progress(console=err, transient=True, disable=not err.is_terminal) as progress:
        yield [
            (
                name,
                progress.track(
                    io.StringIO(text, newline=""), total=text.count("\n"), description=name
                ),
            )
            for name, text in texts
        ]


def _files(decks: Sequence[Path]) -> Iterator[Path]:
    """Give the files, for a folder those that have to do with prices."""
    for deck in decks:
        if deck.is_dir():
            yield from (deck / name for name in FILES if (deck / name).exists())
        else:
            yield deck


def _unsaid(cells: Mapping[str, str]) -> dict[str, str]:
    """Keep what is given, if a card can say it."""
    given = {column: text for column, text in cells.items() if text}
    for column, text in given.items():
        try:
            COLUMNS[column].read(text)
            if column == "effective_from":
                moment_ms(text, given.get("timezone", "UTC"), 0)
        except ValueError as error:
            raise typer.BadParameter(
                str(error), param_hint=f"--{column.replace('_', '-')}"
            ) from error
    return given


def _one_of(name: str, text: str, allowed: Collection[str]) -> str:
    if text and text not in allowed:
        raise typer.BadParameter(
            f"{text!r} is none of {', '.join(sorted(allowed))}", param_hint=name
        )
    return text


def _separator(text: str) -> str:
    if text == "tab":
        return "\t"
    if len(text) > 1 or text in {'"', "\r", "\n"}:
        raise typer.BadParameter(f"{text!r} is no single character", param_hint="--separator")
    return text


def _encoding(name: str) -> str:
    """Give the name of an encoding, or say that there is none."""
    try:
        "".encode(name)
        b"".decode(name)
    except LookupError as error:
        raise typer.BadParameter(str(error), param_hint="--encoding") from error
    return name
