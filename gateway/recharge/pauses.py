"""How long to wait: before a charge is asked about again, and before the next one is claimed.

``chance`` is a random number from 0 to 1, so that what failed together does not come together.
"""

_NO_ANSWER_SECONDS = 1.0
_NO_ANSWER_SECONDS_MAX = 60.0
_PENDING_SECONDS = 5.0
_PENDING_SECONDS_MAX = 900.0
_COOLDOWN_SECONDS_MAX = 86_400
_DOUBLINGS_MAX = 20
_JITTER = 0.2


def after_no_answer(tries: int, chance: float) -> float:
    """Give the seconds until a charge that nothing is known of is asked about again."""
    return _jittered(_doubled(_NO_ANSWER_SECONDS, tries - 1, _NO_ANSWER_SECONDS_MAX), chance)


def while_pending(tries: int, chance: float) -> float:
    """Give the seconds until a charge is asked about that a webhook should tell of before."""
    return _jittered(_doubled(_PENDING_SECONDS, tries - 1, _PENDING_SECONDS_MAX), chance)


def after_failure(retry_seconds: int, failures: int, chance: float) -> int:
    """Give the seconds until the next recharge, after as many failures in a row before this one."""
    return round(_jittered(_doubled(retry_seconds, failures, _COOLDOWN_SECONDS_MAX), chance))


def _doubled(seconds: float, times: int, seconds_max: float) -> float:
    return min(seconds * 2.0 ** min(times, _DOUBLINGS_MAX), seconds_max)


def _jittered(seconds: float, chance: float) -> float:
    return seconds * (1 - _JITTER + 2 * _JITTER * chance)
