from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from gateway.admin.settings import NAMES
from gateway.cli import cli
from gateway.ledger.outcomes import NEVER_MS
from gateway.notices.kinds import Kind
from gateway.notices.mail import mail_of
from gateway.notices.notice import Notice
from tests.lab.mail import part
from tests.unit.notices import EVENTS, notice

NOW = datetime(2026, 11, 24, 10, 11, 12, tzinfo=UTC)
SENDER = "Coinbox <coinbox@example.com>"
GRANT = "coinbox accounts grant contoso AMOUNT --reference REFERENCE"

# What a mail of each kind says, beside the balance: its subject, what happened, and what helps.
SAID: dict[Kind, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    Kind.RECHARGED: (
        "contoso: recharged with 200.00 USD",
        ("recharged with 200.00 USD by the method pm_backup.", "24 Nov 2027, 10:10 UTC expires."),
        ("coinbox accounts show contoso",),
    ),
    Kind.RECHARGE_FAILED: (
        "contoso: recharge of 200.00 USD failed, no more are made",
        ("could not be recharged with 200.00 USD: card expired.", "recharges are suspended"),
        (
            "coinbox accounts set contoso --set methods=...",
            "coinbox accounts resume contoso",
            GRANT,
        ),
    ),
    Kind.RECHARGE_CAPPED: (
        "contoso: no more recharges this day",
        ("the limit of its recharges of this day.",),
        ("coinbox accounts recharge contoso", GRANT),
    ),
    Kind.SUSPENDED: (
        "contoso: recharges are suspended",
        ("suspended: an admin suspended them.",),
        ("coinbox accounts resume contoso", GRANT),
    ),
    Kind.LOW: (
        "contoso: balance is low, 12.50 USD available",
        ("fell below 40.00 USD.",),
        ("coinbox accounts recharge contoso AMOUNT", GRANT),
    ),
    Kind.EXHAUSTED: (
        "contoso: balance is used up",
        ("a call needed 0.0225 USD.", "Its recharges are suspended."),
        ("coinbox accounts resume contoso", GRANT),
    ),
    Kind.LOT_EXPIRING: (
        "contoso: 20.00 USD expire within 7 days",
        ("20.00 USD expire on 01 Dec 2026, 10:10 UTC", "(lot paid-1795420800123-invoice-17)"),
        ("coinbox accounts show contoso", GRANT),
    ),
    Kind.POOL_USED: (
        "contoso: 80 % of included minutes are used",
        ("96:00 of 120:00 are used", "When all are used, calls go on from credit"),
        ("coinbox accounts set contoso --set licences=...", GRANT),
    ),
    Kind.PAYMENT_FLAGGED: (
        "contoso: a payment needs a look",
        ("150.00 EUR, needs a look: another amount was reported", "Asked for: 200.00 USD."),
        ("coinbox accounts show contoso", GRANT, "coinbox accounts reverse contoso AMOUNT"),
    ),
}

OTHERS = (
    notice(Kind.RECHARGED, declined="card_expired"),
    notice(Kind.RECHARGE_FAILED, next="retry"),
    notice(Kind.EXHAUSTED, recharge="capped"),
    notice(Kind.PAYMENT_FLAGGED, asked=""),
)


def arrived(told: Notice) -> EmailMessage:
    """Give a mail as who receives it reads it."""
    mail = message_from_bytes(bytes(mail_of(told, SENDER, NOW)), policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("kind", Kind)
def test_a_mail_says_what_happened_the_balance_and_what_to_do(kind: Kind) -> None:
    subject, happened, commands = SAID[kind]
    mail = arrived(notice(kind))
    assert mail["Subject"] == subject
    text, html = part(mail, "plain"), part(mail, "html")
    assert "Balance of contoso: 12.50 USD available, 0.0225 USD held by calls." in text
    for one in ("<td>contoso</td>", "<td>12.50 USD</td>", "<td>0.0225 USD</td>"):
        assert one in html
    for one in happened:
        assert one in flat(text)
        assert one in flat(html)
    for one in commands:
        assert f"\n    {one}" in text
        assert f"\n{one}" in html
    assert "{" not in text + html


def test_a_mail_has_the_headers_of_one_that_nobody_wrote() -> None:
    mail = arrived(notice(Kind.LOW))
    assert (mail["From"], mail["To"]) == (SENDER, "ops@contoso.example")
    assert mail["Message-ID"] == "<1795515000000-0-abc@example.com>"
    assert mail["Date"] == "Tue, 24 Nov 2026 10:11:12 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert [one.get_content_type() for one in mail.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_amounts_have_two_decimals_or_as_many_as_they_need() -> None:
    amounts = {
        "0": "0.00",
        "1": "0.000001",
        "12000000": "12.00",
        "12340000": "12.34",
        "-3200000": "-3.20",
        "12345678000000": "12345678.00",
    }
    for micros, written in amounts.items():
        mail = arrived(notice(Kind.LOW, available=micros))
        assert f"Balance of contoso: {written} USD available" in part(mail, "plain")


@pytest.mark.parametrize(
    ("kind", "other", "happened", "command"),
    [
        (
            Kind.RECHARGED,
            {"declined": "card_expired", "method": "", "expires": str(NEVER_MS)},
            "recharged with 200.00 USD. The method before it was declined: card expired.",
            "coinbox accounts set contoso --set methods=...",
        ),
        (
            Kind.RECHARGE_FAILED,
            {"next": "retry", "after": "1795515600000"},
            "It is tried again after 24 Nov 2026, 10:20 UTC.",
            GRANT,
        ),
        (Kind.RECHARGE_FAILED, {"next": "retry"}, "It is tried again soon.", GRANT),
        (
            Kind.RECHARGE_FAILED,
            {"declined": "card_expired"},
            "The method before it was declined: card expired.",
            "coinbox accounts set contoso --set methods=...",
        ),
        (Kind.SUSPENDED, {"reason": "not_thought_of"}, "suspended: not thought of.", GRANT),
        (
            Kind.EXHAUSTED,
            {"needed": "0", "recharge": ""},
            "of account contoso is used up. Calls that cost money end",
            GRANT,
        ),
        (
            Kind.EXHAUSTED,
            {"recharge": "capped"},
            "It has reached the limit of its recharges.",
            "coinbox accounts recharge contoso",
        ),
        (Kind.POOL_USED, {"percent": "100"}, "Calls go on from credit", GRANT),
        (
            Kind.PAYMENT_FLAGGED,
            {"asked": "", "reason": "currency_differs"},
            "in another currency than the account's, and is not credited. Its key is",
            "coinbox accounts dismiss contoso pay_9",
        ),
        (
            Kind.PAYMENT_FLAGGED,
            {"asked": "", "reason": "dispute_won"},
            "its dispute is won, and what was taken back with it is not credited again.",
            "coinbox accounts dismiss contoso pay_9",
        ),
        (
            Kind.PAYMENT_FLAGGED,
            {"currency": "USD", "reason": "taken_back_short"},
            "so much of it is held by calls or spent. Taken back: 200.00 USD.",
            GRANT,
        ),
    ],
)
def test_a_mail_says_what_became_of_it(
    kind: Kind, other: dict[str, str], happened: str, command: str
) -> None:
    text = part(arrived(notice(kind, **other)), "plain")
    assert happened in flat(text)
    assert command in text


def commands_of(mail: EmailMessage) -> list[list[str]]:
    lines = part(mail, "plain").splitlines()
    return [line.split()[1:] for line in lines if line.startswith("    coinbox ")]


@pytest.mark.parametrize("told", [*map(notice, Kind), *OTHERS])
def test_every_command_that_a_mail_names_is_there(told: Notice) -> None:
    coinbox = get_command(cli)
    for group, name, *arguments in commands_of(arrived(told)):
        assert isinstance(coinbox, TyperGroup)
        commands = coinbox.commands[group]
        assert isinstance(commands, TyperGroup)
        options = {option for one in commands.commands[name].params for option in one.opts}
        assert {word for word in arguments if word.startswith("--")} <= options
        if "--set" in arguments:
            assert arguments[-1].partition("=")[0] in NAMES


def test_a_subject_stays_on_its_line_however_long_the_account_is() -> None:
    told = replace(notice(Kind.RECHARGE_FAILED), account="c" * 64)
    line = f"Subject: {'c' * 64}: recharge of 200.00 USD failed, no more are made"
    assert line in bytes(mail_of(told, SENDER, NOW)).decode().splitlines()


def test_the_last_day_of_a_lot_is_told_as_such() -> None:
    assert arrived(notice(Kind.LOT_EXPIRING, days="1"))["Subject"].endswith("expire within a day")


@pytest.mark.parametrize("kind", Kind)
def test_whatever_words_an_event_has_add_no_header_and_no_line(kind: Kind) -> None:
    evil = "x\r\nBcc: all@contoso.example\n\n    coinbox accounts reverse\u2028\u202ey\x00"
    words = {
        name: evil
        for name in ("key", "lot", "method", "declined", "payment", "pool", "reason", "currency")
        if name in EVENTS[kind]
    }
    mail = arrived(notice(kind, **words))
    plain = arrived(notice(kind))
    assert mail.keys() == plain.keys()
    assert mail["To"] == "ops@contoso.example"
    assert "\n" not in mail["Subject"]
    text = part(mail, "plain")
    assert not any(line.startswith("    coinbox accounts reverse y") for line in text.splitlines())
    assert not set("\x00\u2028\u202e") & set(text + part(mail, "html") + mail["Subject"])


def test_html_has_no_markup_of_others() -> None:
    mail = arrived(notice(Kind.RECHARGE_FAILED, reason="<script>alert('1')</script> & more"))
    html = part(mail, "html")
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; more" in html
    assert "<script" not in html
    assert "<script>alert('1')</script> & more" in part(mail, "plain")


def test_programs_are_told_decimals_and_iso_times() -> None:
    assert notice(Kind.LOT_EXPIRING).data == {
        "account": "contoso",
        "currency": "USD",
        "available": "12.500000",
        "held": "0.022500",
        "lot": "paid-1795420800123-invoice-17",
        "amount": "20.000000",
        "expires": "2026-12-01T10:10:00.000+00:00",
        "days": 7,
    }
    flagged = notice(Kind.PAYMENT_FLAGGED, asked="").data
    assert (flagged["amount"], flagged["payment_currency"]) == ("150.000000", "EUR")
    assert (flagged["currency"], flagged["asked"]) == ("USD", None)
    assert notice(Kind.RECHARGE_FAILED).data["after"] is None
    assert notice(Kind.RECHARGED, expires=str(NEVER_MS)).data["expires"] is None
