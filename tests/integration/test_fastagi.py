import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from gateway.calls.authorizer import Allowed
from gateway.calls.ports import CallRequest, JoinRequest
from gateway.ledger.outcomes import Joined
from gateway.pbx import fastagi
from gateway.pbx.fastagi import FastAgi
from gateway.rating.steps import Reason
from tests.integration.agi import CALL, asked, header, listening, said
from tests.lab.ports import Ports
from tests.lab.processes import until

ALLOW = 'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+442071838750,contoso"\n'


@dataclass(frozen=True)
class Server:
    """A FastAGI server that allows every call to a number, and fails for any other."""

    agi: FastAgi
    port: int


async def allow(request: CallRequest) -> Allowed | Reason:
    if request.dialed == "refuse":
        return Reason.NO_CREDIT
    if not request.dialed.startswith("+"):
        raise RuntimeError(request.dialed)
    return Allowed(60, request.dialed, request.account)


async def quote(request: CallRequest) -> Reason:
    return Reason.NO_RATE if request.call_type == "conf_out" else Reason.POLICY


async def join(request: JoinRequest) -> Joined | Reason:
    assert (request.call_id, request.account) == (CALL[0], "contoso")
    if request.conference != "4711":
        return Reason.UNKNOWN_CONFERENCE
    return Joined("ana", leads=True) if request.pin == "99" else Joined("ana", leads=False)


@pytest.fixture
async def server(ports: Ports) -> AsyncIterator[Server]:
    agi, port = FastAgi(allow, quote, join), ports.take()
    async with listening(port, agi.serve("127.0.0.1", port, asyncio.Event())):
        yield Server(agi, port)
        await until(lambda: agi.connections == 0, "every connection has ended")


async def test_the_answer_is_one_command_whole(server: Server) -> None:
    assert await asked(server.port) == ALLOW
    assert await asked(server.port, *CALL[:4], "refuse") == denied("no_credit")


def denied(reason: str) -> str:
    return f'SET VARIABLE COINBOX_ANSWER "DENY,{reason},"\n'


async def test_who_only_asks_and_who_names_a_conference_are_answered_too(server: Server) -> None:
    async def answer(script: str, *words: str, labels: str) -> str:
        return await said(server.port, header(*words, script=script, labels=labels))

    assert await answer("quote", CALL[0], "conf_out", *CALL[2:], labels="//") == denied("no_rate")
    assert await answer("quote", *CALL, labels="//") == denied("policy")
    for conference, pin, expected in (
        ("4711", "", 'SET VARIABLE COINBOX_ANSWER "JOIN,guest,ana"\n'),
        ("4711", "99", 'SET VARIABLE COINBOX_ANSWER "JOIN,leader,ana"\n'),
        ("4712", "", denied("unknown_conference")),
    ):
        words = (CALL[0], "contoso", conference, pin)
        assert await answer("conference", *words, labels="") == expected


@pytest.mark.parametrize("labels", ["", "/4001", "/4001//", "/4001/a b", "/40\x0101/"])
async def test_labels_that_are_none_get_no_call(server: Server, labels: str) -> None:
    answer = await said(server.port, header(*CALL, labels=labels))
    assert answer in ("", denied("bad_call_id"))


async def test_who_drains_answers_those_who_have_asked_and_nobody_else(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastagi, "CONVERSATION_SECONDS_MAX", 5)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until(lambda: server.agi.connections == 1, "it has asked")
    async with asyncio.TaskGroup() as tasks:
        draining = tasks.create_task(server.agi.drain())
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", server.port)
        assert not draining.done()
        writer.write(header(*CALL))
        assert (await reader.readline()).decode() == ALLOW
        writer.close()


@pytest.mark.parametrize(
    ("position", "word", "reason"),
    [
        (0, "", "bad_call_id"),
        (0, "pbx 1", "bad_call_id"),
        (0, "x" * 101, "bad_call_id"),
        (0, '1"\u00e9', "bad_call_id"),
        (2, "con toso", "unknown_account"),
        (2, "x" * 65, "unknown_account"),
        (3, "a\x00b", "unknown_user"),
        (3, "a,b", "unknown_user"),
    ],
)
async def test_a_malformed_word_is_refused_by_its_reason(
    server: Server, position: int, word: str, reason: str
) -> None:
    words = [*CALL[:position], word, *CALL[position + 1 :]]
    answer = await asked(server.port, *words)
    assert answer == denied(reason)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(header(*CALL, script="balance"), id="another script"),
        pytest.param(b"\n\n", id="nothing asked"),
        pytest.param(header(*CALL[:4], "fail"), id="a decision that fails"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"\n\n", id="HTTP"),
        pytest.param(bytes(range(256)) * 8 + b"\n\n", id="binary"),
        pytest.param(b"agi_request: " + b"x" * 100_000, id="100 kB without an end"),
        pytest.param(b"agi_x: y\n" * 12_000 + b"\n", id="100 kB of headers"),
    ],
)
async def test_what_is_no_question_is_closed_unanswered(server: Server, sent: bytes) -> None:
    assert await said(server.port, sent) == ""
    assert await asked(server.port) == ALLOW


@pytest.mark.parametrize(
    "reply", [b"", b"HANGUP\n", b"HANGUP\n200 result=1\n", b"511 dead\n", b"\xff\n", b"200"]
)
async def test_a_caller_who_hangs_up_at_the_answer_harms_nobody(
    server: Server, reply: bytes
) -> None:
    assert await said(server.port, header(*CALL), to_command=reply) == ALLOW
    assert await asked(server.port) == ALLOW


@pytest.mark.parametrize("line_end", ["\n", "\n\n", "\x0b", "\x1c", "\r", "\u2028"])
async def test_a_caller_cannot_ask_in_their_name_for_something_else(
    server: Server, line_end: str
) -> None:
    forged = "agi_network_script: authorize/x/user_out/contoso/alice/refuse//"
    name = f"Eve{line_end}{forged}{line_end}"
    assert await said(server.port, header(*CALL, caller_name=name)) == ALLOW


async def test_a_header_may_come_in_pieces(server: Server) -> None:
    whole = header(*CALL)
    assert await said(server.port, *(whole[at : at + 7] for at in range(0, len(whole), 7))) == ALLOW


async def test_peers_that_connect_and_close_a_thousand_times_harm_nobody(server: Server) -> None:
    for number in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        if number % 2:
            writer.write(header(*CALL)[:40])
        writer.close()
        if number % 100 == 0:
            assert await asked(server.port) == ALLOW
    assert await asked(server.port) == ALLOW


@pytest.mark.parametrize("sent", [b"", header(*CALL)[:40], header(*CALL)])
async def test_a_silent_peer_is_closed_in_time(
    server: Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(fastagi, "CONVERSATION_SECONDS_MAX", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    await reader.read()
    writer.close()
    assert await asked(server.port) == ALLOW


async def test_one_peer_too_many_is_closed_unanswered_until_there_is_room_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastagi, "CONNECTIONS_MAX", 20)
    silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(20)]
    await until(lambda: server.agi.connections == 20, "every place is taken")
    assert await asked(server.port) == ""
    silent[0][1].close()
    await until(lambda: server.agi.connections == 19, "a place is free")
    assert await asked(server.port) == ALLOW
    for _, writer in silent:
        writer.close()
