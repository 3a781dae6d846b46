"""Rate decks as they are found, turned into a rate card: whole, or not at all."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from gateway.errors import BadInputError, Fault
from gateway.rating.decks.cells import Manner
from gateway.rating.decks.cgrates.files import NAME as CGRATES
from gateway.rating.decks.cgrates.files import columns_of
from gateway.rating.decks.cgrates.plan import read_plan
from gateway.rating.decks.draft import Draft, Found
from gateway.rating.decks.formats import FORMATS, Format, key, recognised
from gateway.rating.decks.plain import bind, read_rates
from gateway.rating.decks.sheet import Deck, Sheet, read_sheet, without_header

T = TypeVar("T")

NAMES = (*FORMATS, CGRATES)
"""The formats that there are."""


@dataclass(frozen=True)
class Options:
    """How decks are read. ``unsaid`` are cells of a card, for what a deck does not say.

    ``columns`` are those of decks that have no header; ``plan`` is the one to take of several.
    """

    format: str = ""
    separator: str = ""
    columns: tuple[str, ...] = ()
    plan: str = ""
    manner: Manner = field(default_factory=Manner)
    unsaid: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Converted:
    """A card, and how it came about. A duplicate is a row that says what another one says."""

    text: str
    rows_in: int
    rows_out: int
    duplicates: int
    notes: tuple[str, ...]


def convert(decks: Sequence[Deck], options: Options) -> Converted:
    """Turn decks into one card, which holds together.

    Raises BadInputError that names every wrong row of the decks, its column and value.
    """
    converting = _Converting(options)
    for found in converting.read(decks):
        converting.take(found)
    if converting.found_nothing():
        sources = ", ".join(source for source, _ in decks)
        raise BadInputError([Fault(sources, "rows", "", "there are no rates")])
    return converting.finish()


class _Converting:
    """Decks while they are turned into a card."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._draft = Draft()
        self._faults: list[Fault] = []
        self._notes: list[str] = []
        self._rows_in = 0

    def read(self, decks: Sequence[Deck]) -> Iterator[Found | Fault]:
        """Read decks one by one, and the files of a tariff plan together."""
        files = []
        for deck in decks:
            try:
                sheet = self._sheet(deck)
                form = self._format(sheet)
                if form is None:
                    files.append(sheet)
                    self._note(sheet, CGRATES, columns_of(sheet))
                else:
                    yield from self._rates(sheet, form)
            except BadInputError as error:
                yield from error.faults
        if files:
            options = self._options
            yield from read_plan(files, options.plan, options.manner, options.unsaid)

    def found_nothing(self) -> bool:
        return self._draft.is_empty and not self._faults

    def take(self, found: Found | Fault) -> None:
        if isinstance(found, Fault):
            self._faults.append(found)
        else:
            self._draft.add(found)

    def finish(self) -> Converted:
        if self._faults:
            raise BadInputError(self._faults)
        text, rows_out = self._draft.card()
        duplicates = self._draft.duplicates
        return Converted(text, self._rows_in, rows_out, duplicates, tuple(self._notes))

    def _sheet(self, deck: Deck) -> Sheet:
        options = self._options
        sheet = read_sheet(deck, options.separator)
        if options.columns:
            sheet = without_header(sheet, options.columns)
        elif options.format in FORMATS and _is_data(sheet.header, FORMATS[options.format]):
            sheet = without_header(sheet, FORMATS[options.format].order)
        return replace(sheet, rows=self._counted(sheet.rows))

    def _counted(self, rows: Iterable[T]) -> Iterator[T]:
        for row in rows:
            self._rows_in += 1
            yield row

    def _format(self, sheet: Sheet) -> Format | None:
        """Tell the format of a deck; none is that of a tariff plan, whose files belong together."""
        if not sheet.header:
            raise BadInputError([Fault(sheet.source, "rows", "", "the deck is empty")])
        named = self._options.format
        form = FORMATS.get(named) if named else recognised(sheet.header)
        if form is None and not columns_of(sheet):
            why = "is no header of a format: say which by --format or --columns"
            raise BadInputError([Fault(sheet.place(1), "columns", ",".join(sheet.header), why)])
        return form

    def _rates(self, sheet: Sheet, form: Format) -> Iterator[Found | Fault]:
        bound = bind(sheet, form, self._options.manner)
        self._note(sheet, form.name, {one.name for one in bound})
        return read_rates(sheet, bound, {**form.says, **self._options.unsaid})

    def _note(self, sheet: Sheet, name: str, used: Collection[str]) -> None:
        unused = ", ".join(column for column in sheet.header if column not in used)
        self._notes.append(f"{sheet.source}: {name}; columns not used: {unused or 'none'}")


def _is_data(row: Sequence[str], form: Format) -> bool:
    """Tell whether a first row is no header of a format whose columns have an order."""
    known = {name for one in form.fields for name in one.names}
    return bool(form.order) and not any(key(cell) in known for cell in row)
