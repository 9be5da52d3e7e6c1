"""What a broker reports of an order, made whole by its fills, and what waits for them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, Side
from ops_pipeline.domain.orders import Order
from ops_pipeline.execution.decisions.execution_reports import (
    ExecutionReport,
    beyond_limit,
    report_of,
    what_has_a_price,
)

NOON = datetime(2026, 2, 4, 17, tzinfo=UTC)
FOUND = BrokerOrder(
    broker_order_id="b-1",
    client_order_id="entry-1",
    symbol="AAA",
    side="buy",
    order_type="limit",
    quantity=Decimal(10),
    filled_quantity=Decimal(4),
    filled_average_price=Decimal(100),
    status="canceled",
    raw_status="canceled",
    submitted_at=NOON - timedelta(minutes=5),
    updated_at=NOON,
)


def fill(number: int, quantity: int, price: str, **changes: str) -> BrokerFill:
    """One execution of the order, so many seconds after noon."""
    made = BrokerFill(
        fill_id=f"f-{number}",
        broker_order_id="b-1",
        symbol="AAA",
        side="buy",
        quantity=Decimal(quantity),
        price=Decimal(price),
        executed_at=NOON + timedelta(seconds=number),
    )
    return replace(made, **changes)  # type: ignore[arg-type] # fields by name


def test_a_report_says_whose_evidence_it_is() -> None:
    assert ExecutionReport(found=FOUND).evidence == "broker"
    assert ExecutionReport(found=FOUND, simulated=True).evidence == "simulated"


def test_it_filled_from_its_first_to_its_last_fill_in_whatever_order_they_come() -> None:
    report = ExecutionReport(found=FOUND, fills=[fill(2, 1, "1"), fill(1, 1, "1"), fill(3, 1, "1")])
    assert report.first_fill_at() == NOON + timedelta(seconds=1)
    assert report.last_fill_at() == NOON + timedelta(seconds=3)


def test_without_fills_the_time_is_that_of_the_broker_s_last_word() -> None:
    report = ExecutionReport(found=FOUND)
    assert (report.first_fill_at(), report.last_fill_at()) == (NOON, NOON)


def test_fills_of_more_than_the_order_says_are_believed_with_their_average() -> None:
    """The list may be older than the fills; what it calls the order stays."""
    report = report_of(FOUND, [fill(1, 4, "100"), fill(2, 2, "103")])
    assert report.found == replace(
        FOUND, filled_quantity=Decimal(6), filled_average_price=Decimal(101)
    )
    assert [known.fill_id for known in report.fills] == ["f-1", "f-2"]
    assert not report.simulated


@pytest.mark.parametrize("quantities", [[], [3], [4]])
def test_fills_of_no_more_than_it_says_change_neither_quantity_nor_price(
    quantities: list[int],
) -> None:
    fills = [fill(number, quantity, "777") for number, quantity in enumerate(quantities)]
    assert report_of(FOUND, fills).found == FOUND


@pytest.mark.parametrize(
    ("filled", "price"), [(3, None), (4, Decimal(102)), (5, Decimal(102))], ids=str
)
def test_a_quantity_without_a_price_takes_that_of_its_fills_once_all_are_told(
    filled: int, price: Decimal | None
) -> None:
    unpriced = replace(FOUND, filled_average_price=None)
    found = report_of(unpriced, [fill(1, filled, "102")]).found
    assert found.filled_average_price == price
    assert found.filled_quantity == max(filled, 4)


def test_nothing_filled_and_nothing_told_has_no_price() -> None:
    nothing = replace(FOUND, filled_quantity=Decimal(0), filled_average_price=None)
    assert report_of(nothing, []).found == nothing


def test_fills_in_another_symbol_or_of_the_other_side_are_not_the_order_s() -> None:
    strange = [fill(1, 6, "100", symbol="BBB"), fill(2, 6, "100", side="sell")]
    report = report_of(FOUND, [*strange, fill(3, 4, "100")])
    assert [known.fill_id for known in report.fills] == ["f-3"]
    assert report.found == FOUND


def test_what_has_a_price_or_has_not_filled_is_reported_as_it_is() -> None:
    for found in (FOUND, replace(FOUND, filled_quantity=Decimal(0), filled_average_price=None)):
        report = ExecutionReport(found=found, fills=[fill(1, 4, "90")], simulated=True)
        assert what_has_a_price(report) is report


def test_what_filled_without_any_price_waits_as_if_nothing_had_filled() -> None:
    unpriced = replace(FOUND, filled_average_price=None)
    report = what_has_a_price(ExecutionReport(found=unpriced))
    assert report.found == replace(
        unpriced, status="working", filled_quantity=Decimal(0), filled_average_price=None
    )


@pytest.mark.parametrize("filled", [1, 4])
def test_a_single_share_without_a_price_waits_too(filled: int) -> None:
    unpriced = replace(FOUND, filled_quantity=Decimal(filled), filled_average_price=None)
    assert what_has_a_price(ExecutionReport(found=unpriced)).found.filled_quantity == 0


def test_of_what_filled_without_a_price_the_part_whose_fills_are_told_counts() -> None:
    """The order goes on being asked for, whatever its end, until the rest is told."""
    unpriced = replace(FOUND, filled_average_price=None)
    fills = [fill(1, 1, "100"), fill(2, 2, "103")]
    report = what_has_a_price(ExecutionReport(found=unpriced, fills=fills))
    assert (report.found.status, report.found.filled_quantity) == ("working", Decimal(3))
    assert report.found.filled_average_price == 102
    assert report.fills == fills


LIMIT = Order(
    client_order_id="entry-1", account_name="large", execution_mode="ALPACA_PAPER",
    broker="alpaca", purpose="entry", recommendation_id=7, position_id=None, attempt=1,
    ticker="AAA", symbol="AAA", instrument_type="STOCK", multiplier=1, side="buy",
    quantity=Decimal(10), order_type="limit", price=Decimal(100), reason="signal",
    decided_at=NOON, tick=NOON, parameter_version=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("side", "fills", "average", "worst"),
    [
        ("buy", ["99", "101", "102"], "100.67", "102"),
        ("buy", ["100", "99.5", "99"], "99.5", None),
        ("buy", [], "100.01", "100.01"),  # its fills are not told yet
        ("buy", ["99"], "101", "101"),  # nor are these, all of them
        ("buy", [], "100", None),
        ("sell", ["101", "99", "98"], "99.33", "98"),
        ("sell", ["100", "101", "101"], "100.67", None),
        ("sell", [], "99.99", "99.99"),
        ("sell", [], "100", None),
        ("buy", ["99", "99", "99"], "150", None),  # told whole, the average says nothing more
        ("sell", [], None, None),
    ],
)
def test_the_worst_price_beyond_a_limit_is_found(
    side: Side, fills: list[str], average: str | None, worst: str | None
) -> None:
    found = replace(
        FOUND,
        filled_quantity=Decimal(3),
        filled_average_price=None if average is None else Decimal(average),
    )
    told = ExecutionReport(found=found, fills=[fill(n, 1, price) for n, price in enumerate(fills)])
    wanted = None if worst is None else Decimal(worst)
    order = replace(LIMIT, side=side)
    assert beyond_limit(order, told) == wanted
    assert beyond_limit(replace(order, order_type="stop"), told) is None
    assert beyond_limit(replace(order, price=None), told) is None


def test_of_a_single_share_the_price_counts_and_of_nothing_filled_none() -> None:
    far = [fill(1, 1, "150")]
    one = ExecutionReport(found=replace(FOUND, filled_quantity=Decimal(1)), fills=far)
    assert beyond_limit(LIMIT, one) == 150
    none = ExecutionReport(found=replace(FOUND, filled_quantity=Decimal(0)), fills=far)
    assert beyond_limit(LIMIT, none) is None
