"""What the broker tells and cannot be booked is kept, named and tried again; nothing is dropped."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Row
from ops_pipeline.domain.broker import BrokerFill, OrderRequest
from tests.execution.odd_items import odd
from tests.stages.reconciling import reconcile
from tests.support.builders_trading import TradingBench


def kept(bench: TradingBench) -> list[Row]:
    return bench.rows("SELECT * FROM unbooked_facts ORDER BY account_name, kind, broker_id")


def open_facts(bench: TradingBench) -> dict[str, str]:
    return {row["broker_id"]: row["reason"] for row in kept(bench) if row["resolved_at"] is None}


def resolutions(bench: TradingBench) -> dict[str, str | None]:
    return {row["broker_id"]: row["resolution"] for row in kept(bench)}


def subjects(bench: TradingBench) -> list[str]:
    found = bench.rows(
        "SELECT subject FROM alerts WHERE kind = 'fact_unbooked' AND resolved_at IS NULL"
        " ORDER BY subject"
    )
    return [row["subject"] for row in found]


def tell(bench: TradingBench, **other: object) -> BrokerFill:
    """Let the broker tell of a fill that no order of ours, or of anybody's, explains."""
    fill = BrokerFill("f1", "nobody's", "ZZZ", "buy", Decimal(7), Decimal(10), bench.clock.now())
    bench.broker.fills.append(replace(fill, **other))  # type: ignore[arg-type]
    return bench.broker.fills[-1]


def buy_by_hand(bench: TradingBench) -> None:
    request = OrderRequest("by hand", "ZZZ", "buy", Decimal(7), "limit", Decimal(10))
    bench.broker.submit(request)
    bench.broker.fill("by hand", "10")


def test_a_fill_of_an_unknown_order_is_kept_and_named(bench: TradingBench) -> None:
    tell(bench)
    reconcile(bench)
    (row,) = kept(bench)
    assert (row["kind"], row["broker_id"], row["symbol"]) == ("fill", "f1", "ZZZ")
    assert row["reason"] == "no order nobody's is known"
    assert '"quantity": "7"' in row["content"]
    assert subjects(bench) == ["fill f1"]
    first = row["first_seen"]
    reconcile(bench)
    (row,) = kept(bench)
    assert (row["first_seen"], row["last_seen"]) == (first, bench.clock.now())


def test_the_guard_keeps_it_too(held: TradingBench) -> None:
    tell(held)
    held.next_minute()
    held.guard()
    assert (open_facts(held), subjects(held)) == (
        {"f1": "no order nobody's is known"},
        ["fill f1"],
    )


def test_it_is_booked_once_its_order_is_told(bench: TradingBench) -> None:
    """The list of orders was behind the list of fills."""
    buy_by_hand(bench)
    name, order = bench.broker.orders.popitem()
    reconcile(bench)
    fill_id = bench.broker.fills[-1].fill_id
    assert subjects(bench) == [f"fill {fill_id}"]
    bench.broker.orders[name] = order
    reconcile(bench)
    assert (resolutions(bench), subjects(bench)) == ({fill_id: "booked"}, [])


def test_it_is_marked_gone_once_it_is_told_no_more(bench: TradingBench) -> None:
    tell(bench)
    reconcile(bench)
    bench.broker.fills.clear()
    reconcile(bench)
    assert (resolutions(bench), subjects(bench)) == ({"f1": "gone"}, [])
    tell(bench)
    reconcile(bench)
    assert (resolutions(bench), subjects(bench)) == ({"f1": None}, ["fill f1"])


@pytest.mark.parametrize("act", [reconcile, lambda bench: (bench.next_minute(), bench.guard())])
@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"symbol": "ZZZ"}, "not booked on its order {}: it is to buy AAA"),
        ({"side": "sell"}, "not booked on its order {}: it is to buy AAA"),
        ({"price": Decimal(0)}, "not booked on its order {}: the price 0 is none"),
    ],
)
def test_a_fill_that_contradicts_its_order_is_kept_and_not_booked(
    bench: TradingBench,
    act: Callable[[TradingBench], object],
    other: dict[str, object],
    reason: str,
) -> None:
    bench.recommend()
    bench.dispatch()
    order = bench.order()
    name = str(order["client_order_id"])
    bench.broker.fill(name, "100.00", "5")
    tell(bench, **{"broker_order_id": order["broker_order_id"], "symbol": "AAA", **other})
    act(bench)
    assert bench.position()["quantity"] == 5
    assert open_facts(bench) == {"f1": reason.format(name)}
    assert subjects(bench) == ["fill f1"]


def test_a_fill_that_contradicts_an_adopted_order_is_not_booked_on_it(
    bench: TradingBench,
) -> None:
    buy_by_hand(bench)
    (order,) = bench.broker.orders.values()
    tell(bench, broker_order_id=order.broker_order_id, symbol="YYY")
    reconcile(bench)
    booked = bench.rows("SELECT symbol FROM fills")
    assert ([row["symbol"] for row in booked], list(open_facts(bench))) == (["ZZZ"], ["f1"])


def test_what_an_order_filled_at_no_price_is_kept_until_it_is_booked(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    bench.broker.fills_withheld = True
    bench.broker.fill(name, "100.00")
    bench.broker.orders[name] = replace(bench.broker.orders[name], filled_average_price=None)
    bench.next_minute()
    bench.guard()
    assert [row["kind"] for row in kept(bench)] == ["order_report"]
    assert open_facts(bench) == {name: "19 filled at no price"}
    bench.broker.fills_withheld = False
    bench.next_minute()
    bench.guard()
    assert (resolutions(bench), bench.position()["quantity"]) == ({name: "booked"}, 19)


def test_a_report_on_other_terms_is_kept(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    bench.broker.orders[name] = replace(bench.broker.orders[name], side="sell")
    bench.next_minute()
    bench.guard()
    assert open_facts(bench) == {name: "side: ours buy, the broker's sell"}


@pytest.mark.parametrize("kind", ["order", "position", "fill", "cash_activity"])
def test_an_illegible_item_is_kept_until_it_can_be_read_or_is_gone(
    bench: TradingBench, kind: str
) -> None:
    bench.broker.illegible = [odd(kind, "x", symbol="ZZZ")]  # type: ignore[arg-type]
    reconcile(bench)
    (row,) = kept(bench)
    assert (row["kind"], row["symbol"], row["reason"]) == (kind, "ZZZ", "qty is no number")
    assert (row["content"], row["account_name"], row["resolved_at"]) == ("{}", "large", None)
    bench.broker.illegible = []
    reconcile(bench)
    assert resolutions(bench) == {"x": "gone"}
    assert "item_illegible" not in bench.alerts()


def test_an_illegible_position_that_can_be_read_is_booked(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    bench.broker.illegible = [odd("position", "ZZZ", symbol="ZZZ")]
    reconcile(bench)
    assert open_facts(bench) == {"ZZZ": "qty is no number"}
    bench.broker.illegible = []
    reconcile(bench)
    assert resolutions(bench) == {"ZZZ": "booked"}
    assert bench.position("ZZZ")["quantity"] == 5


def test_a_fill_that_is_told_while_its_order_is_on_its_way_is_no_odd_fact(
    bench: TradingBench,
) -> None:
    """Executed after the lists were asked for: left to the next run, which knows its order."""
    tell(bench, executed_at=bench.clock.now().replace(year=2100))
    reconcile(bench)
    assert kept(bench) == []


def test_the_facts_of_one_account_are_not_another_s(bench: TradingBench) -> None:
    tell(bench)
    bench.brokers["tiny"].fills.append(bench.broker.fills[0])
    reconcile(bench)
    assert [row["account_name"] for row in kept(bench)] == ["large", "tiny"]
    bench.broker.fills.clear()
    reconcile(bench)
    assert [row["resolution"] for row in kept(bench)] == ["gone", None]


def test_a_list_that_is_odd_as_a_whole_is_kept_within_bounds(bench: TradingBench) -> None:
    for number in range(1200):
        tell(bench, fill_id=f"f{number:04}")
    reconcile(bench)
    assert len(kept(bench)) == 1000
    assert len(subjects(bench)) == 20
