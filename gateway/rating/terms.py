"""What a call is allowed on, kept while it lives."""

import json
from dataclasses import dataclass, replace

from gateway.rating.number import Kind
from gateway.rating.plan import Periods, Pool
from gateway.rating.price import Rate, Slice, Tariff, price, slices

# Goes up whenever what is pinned changes: a call may live while another version is started.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed when a call is allowed, whatever is published while it lives.

    ``pool`` pays first; then money does, by ``tariff``, and not at all where that is empty.
    The call lasts ``seconds_max`` at most. The number is of a ``kind`` and a ``country`` (empty: of
    none), and ``international`` as seen from its caller.
    """

    tariff: Tariff
    pool: Pool | None
    seconds_max: int
    time_zone: str
    kind: Kind
    country: str
    international: bool

    @property
    def destination(self) -> str:
        """Give the name of what is called: the card's, where it has one."""
        return self.tariff[-1].destination if self.tariff else self.country

    @property
    def currency(self) -> str:
        """Give the currency of the tariff, if there is one."""
        return self.tariff[-1].currency if self.tariff else ""

    @property
    def rate(self) -> str:
        """Name the versions and rows of cards that price the call (rule M8)."""
        return ",".join(f"{rate.card}:{rate.row}" for rate in self.tariff)

    def periods(self, now_ms: int) -> Periods:
        """Give day and month of a time, as the account counts them."""
        return Periods.of(now_ms, self.time_zone)

    def next_slices(
        self, start: int, granted_seconds: int, pool_seconds: int, slice_seconds: int
    ) -> tuple[Slice, ...]:
        """List what money may pay of the call next, as `price.slices` does.

        ``start`` is when the call was, or will be, answered (epoch seconds); of what was granted,
        ``pool_seconds`` were paid by the pool, and came first.
        """
        if not self.tariff:
            return ()
        # A tariff that is the same at all times has the same slices at all times.
        at = start + pool_seconds if len(self.tariff) > 1 else 0
        return slices(
            self.tariff,
            at,
            granted_seconds - pool_seconds,
            slice_seconds,
            self.seconds_max - pool_seconds,
        )

    def next_pool(self, granted_seconds: int) -> Pool | None:
        """Give the pool with the slice that may be taken of it next."""
        if self.pool is None:
            return None
        left = self.seconds_max - granted_seconds
        return replace(self.pool, slice_seconds=min(self.pool.slice_seconds, left))

    def charge(self, start: int, seconds: int, pool_seconds: int) -> tuple[int, int]:
        """Share a length that was talked: seconds of the pool, and micro-units for the others."""
        included = min(seconds, pool_seconds)
        if not self.tariff:
            return included, 0
        return included, price(self.tariff, start + pool_seconds, seconds - included)

    def pin(self) -> str:
        """Write the terms as the text that is kept with the call."""
        pool = self.pool and (
            self.pool.name,
            self.pool.size_seconds,
            self.pool.slice_seconds,
            self.pool.ends_ms,
        )
        limits = (self.seconds_max, self.time_zone, self.kind, self.country, self.international)
        return json.dumps([_VERSION, self.tariff, pool, *limits], separators=(",", ":"))

    @classmethod
    def pinned(cls, text: str) -> "Terms":
        """Read back what `pin` wrote. Raises ValueError for what another version wrote."""
        version, *cells = json.loads(text)
        if version != _VERSION:
            message = f"terms of version {version}, not {_VERSION}"
            raise ValueError(message)
        rates, pool, seconds_max, time_zone, kind, country, international = cells
        return cls(
            tuple(_rate(*rate) for rate in rates),
            Pool(*pool) if pool else None,
            seconds_max,
            time_zone,
            Kind(kind),
            country,
            international,
        )


def _rate(*cells: object) -> Rate:
    rate = Rate(*cells)  # type: ignore[arg-type]
    return rate._replace(times=tuple((begin, end) for begin, end in rate.times))
