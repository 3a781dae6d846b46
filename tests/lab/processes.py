import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, overload

GRACE_SECONDS = 10.0
WAIT_SECONDS = 10.0
POLL_SECONDS = 0.02

T = TypeVar("T")


async def start(
    command: Sequence[str],
    *,
    folder: Path,
    output: Path,
    environment: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start a program that dies with the lab, even if the lab is killed."""
    with output.open("ab") as sink:
        return await asyncio.create_subprocess_exec(
            "setpriv",
            "--pdeathsig",
            "KILL",
            "--",
            *command,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=sink,
            stderr=asyncio.subprocess.STDOUT,
        )


async def stop(
    process: asyncio.subprocess.Process,
    ask: signal.Signals = signal.SIGTERM,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Ask a program to end, and kill it if it does not."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.send_signal(ask)
    with suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), grace_seconds)
        return
    await kill(process)


async def kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


@overload
async def until(
    condition: Callable[[], Awaitable[T]], what: str, seconds: float = WAIT_SECONDS
) -> T: ...


@overload
async def until(condition: Callable[[], T], what: str, seconds: float = WAIT_SECONDS) -> T: ...


async def until(
    condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS
) -> object:
    """Wait for a condition, and give what it found."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if isinstance(found, Awaitable):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"not within {seconds:g} s: {what}")
