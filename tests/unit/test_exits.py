"""When a position is sold: state rules first, then the first rule that applies."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain import exits
from ops_pipeline.domain.exits import Decision, Position
from ops_pipeline.domain.market import Quote, new_york_time
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.prices.plausibility import Doubt, DoubtKind, Evidence, JudgedQuote
from tests.support.fakes import regular_session
from tests.support.positions import open_position

DAY = date(2026, 2, 4)
SESSION = regular_session(DAY)
ENTERED = new_york_time(DAY, 11)
NOW = ENTERED + timedelta(minutes=30)
RULES = ExitRules()
NOTHING = Decimal(0)

HELD = open_position(ENTERED)
# As it stands once the partial was sold: the stop at the entry price, and trailing.
TRAILING = replace(
    HELD,
    quantity=Decimal(12),
    stop_loss=Decimal(100),
    trailing_armed=True,
    lifecycle_state="partial",
    peak_price=Decimal(102),
)


def decide(
    price: str, position: Position = HELD, *, now: datetime = NOW, **changes: Any
) -> Decision:
    """What is decided when the mid stands at this price."""
    position = replace(position, **changes)
    quote = Quote("AAA", now, Decimal(price), 1, Decimal(price), 1)
    marked = exits.mark(position, quote)
    return exits.decide(
        position, marked, now=now, session=SESSION, rules=RULES, witnesses=[marked.price]
    )


def test_in_between_nothing_is_sold() -> None:
    decision = decide("100.50")
    assert (decision.sell, decision.rule, decision.events) == (NOTHING, None, ())


@pytest.mark.parametrize(
    ("rule", "price", "changes"),
    [
        ("operator", "100.50", {"exit_requested": "operator"}),
        ("emergency", "100.50", {"exit_requested": "emergency"}),
        ("session_end", "100.50", {"now": new_york_time(DAY, 15, 45), "max_hold_minutes": None}),
        ("stop_loss", "98.00", {}),
        ("take_profit", "103.00", {"trailing_armed": True}),
        ("signal", "100.50", {"exit_requested": "signal"}),
        ("time", "100.50", {"now": ENTERED + timedelta(minutes=241)}),
    ],
)
def test_each_rule_sells_everything(rule: str, price: str, changes: dict[str, Any]) -> None:
    decision = decide(price, **changes)
    assert (decision.rule, decision.sell) == (rule, HELD.quantity)


@pytest.mark.parametrize(
    ("price", "changes"),
    [
        ("98.01", {}),
        ("102.99", {"trailing_armed": True, "peak_price": Decimal(103)}),
        ("100.50", {"now": new_york_time(DAY, 15, 44), "max_hold_minutes": None}),
        ("100.50", {"now": ENTERED + timedelta(minutes=240)}),
        (
            "100.50",
            {
                "now": new_york_time(DAY, 15, 59),
                "strategy_type": "swing_trade",
                "max_hold_minutes": None,
            },
        ),
    ],
)
def test_a_hair_before_its_point_no_rule_sells(price: str, changes: dict[str, Any]) -> None:
    assert decide(price, **changes).sell == 0


ORDER_OF_RULES: list[tuple[str, dict[str, Any]]] = [
    ("operator", {"exit_requested": "operator"}),
    ("session_end", {"now": new_york_time(DAY, 15, 50)}),
    ("stop_loss", {"stop_loss": Decimal(104)}),
    ("trailing_stop", {"trailing_armed": True, "peak_price": Decimal(110)}),
    ("take_profit", {"take_profit": Decimal(103)}),
    ("time", {"max_hold_minutes": 10}),
]


@pytest.mark.parametrize("first", range(len(ORDER_OF_RULES)))
def test_of_several_rules_the_first_of_the_table_is_the_reason(first: int) -> None:
    """All from the first on apply at $103.50."""
    changes: dict[str, Any] = {"take_profit": None}
    for _, applies in ORDER_OF_RULES[first:]:
        changes |= applies
    assert decide("103.50", **changes).rule == ORDER_OF_RULES[first][0]


def test_a_signal_comes_after_take_profit_and_before_time() -> None:
    asked: dict[str, Any] = {"exit_requested": "signal", "max_hold_minutes": 10}
    assert decide("100.50", **asked).rule == "signal"
    assert decide("103.00", **asked).rule == "take_profit"


def test_from_one_percent_on_the_stop_is_the_entry_price() -> None:
    assert decide("100.99").position.stop_loss == 98
    decision = decide("101.00")
    assert decision.events == ("breakeven",)
    assert (decision.position.stop_loss, decision.position.lifecycle_state) == (
        Decimal(100),
        "breakeven",
    )
    assert decision.sell == 0


def test_breakeven_applies_once_also_for_an_entry_between_two_cents() -> None:
    first = decide("101.60", entry_price=Decimal("100.0153"))
    assert first.events == ("breakeven",)
    assert first.position.stop_loss == Decimal("100.01")
    assert decide("101.60", first.position).events == ()


def test_a_stop_only_moves_up() -> None:
    raised = decide("101.50").position
    assert decide("100.50", raised).position.stop_loss == 100
    assert decide("101.50", raised, stop_loss=Decimal("100.80")).position.stop_loss == Decimal(
        "100.80"
    )


def test_at_two_percent_forty_percent_are_sold() -> None:
    assert decide("101.99").sell == 0
    decision = decide("102.00")
    assert (decision.rule, decision.sell) == ("partial", Decimal(8))
    assert decision.position.trailing_armed is False


def test_a_partial_is_sold_once() -> None:
    assert decide("102.50", exits.armed(HELD)).sell == 0


@pytest.mark.parametrize(("quantity", "sold"), [(1, 0), (2, 0), (3, 1), (5, 2), (7, 2)])
def test_a_partial_is_rounded_down_and_one_of_nothing_is_marked_done(
    quantity: int, sold: int
) -> None:
    decision = decide("102.00", quantity=Decimal(quantity), opened_quantity=Decimal(quantity))
    assert decision.sell == sold
    assert decision.position.trailing_armed is (sold == 0)
    assert ("partial_rounds_to_nothing" in decision.events) is (sold == 0)


def test_a_partial_of_everything_sells_nothing_and_is_marked_done() -> None:
    everything = replace(RULES, partial_share=1.0)
    marked = exits.mark(HELD, Quote("AAA", NOW, Decimal(102), 1, Decimal(102), 1))
    decision = exits.decide(HELD, marked, now=NOW, session=SESSION, rules=everything, witnesses=())
    assert (decision.sell, decision.position.trailing_armed) == (NOTHING, True)


def test_a_full_exit_takes_precedence_over_the_partial() -> None:
    decision = decide("103.00")
    assert (decision.rule, decision.sell) == ("take_profit", HELD.quantity)
    assert decision.events == ("breakeven",)


@pytest.mark.parametrize(
    ("peak", "price", "sold"),
    [
        ("102.00", "101.50", True),
        ("102.00", "101.51", False),
        ("102.80", "102.10", True),
        ("102.80", "102.11", False),
    ],
)
def test_the_trailing_stop_keeps_three_quarters_of_the_peak_gain(
    peak: str, price: str, sold: bool
) -> None:
    decision = decide(price, TRAILING, peak_price=Decimal(peak))
    assert (decision.rule == "trailing_stop") is sold


def test_the_trailing_stop_sleeps_until_the_partial_is_done() -> None:
    assert decide("100.50", peak_price=Decimal("101.90")).rule is None


def test_a_mark_values_what_is_held_and_widens_the_extremes() -> None:
    quote = Quote("AAA", NOW, Decimal("101.00"), 1, Decimal("101.10"), 1)
    marked = exits.mark(HELD, quote)
    assert (marked.price, marked.pnl_dollars) == (Decimal("101.05"), Decimal("21.0000"))
    assert marked.pnl_percent == pytest.approx(1.05)
    assert (marked.peak, marked.trough) == (Decimal("101.05"), Decimal(100))


def test_an_options_mark_counts_a_hundred_shares_a_contract() -> None:
    quote = Quote("AAA", NOW, Decimal(101), 1, Decimal(101), 1)
    assert exits.mark(replace(HELD, multiplier=100), quote).pnl_dollars == 2000


def test_the_first_stop_and_target() -> None:
    assert exits.first_stop(Decimal("100.05"), RULES) == Decimal("98.04")
    assert exits.first_target(Decimal("100.05"), RULES) == Decimal("103.0515")


@given(st.lists(st.integers(9_000, 11_000), min_size=1, max_size=40))
def test_on_any_path_the_stop_never_falls_and_never_more_is_sold_than_held(
    cents: list[int],
) -> None:
    position = HELD
    for minute, price in enumerate(cents):
        assert position.stop_loss is not None
        decision = decide(str(Decimal(price) / 100), position, now=NOW + timedelta(minutes=minute))
        assert decision.position.stop_loss is not None
        assert decision.position.stop_loss >= position.stop_loss
        assert 0 <= decision.sell <= position.quantity
        if decision.rule not in (None, "partial"):
            assert decision.sell == position.quantity
            return
        position = decision.position
        if decision.rule == "partial":
            position = replace(exits.armed(position), quantity=position.quantity - decision.sell)


def test_the_result_is_what_the_fills_came_to() -> None:
    held = replace(HELD, peak_price=Decimal(103), trough_price=Decimal(99))
    result = exits.result(held, Decimal(20), 8 * Decimal(102) + 12 * Decimal("101.50"))
    assert result.pnl_dollars == Decimal("34.0000")
    assert result.exit_price == Decimal("101.700000")
    assert result.pnl_pct == pytest.approx(1.7)
    assert result.r_multiple == pytest.approx(0.85)
    assert result.mae_pct == pytest.approx(-1)
    assert result.mfe_pct == pytest.approx(3)
    assert result.label == "win"


@pytest.mark.parametrize(
    ("value", "label"), [("1999.99", "loss"), ("2000", "flat"), ("2000.01", "win")]
)
def test_the_label_follows_the_sign(value: str, label: str) -> None:
    assert exits.result(HELD, Decimal(20), Decimal(value)).label == label


@pytest.mark.parametrize("sold", ["0", "19", "21"])
def test_a_result_without_fills_for_all_of_it_has_no_price(sold: str) -> None:
    result = exits.result(HELD, Decimal(sold), Decimal(2_000))
    assert (result.exit_price, result.pnl_dollars, result.pnl_pct, result.label) == (None,) * 4


def test_a_first_mark_takes_its_extremes_from_the_entry_price() -> None:
    new = replace(HELD, peak_price=None, trough_price=None)
    low = exits.mark(new, Quote("AAA", NOW, Decimal(99), 1, Decimal(99), 1))
    assert (low.peak, low.trough) == (Decimal(100), Decimal(99))
    high = exits.mark(new, Quote("AAA", NOW, Decimal(101), 1, Decimal(101), 1))
    assert (high.peak, high.trough) == (Decimal(101), Decimal(100))


def test_extremes_are_kept_beside_a_price_between_them() -> None:
    wide = replace(HELD, peak_price=Decimal(105), trough_price=Decimal(95))
    marked = exits.mark(wide, Quote("AAA", NOW, Decimal(101), 1, Decimal(101), 1))
    assert (marked.peak, marked.trough) == (Decimal(105), Decimal(95))
    decided = exits.decide(wide, marked, now=NOW, session=SESSION, rules=RULES, witnesses=())
    assert (decided.position.peak_price, decided.position.trough_price) == (
        Decimal(105),
        Decimal(95),
    )


def test_a_mark_is_kept_to_a_hundredth_of_a_cent() -> None:
    quote = Quote("AAA", NOW, Decimal("100.00001"), 1, Decimal("100.00002"), 1)
    assert str(exits.mark(HELD, quote).pnl_dollars) == "0.0003"


def test_a_target_is_kept_to_a_hundredth_of_a_cent() -> None:
    assert str(exits.first_target(Decimal("100.0333"), RULES)) == "103.0343"


def test_a_decision_carries_the_extremes_of_the_mark() -> None:
    position = decide("101.70", TRAILING).position
    assert (position.peak_price, position.trough_price) == (Decimal(102), Decimal(100))
    position = decide("100.70", HELD, peak_price=None, trough_price=None).position
    assert (position.peak_price, position.trough_price) == (Decimal("100.70"), Decimal(100))


def test_what_a_position_is_after_its_partial_and_without_it() -> None:
    after = exits.armed(HELD)
    assert (after.trailing_armed, after.lifecycle_state) == (True, "partial")
    taken_back = exits.disarmed(after)
    assert (taken_back.trailing_armed, taken_back.lifecycle_state) == (False, "breakeven")
    closing = exits.closing(HELD, "time")
    assert (closing.status, closing.close_reason) == ("closing", "time")


def test_the_level_of_the_trailing_stop_lies_between_entry_and_peak() -> None:
    assert exits.trailing_level(HELD, Decimal(104), RULES) == Decimal(103)


def test_a_position_without_stop_target_or_time_is_held() -> None:
    """As one that was adopted from a recorded state, where nothing of it is known."""
    bare: dict[str, Any] = {"stop_loss": None, "take_profit": None, "max_hold_minutes": None}
    assert decide("1.00", **bare).rule is None
    assert decide("101.50", **bare).position.stop_loss is None
    assert decide("101.50", **bare).events == ()
    late = decide("100.50", now=ENTERED + timedelta(minutes=241), **bare)
    assert late.rule is None


def test_an_operator_comes_before_every_rule_and_an_emergency_before_the_session_s_end() -> None:
    end = new_york_time(DAY, 15, 50)
    assert decide("97.00", now=end, exit_requested="operator").rule == "operator"
    assert decide("97.00", now=end, exit_requested="emergency").rule == "emergency"
    assert decide("97.00", now=end, exit_requested="signal").rule == "session_end"


def test_a_partial_of_fractions_is_sold_where_fractions_are() -> None:
    held = replace(HELD, quantity=Decimal("1.5"), opened_quantity=Decimal("1.5"))
    marked = exits.mark(held, Quote("AAA", NOW, Decimal(102), 1, Decimal(102), 1))
    decision = exits.decide(
        held, marked, now=NOW, session=SESSION, rules=RULES, witnesses=(), fractional=True
    )
    assert (decision.rule, decision.sell) == ("partial", Decimal("0.6"))
    whole = exits.decide(held, marked, now=NOW, session=SESSION, rules=RULES, witnesses=())
    assert (whole.rule, whole.sell) == (None, NOTHING)


def test_both_state_rules_may_apply_at_once_in_their_order() -> None:
    decision = decide("102.00", quantity=Decimal(1), opened_quantity=Decimal(1))
    assert decision.events == ("breakeven", "partial_rounds_to_nothing")
    assert (decision.rule, decision.sell) == (None, NOTHING)
    assert decision.position.stop_loss == 100
    assert decision.position.lifecycle_state == "partial"


def test_the_result_of_contracts_counts_a_hundred_shares_each() -> None:
    contracts = replace(HELD, multiplier=100, quantity=Decimal(3), opened_quantity=Decimal(3))
    result = exits.result(contracts, Decimal(3), Decimal(301))
    assert str(result.pnl_dollars) == "100.0000"
    assert result.pnl_pct == pytest.approx(100 / 300)
    # A third of a dollar a share, of which 100.333333 is shown rounded down; 2 were at risk.
    assert str(result.exit_price) == "100.333333"
    assert result.r_multiple == pytest.approx(1 / 6)
    up = exits.result(contracts, Decimal(3), Decimal(302))
    assert str(up.exit_price) == "100.666666"
    odd = exits.result(replace(contracts, multiplier=1), Decimal(3), Decimal("300.00016"))
    assert str(odd.pnl_dollars) == "0.0002"


def test_a_result_without_known_risk_or_extremes_says_so() -> None:
    bare = replace(HELD, initial_risk=None, peak_price=None, trough_price=None)
    result = exits.result(bare, Decimal(20), Decimal(2_040))
    assert (result.r_multiple, result.mae_pct, result.mfe_pct) == (None, None, None)
    assert result.pnl_pct == pytest.approx(2)
    assert (
        exits.result(replace(HELD, initial_risk=NOTHING), Decimal(20), Decimal(2_040)).r_multiple
        is None
    )


def test_an_unproven_result_keeps_how_far_the_price_went() -> None:
    held = replace(HELD, peak_price=Decimal(103), trough_price=Decimal(99))
    result = exits.result(held, Decimal(19), Decimal(2_000))
    assert result.mae_pct == pytest.approx(-1)
    assert result.mfe_pct == pytest.approx(3)
    assert result.r_multiple is None


def test_nothing_opened_and_nothing_sold_proves_nothing() -> None:
    empty = replace(HELD, opened_quantity=NOTHING)
    assert exits.result(empty, NOTHING, NOTHING).label is None


def due(position: Position = HELD, *, now: datetime = NOW, **changes: Any) -> str | None:
    """What is due whatever the price is."""
    return exits.due_at_any_price(
        replace(position, **changes), now=now, session=SESSION, rules=RULES
    )


def test_what_the_price_has_no_say_in_is_due_at_any_price() -> None:
    assert due() is None
    assert due(exit_requested="operator") == "operator"
    assert due(exit_requested="signal") == "signal"
    assert due(status="closing", close_reason="take_profit") == "take_profit"
    last = SESSION.closes_at - timedelta(minutes=RULES.session_end_minutes)
    assert due(now=last - timedelta(minutes=1), max_hold_minutes=None) is None
    assert due(now=last, max_hold_minutes=None) == "session_end"
    assert due(now=last, max_hold_minutes=None, strategy_type="swing_trade") is None
    assert due(now=ENTERED + timedelta(minutes=240)) is None
    assert due(now=ENTERED + timedelta(minutes=241)) == "time"
    # Stops and targets wait for a price that is believed.
    assert due(TRAILING, take_profit=Decimal("0.5")) is None


def judged(price: str, at: datetime, kind: DoubtKind | None) -> JudgedQuote:
    doubt = None if kind is None else Doubt(kind, "odd")
    quote = Quote("AAA", at, Decimal(price), 1, Decimal(price), 1)
    return JudgedQuote(quote, doubt, anchor=None, witnesses=())


def test_a_tick_without_a_price_is_counted_and_a_far_quote_kept() -> None:
    once = exits.unpriced(HELD, judged("60", NOW, "distance"))
    assert (once.unpriced_ticks, once.doubted_price, once.doubted_at) == (1, Decimal(60), NOW)
    twice = exits.unpriced(once, judged("60", NOW, "spread"))
    assert (twice.unpriced_ticks, twice.doubted_price, twice.doubted_at) == (2, None, None)
    assert exits.unpriced(once, None) == twice
    believed = exits.unpriced(once, judged("60", NOW, None))
    assert (believed.doubted_price, believed.doubted_at) == (None, None)
    assert exits.priced(once) == replace(HELD, unpriced_ticks=0)


def test_what_earlier_quotes_said_is_evidence_of_quotes() -> None:
    assert exits.earlier_quotes(HELD) == []
    later = NOW + timedelta(minutes=1)
    known = replace(HELD, current_price=Decimal(100), priced_at=NOW)
    assert exits.earlier_quotes(known) == [Evidence(Decimal(100), NOW, "quote")]
    both = replace(known, doubted_price=Decimal(60), doubted_at=later)
    assert exits.earlier_quotes(both)[1:] == [Evidence(Decimal(60), later, "quote")]
    unpriced = replace(HELD, current_price=None, priced_at=None)
    assert exits.earlier_quotes(replace(unpriced, current_price=Decimal(100))) == []
    assert exits.earlier_quotes(replace(unpriced, priced_at=NOW)) == []


def test_a_stop_applies_only_where_a_second_price_is_past_it_too() -> None:
    def decided(*witnesses: str) -> Decision:
        return exits.decide(
            HELD,
            exits.mark(HELD, judged("97.90", NOW, None).quote),
            now=NOW,
            session=SESSION,
            rules=RULES,
            witnesses=[Decimal(it) for it in witnesses],
        )

    assert (decided().rule, decided().unconfirmed) == (None, True)
    assert (decided("98.01").rule, decided("98.01").unconfirmed) == (None, True)
    sold = decided("98.01", "98")
    assert (sold.rule, sold.sell, sold.unconfirmed) == ("stop_loss", Decimal(20), False)
    partly = exits.decide(
        replace(TRAILING, trailing_armed=False, stop_loss=Decimal(103)),
        exits.mark(TRAILING, judged("102", NOW, None).quote),
        now=NOW,
        session=SESSION,
        rules=RULES,
        witnesses=(),
    )
    assert (partly.rule, partly.unconfirmed) == ("partial", True)
    calm = exits.decide(
        HELD,
        exits.mark(HELD, judged("100", NOW, None).quote),
        now=NOW,
        session=SESSION,
        rules=RULES,
        witnesses=(),
    )
    assert (calm.rule, calm.unconfirmed) == (None, False)
