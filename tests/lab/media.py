import asyncio
from dataclasses import dataclass
from typing import Self

HEADER = 12  # bytes of an RTP header without extras, which Asterisk sends
SILENCE = 0x10  # the least mu-law magnitude that a listener would notice
PACKETS_PER_SECOND = 50


@dataclass
class Heard(asyncio.DatagramProtocol):
    """The ear of a call: SIPp's SDP sends the media here, and what comes is counted."""

    packets: int = 0
    audible: int = 0
    transport: asyncio.BaseTransport | None = None

    @classmethod
    async def listen(cls, port: int) -> Self:
        loop = asyncio.get_running_loop()
        _, ear = await loop.create_datagram_endpoint(cls, local_addr=("127.0.0.1", port))
        return ear

    @property
    def audible_seconds(self) -> float:
        return self.audible / PACKETS_PER_SECOND

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002
        self.packets += 1
        self.audible += any(~sample & 0x7F >= SILENCE for sample in data[HEADER:])

    def close(self) -> None:
        if self.transport:
            self.transport.close()
