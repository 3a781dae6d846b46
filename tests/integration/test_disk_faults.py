"""Disks that are full, and files that a crash left incomplete."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from redis.exceptions import RedisError
from structlog.testing import capture_logs

from gateway.ledger.embedded import EmbeddedStoreError
from gateway.ledger.outcomes import Held, LedgerUnavailableError
from tests.conftest import Store
from tests.integration.books import books, funded, known
from tests.integration.cases import CASES, prepared
from tests.integration.picture import differences, picture, timeless

AOF = "appendonlydir/appendonly.aof.1.incr.aof"
DISK_BYTES = 4_194_304
ROOM_BYTES = 8_192  # for the entries of a few calls
CALLS_MAX = 1_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Give a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder))
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"FULL DISK NOT TESTED, it needs root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(disk: Path) -> Path:
    """Leave room for a few calls."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(disk).free - ROOM_BYTES))
    return ballast


async def test_a_full_disk_is_told_and_costs_nothing_that_was_acknowledged(disk: Path) -> None:
    async with Store.on(disk) as store:
        at = await funded(store, 10_000)

        async def hold(number: int) -> object:
            return await at.hold(f"call-{number}", (60, 10))

        acknowledged: list[object] = []

        async def hold_more() -> None:
            while len(acknowledged) < CALLS_MAX:
                acknowledged.append(await hold(len(acknowledged)))

        ballast = fill(disk)
        with pytest.raises(LedgerUnavailableError):
            await hold_more()
        assert acknowledged
        # Those who ask again while it is full are told so, too; and a crash takes nothing away.
        with pytest.raises(LedgerUnavailableError):
            await hold(len(acknowledged))
        with suppress(RedisError, OSError):
            await store.kill()
        ballast.unlink()

        # The one that was unknown is in effect once, and so is all that was acknowledged.
        acknowledged.append(await known(lambda: hold(len(acknowledged))))
        calls = len(acknowledged)
        assert acknowledged == [Held(60, 10, 10_000 - 10 * n) for n in range(1, calls + 1)]
        assert [await hold(number) for number in range(calls)] == acknowledged
        assert await at.sums() == (10_000 - 10 * calls, 10 * calls, 0, 0)
        assert await differences(store) == []


@pytest.mark.parametrize("name", ["grant", "hold", "settle"])
async def test_an_operation_of_which_a_crash_wrote_a_part_was_not_done(
    tmp_path: Path, name: str
) -> None:
    case = CASES[name]
    aof = tmp_path / "whole" / AOF
    async with Store.on(aof.parents[1]) as store:
        at = await prepared(store, name)
        before, start = await picture(at), aof.stat().st_size
        await case.ask(at)
        after, end = await picture(at), aof.stat().st_size
    for size in (start, start + 1, (start + end) // 2, end - 1, end):
        folder = tmp_path / str(size)
        shutil.copytree(aof.parents[1], folder, ignore=shutil.ignore_patterns("store.*"))
        with (folder / AOF).open("r+b") as cut:
            cut.truncate(size)
        async with Store.on(folder) as store:
            at = books(store, at.account)
            assert await picture(at) == (after if size == end else before)
            assert await differences(store) == []
            assert timeless(await case.ask(at)) == repr(case.answer)
            assert await picture(at) == after


async def test_what_is_left_out_of_a_file_is_said(tmp_path: Path) -> None:
    async with Store.on(tmp_path) as store:
        await funded(store, 100, 100)
    aof = tmp_path / AOF
    with aof.open("r+b") as file:
        file.truncate(aof.stat().st_size - 1)
    size = aof.stat().st_size
    with capture_logs() as logs:
        async with Store.on(tmp_path):
            left = aof.stat().st_size
    assert left < size
    [said] = [log for log in logs if log["event"] == "store.truncated"]
    assert (said["log_level"], said["file"], said["bytes"]) == ("error", aof.name, size - left)


async def test_a_file_that_is_damaged_is_said_and_left_as_it_is(tmp_path: Path) -> None:
    async with Store.on(tmp_path) as store:
        await funded(store, 100, 100)
    aof = tmp_path / AOF
    content = aof.read_bytes()
    command = content.index(b"\r\n*", len(content) // 2) + 2
    damaged = content[:command] + b"\0" + content[command + 1 :]
    aof.write_bytes(damaged)
    with pytest.raises(EmbeddedStoreError, match=r"did not start: see .*store\.log"):
        async with Store.on(tmp_path):
            pass
    assert aof.read_bytes() == damaged
