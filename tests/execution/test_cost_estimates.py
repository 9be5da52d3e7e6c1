"""What an order's new fills are estimated to cost."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ops_pipeline.domain.costs.settling import OrderCost
from ops_pipeline.domain.orders import Order
from ops_pipeline.execution.decisions.costs import estimated

DAY = date(2026, 6, 1)
POSITION = UUID(int=7)
NOON = datetime(2026, 6, 1, 16, tzinfo=UTC)
ENTRY = Order(
    client_order_id="entry-1", account_name="large", execution_mode="ALPACA_PAPER",
    broker="alpaca", purpose="entry", recommendation_id=7,
    position_id=None, attempt=1, ticker="AAA", symbol="AAA", instrument_type="STOCK",
    multiplier=1, side="buy", quantity=Decimal(10), order_type="limit", price=Decimal(100),
    reason="signal", decided_at=NOON, tick=NOON, parameter_version=1,
)  # fmt: skip
SALE = replace(ENTRY, client_order_id="exit-1", purpose="exit", side="sell")


def costs(before: Any, day: date = DAY, **after: Any) -> dict[str, Decimal | None]:
    found = estimated(before, replace(before, **after), day=day, position_id=POSITION)
    assert {(it.day, it.position_id) for it in found} == {(day, POSITION)}
    return {it.fee: it.estimated for it in found}


def test_a_sale_costs_by_its_value_and_by_its_shares() -> None:
    assert costs(SALE, filled_qty=Decimal(10), filled_avg_price=Decimal(100)) == {
        "SEC": Decimal("0.0206"),
        "TAF": Decimal("0.00195"),
        "CAT": Decimal("0.00003"),
    }


def test_only_what_filled_since_is_estimated() -> None:
    """4 at 100 before, 10 at 103 now: 6 for 630."""
    before = replace(SALE, filled_qty=Decimal(4), filled_avg_price=Decimal(100))
    found = costs(before, filled_qty=Decimal(10), filled_avg_price=Decimal(103))
    assert found["SEC"] == Decimal(630) * Decimal("0.0000206")
    assert found["TAF"] == 6 * Decimal("0.000195")


def test_a_price_that_is_corrected_never_makes_a_cost_negative() -> None:
    before = replace(SALE, filled_qty=Decimal(9), filled_avg_price=Decimal(100))
    assert costs(before, filled_qty=Decimal(10), filled_avg_price=Decimal(50))["SEC"] == 0


def test_a_purchase_costs_the_audit_trail_alone() -> None:
    found = costs(ENTRY, filled_qty=Decimal(10), filled_avg_price=Decimal(100))
    assert found == {"CAT": Decimal("0.00003")}


def test_a_contract_stands_for_a_hundred_shares() -> None:
    calls = replace(SALE, instrument_type="CALL", multiplier=100)
    found = costs(calls, filled_qty=Decimal(2), filled_avg_price=Decimal(3))
    assert found["SEC"] == 600 * Decimal("0.0000206")
    assert found["CAT"] == 200 * Decimal("0.000003")
    assert found["TAF"] == 2 * Decimal("0.00329")


def test_what_has_no_rate_is_unknown_and_not_nothing() -> None:
    filled = {"filled_qty": Decimal(10), "filled_avg_price": Decimal(100)}
    assert costs(SALE, date(2031, 1, 2), **filled) == {"SEC": None, "TAF": None, "CAT": None}
    assert costs(ENTRY, date(2031, 1, 2), **filled) == {"CAT": Decimal("0.00003")}


def test_it_says_of_which_position() -> None:
    after = replace(ENTRY, filled_qty=Decimal(1), filled_avg_price=Decimal(100))
    assert estimated(ENTRY, after, day=DAY, position_id=None) == (
        OrderCost("CAT", DAY, None, Decimal("0.000003")),
    )
