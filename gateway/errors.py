"""What is wrong with an input: said once, in one form, with all faults at a time."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One wrong value: where it stands (file, row), in which field, and why it is wrong."""

    where: str
    field: str
    value: str
    why: str

    def __str__(self) -> str:
        """Give it as a line for a person."""
        return f"{self.where}: {self.field} = {self.value!r}: {self.why}"


class BadInputError(Exception):
    """An input that is refused whole; nothing of it was taken over."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        """Keep the faults, in the order in which they stand in the input."""
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)
