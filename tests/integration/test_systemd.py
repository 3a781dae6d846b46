"""What systemd hears from a gateway that it runs, and what it makes of the unit."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.systemd import Systemd
from tests.integration.agi import CALL, header
from tests.integration.shell import Shell
from tests.lab.gateway import COMMAND, ROOT, Gateway, Section, lone_gateway
from tests.lab.ports import Ports
from tests.lab.processes import until

UNIT = ROOT / "systemd/coinbox.service"
WATCHDOG_SECONDS = 6
PLANS = "[plans.credits]\ncredits = true\n"


@dataclass
class Manager:
    """As much of systemd as a service sees: a socket, and what it has heard there."""

    listener: socket.socket
    heard: list[tuple[float, dict[str, str]]] = field(default_factory=list)

    def hear(self, variable: str, value: str = "1") -> list[float]:
        """Give when it was told so, on a steady clock."""
        with suppress(BlockingIOError):
            while True:
                lines = self.listener.recv(4096).decode().split("\n")
                told = dict(line.split("=", 1) for line in lines)
                self.heard.append((time.monotonic(), told))
        return [at for at, told in self.heard if told.get(variable) == value]

    def statuses(self) -> list[str]:
        return [told["STATUS"] for _, told in self.heard if "STATUS" in told]


@contextmanager
def listening(address: str) -> Iterator[Manager]:
    """Listen as systemd does, on a path or, after @, on a name that is in no folder."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
        listener.bind(address.replace("@", "\0"))
        yield Manager(listener)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    """One that watches the next gateway that is started."""
    address = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_SECONDS * 1_000_000))
    with listening(address) as manager:
        yield manager


@pytest.fixture
async def gateway(manager: Manager, ports: Ports, tmp_path: Path) -> AsyncIterator[Gateway]:
    (tmp_path / "plans.toml").write_text(PLANS)
    sections: dict[str, Section] = {"rates": {"plans": str(tmp_path / "plans.toml")}}
    async with lone_gateway(tmp_path, ports, sections=sections) as gateway:
        await until(lambda: manager.hear("READY"), "it is ready")
        yield gateway


async def test_it_is_ready_once_and_stops_when_it_drains(
    gateway: Gateway, manager: Manager
) -> None:
    assert manager.statuses() == ["opening the store", "serving"]
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.agi_port)
    writer.write(header(*CALL)[:40])
    gateway.send(signal.SIGTERM)
    await until(lambda: manager.hear("STOPPING"), "it says that it stops")
    # It still has somebody to answer.
    assert gateway.is_running
    writer.write(header(*CALL)[40:])
    assert await reader.readline()
    writer.close()
    await until(lambda: not gateway.is_running, "it has ended")
    assert manager.statuses() == ["opening the store", "serving", "draining"]
    assert len(manager.hear("READY")) == len(manager.hear("STOPPING")) == 1


@pytest.mark.parametrize("taken", ["AGI", "HTTP"])
def test_it_is_not_ready_if_a_port_does_not_listen(
    manager: Manager, shell: Shell, ports: Ports, taken: str
) -> None:
    free = {part: ports.take() for part in ("AGI", "HTTP", "PBX__PBX")}
    with socket.create_server(("127.0.0.1", free[taken])):
        shell.fails("serve", **{f"COINBOX_{part}__PORT": str(free[part]) for part in free})
    assert not manager.hear("READY")
    assert manager.statuses() == ["opening the store"]


async def test_the_watchdog_hears_of_a_loop_that_turns_and_of_no_other(
    gateway: Gateway, manager: Manager
) -> None:
    await until(lambda: len(manager.hear("WATCHDOG")) > 2, "it told so thrice", 30)
    first, *later = manager.hear("WATCHDOG")
    for at in later:
        assert at - first < WATCHDOG_SECONDS
        first = at
    gateway.send(signal.SIGSTOP)
    stat = Path(f"/proc/{gateway.pid}/stat")
    await until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
    told = manager.hear("WATCHDOG")
    await asyncio.sleep(WATCHDOG_SECONDS)
    assert manager.hear("WATCHDOG") == told
    gateway.send(signal.SIGCONT)
    await until(lambda: manager.hear("WATCHDOG") > told, "it goes on")


async def test_a_reload_begins_and_ends(gateway: Gateway, manager: Manager, tmp_path: Path) -> None:
    for number, (text, status) in enumerate(
        (
            (PLANS, "serving"),
            ("[plans", "serving, by the cards and plans before (rules.refused)"),
        ),
        start=1,
    ):
        (tmp_path / "plans.toml").write_text(text)
        before_usec = time.monotonic_ns() // 1000
        gateway.reload()
        await until(lambda: len(manager.hear("READY")) > number, "it has read them")  # noqa: B023
        [*_, reloading] = [told for _, told in manager.heard if "RELOADING" in told]
        assert before_usec <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert len(manager.hear("RELOADING")) == number
        assert manager.statuses()[-1] == status


@pytest.mark.parametrize(("set_to", "warned"), [(None, False), ("/nowhere/notify", True)])
async def test_it_serves_all_the_same_where_nobody_listens(
    ports: Ports,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    set_to: str | None,
    warned: bool,  # noqa: FBT001 - as pytest gives it
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if set_to:
        monkeypatch.setenv("NOTIFY_SOCKET", set_to)
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    async with lone_gateway(tmp_path, ports) as gateway:
        assert (await gateway.get("/readyz"))[1]["store"] == "ok"
        assert ("systemd.not_told" in gateway.log()) is warned


@pytest.mark.parametrize("address", ["{}/notify", "@{}"])
def test_it_speaks_to_paths_and_to_abstract_sockets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    named = address.format(tmp_path)
    monkeypatch.setenv("NOTIFY_SOCKET", named)
    with listening(named) as manager:
        Systemd.from_environment().tell("READY=1")
        assert manager.hear("READY")


@pytest.mark.parametrize(
    ("watched_pid", "seconds"),
    [(str(os.getpid()), 2.5), ("1", 0.0), (None, 2.5)],
    ids=["its own", "another's", "none"],
)
def test_the_process_that_is_watched_answers_and_none_of_its_children(
    monkeypatch: pytest.MonkeyPatch, watched_pid: str | None, seconds: float
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("WATCHDOG_USEC", "2500000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if watched_pid:
        monkeypatch.setenv("WATCHDOG_PID", watched_pid)
    assert Systemd.from_environment() == Systemd("/run/notify", seconds)
    inherited = subprocess.run(["env"], capture_output=True, text=True, check=True).stdout
    assert not re.search("^(NOTIFY_SOCKET|WATCHDOG_)", inherited, re.MULTILINE)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the command where it is here."""
    unit, command = tmp_path / UNIT.name, "/opt/coinbox/bin/coinbox"
    text = UNIT.read_text()
    assert f"ExecStart={command} serve" in text
    unit.write_text(text.replace(command, str(COMMAND)))
    return unit


@pytest.mark.parametrize(
    "verb",
    [("verify",), ("security", "--offline=true", "--threshold=15", "--no-pager")],
    ids=["verify", "security"],
)
def test_the_unit_is_one_that_systemd_takes_and_trusts(unit: Path, verb: tuple[str, ...]) -> None:
    judged = subprocess.run(
        ["systemd-analyze", *verb, unit], capture_output=True, text=True, check=False
    )
    assert (judged.returncode, judged.stderr) == (0, "")
