"""Whether and what a recommendation buys, decided on views alone, without a database."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from ops_pipeline.domain import gates
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.gates import AccountLimits, GateFacts, Idea, Verdict
from ops_pipeline.domain.ledger import Holdings, LedgerView
from ops_pipeline.domain.legible import IllegibleItem, ItemKind
from ops_pipeline.domain.market import Quote, Quotes, new_york_time
from ops_pipeline.domain.market_state.event_dates import EventDate
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.snapshots import BrokerLists, BrokerSnapshot, MarketSnapshot
from ops_pipeline.execution.decisions import entry
from ops_pipeline.execution.decisions.entry import Assessment
from ops_pipeline.execution.decisions.entry_facts import SizedFacts, gather
from ops_pipeline.execution.decisions.intents import IntentSource, SalePlan
from tests.support.fakes import regular_session
from tests.support.positions import open_position

DAY, DAY_BEFORE = date(2026, 2, 4), date(2026, 2, 3)
NOON = new_york_time(DAY, 12)
RULES = Parameters()
LARGE_TIER = RULES.sizing.tiers[-1]

ACCOUNT = Account(
    account_name="large",
    broker="alpaca",
    execution_mode="ALPACA_PAPER",
    active=True,
    allowed_actions=("BUY_STOCK", "SELL_STOCK"),
    max_positions=5,
    max_exposure=Decimal(10_000),
    max_daily_loss=Decimal(500),
    max_position_notional=None,
    max_order_notional=None,
    fractional_shares=False,
    operator_halt=None,
    books_halt=None,
    order_limit_halt=None,
    ledger_halt=None,
    ledger_compare_from=None,
    ledger_agreed_at=None,
    kill_switch=None,
    kill_switch_day=None,
    streak_counted_from=None,
)
# It ended long ago.
HALT = TradingHalt(
    ticker="AAA",
    source="nasdaq_halts",
    reason="T1",
    halted_at=NOON - timedelta(hours=2),
    resumed_at=NOON - timedelta(hours=1),
    listed_at=NOON,
)
EVENT = EventDate("AAA", "earnings", NOON + timedelta(hours=5), "a calendar")
LEDGER = LedgerView(
    account=ACCOUNT,
    holdings=Holdings(
        symbols=frozenset({"BBB"}),
        kinds=frozenset({("BBB", "STOCK")}),
        costs={"BBB": Decimal(1_500)},
        unacknowledged=Decimal(700),
    ),
    account_results=(-1.5, 2.0),
    ticker_results=(2.0,),
    last_exit_in_ticker=None,
    pnl_today=Decimal(-120),
    entries_in_ticker=1,
    entries_in_account=3,
    last_trade_at=NOON - timedelta(minutes=40),
    vix=(DAY_BEFORE, 18.5),
    bar_at=NOON - timedelta(minutes=2),
    bar_close=Decimal("99.95"),
    features_at=NOON - timedelta(minutes=1),
    guard_ran_at=NOON - timedelta(seconds=70),
    attempts=0,
    open_symbols=frozenset({"BBB"}),
    left_alone=frozenset({"OLD"}),
    closing=(),
    trading_halts=(HALT,),
    events=(EVENT,),
)
BROKER_ACCOUNT = BrokerAccount(
    account_number="PA-large",
    raw_status="ACTIVE",
    trading_blocked=False,
    no_shorting=True,
    cash=Decimal(90_000),
    equity=Decimal(99_800),
    last_equity=Decimal(100_000),
    buying_power=Decimal(50_000),
    options_buying_power=Decimal(0),
    options_trading_level=0,
)
LISTS = BrokerLists(
    at=NOON,
    positions={"BBB": Decimal(1_500)},
    buying={"CCC": Decimal(300)},
    shorting={},
    sold=frozenset(),
    listed=frozenset(),
    since=NOON - timedelta(days=1),
)
QUOTE = Quote("AAA", NOON - timedelta(seconds=3), Decimal("99.98"), 100, Decimal("100.00"), 100)
SNAPSHOT = MarketSnapshot(
    tickers=("AAA",),
    session=regular_session(DAY),
    previous_session=DAY_BEFORE,
    quotes=Quotes({"AAA": QUOTE}),
    broker=BrokerSnapshot(
        account=BROKER_ACCOUNT, deposits=Decimal(50), lists=LISTS, external=Decimal(0)
    ),
    tradable={"AAA": True},
)
UNQUOTED = replace(SNAPSHOT, quotes=Quotes())
RECOMMENDATION = Recommendation(
    id=7,
    ts=NOON,
    created_at=NOON - timedelta(seconds=30),
    account_name="large",
    ticker="AAA",
    action="BUY",
    instrument_type="STOCK",
    strategy_type="day_trade",
    confidence=0.8,
    reason={},
    features_snapshot={},
    status="PROCESSING",
)
INTENTS = IntentSource(
    deployment="test",
    account=ACCOUNT,
    tick=NOON,
    decided_at=NOON + timedelta(seconds=2),
    parameter_version=4,
)
SIMULATED = replace(ACCOUNT, execution_mode="SIMULATED")
POSITION = open_position(
    NOON,
    account_name="tiny",
    execution_mode="SIMULATED",
    broker="nobody",
    ticker="SPX",
    symbol="SPXW260220C05000000",
    instrument_type="CALL",
    quantity=Decimal(4),
    multiplier=100,
    entry_price=Decimal(3),
    stop_loss=Decimal(2),
)


def ledger(**changes: Any) -> LedgerView:
    """The view with some changed; what belongs to the holdings goes there."""
    names = ("symbols", "kinds", "costs", "unacknowledged")
    holdings = {name: changes.pop(name) for name in names if name in changes}
    return replace(LEDGER, holdings=replace(LEDGER.holdings, **holdings), **changes)


def at_broker(**changes: Any) -> MarketSnapshot:
    """The snapshot with the broker's answers changed."""
    return replace(SNAPSHOT, broker=replace(SNAPSHOT.broker, **changes))


def gathered(
    view: LedgerView = LEDGER, seen: MarketSnapshot = SNAPSHOT, rules: Parameters = RULES
) -> SizedFacts:
    return gather(RECOMMENDATION, view, seen, rules=rules, now=NOON)


def assessed(
    view: LedgerView = LEDGER, seen: MarketSnapshot = SNAPSHOT, **changes: Any
) -> Assessment:
    recommendation = replace(RECOMMENDATION, **changes)
    return entry.assess(recommendation, view, seen, rules=RULES, intents=INTENTS)


def test_each_fact_comes_from_where_it_is_known() -> None:
    """19 shares: a position's share of 2,000 at 100.10 each; 8,200 are left of the exposure."""
    assert gathered().facts == GateFacts(
        now=NOON,
        session=regular_session(DAY),
        previous_session=DAY_BEFORE,
        idea=Idea(
            ticker="AAA",
            symbol="AAA",
            action="BUY",
            instrument_type="STOCK",
            confidence=0.8,
            created_at=NOON - timedelta(seconds=30),
            features_at=NOON - timedelta(minutes=1),
        ),
        limits=AccountLimits(
            allowed_actions=frozenset({"BUY_STOCK", "SELL_STOCK"}),
            max_positions=5,
            max_exposure=Decimal(10_000),
            max_daily_loss=Decimal(500),
        ),
        tier=LARGE_TIER,
        active=True,
        trading_halts=(HALT,),
        events=(EVENT,),
        tradable=True,
        closing=(),
        halts={},
        guard_ran_at=NOON - timedelta(seconds=70),
        ledger_loss=Decimal(120),
        broker_loss=Decimal(250),
        vix_close=18.5,
        vix_day=DAY_BEFORE,
        bar_at=NOON - timedelta(minutes=2),
        quote=QUOTE,
        quote_doubt=None,
        held_symbols=frozenset({"BBB"}),
        held_kinds=frozenset({("BBB", "STOCK")}),
        broker_symbols=frozenset({"BBB", "CCC"}),
        left_alone=frozenset({"OLD"}),
        unlisted=frozenset(),
        illegible=(),
        exposure=Decimal(1_800),
        cost=19 * Decimal("100.10"),
        size_bound=None,
        buying_power=Decimal(49_300),
        ticker_entries_today=1,
        account_entries_today=3,
        last_trade_at=NOON - timedelta(minutes=40),
        ticker_results=(2.0,),
        ticker_rests=False,
        account_results=(-1.5, 2.0),
    )


def test_a_quote_far_from_the_newest_bar_is_doubted_and_prices_nothing() -> None:
    found = gathered(ledger(bar_close=Decimal(60)))
    assert found.facts.quote_doubt is not None
    assert found.facts.quote_doubt.kind == "distance"
    assert "off the last bar, 60" in found.facts.quote_doubt.reason
    assert (found.size, found.limit) == (None, None)


def test_a_bar_speaks_from_the_end_of_its_minute_on_and_only_when_whole() -> None:
    # Counted from its minute's start the bar would be too old to speak.
    old = RULES.prices.evidence_age_s
    just = NOON - timedelta(seconds=old + 60)
    assert gathered(ledger(bar_close=Decimal(60), bar_at=just)).facts.quote_doubt is not None
    past = just - timedelta(seconds=1)
    assert gathered(ledger(bar_close=Decimal(60), bar_at=past)).facts.quote_doubt is None
    assert gathered(ledger(bar_close=None)).facts.quote_doubt is None
    assert gathered(ledger(bar_at=None, bar_close=Decimal(60))).facts.quote_doubt is None


def test_a_quote_that_is_only_old_prices_the_entry_and_its_age_refuses() -> None:
    aged = replace(QUOTE, ts=NOON - timedelta(seconds=RULES.gates.quote_age_s + 1))
    found = gathered(seen=replace(SNAPSHOT, quotes=Quotes({"AAA": aged})))
    assert found.facts.quote_doubt is not None
    assert found.facts.quote_doubt.kind == "stale"
    assert found.limit == Decimal("100.10")


def test_the_first_minutes_of_the_session_have_wider_bounds() -> None:
    opening = new_york_time(DAY, 9, 31)
    quote = replace(QUOTE, ts=opening, bid=Decimal("99.60"), ask=Decimal("100.40"))
    seen = replace(SNAPSHOT, quotes=Quotes({"AAA": quote}))
    early = gather(RECOMMENDATION, ledger(bar_at=None), seen, rules=RULES, now=opening)
    assert early.facts.quote_doubt is None
    late = replace(SNAPSHOT, quotes=Quotes({"AAA": replace(quote, ts=NOON)}))
    at_noon = gather(RECOMMENDATION, ledger(bar_at=None), late, rules=RULES, now=NOON)
    assert at_noon.facts.quote_doubt is not None
    assert at_noon.facts.quote_doubt.kind == "spread"


def test_a_loss_that_only_the_broker_shows_waits_for_its_second_tick() -> None:
    lost = replace(BROKER_ACCOUNT, equity=Decimal(99_000))
    found = assessed(seen=at_broker(account=lost))
    assert found.loss_at_broker == 1_050  # with the day's deposit of 50
    both = assessed(ledger(pnl_today=Decimal(-500)), seen=at_broker(account=lost))
    assert both.loss_at_broker is None
    assert both.kill_switch is not None


def test_what_an_operator_stopped_is_a_fact() -> None:
    halted = replace(ACCOUNT, active=False, operator_halt="lunch")
    facts = gathered(ledger(account=halted, closing=("ann: news",))).facts
    assert not facts.active
    assert facts.halts == {"operator": "lunch"}
    assert facts.closing == ("ann: news",)


@pytest.mark.parametrize(("latched_on", "halts"), [(DAY_BEFORE, False), (DAY, True)])
def test_a_kill_switch_halts_the_new_york_day_it_latched_on(latched_on: date, halts: bool) -> None:
    """Late in the evening the UTC day is already the next one."""
    late = new_york_time(DAY, 23)
    account = replace(ACCOUNT, kill_switch="lost too much", kill_switch_day=latched_on)
    found = gather(RECOMMENDATION, ledger(account=account), SNAPSHOT, rules=RULES, now=late)
    assert bool(found.facts.halts) is halts


@pytest.mark.parametrize(
    ("left_at", "rests"),
    [
        (None, False),
        (new_york_time(date(2026, 2, 2), 15), False),
        (new_york_time(DAY_BEFORE, 9, 30), True),
        (new_york_time(DAY, 10), True),
        # 23:30 in New York on the day before the previous session is that day's UTC already.
        (new_york_time(date(2026, 2, 2), 23, 30), False),
    ],
)
def test_a_ticker_rests_from_an_exit_of_this_or_the_previous_session_on(
    left_at: datetime | None, rests: bool
) -> None:
    assert gathered(ledger(last_exit_in_ticker=left_at)).facts.ticker_rests is rests


def test_a_vix_that_nobody_stored_is_unknown() -> None:
    facts = gathered(ledger(vix=None)).facts
    assert (facts.vix_close, facts.vix_day) == (None, None)


@pytest.mark.parametrize(("close", "bought"), [(24.9, 19), (25.0, 9), (39.0, 9)])
def test_an_elevated_vix_halves_the_size(close: float, bought: int) -> None:
    size = gathered(ledger(vix=(DAY_BEFORE, close))).size
    assert size is not None
    assert size.quantity == bought


def test_without_a_vix_the_size_is_whole_and_the_gate_refuses() -> None:
    size = gathered(ledger(vix=None)).size
    assert size is not None
    assert size.quantity == 19
    assert "VIX unknown: refused" in assessed(ledger(vix=None)).refusals


@pytest.mark.parametrize(
    ("positions", "buying", "exposure"),
    [
        ({}, {}, 1_500),  # the broker shows nothing yet: ours count
        ({"BBB": Decimal(1_499)}, {}, 1_500),
        ({"BBB": Decimal(1_501)}, {}, 1_501),  # bought more by hand
        ({"BBB": Decimal(1_000)}, {"BBB": Decimal(600)}, 1_600),  # position and resting buy
        ({"BBB": Decimal(1_500), "DDD": Decimal(40)}, {"CCC": Decimal(60)}, 1_600),
        ({"DDD": Decimal("0.50")}, {}, Decimal("1500.50")),  # a fraction of a share by hand
        ({"BBB": Decimal(1_500)}, {"CCC": None}, None),  # a buy that has no price
    ],
)
def test_of_each_symbol_the_larger_of_our_rows_and_the_broker_s_counts(
    positions: dict[str, Decimal], buying: dict[str, Decimal | None], exposure: Decimal | int | None
) -> None:
    lists = replace(LISTS, positions=positions, buying=buying)
    found = gathered(seen=at_broker(lists=lists))
    assert found.facts.exposure == exposure
    if exposure is None:
        assert (found.size, found.facts.cost) == (None, None)


def test_what_is_left_of_the_exposure_cap_bounds_the_size() -> None:
    lists = replace(LISTS, positions={"BBB": Decimal(9_000)}, buying={"CCC": Decimal(499)})
    size = gathered(seen=at_broker(lists=lists)).size
    assert size is not None
    assert (size.quantity, size.bound) == (Decimal(5), "exposure_left")  # 501 / 100.10


def test_without_the_broker_s_lists_ours_are_the_exposure_and_its_symbols_unknown() -> None:
    found = gathered(seen=at_broker(lists=None))
    assert found.facts.exposure == 1_500
    assert found.facts.broker_symbols is None
    assert found.facts.unlisted == frozenset()


def test_an_open_position_that_the_broker_does_not_list_is_named() -> None:
    lists = replace(LISTS, positions={}, buying={"BBB": Decimal(1)})
    assert gathered(seen=at_broker(lists=lists)).facts.unlisted == {"BBB"}
    assert assessed(seen=at_broker(lists=lists)).unlisted == {"BBB"}
    assert assessed(seen=at_broker(lists=lists), action="SELL").unlisted == {"BBB"}


def odd(kind: ItemKind, symbol: str | None) -> IllegibleItem:
    return IllegibleItem(kind=kind, name="x", reason="not a number", content="{}", symbol=symbol)


@pytest.mark.parametrize(
    ("item", "unlisted"),
    [
        (odd("position", None), False),
        (odd("position", "BBB"), False),
        (odd("position", "CCC"), True),
        (odd("order", "BBB"), True),
    ],
)
def test_a_position_that_may_be_an_illegible_one_is_not_missing(
    item: IllegibleItem, unlisted: bool
) -> None:
    lists = replace(LISTS, positions={}, illegible=(item,))
    facts = gathered(seen=at_broker(lists=lists)).facts
    assert facts.unlisted == (frozenset({"BBB"}) if unlisted else frozenset())
    assert facts.illegible == (f"{item.kind} x: not a number",)
    assert gathered(seen=at_broker(lists=None)).facts.illegible == ()


def test_whether_a_ticker_is_tradable_is_the_broker_s_word_which_a_simulation_needs_not() -> None:
    assert gathered().facts.tradable is SNAPSHOT.tradable.get("AAA")
    unknown = replace(SNAPSHOT, tradable={})
    assert gathered(seen=unknown).facts.tradable is None
    simulated = ledger(account=SIMULATED)
    assert gathered(simulated, unknown).facts.tradable is True


def test_a_simulated_account_has_no_broker_and_may_spend_its_exposure_limit() -> None:
    """Its equity is the limit too: 10,000 is the medium tier, which risks 4 % of it."""
    view = ledger(account=SIMULATED)
    found = gathered(view, at_broker(account=None, lists=None))
    facts = found.facts
    assert (facts.broker_symbols, facts.unlisted) == (frozenset(), frozenset())
    assert (facts.broker_loss, facts.buying_power) == (Decimal(0), Decimal(9_300))
    assert facts.tier == RULES.sizing.tiers[2]
    assert found.size is not None
    assert found.size.allowed["risk_budget"] == Decimal("199.80")  # 400 / (100.10 * 0.02)
    listed = gathered(view, at_broker(lists=replace(LISTS, positions={})))
    assert listed.facts.unlisted == frozenset()
    assert listed.facts.broker_symbols == frozenset()


@pytest.mark.parametrize(
    "account", [None, replace(BROKER_ACCOUNT, trading_blocked=True)], ids=["unknown", "blocked"]
)
def test_money_that_is_unknown_or_blocked_gives_no_size(account: BrokerAccount | None) -> None:
    found = gathered(seen=at_broker(account=account))
    facts = found.facts
    assert (facts.tier, facts.broker_loss, facts.buying_power, facts.cost) == (None,) * 4
    assert found.size is None
    assert found.limit == Decimal("100.10")


def test_a_loss_without_known_deposits_is_unknown() -> None:
    facts = gathered(seen=at_broker(deposits=None)).facts
    assert facts.broker_loss is None
    assert facts.buying_power == 49_300


@pytest.mark.parametrize(
    "quotes",
    [
        {},
        {"BBB": QUOTE},
        {"AAA": replace(QUOTE, bid=Decimal(0))},
        {"AAA": replace(QUOTE, bid=Decimal("100.01"))},
    ],
    ids=["none", "another's", "one-sided", "crossed"],
)
def test_without_a_usable_quote_there_is_neither_limit_nor_size(quotes: dict[str, Quote]) -> None:
    found = gathered(seen=replace(SNAPSHOT, quotes=Quotes(quotes)))
    assert (found.limit, found.size, found.facts.cost) == (None, None, None)
    assert found.facts.quote == quotes.get("AAA")


def test_a_size_of_nothing_costs_one_unit_and_names_its_bound() -> None:
    found = gathered(ledger(unacknowledged=Decimal(49_950)))
    assert found.size is not None
    assert (found.size.quantity, found.size.bound) == (Decimal(0), "buying_power")
    assert (found.facts.cost, found.facts.size_bound) == (Decimal("100.10"), "buying_power")
    assert found.facts.buying_power == 50


def test_size_follows_the_account_s_own_limits_and_its_strategy() -> None:
    own = replace(
        ACCOUNT, max_position_notional=Decimal(1_000), max_order_notional=Decimal("500.50")
    )
    bounded = gathered(ledger(account=replace(own, fractional_shares=True))).size
    assert bounded is not None
    assert bounded.quantity == 5
    swing = gather(
        replace(RECOMMENDATION, strategy_type="swing_trade"),
        LEDGER,
        SNAPSHOT,
        rules=RULES,
        now=NOON,
    ).size
    day = gathered().size
    assert swing is not None
    assert day is not None
    # 1 % and 2 % of 99,800, over 2 % of 100.10.
    assert day.allowed["risk_budget"] == Decimal("498.50")
    assert swing.allowed["risk_budget"] == Decimal("997.00")


def test_fractions_are_bought_only_where_the_account_allows_them() -> None:
    size = gathered(ledger(account=replace(ACCOUNT, fractional_shares=True))).size
    assert size is not None
    assert size.quantity == Decimal("19.980019")


def test_the_account_s_results_bound_its_risk() -> None:
    """60 lost trades: a quarter of the tier's risk."""
    size = gathered(ledger(account_results=(-1.0,) * 60)).size
    assert size is not None
    assert size.allowed["risk_budget"] == Decimal("124.63")


def test_what_passes_every_gate_is_an_order_with_its_whole_cost_reserved() -> None:
    found = assessed()
    assert found.refusals == []
    assert found.kill_switch is None
    assert found.sizing is not None
    assert found.sizing["quantity"] == 19
    assert found.sizing["limit_price"] == Decimal("100.10")
    assert found.sizing["bound"] == "position_notional"
    assert found.order == Order(
        client_order_id="test-large-AAA-20260204T1700-entry-1",
        account_name="large",
        execution_mode="ALPACA_PAPER",
        broker="alpaca",
        purpose="entry",
        recommendation_id=7,
        position_id=None,
        attempt=1,
        ticker="AAA",
        symbol="AAA",
        instrument_type="STOCK",
        multiplier=1,
        side="buy",
        quantity=Decimal(19),
        order_type="limit",
        price=Decimal("100.10"),
        reason="signal",
        decided_at=NOON + timedelta(seconds=2),
        tick=NOON,
        parameter_version=4,
        time_in_force="day",
        reserved_notional=Decimal("1901.90"),
        status="intended",
        decision_bid=QUOTE.bid,
        decision_ask=QUOTE.ask,
    )


def test_a_second_attempt_has_an_id_of_its_own() -> None:
    order = assessed(ledger(attempts=1)).order
    assert order is not None
    assert (order.attempt, order.client_order_id[-2:]) == (2, "-2")


def test_what_a_gate_refuses_is_no_order_and_keeps_its_sizing() -> None:
    found = assessed(confidence=0.1)
    assert found.order is None
    assert found.refusals == ["Confidence 0.10 < 0.45"]
    assert found.sizing is not None
    assert list(found.verdicts) == list(gates.assess_entry(gathered().facts, RULES.gates))


def test_what_cannot_be_sized_is_no_order() -> None:
    found = assessed(seen=UNQUOTED)
    assert (found.order, found.sizing) == (None, None)
    assert "Size unknown: refused" in found.refusals


def test_a_loss_over_the_limit_latches_and_an_unknown_one_only_refuses() -> None:
    lost = assessed(ledger(pnl_today=Decimal(-500)))
    assert lost.kill_switch == "KILL SWITCH: Daily loss $500 exceeds limit $500"
    assert lost.order is None
    unknown = assessed(seen=at_broker(deposits=None))
    assert unknown.kill_switch is None
    assert "Daily loss unknown: refused" in unknown.refusals


def test_a_sell_is_judged_by_its_own_gates_and_makes_no_order_here() -> None:
    view = ledger(kinds=frozenset({("AAA", "STOCK")}), pnl_today=Decimal(-9_999))
    found = assessed(view, action="SELL")
    assert list(found.verdicts) == ["trading_state", "action_allowed", "sell_has_position"]
    assert found.refusals == []
    assert (found.order, found.sizing, found.kill_switch) == (None, None, None)


def test_an_order_is_never_made_without_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gate that passes what has no size is a fault of the gate, not an order."""
    passes = {"size": lambda facts, rules: Verdict(True, "passes whatever comes")}
    monkeypatch.setattr(gates, "_entry_gates", passes)
    for unsized in (UNQUOTED, at_broker(account=None)):
        with pytest.raises(ValueError, match=r"^every gate passed without a size: the size gate"):
            assessed(seen=unsized)
    assert assessed().order is not None
    assert assessed().kill_switch is None


OWN = replace(
    INTENTS.entry(RECOMMENDATION, Decimal(19), Decimal("100.10"), 1, quote=QUOTE), status="unknown"
)


def reassessed(view: LedgerView, seen: MarketSnapshot = SNAPSHOT, **changes: Any) -> list[str]:
    """The refusals of an entry that was never placed, a moment after it was decided."""
    order = replace(OWN, **changes)
    now = NOON + timedelta(seconds=50)
    verdicts = entry.reassess(order, RECOMMENDATION, view, seen, rules=RULES, now=now)
    assert list(verdicts) == list(gates.assess_entry(gathered().facts, RULES.gates))
    return gates.refused(verdicts)


def with_own_entry(**changes: Any) -> LedgerView:
    """The view in which the order itself is counted: its cost, its symbol, its place in the day."""
    counted: dict[str, Any] = {
        "symbols": frozenset({"AAA", "BBB"}),
        "kinds": frozenset({("AAA", "STOCK"), ("BBB", "STOCK")}),
        "costs": {"AAA": OWN.reserved_notional, "BBB": Decimal(1_500)},
        "unacknowledged": Decimal(700) + OWN.reserved_notional,
        "entries_in_ticker": 2,
        "entries_in_account": 4,
    }
    return ledger(**{**counted, **changes})


def test_an_entry_that_is_sent_again_does_not_stand_in_its_own_way() -> None:
    assert reassessed(with_own_entry()) == []


def test_it_costs_what_it_was_committed_at_and_not_what_would_be_decided_now() -> None:
    """A size of 19 is 1,901.90; what was reserved at first is 5,000 over the buying power."""
    poor = at_broker(account=replace(BROKER_ACCOUNT, buying_power=Decimal(3_000)))
    view = with_own_entry(unacknowledged=Decimal(5_000))
    refusals = reassessed(view, poor, reserved_notional=Decimal(5_000))
    assert "Cost $5000 of buying power $3000" in refusals


def test_a_second_entry_in_its_symbol_and_the_gates_of_now_refuse_it() -> None:
    twice = with_own_entry(costs={"AAA": 2 * OWN.reserved_notional})
    assert "AAA is held or being bought" in reassessed(twice)
    halted = with_own_entry(account=replace(ACCOUNT, operator_halt="lunch"))
    assert reassessed(halted) == ["Halted by operator: lunch"]
    unpriced = reassessed(with_own_entry(), UNQUOTED)
    assert "Size unknown: refused" in unpriced
    late = replace(SNAPSHOT, session=None)
    assert "Market closed" in reassessed(with_own_entry(), late)


@pytest.mark.parametrize(
    ("purpose", "order_type", "time_in_force"), [("exit", "limit", "day"), ("stop", "stop", "gtc")]
)
def test_a_sale_has_the_terms_of_its_position(
    purpose: Any, order_type: Any, time_in_force: Any
) -> None:
    """Also where the account trades in another mode or at another broker by now."""
    plan = SalePlan(purpose, "stop_loss", Decimal(3), Decimal("2.50"))
    assert INTENTS.sale(POSITION, plan, 2) == Order(
        client_order_id=f"test-large-SPXW260220C05000000-20260204T1700-{purpose}-2",
        account_name="tiny",
        execution_mode="SIMULATED",
        broker="nobody",
        purpose=purpose,
        recommendation_id=None,
        position_id=UUID(int=1),
        attempt=2,
        ticker="SPX",
        symbol="SPXW260220C05000000",
        instrument_type="CALL",
        multiplier=100,
        side="sell",
        quantity=Decimal(3),
        order_type=order_type,
        price=Decimal("2.50"),
        reason="stop_loss",
        decided_at=NOON + timedelta(seconds=2),
        tick=NOON,
        parameter_version=4,
        time_in_force=time_in_force,
        reserved_notional=Decimal(0),
        status="intended",
    )


def test_an_order_keeps_the_quote_that_it_was_decided_on() -> None:
    plan = SalePlan("exit", "stop_loss", Decimal(3), Decimal("2.50"))
    sold = INTENTS.sale(POSITION, plan, 2, QUOTE)
    assert (sold.decision_bid, sold.decision_ask) == (Decimal("99.98"), Decimal("100.00"))
    resting = INTENTS.sale(POSITION, plan, 2)
    assert (resting.decision_bid, resting.decision_ask) == (None, None)
