import pytest

from gateway.notices.kinds import Kind, counts_as
from gateway.notices.recipients import Recipient, parse_recipients, wanting

EVERY = frozenset(Kind)


def test_who_names_no_kind_wants_all() -> None:
    assert parse_recipients("ops@contoso.example") == (Recipient("ops@contoso.example", EVERY),)


def test_recipients_are_addresses_and_urls_with_the_kinds_that_they_want() -> None:
    text = (
        "ops@contoso.example,billing@contoso.example  recharge_failed suspended , https://a.b/c low"
    )
    assert parse_recipients(text) == (
        Recipient("ops@contoso.example", EVERY),
        Recipient("billing@contoso.example", {Kind.RECHARGE_FAILED, Kind.SUSPENDED}),
        Recipient("https://a.b/c", {Kind.LOW}),
    )


@pytest.mark.parametrize("text", ["", "   "])
def test_nobody_may_be_told(text: str) -> None:
    assert parse_recipients(text) == ()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("ops", "'ops' is neither a mail address nor an http(s) URL"),
        ("ops@", "'ops@' is neither"),
        ("ops@contoso.example\r\nBcc:x@y.z", "'Bcc:x@y.z' is none of the kinds"),
        ("Ops<ops@contoso.example>", "is neither"),
        ("öps@contoso.example", "is neither"),
        ("ftp://contoso.example", "is neither"),
        ("low", "'low' is neither"),
        ("ops@contoso.example loww", "'loww' is none of the kinds recharged, recharge_failed,"),
        ("ops@contoso.example,", "a recipient is missing beside a comma"),
        (",", "a recipient is missing"),
        ("https://", "is no URL that can be called"),
        ("https://contoso.example:0/", "is no URL that can be called"),
        ("https://contoso.example:99999/", "Port out of range"),
        ("https://[contoso/", "is no URL"),
        ("https://contoso.example/\x7f", "is no URL that can be called"),
        ("https://ana:s3cret@contoso.example/", "must have neither login nor fragment"),
        ("https://contoso.example/#top", "must have neither login nor fragment"),
        (",".join(["ops@contoso.example"] * 21), "21 recipients are more than 20"),
    ],
)
def test_what_is_wrong_is_said(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=r".") as said:
        parse_recipients(text)
    assert wrong in str(said.value)


def test_who_is_named_twice_is_told_once() -> None:
    recipients = parse_recipients("a@b.c low, d@e.f low, a@b.c")
    assert wanting(recipients, {Kind.LOW}) == ["a@b.c", "d@e.f"]
    assert wanting(recipients, {Kind.EXHAUSTED}) == ["a@b.c"]


def test_a_failure_that_suspends_is_told_to_those_who_want_either() -> None:
    recipients = parse_recipients("a@b.c suspended, d@e.f recharge_failed, g@h.i suspended low")
    suspending = counts_as(Kind.RECHARGE_FAILED, {"next": "suspended"})
    assert wanting(recipients, suspending) == ["a@b.c", "d@e.f", "g@h.i"]
    passing = counts_as(Kind.RECHARGE_FAILED, {"next": "retry"})
    assert wanting(recipients, passing) == ["d@e.f"]


def test_a_recharge_that_is_capped_is_told_to_those_who_want_failures() -> None:
    recipients = parse_recipients("a@b.c recharge_capped, d@e.f recharge_failed, g@h.i low")
    assert wanting(recipients, counts_as(Kind.RECHARGE_CAPPED, {})) == ["a@b.c", "d@e.f"]
