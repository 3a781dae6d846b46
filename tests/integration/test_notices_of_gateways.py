"""Notices of a whole gateway, which is killed, and steered by its commands."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger import embedded
from gateway.ledger.connection import connect
from gateway.ledger.keys import shards
from gateway.notices.outbox import GROUP
from tests.integration.shell import Shell
from tests.lab.gateway import CommandFailedError, Gateway, Section, lone_gateway
from tests.lab.hooks import Hooks
from tests.lab.mail import HANG, MailServer
from tests.lab.ports import Ports
from tests.lab.processes import until

OPS = "ops@example.com"
SECRET = "whsec_Y29pbmJveC1ub3RpY2VzLXRlc3Rz"  # noqa: S105 - it signs nothing but tests


@pytest.fixture
async def mail(ports: Ports, tmp_path: Path) -> AsyncIterator[MailServer]:
    server = MailServer(ports.take(), tmp_path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def hooks(ports: Ports) -> AsyncIterator[Hooks]:
    receiver = Hooks(ports.take(), SECRET)
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def gateway(
    tmp_path: Path, ports: Ports, mail: MailServer, hooks: Hooks
) -> AsyncIterator[Gateway]:
    sections: dict[str, Section] = {
        "mail": mail.settings,
        "notices": {"operator": f"{OPS}, {hooks.url}?token=t0k3n", "webhook_secret": SECRET},
    }
    async with lone_gateway(tmp_path / "gateway", ports, sections=sections) as gateway:
        yield gateway


async def falls(gateway: Gateway) -> None:
    """Let the balance of an account fall."""
    await gateway.open_account("contoso", "--set", "low_below=4.00")
    await gateway.grant("contoso", "5.00", "invoice-17")
    await gateway.command(
        *("accounts", "reverse", "contoso", "2.00", "--payment", "invoice-17"),
        *("--reference", "refund-1", "--reason", "charge-back"),
    )


async def listed(gateway: Gateway, *options: str) -> list[dict[str, object]]:
    found = json.loads(await gateway.command("notices", "list", *options))
    assert isinstance(found, list)
    return found


async def all_due(gateway: Gateway) -> None:
    """Let leases have lapsed and pauses be over, as if an hour had passed."""
    async with connect(embedded.url(gateway.data / "store")) as redis:
        for shard in shards(16):
            jobs: list[Any] = await redis.zrange(shard.due(GROUP), 0, -1)
            if jobs:
                await redis.zadd(shard.due(GROUP), dict.fromkeys(jobs, 0))


async def test_a_balance_that_falls_is_mailed_and_posted_at_once(
    gateway: Gateway, mail: MailServer, hooks: Hooks
) -> None:
    await falls(gateway)
    await until(lambda: mail.mails and hooks.told, "it is mailed and posted")
    assert [(one["To"], one["Subject"]) for one in mail.mails] == [
        (OPS, "contoso: balance is low, 3.00 USD available")
    ]
    assert [told.body["type"] for told in hooks.told] == ["low"]
    sent = await until(lambda: len(gateway.told("notice.sent", "contoso")) == 2, "both are logged")
    assert sent
    assert "t0k3n" not in gateway.log()
    assert await listed(gateway) == []


async def test_a_notice_that_is_dead_is_listed_and_sent_by_command(
    gateway: Gateway, mail: MailServer
) -> None:
    mail.orders["RCPT"].append("550 no such user")
    await falls(gateway)
    await until(lambda: gateway.told("notice.dead", "contoso"), "the mail is refused")
    assert await listed(gateway, "--state", "due") == []
    [dead] = await listed(gateway, "--state", "dead")
    assert [dead] == await listed(gateway)
    assert (dead["account"], dead["to"], dead["error"]) == ("contoso", OPS, "550 no such user")
    notice = str(dead["id"])
    assert await gateway.command("notices", "send", notice) == f"{notice}: to be sent\n"
    await until(lambda: mail.mails, "it is mailed")


@pytest.mark.slow
async def test_a_notice_that_is_dead_is_dropped_by_command(
    gateway: Gateway, mail: MailServer
) -> None:
    mail.orders["RCPT"].append("550 no such user")
    await falls(gateway)
    await until(lambda: gateway.told("notice.dead", "contoso"), "the mail is refused")
    [dead] = await listed(gateway)
    notice = str(dead["id"])
    assert await gateway.command("notices", "drop", notice) == f"{notice}: dropped\n"
    assert await listed(gateway) == []


@pytest.mark.slow
async def test_a_notice_whose_gateway_is_killed_in_the_middle_is_sent_by_the_next(
    gateway: Gateway, mail: MailServer
) -> None:
    mail.orders["DATA"].append(HANG)
    await falls(gateway)
    await until(lambda: mail.asked["DATA"], "the mail is on its way")
    await gateway.kill()
    assert mail.mails == []
    await gateway.start("/healthz")
    await all_due(gateway)
    await until(lambda: mail.mails, "it is mailed")
    assert mail.asked["DATA"] == 2


@pytest.mark.slow
async def test_a_mail_that_was_taken_before_the_gateway_could_note_it_is_known_by_its_id(
    gateway: Gateway, mail: MailServer
) -> None:
    mail.orders["QUIT"].append(HANG)
    await falls(gateway)
    await until(lambda: mail.asked["QUIT"], "the mail is taken")
    await gateway.kill()
    await gateway.start("/healthz")
    await all_due(gateway)
    await until(lambda: gateway.told("notice.sent", "contoso"), "it is noted")
    await until(lambda: len(mail.mails) == 2, "it is mailed again")
    assert len({one["Message-ID"] for one in mail.mails}) == 1


async def test_an_admin_sets_whom_an_account_wants_to_be_told(
    gateway: Gateway, mail: MailServer
) -> None:
    await gateway.open_account(
        "contoso", "--set", "recipients=own@example.com low, new@example.com"
    )
    await falls(gateway)
    await until(lambda: len(mail.mails) == 3, "all are told")
    told = {one["To"] for one in mail.mails}
    assert told == {OPS, "own@example.com", "new@example.com"}
    with pytest.raises(CommandFailedError, match="recipients = 'own'"):
        await gateway.command("accounts", "set", "contoso", "--set", "recipients=own")


def test_what_is_wrong_with_notices_is_said(shell: Shell) -> None:
    said = shell.fails("serve", COINBOX_NOTICES__OPERATOR="ops@example.com lowe")
    assert "settings: notices.operator = 'ops@example.com lowe': 'lowe' is none of" in said
    assert "no notice '1-0-a'" in shell.fails("notices", "send", "1-0-a")
    assert json.loads(shell.run("notices", "list").stdout) == []
