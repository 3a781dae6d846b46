"""What `coinbox doctor` finds on a real Asterisk: all right, and each thing that can be wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.config import PbxSettings, Settings
from gateway.pbx.checkup import check_up
from gateway.pbx.findings import Finding, Verdict
from tests.lab import faketime
from tests.lab.gateway import CommandFailedError
from tests.lab.lab import Lab
from tests.lab.scenes import GERMANY, SETTINGS, settled
from tests.lab.sipp import Caller

CHECKS = [
    *("AMI", "rights", "clock", "modules", "dialplan", "name", "emergency", "AGI", "trunk"),
    *("times", "events"),
]
DIALPLAN, MANAGER = "dialplan reload", "manager reload"


@pytest.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    """One whose PBX has nothing wrong: its only gateway runs."""
    async with (
        Lab(settings=SETTINGS) as lab,
        lab.asterisk.changed("extensions.conf", r"&agi://\S+", "", DIALPLAN),
    ):
        yield lab


async def checked(lab: Lab, **settings: object) -> list[Finding]:
    """Check the lab's PBX, with settings of its section that are other than the lab's."""
    pbx = PbxSettings.model_validate({**lab.pbx, **settings})
    return await check_up(Settings(data_dir=lab.folder, pbx={"lab": pbx}), "lab")


async def worst(lab: Lab, **settings: object) -> Finding:
    """Check the lab's PBX, and give the one finding that is not as it should be."""
    [finding] = [
        finding for finding in await checked(lab, **settings) if finding.verdict is not Verdict.OK
    ]
    return finding


async def test_all_is_right_beside_a_gateway_and_a_live_call(lab: Lab) -> None:
    await lab.gateway.open_account("contoso", "--user", "alice")
    await lab.gateway.grant("contoso", "1.00", "p1")
    calls = await lab.call(GERMANY, Caller("contoso", talk_seconds=4))
    await calls.until_answered()
    log = len(lab.gateway.log())
    said = await lab.gateway.command("doctor")
    [caller] = await calls.finished()
    body = await settled(lab, "contoso")

    lines = [line.split()[:2] for line in said.splitlines()[1:-1]]
    assert lines == [["ok", check] for check in CHECKS]
    assert said.splitlines()[-1] == f"doctor: 1 PBX checked, {len(CHECKS)} ok, 0 warn, 0 wrong"
    assert (caller.ended_by, body["spent"], body["held"]) == ("caller", "0.011250", "0.000000")
    told = [line["event"] for line in map(json.loads, lab.gateway.log()[log:].splitlines())]
    assert sorted(told) == ["call.ended", "call.refused"]  # that of the quote


@dataclass(frozen=True)
class Broken:
    """One place of the PBX's configuration that is changed, and what is found then."""

    file: str
    pattern: str
    replacement: str
    check: str
    verdict: Verdict
    says: str
    change: str
    reload: str = DIALPLAN


def user(pattern: str, replacement: str, *found: str) -> Broken:
    check, verdict, says, change = found
    file, of = "manager-coinbox.conf", Verdict(verdict)
    return Broken(file, pattern, replacement, check, of, says, change, MANAGER)


def setting(name: str, value: str, check: str, says: str, change: str) -> Broken:
    last = "COINBOX_OPTIONS = TK\n"
    replacement = f"{last}{name} = {value}\n"
    return Broken("extensions.conf", last, replacement, check, Verdict.WRONG, says, change)


BROKEN = {
    "rights_too_many": user(
        *("(write = .*)", r"\1,command,config", "rights", "warn"),
        *("that the gateway does not need: command, config", "[coinbox]: write = system,originate"),
    ),
    "no_eventfilter": user(
        *(r"(eventfilter.*\n)+", "", "events", "warn"),
        *("that nobody reads: ", "eventfilter = ^Event: (FullyBooted|AttendedTransfer|"),
    ),
    "own_event_filtered": user(
        *(": CoinboxLeg", ": Others", "events", "wrong"),
        *("CoinboxLeg does not arrive", "|UserEvent.*UserEvent: CoinboxLeg)"),
    ),
    "read_without_call": user(
        *("read = .*", "read = system,user", "events", "wrong"),
        *("would not tell of transfers", "[coinbox]: read = system,call,user"),
    ),
    "read_without_system": user(
        *("read = .*", "read = call,user", "AMI", "wrong"),
        *("not told that the PBX has booted", "[coinbox]: read = system,call,user"),
    ),
    "one_login_only": user(
        *("allowmultiplelogin = yes", "allowmultiplelogin = no", "AMI", "wrong"),
        *("Login Already In Use", "[coinbox]: allowmultiplelogin = yes"),
    ),
    "address_denied": user(
        *("permit = .*", "permit = 192.0.2.1", "AMI", "wrong"),
        *("may not log in from 127.0.0.1", "[coinbox]: permit = 127.0.0.1"),
    ),
    "no_times": Broken(
        *("manager.conf", "timestampevents = yes", "timestampevents = no", "times", Verdict.WARN),
        *("no Timestamp", "manager.conf, [general]: timestampevents = yes", MANAGER),
    ),
    "dialplan_not_included": Broken(
        *("extensions.conf", "#include .*", "", "dialplan", Verdict.WRONG),
        *("coinbox-doctor does not run", "at the top: #include extensions-coinbox.conf"),
    ),
    "dialplan_of_another_version": Broken(
        *("extensions-coinbox.conf", r"Version: [\d.]+", "Version: 0.0.9", "dialplan"),
        *(Verdict.WRONG, "version 0.0.9 is loaded", "Asterisk's folder: the files of "),
    ),
    "emergency_file_empty": Broken(
        *("extensions-coinbox-emergency.conf", r"(?s)\A.*\Z", "", "emergency", Verdict.WRONG),
        *("of the countries are not loaded", "extensions-coinbox-emergency.conf of "),
    ),
    "country_unknown": setting(
        *("COINBOX_COUNTRY", "Germany", "emergency"),
        *("no numbers are loaded of 'Germany'", "COINBOX_COUNTRY = two letters of ISO 3166"),
    ),
    "name_of_another": setting(
        *("COINBOX_PBX", "munich", "name"),
        *("COINBOX_PBX is 'munich', and [pbx.lab]", "[globals]: COINBOX_PBX = lab"),
    ),
    "no_gateway_named": setting(
        *("COINBOX_AGI", "", "AGI", "names no gateway", "COINBOX_AGI = agi://"),
    ),
    "trunk_missing": setting(
        *("COINBOX_TRUNK", "nowhere", "trunk"),
        *("there is no PJSIP endpoint 'nowhere'", "[globals]: COINBOX_TRUNK = the endpoint"),
    ),
    "trunk_transfers": Broken(
        *("pjsip.conf", "allow_transfer = no", "", "trunk", Verdict.WARN),
        *("trunk lets those who are called transfer", "[trunk]: allow_transfer = no"),
        "module reload res_pjsip.so",
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
async def test_what_is_wrong_on_the_pbx_is_named_with_what_to_change(
    lab: Lab, broken: Broken
) -> None:
    async with lab.asterisk.changed(broken.file, broken.pattern, broken.replacement, broken.reload):
        finding = await worst(lab)

    assert (finding.check, finding.verdict) == (broken.check, broken.verdict)
    assert broken.says in finding.says
    assert broken.change in "\n".join(finding.change)


@pytest.mark.parametrize(
    ("write", "missing", "not_checked"),
    [
        ("system", "Originate", {"dialplan"}),
        ("call,originate", "DBGetTree, DBDel", {"modules", "trunk"}),
    ],
)
async def test_a_right_that_is_missing_is_named_with_what_cannot_be_checked(
    lab: Lab, write: str, missing: str, not_checked: set[str]
) -> None:
    async with lab.asterisk.changed(
        "manager-coinbox.conf", "write = .*", f"write = {write}", MANAGER
    ):
        found = await checked(lab)

    [rights] = [finding for finding in found if finding.verdict is Verdict.WRONG]
    assert (rights.check, rights.says) == ("rights", f"coinbox may not {missing}")
    assert rights.change == ("manager-coinbox.conf, [coinbox]: write = system,originate",)
    warned = {finding.check: finding.says for finding in found if finding.verdict is Verdict.WARN}
    assert set(warned) == not_checked
    assert all("not checked" in says for says in warned.values())


async def test_a_secret_that_is_wrong_is_named_by_where_it_is_kept(lab: Lab) -> None:
    lab.gateway.settings["pbx.other"] = {**lab.pbx, "secret": "wrong"}
    try:
        with pytest.raises(CommandFailedError) as failed:
            await lab.gateway.command("doctor", "other", "--json")
    finally:
        del lab.gateway.settings["pbx.other"]
    [finding] = json.loads(str(failed.value).partition(": ")[2])["other"]

    assert (finding["check"], finding["verdict"]) == ("AMI", "wrong")
    assert finding["says"] == "coinbox may not log in from 127.0.0.1: Authentication failed"
    assert any("secret = as in pbx.other.secret" in line for line in finding["change"])
    assert "wrong" not in str(finding["change"])


async def test_a_pbx_that_the_settings_do_not_name_is_refused(lab: Lab) -> None:
    with pytest.raises(CommandFailedError, match="'nobody' is not in the settings"):
        await lab.gateway.command("doctor", "nobody")


async def test_a_port_that_is_closed_is_told(lab: Lab) -> None:
    port = lab.other_gateway.agi_port
    finding = await worst(lab, port=port)

    assert (finding.check, finding.verdict) == ("AMI", Verdict.WRONG)
    assert f"nobody listens at 127.0.0.1:{port}" in finding.says
    assert "start Asterisk, if it does not run" in finding.change


async def test_a_port_of_somebody_else_is_told(lab: Lab) -> None:
    finding = await worst(lab, port=lab.gateway.agi_port)

    assert (finding.check, finding.verdict) == ("AMI", Verdict.WRONG)
    assert "no answer to Login" in finding.says
    assert "settings, [pbx.lab]: host and port, if they are not those of AMI" in finding.change


async def test_a_module_that_is_missing_is_named(lab: Lab) -> None:
    await lab.asterisk.cli("module unload func_groupcount.so")
    try:
        finding = await worst(lab)
    finally:
        await lab.asterisk.cli("module load func_groupcount.so")

    assert (finding.check, finding.verdict) == ("modules", Verdict.WRONG)
    assert finding.change == ("modules.conf, [modules]: load = func_groupcount.so",)


async def test_a_gateway_that_is_stopped_is_told(lab: Lab) -> None:
    await lab.gateway.stop()
    try:
        finding = await worst(lab)
    finally:
        await lab.gateway.start()

    assert (finding.check, finding.verdict) == ("AGI", Verdict.WRONG)
    assert f"agi://127.0.0.1:{lab.gateway.agi_port} cannot be reached" in finding.says
    assert any("coinbox serve" in line for line in finding.change)


@asynccontextmanager
async def second_gateway(lab: Lab, answer: bytes | None) -> AsyncIterator[str]:
    """Put a second gateway on the PBX's list, which says this, or is silent."""
    ended = asyncio.Event()

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        if answer is None:
            await ended.wait()
        else:
            writer.write(answer)
            await reader.readline()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        url = f"agi://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with lab.asterisk.changed(
            "extensions.conf", r"(COINBOX_AGI = \S+)", rf"\1\&{url}", DIALPLAN
        ):
            yield url
        ended.set()


async def test_a_second_gateway_that_is_away_is_warned_of(lab: Lab) -> None:
    url = f"agi://127.0.0.1:{lab.other_gateway.agi_port}"
    async with lab.asterisk.changed(
        "extensions.conf", r"(COINBOX_AGI = \S+)", rf"\1\&{url}", DIALPLAN
    ):
        said = (await lab.gateway.command("doctor")).splitlines()
    [at] = [at for at, line in enumerate(said) if line.startswith("warn ")]

    assert said[at].split()[1:3] == ["AGI", url]
    assert said[at].endswith("cannot be reached from the PBX, so that calls ask the next one")
    assert said[at + 1].startswith(
        " " * 17 + "> that gateway: coinbox serve; in its settings, [agi]"
    )
    assert said[-1] == f"doctor: 1 PBX checked, {len(CHECKS)} ok, 1 warn, 0 wrong"


async def test_a_second_gateway_that_never_answers_is_told(lab: Lab) -> None:
    async with second_gateway(lab, None) as url:
        finding = await worst(lab)
        await lab.asterisk.until_idle(1)  # though it goes on being silent

    assert (finding.check, finding.verdict) == ("AGI", Verdict.WRONG)
    assert f"{url} accepts the PBX, and never answers" in finding.says


async def test_a_second_gateway_without_its_store_is_told(lab: Lab) -> None:
    answer = b'SET VARIABLE COINBOX_ANSWER "DENY,service_down,"\n'
    async with second_gateway(lab, answer) as url:
        finding = await worst(lab)

    assert (finding.check, finding.verdict) == ("AGI", Verdict.WRONG)
    assert f"{url} answers the PBX, but its store does not" in finding.says


async def test_an_emergency_file_that_asterisk_misses_is_advised(lab: Lab) -> None:
    name = "extensions-coinbox-emergency.conf"
    file = lab.folder / "asterisk/etc" / name
    await lab.asterisk.cli("module unload pbx_config.so")
    file.rename(file.with_suffix(".away"))
    try:
        await lab.asterisk.cli("module load pbx_config.so")
        found = {finding.check: finding for finding in await checked(lab)}
    finally:
        file.with_suffix(".away").rename(file)
        await lab.asterisk.cli("module unload pbx_config.so")
        await lab.asterisk.cli("module load pbx_config.so")

    assert found["dialplan"].verdict is Verdict.WRONG
    assert any("both extensions-coinbox*.conf" in line for line in found["dialplan"].change)


@faketime.LOADS_IN_ASTERISK
async def test_a_clock_that_is_off_is_warned_of(tmp_path: Path) -> None:
    clock = tmp_path / "offset"
    faketime.write(clock, "-30")
    async with Lab(with_gateway=False, asterisk_environment=faketime.environment(clock)) as lab:
        found = {finding.check: finding for finding in await checked(lab)}

    assert found["clock"].verdict is Verdict.WARN
    assert found["clock"].says.startswith("30.0 s behind ours")
    assert found["clock"].change == ("both machines: NTP",)
    # Nobody serves FastAGI here, and all else can be checked.
    assert {found[check].verdict for check in CHECKS if check not in {"AGI", "clock"}} == {
        Verdict.OK
    }
    assert found["AGI"].verdict is Verdict.WRONG
