import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress

from tests.lab.processes import until

CALL = ("pbx-1700000000.1-1", "user_out", "contoso", "alice", "+442071838750")


def header(
    *question: str, script: str = "authorize", labels: str = "/4001/", caller_name: str = "Ana"
) -> bytes:
    """Write what Asterisk sends first; `labels` are the caller's number and the conference."""
    path = "/".join((script, *question)) + labels
    lines = [
        "agi_network: yes",
        f"agi_network_script: {path}",
        f"agi_request: agi://127.0.0.1/{path}",
        f"agi_calleridname: {caller_name}",
    ]
    return "\n".join([*lines, "", ""]).encode()


async def said(port: int, *sent: bytes, to_command: bytes = b"200 result=1\n") -> str:
    """Send these bytes, give what is sent back: the command, to which `to_command` is the reply."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in sent:
            writer.write(part)
            await writer.drain()
        command = await reader.readline()
        if command:
            with suppress(OSError):  # the other side may have closed already
                writer.write(to_command)
                writer.write_eof()
        return (command + await reader.read()).decode()
    except ConnectionError:
        return ""
    finally:
        writer.close()


async def asked(port: int, *arguments: str) -> str:
    """Ask as the dialplan does, and give the answer."""
    return await said(port, header(*(arguments or CALL)))


@asynccontextmanager
async def listening(port: int, server: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run a server while inside."""

    async def reached() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(server)
        try:
            await until(reached, f"port {port} is open")
            yield
        finally:
            task.cancel()
