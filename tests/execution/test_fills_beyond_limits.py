"""A fill beyond its order's limit is booked as it came, and told at once."""

import pytest

from tests.support.builders_trading import TradingBench


def alerts(bench: TradingBench) -> list[dict[str, object]]:
    return bench.rows("SELECT * FROM alerts WHERE kind = 'filled_beyond_limit'")


def entry(bench: TradingBench) -> str:
    bench.recommend()
    bench.dispatch()
    return str(bench.order()["client_order_id"])


@pytest.mark.parametrize("fills_withheld", [False, True])
def test_a_buy_above_its_limit_alerts_and_is_booked(
    bench: TradingBench, fills_withheld: bool
) -> None:
    bench.broker.fills_withheld = fills_withheld
    name = entry(bench)
    bench.broker.fill(name, "100.11")
    bench.next_minute()
    bench.guard()
    [alert] = alerts(bench)
    assert (alert["severity"], alert["subject"]) == ("critical", name)
    assert "100.11" in str(alert["message"])
    assert str(bench.order()["price"]) == "100.10"
    assert (bench.order()["status"], bench.position()["entry_price"]) == (
        "filled",
        bench.order()["filled_avg_price"],
    )


def test_a_sale_below_its_limit_alerts_and_closes_its_position(held: TradingBench) -> None:
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    held.next_minute()
    held.guard()
    held.next_minute()
    held.guard()
    exit_ = held.orders("exit")[-1]
    held.broker.fill(str(exit_["client_order_id"]), "90.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    [alert] = alerts(held)
    assert alert["subject"] == exit_["client_order_id"]


def test_one_execution_beyond_the_limit_is_told_though_the_average_is_within_it(
    bench: TradingBench,
) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.00", quantity="18")
    bench.broker.fill(name, "100.11", quantity="1")
    bench.next_minute()
    bench.guard()
    assert len(alerts(bench)) == 1


def test_at_its_limit_and_better_nothing_is_told(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.10", quantity="10")
    bench.broker.fill(name, "99.00", quantity="9")
    bench.next_minute()
    bench.guard()
    assert alerts(bench) == []


def test_a_stop_has_no_limit(held: TradingBench) -> None:
    held.broker.fill(str(held.order("stop")["client_order_id"]), "50.00")
    held.next_minute()
    held.guard()
    assert held.position()["status"] == "closed"
    assert alerts(held) == []


def test_it_is_told_once_however_often_it_is_read(bench: TradingBench) -> None:
    name = entry(bench)
    bench.broker.fill(name, "100.11")
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    assert len(alerts(bench)) == 1
