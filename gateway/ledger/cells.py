"""What the cells of the store say: hashes of accounts, lots, users and calls, read into values."""

from dataclasses import replace
from datetime import UTC, datetime

from gateway.ledger.outcomes import (
    NEVER_MS,
    OVERDRAFT,
    RETIRED,
    Hold,
    Limits,
    Lot,
    Party,
    Recharge,
    Statement,
    Usage,
)

_DAY_MS = 86_400_000
_LOT_CELLS = (
    *("granted", "available", "held", "spent", "expired", "reversed"),
    *("purchased", "expires", "warned"),
)
_PROFILE = "profile."
_RECHARGE = "recharge_"
# A hash that has no such cell.
_NOTHING_USED = {
    **{f"limit_{limit}": "0" for limit in Limits.__slots__},
    "calls": "0",
    "day": "",
    "day_micros": "0",
    "month": "",
    "month_micros": "0",
}
_NO_LOT = f"0 0 0 0 0 0 0 {NEVER_MS} 0"


def paired(cells: list[str]) -> dict[str, str]:
    """Join a flat reply of names and values."""
    return dict(zip(cells[::2], cells[1::2], strict=True))


def read_lots(cells: dict[str, str]) -> dict[str, dict[str, int]]:
    """Read the lots as they are written: what has lapsed since is still available."""
    return {
        lot: dict(zip(_LOT_CELLS, map(int, words.split(" ")), strict=True))
        for lot, words in cells.items()
    }


def read_party(cells: dict[str, str]) -> Party:
    """Read an account's hash, or a user's, which may not be there yet."""
    of = _NOTHING_USED | cells
    words = {
        field.removeprefix(_PROFILE): word
        for field, word in cells.items()
        if field.startswith(_PROFILE) and word
    }
    return Party(
        profile=words,
        limits=Limits(*(int(of[f"limit_{limit}"]) for limit in Limits.__slots__)),
        usage=Usage(
            calls=int(of["calls"]),
            day=of["day"],
            day_micros=int(of["day_micros"]),
            month=of["month"],
            month_micros=int(of["month_micros"]),
        ),
    )


def read_licences(cells: dict[str, str]) -> dict[tuple[str, str], int]:
    """Read how many users have set which country and plans."""
    found = {}
    for field, count in cells.items():
        country, _, plans = field.partition(" ")
        found[country, plans] = int(count)
    return found


def read_statement(
    account: str, now_ms: int, cells: dict[str, str], lot_cells: dict[str, str]
) -> Statement:
    """Read an account and its lots: those that have lapsed since count as expired."""
    written = read_lots({OVERDRAFT: _NO_LOT, RETIRED: _NO_LOT, **lot_cells})
    lots = {name: _lot(name, lot, now_ms) for name, lot in written.items()}
    lapsed = sum(lot.expired for lot in lots.values()) - int(cells["expired"])
    overdrawn, retired = lots.pop(OVERDRAFT), lots.pop(RETIRED)
    return Statement(
        now_ms=now_ms,
        account=account,
        currency=cells["currency"],
        granted=int(cells["granted"]),
        available=int(cells["available"]) - lapsed,
        held=int(cells["held"]),
        spent=int(cells["spent"]),
        expired=int(cells["expired"]) + lapsed,
        reversed=int(cells["reversed"]),
        overdraft=int(cells["overdraft"]),
        low_below=int(cells["low_below"]),
        low_percent=int(cells["low_percent"]),
        recharge=_recharge(cells, int(cells["available"]) - lapsed, now_ms),
        recipients=cells["recipients"],
        party=read_party(cells),
        lots=tuple(sorted(lots.values(), key=lambda lot: (lot.expires_ms, lot.lot))),
        overdrawn=overdrawn,
        retired=retired,
    )


def _recharge(cells: dict[str, str], available: int, now_ms: int) -> Recharge:
    day, month = _day_number(now_ms), _month_number(now_ms)
    of = {
        name.removeprefix(_RECHARGE): word
        for name, word in cells.items()
        if name.startswith(_RECHARGE)
    }
    recharge = Recharge(
        below=int(of["below"]),
        amount=int(of["amount"]),
        day_max=int(of["day_max"]),
        month_max=int(of["month_max"]),
        methods=tuple(filter(None, cells["methods"].split(","))),
        state="",
        suspended=of["suspended"],
        key=of["key"],
        asked=int(of["asked"]) if of["key"] else 0,
        method=of["method"] if of["key"] else "",
        after_ms=int(of["after"]),
        failures=int(of["failures"]),
        day_count=int(of["day_count"]) if int(of["day"]) == day else 0,
        month_micros=int(of["month_micros"]) if int(of["month"]) == month else 0,
    )
    return replace(recharge, state=_recharge_state(of, recharge, available, now_ms))


def _recharge_state(of: dict[str, str], recharge: Recharge, available: int, now_ms: int) -> str:
    """Name the state as it is now: what holds it up ends with time too."""
    if recharge.key:
        return of["status"]
    if recharge.suspended:
        return "suspended"
    if not recharge.amount:
        return "off"
    if now_ms < recharge.after_ms:
        return "cooldown"
    is_capped = recharge.day_count >= recharge.day_max or (
        0 < recharge.month_max < recharge.month_micros + recharge.amount
    )
    return "capped" if is_capped and available < recharge.below else "armed"


def _day_number(ms: int) -> int:
    """Count the days in UTC, as the scripts do."""
    return ms // _DAY_MS


def _month_number(ms: int) -> int:
    """Count the calendar months in UTC, as the scripts do."""
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return at.year * 12 + at.month


def _lot(name: str, cells: dict[str, int], now_ms: int) -> Lot:
    available, expired = cells["available"], cells["expired"]
    if cells["expires"] <= now_ms:
        expired, available = expired + available, 0
    return Lot(
        lot=name,
        purchased_ms=cells["purchased"],
        expires_ms=cells["expires"],
        granted=cells["granted"],
        available=available,
        held=cells["held"],
        spent=cells["spent"],
        expired=expired,
        reversed=cells["reversed"],
    )


def read_hold(call: str, cells: dict[str, str]) -> Hold:
    """Read a live call, whose name is ACCOUNT/CALL."""
    account, _, call_id = call.partition("/")
    return Hold(
        call_id=call_id,
        account=account,
        user=cells["user"],
        call_type=cells["type"],
        number=cells["number"],
        rate=cells["rate"],
        granted_seconds=int(cells["seconds"]),
        held=int(cells["held"]),
        extension=int(cells.get("extension", "0")),
        pool=cells["pool"],
        pool_seconds=int(cells["pool_seconds"]),
        answered_ms=int(cells.get("answered", "0")),
        seen_ms=int(cells.get("seen", "0")),
    )
