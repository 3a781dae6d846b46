"""The command line."""

import asyncio

import typer

from gateway import config, logs
from gateway.cli import conferences, funding, notices, ratecard, users
from gateway.cli.audit import audit
from gateway.cli.doctor import doctor
from gateway.cli.quote import quote
from gateway.cli.terminal import ConfigOption, fail, out
from gateway.config import Settings
from gateway.errors import BadInputError
from gateway.ledger.embedded import EmbeddedStoreError
from gateway.ledger.outcomes import LedgerUnavailableError

_HELP = """Coinbox decides for Asterisk, before every call that costs money, whether it may be made.

It holds prepaid money for each minute before it is talked, and ends the call when the money ends.
"""

cli = typer.Typer(
    help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
cli.add_typer(funding.commands, name="accounts")
cli.add_typer(users.commands, name="users")
cli.add_typer(conferences.commands, name="conferences")
cli.add_typer(notices.commands, name="notices")
cli.add_typer(ratecard.commands, name="ratecard")
cli.command()(audit)
cli.command()(doctor)
cli.command()(quote)

# What a person can mend; anything else is a fault of the program, and shows where.
_SAID = (BadInputError, EmbeddedStoreError, LedgerUnavailableError, OSError)


def main() -> None:
    """Run the command line; what is wrong with its input is said in a line each."""
    try:
        cli()
    except _SAID as error:
        fail(str(error))
    except BaseExceptionGroup as group:
        # What ended a part of the gateway, such as a port that is taken.
        said, broken = group.split(_SAID)
        if broken or said is None:
            raise
        fail("\n".join(str(error) for error in _leaves(said)))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


@cli.command()
def serve(config_file: ConfigOption = None) -> None:
    """Run the gateway. Without any setting it brings its own store and listens on 127.0.0.1."""
    settings = config.load(config_file)
    logs.configure(settings.log.format, settings.log.level)
    out.print(_greeting(settings))
    # What only a gateway needs takes as long to import as all that the other commands do.
    from gateway import app  # noqa: PLC0415 - as said above

    asyncio.run(app.serve(settings))


def _payments(settings: Settings) -> str:
    """Say where payments are reported, and with which secret they are signed."""
    if settings.stripe.key:
        return "stripe  (signed with: stripe.webhook_secret)"
    if settings.payments.webhook_secret:
        return "payments  (signed with: payments.webhook_secret)"
    return f"payments  (signed with: {settings.data_dir / 'webhook-secret'})"


def _greeting(settings: Settings) -> str:
    agi, http = settings.agi, settings.http
    store = (
        config.without_login(settings.store.url) or f"embedded, in {settings.data_dir / 'store'}"
    )
    for pbx in settings.pbx.values():
        config.ami_secret(settings, pbx)
    lines = [
        f"FastAGI   agi://{agi.host}:{agi.port}/authorize",
        f"HTTP      http://{http.host}:{http.port}/v1/calls  (Bearer token: "
        + ("as set)" if http.token else f"in {settings.data_dir / 'http-token'})"),
        f"Payments  http://{http.host}:{http.port}/webhooks/{_payments(settings)}",
        *(
            f"PBX       {name}: AMI {pbx.username}@{pbx.host}:{pbx.port}"
            for name, pbx in settings.pbx.items()
        ),
        f"Store     {store}",
        "",
        f"Asterisk needs the files of {config.share('dialplan')}:",
        "  extensions.conf:  #include extensions-coinbox.conf",
        "  manager.conf:     #include manager-coinbox.conf, with the secret "
        + (
            "as set"
            if all(pbx.secret for pbx in settings.pbx.values())
            else f"in {config.ami_secret_file(settings)}"
        ),
    ]
    return "\n".join(lines)
