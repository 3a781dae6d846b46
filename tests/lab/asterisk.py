import asyncio
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.ports import Ports
from tests.lab.templates import render

LOGGER = logging.getLogger(__name__)
# The Debian suites of whose Asterisk the lab can make a tree; COINBOX_SUITE chooses.
MAJOR_VERSIONS = {"sid": 22, "bullseye": 16}
SUITE = os.environ.get("COINBOX_SUITE")
MAJOR_VERSION = MAJOR_VERSIONS[SUITE or "sid"]
TEMPLATES = Path(__file__).parent / "asterisk"
DIALPLAN = Path(__file__).parents[2] / "dialplan"
PROMPT = "im-sorry"  # a core sound, which tells where the others are
PLAYED = re.compile(r"<([^>]+)> Playing '([^']+?)(?:\.\w+)?' \(language")


class AsteriskMissingError(RuntimeError):
    """Says that there is no Asterisk that the lab could run."""


@dataclass(frozen=True)
class Installation:
    """Where an Asterisk's program, modules and prompts are."""

    command: tuple[str, ...]
    modules: Path
    prompts: Path
    prepared: bool


def find_installation() -> Installation:
    """Find the Asterisk of the suite that is asked for, in the tree of `tests/lab/prepare`.

    If none is, one on the PATH comes first.
    """
    program = shutil.which("asterisk")
    if program and not SUITE:
        return Installation(
            command=(program,),
            modules=_modules(Path("/usr")),
            prompts=_prompts(Path("/usr/share/asterisk"), Path("/var/lib/asterisk")),
            prepared=False,
        )
    tree = _cache() / f"asterisk-{SUITE or 'sid'}"
    # The tree's own loader and libraries run its Asterisk as it is: no chroot, no mounts, no root.
    loader = _first(
        tree.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"), f"Asterisk in {tree}: run `make`"
    )
    return Installation(
        command=(
            str(loader),
            "--library-path",
            f"{loader.parent}:{tree / 'usr/lib'}",
            str(tree / "usr/sbin/asterisk"),
        ),
        modules=_modules(tree / "usr"),
        prompts=_prompts(tree / "usr/share/asterisk"),
        prepared=True,
    )


def _cache() -> Path:
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("COINBOX_CACHE") or home / "coinbox")


def _modules(usr: Path) -> Path:
    return _first(usr.glob("lib*/**/asterisk/modules"), f"folder of Asterisk's modules in {usr}")


def _prompts(*folders: Path) -> Path:
    found = (prompt for folder in folders for prompt in folder.glob(f"sounds/en*/{PROMPT}.*"))
    return _first(found, "Asterisk's core sounds").parent


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def _first(found: Iterable[Path], what: str) -> Path:
    for path in found:
        return path
    raise AsteriskMissingError(f"there is no {what}")


@dataclass(frozen=True)
class Settings:
    """What the templates of a lab's Asterisk leave open."""

    name: str
    sip_port: int
    trunk_port: int
    phone_port: int
    ami_port: int
    ami_secret: str
    gateways: str  # as COINBOX_AGI has them
    ami_host: str = "127.0.0.1"


class Pbx:
    """An Asterisk with the lab's configuration, from a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def cli(self, command: str) -> str:
        """Give what a command prints on Asterisk's console."""
        raise NotImplementedError

    async def channels(self) -> list[str]:
        """Name the channels that are up."""
        lines = (await self.cli("core show channels concise")).splitlines()
        return [line.split("!")[0] for line in lines if "!" in line]

    async def until_idle(self, seconds: float = 20.0) -> None:
        """Wait until no channel is up."""

        async def gone() -> bool:
            return not await self.channels()

        await processes.until(gone, "no channel is up", seconds)

    async def hangs_up_at(self, channel: str) -> int:
        """Give the deadline of a channel in epoch seconds, 0 if it has none."""
        lines = (await self.cli(f"core show channel {channel}")).splitlines()
        [deadline] = [line.split(":")[1] for line in lines if "Time to Hangup" in line]
        return int(deadline)

    async def records(self) -> dict[str, str]:
        """Give the ended calls that the gateway has not read yet, by call id."""
        lines = (await self.cli("database show coinbox")).splitlines()
        rows = (line.partition(":") for line in lines if line.startswith("/coinbox/"))
        return {key.strip().removeprefix("/coinbox/"): value.strip() for key, _, value in rows}

    async def until_records_are_gone(self) -> None:
        """Wait until the gateway has read and deleted every record: soon after it settles them."""

        async def gone() -> bool:
            return not await self.records()

        await processes.until(gone, "the PBX's records are read and deleted")

    def log(self) -> str:
        return (self._folder / "log/full").read_text(errors="replace")

    def prompts(self) -> list[tuple[str, str]]:
        """Give each prompt played so far, with the channel that heard it."""
        return [(channel, prompt) for channel, prompt in PLAYED.findall(self.log())]

    async def originate(self, channel: str, *, room: str, variables: dict[str, str]) -> None:
        """Call a channel, and put it into a conference room when it answers."""
        lines = [f"Channel: {channel}", "Application: ConfBridge", f"Data: {room}"]
        lines += [f"Setvar: {name}={value}" for name, value in variables.items()]
        call = self._folder / "spool/dial-out.call"
        await asyncio.to_thread(call.write_text, "\n".join([*lines, ""]))
        call.chmod(0o666)  # the PBX may be another user, and notes in it how it went
        # Moved in whole: Asterisk reads a call file as soon as it sees it.
        call.rename(self._folder / "spool/outgoing" / f"{os.urandom(8).hex()}.call")


class Asterisk(Pbx):
    """A Pbx that is started here."""

    def __init__(
        self,
        folder: Path,
        ports: Ports,
        settings: Settings,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(folder)
        self._ports = ports
        self._settings = settings
        self._environment = environment and {**os.environ, **environment}
        self._installation = find_installation()
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Write the configuration, start, and wait until it takes calls."""
        self._configure()
        # Started before the old one has let go of its socket, Asterisk ends at once.
        await processes.until(lambda: not self._control.exists(), "the old Asterisk is gone")
        self._process = await processes.start(
            (*self._command, "-f"),
            folder=self._folder,
            output=self._folder / "output",
            environment=self._environment,
        )
        await processes.until(self._is_up, "Asterisk has booted", 30)
        await self._check_version()

    async def stop(self) -> None:
        if self._process:
            await processes.stop(self._process)
        self._control.unlink(missing_ok=True)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process:
            await processes.kill(self._process)
        self._control.unlink(missing_ok=True)

    async def cli(self, command: str) -> str:
        client = await asyncio.create_subprocess_exec(
            *self._command,
            "-rx",
            command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await client.communicate()
        return output.decode(errors="replace")

    async def change_dialplan(self, pattern: str, replacement: str) -> None:
        """Change the one place of Coinbox's dialplan that matches, for this Asterisk alone."""
        await self._change("extensions-coinbox.conf", pattern, replacement)
        await self.cli("dialplan reload")

    @asynccontextmanager
    async def changed(
        self, name: str, pattern: str, replacement: str, reload: str
    ) -> AsyncIterator[None]:
        """Change the one place of a file that matches, and load it, for as long as this lasts."""
        before = await self._change(name, pattern, replacement)
        await self.cli(reload)
        try:
            yield
        finally:
            await asyncio.to_thread((self._folder / "etc" / name).write_text, before)
            await self.cli(reload)

    async def _change(self, name: str, pattern: str, replacement: str) -> str:
        """Change the one place of a file that matches; give what it was before."""
        file = self._folder / "etc" / name
        before = await asyncio.to_thread(file.read_text)
        text, places = re.subn(pattern, replacement, before)
        if places != 1:
            raise ValueError(f"{pattern} matches {places} places of {name}")
        file.unlink()  # it may be a link to the dialplan itself
        await asyncio.to_thread(file.write_text, text)
        return before

    @property
    def _command(self) -> tuple[str, ...]:
        return (*self._installation.command, "-C", str(self._folder / "etc/asterisk.conf"))

    @property
    def _control(self) -> Path:
        return self._folder / "run/asterisk.ctl"

    def _configure(self) -> None:
        for name in ("etc", "lib", "log", "run", "data/sounds", "spool/outgoing"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        prompts = self._installation.prompts
        _link(self._folder / "data/sounds/en", prompts)
        # Without its documentation Asterisk does not start.
        _link(self._folder / "data/documentation", prompts.parents[1] / "documentation")
        values = vars(self._settings) | {
            "lab": self._folder,
            "modules": self._installation.modules,
            "rtp_first": self._ports.rtp_first,
            "rtp_last": self._ports.rtp_last,
        }
        for template in TEMPLATES.glob("*.conf"):
            render(template, self._folder / "etc" / template.name, values)
        for file in DIALPLAN.glob("*.conf"):
            _link(self._folder / "etc" / file.name, file)

    async def _is_up(self) -> bool:
        if self._process and self._process.returncode is not None:
            output = await asyncio.to_thread((self._folder / "output").read_text)
            raise RuntimeError(f"Asterisk ended at its start:\n{output[-2000:]}")
        return self._control.exists() and "booted" in await self.cli("core waitfullybooted")

    async def _check_version(self) -> None:
        version = (await self.cli("core show version")).strip()
        if version.startswith(f"Asterisk {MAJOR_VERSION}."):
            return
        if self._installation.prepared:
            raise AsteriskMissingError(
                f"the lab's tree has {version}, not Asterisk {MAJOR_VERSION}"
            )
        LOGGER.warning("tried with Asterisk %d, this is %s", MAJOR_VERSION, version)
