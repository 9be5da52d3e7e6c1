"""How orders fill, rest and end on the paper exchange."""

from datetime import timedelta
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError

from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.domain.market import MINUTE
from tests.contract.paper_street import (
    TINY,
    Minute,
    ask,
    at,
    enums,
    look,
    open_exchange,
    own,
    place,
    trading,
)
from tests.contract.paper_street import trading_requests as requests


def test_a_new_order_is_acknowledged_before_its_fill_shows(exchange: RunningExchange) -> None:
    client = trading(exchange)
    request = requests.LimitOrderRequest(
        symbol="AAA",
        qty=10,
        side=enums.OrderSide.BUY,
        time_in_force=enums.TimeInForce.DAY,
        limit_price=10.05,
        client_order_id="first",
    )

    taken = client.submit_order(request)
    seen = client.get_order_by_client_id("first")

    assert (taken.status, taken.filled_qty) == (enums.OrderStatus.PENDING_NEW, "0")
    assert (seen.status, seen.filled_qty) == (enums.OrderStatus.FILLED, "10")
    assert seen.id == taken.id
    assert seen.submitted_at == seen.filled_at == at("10:31")


def test_a_buyer_pays_the_ask_and_a_seller_gets_the_bid(exchange: RunningExchange) -> None:
    bought = look(exchange, place(exchange, limit_price="11"))
    sold = look(exchange, place(exchange, side="sell", limit_price="9"))

    assert bought["filled_avg_price"] == "10.02"
    assert sold["filled_avg_price"] == "10"


def test_a_limit_order_rests_until_the_market_comes_to_it(tmp_path: Path) -> None:
    with open_exchange(tmp_path, {("AAA", "10:33"): Minute(bid="9.93", ask="9.95")}) as exchange:
        exchange.set_clock(at("10:31"))
        resting = place(exchange, limit_price="9.97")

        exchange.set_clock(at("10:33"))
        assert look(exchange, resting)["status"] == "new"

        exchange.set_clock(at("10:34"))
        filled = look(exchange, resting)
        assert (filled["status"], filled["filled_avg_price"]) == ("filled", "9.95")
        assert filled["filled_at"] == "2013-10-07T14:34:00Z"


def test_a_large_order_fills_minute_by_minute_by_what_is_displayed(
    exchange: RunningExchange,
) -> None:
    large = place(exchange, qty="250")
    seen = []
    for minute in range(3):
        exchange.set_clock(at("10:31") + minute * MINUTE)
        answer = look(exchange, large)
        seen.append((answer["status"], answer["filled_qty"]))

    assert seen == [("partially_filled", "100"), ("partially_filled", "200"), ("filled", "250")]


def test_a_tenth_of_the_volume_fills_where_that_is_more_than_displayed(tmp_path: Path) -> None:
    with open_exchange(tmp_path, {("AAA", "10:30"): Minute(volume=4_005)}) as exchange:
        exchange.set_clock(at("10:31"))

        assert look(exchange, place(exchange, qty="1000"))["filled_qty"] == "400"


def test_a_second_order_in_the_same_minute_finds_what_the_first_left(
    exchange: RunningExchange,
) -> None:
    place(exchange, qty="70")
    second = place(exchange, qty="70")
    of_another_account = place(exchange, qty="70", account=TINY)

    assert look(exchange, second)["filled_qty"] == "30"
    assert look(exchange, of_another_account, account=TINY)["filled_qty"] == "70"


def test_a_minute_offers_its_size_once_however_often_it_is_asked(
    exchange: RunningExchange,
) -> None:
    place(exchange, qty="70")
    exchange.set_clock(at("10:31") + timedelta(seconds=30))

    assert look(exchange, place(exchange, qty="70"))["filled_qty"] == "30"


def test_a_sell_stop_waits_for_the_bid_and_then_takes_the_market(tmp_path: Path) -> None:
    fall = {
        ("AAA", "10:32"): Minute(bid="9.81", ask="9.83"),
        ("AAA", "10:33"): Minute(bid="9.70", ask="9.72"),
    }
    with open_exchange(tmp_path, fall) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        client = trading(exchange)
        stop = client.submit_order(
            requests.StopOrderRequest(
                symbol="AAA",
                qty=10,
                side=enums.OrderSide.SELL,
                time_in_force=enums.TimeInForce.GTC,
                stop_price=9.80,
            )
        )
        exchange.set_clock(at("10:33"))
        assert client.get_order_by_id(stop.id).status == enums.OrderStatus.NEW

        exchange.set_clock(at("10:34"))
        assert client.get_order_by_id(stop.id).filled_avg_price == "9.7"


def test_a_triggered_stop_stays_triggered_when_the_market_turns(tmp_path: Path) -> None:
    dip = {("AAA", "10:32"): Minute(bid="9.70", ask="9.72", size=4, volume=0)}
    with open_exchange(tmp_path, dip) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        stop = place(exchange, side="sell", type="stop", limit_price=None, stop_price="9.80")

        exchange.set_clock(at("10:33"))
        assert look(exchange, stop)["filled_qty"] == "4"

        exchange.set_clock(at("10:34"))
        assert look(exchange, stop)["filled_avg_price"] == "9.88"


def test_a_buy_stop_triggers_on_the_ask(tmp_path: Path) -> None:
    with open_exchange(tmp_path, {("AAA", "10:32"): Minute(bid="10.18", ask="10.20")}) as exchange:
        exchange.set_clock(at("10:31"))
        stop = place(exchange, type="stop", limit_price=None, stop_price="10.19")
        assert look(exchange, stop)["status"] == "new"

        exchange.set_clock(at("10:33"))
        assert look(exchange, stop)["filled_avg_price"] == "10.2"


@pytest.mark.parametrize(
    "unusable",
    [
        Minute(bid="10.05", ask="10.02"),
        Minute(ask="0"),
        Minute(bid="0"),
        Minute(ask="13"),
        Minute(size=0),
    ],
    ids=["crossed", "no ask", "no bid", "wide", "no shares"],
)
def test_a_market_order_waits_for_a_usable_quote(tmp_path: Path, unusable: Minute) -> None:
    with open_exchange(tmp_path, {("AAA", "10:30"): unusable}) as exchange:
        exchange.set_clock(at("10:31"))
        client = trading(exchange)
        waiting = client.submit_order(
            requests.MarketOrderRequest(
                symbol="AAA", qty=10, side=enums.OrderSide.BUY, time_in_force=enums.TimeInForce.DAY
            )
        )
        assert client.get_order_by_id(waiting.id).status == enums.OrderStatus.NEW

        exchange.set_clock(at("10:32"))
        assert client.get_order_by_id(waiting.id).status == enums.OrderStatus.FILLED


def test_nothing_trades_against_a_quote_that_nobody_renewed_for_five_minutes(
    tmp_path: Path,
) -> None:
    gap = {("AAA", f"10:{minute}"): None for minute in range(31, 40)}
    with open_exchange(tmp_path, gap) as exchange:
        exchange.set_clock(at("10:36"))
        in_time = place(exchange)
        exchange.set_clock(at("10:37"))
        too_late = place(exchange)

        assert look(exchange, in_time)["status"] == "filled"
        assert look(exchange, too_late)["status"] == "new"
        exchange.set_clock(at("10:41"))
        assert look(exchange, too_late)["status"] == "filled"


def test_an_ended_order_can_no_longer_be_cancelled(exchange: RunningExchange) -> None:
    resting, filled = place(exchange, limit_price="9"), place(exchange)

    assert ask(exchange, "DELETE", f"/v2/orders/{resting}") == (204, None)
    assert look(exchange, resting)["status"] == "canceled"
    for ended in (resting, filled):
        status, answer = ask(exchange, "DELETE", f"/v2/orders/{ended}")
        assert (status, answer["code"]) == (422, 42210000)
    assert look(exchange, filled)["status"] == "filled"


def test_cancelling_all_leaves_no_open_order_of_this_account(exchange: RunningExchange) -> None:
    mine = {place(exchange, limit_price="9"), place(exchange, symbol="BBB", limit_price="9")}
    theirs = place(exchange, limit_price="9", account=TINY)

    canceled = trading(exchange).cancel_orders()

    assert {str(entry.id) for entry in canceled} == mine
    assert trading(exchange).get_orders() == []
    assert look(exchange, theirs, account=TINY)["status"] == "new"


def test_a_replacement_is_an_order_of_its_own(exchange: RunningExchange) -> None:
    client = trading(exchange)
    old = place(exchange, limit_price="9", client_order_id="old")

    new = client.replace_order_by_id(
        old, requests.ReplaceOrderRequest(qty=20, limit_price=10.05, client_order_id="new")
    )

    before, after = look(exchange, old), look(exchange, str(new.id))
    assert (before["status"], before["replaced_by"]) == ("replaced", after["id"])
    assert (after["replaces"], after["client_order_id"]) == (old, "new")
    assert (after["status"], after["filled_qty"]) == ("filled", "20")


def test_a_replacement_may_use_the_shares_that_the_old_order_held(
    exchange: RunningExchange,
) -> None:
    own(exchange, 10)
    stop = place(exchange, side="sell", type="stop", limit_price=None, stop_price="9.50")

    status, higher = ask(exchange, "PATCH", f"/v2/orders/{stop}", {"stop_price": "9.80"})

    assert (status, higher["stop_price"], higher["qty"]) == (200, "9.8", "10")
    assert look(exchange, higher["id"])["status"] == "new"


def test_a_refused_replacement_leaves_the_old_order_open(exchange: RunningExchange) -> None:
    old = place(exchange, limit_price="9")

    status, _ = ask(exchange, "PATCH", f"/v2/orders/{old}", {"qty": "1000000"})

    assert status == 403
    assert look(exchange, old)["status"] == "new"


def test_an_unknown_order_is_not_found(exchange: RunningExchange) -> None:
    client = trading(exchange)
    with pytest.raises(APIError, match="order not found") as refused:
        client.get_order_by_client_id("never sent")
    assert (refused.value.status_code, refused.value.code) == (404, 40410000)


def test_one_account_does_not_see_the_orders_of_another(exchange: RunningExchange) -> None:
    mine = place(exchange, client_order_id="mine")

    assert ask(exchange, "GET", f"/v2/orders/{mine}", account=TINY)[0] == 404
    assert ask(exchange, "DELETE", f"/v2/orders/{mine}", account=TINY)[0] == 404
    assert (
        trading(exchange, TINY).get_orders(
            requests.GetOrdersRequest(status=enums.QueryOrderStatus.ALL)
        )
        == []
    )
    assert place(exchange, client_order_id="mine", account=TINY) != mine


def test_orders_are_listed_by_status_symbol_time_and_direction(exchange: RunningExchange) -> None:
    filled, resting = place(exchange), place(exchange, symbol="BBB", limit_price="9")
    exchange.set_clock(at("10:32"))
    later = place(exchange, limit_price="9")
    client = trading(exchange)

    def listed(**wanted: object) -> list[str]:
        request = requests.GetOrdersRequest(**{"status": enums.QueryOrderStatus.ALL, **wanted})
        return [str(found.id) for found in client.get_orders(request)]

    assert listed() == [later, resting, filled]
    assert listed(direction="asc", limit=2) == [filled, resting]
    assert listed(status=enums.QueryOrderStatus.OPEN) == [later, resting]
    assert listed(status=enums.QueryOrderStatus.CLOSED) == [filled]
    assert listed(symbols=["BBB"]) == [resting]
    assert listed(after=at("10:31")) == [later]
    assert listed(after=at("10:31") - timedelta(seconds=1), until=at("10:32")) == [resting, filled]
