import subprocess
from pathlib import Path

import pytest

from tests.lab.asterisk import SUITE

LOADS_IN_ASTERISK = pytest.mark.skipif(
    SUITE == "bullseye", reason="libfaketime is the host's, and needs a newer libc than bullseye's"
)


def environment(file: Path) -> dict[str, str]:
    """Give what a program is to be started with, so that its wall clock is what a file says."""
    # The command knows where its library lies.
    library = subprocess.check_output(["faketime", "now", "printenv", "LD_PRELOAD"], text=True)
    return {
        "LD_PRELOAD": library.strip(),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_FMT": "%s",
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the program's own timers go on
    }


def write(file: Path, time: str) -> None:
    """Say what time it is, in a file that is never seen half written."""
    new = file.with_suffix(".new")
    new.write_text(f"{time}\n")
    new.replace(file)
