"""Rows of a CSV text, by the columns of its header."""

import csv
import io
from collections.abc import Callable, Collection, Iterator

from gateway.errors import Fault


def csv_rows(
    source: str, text: str, wrong_header: Callable[[list[str]], str], faults: list[Fault]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each whole row's number in the file and its cells by column; note what is wrong.

    ``source`` is the file's name; ``wrong_header`` says what is wrong with the header, or nothing.
    """
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    last = first = 0
    try:
        header = [name.strip() for name in next(lines, [])]
        if why := wrong_header(header):
            faults.append(Fault(f"{source}: row 1", "columns", ",".join(header), why))
            return
        first = last = lines.line_num
        for cells in filter(None, lines):
            last = lines.line_num
            if len(cells) == len(header):
                yield last, dict(zip(header, map(str.strip, cells), strict=True))
            else:
                why = f"the row must have {len(header)} columns"
                faults.append(Fault(f"{source}: row {last}", "columns", ",".join(cells), why))
        if last == first:
            faults.append(Fault(source, "rows", "", "there are none"))
    except csv.Error as error:
        faults.append(Fault(f"{source}: row {last + 1}", "row", "", str(error)))


def wrong_columns(header: list[str], required: Collection[str], known: Collection[str]) -> str:
    """Say what is wrong with the names of columns, or nothing."""
    faults = {
        "missing": [name for name in required if name not in header],
        "unknown": [name for name in header if name not in known],
        "there twice": sorted({name for name in header if header.count(name) > 1}),
    }
    said = "; ".join(f"{what}: {', '.join(found)}" for what, found in faults.items() if found)
    return said and f"{said} (known are {', '.join(known)}, with commas between)"
