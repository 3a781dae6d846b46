"""The scenes of the demo in containers: ``python -m tests.lab.containers``, beside the PBX."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import aiohttp

from tests.lab import demo, services
from tests.lab.asterisk import Pbx
from tests.lab.gateway import Client, CommandFailedError
from tests.lab.provider import Charge, Orders
from tests.lab.world import World

SOCKET = "/var/run/docker.sock"
PBX = Path("/pbx")
FRAME = 8  # bytes of the header that Docker puts before each piece of output


class Engine:
    """Docker's, asked over its socket about the containers of this project."""

    def __init__(self, session: aiohttp.ClientSession, project: str) -> None:
        self._session = session
        self._project = project

    async def do(self, service: str, what: str) -> None:
        """Let the container of a service start, stop or be killed."""
        await self._ask("POST", f"/containers/{await self._container(service)}/{what}")

    async def run(self, service: str, *command: str) -> tuple[int, str]:
        """Run a command in a service's container; give its exit code and what it prints."""
        asked = {"AttachStdout": True, "AttachStderr": True, "Cmd": command}
        made = await self._ask("POST", f"/containers/{await self._container(service)}/exec", asked)
        at = f"/exec/{json.loads(made)['Id']}"
        output = _output(await self._ask("POST", f"{at}/start", {"Detach": False}))
        return json.loads(await self._ask("GET", f"{at}/json"))["ExitCode"], output

    async def _container(self, service: str) -> str:
        wanted = [
            f"com.docker.compose.project={self._project}",
            f"com.docker.compose.service={service}",
        ]
        query = {"all": "1", "filters": json.dumps({"label": wanted})}
        [found] = json.loads(await self._ask("GET", "/containers/json", query=query))
        return str(found["Id"])

    async def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
    ) -> bytes:
        async with self._session.request(method, path, json=body, params=query) as answer:
            content = await answer.read()
            if not answer.ok and answer.status != 304:  # 304: it is so already
                raise RuntimeError(f"{method} {path}: {answer.status} {content.decode()}")
            return content


def _output(frames: bytes) -> str:
    """Read what Docker gives of a program's output: pieces, each with its length before it."""
    text, at = b"", 0
    while at + FRAME <= len(frames):
        length = int.from_bytes(frames[at + 4 : at + FRAME])
        text += frames[at + FRAME : at + FRAME + length]
        at += FRAME + length
    return text.decode(errors="replace")


class ContainerPbx(Pbx):
    """The PBX's container, whose log and spool are mounted here."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(PBX)
        self._engine = engine

    async def cli(self, command: str) -> str:
        _, output = await self._engine.run("asterisk", "asterisk", "-rx", command)
        return output


class ContainerGateway(Client):
    """The gateway's container."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def url(self) -> str:
        return "http://gateway:8080"

    @property
    def token(self) -> str:
        return services.secret("coinbox_http__token")

    async def start(self, until: str = "/readyz") -> None:
        await self._engine.do("gateway", "start")
        await self._until_it_answers(until)

    async def stop(self) -> None:
        await self._engine.do("gateway", "stop")

    async def kill(self) -> None:
        await self._engine.do("gateway", "kill")

    async def command(self, *arguments: str) -> str:
        code, output = await self._engine.run("gateway", "coinbox", *arguments)
        if code:
            raise CommandFailedError(f"coinbox {' '.join(arguments)}: {output}")
        return output


class ContainerProvider:
    """The payment provider's container (`tests.lab.world.Bank`)."""

    url = "http://provider:8090"

    async def order(self, orders: Orders) -> None:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.put(f"{self.url}/orders", json=asdict(orders)),
        ):
            return

    async def charges_of(self, account: str) -> list[Charge]:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.get(f"{self.url}/charges") as answer,
        ):
            charges = [Charge(**charge) for charge in await answer.json()]
        return [charge for charge in charges if charge.account == account]


class Containers(World):
    """A world whose parts are containers; callers are at the PBX's own loopback, as this is."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.asterisk = ContainerPbx(engine)
        self.gateway = ContainerGateway(engine)
        self.provider = ContainerProvider()
        self.far_end = services.far_end()  # to read its log; its container runs it

    async def _start(self) -> None:
        self._sip_port = services.SIP_PORT


async def main() -> int:
    connector = aiohttp.UnixConnector(SOCKET)
    async with aiohttp.ClientSession("http://docker", connector=connector) as session:
        engine = Engine(session, os.environ["COMPOSE_PROJECT_NAME"])
        async with Containers(engine) as world:
            return await demo.show(world)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
