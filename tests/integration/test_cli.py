import json
import socket
import subprocess
from collections.abc import Iterator

import pytest

from tests.integration.shell import Shell
from tests.lab.gateway import COMMAND
from tests.lab.ports import Ports
from tests.unit.rates import HEADER

REVERSAL = ("--payment", "wire-7", "--reference", "back-1", "--reason", "charge-back")


@pytest.fixture
def ports_free(ports: Ports) -> dict[str, str]:
    return {f"COINBOX_{part}__PORT": str(ports.take()) for part in ("AGI", "HTTP", "AMI")}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), ("serve", "accounts")),
        (("accounts",), ("open", "set", "grant", "reverse", "show")),
        (("serve",), ("--config",)),
        (("accounts", "open"), ("--user", "--number", "recharge_below")),
    ],
)
def test_help_names_what_there_is(
    shell: Shell, arguments: tuple[str, ...], named: tuple[str, ...]
) -> None:
    shown = shell.run(*arguments, "--help")
    assert shown.returncode == 0
    assert all(word in shown.stdout for word in named)


def test_accounts_are_kept_without_a_gateway_that_runs(shell: Shell) -> None:
    opened = shell.run("accounts", "open", "contoso", "--currency", "USD", "--user", "alice")
    assert (opened.returncode, opened.stdout) == (0, "contoso: open\n")
    granted = [
        shell.run("accounts", "grant", "contoso", "20", "--reference", "wire-7") for _ in range(2)
    ]
    assert [one.returncode for one in granted] == [0, 0]
    assert granted[0].stdout == granted[1].stdout
    body = shell.account("contoso")
    assert (body["balance"], body["available"]) == ("20.000000", "20.000000")
    assert isinstance(body["lots"], list)
    assert len(body["lots"]) == 1


def test_credit_of_every_kind_can_be_given_and_taken_back(shell: Shell) -> None:
    shell.run("accounts", "open", "contoso", "--currency", "USD", "--set", "overdraft=5")
    shell.run("accounts", "set", "contoso", "--set", "low_below=2.50")
    shell.run("accounts", "grant", "contoso", "20", "--reference", "wire-7")
    for expires in ("2999-01-31", "never"):
        bonus = ("--reference", f"bonus-{expires}", "--bonus", "--expires", expires)
        assert shell.run("accounts", "grant", "contoso", "3", *bonus).returncode == 0
    late = ("--reference", "late", "--expires", "2020-01-31")
    assert "expired" in shell.fails("accounts", "grant", "contoso", "3", *late)
    assert "20.000000 is left" in shell.fails("accounts", "reverse", "contoso", "21", *REVERSAL)
    taken = shell.run("accounts", "reverse", "contoso", "8", *REVERSAL[:3], "back-2", *REVERSAL[4:])
    assert taken.stdout.endswith("8.000000 taken back, available 18.000000\n")
    body = shell.account("contoso")
    assert (body["reversed"], body["overdraft"]) == ("8.000000", "5.000000")
    assert body["low_below"] == "2.500000"
    assert isinstance(body["lots"], list)
    assert [(lot["id"].split("-")[0], lot["expires_at"]) for lot in body["lots"]][1:] == [
        ("bonus", "2999-01-31T00:00:00.000+00:00"),
        ("bonus", None),
    ]


def test_recharges_are_asked_for_stopped_and_resumed(shell: Shell) -> None:
    shell.run("accounts", "open", "contoso", "--currency", "USD")
    assert "recharge_amount is not set" in shell.fails("accounts", "recharge", "contoso")
    assert "AMOUNT" in shell.fails("accounts", "recharge", "contoso", "1,5")
    shell.run("accounts", "set", "contoso", "--set", "recharge_amount=25")

    for command, said in (("suspend", "are suspended"), ("resume", "may begin")):
        assert shell.run("accounts", command, "contoso").stdout == f"contoso: recharges {said}\n"
    named = ("accounts", "recharge", "contoso", "--reference", "r1")
    asked = [shell.run(*named) for _ in range(2)]
    assert asked[0].stdout.startswith("contoso: asked for, as recharge-contoso-")
    assert asked[1].stdout == asked[0].stdout
    assert "under_way" in shell.fails("accounts", "recharge", "contoso", "30")
    recharge = shell.account("contoso")["recharge"]
    assert isinstance(recharge, dict)
    assert (recharge["state"], recharge["amount"]) == ("claimed", "25.000000")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("recharge", "nobody"), "account nobody: unknown_account"),
        (("suspend", "nobody"), "account nobody: unknown_account"),
        (("resume", "nobody"), "account nobody: unknown_account"),
        (("give-up", "nobody"), "account nobody: unknown_account"),
        (("dismiss", "nobody", "pay_1"), "account nobody: unknown_account"),
        (("dismiss", "nobody", "pay 1"), "PAYMENT"),
        (("suspend", "no body"), "ACCOUNT"),
    ],
)
def test_what_cannot_be_recharged_is_said(
    shell: Shell, arguments: tuple[str, ...], said: str
) -> None:
    assert said in shell.fails("accounts", *arguments)


def test_a_checkup_without_the_gateway_s_settings_makes_no_secret(shell: Shell) -> None:
    checked = shell.run("doctor")
    assert checked.returncode == 1
    assert "pbx.pbx.secret is not set" in checked.stdout
    assert "run this with the settings of the gateway" in checked.stdout
    assert not (shell.folder / "coinbox-data").exists()


def test_an_audit_says_what_it_saw_and_ends_with_1_if_the_books_differ(shell: Shell) -> None:
    shell.run("accounts", "open", "contoso", "--currency", "USD")
    shell.run("accounts", "grant", "contoso", "20", "--reference", "wire-7")
    clean = shell.run("audit")
    assert clean.returncode == 0
    last = clean.stdout.splitlines()[-1]
    assert last == "audit: 1 accounts, 0 live holds, 3 entries of the journal, 0 differences"
    journal = shell.folder / "coinbox-data/store/appendonlydir"
    [increments] = journal.glob("*.incr.aof")
    # As if somebody had set the balance by hand.
    increments.write_bytes(increments.read_bytes().replace(b"20000000 0 0", b"30000000 0 0"))
    differing = shell.run("audit")
    assert differing.returncode == 1
    assert "by the journal 20.000000" in differing.stdout


def test_what_an_account_cannot_be_is_refused_by_its_reason(shell: Shell) -> None:
    dollars = ("--currency", "USD", "--number", "+18005550100")
    shell.run("accounts", "open", "contoso", *dollars)
    shell.run("accounts", "grant", "contoso", "20", "--reference", "wire-7")
    again = shell.fails("accounts", "grant", "contoso", "21", "--reference", "wire-7")
    assert again == "coinbox: account contoso: conflict\n"
    other = shell.fails("accounts", "open", "fabrikam", *dollars)
    assert other == "coinbox: account fabrikam: number_taken +18005550100\n"
    for command in (("show", "nobody"), ("grant", "nobody", "1", "--reference", "x")):
        assert shell.fails("accounts", *command) == "coinbox: account nobody: unknown_account\n"
    currency = shell.fails("accounts", "open", "contoso", "--currency", "EUR")
    assert currency == "coinbox: account contoso: currency_differs\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("grant", "contoso", "1e3", "--reference", "x"), "'1e3'"),
        (("grant", "contoso", "0.0000001", "--reference", "x"), "'0.0000001'"),
        (("set", "contoso", "--set", "recharge_amount=ten"), "'ten'"),
        (("set", "contoso", "--number", "18005550100"), "'18005550100'"),
        (("set", "contoso", "--user", "al ice"), "'al ice'"),
        (("open", "contoso", "--currency", "usd"), "'usd'"),
        (("open", "con toso", "--currency", "USD"), "'con toso'"),
        (("grant", "contoso", "1", "--reference", "x", "--expires", "soon"), "'soon'"),
        (("reverse", "contoso", "0", *REVERSAL), "more than 0"),
        (("grant", "contoso", "1", "--reference", "wire 7"), "'wire 7'"),
    ],
)
def test_a_bad_word_is_named(shell: Shell, arguments: tuple[str, ...], named: str) -> None:
    assert named in shell.fails("accounts", *arguments)


def test_a_port_that_is_taken_is_said_in_one_line(shell: Shell, ports_free: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(ports_free["COINBOX_HTTP__PORT"]))):
        said = shell.fails("serve", **ports_free, COINBOX_LOG__LEVEL="error")
    [line] = said.splitlines()
    assert line.startswith("coinbox: ")
    assert ports_free["COINBOX_HTTP__PORT"] in line


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (f"{HEADER}\n44,Britain,-1,0,60,60,USD\n".encode(), ("row 2", "rate_per_minute", "'-1'")),
        (f"{HEADER}\n44,Br\u00e9tagne,1,0,60,60,USD\n".encode("latin-1"), ("card.csv",)),
        (None, ("card.csv",)),
    ],
)
def test_a_wrong_rate_card_is_named_and_nothing_is_served(
    shell: Shell, content: bytes | None, named: tuple[str, ...]
) -> None:
    card = shell.folder / "card.csv"
    if content is not None:
        card.write_bytes(content)
    [said] = shell.fails("serve", COINBOX_RATES__CARDS=json.dumps([str(card)])).splitlines()
    assert all(word in said for word in (str(card), *named))


def test_a_country_of_the_pbx_that_is_none_is_named_beside_what_else_is_wrong(shell: Shell) -> None:
    card = shell.folder / "card.csv"
    settings = {"RATES__CARDS": json.dumps([str(card)]), "DIALING__COUNTRY": "XX"}
    said = shell.fails("serve", **{f"COINBOX_{name}": text for name, text in settings.items()})
    country, missing = sorted(said.splitlines(), key=lambda line: str(card) in line)
    assert "dialing.country = 'XX': must be a country" in country
    assert "No such file" in missing


def test_three_faults_of_the_settings_are_named_at_once(shell: Shell) -> None:
    file = shell.folder / "coinbox.toml"
    file.write_text("[agi]\nport = 0\n[calls]\nslice = 60\n")
    said = shell.fails("serve", "--config", str(file), COINBOX_HTTP__PORT="http")
    assert len(said.splitlines()) == 3
    assert all(key in said for key in ("agi.port", "calls.slice", "http.port"))


@pytest.fixture
def serving(shell: Shell, ports_free: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a gateway until its greeting is written whole."""
    with subprocess.Popen(
        [COMMAND, "serve"],
        cwd=shell.folder,
        env=shell.environment(ports_free),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process
        process.kill()


def test_a_gateway_says_what_listens_where_and_ends_when_it_is_asked_to(
    serving: subprocess.Popen[str], shell: Shell, ports_free: dict[str, str]
) -> None:
    assert serving.stdout
    greeting = [serving.stdout.readline() for _ in range(5)]
    assert f"agi://127.0.0.1:{ports_free['COINBOX_AGI__PORT']}/authorize" in greeting[0]
    # Beside a gateway that runs, the command line uses its store.
    while not (shell.folder / "coinbox-data/store/store.sock").exists():
        assert serving.poll() is None
    assert shell.run("accounts", "open", "contoso", "--currency", "USD").returncode == 0
    serving.terminate()
    assert serving.wait(30) == 0
    assert shell.account("contoso")["balance"] == "0.000000"


@pytest.mark.slow  # a second gateway waits for the first one's store to end, in vain
def test_a_second_gateway_on_one_folder_says_so(
    serving: subprocess.Popen[str], shell: Shell, ports: Ports
) -> None:
    while not (shell.folder / "coinbox-data/store/store.sock").exists():
        assert serving.poll() is None
    other = {f"COINBOX_{part}__PORT": str(ports.take()) for part in ("AGI", "HTTP", "AMI")}
    said = shell.fails("serve", **other)
    assert "is used by another gateway" in said
