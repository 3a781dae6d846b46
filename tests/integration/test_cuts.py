"""Connections that break on the way to the store and back, at each operation."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from gateway.ledger.outcomes import Refused
from tests.conftest import Store
from tests.integration.books import Books, books, known
from tests.integration.cases import CASES, UNAVAILABLE, outcomes, prepared, wrong
from tests.integration.cutting import Cut, CuttingProxy
from tests.integration.picture import Picture, differences, parts, picture, timeless
from tests.lab.ports import Ports

# Shorter than the time in which the ledger asks again, so that it does so in a stall too.
REPLY_SECONDS_MAX = 0.15
ALWAYS = 1_000_000
# Where the store does not hear of the operation.
UNHEARD = {Cut.BEFORE, Cut.HALFWAY, Cut.LATE}


@pytest.fixture(scope="module")
def port(ports: Ports) -> int:
    return ports.take()


@pytest.fixture
async def proxy(store: Store, port: int) -> AsyncIterator[CuttingProxy]:
    async with CuttingProxy.running(port, store.url.removeprefix("unix://")) as proxy:
        yield proxy


@asynccontextmanager
async def through(proxy: CuttingProxy, at: Books) -> AsyncIterator[Books]:
    """Give the same account to a client of its own, behind the proxy."""
    url = f"redis://127.0.0.1:{proxy.port}?socket_timeout={REPLY_SECONDS_MAX}"
    async with Store.at(url) as store:
        yield Books(store, at.account)


@pytest.mark.parametrize("cut", Cut)
@pytest.mark.parametrize("name", CASES)
async def test_an_operation_whose_connection_breaks_is_asked_again_and_done_once(
    store: Store, proxy: CuttingProxy, undisturbed: dict[str, Picture], name: str, cut: Cut
) -> None:
    case = CASES[name]
    at = await prepared(store, name)
    async with through(proxy, at) as behind:
        proxy.harm(cut)
        answer = await case.ask(behind)
        assert proxy.broken == 1
        assert timeless(answer) in case.answers(again=cut not in UNHEARD)
        await proxy.release()
        assert await picture(at) == undisturbed[name]
        # A connection that was given up gives nobody an answer that is another's.
        assert timeless(await case.ask(behind)) in case.answers(again=True)
    assert await picture(at) == undisturbed[name]
    assert await differences(store) == []


@pytest.mark.parametrize("cut", Cut)
async def test_a_caller_who_was_told_nothing_asks_later_and_it_is_done_once(
    store: Store, proxy: CuttingProxy, undisturbed: dict[str, Picture], cut: Cut
) -> None:
    ats = {name: await prepared(store, name) for name in CASES}
    before = {name: await picture(at) for name, at in ats.items()}

    async with AsyncExitStack() as stack:
        behind = {
            name: await stack.enter_async_context(through(proxy, at)) for name, at in ats.items()
        }
        proxy.harm(cut, ALWAYS)
        told = await outcomes(behind)
        assert {name for name, said in told.items() if said.startswith(UNAVAILABLE)} == set(ats)
        assert proxy.broken >= 2 * len(ats)
        then = before if cut in UNHEARD else undisturbed
        assert {name: await picture(at) for name, at in ats.items()} == then

        # What is held back stays so: it arrives when the caller has long got an answer.
        proxy.spare()
        assert wrong(await outcomes(behind), again=cut not in UNHEARD) == {}
        assert {name: await picture(at) for name, at in ats.items()} == undisturbed
        await proxy.release()
    assert {name: await picture(at) for name, at in ats.items()} == undisturbed
    assert {name: await parts(at) for name, at in ats.items()} == {
        name: case.parts for name, case in CASES.items()
    }
    assert await differences(store) == []


@pytest.mark.parametrize("cut", Cut)
async def test_of_operations_that_are_sent_together_each_is_done_once(
    store: Store, proxy: CuttingProxy, undisturbed: dict[str, Picture], cut: Cut
) -> None:
    ats = {name: await prepared(store, name) for name in CASES}
    async with through(proxy, ats["hold"]) as behind:
        proxy.harm(cut, times=3)
        told = await outcomes({name: Books(behind.store, at.account) for name, at in ats.items()})
        assert proxy.broken == 3
        await proxy.release()
    assert wrong(told, again=True) == {}
    assert {name: await picture(at) for name, at in ats.items()} == undisturbed
    assert await differences(store) == []


@pytest.mark.parametrize("cut", Cut)
async def test_an_operation_that_has_to_bring_its_script_is_done_once(
    store: Store, proxy: CuttingProxy, undisturbed: dict[str, Picture], cut: Cut
) -> None:
    at = await prepared(store, "settle")
    await store.redis.script_flush()
    async with through(proxy, at) as behind:
        proxy.harm(cut, commands=[b"EVAL"])
        answer = await CASES["settle"].ask(behind)
        assert proxy.broken == 1
        await proxy.release()
    assert answer == CASES["settle"].answer
    assert await picture(at) == undisturbed["settle"]
    assert await differences(store) == []


async def test_a_connection_that_breaks_while_it_is_made_is_made_again(
    store: Store, proxy: CuttingProxy, undisturbed: dict[str, Picture]
) -> None:
    at = await prepared(store, "hold")
    async with through(proxy, at) as behind:
        proxy.harm(Cut.BEFORE, times=3, commands=[b"HELLO", b"CLIENT"])
        assert await CASES["hold"].ask(behind) == CASES["hold"].answer
        assert proxy.broken == 3
        proxy.spare()
    assert await picture(at) == undisturbed["hold"]


@pytest.mark.parametrize("cut", Cut)
async def test_a_number_is_owned_once_its_account_is_configured(
    store: Store, proxy: CuttingProxy, cut: Cut
) -> None:
    owner, other = books(store), books(store)
    number = "+18005550100"
    for at in (owner, other):
        await at.open()
    async with through(proxy, owner) as behind:

        async def configure() -> object:
            return await behind.store.ledger.configure(owner.account, "one", numbers=[number])

        proxy.harm(cut, naming=b":numbers")
        assert await known(configure) is None
        assert proxy.broken == 1
        await proxy.release()
    assert await store.statements.owner_of(number) == owner.account
    taken = await store.ledger.configure(other.account, "two", numbers=[number])
    assert taken == Refused(f"number_taken {number}")


@pytest.mark.parametrize("cut", Cut)
async def test_an_account_that_is_read_as_the_connection_breaks_is_read_whole(
    store: Store, proxy: CuttingProxy, cut: Cut
) -> None:
    at = await prepared(store, "settle")
    async with through(proxy, at) as behind:
        proxy.harm(cut)
        assert await behind.statement() == await at.statement()
        assert proxy.broken == 1
        await proxy.release()
