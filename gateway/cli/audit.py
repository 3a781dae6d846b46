"""``coinbox audit``: prove the books."""

import asyncio

import typer
from rich.table import Table

from gateway import config
from gateway.cli.terminal import ConfigOption, fail, out
from gateway.ledger import audit as ledger_audit
from gateway.ledger.audit import Audit
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.replay import PARTS
from gateway.money import format_amount
from gateway.stores import open_store


def audit(config_file: ConfigOption = None) -> None:
    """Compare balances, live calls and the journal, beside a gateway that runs or without one.

    Ends with 0 if they tell the same, with 1 and each difference in a line if not, and with 2 if it
    could not look.
    """
    settings = config.load(config_file)
    if not settings.store.url and not (settings.data_dir / "store").exists():
        fail(f"{settings.data_dir}: there is no store", code=2)

    async def run() -> Audit:
        async with open_store(settings) as store:
            return await ledger_audit.audit(store)

    try:
        result = asyncio.run(run())
    except LedgerUnavailableError as error:
        fail(str(error), code=2)
    out.print(_totals(result))
    for difference in result.differences:
        out.print(difference, markup=False)
    out.print(
        f"audit: {result.accounts} accounts, {result.holds} live holds, {result.entries} entries"
        f" of the journal, {len(result.differences)} differences"
    )
    if result.differences:
        raise typer.Exit(1)


def _totals(result: Audit) -> Table:
    """Write a row a part, so that amounts have room also where many currencies are."""
    currencies = sorted(result.totals)
    table = Table("", *currencies)
    for part in PARTS:
        table.add_row(part, *(format_amount(result.totals[name][part]) for name in currencies))
    return table
