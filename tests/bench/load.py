"""Ask a FastAGI server as Asterisk does, many callers at once."""

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import quantiles

CALLERS = 64

_HEADER = """agi_network: yes
agi_network_script: authorize/bench-{run}-{number}/user_out/bench/ana/+4930{number:06d}/4001/
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
    for number in numbers:
        header = _HEADER.format(run=run, number=number).encode()
        started = time.perf_counter()
        answer = await _asked(port, header)
        seconds.append(time.perf_counter() - started)
        if b'"ALLOW,' not in answer:
            refused.append(answer)


async def _asked(port: int, header: bytes) -> bytes:
    """Have one dialogue: header, one command, its reply. Bare sockets cost the servers least."""
    loop = asyncio.get_running_loop()
    answer = b""
    with socket.socket() as caller:
        caller.setblocking(False)
        await loop.sock_connect(caller, ("127.0.0.1", port))
        await loop.sock_sendall(caller, header)
        while not answer.endswith(b"\n"):
            received = await loop.sock_recv(caller, 4096)
            if not received:
                break
            answer += received
        await loop.sock_sendall(caller, b"200 result=1\n")
    return answer
