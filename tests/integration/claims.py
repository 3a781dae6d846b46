"""Accounts whose recharge is claimed, without a provider."""

from gateway.ledger.outcomes import Asked
from tests.conftest import Store
from tests.integration.books import Books, funded


async def claimed(
    store: Store, methods: str = "", *, day_max: int = 5, month_max: int = 0
) -> tuple[Books, str]:
    """Open an account with 50, below its trigger of 100: a recharge of 200 is claimed."""
    at = await funded(store, 50)
    await at.open(
        methods=methods,
        recharge_below=100,
        recharge_amount=200,
        recharge_day_max=day_max,
        recharge_month_max=month_max,
    )
    return at, await key(at)


async def key(at: Books) -> str:
    return (await at.statement()).recharge.key


async def state(at: Books) -> tuple[str, str]:
    recharge = (await at.statement()).recharge
    return recharge.state, recharge.suspended


async def submit(at: Books, key: str) -> Asked:
    asked = await at.store.ledger.submit_recharge(at.account, key)
    assert isinstance(asked, Asked)
    return asked
