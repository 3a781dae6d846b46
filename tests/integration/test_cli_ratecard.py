import json
import os
import pty
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.rating.ratecard import read_cards
from tests.integration.shell import Shell
from tests.lab.gateway import COMMAND

DECKS = Path(__file__).parents[1] / "unit/decks"
HEADER = "prefix,destination,rate_per_minute,currency"
PEAK = """prefix,destination,rate_per_minute,days,hours,currency
44,Britain,0.02,,,USD
44,Britain,0.03,mon-fri,08:00-18:00,USD
4420,London,0.01,,,USD
33,France [fixed],0.05,,,EUR
"""


def files(shell: Shell) -> list[str]:
    return sorted(file.name for file in shell.folder.iterdir())


def write(shell: Shell, name: str, text: str) -> str:
    (shell.folder / name).write_text(text)
    return name


def ran(shell: Shell, *arguments: str, **settings: str) -> str:
    ended = shell.run("ratecard", *arguments, **settings)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def test_help_names_what_there_is(shell: Shell) -> None:
    commands, options = ran(shell, "--help"), ran(shell, "import", "--help")
    assert all(word in commands for word in ("import", "check", "diff", "show"))
    assert all(word in options for word in ("--output", "--format", "--dates", "--force"))


# import


def test_a_deck_becomes_a_card_that_holds(shell: Shell) -> None:
    said = ran(shell, "import", str(DECKS / "carrier.csv"), "--output", "card.csv")
    assert said.splitlines() == [
        f"{DECKS / 'carrier.csv'}: carrier; columns not used: Country, Trunk Group",
        "card.csv: 4 rows in, 7 rows out, 1 duplicates dropped",
    ]
    assert files(shell) == ["card.csv"]
    assert "7" in ran(shell, "check", "card.csv")


def test_a_folder_is_a_tariff_plan(shell: Shell) -> None:
    shutil.copytree(DECKS / "tariffplan", shell.folder / "plan")
    write(shell, "plan/Actions.csv", "#Id,Action\nTOPUP,*topup\n")
    given = ("--plan", "RP_RETAIL", "--currency", "AUD", "--timezone", "Australia/Sydney")
    ran(shell, "import", "plan", "-o", "card.csv", *given)
    read_cards(("card.csv", (shell.folder / "card.csv").read_text()))
    assert "RP_STAFF" in shell.fails("ratecard", "import", "plan", "-o", "other.csv", *given[2:])


def test_what_a_deck_leaves_open_is_said_by_options(shell: Shell) -> None:
    text = "44\tBrit\xe4nnien\t1,250\t01/02/2027\n"
    (shell.folder / "deck.txt").write_bytes(text.encode("cp1252"))
    options = {
        "--format": "carrier",
        "--separator": "tab",
        "--encoding": "cp1252",
        "--decimal": ",",
        "--dates": "dmy",
        "--columns": "code,name,price,effective date",
        "--currency": "EUR",
        "--direction": "inbound",
        "--increments": "total",
        "--timezone": "Europe/Berlin",
        "--initial-seconds": "30",
        "--increment-seconds": "6",
    }
    words = [word for option in options.items() for word in option]
    ran(shell, "import", "deck.txt", "-o", "card.csv", *words)
    [row] = json.loads(ran(shell, "show", "card.csv", "--json"))
    wanted = {
        "destination": "Brit\xe4nnien",
        "rate_per_minute": "1.25",
        "effective_from": "2027-02-01",
        "currency": "EUR",
        "direction": "inbound",
        "increments": "total",
        "timezone": "Europe/Berlin",
        "initial_seconds": "30",
        "increment_seconds": "6",
    }
    assert {name: row[name] for name in wanted} == wanted


def test_a_card_that_is_there_stays_unless_it_is_forced_away(shell: Shell) -> None:
    card = shell.folder / write(shell, "card.csv", "kept")
    words = ("import", str(DECKS / "coinbox.csv"), "--output", "card.csv")
    assert "--force" in shell.fails("ratecard", *words)
    assert card.read_text() == "kept"
    ran(shell, *words, "--force")
    assert card.read_text() == (DECKS / "coinbox.csv").read_text()
    assert files(shell) == ["card.csv"]


def test_every_bad_row_is_named_and_nothing_is_written(shell: Shell) -> None:
    rows = "".join(f"44{row},Britain,-1\n" for row in range(60))
    write(shell, "deck.csv", f"Prefix,Destination,Rate\n{rows}")
    said = shell.fails("ratecard", "import", "deck.csv", "-o", "card.csv", "--currency", "USD")
    lines = said.splitlines()
    assert lines[0].startswith("coinbox: deck.csv: row 2: Rate = '-1': must be")
    assert lines[49].startswith("deck.csv: row 51: ")
    assert lines[50:] == ["and 10 faults more"]
    assert files(shell) == ["deck.csv"]


@pytest.mark.parametrize("command", [("import", "-o", "card.csv"), ("check",), ("show",)])
@pytest.mark.parametrize("name", ["latin.csv", "nowhere.csv"])
def test_a_file_that_cannot_be_read_is_named(
    shell: Shell, command: tuple[str, ...], name: str
) -> None:
    (shell.folder / "latin.csv").write_bytes(
        "Prefix,Destination,Rate\n1,\xe9,1\n".encode("latin-1")
    )
    [said] = shell.fails("ratecard", *command, name).splitlines()
    assert said.startswith(f"coinbox: {name}: file")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--format", "asterisk"),
        ("--separator", "::"),
        ("--encoding", "hex"),
        ("--decimal", "'"),
        ("--dates", "ymd"),
        ("--currency", "usd"),
        ("--direction", "up"),
        ("--increments", "some"),
        ("--timezone", "Mars/Olympus"),
        ("--initial-seconds", "0"),
        ("--increment-seconds", "90000"),
        ("--effective-from", "soon"),
    ],
)
def test_a_wrong_option_is_named(shell: Shell, option: str, value: str) -> None:
    deck = str(DECKS / "carrier.csv")
    assert option in shell.fails("ratecard", "import", deck, "-o", "card.csv", option, value)
    assert files(shell) == []


def test_a_terminal_shows_how_far_a_long_deck_is_read(shell: Shell) -> None:
    rows = "".join(f"44{row},Britain,0.1\n" for row in range(10_000))
    write(shell, "deck.csv", f"Prefix,Destination,Rate\n{rows}")
    terminal, other_end = pty.openpty()
    subprocess.run(
        [COMMAND, "ratecard", "import", "deck.csv", "-o", "card.csv", "--currency", "USD"],
        cwd=shell.folder,
        env=shell.environment({"TERM": "xterm"}),
        stdout=subprocess.DEVNULL,
        stderr=other_end,
        timeout=60,
        check=True,
    )
    os.close(other_end)
    assert b"deck.csv" in os.read(terminal, 65_536)
    os.close(terminal)


# check


def test_a_check_tells_what_each_card_has(shell: Shell) -> None:
    write(shell, "peak.csv", PEAK)
    write(shell, "free.csv", f"{HEADER},direction\n800,Free,0,USD,inbound\n")
    lines = ran(shell, "check", "peak.csv", "free.csv").splitlines()
    assert [line.replace("│", "").split()[1:] for line in lines if "@" in line] == [
        ["4", "3", "EUR", "USD", "outbound"],
        ["1", "1", "USD", "inbound"],
    ]


def test_a_check_without_cards_is_one_of_the_settings(shell: Shell) -> None:
    assert "outbound@" in ran(shell, "check")


def test_a_check_names_every_fault(shell: Shell) -> None:
    write(shell, "one.csv", f"{HEADER}\n44,Britain,0.1,USD\n0,,x,USD\n")
    write(shell, "two.csv", f"{HEADER}\n44,Britain,0.2,USD\n")
    said = shell.fails("ratecard", "check", "one.csv", "two.csv").splitlines()
    assert [line.partition(" = ")[0] for line in said] == [
        "coinbox: one.csv: row 3: prefix",
        "one.csv: row 3: destination",
        "one.csv: row 3: rate_per_minute",
        "two.csv: row 2: prefix",
    ]


# diff


def test_a_diff_tells_what_changes_for_a_caller(shell: Shell) -> None:
    write(shell, "old.csv", PEAK)
    new = PEAK.replace("0.03", "0.04").replace("4420,", "4421,").replace("0.05", "0.045")
    write(shell, "new.csv", new)
    said = ran(shell, "diff", "old.csv", "new.csv")
    assert said.splitlines()[-1] == "1 added, 1 removed, 1 dearer, 1 cheaper, 0 changed"
    assert all(text in said for text in ("outbound, EUR", "outbound, USD", "France [fixed]"))
    assert "2 changes more" in ran(shell, "diff", "old.csv", "new.csv", "--limit", "2")
    changes = json.loads(ran(shell, "diff", "old.csv", "new.csv", "--json"))
    assert [(one["change"], one["prefix"], one["columns"]) for one in changes] == [
        ("cheaper", "33", ["rate_per_minute"]),
        ("dearer", "44", ["rate_per_minute"]),
        ("removed", "4420", []),
        ("added", "4421", []),
    ]
    assert changes[1]["before"]["rate_per_minute"] == "0.03"
    assert changes[1]["after"]["rate_per_minute"] == "0.04"
    assert changes[3]["before"] is None


# show


@pytest.mark.parametrize(
    ("number", "at", "rate", "row"),
    [
        ("+442012345678", "2026-11-30T12:00Z", "0.01", 4),
        ("44", "2026-11-30T12:00Z", "0.03", 3),
        ("+447700900000", "2026-11-29", "0.02", 2),
    ],
)
def test_a_number_has_the_price_of_its_longest_prefix_at_a_time(
    shell: Shell, number: str, at: str, rate: str, row: int
) -> None:
    write(shell, "peak.csv", PEAK)
    [found] = json.loads(ran(shell, "show", "peak.csv", number, "--at", at, "--json"))
    assert (found["rate_per_minute"], found["row"]) == (rate, row)
    assert found["card"].startswith("peak@")
    assert rate in ran(shell, "show", "peak.csv", number, "--at", at)


def test_a_number_without_a_price_is_said(shell: Shell) -> None:
    write(shell, "peak.csv", PEAK)
    assert shell.fails("ratecard", "show", "peak.csv", "+81") == "coinbox: +81: no row prices it\n"
    assert "--at" in shell.fails("ratecard", "show", "peak.csv", "44", "--at", "soon")


def test_rows_of_a_card_are_shown_up_to_a_limit(shell: Shell) -> None:
    write(shell, "peak.csv", PEAK)
    said = ran(shell, "show", "peak.csv")
    assert all(text in said for text in ("France [fixed]", "mon-fri 08:00-18:00, UTC", "1/1"))
    assert ran(shell, "show", "peak.csv", "--limit", "3").endswith("1 rows more\n")
    assert len(json.loads(ran(shell, "show", "peak.csv", "--limit", "3", "--json"))) == 4


def test_a_number_is_priced_by_the_cards_of_the_settings(shell: Shell) -> None:
    card = shell.folder / write(shell, "peak.csv", PEAK)
    settings = {"COINBOX_RATES__CARDS": json.dumps([str(card)])}
    [found] = json.loads(ran(shell, "show", "+33", "--json", **settings))
    assert found["destination"] == "France [fixed]"
