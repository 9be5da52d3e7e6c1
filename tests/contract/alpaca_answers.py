"""What the adapter for Alpaca asks its stub for, and what the stub answers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from ops_pipeline.domain.broker import OrderRequest

ORDERS = "POST /v2/orders"
LIST = "GET /v2/orders"
LOOK_UP = "GET /v2/orders:by_client_order_id"
FILLS = "GET /v2/account/activities/FILL"
START = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
BUY = OrderRequest("main-large-AAA-1", "AAA", "buy", Decimal(10), "limit", Decimal("10.05"))


def raw_order(**changes: object) -> dict[str, Any]:
    return {
        "id": "b-1",
        "client_order_id": BUY.client_order_id,
        "symbol": "AAA",
        "side": "buy",
        "type": "limit",
        "order_class": "simple",
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "status": "new",
        "created_at": "2026-02-04T14:31:00Z",
        "submitted_at": "2026-02-04T14:31:00.123456789Z",
        "updated_at": "2026-02-04T14:31:01Z",
        **changes,
    }


def raw_fill(number: int) -> dict[str, str]:
    return {
        "id": f"2026020414310{number:04}::f",
        "order_id": "b-1",
        "symbol": "AAA",
        "side": "sell_short" if number == 0 else "buy",
        "qty": "1",
        "price": "10.01",
        "transaction_time": "2026-02-04T14:31:00.5Z",
    }
