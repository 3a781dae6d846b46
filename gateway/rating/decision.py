"""May this call be made, at which rate, and in which slices: a value, never an exception."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.rating.number import e164
from gateway.rating.price import Rate, Slice, slices
from gateway.rating.ratecard import RateCard


class CallType(StrEnum):
    """Who pays for which leg."""

    USER_OUT = "user_out"
    CONF_IN = "conf_in"
    CONF_OUT = "conf_out"


_CALL_TYPES = frozenset(CallType)


class Reason(StrEnum):
    """Why a call is refused. The dialplan has a prompt and a hang-up cause for each."""

    UNKNOWN_CALL_TYPE = "unknown_call_type"
    BAD_NUMBER = "bad_number"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_USER = "unknown_user"
    NO_RATE = "no_rate"
    NO_CREDIT = "no_credit"
    BAD_CALL_ID = "bad_call_id"
    CONFLICT = "conflict"
    SERVICE_DOWN = "service_down"


@dataclass(frozen=True, slots=True)
class Cards:
    """The published cards: what outbound legs cost, and what toll-free dial-in costs."""

    outbound: RateCard
    inbound: RateCard


@dataclass(frozen=True, slots=True)
class Priced:
    """A call that may be made if the money for one of the slices can be held."""

    number: str
    rate: Rate
    slices: tuple[Slice, ...]


def decide(cards: Cards, call_type: str, dialed: str, slice_seconds: int) -> Priced | Reason:
    """Price a call, or say why there is no price.

    Precedence: unknown_call_type, bad_number, no_rate.
    What depends on the account (unknown_account, unknown_user, no_credit) is decided by the
    ledger, in the operation that holds the money, where it cannot be raced.
    """
    if call_type not in _CALL_TYPES:
        return Reason.UNKNOWN_CALL_TYPE
    number = e164(dialed)
    if number is None:
        return Reason.BAD_NUMBER
    card = cards.inbound if call_type == CallType.CONF_IN else cards.outbound
    rate = card.rate(number)
    if rate is None:
        return Reason.NO_RATE
    return Priced(number, rate, slices(rate, 0, slice_seconds))
