"""The body of each kind of order we send, against Alpaca's published OpenAPI."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ops_pipeline.adapters.alpaca_records import order_fields
from ops_pipeline.domain.broker import OrderRequest

ORDERS = (
    OrderRequest("id", "AAA", "buy", Decimal(3), "limit", Decimal("10.05")),
    OrderRequest("id", "AAA", "sell", Decimal(3), "limit", Decimal("9.95")),
    OrderRequest("id", "AAA", "sell", Decimal("0.5"), "market", None),
    OrderRequest("id", "AAA", "sell", Decimal(3), "stop", Decimal("9.80"), "gtc"),
)


@pytest.fixture(scope="module")
def body(shared_data: Path) -> dict[str, Any]:
    """The schema of POST /v2/orders, with the document it refers to around it."""
    file = shared_data.parent / "alpaca" / "trading-api.json"
    if not file.exists():
        pytest.skip(f"the published API is not here: {file}")
    document = dict(json.loads(file.read_text(encoding="utf-8")))
    request = document["paths"]["/v2/orders"]["post"]["requestBody"]
    return {**document, **request["content"]["application/json"]["schema"]}


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: f"{order.side} {order.order_type}")
def test_an_order_is_sent_as_it_is_published(body: dict[str, Any], order: OrderRequest) -> None:
    assert list(Draft202012Validator(body).iter_errors(order_fields(order))) == []


def test_the_published_schema_refuses_what_is_no_order(body: dict[str, Any]) -> None:
    fields = {**order_fields(ORDERS[0]), "side": "hold"}
    assert list(Draft202012Validator(body).iter_errors(fields))
