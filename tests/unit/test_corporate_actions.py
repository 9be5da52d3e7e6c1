"""What an action does to a position: other shares at the same cost, all of it or none."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.broker import BrokerCashActivity, BrokerPosition
from ops_pipeline.domain.corporate import adjustments
from ops_pipeline.domain.corporate.actions import ActionKind, CorporateAction, price_factor
from ops_pipeline.domain.corporate.adjustments import Adjustment, Application, Pending
from ops_pipeline.domain.corporate.shares_shown import (
    is_split_like,
    prices_told,
    rates_shown,
    says_market,
)
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import Quote, Quotes, Trade
from tests.support.positions import open_position

DAY = date(2026, 2, 5)
NOW = datetime(2026, 2, 5, 13, 30, tzinfo=UTC)
POSITION = open_position(
    NOW - timedelta(days=1),
    strategy_type="swing_trade",
    quantity=Decimal(19),
    opened_quantity=Decimal(19),
    max_hold_minutes=None,
    peak_price=Decimal(101),
    trough_price=Decimal(99),
    current_price=Decimal("100.5"),
    priced_at=NOW - timedelta(days=1),
)
SPLIT = CorporateAction(
    action_id="a1",
    kind="forward_split",
    symbol="AAA",
    new_symbol=None,
    old_rate=Decimal(1),
    new_rate=Decimal(2),
    cash=None,
    effective_on=DAY,
    process_on=DAY,
    payable_on=None,
    reason=None,
    content="{}",
)
PLAIN = replace(SPLIT, old_rate=None, new_rate=None)


def there(quantity: str, price: str = "50", symbol: str = "AAA") -> dict[str, BrokerPosition]:
    held = Decimal(quantity)
    return {symbol: BrokerPosition(symbol, held, held, Decimal(price))}


def one(outcome: tuple[Application, ...] | Pending) -> Application:
    assert not isinstance(outcome, Pending), outcome.reason
    (found,) = outcome
    return found


def test_all_prices_and_numbers_are_of_the_new_shares() -> None:
    after = one(adjustments.judge([SPLIT], POSITION, there("38"), (), now=NOW)).position
    assert after.quantity == after.opened_quantity == 38
    assert (after.entry_price, after.stop_loss) == (Decimal(50), Decimal(49))
    assert (after.take_profit, after.initial_risk) == (Decimal("51.5"), Decimal(1))
    assert (after.peak_price, after.trough_price) == (Decimal("50.5"), Decimal("49.5"))
    assert after.current_price == Decimal("50.25")


@given(
    quantity=st.integers(1, 100_000),
    price=st.decimals("0.01", "5000", places=2),
    old=st.integers(1, 50),
    new=st.integers(1, 50),
    sold=st.integers(0, 99),
)
def test_whatever_the_ratio_the_cost_stays_and_the_units_add_up(
    quantity: int, price: Decimal, old: int, new: int, sold: int
) -> None:
    left = max(quantity - sold, 1)
    before = replace(
        POSITION,
        quantity=Decimal(left),
        opened_quantity=Decimal(quantity),
        entry_price=price,
        stop_loss=None,
    )
    action = replace(SPLIT, old_rate=Decimal(old), new_rate=Decimal(new))
    (step,) = adjustments.by_announcement([action], before, now=NOW, whole=True)
    it, after = step.adjustment, step.position
    cost = after.opened_quantity * after.entry_price
    assert abs(cost - quantity * price) < Decimal("0.000001")
    in_all_sold = quantity - left
    assert after.opened_quantity - in_all_sold + it.units_elsewhere == after.quantity
    exact = Decimal(left) * new / old
    assert after.quantity + it.fraction == pytest.approx(exact, abs=Decimal("0.00000001"))
    assert (it.cash is None) == bool(it.fraction)


@pytest.mark.parametrize(
    ("held", "fits"), [("1.9", True), ("1", True), ("2", False), ("19", False), ("0", False)]
)
def test_a_broker_holds_all_of_it_or_the_whole_shares(held: str, *, fits: bool) -> None:
    action = replace(SPLIT, kind="reverse_split", old_rate=Decimal(10), new_rate=Decimal(1))
    outcome = adjustments.judge([action], POSITION, there(held, "1000"), (), now=NOW)
    assert isinstance(outcome, tuple) is fits


@pytest.mark.parametrize(
    ("held", "price", "like"),
    [
        ("38", "50", True),
        ("1", "1900", True),
        ("1", "1000", True),
        ("18", "100", False),
        ("18", "99", False),
        ("20", "101", False),
        ("19", "100", False),
        ("38", "100", False),
        ("12", "100", False),
        ("19.2", "98.96", False),
        ("0", "0", False),
        ("-38", "50", False),
    ],
)
def test_shares_that_cost_the_same_in_all_are_as_after_a_split(
    held: str, price: str, *, like: bool
) -> None:
    assert is_split_like(POSITION, Decimal(held), Decimal(price)) is like


def test_nothing_is_due_twice_early_or_to_who_bought_later() -> None:
    def due(*actions: CorporateAction, position: Position = POSITION) -> list[str]:
        found = adjustments.due(actions, position, (), today=DAY)
        return [it.action_id for it in found]

    later = replace(SPLIT, action_id="a2", effective_on=DAY + timedelta(days=1))
    other = replace(SPLIT, action_id="a3", symbol="BBB")
    assert due(SPLIT, later, other, replace(SPLIT, action_id="a9")) == ["a1"]
    assert due(SPLIT, position=replace(POSITION, entry_time=NOW)) == []
    renamed = replace(PLAIN, action_id="a0", kind="name_change", new_symbol="CCC")
    paid = replace(PLAIN, action_id="a7", kind="cash_dividend", cash=Decimal(1))
    assert due(renamed, SPLIT, paid) == ["a7", "a1", "a0"]
    special = replace(paid, action_id="a8", cash=Decimal(2))
    assert due(paid, special) == ["a7", "a8"]


def test_a_chain_of_a_day_is_judged_by_its_end() -> None:
    renamed = replace(PLAIN, action_id="a0", kind="name_change", new_symbol="CCC")
    outcome = adjustments.judge([SPLIT, renamed], POSITION, there("38", symbol="CCC"), (), now=NOW)
    assert isinstance(outcome, tuple)
    assert [it.position.symbol for it in outcome] == ["AAA", "CCC"]
    split_only = adjustments.judge([SPLIT, renamed], POSITION, there("38"), (), now=NOW)
    assert isinstance(split_only, Pending)


@pytest.mark.parametrize("kind", ["unit_split", "redemption", "partial_call", "unknown"])
def test_what_is_not_understood_decides_nothing(kind: ActionKind) -> None:
    action = replace(PLAIN, kind=kind)
    assert isinstance(adjustments.judge([action], POSITION, there("19"), (), now=NOW), Pending)
    assert not action.restates
    assert action.refuses_entries_on(DAY)
    assert not action.refuses_entries_on(DAY + timedelta(days=6))
    assert not action.refuses_entries_on(DAY - timedelta(days=2))
    assert not SPLIT.refuses_entries_on(DAY)
    assert replace(SPLIT, reason="odd").refuses_entries_on(DAY)


def test_prices_of_two_days_are_told_in_the_shares_of_the_later() -> None:
    reverse = replace(
        SPLIT,
        action_id="a2",
        old_rate=Decimal(10),
        new_rate=Decimal(1),
        effective_on=DAY + timedelta(days=3),
    )
    known = [SPLIT, reverse, replace(SPLIT, symbol="BBB"), replace(SPLIT, reason="odd")]

    def factor(since: int, until: int) -> Decimal:
        first, last = DAY + timedelta(days=since), DAY + timedelta(days=until)
        return price_factor(known, "AAA", since=first, until=last)

    assert (factor(-1, 0), factor(0, 1), factor(-1, 3), factor(-9, -1)) == (
        Decimal("0.5"),
        Decimal(1),
        Decimal(5),
        Decimal(1),
    )


def test_what_was_paid_later_counts_once() -> None:
    (step,) = adjustments.by_announcement(
        [replace(SPLIT, old_rate=Decimal(10), new_rate=Decimal(1), kind="reverse_split")],
        POSITION,
        now=NOW,
        whole=True,
    )
    known: list[Adjustment] = [step.adjustment]
    assert not adjustments.cash_is_told(known)
    paid = BrokerCashActivity("c1", "split", "SPLIT", Decimal(900), NOW, "AAA")
    later = adjustments.paid_later(step.position, known, [paid], now=NOW)
    assert later is not None
    assert later.adjustment.cash == 900
    assert later.adjustment.units_elsewhere == 0
    assert later.position == step.position
    known.append(later.adjustment)
    assert adjustments.cash_is_told(known)
    assert adjustments.paid_later(step.position, known, [paid], now=NOW) is None


@pytest.mark.parametrize(
    ("quantity", "held", "price", "rates"),
    [
        ("19", "38", "50", (1, 2)),
        ("19", "1", "1000", (10, 1)),
        ("19", "1", "1900", (19, 1)),
        ("19", "28", "66.67", (2, 3)),
        ("19", "28.5", "66.6667", (2, 3)),
        ("1000", "7", "14285.71", (1000, 7)),
        ("3000", "20", "15000", (150, 1)),
        # No ratio of small numbers, and no share's price that fits the number.
        ("19", "20", "96", None),
    ],
)
def test_a_ratio_is_told_by_the_price_of_a_share(
    quantity: str, held: str, price: str, rates: tuple[int, int] | None
) -> None:
    position = replace(POSITION, quantity=Decimal(quantity))
    expected = None if rates is None else tuple(map(Decimal, rates))
    assert rates_shown(position, Decimal(held), Decimal(price)) == expected


def split_booked(at: datetime = NOW) -> BrokerCashActivity:
    return BrokerCashActivity("c1", "split", "SPLIT", Decimal(0), at, "AAA")


def test_an_activity_explains_one_split_and_no_list_of_before_it() -> None:
    (theirs,) = there("38").values()

    def explained(
        it: BrokerCashActivity, position: Position, shown: BrokerPosition, *known: Adjustment
    ) -> Application | None:
        return adjustments.judge_activity(it, position, shown, [it], known, now=NOW)

    step = explained(split_booked(), POSITION, theirs)
    assert step is not None
    assert step.adjustment.ratio == 2
    (before,) = there("19", "100").values()
    (thrice,) = there("114", "16.67").values()
    after, done = step.position, step.adjustment
    later = replace(split_booked(NOW + timedelta(hours=1)), activity_id="c2")
    assert explained(split_booked(), after, before, done) is None
    assert explained(later, after, before, done) is None
    assert explained(replace(later, created_at=NOW), after, thrice, done) is None
    again = explained(later, after, thrice, done)
    assert again is not None
    assert again.position.quantity == 114


def test_a_split_that_an_activity_told_of_first_is_done_when_it_is_announced() -> None:
    for held, price in (("1", "1000"), ("2", "950")):
        (theirs,) = there(held, price).values()
        it = split_booked()
        step = adjustments.judge_activity(it, POSITION, theirs, [it], (), now=NOW)
        assert step is not None
        reverse = replace(SPLIT, kind="reverse_split", old_rate=Decimal(10), new_rate=Decimal(1))
        known = [step.adjustment]
        assert adjustments.due([reverse], step.position, known, today=DAY) == []
        other = replace(reverse, old_rate=Decimal(3))
        assert adjustments.due([other], step.position, known, today=DAY) == [other]


def test_a_fraction_is_rounded_up_where_the_cost_is_the_same() -> None:
    action = replace(SPLIT, kind="reverse_split", old_rate=Decimal(10), new_rate=Decimal(1))
    after = one(adjustments.judge([action], POSITION, there("2", "950"), (), now=NOW))
    assert (after.position.quantity, after.position.entry_price) == (Decimal(2), Decimal(1000))
    assert (after.adjustment.fraction, after.adjustment.cash) == (Decimal(0), Decimal(0))
    bought = adjustments.judge([action], POSITION, there("2", "1000"), (), now=NOW)
    assert isinstance(bought, Pending)


def test_a_reverse_split_that_pays_small_holders_out_comes_before_the_forward_one() -> None:
    reverse = replace(
        SPLIT, action_id="b1", kind="reverse_split", old_rate=Decimal(10), new_rate=Decimal(1)
    )
    forward = replace(SPLIT, new_rate=Decimal(10))
    actions = adjustments.due([forward, reverse], POSITION, (), today=DAY)
    assert actions == [reverse, forward]
    outcome = adjustments.judge(actions, POSITION, there("10", "100"), (), now=NOW)
    assert isinstance(outcome, tuple)
    assert [it.position.quantity for it in outcome] == [1, 10]
    assert [it.adjustment.fraction for it in outcome] == [Decimal("0.9"), 0]
    exact = adjustments.judge(actions, POSITION, there("19", "100"), (), now=NOW)
    assert isinstance(exact, tuple)
    few = replace(POSITION, quantity=Decimal(9), opened_quantity=Decimal(9))
    assert isinstance(adjustments.judge(actions, few, there("10", "90"), (), now=NOW), Pending)


def test_what_is_given_counts_once_though_it_is_told_again_for_another_day() -> None:
    paid = replace(PLAIN, kind="cash_dividend", cash=Decimal("0.333333"))
    (step,) = adjustments.by_announcement([paid], POSITION, now=NOW)
    moved = replace(paid, action_id="a2", effective_on=DAY + timedelta(days=1))
    known, tomorrow = [step.adjustment], DAY + timedelta(days=9)

    def due(action: CorporateAction) -> bool:
        return adjustments.due([action], step.position, known, today=tomorrow) == [action]

    assert not due(moved)
    assert due(replace(moved, cash=Decimal("0.33")))
    assert due(replace(moved, effective_on=DAY + timedelta(days=6)))
    assert adjustments.due([paid, moved], POSITION, (), today=tomorrow) == [paid]


def test_money_that_is_booked_for_no_security_pays_for_none() -> None:
    action = replace(SPLIT, kind="reverse_split", old_rate=Decimal(10), new_rate=Decimal(1))
    odd = BrokerCashActivity("c1", "corporate", "REORG", Decimal(77), NOW, None)
    after = one(adjustments.judge([action], POSITION, there("1", "1000"), [odd], now=NOW))
    assert after.adjustment.cash is None


@pytest.mark.parametrize(
    ("ratio", "prices", "said"),
    [
        ("2", ["50"], True),
        ("2", ["50", "50.20"], True),
        ("2", ["62.80"], True),
        ("2", ["37.70"], True),
        ("2", ["62.90"], False),
        ("2", ["37.60"], False),
        ("2", ["50", "100"], False),
        ("2", [], False),
        ("1.5", ["67"], True),
        ("1.4", ["71"], False),
        ("0.1", ["1000"], False),
    ],
)
def test_the_market_says_that_its_shares_are_the_new_ones(
    ratio: str, prices: list[str], *, said: bool
) -> None:
    assert says_market(POSITION, Decimal(ratio), [Decimal(it) for it in prices]) is said
    unmarked = replace(POSITION, current_price=None)
    assert not says_market(unmarked, Decimal(2), [Decimal("62.60")])


def test_only_prices_of_today_and_narrow_quotes_are_told() -> None:
    def told(trade_at: datetime, quote_at: datetime, bid: str, ask: str) -> list[Decimal]:
        trade = Trade("AAA", trade_at, Decimal("50.1"))
        quote = Quote("AAA", quote_at, Decimal(bid), 1, Decimal(ask), 1)
        return prices_told(Quotes({"AAA": quote}, trades={"AAA": trade}), "AAA", DAY)

    before = NOW - timedelta(days=1)
    assert told(NOW, NOW, "47.5", "52.5") == [Decimal("50.1"), Decimal(50)]
    assert told(NOW, NOW, "47.4", "52.6") == [Decimal("50.1")]
    assert told(NOW, NOW, "52", "50") == [Decimal("50.1")]
    assert told(before, NOW, "50", "50") == [Decimal(50)]
    assert told(before, before, "50", "50") == []
    assert prices_told(Quotes(), "AAA", DAY) == []


def test_what_is_given_and_not_understood_keeps_nothing_from_being_decided() -> None:
    given = replace(PLAIN, action_id="g", kind="cash_dividend", reason="rate is in CAD")
    odd = replace(PLAIN, action_id="o", kind="unit_split")
    assert adjustments.decidable([given, SPLIT]) == ([SPLIT], None)
    assert adjustments.decidable([given]) == ([], given)
    assert adjustments.decidable([odd, SPLIT]) == ([SPLIT], odd)
    assert adjustments.decidable([]) == ([], None)


def test_a_list_of_before_is_known_by_number_and_price() -> None:
    action = replace(SPLIT, kind="reverse_split", old_rate=Decimal(3), new_rate=Decimal(2))
    step = one(adjustments.judge([action], POSITION, there("12", "150"), (), now=NOW))

    def of_before(quantity: str, price: str, *known: Adjustment) -> bool:
        (theirs,) = there(quantity, price).values()
        return adjustments.is_of_before(step.position, theirs, known)

    assert of_before("19", "100", step.adjustment)
    assert of_before("19", "100.9", step.adjustment)
    assert not of_before("19", "150", step.adjustment)
    assert not of_before("20", "100", step.adjustment)
    assert not of_before("12", "150", step.adjustment)
    assert not of_before("19", "100")
    paid = replace(step.adjustment, old_rate=Decimal(1), new_rate=Decimal(1))
    assert not of_before("19", "150", paid)
