import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.errors import BadInputError
from gateway.ledger import check
from gateway.ledger import store as ledger_store
from gateway.ledger.cluster import open_servers
from gateway.ledger.outcomes import LedgerUnavailableError
from tests.conftest import SHARDS, Store
from tests.lab.gateway import COMMAND
from tests.lab.ports import Ports
from tests.lab.servers import Server, valkey

Named = tuple[str, str, str]


@pytest.fixture(scope="module")
async def server(
    store: Store, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Server]:
    started = Server(await valkey(store), tmp_path_factory.mktemp("server"), ports.take())
    await started.start()
    yield started
    await started.stop()


async def checked(url: str, *, cluster: bool = False, strict: bool = True) -> None:
    servers = open_servers(url, cluster=cluster)
    try:
        await check.check(servers, cluster=cluster, strict=strict)
    finally:
        await servers.aclose()


async def refused(url: str, *, cluster: bool = False) -> list[Named]:
    """Give where, what and which value is wrong."""
    with pytest.raises(BadInputError) as error:
        await checked(url, cluster=cluster)
    return [(fault.where, fault.field, fault.value) for fault in error.value.faults]


async def warned(url: str) -> list[Named]:
    with capture_logs() as logs:
        await checked(url, strict=False)
    assert {(log["event"], log["log_level"]) for log in logs} <= {("store.unsafe", "warning")}
    return [(log["server"], log["setting"], log["value"]) for log in logs]


async def test_a_store_that_keeps_what_it_acknowledges_is_taken(server: Server) -> None:
    await checked(server.url)
    assert await warned(server.url) == []


@pytest.mark.parametrize(
    ("wrong", "right", "named"),
    [
        ("CONFIG SET appendonly no", "CONFIG SET appendonly yes", ("appendonly", "no")),
        (
            "CONFIG SET appendfsync everysec",
            "CONFIG SET appendfsync always",
            ("appendfsync", "everysec"),
        ),
        (
            "CONFIG SET maxmemory-policy allkeys-lru",
            "CONFIG SET maxmemory-policy noeviction",
            ("maxmemory-policy", "allkeys-lru"),
        ),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", ("role", "slave")),
    ],
)
async def test_a_setting_that_may_lose_money_is_refused_or_warned_of(
    server: Server, wrong: str, right: str, named: tuple[str, str]
) -> None:
    await server.ask(*wrong.split(" "))
    try:
        assert await refused(server.url) == [(server.address, *named)]
        assert await warned(server.url) == [(server.address, *named)]
    finally:
        await server.ask(*right.split(" "))
    await checked(server.url)


async def test_every_fault_is_named_at_once(server: Server) -> None:
    await server.ask("CONFIG", "SET", "appendonly", "no", "appendfsync", "no")
    try:
        assert await refused(server.url) == [
            (server.address, "appendonly", "no"),
            (server.address, "appendfsync", "no"),
        ]
    finally:
        await server.ask("CONFIG", "SET", "appendonly", "yes", "appendfsync", "always")


@pytest.mark.parametrize("command", ["CONFIG", "INFO"])
async def test_what_a_managed_store_does_not_tell_is_named(server: Server, command: str) -> None:
    await server.ask("ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", f"-{command}")
    url = f"redis://app:secret@{server.address}"
    assert await refused(url) == [(server.address, command, "")]
    await server.ask("ACL", "DELUSER", "app")


async def test_a_server_of_long_ago_is_refused(server: Server, ports: Ports) -> None:
    async with aged(server, ports.take()) as port:
        assert await refused(f"redis://127.0.0.1:{port}") == [
            (f"127.0.0.1:{port}", "version", "6.2.4")
        ]


@asynccontextmanager
async def aged(server: Server, port: int) -> AsyncIterator[int]:
    """Let a server say that it is older than it is."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", server.port)
        async with asyncio.TaskGroup() as both:
            both.create_task(pump(reader, there_writer))
            both.create_task(pump(there_reader, writer))

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while chunk := await source.read(2**20):
            sink.write(chunk.replace(b"redis_version:7.2", b"redis_version:6.2"))
        sink.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield port


async def test_a_server_is_no_cluster(server: Server) -> None:
    assert await refused(server.url, cluster=True) == [("settings", "store.cluster", "True")]


async def test_another_number_of_shards_would_lose_accounts_and_is_refused(store: Store) -> None:
    for _ in range(2):
        await check.check_shards(store.store)
    for count in (SHARDS // 2, SHARDS * 2):
        other = ledger_store.Store(store.store.servers, count)
        with pytest.raises(BadInputError, match=rf"'{count}': the store was made with {SHARDS}"):
            await check.check_shards(other)
    await check.check_shards(store.store)


async def test_a_store_that_is_not_there_is_said_to_be_out_of_reach(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "REACH_SECONDS_MAX", 0.3)
    port = ports.take()
    for cluster in (False, True):
        with pytest.raises(LedgerUnavailableError, match=f"{port}"):
            await checked(f"redis://127.0.0.1:{port}", cluster=cluster)


async def test_a_store_that_is_late_is_waited_for(
    store: Store, ports: Ports, tmp_path: Path
) -> None:
    late = Server(await valkey(store), tmp_path, ports.take())
    async with asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(checked(late.url))
        await late.start()
    assert checking.done()
    await late.stop()


@pytest.mark.parametrize("strict", [True, False])
async def test_a_gateway_does_not_start_on_a_store_that_may_lose_money(
    server: Server, ports: Ports, tmp_path: Path, *, strict: bool
) -> None:
    await server.ask("CONFIG", "SET", "appendfsync", "everysec")
    serving = await asyncio.create_subprocess_exec(
        COMMAND,
        "serve",
        cwd=tmp_path,
        env={
            **os.environ,
            **{f"COINBOX_{part}__PORT": str(ports.take()) for part in ("AGI", "HTTP", "AMI")},
            "COINBOX_STORE__URL": server.url,
            "COINBOX_STORE__STRICT": str(strict),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert serving.stderr
    try:
        if strict:
            _, said = await serving.communicate()
            assert said.decode() == (
                f"coinbox: {server.address}: appendfsync = 'everysec': "
                "must be always, or a crash loses what was acknowledged\n"
            )
            assert serving.returncode == 1
        else:
            while b"store.unsafe" not in (line := await serving.stderr.readline()):
                assert line
            serving.terminate()
            await serving.communicate()
            assert serving.returncode == 0
    finally:
        await server.ask("CONFIG", "SET", "appendfsync", "always")
