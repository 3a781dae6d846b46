"""Ask a FastAGI server as Asterisk does, many callers at once."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

CALLERS = 64

_HEADER = """agi_network: yes
agi_network_script: authorize/bench-{run}-{number}/user_out/bench/ana/+4930{number:06d}
agi_request: agi://127.0.0.1/authorize
agi_channel: PJSIP/phone-0000{number:04x}
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795361030.{number}
agi_version: 22.10.1
agi_callerid: 4001
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 00493012345
agi_rdnis: unknown
agi_context: coinbox-authorize
agi_extension: +4930123456
agi_priority: 9
agi_enhanced: 0.0
agi_accountcode:
agi_threadid: 139852

"""


@dataclass(frozen=True)
class Run:
    """What one run gave: calls a second, and the time to the answer."""

    rate: float
    median_ms: float
    p99_ms: float
    refused: int


class _Caller(asyncio.Protocol):
    """One dialogue: header, one command, its reply."""

    def __init__(self, header: bytes, done: asyncio.Future[bytes]) -> None:
        self._header = header
        self._done = done
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._header)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\n"):
            self._transport.write(b"200 result=1\n")
            self._done.set_result(self._received)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("closed without an answer"))


async def load(port: int, run: str, calls: int) -> Run:
    numbers = iter(range(calls))
    seconds: list[float] = []
    refused: list[bytes] = []
    started = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CALLERS):
            tasks.create_task(_call(port, run, numbers, seconds, refused))
    rate = calls / (time.perf_counter() - started)
    cuts = quantiles(seconds, n=100)
    return Run(rate, cuts[49] * 1000, cuts[98] * 1000, len(refused))


async def _call(
    port: int, run: str, numbers: Iterator[int], seconds: list[float], refused: list[bytes]
) -> None:
    loop = asyncio.get_running_loop()
    for number in numbers:
        header = _HEADER.format(run=run, number=number).encode()
        done: asyncio.Future[bytes] = loop.create_future()
        started = time.perf_counter()
        transport, _ = await loop.create_connection(
            lambda header=header, done=done: _Caller(header, done),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        answer = await done
        seconds.append(time.perf_counter() - started)
        if b'"ALLOW,' not in answer:
            refused.append(answer)
        transport.close()
