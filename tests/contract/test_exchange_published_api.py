"""Every answer of the paper exchange against Alpaca's published OpenAPI."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from ops_local.exchange.launcher import RunningExchange
from tests.contract.paper_street import ask, at, open_exchange, order, own, place

_SHARED = Path(os.environ.get("OPS_SHARED", Path(__file__).parents[2].parent / "shared"))
_RETIRED = ("pattern_day_trader", "daytrade_count", "daytrading_buying_power")

TRADING, DATA = "trading-api.json", "market-data-api.json"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """With orders that are filled, partly filled, resting, stopped, cancelled and replaced."""
    if not (_SHARED / "alpaca" / TRADING).exists():
        pytest.skip(f"the published API is not in {_SHARED}")
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


def _published(file: str) -> dict[str, Any]:
    """The document as JSON Schema: OpenAPI 3.0 writes "or null" in a way of its own."""
    document = json.loads((_SHARED / "alpaca" / file).read_text(encoding="utf-8"))
    return dict(_with_nulls(document))


def _with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_nulls(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_nulls(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain


def _complaints(file: str, schema: str, answer: object) -> list[str]:
    document = _published(file)
    whole = {**document, "$ref": f"#/components/schemas/{schema}"}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(answer)]


def _known_fields(file: str, schema: str) -> set[str]:
    document = json.loads((_SHARED / "alpaca" / file).read_text(encoding="utf-8"))
    return set(document["components"]["schemas"][schema]["properties"])


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
    ("/v2/stocks/snapshots?symbols=AAA,BBB", "stock_snapshots_resp"),
    ("/v1beta1/news", "news_resp"),
]


@pytest.mark.parametrize(("path", "schema"), LISTS)
def test_each_entry_of_a_list_is_as_published(
    exchange: RunningExchange, path: str, schema: str
) -> None:
    status, entries = ask(exchange, "GET", path)

    assert status == 200
    assert entries
    for entry in entries:
        assert _complaints(TRADING, schema, entry) == []
        assert set(entry) <= _known_fields(TRADING, schema)


@pytest.mark.parametrize(("path", "schema"), SINGLE)
def test_a_single_answer_is_as_published(exchange: RunningExchange, path: str, schema: str) -> None:
    status, answer = ask(exchange, "GET", path)

    assert status == 200
    assert _complaints(TRADING, schema, answer) == []
    assert set(answer) <= _known_fields(TRADING, schema)


@pytest.mark.parametrize(("path", "schema"), MARKET)
def test_market_data_is_as_published(exchange: RunningExchange, path: str, schema: str) -> None:
    status, answer = ask(exchange, "GET", path)

    assert status == 200
    assert _complaints(DATA, schema, answer) == []


def test_answers_to_orders_are_as_published(tmp_path: Path, exchange: RunningExchange) -> None:
    with open_exchange(tmp_path) as own_exchange:
        own_exchange.set_clock(at("10:31"))
        _, placed = ask(own_exchange, "POST", "/v2/orders", order(limit_price="9"))
        path = f"/v2/orders/{placed['id']}"
        _, replaced = ask(own_exchange, "PATCH", path, {"qty": "3"})
        status, canceled = ask(own_exchange, "DELETE", "/v2/orders")

    assert status == 207
    for answer in (placed, replaced):
        assert _complaints(TRADING, "Order", answer) == []
    assert [_complaints(TRADING, "CanceledOrderResponse", entry) for entry in canceled] == [[]]


def test_refusals_are_as_published(exchange: RunningExchange) -> None:
    status, answer = ask(exchange, "POST", "/v2/orders", order(qty="0"))

    assert status == 422
    assert _complaints(TRADING, "Error", answer) == []


def test_the_check_itself_notices_a_wrong_answer(exchange: RunningExchange) -> None:
    _, answer = ask(exchange, "GET", "/v2/positions/AAA")

    assert _complaints(TRADING, "Position", {**answer, "qty": 50})
    assert _complaints(TRADING, "Position", {**answer, "side": "sideways"})
    assert _complaints(TRADING, "Position", {**answer, "asset_id": "AAA"})


def test_the_retired_day_trading_fields_are_gone(exchange: RunningExchange) -> None:
    _, account = ask(exchange, "GET", "/v2/account")

    assert not set(_RETIRED) & set(account)
