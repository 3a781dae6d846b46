"""A gateway that is told to end answers who has asked, and lets others take what comes."""

import asyncio
import signal
from pathlib import Path

from tests.integration.agi import CALL, header
from tests.lab.gateway import lone_gateway
from tests.lab.ports import Ports
from tests.lab.processes import until


async def test_a_gateway_that_is_stopped_answers_whoever_has_asked_and_nobody_else(
    ports: Ports, tmp_path: Path
) -> None:
    async with lone_gateway(tmp_path, ports) as gateway:
        await gateway.open_account("contoso", "--user", "alice")
        await gateway.grant("contoso", "1.00", "p1")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agi_port)
        writer.write(header(*CALL)[:40])
        await gateway.get("/healthz")  # it has accepted the connection before
        gateway.send(signal.SIGTERM)

        async def refuses() -> bool:
            try:
                _, late = await asyncio.open_connection("127.0.0.1", gateway.agi_port)
            except ConnectionError:
                return True
            late.close()
            return False

        await until(refuses, "nobody else is listened to")
        status, body = await gateway.get("/readyz")
        assert (status, body["draining"]) == (503, True)
        writer.write(header(*CALL)[40:])
        answer = (await reader.readline()).decode()
        assert answer == 'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+442071838750,contoso"\n'
        writer.write(b"200 result=1\n")
        writer.close()
        await until(lambda: not gateway.is_running, "it has ended")
        assert "gateway.stopping" in gateway.log()


async def test_a_caller_who_says_nothing_does_not_hold_a_drain_up_for_long(
    ports: Ports, tmp_path: Path
) -> None:
    async with lone_gateway(tmp_path, ports) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.agi_port)
        await gateway.get("/healthz")  # it has accepted the connection before
        gateway.send(signal.SIGTERM)
        await until(lambda: not gateway.is_running, "it has ended", 15)
        writer.close()
