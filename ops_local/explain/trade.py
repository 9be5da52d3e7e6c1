"""The trade of an explained recommendation: orders, fills, the position and its result."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ops_local.explain.records import Explained
from ops_local.figures import clock, dollars, gain, plain
from ops_pipeline.db.driver.connection import Row

# The order's id adds nothing to its row.
_NOT_SHOWN = ("order",)
_PRICES = ("price", "stop_loss")


def order_rows(explained: Explained) -> list[Row]:
    """Entries, resting stops and exits, in the order of their decisions."""
    return [
        {
            "at": order["decided_at"],
            "purpose": order["purpose"],
            "order": f"{order['side']} {plain(order['quantity'])} {_price(order)}",
            "why": order["reason"],
            "status": order["status"],
            "filled": order["filled_qty"],
            "price": order["filled_avg_price"],
        }
        for order in explained.orders
    ]


def fill_rows(explained: Explained) -> list[Row]:
    """Fills by the broker, or by the simulation for accounts in that mode."""
    return [
        {
            "at": fill["executed_at"],
            "for": fill["purpose"],
            "side": fill["side"],
            "qty": fill["quantity"],
            "price": fill["price"],
            "evidence": fill["evidence"],
        }
        for fill in explained.fills
    ]


def event_rows(explained: Explained) -> list[Row]:
    """Moved stops, exit decisions and the like, in order."""
    return [
        {"at": event["at"], "event": event["kind"], "details": _described(event["details"])}
        for event in explained.events
    ]


def result_sentences(explained: Explained) -> Iterator[str]:
    """What each position earned, or would earn at its last mark."""
    for position in explained.positions:
        if position["exit_time"] is None:
            yield _still_held(position)
        elif not position["verified"]:
            yield (
                f"{position['symbol']} was closed at {clock(position['exit_time'])} "
                f"({position['exit_reason']}) without a confirmed fill: no price, no result."
            )
        else:
            yield from _earned(position)


def _earned(position: Row) -> Iterator[str]:
    yield (
        f"{plain(position['opened_quantity'])} {position['symbol']} bought at "
        f"{dollars(position['entry_price'])} ({clock(position['entry_time'])}), sold at "
        f"{dollars(position['exit_price'])} ({clock(position['exit_time'])}, "
        f"{position['exit_reason']})."
    )
    in_r = "" if position["r_multiple"] is None else f", {position['r_multiple']:+.2f} R"
    yield (
        f"P&L {gain(position['pnl_dollars'])} USD ({position['pnl_pct']:+.2f} %{in_r}) after "
        f"{position['holding_minutes']:.0f} minutes."
    )
    if position["fees_usd"] is not None:
        yield (
            f"Its orders' fees are {position['fees_usd']:.4f} USD: "
            f"{gain(position['pnl_net_dollars'])} USD net."
        )
    if position["mfe_pct"] is not None and position["mae_pct"] is not None:
        yield (
            f"Its best mark was {position['mfe_pct']:+.2f} %, its worst "
            f"{position['mae_pct']:+.2f} %."
        )


def _still_held(position: Row) -> str:
    worth = position["current_pnl_dollars"]
    marked = "not marked yet" if worth is None else f"{gain(worth)} USD at the last mark"
    return f"{plain(position['quantity'])} {position['symbol']} still held: {marked}."


def _price(order: Row) -> str:
    return (
        str(order["order_type"])
        if order["price"] is None
        else f"{order['order_type']} {dollars(order['price'])}"
    )


def _described(details: Mapping[str, Any]) -> str:
    shown = []
    for name, value in details.items():
        if name in _NOT_SHOWN:
            continue
        figure = dollars(Decimal(str(value))) if name in _PRICES else value
        shown.append(f"{name.replace('_', ' ')} {figure}")
    return ", ".join(shown)
