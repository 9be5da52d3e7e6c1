"""Every answer of the paper exchange against Alpaca's published OpenAPI."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_local.exchange.launcher import RunningExchange
from tests.contract.paper_street import ask, at, open_exchange, order, own, place
from tests.contract.published import DATA, TRADING, complaints, known_fields, require_published

_RETIRED = ("pattern_day_trader", "daytrade_count", "daytrading_buying_power")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """With orders that are filled, partly filled, resting, stopped, cancelled and replaced."""
    require_published()
    with open_exchange(tmp_path_factory.mktemp("published")) as running:
        running.set_clock(at("10:31"))
        own(running, 50)
        place(running, side="sell", type="stop", limit_price=None, stop_price="9", qty="5")
        place(running, symbol="BBB", qty="150", client_order_id="partial")
        ended = place(running, symbol="BBB", limit_price="8")
        ask(running, "DELETE", f"/v2/orders/{ended}")
        old = place(running, symbol="BBB", limit_price="8", time_in_force="gtc")
        ask(running, "PATCH", f"/v2/orders/{old}", {"qty": "3"})
        running.add_activity("large", "DIV", "1.02", symbol="AAA")
        yield running


LISTS = [
    ("/v2/account/activities?category=non_trade_activity", "NonTradeActivities"),
    ("/v2/orders?status=all", "Order"),
    ("/v2/positions", "Position"),
    ("/v2/assets", "Assets"),
    ("/v2/account/activities?category=trade_activity", "TradingActivities"),
    ("/v2/account/activities/FILL", "TradingActivities"),
    ("/v2/calendar?start=2013-11-25&end=2013-12-02", "legacy_calendar_day"),
]
SINGLE = [
    ("/v2/account", "Account"),
    ("/v2/account/configurations", "AccountConfigurations"),
    ("/v2/clock", "legacy_clock"),
    ("/v2/positions/AAA", "Position"),
    ("/v2/assets/AAA", "Assets"),
    ("/v2/orders:by_client_order_id?client_order_id=partial", "Order"),
]
MARKET = [
    ("/v2/stocks/bars?symbols=AAA,BBB&timeframe=1Min&limit=7", "stock_bars_resp"),
    ("/v2/stocks/bars/latest?symbols=AAA,BBB", "stock_latest_bars_resp"),
    ("/v2/stocks/quotes/latest?symbols=AAA,BBB", "stock_latest_quotes_resp"),
    ("/v2/stocks/trades/latest?symbols=AAA,BBB", "stock_latest_trades_resp"),
    ("/v2/stocks/snapshots?symbols=AAA,BBB", "stock_snapshots_resp"),
    ("/v1beta1/news", "news_resp"),
    ("/v1beta1/indices/values?symbols=SPX,VIX", "index_values_resp"),
    ("/v1beta1/indices/latest/values?symbols=SPX,VIX", "index_latest_values_resp"),
]


@pytest.mark.parametrize(("path", "schema"), LISTS)
def test_each_entry_of_a_list_is_as_published(
    exchange: RunningExchange, path: str, schema: str
) -> None:
    status, entries = ask(exchange, "GET", path)

    assert status == 200
    assert entries
    for entry in entries:
        assert complaints(TRADING, schema, entry) == []
        assert set(entry) <= known_fields(TRADING, schema)


@pytest.mark.parametrize(("path", "schema"), SINGLE)
def test_a_single_answer_is_as_published(exchange: RunningExchange, path: str, schema: str) -> None:
    status, answer = ask(exchange, "GET", path)

    assert status == 200
    assert complaints(TRADING, schema, answer) == []
    assert set(answer) <= known_fields(TRADING, schema)


@pytest.mark.parametrize(("path", "schema"), MARKET)
def test_market_data_is_as_published(exchange: RunningExchange, path: str, schema: str) -> None:
    exchange.set_behaviour("indices", "served")
    status, answer = ask(exchange, "GET", path)

    assert status == 200
    assert complaints(DATA, schema, answer) == []


def test_answers_to_orders_are_as_published(tmp_path: Path, exchange: RunningExchange) -> None:
    with open_exchange(tmp_path) as own_exchange:
        own_exchange.set_clock(at("10:31"))
        _, placed = ask(own_exchange, "POST", "/v2/orders", order(limit_price="9"))
        path = f"/v2/orders/{placed['id']}"
        _, replaced = ask(own_exchange, "PATCH", path, {"qty": "3"})
        status, canceled = ask(own_exchange, "DELETE", "/v2/orders")

    assert status == 207
    for answer in (placed, replaced):
        assert complaints(TRADING, "Order", answer) == []
    assert [complaints(TRADING, "CanceledOrderResponse", entry) for entry in canceled] == [[]]


def test_refusals_are_as_published(exchange: RunningExchange) -> None:
    status, answer = ask(exchange, "POST", "/v2/orders", order(qty="0"))

    assert status == 422
    assert complaints(TRADING, "Error", answer) == []


def test_the_check_itself_notices_a_wrong_answer(exchange: RunningExchange) -> None:
    _, answer = ask(exchange, "GET", "/v2/positions/AAA")

    assert complaints(TRADING, "Position", {**answer, "qty": 50})
    assert complaints(TRADING, "Position", {**answer, "side": "sideways"})
    assert complaints(TRADING, "Position", {**answer, "asset_id": "AAA"})


def test_the_retired_day_trading_fields_are_gone(exchange: RunningExchange) -> None:
    _, account = ask(exchange, "GET", "/v2/account")

    assert not set(_RETIRED) & set(account)
