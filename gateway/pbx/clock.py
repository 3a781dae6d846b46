"""The clock of a PBX, by which it tells when calls were answered and ended.

It may be wrong, and it may jump. Ours only goes forward, and tells what the PBX's times mean.
"""

import time
from dataclasses import dataclass

# A clock that is right to so much is taken as it is, so that any gateway reads a time alike.
_RIGHT_MS = 2000
# More than the clocks can drift apart between two looks.
_JUMP_MS = 200
# What is told comes at most so late, unless this gateway itself was late to hear it.
_FRESH_MS = 3000
# An answer that took longer says too little of the time.
_ROUND_TRIP_MS_MAX = 500


_STARTED_MS, _STARTED = time.time_ns() // 10**6, time.monotonic_ns()


def steady_ms() -> int:
    """Give epoch milliseconds that only go forward, whatever is done to this machine's clock."""
    return _STARTED_MS + (time.monotonic_ns() - _STARTED) // 10**6


@dataclass(slots=True)
class Clock:
    """What is known of a PBX's clock. Each method is given our own time where it needs one."""

    is_known: bool = False
    # The PBX's time less ours: it lies between these.
    _low_ms: int = 0
    _high_ms: int = 0
    # What is taken off the PBX's times, so that they mean what ours do.
    _shift_ms: int = 0

    def learns_by(self, sent_ms: int, received_ms: int) -> bool:
        """Tell whether an answer came soon enough to say what time it is there."""
        return received_ms - sent_ms <= _ROUND_TRIP_MS_MAX or not self.is_known

    def learn(self, pbx_ms: int, sent_ms: int, received_ms: int) -> int:
        """Take in an answer of the PBX, and by how much its clock has jumped since the last."""
        if not self.learns_by(sent_ms, received_ms):
            return 0
        low, high = pbx_ms - received_ms, pbx_ms - sent_ms
        if not self.is_known:
            self._low_ms, self._high_ms, self.is_known = low, high, True
            if abs(low) > _RIGHT_MS:
                # In whole seconds, so that others come to the same.
                self._shift_ms = round(low, -3)
            return 0
        if low - _JUMP_MS <= self._high_ms and high + _JUMP_MS >= self._low_ms:
            # Narrower with each answer; but they do drift apart.
            self._low_ms = max(low, min(self._low_ms, high))
            self._high_ms = min(high, max(self._high_ms, low))
            return 0
        jump_ms = (low + high - self._low_ms - self._high_ms) // 2
        self._low_ms, self._high_ms = low, high
        self._shift_ms += jump_ms
        return jump_ms

    def doubts(self, pbx_ms: int, our_ms: int) -> bool:
        """Tell whether something that was just told has a time that it should not have."""
        late_ms = our_ms + self._low_ms - pbx_ms
        return not -_JUMP_MS <= late_ms <= _FRESH_MS

    def ours(self, pbx_ms: int) -> int:
        """Say in our time when something happened, that the PBX tells in its own; 0 is never."""
        return pbx_ms - self._shift_ms if pbx_ms else 0

    def now_ms(self, our_ms: int) -> int:
        """Give the time now as `ours` has it: what the PBX would write, put right."""
        return our_ms + self._low_ms - self._shift_ms
