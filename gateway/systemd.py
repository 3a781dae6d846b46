"""What systemd is told of the service, by the protocol of sd_notify(3), if it asks for it."""

import asyncio
import os
import socket
from dataclasses import dataclass
from time import monotonic_ns
from typing import Self

import structlog

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Systemd:
    """The service manager, or none: then nothing is said."""

    address: str = ""
    watchdog_seconds: float = 0.0

    @classmethod
    def from_environment(cls) -> Self:
        """Take what it asks for out of the environment: no child is to speak for the gateway."""
        address = os.environ.pop("NOTIFY_SOCKET", "")
        watchdog_usec = os.environ.pop("WATCHDOG_USEC", "0")
        watched_pid = os.environ.pop("WATCHDOG_PID", str(os.getpid()))
        is_watched = watched_pid == str(os.getpid())
        # An abstract socket is written with @ for its first byte, which is 0.
        return cls(
            f"\0{address[1:]}" if address.startswith("@") else address,
            int(watchdog_usec) / 1e6 if is_watched else 0.0,
        )

    def tell(self, *variables: str) -> None:
        """Tell ``READY=1`` and the like, now or not at all: no call waits for systemd."""
        if not self.address:
            return
        told = "\n".join(variables).encode()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
                datagrams.sendto(told, socket.MSG_DONTWAIT, self.address)
        except OSError as error:
            _log.warning("systemd.not_told", variables=variables, error=str(error))

    def tell_reloading(self) -> None:
        """Tell that a reload begins, as ``Type=notify-reload`` wants it; ``READY=1`` ends it."""
        self.tell("RELOADING=1", f"MONOTONIC_USEC={monotonic_ns() // 1000}")

    async def keep_awake(self) -> None:
        """Tell at half of the watchdog's time that the event loop turns, until cancelled."""
        while self.address and self.watchdog_seconds:
            self.tell("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / 2)
