"""What orders cost against the quotes they were decided on, by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.performance import execution_quality
from ops_pipeline.domain.performance.execution_quality import TracedOrder

TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)
BOUGHT = TracedOrder(
    client_order_id="one",
    account="large",
    ticker="NVDA",
    symbol="NVDA",
    purpose="entry",
    side="buy",
    tick=TICK,
    decided_at=TICK + timedelta(seconds=6),
    acknowledged_at=TICK + timedelta(seconds=7),
    quantity=Decimal(10),
    filled=Decimal(10),
    price=Decimal("100.20"),
    bid=Decimal("99.90"),
    ask=Decimal("100.10"),
    arrival_bid=Decimal("100.00"),
    arrival_ask=Decimal("100.20"),
    fill_price=Decimal("100.15"),
    filled_at=TICK + timedelta(seconds=9),
    recorded_at=TICK + timedelta(seconds=60),
)
SOLD = replace(
    BOUGHT,
    client_order_id="two",
    purpose="exit",
    side="sell",
    filled=Decimal(5),
    fill_price=Decimal("99.80"),
    decided_at=TICK + timedelta(hours=2),
)
UNFILLED = replace(
    BOUGHT, client_order_id="three", filled=Decimal(0), fill_price=None, filled_at=None
)


def test_a_purchase_above_the_mid_and_a_sale_below_it_cost() -> None:
    assert BOUGHT.shortfall_bps == pytest.approx(15)
    assert SOLD.shortfall_bps == pytest.approx(20)
    assert BOUGHT.half_spread_bps == pytest.approx(10)
    assert BOUGHT.beyond_model_bps == pytest.approx(5)


def test_the_market_s_move_until_the_broker_had_it_is_told_apart() -> None:
    assert BOUGHT.slippage_bps == pytest.approx(0.05 / 100.10 * 10_000)


@pytest.mark.parametrize(
    "order",
    [replace(BOUGHT, bid=None), replace(BOUGHT, ask=None), UNFILLED],
    ids=["no bid", "no ask", "no fill"],
)
def test_without_a_quote_or_a_fill_the_cost_is_unknown_and_not_zero(order: TracedOrder) -> None:
    assert order.shortfall_bps is None
    assert order.beyond_model_bps is None


def test_a_group_tells_medians_of_what_is_known_and_how_many_that_are() -> None:
    found = execution_quality.quality([BOUGHT, SOLD, UNFILLED])
    assert (found.orders, found.unfilled, found.priced) == (3, 1, 2)
    assert found.fill_rate == pytest.approx(0.5)
    assert found.shortfall_bps == pytest.approx(17.5)
    assert found.half_spread_bps == pytest.approx(10)
    assert (found.decided_s, found.acknowledged_s, found.filled_s, found.recorded_s) == (
        6,
        1,
        2,
        51,
    )


def test_nothing_is_known_of_no_order() -> None:
    found = execution_quality.quality([])
    assert (found.orders, found.fill_rate, found.shortfall_bps, found.decided_s) == (
        0,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("purpose", ["entry buy", "exit sell"]),
        ("hour", ["10:00", "12:00"]),
        ("ticker", ["NVDA"]),
        ("account", ["large"]),
        ("spread", [">=20 bps"]),
    ],
)
def test_orders_are_grouped(by: str, names: list[str]) -> None:
    assert list(execution_quality.grouped([SOLD, BOUGHT], by)) == names


@pytest.mark.parametrize(
    ("ask", "name"),
    [
        ("99.90", "<  1 bps"),
        ("99.91", "<  2 bps"),
        ("99.94", "<  5 bps"),
        ("99.99", "< 10 bps"),
        ("100.00", "< 20 bps"),
        ("100.10", ">=20 bps"),
        (None, "unknown"),
    ],
)
def test_spreads_fall_into_ranges(ask: str | None, name: str) -> None:
    order = replace(BOUGHT, ask=None if ask is None else Decimal(ask))
    assert list(execution_quality.grouped([order], "spread")) == [name]
