"""Every request our adapters send, against Alpaca's published OpenAPI: route, query and body."""

import inspect
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.alpaca_indices import AlpacaVix
from ops_pipeline.adapters.corporate.alpaca_actions import AlpacaCorporateActions
from ops_pipeline.domain.broker import OrderRequest
from tests.contract.requests_published import Published
from tests.contract.stub_broker import ACCOUNT, ACCOUNT_NUMBER, Answer, Sent, Stub, serving
from tests.support.fakes import regular_session

START = datetime(2026, 2, 4, 14, 30, 0, 5, tzinfo=UTC)
END = START + timedelta(minutes=10)
ORDERS = (
    OrderRequest("id", "AAA", "buy", Decimal(3), "limit", Decimal("10.05")),
    OrderRequest("id", "AAA", "sell", Decimal(3), "limit", Decimal("9.95")),
    OrderRequest("id", "AAA", "sell", Decimal("0.5"), "market", None),
    OrderRequest("id", "AAA", "sell", Decimal(3), "stop", Decimal("9.80"), "gtc"),
)
QUOTE = {"t": "2026-02-04T14:31:00Z", "bp": 500, "bs": 100, "ap": 500.1, "as": 100}
ORDER = {
    "id": "00000000-0000-0000-0000-000000000001",
    "client_order_id": "id",
    "symbol": "AAA",
    "side": "buy",
    "type": "limit",
    "order_class": "simple",
    "qty": "3",
    "filled_qty": "0",
    "filled_avg_price": None,
    "status": "new",
    "submitted_at": "2026-02-04T14:31:00Z",
    "updated_at": "2026-02-04T14:31:01Z",
}
ACTIVITIES = [
    {"id": f"2026::{n}", "activity_type": "FEE", "net_amount": "-1", "date": "2026-02-04"}
    for n in range(100)
]
FILLS = [
    {
        "id": f"2026::{n}",
        "order_id": "o",
        "symbol": "AAA",
        "side": "buy",
        "qty": "1",
        "price": "2",
        "transaction_time": "2026-02-04T14:31:00Z",
    }
    for n in range(100)
]
# A full page first, so that the request for the next one is seen too.
ANSWERS = {
    "GET /v2/account": [Answer(body={**ACCOUNT, "shorting_enabled": True})],
    "GET /v2/account/configurations": [Answer(body={"no_shorting": True})],
    "GET /v2/positions": [Answer(body=[])],
    "GET /v2/assets/BRK.B": [Answer(body={"tradable": True, "status": "active"})],
    "GET /v2/clock": [Answer(body={"timestamp": "2026-02-04T09:31:00.123456789-05:00"})],
    "GET /v2/calendar": [Answer(body=[])],
    "GET /v2/orders:by_client_order_id": [Answer(body=ORDER)],
    "GET /v2/orders": [
        Answer(
            body=[
                {**ORDER, "id": f"{n}", "submitted_at": f"2026-02-04T14:31:{n // 10:02}Z"}
                for n in range(500)
            ]
        ),
        Answer(body=[]),
    ],
    "POST /v2/orders": [Answer(body=ORDER)],
    f"DELETE /v2/orders/{ORDER['id']}": [Answer(204, b"")],
    "GET /v2/account/activities/FILL": [Answer(body=FILLS), Answer(body=[])],
    "GET /v2/account/activities": [Answer(body=ACTIVITIES), Answer(body=[])],
    "GET /v2/stocks/bars": [
        Answer(body={"bars": {}, "next_page_token": "QUFBfE18"}),
        Answer(body={"bars": {}, "next_page_token": None}),
    ],
    "GET /v2/stocks/quotes/latest": [Answer(body={"quotes": {"BRK.B": QUOTE}})],
    "GET /v2/stocks/trades/latest": [Answer(body={"trades": {}})],
    "GET /v1/corporate-actions": [
        Answer(body={"corporate_actions": {}, "next_page_token": "QUFBfE18"}),
        Answer(body={"corporate_actions": {}, "next_page_token": None}),
    ],
    "GET /v1beta1/indices/values": [
        Answer(
            body={
                "values": {"VIX": [{"t": "2026-02-04T21:14:46.354Z", "v": 18.45}]},
                "next_page_token": None,
            }
        )
    ],
}


@pytest.fixture(scope="module")
def published(shared_data: Path) -> list[Published]:
    folder = shared_data.parent / "alpaca"
    files = [folder / "trading-api.json", folder / "market-data-api.json"]
    if not all(file.exists() for file in files):
        pytest.skip(f"the published API is not here: {folder}")
    return [Published(file) for file in files]


def complaints(published: list[Published], sent: Sent) -> list[str]:
    document = next((known for known in published if known.knows(sent)), published[0])
    return document.complaints(sent)


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        for request, answers in ANSWERS.items():
            running.script(request, *answers)
        yield running


def ask_everything(stub: Stub) -> set[str]:
    """Call each method of the adapters, with every kind of order; returns their names."""
    ours = AlpacaBroker(stub.url, "key", "a secret", ACCOUNT_NUMBER)
    data = AlpacaMarketData(url=stub.url, key_id="key", secret_key="a secret", feed="iex")
    ours.account()
    ours.positions()
    ours.is_tradable("BRK.B")
    ours.market_time()
    ours.market_days(START.date(), END.date())
    ours.order_by_client_id("main-large-AAA-20260204T1431-entry-1")
    ours.orders_since(START)
    ours.resting_orders()
    for order in ORDERS:
        ours.submit(order)
    ours.cancel(str(ORDER["id"]))
    ours.fills_since(START)
    ours.cash_activities_since(START)
    data.bars(["AAA", "BRK.B"], START, END)
    data.quotes(["AAA", "BRK.B"])
    index = AlpacaVix(url=stub.url, key_id="key", secret_key="a secret")
    index.readings(regular_session(date(2026, 2, 4)))
    actions = AlpacaCorporateActions(url=stub.url, key_id="key", secret_key="a secret")
    actions.announced(["AAA", "BRK.B"], START.date(), END.date())
    return {
        "announced",
        "account",
        "positions",
        "is_tradable",
        "market_time",
        "market_days",
        "order_by_client_id",
        "orders_since",
        "resting_orders",
        "submit",
        "cancel",
        "fills_since",
        "cash_activities_since",
        "bars",
        "quotes",
        "readings",
    }


def test_every_request_is_sent_as_it_is_published(stub: Stub, published: list[Published]) -> None:
    ask_everything(stub)
    wrong = {
        f"{sent.method} {sent.path}": found
        for sent in stub.sent
        if (found := complaints(published, sent))
    }
    assert wrong == {}
    assert {f"{sent.method} {sent.path}" for sent in stub.sent} == set(ANSWERS)
    paged = [sent.path for sent in stub.sent if {"page_token", "after"} & set(sent.query)]
    assert len(paged) == 8


def test_no_method_of_an_adapter_is_left_out(stub: Stub) -> None:
    methods = {
        name
        for adapter in (AlpacaBroker, AlpacaMarketData, AlpacaVix, AlpacaCorporateActions)
        for name, _ in inspect.getmembers(adapter, inspect.isfunction)
        if not name.startswith("_")
    }
    assert ask_everything(stub) == methods


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (Sent("GET", "/v2/everything", {}, None), "no such route"),
        (Sent("GET", "/v2/orders", {"since": "x"}, None), "query since is not published"),
        (Sent("GET", "/v2/orders", {"direction": "up"}, None), "'up'"),
        (Sent("GET", "/v2/orders", {"limit": "many"}, None), "'many'"),
        (Sent("GET", "/v2/orders:by_client_order_id", {}, None), "client_order_id is required"),
        (Sent("POST", "/v2/positions", {}, None), "no such route"),
        (Sent("GET", "/v2/stocks/bars", {"symbols": "AAA"}, None), "timeframe is required"),
        (Sent("GET", "/v2/positions", {}, {"a": 1}), "a body where none is published"),
        (Sent("POST", "/v2/orders", {}, None), "no body"),
        (Sent("POST", "/v2/orders", {}, {"symbol": "AAA", "size": "3"}), "field size"),
        (Sent("POST", "/v2/orders", {}, {"symbol": "AAA", "side": "hold"}), "'hold'"),
    ],
)
def test_what_is_not_published_is_noticed(
    published: list[Published], sent: Sent, complaint: str
) -> None:
    assert complaint in "; ".join(complaints(published, sent))
