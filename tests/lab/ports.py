import fcntl
import os
import socket
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self, TextIO

FIRST = 12000  # up to LAST: below the range from which the kernel gives ports to clients
LAST = 32000
BLOCK = 1000
OWN = 400  # the lower ports of a block; the others are for the media of Asterisk, four a call


def memory() -> Path:
    """Give a folder that no disk slows down, if there is one.

    Stores sync each operation, and Asterisk ends a call once its AstDB is written: where a disk
    stalls for a second, calls fail that have nothing wrong.
    """
    folder = Path("/dev/shm")  # noqa: S108 - the folders in it have names of their own
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


CLAIMS = memory() / f"coinbox-lab-{os.getuid()}"


class PortsExhaustedError(RuntimeError):
    """Says that every block of ports belongs to a lab that is running."""


class Ports:
    """Blocks of loopback ports that no other lab on this machine uses.

    The claims are locks on files, so that a lab that is killed gives them back.
    """

    def __init__(self, first: int, claims: Sequence[TextIO]) -> None:
        self.first = first
        self.rtp_first = first + OWN * len(claims)
        self.rtp_last = first + BLOCK * len(claims) - 1
        self._claims = claims
        self._next = first

    @classmethod
    def claim(cls, blocks: int = 1) -> Self:
        """Take blocks that lie together: more for 150 calls at once, or for as many callers."""
        CLAIMS.mkdir(mode=0o700, exist_ok=True)
        claims: list[TextIO] = []
        for first in range(FIRST, LAST, BLOCK):
            claims.append((CLAIMS / f"{first}.lock").open("w"))
            try:
                fcntl.flock(claims[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _close(claims)
                claims = []
            if len(claims) == blocks:
                return cls(first - BLOCK * (blocks - 1), claims)
        _close(claims)
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
        _close(self._claims)


def _close(claims: Iterable[TextIO]) -> None:
    for claim in claims:
        claim.close()


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
