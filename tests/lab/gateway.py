import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.lab import processes
from tests.lab.ports import Ports

COMMAND = Path(sys.executable).with_name("coinbox")
ROOT = Path(__file__).parents[2]

# Programs that start take all of the processors: more at once, and calls, the store and each other
# wait for longer than they may.
_COMMANDS = asyncio.Semaphore(2)

Section = Mapping[str, str | int | float | bool | list[str] | list[int]]
NO_SECTIONS: Mapping[str, Section] = {}


class CommandFailedError(RuntimeError):
    """Says that `coinbox` ended with an error."""


class Client:
    """What can be asked of a gateway, wherever it runs."""

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        raise NotImplementedError

    @property
    def token(self) -> str:
        """The bearer token of its HTTP API."""
        raise NotImplementedError

    async def start(self, until: str = "/readyz") -> None:
        """Start it, and wait until it says that it is ready."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End it as a service manager would, and give it time to drain."""
        raise NotImplementedError

    async def kill(self) -> None:
        """End it as a crash would."""
        raise NotImplementedError

    async def command(self, *arguments: str) -> str:
        """Run `coinbox` with the gateway's configuration, and give what it prints."""
        raise NotImplementedError

    async def open_account(self, account: str, *options: str, currency: str = "USD") -> None:
        await self.command("accounts", "open", account, "--currency", currency, *options)

    async def grant(self, account: str, amount: str, reference: str) -> None:
        """Book money by the HTTP API of the gateway, which must be running.

        A command may take longer to start than a call has credit for.
        """
        granted = {"amount": amount, "reference": reference}
        status, body = await self.post(f"/v1/accounts/{account}/grants", granted)
        assert status == 201, body

    async def get(self, path: str) -> tuple[int, dict[str, object]]:
        """Ask the HTTP API as its admin; give status and body."""
        status, text = await self.get_text(path)
        return status, json.loads(text) if text else {}

    async def get_text(self, path: str) -> tuple[int, str]:
        """Ask the HTTP API as its admin; give status and body as they are."""
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.get(self.url + path) as answer,
        ):
            return answer.status, await answer.text()

    async def post(
        self, path: str, body: Mapping[str, object], **headers: str
    ) -> tuple[int, dict[str, object]]:
        """Ask the HTTP API for something as its admin; give status and body."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with (
            aiohttp.ClientSession(headers={**self._headers, **given}) as session,
            session.post(self.url + path, json=body) as answer,
        ):
            return answer.status, await answer.json(content_type=None)

    async def account(self, account: str) -> dict[str, object]:
        _, body = await self.get(f"/v1/accounts/{account}")
        return body

    async def calls(self) -> list[dict[str, object]]:
        """Give the live calls."""
        _, body = await self.get("/v1/calls")
        calls = body["calls"]
        assert isinstance(calls, list)
        return calls

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def _until_it_answers(self, path: str) -> None:
        await processes.until(lambda: self._answers(path), "the gateway is ready", 20)

    async def _answers(self, path: str) -> bool:
        try:
            async with (
                aiohttp.ClientSession() as session,
                session.get(self.url + path) as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False


class Gateway(Client):
    """`coinbox serve` as a program of its own, with its configuration and data in a folder."""

    def __init__(self, folder: Path, settings: Mapping[str, Section]) -> None:
        self.settings = {name: dict(section) for name, section in settings.items()}
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None

    @property
    def data(self) -> Path:
        """Its folder of data, with the embedded store."""
        return self._folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['http']['port']}"

    @property
    def token(self) -> str:
        return str(self.settings["http"]["token"])

    @property
    def agi_port(self) -> int:
        return int(str(self.settings["agi"]["port"]))

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, until: str = "/readyz") -> None:
        """Start it with the settings as they are now."""
        self._configure()
        self._process = await processes.start(
            (str(COMMAND), "serve", "--config", str(self._config)),
            folder=ROOT,
            output=self._folder / "output",
            environment=_environment(),
        )
        await self._until_it_answers(until)

    async def stop(self) -> None:
        """End it as a service manager would, and give it time to drain."""
        if self._process:
            await processes.stop(self._process)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            await processes.kill(self._process)

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def reload(self) -> None:
        """Ask it to read its cards and plans anew."""
        self.send(signal.SIGHUP)

    async def command(self, *arguments: str) -> str:
        """Run `coinbox` with the gateway's configuration, and give what it prints."""
        self._configure()
        async with _COMMANDS:
            process = await asyncio.create_subprocess_exec(
                str(COMMAND),
                *arguments,
                "--config",
                str(self._config),
                cwd=ROOT,
                env=_environment(),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            output = (await process.communicate())[0].decode()
        if process.returncode:
            raise CommandFailedError(f"coinbox {' '.join(arguments)}: {output}")
        return output

    def told(self, event: str, account: str) -> list[dict[str, object]]:
        """Give what the log tells of an account's calls by this name."""
        lines = [json.loads(line) for line in self.log().splitlines() if line[:1] == "{"]
        return [line for line in lines if (line["event"], line.get("account")) == (event, account)]

    def log(self) -> str:
        return (self._folder / "output").read_text(errors="replace")

    @property
    def _config(self) -> Path:
        return self._folder / "coinbox.toml"

    def _configure(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [f"data_dir = {json.dumps(str(self.data))}"]
        for name, section in self.settings.items():
            lines.append(f"[{name}]")
            # Strings, numbers, booleans and lists are written alike in JSON and TOML.
            lines += [f"{key} = {json.dumps(value)}" for key, value in section.items()]
        # Put in place whole: other commands may be reading it, and an empty one is valid too.
        aside = self._folder / f"{os.urandom(8).hex()}.toml"
        aside.write_text("\n".join([*lines, ""]))
        aside.rename(self._config)

    async def _answers(self, path: str) -> bool:
        if not self.is_running:
            output = await asyncio.to_thread(self.log)
            raise RuntimeError(f"the gateway ended at its start:\n{output[-4000:]}")
        return await super()._answers(path)


@asynccontextmanager
async def lone_gateway(
    folder: Path,
    ports: Ports,
    pbxes: Sequence[str] = ("pbx",),
    sections: Mapping[str, Section] = NO_SECTIONS,
) -> AsyncIterator[Gateway]:
    """Run a gateway for calls that are only authorized: nobody answers at the PBXes' AMI ports."""
    settings: dict[str, Section] = {
        "agi": {"port": ports.take()},
        "http": {"port": ports.take(), "token": "s3cret"},
        **{f"pbx.{name}": {"port": ports.take()} for name in pbxes},
        **sections,
    }
    gateway = Gateway(folder, settings)
    await gateway.start(until="/healthz")
    try:
        yield gateway
    finally:
        await gateway.stop()


def _environment() -> dict[str, str]:
    """Give the environment without settings of the gateway, which belong to whoever ran the lab."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COINBOX_")}
