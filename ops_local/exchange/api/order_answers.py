"""Orders, executions and cash activities in the JSON of Alpaca's trading API."""

from collections.abc import Mapping

from ops_local.exchange.api.trading_answers import asset_id
from ops_local.exchange.api.wire import (
    decimal_text,
    optional_decimal_text,
    optional_timestamp,
    timestamp,
)
from ops_local.exchange.records import CashActivity, ExchangeFill, ExchangeOrder
from ops_pipeline.domain.market import new_york_day

Answer = dict[str, object]


def fresh_order(taken: ExchangeOrder) -> Answer:
    """The response to a new order: Alpaca acknowledges first, a fill shows in the next read."""
    status = "pending_new" if taken.status == "new" else taken.status
    return {**order(taken), "status": status}


def order(it: ExchangeOrder) -> Answer:
    average = it.filled_value / it.filled_qty if it.filled_qty else None
    return {
        "id": it.order_id,
        "client_order_id": it.client_order_id,
        "symbol": it.symbol,
        "asset_id": asset_id(it.symbol),
        "asset_class": "us_equity",
        "side": it.side,
        "type": it.order_type,
        "order_type": it.order_type,
        "order_class": "simple",
        "time_in_force": it.time_in_force,
        "qty": str(it.qty),
        "limit_price": optional_decimal_text(it.limit_price),
        "stop_price": optional_decimal_text(it.stop_price),
        "filled_qty": str(it.filled_qty),
        "filled_avg_price": optional_decimal_text(average),
        "position_intent": it.position_intent,
        "extended_hours": False,
        "status": it.status,
        "replaced_by": it.replaced_by,
        "replaces": it.replaces,
        "trail_price": optional_decimal_text(it.trail_price),
        "trail_percent": optional_decimal_text(it.trail_percent),
        "hwm": optional_decimal_text(it.hwm),
        "notional": None,
        "legs": None,
        **_moments(it),
    }


def _moments(it: ExchangeOrder) -> Answer:
    return {
        "created_at": timestamp(it.submitted_at),
        "submitted_at": timestamp(it.submitted_at),
        "updated_at": timestamp(it.updated_at),
        "expires_at": timestamp(it.expires_at),
        "filled_at": optional_timestamp(it.filled_at),
        "canceled_at": optional_timestamp(it.canceled_at),
        "expired_at": optional_timestamp(it.expired_at),
        "replaced_at": optional_timestamp(it.replaced_at),
        "failed_at": optional_timestamp(it.failed_at),
    }


def cash_activity(it: CashActivity) -> Mapping[str, object]:
    """An activity that was not a trade; `date` is the day it is booked on, or of the trades."""
    about = {
        "symbol": it.symbol,
        "activity_sub_type": it.activity_sub_type,
        "description": it.description,
    }
    return {
        "id": it.activity_id,
        "activity_type": it.activity_type,
        "date": it.trade_day or new_york_day(it.created_at).isoformat(),
        "net_amount": decimal_text(it.net_amount),
        "status": "executed",
        "currency": "USD",
        "created_at": timestamp(it.created_at),
        **{name: text for name, text in about.items() if text is not None},
    }


def fill(it: ExchangeFill) -> Mapping[str, object]:
    return {
        "id": it.activity_id,
        "activity_type": "FILL",
        "type": "fill" if it.leaves_qty == 0 else "partial_fill",
        "order_id": it.order_id,
        "order_status": it.order_status,
        "symbol": it.symbol,
        "side": it.side,
        "qty": str(it.qty),
        "price": decimal_text(it.price),
        "cum_qty": str(it.cum_qty),
        "leaves_qty": str(it.leaves_qty),
        "transaction_time": timestamp(it.executed_at),
    }
