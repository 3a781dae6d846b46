import re
from dataclasses import replace

import pytest

from gateway.rating.case import Bound, CallType, Rules, dialed_number
from gateway.rating.decision import lasts_seconds
from gateway.rating.plan import UNLIMITED_SECONDS
from gateway.rating.price import CALL_SECONDS_MAX
from gateway.rating.steps import Step
from tests.unit.cases import (
    BERLIN,
    BRITISH_TOLL_FREE,
    GERMAN_PREMIUM,
    HARARE,
    IRIDIUM,
    LONDON,
    NEW_YORK,
    PARIS,
    RULES,
    SAN_JUAN,
    TOLL_FREE,
    TORONTO,
    UNIT,
    World,
)

POOR = World(spendable=0)
NOTHING: dict[str, str] = {"plans": "none"}
MINUTES = {"plans": "domestic-120"}
BOTH = {"plans": "domestic-120,credits"}
GERMAN_POOL = "domestic-120:domestic:DE:2026-11"
USED_UP = {GERMAN_POOL: 7200}
AMERICAN = {"country": "US", "plans": "domestic,credits"}
DIAL_OUT = {"plans": "audio-conferencing,credits"}
ZONE_POOL = "audio-conferencing:zone-a:all:2026-11"
DIAL_OUT_US = {"plans": "conferencing-dial-out-us,audio-conferencing"}


def world(user: dict[str, str], **more: object) -> World:
    return World(user).but(**more)


# C1 and C9 to C11: who asks, whom for, which step decides, and why not.
PRECEDENCE = [
    # Emergency goes before everything else.
    (world({}), "110", "user_out", Step.EMERGENCY, None),
    (world({"user_policy": "none"}), "110", "user_out", Step.EMERGENCY, None),
    (world(NOTHING, spendable=0), "110", "user_out", Step.EMERGENCY, None),
    (world({}, reached=("limit_calls", "user", 2)), "110", "user_out", Step.EMERGENCY, None),
    (world({"conf_policy": "none"}), "112", "conf_out", Step.EMERGENCY, None),
    (world({"country": "GB"}), "999", "user_out_transfer", Step.EMERGENCY, None),
    (world({"blocked": "1"}), "112", "emergency_out", Step.EMERGENCY, None),
    (world({"country": "US"}), "911", "user_out", Step.EMERGENCY, None),
    # The policy goes before what could pay.
    (world({"user_policy": "none"}), BERLIN, "user_out", Step.POLICY, "policy"),
    (world({**BOTH, "user_policy": "none"}), BERLIN, "user_out", Step.POLICY, "policy"),
    (world({"user_policy": "domestic"}), PARIS, "user_out", Step.POLICY, "policy"),
    (world({"user_policy": "domestic"}), BERLIN, "user_out", Step.CREDIT, None),
    (world({**AMERICAN, "user_policy": "domestic"}), TORONTO, "user_out", Step.POLICY, "policy"),
    (world({**AMERICAN, "user_policy": "domestic"}), NEW_YORK, "user_out", Step.PLAN_MINUTES, None),
    (world({"user_policy": "none"}), BERLIN, "user_out_forwarding", Step.POLICY, "policy"),
    (world({"user_policy": "none"}), BERLIN, "conf_out", Step.CREDIT, None),
    (world({"conf_policy": "none"}), BERLIN, "conf_out", Step.POLICY, "policy"),
    (world({"conf_policy": "country"}), PARIS, "conf_out", Step.POLICY, "policy"),
    (world({"conf_policy": "country"}), BERLIN, "conf_out", Step.CREDIT, None),
    (world({"conf_policy": "zone_a"}), HARARE, "conf_out", Step.POLICY, "policy"),
    (world({"conf_policy": "zone_a"}), PARIS, "conf_out", Step.CREDIT, None),
    (world({"conf_policy": "none"}), BERLIN, "user_out", Step.CREDIT, None),
    (world({}, account={"user_policy": "none"}), BERLIN, "user_out", Step.POLICY, "policy"),
    (
        world({"user_policy": "any"}, account={"user_policy": "none"}),
        *(BERLIN, "user_out", Step.CREDIT, None),
    ),
    (world({}), GERMAN_PREMIUM, "user_out", Step.POLICY, "premium"),
    (world(DIAL_OUT), GERMAN_PREMIUM, "conf_out", Step.POLICY, "premium"),
    (world({}, account={"premium": "yes"}), GERMAN_PREMIUM, "user_out", Step.CREDIT, None),
    (world({}, account={"blocked": "4930"}), BERLIN, "user_out", Step.POLICY, "blocked"),
    (world({"blocked": "33,49"}), BERLIN, "user_out", Step.POLICY, "blocked"),
    (world({"allowed": "33"}), BERLIN, "user_out", Step.POLICY, "blocked"),
    (world({"allowed": "33,49"}), BERLIN, "user_out", Step.CREDIT, None),
    (world({}, reached=("limit_calls", "user", 2)), BERLIN, "user_out", Step.POLICY, "limit_calls"),
    (
        world({}, reached=("limit_calls", "account", 2)),
        LONDON,
        "user_in",
        Step.POLICY,
        "limit_calls",
    ),
    # Inbound is free, but for toll-free numbers.
    (world(NOTHING, spendable=0), BERLIN, "user_in", Step.FREE_INBOUND, None),
    (world(NOTHING, spendable=0), BERLIN, "conf_in", Step.FREE_INBOUND, None),
    (world(NOTHING, spendable=-UNIT), BERLIN, "unassigned_in", Step.FREE_INBOUND, None),
    (world(NOTHING), TOLL_FREE, "conf_in", Step.CREDIT, None),
    (world(NOTHING), BRITISH_TOLL_FREE, "user_in", Step.CREDIT, None),
    (POOR, TOLL_FREE, "conf_in", Step.DENY, "no_credit"),
    (world({}), "+498001234567", "conf_in", Step.DENY, "no_rate"),
    # An add-on without an end goes before minutes, whatever the order of the plans.
    (world(DIAL_OUT_US, spendable=0), NEW_YORK, "conf_out", Step.UNLIMITED, None),
    (
        world({"plans": "audio-conferencing,conferencing-dial-out-us"}),
        TORONTO,
        "conf_out",
        Step.UNLIMITED,
        None,
    ),
    (world(DIAL_OUT_US), SAN_JUAN, "conf_out", Step.PLAN_MINUTES, None),
    (world(DIAL_OUT_US), NEW_YORK, "user_out", Step.DENY, "no_licence"),
    # Plan minutes go before credit, and on without any.
    (world(BOTH), BERLIN, "user_out", Step.PLAN_MINUTES, None),
    (world(BOTH, spendable=0), BERLIN, "user_out", Step.PLAN_MINUTES, None),
    (world(BOTH), BERLIN, "user_out_conf", Step.PLAN_MINUTES, None),
    (world(BOTH), BERLIN, "conf_out", Step.CREDIT, None),
    (world(BOTH), PARIS, "user_out", Step.CREDIT, None),
    (world(BOTH, used=USED_UP), BERLIN, "user_out", Step.CREDIT, None),
    (world(BOTH, used={GERMAN_POOL: 7199}), BERLIN, "user_out", Step.PLAN_MINUTES, None),
    (world(BOTH, used=USED_UP, spendable=0), BERLIN, "user_out", Step.DENY, "no_credit"),
    (world(MINUTES, used=USED_UP), BERLIN, "user_out", Step.DENY, "no_licence"),
    (world(MINUTES), PARIS, "user_out", Step.DENY, "no_licence"),
    (world({"plans": "pay-as-you-go"}), BERLIN, "user_out", Step.DENY, "no_licence"),
    (world({"plans": "pay-as-you-go,credits"}), BERLIN, "user_out", Step.CREDIT, None),
    (world({"plans": "international"}), PARIS, "user_out", Step.PLAN_MINUTES, None),
    (world(AMERICAN, spendable=0), TORONTO, "user_out", Step.PLAN_MINUTES, None),
    (world(AMERICAN, spendable=0), SAN_JUAN, "user_out", Step.PLAN_MINUTES, None),
    (world(AMERICAN, spendable=0), BERLIN, "user_out", Step.DENY, "no_credit"),
    (
        world({"plans": "domestic-120"}, account={"premium": "yes"}),
        *(GERMAN_PREMIUM, "user_out", Step.DENY, "no_licence"),
    ),
    # The account's plans are those of users who have none.
    (world({}, account={"plans": "domestic-120"}), BERLIN, "user_out", Step.PLAN_MINUTES, None),
    (world(NOTHING, account=BOTH), BERLIN, "user_out", Step.DENY, "no_licence"),
    # C4: the conference's pool for zone A, whoever dials; credit for all else.
    (world(DIAL_OUT, spendable=0), LONDON, "conf_out", Step.PLAN_MINUTES, None),
    (world({**DIAL_OUT, "country": "ZW"}), LONDON, "conf_out", Step.PLAN_MINUTES, None),
    (world({**DIAL_OUT, "country": "ZW"}), HARARE, "conf_out", Step.CREDIT, None),
    (world({**DIAL_OUT, "country": "GB"}), HARARE, "conf_out", Step.CREDIT, None),
    (world({**DIAL_OUT, "country": "US"}), HARARE, "conf_out", Step.CREDIT, None),
    (
        world(DIAL_OUT, account={"premium": "yes"}),
        *(GERMAN_PREMIUM, "conf_out", Step.CREDIT, None),
    ),
    # Credit needs a rate, one that is not too dear, and money for the shortest slice.
    (world({}), "+390612345678", "user_out", Step.DENY, "no_rate"),
    (world({}), "116117", "user_out", Step.DENY, "no_rate"),
    (world({"plans": "domestic"}), "116117", "user_out", Step.DENY, "no_licence"),
    (world({"rate_max": "1"}), BERLIN, "user_out", Step.CREDIT, None),
    (world({"rate_max": "0.999999"}), BERLIN, "user_out", Step.DENY, "limit_rate"),
    (world({}, account={"rate_max": "3"}), HARARE, "user_out", Step.DENY, "limit_rate"),
    (world({**BOTH, "rate_max": "0"}), BERLIN, "user_out", Step.PLAN_MINUTES, None),
    (world({}, spendable=UNIT), BERLIN, "user_out", Step.CREDIT, None),
    (world({}, spendable=UNIT - 1), BERLIN, "user_out", Step.DENY, "no_credit"),
    (world({}, spendable=1), BERLIN, "user_out", Step.DENY, "no_credit"),
    (world({}, spendable=0), BERLIN, "user_out", Step.DENY, "no_credit"),
    (world({}, spendable=-1), BERLIN, "user_out", Step.DENY, "no_credit"),
]


@pytest.mark.parametrize(("asker", "to", "call_type", "step", "reason"), PRECEDENCE)
def test_the_first_step_that_applies_decides(
    asker: World, to: str, call_type: str, step: Step, reason: str | None
) -> None:
    decision = asker.decide(to, call_type)
    assert (decision.step, decision.reason) == (step, reason)
    assert bool(decision.terms) == (reason is None and step is not Step.EMERGENCY)
    # D8: every step up to it was looked at, in the order of the rule.
    seen = [look.step for look in decision.looks]
    assert seen == list(Step)[: list(Step).index(step) + 1]
    assert all(look.says for look in decision.looks)


@pytest.mark.parametrize(
    ("bounds", "spendable", "reason", "limit_of"),
    [
        ((Bound("limit_day", "user", UNIT - 1),), 10 * UNIT, "limit_day", "user"),
        ((Bound("limit_month", "account", 0),), 10 * UNIT, "limit_month", "account"),
        (
            (Bound("limit_day", "account", 5), Bound("limit_month", "user", 4)),
            *(10 * UNIT, "limit_month", "user"),
        ),
        ((Bound("limit_day", "user", 1),), UNIT - 1, "limit_day", "user"),
        ((Bound("limit_day", "user", UNIT - 1),), UNIT - 1, "no_credit", ""),
        ((Bound("limit_day", "user", -1),), 0, "no_credit", ""),
        ((Bound("limit_day", "user", UNIT),), 10 * UNIT, None, ""),
    ],
)
def test_a_refusal_names_the_limit_that_leaves_least_and_whose_it_is(
    bounds: tuple[Bound, ...], spendable: int, reason: str | None, limit_of: str
) -> None:
    decision = World(spendable=spendable, bounds=bounds).decide(BERLIN)
    assert decision.reason == reason
    assert decision.looks[-1].limit_of == limit_of


@pytest.mark.parametrize(
    ("user", "limit_of"), [({"blocked": "49"}, "user"), ({"rate_max": "0.5"}, "user")]
)
def test_a_limit_of_a_user_is_told_from_one_of_the_account(
    user: dict[str, str], limit_of: str
) -> None:
    assert World(user).decide(BERLIN).looks[-1].limit_of == limit_of
    assert World(account=user).decide(BERLIN).looks[-1].limit_of == "account"


@pytest.mark.parametrize(
    ("plan", "licences", "size_minutes"),
    [
        # Of product.md: 115 conferencing licences share 6,900 minutes, whatever their countries.
        (
            "audio-conferencing",
            {
                (country, "audio-conferencing"): count
                for country, count in (("US", 10), ("GB", 100), ("ZW", 5))
            },
            6900,
        ),
        # 50 German and 50 French users are two pools of 6,000.
        ("domestic-120", {("DE", "domestic-120"): 50, ("FR", "domestic-120"): 50}, 6000),
        ("domestic-240", {("DE", "domestic-240,credits"): 2, ("DE", "credits"): 9}, 480),
        ("domestic", {("DE", "domestic"): 2}, 2400),
        ("domestic-120-user", {("DE", "domestic-120-user"): 50}, 120),
    ],
)
def test_a_pool_has_the_minutes_of_all_its_licences(
    plan: str, licences: dict[tuple[str, str], int], size_minutes: int
) -> None:
    call_type = "conf_out" if plan == "audio-conferencing" else "user_out"
    [pool] = World({"plans": plan}, licences=licences).case(BERLIN, call_type).pools
    assert pool.size_seconds == size_minutes * 60


def test_a_pool_is_of_the_country_of_the_users_that_share_it() -> None:
    licences = {("DE", "domestic-120"): 50, ("FR", "domestic-120"): 50, ("", "domestic-120"): 7}
    french = World({"plans": "domestic-120", "country": "FR"}, {"country": "FR"}, licences=licences)
    [pool] = french.case(PARIS).pools
    # Those without a country of their own have the account's.
    assert (pool.name, pool.size_seconds) == ("domestic-120:domestic:FR:2026-11", 57 * 7200)


@pytest.mark.parametrize(
    ("country", "to", "minutes"),
    [("US", NEW_YORK, 3000), ("PR", NEW_YORK, 3000), ("CA", TORONTO, 3000), ("DE", BERLIN, 1200)],
)
def test_the_domestic_plan_has_more_minutes_in_north_america(
    country: str, to: str, minutes: int
) -> None:
    [pool] = World({"plans": "domestic", "country": country}).case(to).pools
    assert pool.size_seconds == minutes * 60


def test_the_international_plan_counts_its_minutes_apart() -> None:
    user = World({"plans": "international"})
    [domestic], [international] = user.case(BERLIN).pools, user.case(PARIS).pools
    assert (domestic.size_seconds, international.size_seconds) == (72_000, 36_000)
    assert domestic.name != international.name


def test_licences_that_were_bought_make_the_pool_instead_of_those_assigned() -> None:
    bought = {"licences": "audio-conferencing=115,domestic-120:DE=7"}
    organizer = World({"plans": "audio-conferencing"}, bought)
    assert organizer.case(LONDON, "conf_out").pools[0].size_seconds == 6900 * 60
    assert World(MINUTES, bought).case(BERLIN).pools[0].size_seconds == 7 * 7200


def test_of_several_plans_the_first_that_has_minutes_left_pays() -> None:
    user = World({"plans": "domestic-120,domestic-120-user"})
    pools = [pool.name for pool in user.case(BERLIN).pools]
    assert pools == [GERMAN_POOL, "domestic-120-user:domestic:ana:2026-11"]
    paying = [user.but(used=used).decide(BERLIN).terms for used in ({}, USED_UP)]
    assert [terms.pool.name for terms in paying if terms and terms.pool] == pools


@pytest.mark.parametrize(
    ("at", "time_zone", "month", "ends"),
    [
        ("2026-11-30T23:59:59+00:00", "UTC", "2026-11", "2026-12-01T00:00:00+00:00"),
        ("2026-12-01T00:00:00+00:00", "UTC", "2026-12", "2027-01-01T00:00:00+00:00"),
        ("2026-11-30T23:00:00+00:00", "Europe/Berlin", "2026-12", "2026-12-31T23:00:00+00:00"),
        ("2026-11-30T22:59:59+00:00", "Europe/Berlin", "2026-11", "2026-11-30T23:00:00+00:00"),
        ("2027-01-01T04:59:59+00:00", "America/New_York", "2026-12", "2027-01-01T05:00:00+00:00"),
        ("2027-03-31T21:59:59+00:00", "Europe/Berlin", "2027-03", "2027-03-31T22:00:00+00:00"),
    ],
)
def test_minutes_begin_anew_with_the_month_of_the_account(
    at: str, time_zone: str, month: str, ends: str
) -> None:
    # C8.
    user = World(MINUTES, {"time_zone": time_zone}, at=at)
    [pool] = user.case(BERLIN).pools
    assert pool.name == f"domestic-120:domestic:DE:{month}"
    assert pool.ends_ms == World(at=ends).facts().now_ms


def test_the_last_seconds_of_a_pool_are_a_shorter_slice_and_money_follows() -> None:
    # C7.
    user = World(BOTH, used={GERMAN_POOL: 7200 - 25})
    decision = user.decide(BERLIN)
    # Less than a slice: money follows at once.
    assert (decision.step, decision.seconds, decision.micros) == (Step.PLAN_MINUTES, 85, UNIT)
    assert [(one.seconds, one.micros) for one in decision.slices] == [(60, UNIT)]
    assert decision.terms
    assert lasts_seconds(user.case(BERLIN), decision.terms, user.used) == 25 + 600


@pytest.mark.parametrize(
    ("asker", "seconds"),
    [
        (World(), 600),
        (World(spendable=10 * UNIT - 1), 540),
        (World(bounds=(Bound("limit_day", "user", 3 * UNIT),)), 180),
        (World({"seconds_max": "100"}), 100),
        (World(BOTH, {"seconds_max": "7300"}), 7300),
        (World(BOTH), 7800),
        (World(BOTH, spendable=0), 7200),
        (World(MINUTES), 7200),
    ],
)
def test_a_call_lasts_as_long_as_what_pays_for_it(asker: World, seconds: int) -> None:
    terms = asker.decide(BERLIN).terms
    assert terms
    assert lasts_seconds(asker.case(BERLIN), terms, asker.used) == seconds


def test_a_call_that_costs_nothing_is_granted_whole_at_once() -> None:
    # No renewal that could fail.
    for asker, to, call_type in (
        (POOR, BERLIN, "user_in"),
        (World(DIAL_OUT_US), NEW_YORK, "conf_out"),
    ):
        decision = asker.decide(to, call_type)
        assert decision.terms
        assert decision.terms.pool
        assert decision.terms.pool.size_seconds == UNLIMITED_SECONDS
        assert decision.seconds == CALL_SECONDS_MAX
        limited = asker.but(account={"seconds_max": "90"}).decide(to, call_type)
        assert limited.seconds == 90


def test_the_longest_call_cuts_the_first_slice() -> None:
    decision = World({"seconds_max": "45"}, {"seconds_max": "50"}).decide(BERLIN)
    assert [(one.seconds, one.micros) for one in decision.slices] == [(45, UNIT)]


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        ({"country": "XX"}, "country = 'XX'"),
        ({"premium": "maybe"}, "premium = 'maybe'"),
        ({"colour": "red"}, "colour = 'red'"),
        ({"licences": "domestic"}, "PLAN=NUMBER"),
        ({"licences": "domestic:DE=1,domestic:DE=2"}, "each once"),
        ({"plans": "domestic,domestic"}, "each once"),
        ({"seconds_max": "0"}, "seconds from 1"),
        ({"time_zone": "Mars/Olympus"}, "time zone"),
        ({"allowed": "4a"}, "prefixes of digits"),
        ({"rate_max": "-1"}, "not negative"),
    ],
)
def test_what_is_set_wrong_is_named(profile: dict[str, str], why: str) -> None:
    with pytest.raises(ValueError, match=re.escape(why)):
        World(account=profile).decide(BERLIN)


FREE = replace(RULES, free_on_fault=True)


@pytest.mark.parametrize(
    ("to", "call_type", "rules", "step", "reason"),
    [
        (BERLIN, "user_out", RULES, Step.DENY, "rating_fault"),
        (BERLIN, "user_out", FREE, Step.FREECALL, None),
        (BERLIN, "user_in", RULES, Step.FREE_INBOUND, None),
        ("110", "user_out", RULES, Step.EMERGENCY, None),
        (GERMAN_PREMIUM, "user_out", FREE, Step.POLICY, "premium"),
        ("116117", "user_out", FREE, Step.DENY, "rating_fault"),
        (IRIDIUM, "user_out", FREE, Step.DENY, "rating_fault"),
    ],
)
def test_a_plan_that_is_not_published_any_more_is_a_fault_of_rating(
    *, to: str, call_type: str, rules: Rules, step: Step, reason: str | None
) -> None:
    # C11: deny, or connect free what costs little. The policy goes before, and emergencies do.
    asker = World({"plans": "gold,credits"}, rules=rules)
    decision = asker.decide(to, call_type)
    assert (decision.step, decision.reason) == (step, reason)


def test_a_call_that_is_free_by_a_fault_lasts_no_longer_than_others_and_asks_for_no_money() -> None:
    asker = World({"plans": "gold", "seconds_max": "90"}, rules=FREE)
    decision = asker.decide(BERLIN)
    assert (decision.seconds, decision.micros, decision.slices) == (90, 0, ())
    assert decision.terms
    assert decision.terms.pool
    assert decision.terms.pool.name == "freecall:2026-11"


@pytest.mark.parametrize(
    "to",
    [
        pytest.param("+4990012345670", id="premium with a digit too many"),
        pytest.param("090012345670", id="the same as it is dialed at home"),
    ],
)
def test_a_digit_too_many_makes_a_premium_number_no_cheaper(to: str) -> None:
    # Networks overlook it.
    for plans, call_type in (("domestic-120,credits", "user_out"), (DIAL_OUT["plans"], "conf_out")):
        decision = World({"plans": plans}).decide(to, call_type)
        assert (decision.step, decision.reason) == (Step.POLICY, "premium")


@pytest.mark.parametrize(
    "to",
    [
        pytest.param(IRIDIUM, id="a satellite"),
        pytest.param("+870773123456", id="ships"),
        pytest.param("+4911833", id="a short number, dialed internationally"),
        pytest.param("+447012345678", id="a personal number"),
        pytest.param("+4932123456789012"[:13], id="a range that is not known"),
    ],
)
def test_no_plan_covers_what_is_dear_by_its_kind(to: str) -> None:
    for plans, call_type in (
        ("international,domestic", "user_out"),
        ("audio-conferencing", "conf_out"),
    ):
        assert World({"plans": plans}).case(to, call_type).pools == ()


def test_a_number_of_several_countries_is_of_the_caller_s() -> None:
    for country in ("US", "CA"):
        domestic = World({"country": country, "user_policy": "domestic"})
        assert domestic.decide("18005550100").step is not Step.POLICY


def test_of_two_pools_the_one_with_a_slice_left_pays() -> None:
    user = World(
        {"plans": "domestic-120,domestic-240"}, licences={("DE", "domestic-120,domestic-240"): 1}
    )
    second = "domestic-240:domestic:DE:2026-11"
    for used, pool, seconds in (
        ({GERMAN_POOL: 7141}, second, 60),
        ({GERMAN_POOL: 7140}, GERMAN_POOL, 60),
        ({GERMAN_POOL: 7170, second: 14_390}, GERMAN_POOL, 30),
        ({GERMAN_POOL: 7190, second: 14_370}, second, 30),
    ):
        decision = user.but(used=used).decide(BERLIN)
        assert decision.terms
        assert decision.terms.pool
        assert (decision.terms.pool.name, decision.seconds) == (pool, seconds)


def test_a_dial_in_that_the_card_prices_is_paid_though_its_range_is_not_known() -> None:
    # C3: seven digits behind 808 are none of the lengths that phonenumbers knows.
    decision = World(NOTHING).decide("+44808157012", "conf_in")
    assert (decision.step, decision.micros) == (Step.CREDIT, 2 * UNIT)


def test_the_dialed_number_of_a_dial_in_is_read_by_the_country_of_the_pbx() -> None:
    rules = replace(RULES, country="US")
    german = {"country": "DE"}
    for call_type, number in (("conf_in", TOLL_FREE), ("user_in", "+498005550100")):
        read = dialed_number(rules, CallType(call_type), "8005550100", german)
        assert (read and read.text) == number
