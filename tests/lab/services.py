"""A part of the lab as a service of its own: ``python -m tests.lab.services PART``.

For containers, where the PBX has its ports by itself.
"""

import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from tests.lab.provider import Provider
from tests.lab.sipp import FarEnd

SECRETS = Path("/run/secrets")
FAR_END = Path("/far-end")
UDP = Path("/proc/net/udp")
EVERY_SECONDS = 2.0
ALONE_SECONDS_MAX = 10.0
SIP_PORT = 15060
TRUNK_PORT = 15062


def secret(name: str) -> str:
    return (SECRETS / name).read_text()


def far_end() -> FarEnd:
    return FarEnd(FAR_END, port=TRUNK_PORT, media_port=TRUNK_PORT + 1, sip_port=SIP_PORT)


def provider() -> Provider:
    return Provider(
        host="0.0.0.0",  # noqa: S104 - in its container
        port=8090,
        secret=secret("coinbox_payments__webhook_secret"),
        webhook_url="http://gateway:8080/webhooks/payments",
    )


def is_alone(service: FarEnd | Provider) -> bool:
    """Tell whether the far end has lost its SIPp, or its PBX: then its network is another's now.

    Started again, the container of the far end has the network of the PBX that runs.
    """
    if not isinstance(service, FarEnd):
        return False
    return not service.is_running or f":{SIP_PORT:04X} " not in UDP.read_text()


async def main(part: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    service = far_end() if part == "far-end" else provider()
    await service.start()
    alone_seconds = 0.0
    # The engine starts it again only once the PBX's container runs.
    while not ended.is_set() and alone_seconds < ALONE_SECONDS_MAX:
        with suppress(TimeoutError):
            async with asyncio.timeout(EVERY_SECONDS):
                await ended.wait()
        alone_seconds = alone_seconds + EVERY_SECONDS if is_alone(service) else 0.0
    await service.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
