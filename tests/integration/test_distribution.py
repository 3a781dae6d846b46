"""What is shipped, as a user gets it: an sdist, and a wheel that is built of it and installed.

It is installed into an environment of its own, and runs with no checkout in reach.
"""

import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

import aiohttp
import pytest
from packaging.metadata import Metadata

from tests.integration.shell import Shell
from tests.lab import processes
from tests.lab.gateway import ROOT
from tests.lab.ports import Ports
from tests.lab.processes import until

SHARED = ("dialplan", "ratecards", "systemd")
CARDS = ("outbound@", "tollfree-in@")


@dataclass(frozen=True)
class Distribution:
    """What is uploaded."""

    sdist: Path
    wheel: Path

    def sources(self) -> set[str]:
        """Give the files of the sdist, by their paths in the checkout."""
        with tarfile.open(self.sdist) as sdist:
            paths = [PurePosixPath(name) for name in sdist.getnames()]
        assert {path.parts[0] for path in paths} == {self.sdist.name.removesuffix(".tar.gz")}
        return {str(PurePosixPath(*path.parts[1:])) for path in paths}

    def installed(self) -> dict[str, bytes]:
        """Give the files of the wheel."""
        with zipfile.ZipFile(self.wheel) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}

    def metadata(self) -> Metadata:
        """Read what a package index reads, and refuse what it refuses."""
        [text] = [
            content for name, content in self.installed().items() if name.endswith("/METADATA")
        ]
        return Metadata.from_email(text)


def ran(*command: str | Path, folder: Path) -> str:
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    folder = tmp_path_factory.mktemp("distribution")
    build = (sys.executable, "-m", "hatchling", "build", "--target", "sdist")
    ran(*build, "--directory", folder, folder=ROOT)
    [sdist] = folder.iterdir()
    # As pip does for a user: with nothing at hand but what the sdist says that it needs.
    ran(sys.executable, "-m", "pip", "wheel", "--no-deps", sdist, folder=folder)
    [wheel] = folder.glob("*.whl")
    return Distribution(sdist, wheel)


@pytest.fixture(scope="session")
def environment(distribution: Distribution) -> Iterator[Path]:
    """The folder of the programs of an environment that has the wheel alone."""
    # Not where the stores of tests are: programs need not be allowed to run from there.
    with tempfile.TemporaryDirectory(prefix="coinbox-environment-") as name:
        folder = Path(name)
        ran(sys.executable, "-m", "venv", folder, folder=folder)
        # Compiled as it is used, which is little of it.
        pip = (folder / "bin/python", "-m", "pip", "install", "--no-compile")
        ran(*pip, distribution.wheel, folder=folder)
        yield folder / "bin"


@pytest.fixture
def shell(environment: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment / "coinbox")


@dataclass(frozen=True)
class Served:
    """A gateway of the wheel on its defaults, but for the ports."""

    shell: Shell
    url: str

    async def get(self, path: str, token: str) -> tuple[int, object]:
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(self.url + path) as answer,
        ):
            return answer.status, await answer.json()

    async def is_alive(self) -> bool:
        try:
            return (await self.get("/healthz", ""))[0] == 200
        except aiohttp.ClientError:
            return False


@pytest.fixture
async def served(shell: Shell, ports: Ports) -> AsyncIterator[Served]:
    settings = {f"COINBOX_{part}__PORT": str(ports.take()) for part in ("AGI", "HTTP", "PBX__PBX")}
    process = await processes.start(
        (str(shell.command), "serve"),
        folder=shell.folder,
        output=shell.folder / "output",
        environment=shell.environment(settings),
    )
    served = Served(shell, f"http://127.0.0.1:{settings['COINBOX_HTTP__PORT']}")
    try:
        await until(served.is_alive, "the gateway is alive", 20)
        yield served
    finally:
        await processes.stop(process)


def packaged(folder: str) -> set[str]:
    """Give the files of a folder of the checkout, by their paths in it."""
    return {
        str(file.relative_to(ROOT / folder))
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.parent.name != "__pycache__"
    }


def test_the_sdist_has_all_that_a_build_and_the_tests_need_and_nothing_that_they_leave(
    distribution: Distribution,
) -> None:
    sources = distribution.sources()
    for folder in ("gateway", "tests", *SHARED):
        assert {f"{folder}/{name}" for name in packaged(folder)} <= sources
    assert {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile"} <= sources
    # Which are beside this test as it runs.
    left = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    parts = {part for name in sources for part in PurePosixPath(name).parts}
    assert {part for part in parts for name in [".git", *left] if fnmatch(part, name)} == set()


def test_the_wheel_has_the_package_with_all_its_files_and_nothing_else(
    distribution: Distribution,
) -> None:
    names = set(distribution.installed())
    package = {f"gateway/{name}" for name in packaged("gateway")}
    # Among them what no import asks for: scripts of the store, templates of mails.
    assert {PurePosixPath(name).suffix for name in package} > {".lua", ".jinja", ".html", ".txt"}
    shared = {f"gateway/share/{of}/{name}" for of in SHARED for name in packaged(of)}
    of_the_wheel = {name for name in names if ".dist-info/" in name}
    assert names - of_the_wheel == package | shared


def test_its_metadata_is_what_the_files_say(distribution: Distribution) -> None:
    metadata = distribution.metadata()
    newest = re.search(r"^## ([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert (metadata.name, str(metadata.version)) == ("coinbox", newest[1])
    label = f'org.opencontainers.image.version="{metadata.version}"'
    assert label in (ROOT / "docker/gateway.Dockerfile").read_text()
    assert (metadata.license_expression, metadata.license_files) == ("MIT", ["LICENSE"])
    files = distribution.installed()
    [licence] = [files[name] for name in files if name.endswith("/licenses/LICENSE")]
    assert licence == (ROOT / "LICENSE").read_bytes()


def test_its_readme_can_be_read_where_there_is_no_checkout(distribution: Distribution) -> None:
    metadata, text = distribution.metadata(), (ROOT / "README.md").read_text()
    assert (metadata.description_content_type, metadata.description) == ("text/markdown", text)
    # Links go out, or to a title.
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    links = set(re.findall(r"\]\((.*?)\)", text))
    inside = {link.removeprefix("#") for link in links if not link.startswith("https://")}
    assert inside
    assert inside - anchors == set()


def test_the_command_finds_its_own_files(environment: Path, shell: Shell) -> None:
    assert "serve" in shell.run("--help").stdout
    program = f"from gateway.config import share; print(*map(share, {SHARED}), sep='\\n')"
    said = ran(environment / "python", "-c", program, folder=shell.folder)
    for folder in map(Path, said.splitlines()):
        assert folder.is_relative_to(environment.parent)
        assert {file.name for file in folder.iterdir()} == packaged(folder.name)
    checked = shell.run("ratecard", "check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert all(card in checked.stdout for card in CARDS)


async def test_a_gateway_of_the_wheel_serves_on_its_defaults(served: Served) -> None:
    shell = served.shell
    opened = shell.run("accounts", "open", "contoso", "--currency", "USD", "--user", "ana")
    granted = shell.run("accounts", "grant", "contoso", "20", "--reference", "wire-7")
    quoted = shell.run(
        *("quote", "--account", "contoso", "--user", "ana", "--to", "+442071838750", "--json")
    )
    assert [ended.stderr for ended in (opened, granted, quoted)] == ["", "", ""]
    quote = json.loads(quoted.stdout)
    assert (quote["allowed"], quote["rate"]["version"].split("@")[0]) == (True, "outbound")

    assert (await served.get("/v1/accounts/contoso", "another"))[0] == 401
    token = (shell.folder / "coinbox-data/http-token").read_text()
    status, account = await served.get("/v1/accounts/contoso", token)
    assert (status, account) == (200, shell.account("contoso"))
    assert {file.name for file in shell.folder.iterdir()} == {"coinbox-data", "output"}
