"""Orders: limits, ids, statuses, and when a broker's order is ours."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.domain import orders
from ops_pipeline.domain.broker import BrokerOrder, Side
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import LIVE, Order, Status
from ops_pipeline.domain.simulation import simulate

NOW = datetime(2026, 2, 4, 16, 0, 30, tzinfo=UTC)
ORDER = Order(
    client_order_id="test-large-AAA-20260204T1600-entry-1",
    account_name="large",
    execution_mode="ALPACA_PAPER",
    broker="alpaca",
    purpose="entry",
    recommendation_id=1,
    position_id=None,
    attempt=1,
    ticker="AAA",
    symbol="AAA",
    instrument_type="STOCK",
    multiplier=1,
    side="buy",
    quantity=Decimal(10),
    order_type="limit",
    price=Decimal("100.10"),
    reason="signal",
    decided_at=NOW,
    tick=NOW,
    parameter_version=1,
)
FOUND = BrokerOrder(
    broker_order_id="b-1",
    client_order_id=ORDER.client_order_id,
    symbol="AAA",
    side="buy",
    order_type="limit",
    quantity=Decimal("10.0"),
    filled_quantity=Decimal(0),
    filled_average_price=None,
    status="working",
    raw_status="new",
    submitted_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("side", "far_side", "slippage", "limit"),
    [
        ("buy", "100.00", 0.001, "100.10"),
        ("buy", "33.33", 0.001, "33.37"),  # 33.36333
        ("buy", "0.5000", 0.001, "0.5005"),
        ("buy", "0.33333", 0.001, "0.3337"),  # 0.33366333
        ("sell", "100.00", 0.002, "99.80"),
        ("sell", "33.33", 0.002, "33.26"),  # 33.26334
        ("sell", "0.5000", 0.002, "0.4990"),
    ],
)
def test_a_marketable_limit_lies_a_little_beyond_the_far_side(
    side: Side, far_side: str, slippage: float, limit: str
) -> None:
    assert orders.marketable_limit(side, Decimal(far_side), slippage) == Decimal(limit)


@given(price=st.decimals("0.01", 5_000, places=4), slippage=st.floats(0, 0.05))
def test_a_limit_never_falls_short_of_the_far_side_and_lies_on_the_step(
    price: Decimal, slippage: float
) -> None:
    buy = orders.marketable_limit("buy", price, slippage)
    sell = orders.marketable_limit("sell", price, slippage)
    assert sell <= price <= buy
    for limit in (buy, sell):
        assert limit % orders.price_step(limit) == 0


def test_a_stop_is_rounded_down_to_the_step() -> None:
    assert orders.stop_price(Decimal("98.0490")) == Decimal("98.04")
    assert orders.stop_price(Decimal("0.98765")) == Decimal("0.9876")


def test_units_are_rounded_down() -> None:
    assert orders.whole_units(Decimal("9.99"), fractional=False) == 9
    assert orders.whole_units(Decimal("0.1234567"), fractional=True) == Decimal("0.123456")


def identity(**changes: object) -> str:
    values = {
        "deployment": "main",
        "account": "large",
        "symbol": "AAA",
        "tick": NOW.replace(second=0),
        "purpose": "entry",
        "attempt": 1,
    }
    return orders.client_order_id(**{**values, **changes})  # type: ignore[arg-type] # by name


def test_the_same_decision_has_the_same_id_whatever_the_zone() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert identity() == "main-large-AAA-20260204T1600-entry-1"
    assert identity(tick=NOW.astimezone(new_york)) == identity()


def test_every_part_of_the_decision_makes_another_id() -> None:
    later = NOW + timedelta(minutes=1)
    others = [
        identity(**{name: value})
        for name, value in {
            "deployment": "other",
            "account": "tiny",
            "symbol": "BBB",
            "tick": later,
            "purpose": "exit",
            "attempt": 2,
        }.items()
    ]
    assert len({identity(), *others}) == 7


def test_an_id_fits_what_the_broker_takes() -> None:
    longest = identity(
        deployment="d" * 12, account="a" * 50, symbol="SPXW260220C05000000", attempt=100
    )
    assert len(longest) <= 128


@pytest.mark.parametrize(
    ("theirs", "filled", "ours"),
    [
        ("new", 0, "accepted"),
        ("pending_new", 0, "accepted"),
        ("accepted", 0, "accepted"),
        ("held", 0, "accepted"),
        ("pending_cancel", 0, "accepted"),
        ("pending_cancel", 3, "partially_filled"),
        ("partially_filled", 3, "partially_filled"),
        ("filled", 10, "filled"),
        ("new", 10, "filled"),
        ("canceled", 0, "canceled"),
        ("canceled", 3, "canceled"),
        ("replaced", 0, "canceled"),
        ("expired", 0, "expired"),
        ("rejected", 0, "rejected"),
        ("a new word", 0, None),
        ("filled", 3, None),
    ],
)
def test_the_brokers_words_become_ours(theirs: str, filled: int, ours: str | None) -> None:
    status = alpaca_words.order_status(theirs)
    found = replace(FOUND, status=status, raw_status=theirs, filled_quantity=Decimal(filled))
    assert orders.status_of(found) == ours


def after(status: Status, told: Status, *, knew: int = 0, filled: int = 0) -> Status:
    acknowledged = None if status in ("intended", "unknown", "not_placed") else "b-1"
    order = replace(ORDER, status=status, broker_order_id=acknowledged, filled_qty=Decimal(knew))
    return orders.status_after(order, told, Decimal(max(knew, filled)))


@pytest.mark.parametrize(
    ("status", "told", "filled", "expected"),
    [
        ("intended", "accepted", 0, "accepted"),
        ("unknown", "partially_filled", 4, "partially_filled"),
        ("accepted", "filled", 10, "filled"),
        ("accepted", "canceled", 4, "canceled"),
        ("not_placed", "accepted", 0, "accepted"),
        ("not_placed", "filled", 10, "filled"),
        ("canceled", "accepted", 0, "canceled"),
        ("canceled", "canceled", 4, "canceled"),
        ("canceled", "filled", 10, "filled"),
        ("expired", "canceled", 0, "expired"),
    ],
)
def test_what_the_broker_tells_moves_an_order_on(
    status: Status, told: Status, filled: int, expected: Status
) -> None:
    assert after(status, told, filled=filled) == expected


TOLD: tuple[Status, ...] = ("accepted", "partially_filled", "filled", "canceled", "expired")


@given(st.sampled_from(TOLD), st.integers(0, 9), st.integers(0, 10))
def test_an_ended_order_never_lives_again_by_what_is_told(
    told: Status, knew: int, filled: int
) -> None:
    ended_states: tuple[Status, ...] = ("canceled", "expired")
    for ended in ended_states:
        assert after(ended, told, knew=knew, filled=filled) not in LIVE


def test_an_older_answer_does_not_hide_a_partial_fill() -> None:
    assert after("partially_filled", "accepted", knew=4) == "partially_filled"


def test_an_order_agrees_with_itself_and_a_clock_a_little_off() -> None:
    assert orders.disagreement(ORDER, FOUND) is None
    late = replace(FOUND, submitted_at=NOW + timedelta(minutes=10))
    assert orders.disagreement(ORDER, late) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"symbol": "BBB"}, "symbol: ours AAA, the broker's BBB"),
        ({"side": "sell"}, "side: ours buy, the broker's sell"),
        ({"quantity": Decimal(11)}, "quantity: ours 10, the broker's 11"),
        (
            {"submitted_at": NOW - timedelta(minutes=11)},
            "time: ours 16:00:30, the broker's 15:49:30",
        ),
    ],
)
def test_what_a_look_up_finds_must_agree(change: dict[str, object], why: str) -> None:
    found = replace(FOUND, **change)  # type: ignore[arg-type] # fields by name
    assert orders.disagreement(ORDER, found) == why


def test_what_is_sent_is_what_was_committed() -> None:
    sent = ORDER.request()
    assert (sent.client_order_id, sent.symbol, sent.side) == (ORDER.client_order_id, "AAA", "buy")
    assert (sent.quantity, sent.order_type, sent.price) == (Decimal(10), "limit", Decimal("100.10"))


@pytest.mark.parametrize(
    ("side", "bid", "ask", "limit", "price"),
    [
        ("buy", "99.98", "100.00", "100.10", "100.00"),
        ("buy", "100.10", "100.20", "100.10", None),
        ("sell", "99.98", "100.00", "99.90", "99.98"),
        ("sell", "99.80", "100.00", "99.90", None),
    ],
)
def test_a_simulation_fills_at_the_far_side_or_not_at_all(
    side: Side, bid: str, ask: str, limit: str, price: str | None
) -> None:
    order = replace(ORDER, side=side, price=Decimal(limit))
    quote = Quote("AAA", NOW, Decimal(bid), 1, Decimal(ask), 1)
    found, fills = simulate(order, quote, NOW)
    assert found.broker_order_id.startswith("sim-")
    if price is None:
        assert (found.status, found.filled_quantity) == ("canceled", Decimal(0))
        assert fills == []
    else:
        (fill,) = fills
        assert (fill.price, fill.quantity, found.status) == (Decimal(price), Decimal(10), "filled")


def test_live_and_ended_are_all_the_states_there_are() -> None:
    ended = {"filled", "canceled", "expired", "rejected", "not_placed"}
    for status, filled in product(LIVE | ended, (0, 4)):
        order = replace(ORDER, status=status, filled_qty=Decimal(filled))  # type: ignore[arg-type] # all of them
        assert order.live == (status not in ended)
        assert order.remaining == 10 - filled
