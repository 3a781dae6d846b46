"""Users, and what is set for them and their accounts, by the command line."""

import json

import pytest

from tests.integration.shell import Shell

USERS = """user,country,plans,limit_calls,limit_day
ana,DE,"domestic-120,credits",2,10.00
bob,FR,domestic-120,,
cas,,,,
"""


@pytest.fixture
def contoso(shell: Shell) -> Shell:
    shell.run("accounts", "open", "contoso", "--currency", "USD", "--user", "ana")
    return shell


def users(shell: Shell) -> dict[str, dict[str, object]]:
    shown = shell.run("users", "list", "contoso")
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    assert isinstance(found, dict)
    return found


def test_users_are_imported_and_listed_and_changed_one_by_one(contoso: Shell) -> None:
    (contoso.folder / "users.csv").write_text("\ufeff" + USERS)
    imported = contoso.run("users", "import", "contoso", "users.csv")
    assert (imported.returncode, imported.stdout) == (0, "contoso: 3 users set, 2 of them added\n")
    found = users(contoso)
    assert found["ana"]["profile"] == {"country": "DE", "plans": "domestic-120,credits"}
    none = dict.fromkeys(("calls", "per_minute", "day", "month"))
    assert found["ana"]["limits"] == {**none, "calls": 2, "day": "10.000000"}
    assert (found["bob"]["limits"], found["cas"]["profile"]) == (none, {})
    changes = ("--set", "limit_calls=", "--set", "country=AT", "--set", "blocked=1900,44870")
    assert contoso.run("users", "set", "contoso", "ana", *changes).returncode == 0
    ana = users(contoso)["ana"]
    assert ana["limits"] == {**none, "day": "10.000000"}
    assert ana["profile"] == {
        "blocked": "1900,44870",
        "country": "AT",
        "plans": "domestic-120,credits",
    }


def test_a_file_with_a_wrong_row_is_refused_whole_and_each_cell_is_named(contoso: Shell) -> None:
    rows = (
        "user,country,plans,limit_calls,limit_day,rate_max",
        "eve,DE,credits,2,1,0.5",
        "bob,XX,gold,-1,1e3,dear",
        "al ice,DE,,,,",
        "eve,DE,,,,",
        "dan,DE",
    )
    (contoso.folder / "users.csv").write_text("\n".join(rows))
    said = contoso.fails("users", "import", "contoso", "users.csv").splitlines()
    named = [line.removeprefix("coinbox: ").partition(" = ")[0] for line in said]
    assert named == [
        *(f"users.csv: row 3: {column}" for column in ("country", "plans", "limit_calls")),
        *(f"users.csv: row 3: {column}" for column in ("limit_day", "rate_max")),
        "users.csv: row 4: user",
        "users.csv: row 5: user",
        "users.csv: row 6: columns",
    ]
    assert list(users(contoso)) == ["ana"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"name,country\nana,DE\n", "columns"),
        (b"user,user\nana,DE\n", "columns"),
        (b"user,premium\nana,yes\n", "columns"),
        (b"user,country\n", "rows"),
        (b"user\n\xff\n", "utf-8"),
        (None, "No such file"),
    ],
)
def test_a_file_that_is_none_of_users_is_named(
    shell: Shell, content: bytes | None, named: str
) -> None:
    if content is not None:
        (shell.folder / "users.csv").write_bytes(content)
    assert named in shell.fails("users", "import", "contoso", "users.csv")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("accounts", "set", "contoso", "--set", "colour=red"), "colour = 'red'"),
        (("accounts", "set", "contoso", "--set", "country"), "NAME=VALUE"),
        (("accounts", "set", "contoso", "--set", "time_zone=Mars"), "time_zone = 'Mars'"),
        (("accounts", "set", "contoso", "--set", "licences=gold=5"), "no plan 'gold'"),
        (("accounts", "set", "contoso", "--set", "licences=domestic-120=5"), "PLAN:COUNTRY=NUMBER"),
        (
            ("accounts", "set", "contoso", "--set", "licences=audio-conferencing:US=5"),
            "takes PLAN=NUMBER",
        ),
        (
            ("accounts", "set", "contoso", "--set", "licences=domestic-120-user=5"),
            "no shared pool",
        ),
        (("accounts", "set", "contoso", "--set", "plans=credits,credits"), "each once"),
        (("accounts", "set", "contoso", "--set", "limit_calls=many"), "limit_calls = 'many'"),
        (("users", "set", "contoso", "ana", "--set", "premium=yes"), "premium = 'yes'"),
        (("users", "set", "con toso", "ana"), "'con toso'"),
        (("users", "set", "contoso", "an a"), "'an a'"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_opened(
    shell: Shell, arguments: tuple[str, ...], named: str
) -> None:
    assert named in shell.fails(*arguments)
    assert not (shell.folder / "coinbox-data").exists()


def test_users_of_an_account_that_is_not_open_are_refused(shell: Shell) -> None:
    for command in (("set", "nobody", "ana"), ("list", "nobody")):
        assert shell.fails("users", *command) == "coinbox: account nobody: unknown_account\n"
