from dataclasses import replace

import pytest

from gateway.calls.ports import Answered, Ended, Leg, LegEvent, Record, Ringing
from gateway.calls.session import (
    HANG_UP_AFTER_MS,
    HANG_UP_AGAIN_MS,
    HANG_UP_LATER_MS,
    HANG_UPS_IN_A_ROW,
    Due,
    Move,
    Pace,
    Session,
    State,
)
from gateway.ledger.outcomes import Held, Hold
from gateway.rating.number import Kind
from gateway.rating.plan import Pool
from gateway.rating.terms import Terms
from tests.unit.rates import rate, tariff

CALL = "pbx-1.1-1"
LEG = "PJSIP/trunk-1"
START = 1_700_000_000_000  # the answer, by the PBX's clock
PACE = Pace(60, 35, (30, 10))
RENEW_BEFORE = PACE.renew_before_ms(CALL)

RINGING = Ringing(CALL, LEG)
ANSWERED = Answered(CALL, LEG, START)
TERMS = Terms(
    tariff=rate("0.6", fee="0.1"),
    pool=None,
    seconds_max=86_400,
    time_zone="UTC",
    kind=Kind.FIXED,
    country="GB",
    international=True,
)
NEW = Session(
    call_id=CALL,
    account="contoso",
    user="alice",
    call_type="user_out",
    number="+442071838750",
    terms=TERMS,
    granted_seconds=60,
    held=700_000,
)
UP = NEW.on(RINGING).on(ANSWERED)
LAST = UP.refused(START)


def ended(talked_ms: int, *, answered_ms: int = START) -> Ended:
    return Ended(CALL, Record("user_out", answered_ms, START + talked_ms, 16))


DONE = UP.on(ended(1000))
RELEASED = NEW.on(ended(0, answered_ms=0))


@pytest.mark.parametrize(
    ("session", "event", "state"),
    [
        (NEW, RINGING, State.AUTHORIZED),
        (NEW, ANSWERED, State.ANSWERED),
        (NEW, ended(0, answered_ms=0), State.RELEASED),
        (NEW, ended(1000), State.ENDED),  # the answer was missed
        (UP, ended(1000), State.ENDED),
        (LAST, ended(60_000), State.ENDED),
    ],
)
def test_what_the_pbx_tells_moves_a_call_on(
    session: Session, event: LegEvent, state: State
) -> None:
    assert session.on(event).state is state


@pytest.mark.parametrize(
    ("session", "event"),
    [
        (UP, RINGING),
        (UP, ANSWERED),
        (UP, Answered(CALL, "PJSIP/other-2", START + 5000)),
        (LAST, ANSWERED),
        *((over, event) for over in (DONE, RELEASED) for event in (RINGING, ANSWERED, ended(9999))),
    ],
)
def test_what_comes_late_or_twice_changes_nothing(session: Session, event: LegEvent) -> None:
    assert session.on(event) == session


def test_the_call_follows_the_leg_that_was_answered() -> None:
    assert UP.channel == LEG
    assert UP.paid_until_ms == UP.deadline_ms == START + 60_000


def test_a_refused_slice_is_the_last_until_money_comes() -> None:
    assert (LAST.state, LAST.extension) == (State.LAST_SLICE, 1)
    again = LAST.credited()
    assert again.state is State.ANSWERED
    more = again.extended(2, Held(120, 1_300_000, 0))
    assert (more.state, more.extension, more.paid_until_ms, more.held) == (
        State.ANSWERED,
        2,
        START + 120_000,
        1_300_000,
    )


def test_a_call_may_be_extended_before_its_answer_or_not() -> None:
    more = NEW.extended(1, Held(120, 1_300_000, 0))
    assert (more.state, more.extension, more.granted_seconds) == (State.AUTHORIZED, 1, 120)
    assert (NEW.refused(START).state, NEW.refused(START).extension) == (State.AUTHORIZED, 1)
    assert more.on(ANSWERED).paid_until_ms == START + 120_000


@pytest.mark.parametrize("session", [NEW, UP, DONE, RELEASED])
def test_money_concerns_only_a_call_in_its_last_slice(session: Session) -> None:
    assert session.credited() == session


@pytest.mark.parametrize(
    ("session", "at_ms", "due"),
    [
        pytest.param(NEW, 0, Due(Move.WAIT), id="ringing is the PBX's to end"),
        pytest.param(
            UP,
            0,
            Due(Move.RENEW, START + 60_000 - RENEW_BEFORE),
            id="renewed before the slice ends",
        ),
        pytest.param(UP, 59_999, Due(Move.RENEW, START + 59_999), id="late but not too late"),
        pytest.param(UP, 60_000, Due(Move.HANG_UP, START + 60_300), id="never renewed unpaid"),
        pytest.param(
            UP.extended(1, Held(120, 1_300_000, 0)),
            51_000,
            Due(Move.MOVE_DEADLINE, START + 51_000),
            id="the PBX learns what is paid for",
        ),
        pytest.param(
            UP.extended(1, Held(120, 1_300_000, 0)).seen(START + 51_000, START + 120_000),
            51_000,
            Due(Move.RENEW, START + 120_000 - RENEW_BEFORE),
            id="and the next slice has its time",
        ),
        pytest.param(
            LAST, 50_000, Due(Move.HANG_UP, START + 60_300), id="the last slice is used up"
        ),
        pytest.param(LAST, 61_000, Due(Move.HANG_UP, START + 61_000), id="hung up late"),
        pytest.param(DONE, 2000, Due(Move.SETTLE, START + 2000), id="an end is settled at once"),
        pytest.param(RELEASED, 0, Due(Move.SETTLE, START), id="so is a call never answered"),
    ],
)
def test_the_next_move_is_due_at_the_time_of_the_pbx(
    session: Session, at_ms: int, due: Due
) -> None:
    assert session.due(START + at_ms, PACE) == due


def test_a_hang_up_is_asked_for_again_until_the_pbx_reports_the_end() -> None:
    asked = LAST.hung_up(LAST.paid_until_ms + HANG_UP_AFTER_MS)
    again = Due(Move.HANG_UP, asked.hang_up_ms + HANG_UP_AGAIN_MS)
    assert asked.due(asked.hang_up_ms, PACE) == again
    assert asked.on(ended(60_100)).due(START, PACE).move is Move.SETTLE


def test_a_leg_that_never_ends_is_stuck_and_asked_less_often() -> None:
    asked = LAST
    for _ in range(HANG_UPS_IN_A_ROW):
        assert not asked.stuck
        asked = asked.hung_up(LAST.paid_until_ms + HANG_UP_AFTER_MS)
    assert asked.stuck
    again = Due(Move.HANG_UP, asked.hang_up_ms + HANG_UP_LATER_MS)
    assert asked.due(asked.hang_up_ms, PACE) == again
    assert not asked.extended(1, Held(120, 1_300_000, 0)).stuck


def test_calls_answered_together_are_renewed_apart_and_in_time() -> None:
    times = {PACE.renew_before_ms(f"pbx-1795510946.{number}-1") for number in range(100)}
    assert len(times) > 90
    assert 35_000 <= min(times) < 37_000
    assert 48_000 < max(times) < 50_000


EARED = replace(LAST, ear="PJSIP/phone-1")


@pytest.mark.parametrize(
    ("session", "at_ms", "due"),
    [
        pytest.param(EARED, 0, Due(Move.WARN, START + 30_000), id="30 s before the end"),
        pytest.param(EARED, 31_000, Due(Move.WARN, START + 31_000), id="late is better than not"),
        pytest.param(
            EARED.warned(START + 30_010), 30_010, Due(Move.WARN, START + 50_000), id="10 s"
        ),
        pytest.param(
            EARED.warned(START + 50_010), 50_010, Due(Move.HANG_UP, START + 60_300), id="both told"
        ),
        pytest.param(
            replace(UP, ear="PJSIP/phone-1").refused(START + 40_000),
            40_000,
            Due(Move.WARN, START + 50_000),
            id="what is over is not told any more",
        ),
        pytest.param(LAST, 0, Due(Move.HANG_UP, START + 60_300), id="nobody listens"),
    ],
)
def test_the_payer_is_told_in_the_last_slice(session: Session, at_ms: int, due: Due) -> None:
    # D4
    assert session.due(START + at_ms, PACE) == due


def test_who_is_saved_by_money_is_warned_anew_at_the_next_end() -> None:
    saved = EARED.warned(START + 30_000).credited().extended(1, Held(120, 1_300_000, 0))
    assert saved.seen(START, START + 120_000).due(START + 31_000, PACE).move is Move.RENEW
    again = saved.seen(START, START + 120_000).refused(START + 80_000)
    assert again.due(START + 80_000, PACE) == Due(Move.WARN, START + 90_000)


HOLD = Hold(
    call_id=CALL,
    account="contoso",
    user="alice",
    call_type="user_out",
    number="+442071838750",
    rate=TERMS.pin(),
    granted_seconds=180,
    held=1_900_000,
    extension=2,
    pool="",
    pool_seconds=0,
)


def test_a_session_goes_on_where_another_gateway_has_come_to() -> None:
    for session in (UP, LAST):
        assert session.is_behind(HOLD)
        more = session.synced(HOLD)
        assert (more.state, more.granted_seconds, more.held, more.extension) == (
            State.ANSWERED,
            180,
            1_900_000,
            2,
        )
        assert not more.is_behind(HOLD)
    # The other one was refused: so would this one be.
    refused = LAST.synced(replace(HOLD, granted_seconds=60, held=700_000))
    assert (refused.state, refused.extension, refused.granted_seconds) == (State.LAST_SLICE, 2, 60)


def test_the_session_of_a_hold_is_that_of_its_call() -> None:
    session = Session.of(replace(HOLD, granted_seconds=60, held=700_000, extension=0))
    assert session == NEW
    leg = Leg(CALL, LEG, paid=True, answered_ms=START, ear="PJSIP/phone-1")
    found = session.found(leg, START + 5000)
    assert (found.state, found.channel, found.ear) == (State.ANSWERED, LEG, "PJSIP/phone-1")
    # Which deadline it carries is not known.
    assert found.due(START + 5000, PACE).move is Move.MOVE_DEADLINE
    ringing = session.found(Leg(CALL, LEG, paid=True), START)
    assert (ringing.state, ringing.channel) == (State.AUTHORIZED, LEG)
    assert session.found(Leg(CALL, "PJSIP/phone-1"), START) == session


def test_a_call_that_was_answered_is_no_other_because_its_record_says_so() -> None:
    assert UP.on(ended(5000, answered_ms=0)).charge()[0] == 5


def test_an_answer_that_was_told_stays_where_it_was_though_the_pbx_tells_another_later() -> None:
    assert UP.on(ended(5000, answered_ms=START - 3_600_000)).charge()[0] == 5


@pytest.mark.parametrize(
    ("talked_ms", "seconds", "charge"),
    [
        (0, 0, 0),
        (1, 1, 110_000),
        (1000, 1, 110_000),
        (1001, 2, 120_000),
        (60_000, 60, 700_000),
        (60_001, 60, 700_000),  # D6
        (3_600_000, 60, 700_000),
        (-5000, 0, 0),
    ],
)
def test_every_second_begun_is_charged_and_none_beyond_what_was_held(
    talked_ms: int, seconds: int, charge: int
) -> None:
    assert UP.on(ended(talked_ms)).charge() == (seconds, 0, charge)
    assert charge <= UP.held


@pytest.mark.parametrize("session", [NEW, UP, RELEASED])
def test_what_was_never_answered_or_has_not_ended_costs_nothing(session: Session) -> None:
    assert session.charge() == (0, 0, 0)


@pytest.mark.parametrize(
    ("deadline_ms", "talked_ms", "seconds"),
    [
        (60_000, 60_006, 60),  # cut by the PBX, which was not told of the second slice
        (60_000, 61_000, 60),
        (60_000, 61_001, 62),  # it was told, though it did not say so
        (120_000, 60_006, 61),  # hung up by somebody
        (0, 60_006, 61),  # which deadline the PBX had is not known
    ],
)
def test_a_call_that_the_pbx_cuts_costs_nothing_past_the_deadline_that_it_had(
    deadline_ms: int, talked_ms: int, seconds: int
) -> None:
    known_ms = START + deadline_ms if deadline_ms else 0
    session = UP.extended(1, Held(120, 1_300_000, 0)).seen(START, known_ms).on(ended(talked_ms))
    assert session.charge()[0] == seconds


def test_a_leg_that_is_lost_is_charged_up_to_when_it_was_last_seen() -> None:
    lost = UP.seen(START + 12_000, START + 60_000).lost()
    assert lost.state is State.ENDED
    assert lost.charge() == (12, 0, 220_000)


def test_a_call_that_is_lost_before_its_answer_is_free() -> None:
    lost = NEW.on(RINGING).lost()
    assert (lost.state, lost.charge()) == (State.RELEASED, (0, 0, 0))


@pytest.mark.parametrize("session", [DONE, RELEASED], ids=["ended", "released"])
def test_a_renewal_that_was_under_way_does_not_bring_an_ended_call_back(session: Session) -> None:
    assert session.extended(1, Held(120, 1_300_000, 0)).state is session.state
    assert session.extended(1, Held(120, 1_300_000, 0)).held == 1_300_000
    assert session.refused(START).state is session.state


POOL = Pool("domestic-120:domestic:GB:2023-11", 7200, 60, START)


@pytest.mark.parametrize(
    ("talked_ms", "seconds", "included", "charge"),
    [
        (29_000, 29, 29, 0),
        (30_000, 30, 30, 0),
        (30_001, 31, 30, 110_000),
        (90_000, 90, 30, 700_000),
        (90_001, 90, 30, 700_000),
    ],
)
def test_a_call_splits_at_the_second_at_which_its_pool_ends(
    talked_ms: int, seconds: int, included: int, charge: int
) -> None:
    # C7.
    terms = replace(TERMS, pool=POOL)
    pooled = replace(UP, terms=terms, granted_seconds=30, held=0, pool_seconds=30)
    [longest, *_] = pooled.next_slices(START, 60)
    assert (longest.seconds, longest.micros) == (60, 700_000)
    paid = pooled.extended(1, Held(90, longest.micros, 0, 30))
    assert paid.on(ended(talked_ms)).charge() == (seconds, included, charge)


# 2023-11-14T22:13:20Z is a Tuesday. Until 22:13 the day is dear, afterwards it is cheap.
AT_ANOTHER_TIME = tariff(
    "44,Britain,60,0,1,1,USD,tue,00:00-22:13",
    "44,Britain,6,0,1,1,USD,,",
    more="days,hours",
)


def test_a_call_answered_in_a_cheaper_time_than_it_was_held_for_goes_on_with_what_is_held() -> None:
    held = replace(UP, terms=replace(TERMS, tariff=AT_ANOTHER_TIME), held=60_000_000)
    assert held.on(ended(60_000)).charge() == (60, 0, 6_000_000)
    assert [one.micros for one in held.next_slices(START, 60)][:1] == [60_000_000]
    assert [one.micros for one in replace(held, held=0).next_slices(START, 60)][:1] == [12_000_000]


def test_a_call_answered_in_a_dearer_time_is_charged_what_was_held() -> None:
    # D6: nothing is charged beyond what was held.
    dear = tariff(
        "44,Britain,60,0,1,1,USD,tue,22:13-24:00",
        "44,Britain,6,0,1,1,USD,,",
        more="days,hours",
    )
    held = replace(UP, terms=replace(TERMS, tariff=dear), held=6_000_000)
    assert held.on(ended(60_000)).charge() == (60, 0, 6_000_000)
