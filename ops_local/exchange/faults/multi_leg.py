"""An option spread that somebody placed by hand, as Alpaca lists it: symbol and side are empty."""

from datetime import datetime, timedelta

from ops_local.exchange.api.wire import timestamp
from ops_pipeline.domain.ids import stable_uuid

Answer = dict[str, object]

_UNUSED = (
    "notional",
    "stop_price",
    "trail_price",
    "trail_percent",
    "hwm",
    "replaced_at",
    "replaced_by",
    "replaces",
    "canceled_at",
    "expired_at",
    "failed_at",
)
_PLACED_BEFORE = timedelta(minutes=1)


def multi_leg_order(now: datetime) -> Answer:
    """A filled call spread; its legs name no order type of their own."""
    at = now - _PLACED_BEFORE
    legs = [
        _leg("XYZ241213C00250000", "buy", "0.43", at),
        _leg("XYZ241213C00260000", "sell", "0.01", at),
    ]
    return {
        **_filled("spread", at),
        "asset_class": "",
        "asset_id": "",
        "symbol": "",
        "side": "",
        "qty": "1",
        "filled_avg_price": "0.42",
        "limit_price": "1",
        "type": "limit",
        "order_type": "limit",
        "legs": legs,
    }


def _leg(symbol: str, side: str, price: str, at: datetime) -> Answer:
    return {
        **_filled(symbol, at),
        "asset_class": "us_option",
        "asset_id": str(stable_uuid("asset", symbol)),
        "symbol": symbol,
        "side": side,
        "position_intent": f"{side}_to_open",
        "qty": "1",
        "ratio_qty": "1",
        "filled_avg_price": price,
        "limit_price": None,
        "type": "",
        "order_type": "",
        "legs": None,
    }


def _filled(name: str, at: datetime) -> Answer:
    when = ("created_at", "submitted_at", "updated_at", "filled_at", "expires_at")
    return {
        "id": str(stable_uuid("multi-leg order", name)),
        "client_order_id": str(stable_uuid("multi-leg client order", name)),
        "order_class": "mleg",
        "time_in_force": "day",
        "extended_hours": False,
        "status": "filled",
        "filled_qty": "1",
        **dict.fromkeys(_UNUSED),
        **dict.fromkeys(when, timestamp(at)),
    }
