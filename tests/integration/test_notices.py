"""Rule R6: each cause is told once to each who wants it, and none is lost."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.ledger import events as events_module
from gateway.notices import delivery, outbox
from gateway.notices import mail as mail_module
from gateway.notices.kinds import Kind
from gateway.notices.outbox import pause_seconds
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.api import SIGNER, Api
from tests.integration.books import FAR_MS, funded, known, now_ms
from tests.integration.telling import OPS, Telling, happens, happens_with, low, wants
from tests.lab.hooks import HANG as NO_ANSWER
from tests.lab.hooks import Hooks
from tests.lab.mail import HANG, MailServer, part
from tests.lab.ports import Ports
from tests.lab.processes import until

DAY_MS = 86_400_000


@pytest.fixture
async def telling(
    store: Store,
    ports: Ports,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Telling]:
    monkeypatch.setattr(outbox, "_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(outbox, "_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(outbox, "_POLL_SECONDS", 0.05)
    mail = MailServer(ports.take(), tmp_path_factory.mktemp("mail"))
    hooks = Hooks(ports.take(), SIGNER)
    await mail.start()
    await hooks.start()
    yield Telling(store, mail, hooks)
    await hooks.stop()
    await mail.stop()


async def shown_to(api: Api, query: str = "") -> list[dict[str, str]]:
    """Give the notices that an admin sees."""
    status, body = await api.get(f"/v1/notices{query}")
    assert status == 200
    assert isinstance(body, dict)
    notices = body["notices"]
    assert isinstance(notices, list)
    return notices


async def test_every_kind_is_mailed_once_over_tls_and_with_login(telling: Telling) -> None:
    at = await funded(telling.store, 1)
    for kind in Kind:
        await happens(at, kind)
    async with telling.told():
        await telling.until_done()
    assert len(telling.mails_to(OPS)) == len(Kind)
    assert len({mail["Message-ID"] for mail in telling.mail.mails}) == len(Kind)
    for mail, session in zip(telling.mail.mails, telling.mail.sessions, strict=True):
        assert session.ssl
        assert session.authenticated
        assert f"Balance of {at.account}: 12.50 USD available" in part(mail, "plain")
        assert "<td>12.50 USD</td>" in part(mail, "html")


async def test_a_balance_that_falls_is_told_as_low_and_as_used_up(telling: Telling) -> None:
    at = await funded(telling.store, 5_000_000)
    await at.open(low_below=4_000_000)
    async with telling.told():
        await at.hold("call", (60, 2_000_000))
        await at.settle("call", 2_000_000)
        await until(lambda: len(telling.mail.mails) == 1, "the balance is told to be low")
        await at.hold("other", (60, 3_000_000))
        await at.settle("other", 3_000_000)
        await until(lambda: len(telling.mail.mails) == 2, "the balance is told to be used up")
        await telling.until_done()
    first, second = telling.mail.mails
    assert first["Subject"] == f"{at.account}: balance is low, 3.00 USD available"
    assert second["Subject"] == f"{at.account}: balance is used up"


async def test_all_that_the_ledger_tells_can_be_read(telling: Telling) -> None:
    at = await funded(telling.store, 100)
    ledger, account = telling.store.ledger, at.account
    pool = Pool("minutes:2026-11", size_seconds=60, slice_seconds=60, ends_ms=FAR_MS)
    await at.hold("included", (60, 30), pool=pool)
    await at.move_expiry("a", await now_ms(at) + 3 * DAY_MS)
    await at.expire()
    await at.configure("one", low_below=90, recharge_below=80, recharge_amount=50)
    await at.hold("call", (60, 30))
    claimed = (await at.statement()).recharge.key
    await ledger.pay(account, claimed, "pay_1", 40, "USD")
    await at.configure("two", low_below=500, recharge_below=200, recharge_day_max=2)
    claimed = (await at.statement()).recharge.key
    await at.configure("three", recharge_day_max=1)
    await ledger.fail_recharge(account, claimed, "do_not_honor", lasting=False, pause_seconds=0)
    await at.configure("four", recharge_amount=0)
    await at.hold("used", (60, 110))
    await at.settle("used", 110)
    await at.settle("call", 30)
    await ledger.suspend_recharge(account)
    async with telling.told(f"{OPS}, {telling.hooks.url}"):
        await telling.until_done()
    assert {str(told.body["type"]) for told in telling.hooks.told} == set(Kind)
    assert len(telling.mail.mails) == len(telling.hooks.told)
    assert {told.body["data"]["account"] for told in telling.hooks.told} == {account}


async def test_an_account_and_the_operator_are_told_what_each_wants_and_nobody_twice(
    telling: Telling,
) -> None:
    one, other = await funded(telling.store, 1), await funded(telling.store, 1)
    await wants(one, f"own@example.com low recharge_failed, {OPS}, new@example.com suspended")
    for at in (one, other):
        await low(at)
        await happens(at, Kind.EXHAUSTED)
        await happens(at, Kind.RECHARGE_FAILED)
    async with telling.told(f"{OPS}, boss@example.com suspended"):
        await telling.until_done()
    told = Counter(mail["To"] for mail in telling.mail.mails)
    assert told == {OPS: 6, "own@example.com": 2, "new@example.com": 1, "boss@example.com": 2}


async def test_where_nobody_wants_to_be_told_nothing_is_kept(telling: Telling) -> None:
    at = await funded(telling.store, 1, 1)
    await low(at)
    await happens_with(at, "dial_out", {"pbx": "pbx"})
    async with telling.told("boss@example.com exhausted"):
        await telling.until_done()
    assert telling.mail.mails == []


async def test_recipients_that_cannot_be_read_keep_nobody_else_from_being_told(
    telling: Telling,
) -> None:
    at = await funded(telling.store, 1)
    await wants(at, "nobody")
    await low(at)
    async with telling.told():
        await telling.until_done()
    assert len(telling.mails_to(OPS)) == 1


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_what_the_server_puts_off_is_mailed_once_when_it_takes_it(
    telling: Telling, command: str
) -> None:
    telling.mail.orders[command].extend(["451 busy", "421 closing"])
    await low(await funded(telling.store, 1))
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1
    assert telling.mail.asked[command] == 3


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_what_the_server_refuses_is_dead_until_an_admin_sends_it(
    telling: Telling, api: Api, command: str
) -> None:
    telling.mail.orders[command].append("550 no such user")
    at = await funded(telling.store, 1)
    await low(at)
    async with telling.told():
        dead = await telling.until_dead()
        [shown] = await shown_to(api)
        assert await shown_to(api, "?state=dead") == [shown]
        assert await shown_to(api, "?state=due") == []
        assert shown.pop("at").startswith("20")
        assert shown == {
            "id": dead.job_id,
            "account": at.account,
            "kind": "low",
            "to": OPS,
            "state": "dead",
            "tries": 1,
            "error": "550 no such user",
        }
        assert telling.mail.asked[command] == 1
        assert await api.send(dead.job_id) == 202
        await telling.until_done()
        assert await api.send(dead.job_id) == 404
    [mail] = telling.mail.mails
    assert mail["Message-ID"] == f"<{dead.job_id}@example.com>"


async def test_a_notice_that_an_admin_drops_is_never_sent(telling: Telling, api: Api) -> None:
    telling.mail.orders["RCPT"].append("550 no such user")
    await low(await funded(telling.store, 1))
    async with telling.told():
        dead = await telling.until_dead()
        assert await api.drop_notice(dead.job_id) == 204
        assert await api.drop_notice(dead.job_id) == 404
        assert await shown_to(api) == []
        assert await api.send(dead.job_id) == 404
    assert telling.mail.mails == []


async def test_a_notice_that_waits_is_sent_at_once_where_an_admin_wants_it(
    telling: Telling, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_RETRY_SECONDS", 3600.0)
    telling.mail.orders["RCPT"].append("450 come back")
    await low(await funded(telling.store, 1))
    async with telling.told():
        waiting = await telling.until_failed("450 come back")
        assert [shown["id"] for shown in await shown_to(api, "?state=due")] == [waiting.job_id]
        assert await api.send(waiting.job_id) == 202
        await telling.until_done()
    assert len(telling.mail.mails) == 1


async def test_notices_are_for_admins_and_have_two_states(telling: Telling, api: Api) -> None:
    assert (await api.get("/v1/notices", authorization=""))[0] == 401
    assert (await api.get("/v1/notices?state=lost"))[0] == 400
    assert await api.send("0-0-nothing") == 404
    async with telling.store.frozen():
        assert (await api.get("/v1/notices"))[0] == 503
        assert await api.send("0-0-nothing") == 503


async def test_while_the_server_is_down_nothing_is_lost_and_then_each_is_mailed_once(
    telling: Telling,
) -> None:
    every = [await funded(telling.store, 1) for _ in range(12)]
    await telling.mail.stop()
    async with telling.told():
        for at in every:
            await low(at)
            await happens(at, Kind.EXHAUSTED)

        async def all_failed() -> bool:
            jobs = await telling.jobs()
            return len(jobs) == 24 and all(job.error for job in jobs)

        await until(all_failed, "each was tried")
        await telling.mail.start()
        await telling.until_done()
    subjects = Counter(mail["Subject"] for mail in telling.mail.mails)
    assert len(subjects) == 24
    assert set(subjects.values()) == {1}


async def test_a_server_that_hangs_holds_up_its_mail_and_no_webhook(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SECONDS_MAX", 1.0)
    telling.mail.orders["DATA"].append(HANG)
    await low(await funded(telling.store, 1))
    async with telling.told(f"{OPS}, {telling.hooks.url}"):
        await until(lambda: telling.hooks.told, "the webhook is told")
        assert telling.mail.mails == []
        await telling.until_failed("no answer within 1 s")
        await telling.until_done()
    assert len(telling.mail.mails) == len(telling.hooks.told) == 1


async def test_a_server_that_says_nothing_is_left(
    telling: Telling, ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SECONDS_MAX", 0.3)
    port = ports.take()
    await low(await funded(telling.store, 1))

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    settings = {**telling.mail.settings, "port": port}
    async with await asyncio.start_server(hear, "127.0.0.1", port), telling.told(settings=settings):
        await telling.until_failed("no answer within 0.3 s")
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1


@pytest.mark.parametrize("reply", [HANG, "500 what"])
async def test_a_mail_that_was_taken_is_sent_however_the_server_says_goodbye(
    telling: Telling, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    monkeypatch.setattr(mail_module, "_QUIT_SECONDS", 0.1)
    telling.mail.orders["QUIT"].append(reply)
    await low(await funded(telling.store, 1))
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"ca_file": None}, "certificate verify failed"),
        ({"password": "wrong"}, "SMTPAuthenticationError"),
        ({"tls": "tls"}, "SSL"),
        ({"host": "nowhere.invalid"}, "Error"),
        ({"host": ""}, "mail.host is not set"),
    ],
)
async def test_a_mail_that_our_settings_keep_from_the_server_waits_for_better_ones(
    telling: Telling, other: dict[str, str | None], error: str
) -> None:
    await low(await funded(telling.store, 1))
    async with telling.told(settings={**telling.mail.settings, **other}):
        await telling.until_failed(error)
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1


async def test_a_server_without_tls_is_not_told_the_password(
    telling: Telling, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> None:
    plain = MailServer(ports.take(), tmp_path_factory.mktemp("plain"), tls="none")
    await plain.start()
    await low(await funded(telling.store, 1))
    async with telling.told(settings={**telling.mail.settings, "port": plain.port}):
        await telling.until_failed("SMTP STARTTLS extension not supported")
    assert plain.mails == []
    async with telling.told(settings=plain.settings):
        await telling.until_done()
    assert len(plain.mails) == 1
    await plain.stop()


async def test_a_server_that_speaks_tls_from_the_first_byte_is_told_the_password(
    telling: Telling, ports: Ports, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = MailServer(ports.take(), tmp_path_factory.mktemp("tls"), tls="tls")
    await server.start()
    await low(await funded(telling.store, 1))
    async with telling.told(settings=server.settings):
        await telling.until_done()
    assert [session.authenticated for session in server.sessions] == [True]
    await server.stop()


async def test_what_cannot_be_told_for_days_is_given_up(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_GIVE_UP_SECONDS", 0.5)
    await telling.mail.stop()
    await low(await funded(telling.store, 1))
    async with telling.told():
        dead = await telling.until_dead()
    assert dead.tries > 1
    assert "SMTPConnectError" in dead.error


async def test_a_notice_that_cannot_be_written_keeps_no_other_from_being_sent(
    telling: Telling,
) -> None:
    at = await funded(telling.store, 1)
    await happens_with(at, Kind.LOW, {"nothing": "that is needed"})
    await low(at)
    async with telling.told():
        await until(lambda: telling.mail.mails, "the other one is mailed")
        await telling.until_failed("UndefinedError: 'below' is undefined")


async def test_an_event_that_cannot_be_read_keeps_no_other_from_being_told(
    telling: Telling,
) -> None:
    at = await funded(telling.store, 1)
    await happens_with(at, Kind.RECHARGE_FAILED, {"nothing": "that is needed"})
    await happens_with(replace(at, account="nobody"), Kind.LOW, {})
    await low(at)
    with capture_logs() as logs:
        async with telling.told():
            await until(lambda: telling.mail.mails, "the other one is mailed")
    [unread] = [log for log in logs if log["event"] == "notice.unread"]
    assert unread["account"] == at.account


async def test_two_gateways_tell_each_cause_once(telling: Telling) -> None:
    every = [await funded(telling.store, 1) for _ in range(8)]
    async with (
        Store.at(telling.store.url) as other,
        telling.told(f"{OPS}, {telling.hooks.url}"),
        telling.told(f"{OPS}, {telling.hooks.url}", store=other),
    ):
        for at in every * 3:
            await low(at)
        await telling.until_done()
    assert len(telling.mail.mails) == len(telling.hooks.told) == 24
    assert len({mail["Message-ID"] for mail in telling.mail.mails}) == 24


async def test_a_notice_whose_gateway_died_is_told_by_another(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_LEASE_SECONDS", 0.5)
    telling.mail.orders["DATA"].append(HANG)
    await low(await funded(telling.store, 1))
    async with telling.told():
        await until(lambda: telling.mail.asked["DATA"], "the first one has sent the mail")
    assert len(await telling.jobs()) == 1
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1


async def test_an_event_that_a_gateway_took_with_it_is_told_by_another(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.2)
    await low(await funded(telling.store, 1))
    async with telling.store.frozen(), telling.told():
        pass  # it may have asked for the event, and not be there for the answer
    async with telling.told():
        await telling.until_done()
    assert len(telling.mail.mails) == 1


async def test_a_store_that_crashes_time_and_again_loses_no_notice_and_sends_none_twice(
    telling: Telling, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "_ABANDONED_SECONDS", 0.5)
    every = [await funded(telling.store, 1) for _ in range(4)]
    for at in every * 5:
        await low(at)
    async with telling.told():
        for count in (1, 5, 10):

            def some(least: int = count) -> bool:
                return len(telling.mail.mails) >= least

            await until(some, "some are mailed")
            await known(telling.store.statements.ping)
            await telling.store.kill()
        await until(lambda: len(telling.mail.mails) >= 20, "all are mailed", 30)
        await known(telling.store.statements.ping)
        await telling.until_done()
    assert len(telling.mail.mails) == 20


async def test_a_webhook_is_signed_and_has_what_programs_need(telling: Telling) -> None:
    at = await funded(telling.store, 1)
    await happens(at, Kind.LOT_EXPIRING)
    async with telling.told(telling.hooks.url):
        await telling.until_done()
    [told] = telling.hooks.told  # what is not signed is not told
    assert told.body["type"] == "lot_expiring"
    assert str(told.body["timestamp"]).endswith("+00:00")
    data = told.body["data"]
    assert isinstance(data, dict)
    assert data["account"] == at.account
    assert (data["amount"], data["available"], data["days"]) == ("20.000000", "12.500000", 7)


@pytest.mark.parametrize("status", [302, 408, 409, 425, 429, 500, 503, NO_ANSWER])
async def test_a_webhook_that_is_not_taken_now_comes_again_under_its_id(
    telling: Telling, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(delivery, "SECONDS_MAX", 0.3)
    telling.hooks.orders.extend([status, status])
    await low(await funded(telling.store, 1))
    async with telling.told(telling.hooks.url):
        await telling.until_done()
    assert [told.status for told in telling.hooks.told] == [status, status, 204]
    assert len({told.webhook_id for told in telling.hooks.told}) == 1
    assert len({str(told.body) for told in telling.hooks.told}) == 1
    assert set(telling.hooks.paths) == {"/hook"}


@pytest.mark.parametrize("status", [400, 401, 404, 410, 422])
async def test_a_webhook_that_nobody_wants_is_dead(telling: Telling, status: int) -> None:
    telling.hooks.orders.append(status)
    await low(await funded(telling.store, 1))
    async with telling.told(telling.hooks.url):
        dead = await telling.until_dead()
    assert (dead.tries, dead.error) == (1, f"HTTP {status}")


async def test_webhooks_wait_for_a_receiver_that_is_down(telling: Telling) -> None:
    await telling.hooks.stop()
    await low(await funded(telling.store, 1))
    async with telling.told(telling.hooks.url):
        await telling.until_failed("Cannot connect")
        await telling.hooks.start()
        await telling.until_done()
    assert len(telling.hooks.told) == 1


def test_pauses_grow_to_an_hour_and_differ() -> None:
    pauses = [pause_seconds(tries) for tries in range(1, 200)]
    assert 5 <= pauses[0] <= 10
    assert all(later > pause for pause, later in zip(pauses, pauses[2:8], strict=False))
    assert all(1800 <= pause <= 3600 for pause in pauses[20:])
    assert len(set(pauses)) > 100
