import pytest

from gateway.recharge.pauses import after_failure, after_no_answer, while_pending

MIDDLE = 0.5


def test_without_an_answer_the_pause_doubles_from_a_second_to_a_minute() -> None:
    pauses = [after_no_answer(tries, MIDDLE) for tries in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_pending_charge_is_asked_about_ever_more_rarely_up_to_a_quarter_of_an_hour() -> None:
    pauses = [while_pending(tries, MIDDLE) for tries in range(1, 11)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_each_failure_in_a_row_doubles_the_pause_up_to_a_day() -> None:
    pauses = [after_failure(60, failures, MIDDLE) for failures in (0, 1, 2, 10, 11, 1000)]
    assert pauses == [60, 120, 240, 61_440, 86_400, 86_400]


@pytest.mark.parametrize(("chance", "seconds"), [(0, 48), (0.5, 60), (1, 72)])
def test_a_pause_is_up_to_a_fifth_shorter_or_longer(chance: float, seconds: int) -> None:
    assert after_failure(60, 0, chance) == seconds
    assert after_no_answer(100, chance) == pytest.approx(seconds)


def test_a_charge_that_was_tried_for_long_still_has_a_pause() -> None:
    assert (after_no_answer(10**9, MIDDLE), while_pending(10**9, MIDDLE)) == (60, 900)
