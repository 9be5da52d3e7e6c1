"""Each order type and time in force that Alpaca publishes for shares, on the paper exchange."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_local.exchange.words import OrderType, TimeInForce
from tests.contract.paper_street import (
    MONDAY,
    Minute,
    ask,
    at,
    look,
    open_exchange,
    order,
    own,
    place,
)
from tests.contract.published import TRADING, complaints, published_words, require_published

TUESDAY = MONDAY + timedelta(days=1)
SELL_STOP: dict[str, Any] = {
    "side": "sell",
    "type": "stop",
    "limit_price": None,
    "time_in_force": "gtc",
}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """At 10:31, in the middle of an even market."""
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        yield running


def refused(exchange: RunningExchange, **changes: object) -> str:
    status, answer = ask(exchange, "POST", "/v2/orders", order(**changes))
    assert status in (403, 422), answer
    return str(answer["message"])


def test_it_takes_the_published_types_and_times_in_force_and_no_others() -> None:
    require_published()
    assert set(get_args(OrderType)) == set(published_words("OrderType"))
    assert set(get_args(TimeInForce)) == set(published_words("TimeInForce"))


@pytest.mark.parametrize("time_in_force", ["day", "gtc", "ioc", "fok"])
@pytest.mark.parametrize("type_", ["market", "limit"])
def test_orders_that_trade_at_once_are_as_published(
    exchange: RunningExchange, type_: str, time_in_force: str
) -> None:
    require_published()
    price = "10.05" if type_ == "limit" else None
    filled = look(
        exchange, place(exchange, type=type_, time_in_force=time_in_force, limit_price=price)
    )
    assert filled["status"] == "filled"
    assert complaints(TRADING, "Order", filled) == []


def test_a_gtc_stop_rests_over_night_and_sells_when_the_next_day_opens_below(
    tmp_path: Path,
) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_clock(at("15:30"))
        own(exchange, 10)
        stop = place(exchange, **SELL_STOP, stop_price="9.80")
        exchange.set_clock(at("18:00"))
        assert look(exchange, stop)["status"] == "new"
        held = ask(exchange, "GET", "/v2/positions/AAA")[1]
        assert held["qty_available"] == "0"

    gap = {("AAA", f"09:3{minute}"): Minute(bid="9.50", ask="9.52") for minute in range(3)}
    with open_exchange(tmp_path, gap, day=TUESDAY) as exchange:
        exchange.set_clock(at("09:30", TUESDAY))
        assert look(exchange, stop)["status"] == "new"
        exchange.set_clock(at("09:31", TUESDAY))
        sold = look(exchange, stop)
        assert (sold["status"], sold["filled_avg_price"]) == ("filled", "9.5")
        assert sold["time_in_force"] == "gtc"


def test_a_stop_limit_order_does_not_sell_under_its_limit(tmp_path: Path) -> None:
    fall = {
        ("AAA", "10:32"): Minute(bid="9.50", ask="9.52"),
        ("AAA", "10:33"): Minute(bid="9.72", ask="9.74"),
    }
    with open_exchange(tmp_path, fall) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        stop = place(exchange, side="sell", type="stop_limit", limit_price="9.70", stop_price="9.8")
        exchange.set_clock(at("10:33"))
        assert look(exchange, stop)["status"] == "new"
        exchange.set_clock(at("10:34"))
        assert look(exchange, stop)["filled_avg_price"] == "9.72"


@pytest.mark.parametrize(
    ("trail", "stop_price"), [({"trail_price": "0.20"}, "10.3"), ({"trail_percent": "2"}, "10.29")]
)
def test_a_trailing_stop_follows_the_bid_up_and_sells_when_it_falls_back(
    tmp_path: Path, trail: dict[str, Any], stop_price: str
) -> None:
    peak = {
        ("AAA", "10:32"): Minute(bid="10.50", ask="10.52"),
        ("AAA", "10:33"): Minute(bid="10.40", ask="10.42"),
    }
    with open_exchange(tmp_path, peak) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        stop = place(exchange, side="sell", type="trailing_stop", limit_price=None, **trail)
        exchange.set_clock(at("10:34"))
        followed = look(exchange, stop)
        assert (followed["hwm"], followed["stop_price"]) == ("10.5", stop_price)
        assert followed["status"] == "new"
        exchange.set_clock(at("10:35"))
        assert look(exchange, stop)["filled_avg_price"] == "10"


def test_a_trailing_stop_to_buy_follows_the_ask_down(tmp_path: Path) -> None:
    dip = {("AAA", "10:32"): Minute(bid="9.70", ask="9.72")}
    with open_exchange(tmp_path, dip) as exchange:
        exchange.set_clock(at("10:31"))
        stop = place(exchange, type="trailing_stop", limit_price=None, trail_price="0.20")
        exchange.set_clock(at("10:33"))
        assert look(exchange, stop)["stop_price"] == "9.92"
        exchange.set_clock(at("10:34"))
        assert look(exchange, stop)["filled_avg_price"] == "10.02"


def test_an_immediate_or_cancel_order_takes_what_is_there_and_ends(
    exchange: RunningExchange,
) -> None:
    taken = look(exchange, place(exchange, qty="150", time_in_force="ioc"))
    assert (taken["status"], taken["filled_qty"]) == ("canceled", "100")
    missed = look(exchange, place(exchange, symbol="BBB", time_in_force="ioc", limit_price="9"))
    assert (missed["status"], missed["filled_qty"]) == ("canceled", "0")


def test_a_fill_or_kill_order_is_filled_whole_or_not_at_all(exchange: RunningExchange) -> None:
    too_large = look(exchange, place(exchange, qty="150", time_in_force="fok"))
    assert (too_large["status"], too_large["filled_qty"]) == ("canceled", "0")
    assert look(exchange, place(exchange, qty="100", time_in_force="fok"))["status"] == "filled"


def test_an_order_for_the_opening_fills_at_the_first_quote_and_the_rest_is_cancelled(
    exchange: RunningExchange,
) -> None:
    assert "opg orders are not accepted" in refused(exchange, time_in_force="opg")


def test_an_opening_order_of_the_evening_before(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_clock(at("08:00"))
        opening = place(exchange, qty="150", time_in_force="opg")
        assert look(exchange, opening)["status"] == "accepted"
        exchange.set_clock(at("09:31"))
        opened = look(exchange, opening)
        assert (opened["status"], opened["filled_qty"]) == ("canceled", "100")


def test_an_order_for_the_close_waits_for_it(exchange: RunningExchange) -> None:
    closing = place(exchange, qty="150", time_in_force="cls")
    exchange.set_clock(at("15:59"))
    assert look(exchange, closing)["status"] == "new"
    assert "cls orders are not accepted" in refused(exchange, time_in_force="cls")
    exchange.set_clock(at("16:00"))
    closed = look(exchange, closing)
    assert (closed["status"], closed["filled_qty"]) == ("canceled", "100")
    assert closed["filled_avg_price"] == "10.02"


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_orders_for_at_once_need_an_open_market(
    exchange: RunningExchange, time_in_force: str
) -> None:
    exchange.set_clock(at("16:00"))
    assert "only accepted in market hours" in refused(exchange, time_in_force=time_in_force)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"type": "stop_limit"}, "stop_limit orders require a stop price"),
        ({"type": "trailing_stop", "limit_price": None}, "either a trail price or a trail percent"),
        (
            {"type": "trailing_stop", "limit_price": None, "trail_percent": "100"},
            "trail_percent must be < 100",
        ),
        ({"trail_price": "1"}, "limit orders must not have a trail price"),
        (
            {"type": "stop", "limit_price": None, "stop_price": "9", "time_in_force": "ioc"},
            "stop orders must be day or gtc",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    exchange: RunningExchange, changes: dict[str, object], words: str
) -> None:
    assert words in refused(exchange, **changes)
