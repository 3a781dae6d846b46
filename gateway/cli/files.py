"""Files that commands read and write: read once, and put in place whole."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from gateway.errors import BadInputError, Fault
from gateway.rating.ratecard import RateCard, read_cards

# With or without a mark at its begin.
_UTF8 = "utf-8-sig"


def read_text(file: Path, encoding: str = _UTF8) -> str:
    """Read a text. Raises BadInputError that names the file if it cannot be read."""
    try:
        return file.read_bytes().decode(encoding)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise BadInputError([Fault(str(file), "file", "", why or "cannot be read")]) from error


def read_texts(files: Iterable[Path], encoding: str = _UTF8) -> list[tuple[str, str]]:
    """Read texts, each with the name of its file, or name every file that cannot be read."""
    texts: list[tuple[str, str]] = []
    faults: list[Fault] = []
    for file in files:
        try:
            texts.append((str(file), read_text(file, encoding)))
        except BadInputError as error:
            faults += error.faults
    if faults:
        raise BadInputError(faults)
    return texts


def load_cards(files: Sequence[Path]) -> RateCard:
    """Load cards that hold together."""
    return read_cards(*read_texts(files))


def put(file: Path, text: str, *, force: bool) -> None:
    """Write a file whole, or not at all; one that is there stays, unless it is forced away."""
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="")
        if force:
            aside.replace(file)
        else:
            file.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)
