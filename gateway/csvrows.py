"""Rows of a CSV text, by the columns of its header."""

import csv
import io
from collections.abc import Callable, Iterator

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
        header = next(lines, [])
        if why := wrong_header(header):
            faults.append(Fault(f"{source}: row 1", "columns", ",".join(header), why))
            return
        first = last = lines.line_num
        for cells in filter(None, lines):
            last = lines.line_num
            if len(cells) == len(header):
                yield last, dict(zip(header, cells, strict=True))
            else:
                why = f"the row must have {len(header)} columns"
                faults.append(Fault(f"{source}: row {last}", "columns", ",".join(cells), why))
        if last == first:
            faults.append(Fault(source, "rows", "", "there are none"))
    except csv.Error as error:
        faults.append(Fault(f"{source}: row {last + 1}", "row", "", str(error)))
