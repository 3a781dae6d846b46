"""A part of the lab as a service of its own: ``python -m tests.lab.services PART``.

For containers, where the PBX has its ports by itself.
"""

import asyncio
import signal
import sys
from pathlib import Path

from tests.lab.provider import Provider
from tests.lab.sipp import FarEnd

SECRETS = Path("/run/secrets")
FAR_END = Path("/far-end")
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


async def main(part: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    service = far_end() if part == "far-end" else provider()
    await service.start()
    await ended.wait()
    await service.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
