"""What events cause: each event once, and each job until it is done, whoever dies meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.ledger import events as events_module
from gateway.ledger.events import Event, readers
from gateway.ledger.jobs import Job, Jobs
from gateway.ledger.outcomes import LedgerUnavailableError
from tests.conftest import Store
from tests.integration.books import Books, funded, known
from tests.integration.cutting import Cut, CuttingProxy
from tests.lab.ports import Ports
from tests.lab.processes import until

KIND = "errands"
LONG = 60.0  # seconds of a lease that does not lapse in a test
SHORT = 0.1
AFTER_EFFECT = (Cut.UNANSWERED, Cut.MIDWAY)


@pytest.fixture
def jobs(store: Store) -> Jobs:
    return Jobs(store.store, KIND)


@asynccontextmanager
async def cut_off(store: Store, ports: Ports) -> AsyncIterator[tuple[Jobs, CuttingProxy]]:
    """Give the jobs by a way that can be broken."""
    port = ports.take()
    async with (
        CuttingProxy.running(port, store.url.removeprefix("unix://")) as proxy,
        Store.at(f"redis://127.0.0.1:{port}") as behind,
    ):
        yield Jobs(behind.store, KIND), proxy


def given_to(store: Store, jobs: Jobs) -> AsyncIterator[Event]:
    """Read as a gateway does: on one server, one reader has all shards."""
    [reader] = readers(store.store)
    return jobs.events(reader)


async def leased(store: Store, jobs: Jobs, seconds: float = LONG, count: int = 10) -> list[Job]:
    """Take what is due of all shards."""
    return [job for shard in store.store.shards for job in await jobs.lease(shard, count, seconds)]


async def one_job(store: Store, jobs: Jobs) -> Books:
    """Let an event cause one job."""
    at = await funded(store, 1)
    event = await anext(given_to(store, jobs))
    await jobs.take_in(event, {"errand": {"what": "an apple", "to": "José"}})
    return at


async def again_due(store: Store, jobs: Jobs) -> Job:
    """Wait for the job that is due again, and take it for a test's time."""

    async def due() -> list[Job]:
        return await leased(store, jobs)

    [job] = await until(due, "a job is due")
    return job


async def test_what_an_event_causes_is_given_to_one_until_it_is_done(
    store: Store, jobs: Jobs
) -> None:
    await one_job(store, jobs)
    [job] = await leased(store, jobs)
    assert (job.job_id, job.tries, job.is_dead, job.error) == ("errand", 1, False, "")
    assert job.fields == {"what": "an apple", "to": "José"}
    assert await leased(store, jobs) == []
    assert await jobs.every() == [job]
    await jobs.done(job)
    assert await jobs.every() == await leased(store, jobs) == []


async def test_an_event_that_two_gateways_were_given_is_taken_in_once(
    store: Store, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.05)
    await funded(store, 1)
    async with Store.at(store.url) as other:
        event = await anext(given_to(store, jobs))
        same = await anext(given_to(other, jobs))  # the first one was slow
        assert same == event
        others = Jobs(other.store, KIND)
        await asyncio.gather(
            jobs.take_in(event, {"one": {}, "two": {}}), others.take_in(same, {"other": {}})
        )
    assert {job.job_id for job in await jobs.every()} in ({"one", "two"}, {"other"})


async def test_what_was_done_does_not_come_back_with_its_event(store: Store, jobs: Jobs) -> None:
    await funded(store, 1)
    event = await anext(given_to(store, jobs))
    await jobs.take_in(event, {"errand": {}})
    [job] = await leased(store, jobs)
    await jobs.done(job)
    await jobs.take_in(event, {"errand": {}})
    assert await jobs.every() == []


async def test_an_event_given_to_a_reader_that_died_is_given_to_the_next(
    store: Store, jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.5)
    at = await funded(store, 1, 1)
    died = given_to(store, jobs)
    events = [await anext(died) for _ in range(2)]
    await jobs.take_in(events[0], {"errand": {}})
    living = given_to(store, jobs)
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(_first(living, 2))
        await at.grant("new", 1)
    [first, second] = waiting.result()
    # The new one comes first or last, as the time of the old one is up before or after it.
    assert events[1] in (first, second)
    assert events[0] not in (first, second)


async def _first(events: AsyncIterator[Event], count: int) -> list[Event]:
    return [await anext(events) for _ in range(count)]


async def test_two_gateways_share_the_jobs_that_are_due(store: Store, jobs: Jobs) -> None:
    await funded(store, 1)
    event = await anext(given_to(store, jobs))
    await jobs.take_in(event, {f"errand-{number:02}": {} for number in range(20)})
    async with Store.at(store.url) as other:
        taken = await asyncio.gather(
            *(leased(of, Jobs(of.store, KIND), count=7) for of in (store, other) * 2)
        )
    names = [job.job_id for of in taken for job in of]
    assert sorted(names) == [f"errand-{number:02}" for number in range(20)]
    assert max(len(of) for of in taken) == 7


async def test_a_lease_that_lapses_gives_the_job_to_another(store: Store, jobs: Jobs) -> None:
    await one_job(store, jobs)
    [first] = await leased(store, jobs, SHORT)
    second = await again_due(store, jobs)
    assert (second.tries, second.since_ms) == (2, first.since_ms)


@pytest.mark.parametrize("end", ["done", "later", "dead"])
async def test_a_try_that_was_taken_over_cannot_end_the_job(
    store: Store, jobs: Jobs, end: str
) -> None:
    await one_job(store, jobs)
    [first] = await leased(store, jobs, SHORT)
    second = await again_due(store, jobs)
    match end:
        case "done":
            await jobs.done(first)
        case "later":
            await jobs.later(first, 0, "too late")
        case _:
            await jobs.bury(first, "too late")
    assert await jobs.every() == [second]
    assert await leased(store, jobs) == []
    await jobs.done(second)
    assert await jobs.every() == []


async def test_a_job_that_failed_is_tried_again_at_its_time(store: Store, jobs: Jobs) -> None:
    await one_job(store, jobs)
    [first] = await leased(store, jobs)
    await jobs.later(first, LONG, "no answer")
    assert await leased(store, jobs) == []
    [waiting] = await jobs.every()
    assert (waiting.tries, waiting.is_dead, waiting.error) == (1, False, "no answer")
    await jobs.later(first, SHORT, "no answer\nat all")
    second = await again_due(store, jobs)
    assert (second.tries, second.error) == (2, "no answer\nat all")


async def test_a_dead_job_is_tried_by_nobody_until_somebody_wants_it(
    store: Store, jobs: Jobs
) -> None:
    await one_job(store, jobs)
    [first] = await leased(store, jobs, SHORT)
    await jobs.bury(first, "no such user")
    [dead] = await jobs.every()
    assert (dead.is_dead, dead.tries, dead.error) == (True, 1, "no such user")
    await asyncio.sleep(2 * SHORT)
    assert await leased(store, jobs) == []
    assert await jobs.again(dead)
    [second] = await leased(store, jobs)
    assert (second.is_dead, second.tries, second.error) == (False, 2, "")
    assert second.since_ms > first.since_ms
    await jobs.done(second)
    assert not await jobs.again(dead)
    assert await jobs.every() == []


async def test_what_a_peer_said_is_kept_whatever_it_is(store: Store, jobs: Jobs) -> None:
    await one_job(store, jobs)
    [job] = await leased(store, jobs)
    await jobs.later(job, LONG, b"550 caf\xe9".decode(errors="surrogateescape"))
    assert [job.error for job in await jobs.every()] == ["550 caf\\udce9"]
    await jobs.later(job, LONG, "x" * 100_000)
    [kept] = await jobs.every()
    assert set(kept.error) == {"x"}
    assert len(kept.error) < 1000


@pytest.mark.parametrize("cut", Cut)
async def test_an_event_whose_taking_in_is_broken_anywhere_causes_its_jobs_once(
    store: Store, jobs: Jobs, ports: Ports, cut: Cut
) -> None:
    await funded(store, 1)
    event = await anext(given_to(store, jobs))
    async with cut_off(store, ports) as (behind, proxy):
        proxy.harm(cut)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(known(lambda: behind.take_in(event, {"errand": {}})))
            await until(lambda: proxy.broken, "it was broken")
            await proxy.release()
        assert [job.job_id for job in await leased(store, jobs)] == ["errand"]
        assert await leased(store, jobs) == []


@pytest.mark.parametrize("cut", AFTER_EFFECT)
async def test_jobs_whose_lease_got_lost_on_its_way_are_due_when_it_lapses(
    store: Store, jobs: Jobs, ports: Ports, cut: Cut
) -> None:
    at = await one_job(store, jobs)
    shard = store.store.account(at.account).shard
    async with cut_off(store, ports) as (behind, proxy):
        proxy.harm(cut)
        assert await behind.lease(shard, 1, SHORT) == []  # asked again, there is nothing else
        assert proxy.broken == 1
    job = await again_due(store, jobs)
    assert job.tries == 2


@pytest.mark.parametrize("cut", AFTER_EFFECT)
async def test_a_job_whose_end_was_not_acknowledged_has_ended(
    store: Store, jobs: Jobs, ports: Ports, cut: Cut
) -> None:
    await one_job(store, jobs)
    [job] = await leased(store, jobs)
    async with cut_off(store, ports) as (behind, proxy):
        proxy.harm(cut)
        await behind.later(job, SHORT, "no answer")
        assert proxy.broken == 1
        job = await again_due(store, jobs)
        proxy.harm(cut)
        await behind.done(job)
        assert proxy.broken == 1
    assert await jobs.every() == []


async def test_jobs_of_a_store_that_is_away_are_there_when_it_is_back(
    store: Store, jobs: Jobs
) -> None:
    await one_job(store, jobs)
    async with store.frozen():
        with pytest.raises(LedgerUnavailableError):
            await jobs.every()
    await store.kill()
    [job] = await known(lambda: leased(store, jobs))
    await store.kill()
    await known(lambda: jobs.done(job))
    assert await jobs.every() == []


async def test_kinds_of_jobs_are_strangers(store: Store, jobs: Jobs) -> None:
    await one_job(store, jobs)
    others = Jobs(store.store, "others")
    event = await anext(given_to(store, others))
    await others.take_in(event, {"errand": {}})
    [job] = await leased(store, others)
    await others.done(job)
    assert len(await leased(store, jobs)) == 1
