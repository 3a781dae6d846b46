import pytest

from gateway.pbx.clock import Clock

START = 1_795_500_000_000
HOUR = 3_600_000


def known(pbx_ms: int = START) -> Clock:
    """A clock that was looked at once, in an answer that took 2 ms."""
    clock = Clock()
    assert clock.learn(pbx_ms + 1, START, START + 2) == 0
    return clock


def test_a_clock_that_is_right_is_taken_as_it_is() -> None:
    for skew in (-1500, 0, 1500):
        clock = known(START + skew)
        assert clock.ours(START + skew + 5000) == START + skew + 5000
        assert clock.now_ms(START + 10_000) == pytest.approx(START + skew + 10_000, abs=2)


@pytest.mark.parametrize("skew", [-HOUR, -2500, 2500, HOUR])
def test_a_clock_that_is_wrong_is_put_right_in_whole_seconds(skew: int) -> None:
    clock = known(START + skew)
    assert clock.ours(START + skew + 5000) == pytest.approx(START + 5000, abs=501)
    assert (START + skew + 5000 - clock.ours(START + skew + 5000)) % 1000 == 0
    # An answer and an end keep their distance to the millisecond.
    assert clock.ours(START + skew + 6234) - clock.ours(START + skew) == 6234
    assert clock.now_ms(START) == pytest.approx(clock.ours(START + skew), abs=2)


def test_never_stays_never() -> None:
    assert known(START + HOUR).ours(0) == 0


@pytest.mark.parametrize("by", [-HOUR, -1000, 1000, HOUR])
def test_a_jump_is_seen_and_time_goes_on(by: int) -> None:
    clock = known()
    answered = clock.ours(START + 100)
    assert clock.learn(START + 5001 + by, START + 5000, START + 5002) == by
    # What is told from now on is still so far from what was told before.
    assert clock.ours(START + by + 7100) - answered == 7000
    assert clock.now_ms(START + 8000) == pytest.approx(START + 8000, abs=2)
    assert clock.learn(START + 9001 + by, START + 9000, START + 9002) == 0


def test_an_answer_that_took_long_proves_nothing() -> None:
    clock = known()
    # This gateway was frozen for half a minute, between the question and the answer.
    assert clock.learn(START + 1001, START + 1000, START + 31_000) == 0
    assert clock.now_ms(START + 31_000) == pytest.approx(START + 31_000, abs=2)


def test_clocks_that_drift_apart_are_followed() -> None:
    clock = known()
    for second in range(1, 3600):
        ours = START + second * 1000
        assert clock.learn(ours + 1 + second // 10, ours, ours + 2) == 0
    assert clock.now_ms(START + HOUR) == pytest.approx(START + HOUR + 360, abs=2)


@pytest.mark.parametrize(
    ("told_ms", "doubts"),
    [
        (0, False),
        (-2900, False),  # Asterisk may keep an event back
        (-3100, True),
        (150, False),
        (250, True),  # nobody tells of what is to come
        (HOUR, True),
        (-HOUR, True),
    ],
)
def test_what_is_told_of_another_time_is_doubted(told_ms: int, *, doubts: bool) -> None:
    assert known().doubts(START + 10_000 + told_ms, START + 10_000) is doubts
