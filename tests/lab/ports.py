import fcntl
import os
import socket
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self, TextIO

FIRST = 12000  # up to LAST: below the range from which the kernel gives ports to clients
LAST = 32000
BLOCK = 2000
RTP = 1400  # the upper ports of a block, for the media of Asterisk: four a call
CLAIMS = Path(tempfile.gettempdir()) / f"coinbox-lab-{os.getuid()}"


class PortsExhaustedError(RuntimeError):
    """Says that every block of ports belongs to a lab that is running."""


class Ports:
    """A block of loopback ports that no other lab on this machine uses.

    The claim is a lock on a file, so that a lab that is killed gives it back.
    """

    def __init__(self, first: int, claim: TextIO) -> None:
        self.first = first
        self.rtp_first = first + BLOCK - RTP
        self.rtp_last = first + BLOCK - 1
        self._claim = claim
        self._next = first

    @classmethod
    def claim(cls) -> Self:
        CLAIMS.mkdir(mode=0o700, exist_ok=True)
        for first in range(FIRST, LAST, BLOCK):
            claim = (CLAIMS / f"{first}.lock").open("w")
            with suppress(BlockingIOError):
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return cls(first, claim)
            claim.close()
        raise PortsExhaustedError(f"no free block of ports between {FIRST} and {LAST}")

    @property
    def folder(self) -> Path:
        """The lab's own folder, which the claim covers too."""
        return CLAIMS / str(self.first)

    def take(self) -> int:
        """Give the next port that nobody listens on, over UDP or TCP."""
        while self._next < self.rtp_first:
            port, self._next = self._next, self._next + 1
            if _is_free(port):
                return port
        raise PortsExhaustedError(f"the block of ports from {self.first} is used up")

    def release(self) -> None:
        self._claim.close()


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
