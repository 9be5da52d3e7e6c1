"""Every gate: what passes, what refuses, and that the unknown refuses."""

from dataclasses import fields, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain import gates
from ops_pipeline.domain.gates import AccountLimits, GateFacts, Idea, Verdict
from ops_pipeline.domain.market import Quote, new_york_time
from ops_pipeline.domain.market_state.event_dates import EVENT_KINDS, EventDate
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.parameters import GateRules, Parameters
from ops_pipeline.domain.prices.bar_age import BarCoverage
from ops_pipeline.domain.prices.plausibility import Doubt
from tests.support.fakes import regular_session

DAY = date(2026, 2, 4)
NOON = new_york_time(DAY, 12)
RULES = GateRules()
TINY, _, _, LARGE = Parameters().sizing.tiers

CALM = GateFacts(
    now=NOON,
    session=regular_session(DAY),
    previous_session=date(2026, 2, 3),
    idea=Idea(
        ticker="AAA",
        symbol="AAA",
        action="BUY",
        instrument_type="STOCK",
        confidence=0.7,
        created_at=NOON - timedelta(seconds=10),
        features_at=NOON - timedelta(seconds=20),
    ),
    limits=AccountLimits(
        allowed_actions=frozenset({"BUY_STOCK", "SELL_STOCK"}),
        max_positions=5,
        max_exposure=Decimal(10_000),
        max_daily_loss=Decimal(500),
    ),
    tier=LARGE,
    active=True,
    trading_halts=(),
    events=(),
    tradable=True,
    closing=(),
    halts={},
    guard_ran_at=NOON - timedelta(minutes=1),
    ledger_loss=Decimal(0),
    broker_loss=Decimal(0),
    vix_close=18.2,
    vix_day=date(2026, 2, 3),
    bar_at=NOON - timedelta(minutes=1, seconds=45),
    quote=Quote("AAA", NOON - timedelta(seconds=5), Decimal("99.98"), 1, Decimal(100), 1),
    quote_doubt=None,
    held_symbols=frozenset(),
    held_kinds=frozenset(),
    broker_symbols=frozenset(),
    left_alone=frozenset({"OLD"}),
    unlisted=frozenset(),
    illegible=(),
    exposure=Decimal(0),
    cost=Decimal(2_000),
    size_bound=None,
    buying_power=Decimal(50_000),
    ticker_entries_today=0,
    account_entries_today=0,
    last_trade_at=None,
    ticker_results=(),
    ticker_rests=False,
    account_results=(),
)


def facts(**changes: Any) -> GateFacts:
    """The calm facts with some changed; what belongs to the idea goes there."""
    of_idea = {name: changes.pop(name) for name in _IDEA & changes.keys()}
    return replace(CALM, idea=replace(CALM.idea, **of_idea), **changes)


_IDEA = {field.name for field in fields(Idea)}


def verdict(gate: str, **changes: Any) -> Verdict:
    return gates.assess_entry(facts(**changes), RULES)[gate]


HALT = TradingHalt(
    ticker="AAA",
    source="nasdaq_halts",
    reason="T1",
    halted_at=NOON - timedelta(minutes=20),
    resumed_at=None,
    listed_at=NOON - timedelta(seconds=30),
)


def halt_verdict(halt: TradingHalt, **changes: Any) -> Verdict:
    return verdict("trading_halt", trading_halts=(halt,), **changes)


def test_a_halted_ticker_is_not_entered_and_the_verdict_names_the_halt() -> None:
    found = halt_verdict(HALT)
    assert not found.passed
    assert found.reason == (
        "AAA halted since 2026-02-04 16:40:00 UTC (T1, news pending; nasdaq_halts)"
    )
    assert found.observed == {
        "ticker": "AAA",
        "source": "nasdaq_halts",
        "reason": "T1",
        "halted_at": "2026-02-04T16:40:00+00:00",
        "ended_at": None,
    }


@pytest.mark.parametrize(
    ("changes", "passes"),
    [
        ({"ticker": "*"}, False),
        ({"source": "silence"}, False),
        ({"halted_at": NOON + timedelta(seconds=1)}, True),
        ({"halted_at": NOON}, False),
        ({"resumed_at": NOON + timedelta(seconds=1)}, False),
        ({"resumed_at": NOON}, False),
        ({"resumed_at": NOON - timedelta(minutes=5) + timedelta(seconds=1)}, False),
        ({"resumed_at": NOON - timedelta(minutes=5)}, True),
        ({"unlisted_at": NOON - timedelta(minutes=4)}, False),
        ({"unlisted_at": NOON - timedelta(minutes=5)}, True),
        ({"listed_at": NOON - timedelta(days=1)}, False),
        ({"listed_at": NOON - timedelta(days=1, seconds=1)}, True),
    ],
)
def test_a_halt_refuses_while_it_holds_and_until_it_has_cooled(
    changes: dict[str, Any], passes: bool
) -> None:
    assert halt_verdict(replace(HALT, **changes)).passed is passes


EARNINGS = EventDate("AAA", "earnings", NOON, "a calendar")
AROUND = replace(RULES, earnings_before_minutes=60, earnings_after_minutes=30)


def blackout(event: EventDate, rules: GateRules = AROUND) -> Verdict:
    return gates.assess_entry(facts(events=(event,)), rules)["event_blackout"]


def test_events_refuse_nothing_unless_somebody_says_how_long() -> None:
    assert blackout(EARNINGS, RULES).passed


@pytest.mark.parametrize(
    ("minutes", "passes"), [(61, True), (60, False), (0, False), (-30, False), (-31, True)]
)
def test_around_an_event_of_its_kind_an_entry_is_refused(minutes: int, passes: bool) -> None:
    event = replace(EARNINGS, at=NOON + timedelta(minutes=minutes))
    found = blackout(event)
    assert found.passed is passes
    assert passes or (found.observed, "earnings of AAA" in found.reason) == (event.facts, True)


def test_each_kind_has_minutes_of_its_own() -> None:
    for kind in EVENT_KINDS:
        event = EventDate("*", kind, NOON + timedelta(minutes=10), "a calendar")
        assert blackout(event).passed is (kind != "earnings")
        name = "other_event" if kind == "other" else kind
        before = {f"{name}_before_minutes": 10}
        after = {f"{name}_after_minutes": 10}
        assert not blackout(event, replace(RULES, **before)).passed
        assert blackout(event, replace(RULES, **after)).passed


def test_what_the_broker_does_not_trade_is_not_entered_nor_what_it_does_not_know() -> None:
    assert verdict("trading_halt", tradable=False).reason == "AAA is not tradable at the broker"
    assert verdict("trading_halt", tradable=None).reason.endswith("unknown: refused")
    assert "halted since" in halt_verdict(HALT, tradable=None).reason


def test_a_calm_idea_passes_every_gate() -> None:
    verdicts = gates.assess_entry(CALM, RULES)
    assert gates.refused(verdicts) == []
    assert len(verdicts) == 27


def test_before_the_first_minutes_are_over_no_run_of_the_guard_is_due() -> None:
    for minute, passes in ((30, True), (34, True), (35, False)):
        found = verdict("guard_alive", now=new_york_time(DAY, 9, minute), guard_ran_at=None)
        assert found.passed is passes


def test_the_gates_of_the_rules_table_are_all_there() -> None:
    named = {
        "trading_state",
        "daily_loss",
        "vix_regime",
        "trading_hours",
        "recommendation_freshness",
        "feature_freshness",
        "bar_freshness",
        "confidence",
        "action_allowed",
        "duplicate_position",
        "external_holding",
        "max_positions",
        "max_exposure",
        "buying_power",
        "ticker_daily_limit",
        "cooldown",
        "losing_streak",
    }
    assert named <= gates.assess_entry(CALM, RULES).keys()


@pytest.mark.parametrize(
    ("gate", "changes", "reason"),
    [
        ("account_active", {"active": False}, "Account switched off: active is false"),
        (
            "closing_requested",
            {"closing": ("ann: news",)},
            "AAA is being closed, asked by ann: news",
        ),
        (
            "corporate_action_pending",
            {"corporate": ("cash merger on 2026-02-05",)},
            "AAA: cash merger on 2026-02-05",
        ),
        ("trading_state", {"halts": {"operator": "lunch"}}, "Halted by operator: lunch"),
        ("trading_state", {"halts": {"books": "AAA differs"}}, "Halted by books: AAA differs"),
        (
            "daily_loss",
            {"ledger_loss": Decimal(512)},
            "KILL SWITCH: Daily loss $512 exceeds limit $500",
        ),
        (
            "daily_loss",
            {"broker_loss": Decimal(500)},
            "KILL SWITCH: Daily loss $500 exceeds limit $500",
        ),
        ("vix_regime", {"vix_close": 40.0}, "VIX 40.0 - extreme"),
        (
            "vix_regime",
            {"vix_day": date(2026, 2, 2)},
            "VIX of 2026-02-02 is older than one session",
        ),
        ("guard_alive", {"guard_ran_at": None}, "Position manager has not run today"),
        (
            "guard_alive",
            {"guard_ran_at": NOON - timedelta(seconds=301)},
            "Position manager's run age 301s > 300s",
        ),
        ("trading_hours", {"session": None}, "Market closed"),
        ("trading_hours", {"now": new_york_time(DAY, 9, 29)}, "Market closed"),
        ("trading_hours", {"now": new_york_time(DAY, 16)}, "Market closed"),
        ("trading_hours", {"now": new_york_time(DAY, 9, 34)}, "First 5 minutes"),
        (
            "trading_hours",
            {"now": new_york_time(DAY, 14, 1)},
            "Past the last entry of the session",
        ),
        (
            "recommendation_freshness",
            {"created_at": NOON - timedelta(seconds=301)},
            "Recommendation age 301s > 300s",
        ),
        (
            "feature_freshness",
            {"features_at": NOON - timedelta(seconds=301)},
            "Feature age 301s > 300s",
        ),
        ("bar_freshness", {"bar_at": NOON - timedelta(seconds=181)}, "Bar age 121s > 120s"),
        (
            "quote_freshness",
            {"quote": replace(CALM.quote, ts=NOON - timedelta(seconds=61))},  # type: ignore[type-var] # a quote is there
            "Quote age 61s > 60s",
        ),
        (
            "quote_freshness",
            {"quote": replace(CALM.quote, ts=NOON + timedelta(seconds=61))},  # type: ignore[type-var] # a quote is there
            "Quote is 61s ahead of the clock",
        ),
        (
            "quote_freshness",
            {"quote": replace(CALM.quote, ask=Decimal(0))},  # type: ignore[type-var] # a quote is there
            "Quote one-sided or crossed: 99.98 / 0",
        ),
        (
            "quote_freshness",
            {"quote": replace(CALM.quote, bid=Decimal(101))},  # type: ignore[type-var] # a quote is there
            "Quote one-sided or crossed: 101 / 100",
        ),
        ("confidence", {"confidence": 0.44}, "Confidence 0.44 < 0.45"),
        ("confidence", {"confidence": 0.59, "tier": TINY}, "Confidence 0.59 < 0.60"),
        ("action_allowed", {"instrument_type": "CALL"}, "BUY_CALL not allowed"),
        (
            "duplicate_position",
            {"held_kinds": frozenset({("AAA", "STOCK")})},
            "AAA is held or being bought",
        ),
        (
            "duplicate_position",
            {"broker_symbols": frozenset({"AAA"})},
            "AAA is held or being bought",
        ),
        (
            "external_holding",
            {"left_alone": frozenset({"AAA"})},
            "AAA was held before the first run",
        ),
        ("max_positions", {"held_symbols": frozenset("BCDEF")}, "At position limit: 5/5"),
        (
            "max_positions",
            {"held_symbols": frozenset("BCD"), "broker_symbols": frozenset("CDEF")},
            "At position limit: 5/5",
        ),
        (
            "max_positions",
            {"held_symbols": frozenset("BC"), "unlisted": frozenset("CB")},
            "The broker does not list B, C",
        ),
        ("max_exposure", {"exposure": Decimal(8_001)}, "Exposure $10001/$10000"),
        ("max_exposure", {"cost": Decimal(25_000)}, "Exposure $25000/$10000"),
        ("buying_power", {"buying_power": Decimal(1_999)}, "Cost $2000 of buying power $1999"),
        ("ticker_daily_limit", {"ticker_entries_today": 2}, "Entries today 2/2"),
        (
            "tier_daily_limit",
            {"tier": TINY, "account_entries_today": 2},
            "Trades today 2/2 in tier tiny",
        ),
        ("cooldown", {"last_trade_at": NOON - timedelta(minutes=14)}, "Last trade 14 min ago"),
        (
            "losing_streak",
            {"ticker_results": (-1.0, -0.1, -2.0), "ticker_rests": True},
            "Last 3 trades in AAA lost",
        ),
        ("losing_streak", {"account_results": (-1.0,) * 5}, "Last 5 trades of the account lost"),
        ("size", {"size_bound": "buying_power"}, "Size 0: bound by buying_power"),
    ],
)
def test_it_refuses_and_says_why(gate: str, changes: dict[str, Any], reason: str) -> None:
    refusal = verdict(gate, **changes)
    assert (refusal.passed, refusal.reason) == (False, reason)


@pytest.mark.parametrize(
    ("gate", "changes", "reason"),
    [
        ("daily_loss", {"ledger_loss": Decimal("499.99")}, None),
        ("daily_loss", {"ledger_loss": Decimal(-300)}, "Daily loss $0 under $500"),
        ("vix_regime", {}, "VIX 18.2 - normal"),
        ("vix_regime", {"vix_close": 25.0}, "VIX 25.0 - elevated, half size"),
        ("vix_regime", {"vix_close": 39.9}, None),
        ("trading_hours", {"now": new_york_time(DAY, 9, 35)}, None),
        ("trading_hours", {"now": new_york_time(DAY, 14, 0)}, "Market open"),
        ("bar_freshness", {}, "Bar age 45s <= 120s"),
        ("bar_freshness", {"bar_at": NOON - timedelta(seconds=180)}, "Bar age 120s <= 120s"),
        ("confidence", {"confidence": 0.45}, "Confidence 0.45 >= 0.45"),
        ("confidence", {"confidence": 0.6, "tier": TINY}, None),
        ("duplicate_position", {"held_kinds": frozenset({("AAA", "CALL")})}, None),
        ("max_positions", {"held_symbols": frozenset("BCD")}, "Positions 3/5"),
        (
            "max_positions",
            {"held_symbols": frozenset("BCD"), "broker_symbols": frozenset("BCD")},
            "Positions 3/5",
        ),
        ("max_positions", {"held_symbols": frozenset({"AAA", *"BCDE"})}, "Positions 4/5"),
        ("max_exposure", {"exposure": Decimal(8_000)}, "Exposure $10000/$10000"),
        ("buying_power", {"buying_power": Decimal(2_000)}, None),
        ("ticker_daily_limit", {"ticker_entries_today": 1}, None),
        ("tier_daily_limit", {"account_entries_today": 99}, "Tier large has no daily limit"),
        ("cooldown", {"last_trade_at": NOON - timedelta(minutes=15)}, None),
        ("cooldown", {}, "No trade yet"),
        ("losing_streak", {"ticker_results": (-1.0, -1.0, 0.1), "ticker_rests": True}, None),
        ("losing_streak", {"ticker_results": (-1.0,) * 3, "ticker_rests": False}, None),
        ("losing_streak", {"ticker_results": (-1.0,) * 2, "ticker_rests": True}, None),
        ("losing_streak", {"account_results": (1.0, *(-1.0,) * 4)}, None),
        ("losing_streak", {"account_results": (-1.0, -1.0, 0.0, -1.0, -1.0)}, None),
    ],
)
def test_it_passes_up_to_its_limit(gate: str, changes: dict[str, Any], reason: str | None) -> None:
    found = verdict(gate, **changes)
    assert found.passed, found.reason
    assert reason in (None, found.reason)


NEEDED = {
    "session": {"trading_hours"},
    "tier": {"confidence", "tier_daily_limit"},
    "ledger_loss": {"daily_loss"},
    "broker_loss": {"daily_loss"},
    "vix_close": {"vix_regime"},
    "vix_day": {"vix_regime"},
    "guard_ran_at": {"guard_alive"},
    "tradable": {"trading_halt"},
    "bar_at": {"bar_freshness"},
    "features_at": {"feature_freshness"},
    "quote": {"quote_freshness", "quote_plausible"},
    "cost": {"max_exposure", "buying_power", "size"},
    "exposure": {"max_exposure"},
    "buying_power": {"buying_power"},
    "broker_symbols": {"max_positions"},
    "left_alone": {"external_holding"},
}
# None has a meaning of its own here: nothing against the quote; no bound gave zero; no trade yet.
MEANT = {"quote_doubt", "size_bound", "last_trade_at"}


def test_every_fact_that_may_be_unknown_is_in_the_table_below() -> None:
    may_be_none = {
        field.name
        for model in (GateFacts, Idea)
        for field in fields(model)
        if "None" in str(field.type)
    }
    assert may_be_none == NEEDED.keys() | MEANT


@given(st.sets(st.sampled_from(sorted(NEEDED)), min_size=1))
def test_whatever_is_unknown_refuses_every_gate_that_needs_it(unknown: set[str]) -> None:
    verdicts = gates.assess_entry(facts(**dict.fromkeys(unknown)), RULES)
    refused = {gate for gate, found in verdicts.items() if not found.passed}
    assert refused == set().union(*(NEEDED[name] for name in unknown))
    assert all(verdicts[gate].reason for gate in refused)


def test_a_thin_ticker_s_missing_minutes_are_no_staleness_while_the_feed_lives() -> None:
    living = BarCoverage(NOON - timedelta(seconds=6), NOON - timedelta(seconds=6))
    quiet = {"bar_at": NOON - timedelta(seconds=301)}
    assert verdict("bar_freshness", **quiet).reason == "Bar age 241s > 120s"
    found = verdict("bar_freshness", **quiet, bar_coverage=living)
    assert (found.passed, found.reason) == (True, "Bar age 241s <= 300s")
    silent = {"bar_at": NOON - timedelta(seconds=361)}
    assert not verdict("bar_freshness", **silent, bar_coverage=living).passed


def test_an_unknown_fact_is_named_in_the_refusal() -> None:
    assert verdict("daily_loss", broker_loss=None).reason == "Daily loss unknown: refused"
    assert verdict("bar_freshness", bar_at=None).reason == "Bar age unknown: refused"


@given(
    held=st.sets(st.sampled_from("BCDEFGH")),
    exposure=st.decimals(0, 20_000, places=2),
    cost=st.decimals("0.01", 20_000, places=2),
)
def test_no_entry_passes_that_would_pass_a_cap(
    held: set[str], exposure: Decimal, cost: Decimal
) -> None:
    verdicts = gates.assess_entry(
        facts(held_symbols=frozenset(held), exposure=exposure, cost=cost), RULES
    )
    if verdicts["max_positions"].passed:
        assert len(held | {"AAA"}) <= 5
    assert verdicts["max_exposure"].passed == (exposure + cost <= 10_000)


def test_a_sell_passes_three_gates_only_and_no_halt_stops_it() -> None:
    halted = facts(
        action="SELL", halts={"operator": "lunch"}, held_kinds=frozenset({("AAA", "STOCK")})
    )
    verdicts = gates.assess_sell(halted, RULES)
    assert list(verdicts) == ["trading_state", "action_allowed", "sell_has_position"]
    assert gates.refused(verdicts) == []


def test_a_sell_of_what_is_not_held_is_refused() -> None:
    verdicts = gates.assess_sell(facts(action="SELL"), RULES)
    assert gates.refused(verdicts) == ["AAA is not held"]


def test_the_refusals_come_in_the_order_of_the_gates() -> None:
    now: datetime = new_york_time(DAY, 15)
    reasons = gates.refused(
        gates.assess_entry(facts(now=now, halts={"operator": "lunch"}, cost=None), RULES)
    )
    assert reasons[0] == "Halted by operator: lunch"
    assert reasons[1] == "Past the last entry of the session"
    assert reasons[-1] == "Size unknown: refused"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(gates, "_entry_gates", dict(gates._entry_gates))


def test_a_gate_registered_from_outside_is_asked_last_and_can_refuse(registry: None) -> None:
    @gates.register("odd_minutes")
    def odd_minutes(facts: GateFacts, rules: GateRules) -> Verdict:
        return Verdict(facts.now.minute % 2 == 1, "Even minute", facts.now.minute, "odd")

    verdicts = gates.assess_entry(CALM, RULES)

    assert list(verdicts)[-1] == "odd_minutes"
    assert not odd_minutes(CALM, RULES).passed
    assert gates.refused(verdicts) == ["Even minute"]


def test_no_gate_takes_the_name_of_another(registry: None) -> None:
    with pytest.raises(ValueError, match="trading_state"):
        gates.register("trading_state")(gates.trading_hours)
    assert gates._entry_gates["trading_state"] is gates.trading_state


WINDOW = "2026-02-04T14:35:00+00:00 to 2026-02-04T19:00:00+00:00"
CROSSED = Quote("AAA", NOON, Decimal(101), 1, Decimal(100), 1)


@pytest.mark.parametrize(
    ("gate", "changes", "expected"),
    [
        ("account_active", {}, (True, "Account active", True, True)),
        (
            "account_active",
            {"active": False},
            (False, "Account switched off: active is false", False, True),
        ),
        ("trading_state", {}, (True, "Trading", "no halt", "no halt")),
        (
            "trading_state",
            {"halts": {"operator": "lunch", "books": "AAA"}},
            (False, "Halted by operator: lunch", ["books", "operator"], "no halt"),
        ),
        ("closing_requested", {}, (True, "No close is asked for", "no close", "no close")),
        (
            "closing_requested",
            {"closing": ("ann: news", "a signal")},
            (
                False,
                "AAA is being closed, asked by ann: news",
                ["ann: news", "a signal"],
                "no close",
            ),
        ),
        (
            "corporate_action_pending",
            {},
            (True, "No corporate action is pending", "no action", "no action"),
        ),
        (
            "corporate_action_pending",
            {"corporate": ("a", "b")},
            (False, "AAA: a", ["a", "b"], "no action"),
        ),
        (
            "daily_loss",
            {"ledger_loss": Decimal(20), "broker_loss": Decimal(30)},
            (True, "Daily loss $30 under $500", 30, 500),
        ),
        (
            "daily_loss",
            {"ledger_loss": Decimal(600)},
            (False, "KILL SWITCH: Daily loss $600 exceeds limit $500", 600, 500),
        ),
        ("daily_loss", {"ledger_loss": None}, (False, "Daily loss unknown: refused", None, 500)),
        ("vix_regime", {"vix_close": 24.9}, (True, "VIX 24.9 - normal", 24.9, 40.0)),
        ("vix_regime", {"vix_close": 41.0}, (False, "VIX 41.0 - extreme", 41.0, 40.0)),
        ("vix_regime", {"vix_day": None}, (False, "VIX unknown: refused", None, 40.0)),
        (
            "vix_regime",
            {"vix_day": date(2026, 2, 2)},
            (False, "VIX of 2026-02-02 is older than one session", "2026-02-02", 40.0),
        ),
        (
            "trading_hours",
            {"session": None},
            (False, "Market closed", "2026-02-04T17:00:00+00:00", None),
        ),
        (
            "trading_hours",
            {"now": new_york_time(DAY, 9, 34)},
            (False, "First 5 minutes", "2026-02-04T14:34:00+00:00", WINDOW),
        ),
        (
            "trading_hours",
            {"now": new_york_time(DAY, 14, 1)},
            (False, "Past the last entry of the session", "2026-02-04T19:01:00+00:00", WINDOW),
        ),
        ("trading_hours", {}, (True, "Market open", "2026-02-04T17:00:00+00:00", WINDOW)),
        (
            "guard_alive",
            {"now": new_york_time(DAY, 9, 31), "guard_ran_at": NOON},
            (True, "The session has just opened", NOON, 300),
        ),
        (
            "guard_alive",
            {"guard_ran_at": None},
            (False, "Position manager has not run today", None, 300),
        ),
        ("guard_alive", {}, (True, "Position manager's run age 60s <= 300s", 60.0, 300)),
        (
            "recommendation_freshness",
            {},
            (True, "Recommendation age 10s <= 300s", 10.0, 300),
        ),
        ("feature_freshness", {}, (True, "Feature age 20s <= 300s", 20.0, 300)),
        (
            "feature_freshness",
            {"features_at": None},
            (False, "Feature age unknown: refused", None, 300),
        ),
        (
            "recommendation_freshness",
            {"created_at": NOON + timedelta(seconds=301)},
            (False, "Recommendation is 301s ahead of the clock", -301.0, 300),
        ),
        (
            "bar_freshness",
            {"bar_at": NOON - timedelta(seconds=181)},
            (False, "Bar age 121s > 120s", 121.0, 120),
        ),
        ("quote_freshness", {}, (True, "Quote age 5s <= 60s", 5.0, 60)),
        ("quote_plausible", {}, (True, "Quote plausible", "99.98 / 100", "plausible")),
        ("quote_plausible", {"quote": None}, (False, "Quote unknown: refused", None, 60)),
        (
            "quote_plausible",
            {"quote_doubt": Doubt("spread", "too wide")},
            (False, "Quote implausible: too wide", "99.98 / 100", "plausible"),
        ),
        (
            "quote_plausible",
            {"quote_doubt": Doubt("stale", "99 s old")},
            (True, "Quote plausible", "99.98 / 100", "plausible"),
        ),
        ("quote_freshness", {"quote": None}, (False, "Quote unknown: refused", None, 60)),
        (
            "quote_freshness",
            {"quote": CROSSED},
            (False, "Quote one-sided or crossed: 101 / 100", "101 / 100", "bid <= ask"),
        ),
        ("confidence", {}, (True, "Confidence 0.70 >= 0.45", 0.7, 0.45)),
        ("confidence", {"tier": TINY}, (True, "Confidence 0.70 >= 0.60", 0.7, 0.6)),
        ("confidence", {"tier": None}, (False, "Account tier unknown: refused", None, 0.45)),
        (
            "action_allowed",
            {},
            (True, "BUY_STOCK allowed", "BUY_STOCK", ["BUY_STOCK", "SELL_STOCK"]),
        ),
        (
            "action_allowed",
            {"action": "SELL", "instrument_type": "PUT"},
            (False, "SELL_PUT not allowed", "SELL_PUT", ["BUY_STOCK", "SELL_STOCK"]),
        ),
        ("duplicate_position", {}, (True, "Not held", False, False)),
        ("duplicate_position", {"broker_symbols": None}, (True, "Not held", False, False)),
        (
            "duplicate_position",
            {"broker_symbols": frozenset({"AAA"})},
            (False, "AAA is held or being bought", True, False),
        ),
        (
            "external_holding",
            {},
            (True, "Not held before the first run", "AAA", "not held before"),
        ),
        (
            "external_holding",
            {"left_alone": None},
            (False, "What was held before the first run unknown: refused", None, "AAA"),
        ),
        (
            "external_holding",
            {"left_alone": frozenset({"AAA"})},
            (False, "AAA was held before the first run", "AAA", "not held before"),
        ),
        ("max_positions", {"held_symbols": frozenset("BC")}, (True, "Positions 2/5", 2, 5)),
        (
            "max_positions",
            {"held_symbols": frozenset("BCDEFG")},
            (False, "At position limit: 6/5", 6, 5),
        ),
        (
            "max_positions",
            {"broker_symbols": None},
            (False, "What the broker holds unknown: refused", None, 5),
        ),
        (
            "max_positions",
            {"illegible": ("position x: odd", "order y: odd"), "unlisted": frozenset("B")},
            (
                False,
                "The broker's lists are not legible: position x: odd",
                ["position x: odd", "order y: odd"],
                5,
            ),
        ),
        (
            "max_positions",
            {"unlisted": frozenset("CB")},
            (False, "The broker does not list B, C", ["B", "C"], 5),
        ),
        ("max_exposure", {"exposure": Decimal(5)}, (True, "Exposure $2005/$10000", 2005, 10_000)),
        ("max_exposure", {"exposure": None}, (False, "Exposure unknown: refused", None, 10_000)),
        ("max_exposure", {"cost": None}, (False, "Cost unknown: refused", None, 10_000)),
        ("buying_power", {}, (True, "Cost $2000 of buying power $50000", 2000, 50_000)),
        ("buying_power", {"cost": None}, (False, "Buying power unknown: refused", None, None)),
        (
            "buying_power",
            {"buying_power": None},
            (False, "Buying power unknown: refused", None, None),
        ),
        ("ticker_daily_limit", {"ticker_entries_today": 1}, (True, "Entries today 1/2", 1, 2)),
        (
            "tier_daily_limit",
            {"tier": TINY, "account_entries_today": 1},
            (True, "Trades today 1/2 in tier tiny", 1, 2),
        ),
        (
            "tier_daily_limit",
            {"account_entries_today": 9},
            (True, "Tier large has no daily limit", 9, None),
        ),
        ("tier_daily_limit", {"tier": None}, (False, "Account tier unknown: refused", None, None)),
        ("cooldown", {}, (True, "No trade yet", None, 15)),
        (
            "cooldown",
            {"last_trade_at": NOON - timedelta(minutes=15)},
            (True, "Last trade 15 min ago", 15.0, 15),
        ),
        ("losing_streak", {"ticker_results": (1.0,)}, (True, "No losing streak", 1, None)),
        (
            "losing_streak",
            {"ticker_results": (1.0, -1.0, -1.0, -1.0), "ticker_rests": True},
            (False, "Last 3 trades in AAA lost", 3, 3),
        ),
        (
            "losing_streak",
            {"account_results": (5.0, *(-1.0,) * 5)},
            (False, "Last 5 trades of the account lost", 5, 5),
        ),
        ("size", {}, (True, "Size fits every bound", 2000, None)),
        ("size", {"cost": None}, (False, "Size unknown: refused", None, None)),
        (
            "size",
            {"size_bound": "risk_budget"},
            (False, "Size 0: bound by risk_budget", 0, "risk_budget"),
        ),
    ],
)
def test_a_verdict_keeps_what_was_observed_and_the_limit_for_those_who_read_it_later(
    gate: str, changes: dict[str, Any], expected: tuple[object, ...]
) -> None:
    assert verdict(gate, **changes) == Verdict(*expected)  # type: ignore[arg-type] # in its order


@pytest.mark.parametrize("gate", ["quote_freshness", "recommendation_freshness"])
def test_a_clock_ahead_of_ours_is_borne_as_far_as_an_age_is(gate: str) -> None:
    limit_s = {"quote_freshness": 60, "recommendation_freshness": 300}[gate]
    for seconds, passes in ((limit_s, True), (limit_s + 1, False), (-limit_s, True)):
        moment = NOON + timedelta(seconds=seconds)
        assert CALM.quote is not None
        found = verdict(gate, quote=replace(CALM.quote, ts=moment), created_at=moment)
        assert found.passed is passes, seconds


def test_without_a_session_the_guard_s_run_counts() -> None:
    assert not verdict("guard_alive", session=None, guard_ran_at=None).passed
    assert verdict("guard_alive", session=None).passed


def test_what_a_sell_is_told_names_the_gates_answers() -> None:
    held = facts(action="SELL", held_kinds=frozenset({("AAA", "STOCK"), ("BBB", "STOCK")}))
    verdicts = gates.assess_sell(held, RULES)
    assert verdicts["trading_state"] == Verdict(True, "Exits are never halted")
    assert verdicts["sell_has_position"] == Verdict(True, "AAA is held", True, True)
    call = gates.assess_sell(facts(action="SELL", held_kinds=frozenset({("AAA", "CALL")})), RULES)
    assert call["sell_has_position"] == Verdict(False, "AAA is not held", False, True)


def test_the_gates_are_named_and_evaluated_in_this_order() -> None:
    """Verdicts are stored by these names, and refusals are listed in this order."""
    assert list(gates.assess_entry(CALM, RULES)) == [
        "account_active",
        "trading_state",
        "trading_halt",
        "event_blackout",
        "closing_requested",
        "corporate_action_pending",
        "daily_loss",
        "vix_regime",
        "trading_hours",
        "guard_alive",
        "recommendation_freshness",
        "feature_freshness",
        "bar_freshness",
        "quote_freshness",
        "quote_plausible",
        "confidence",
        "action_allowed",
        "duplicate_position",
        "external_holding",
        "max_positions",
        "max_exposure",
        "buying_power",
        "ticker_daily_limit",
        "tier_daily_limit",
        "cooldown",
        "losing_streak",
        "size",
    ]


@pytest.mark.parametrize(
    ("ledger", "broker", "alone"),
    [
        (0, 500, True),  # at the limit by the broker alone
        (None, 501, True),
        (499, 900, True),
        (500, 900, False),  # our own ledger shows it too
        (0, 499, False),
        (0, None, False),
    ],
)
def test_a_loss_that_only_the_broker_shows_is_told_apart(
    ledger: int | None, broker: int | None, alone: bool
) -> None:
    ours, theirs = (None if it is None else Decimal(it) for it in (ledger, broker))
    found = gates.loss_at_broker_alone(ours, theirs, Decimal(500))
    assert found == (theirs if alone else None)


def test_verdicts_on_halts_say_what_was_seen_and_what_was_wanted() -> None:
    calm = verdict("trading_halt")
    assert calm == Verdict(True, "No halt is known", "no halt", "no halt")
    halted = halt_verdict(HALT)
    assert (halted.observed, halted.limit) == (HALT.facts, "no halt")
    unknown = verdict("trading_halt", tradable=None)
    assert unknown.reason == "Asset status at the broker unknown: refused"
    assert (unknown.passed, unknown.limit) == (False, "tradable")
    refused = verdict("trading_halt", tradable=False)
    assert (refused.passed, refused.observed, refused.limit) == (False, "not tradable", "tradable")
    over = replace(HALT, resumed_at=NOON - timedelta(minutes=1))
    cooling = halt_verdict(over)
    assert cooling.reason == f"Under 5 minutes after: {over.told}"
    assert (cooling.passed, cooling.observed, cooling.limit) == (False, over.facts, 5)


def test_verdicts_on_events_say_what_was_seen_and_what_was_wanted() -> None:
    calm = verdict("event_blackout")
    assert calm == Verdict(True, "No event near", "no event near", "no event near")
    near = replace(EARNINGS, at=NOON)
    assert (blackout(near).observed, blackout(near).limit) == (near.facts, "no event near")
