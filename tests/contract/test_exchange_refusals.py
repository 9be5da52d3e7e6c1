"""What the paper exchange turns down, in Alpaca's statuses, codes and words."""

from collections.abc import Iterator
from typing import Any

import pytest

from ops_local.exchange.launcher import PaperAccount, RunningExchange
from tests.contract.paper_street import LARGE, TINY, ask, at, open_exchange, order, own, place


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """One that is shared: a refusal leaves nothing behind."""
    with open_exchange(tmp_path_factory.mktemp("strict")) as running:
        running.set_clock(at("10:31"))
        yield running


def _refusal(
    exchange: RunningExchange, *, account: PaperAccount = LARGE, **changes: object
) -> tuple[int, dict[str, Any]]:
    return ask(exchange, "POST", "/v2/orders", order(**changes), account=account)


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"symbol": "ZZZ"}, 422, 42210000, 'asset "ZZZ" not found'),
        ({"symbol": None}, 422, 40010001, "symbol is required"),
        ({"qty": "0"}, 422, 42210000, "qty must be > 0"),
        ({"qty": "-3"}, 422, 42210000, "qty must be > 0"),
        ({"qty": None}, 422, 40010001, "qty is required"),
        ({"qty": "many"}, 422, 40010001, "qty is not a number"),
        ({"qty": "NaN"}, 422, 40010001, "qty is not a number"),
        ({"qty": True}, 422, 40010001, "qty is not a number"),
        ({"qty": "0.5"}, 403, 40310000, "not fractionable"),
        ({"limit_price": "10.001"}, 422, 42210000, "sub-penny increment"),
        ({"limit_price": 0.99999}, 422, 42210000, "sub-penny increment"),
        ({"limit_price": "-1"}, 422, 42210000, "limit_price must be > 0"),
        ({"limit_price": None}, 422, 40010001, "limit orders require a limit price"),
        ({"type": "market"}, 422, 40010001, "market orders must not have a limit price"),
        ({"type": "stop"}, 422, 40010001, "stop orders must not have a limit price"),
        ({"type": "iceberg"}, 422, 40010001, "invalid order type"),
        ({"time_in_force": "forever"}, 422, 40010001, "invalid time_in_force"),
        ({"time_in_force": None}, 422, 40010001, "time_in_force is required"),
        ({"side": "hold"}, 422, 40010001, "invalid side"),
        ({"position_intent": "sell_to_close"}, 422, 40010001, "position_intent"),
        ({"client_order_id": "x" * 129}, 422, 40010001, "128 characters"),
        ({"extended_hours": True}, 422, 42210000, "extended_hours is not offered"),
        ({"order_class": "bracket"}, 422, 42210000, "only simple orders"),
        ({"notional": "100"}, 422, 42210000, "notional is not offered"),
    ],
)
def test_an_odd_order_is_refused_and_says_why(
    strict: RunningExchange, changes: dict[str, object], status: int, code: int, words: str
) -> None:
    answered, body = ask(strict, "POST", "/v2/orders", order(**changes))

    assert (answered, body["code"]) == (status, code)
    assert words in body["message"]
    assert strict.tables()["orders"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"qty": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(strict: RunningExchange, body: bytes) -> None:
    status, answer = ask(strict, "POST", "/v2/orders", body or b" ")
    assert (status, answer) == (
        400,
        {"code": 40010000, "message": "request body format is invalid"},
    )


def test_prices_under_a_dollar_may_have_four_places(exchange: RunningExchange) -> None:
    assert place(exchange, limit_price="0.9999")


def test_a_client_order_id_is_used_once_even_after_its_order_ended(
    exchange: RunningExchange,
) -> None:
    place(exchange, client_order_id="once")

    assert _refusal(exchange, client_order_id="once") == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )
    assert len(exchange.tables()["orders"]) == 1


def test_an_order_over_the_buying_power_is_refused(exchange: RunningExchange) -> None:
    status, answer = _refusal(exchange, account=TINY, qty="150")

    assert status == 403
    assert answer == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "1500",
        "cost_basis": "1507.50",
    }


def test_a_resting_buy_reserves_buying_power_until_it_is_cancelled(
    exchange: RunningExchange,
) -> None:
    resting = place(exchange, account=TINY, symbol="BBB", qty="100", limit_price="9")
    assert _refusal(exchange, account=TINY, qty="100")[1]["buying_power"] == "600"

    ask(exchange, "DELETE", f"/v2/orders/{resting}", account=TINY)
    assert place(exchange, account=TINY, qty="100")


def test_shares_that_nobody_holds_are_not_sold_short(exchange: RunningExchange) -> None:
    status, answer = _refusal(exchange, side="sell")

    assert status == 403
    assert answer["message"] == "insufficient qty available for order (requested: 10, available: 0)"
    assert (answer["existing_qty"], answer["symbol"]) == ("0", "AAA")


def test_shares_that_an_open_sale_holds_are_not_sold_twice(exchange: RunningExchange) -> None:
    own(exchange, 10)
    stop = place(exchange, side="sell", qty="7", type="stop", limit_price=None, stop_price="9.50")

    assert _refusal(exchange, side="sell", qty="4") == (
        403,
        {
            "code": 40310000,
            "message": "insufficient qty available for order (requested: 4, available: 3)",
            "available": "3",
            "existing_qty": "10",
            "held_for_orders": "7",
            "related_orders": [stop],
            "symbol": "AAA",
        },
    )
    assert place(exchange, side="sell", qty="3")


def test_an_order_against_an_open_one_of_the_same_account_is_a_wash_trade(
    exchange: RunningExchange,
) -> None:
    own(exchange, 10)
    stop = place(exchange, side="sell", type="stop", limit_price=None, stop_price="9.50")

    status, answer = _refusal(exchange)

    assert (status, answer["code"], answer["existing_order_id"]) == (403, 40310000, stop)
    assert "potential wash trade detected" in answer["message"]
    assert place(exchange, symbol="BBB")
    assert place(exchange, account=TINY)


@pytest.mark.parametrize(
    "path", ["/v2/account", "/v2/orders", "/v2/stocks/quotes/latest?symbols=AAA", "/v1beta1/news"]
)
@pytest.mark.parametrize(
    "keys", [("key-large", "secret-tiny"), ("unknown", "secret-large"), ("", "")]
)
def test_wrong_keys_open_nothing(strict: RunningExchange, path: str, keys: tuple[str, str]) -> None:
    stranger = PaperAccount("stranger", "", *keys, LARGE.cash)

    assert ask(strict, "GET", path, account=stranger) == (
        401,
        {"code": 40110000, "message": "request is not authorized"},
    )


@pytest.mark.parametrize(
    "path",
    [
        "/v2/orders?status=lost",
        "/v2/orders?limit=501",
        "/v2/orders?after=yesterday",
        "/v2/orders?until=2013-10-07T10:31:00",
        "/v2/orders:by_client_order_id",
        "/v2/account/activities?page_token=unknown",
        "/v2/stocks/bars?symbols=AAA&timeframe=1Day",
        "/v2/stocks/bars?timeframe=1Min",
        "/v2/stocks/bars?symbols=AAA&timeframe=1Min&page_token=unknown",
        "/v2/calendar?start=2013-13-01",
    ],
)
def test_an_odd_query_is_refused(strict: RunningExchange, path: str) -> None:
    status, answer = ask(strict, "GET", path)
    assert status == 400
    assert answer["message"]


def test_what_is_not_there_is_not_found(strict: RunningExchange) -> None:
    for path in ("/v2/assets/ZZZ", "/v2/positions/AAA", "/v2/wallets", "/v2/orders/none"):
        status, answer = ask(strict, "GET", path)
        assert (status, answer["code"]) == (404, 40410000), path
