"""`ops tca`: what orders cost against the market they were decided on, and how long they took."""

import argparse
from collections.abc import Mapping, Sequence

from ops_local.commandline import days
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.db.operations import traced_orders
from ops_pipeline.domain.performance import execution_quality
from ops_pipeline.domain.performance.execution_quality import GROUPS, Quality, TracedOrder

_DAYS = 30
_COST = {
    "orders": "orders",
    "fill_rate": "fill_rate",
    "priced": "priced",
    "shortfall": "shortfall_bps",
    "half_spread": "half_spread_bps",
    "beyond": "beyond_model_bps",
    "slippage": "slippage_bps",
}
_DELAY = {
    "orders": "orders",
    "decided": "decided_s",
    "acknowledged": "acknowledged_s",
    "filled": "filled_s",
    "recorded": "recorded_s",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    days.range_arguments(parser, days=_DAYS)
    parser.add_argument("--account", metavar="NAME", help="only this account's orders")
    parser.add_argument("--by", choices=list(GROUPS), action="append",
                        help="group by this; may be repeated (purpose, hour, spread)")  # fmt: skip
    parser.add_argument("--orders", action="store_true", help="each order as well")


def run(call: VerbCall) -> int:
    """Return 0, also where there is no order: then the tables say so."""
    args = call.args
    with call.target.reading("ops-tca") as tx:
        start, end = days.moments(args, call.target.present(tx), days=_DAYS)
        call.announce(tx)
        orders = traced_orders.read(tx, start, end, account=args.account)
    call.print_parts(_parts(orders, args.by or ["purpose", "hour", "spread"], each=args.orders))
    return Exit.GOOD


def _parts(orders: Sequence[TracedOrder], groups: Sequence[str], *, each: bool) -> list[Part]:
    parts = []
    for by in groups:
        found = execution_quality.grouped(orders, by)
        parts.append(Part(f"Cost by {by}: medians in basis points", _rows(found, by, _COST)))
        parts.append(Part(f"Delay by {by}: medians in seconds", _rows(found, by, _DELAY)))
    if each:
        parts.append(Part("Orders: costs in basis points", [_order(order) for order in orders]))
    return parts


def _rows(groups: Mapping[str, Quality], by: str, figures: Mapping[str, str]) -> list[Row]:
    """One row a group; the unit stands in the title, so that a row fits a terminal."""
    return [
        {by: name, **{title: _short(getattr(found, it)) for title, it in figures.items()}}
        for name, found in groups.items()
    ]


def _order(order: TracedOrder) -> Row:
    return {
        "decided_at": order.decided_at,
        "account": order.account,
        "symbol": order.symbol,
        "side": order.side,
        "filled": order.filled,
        "mid": order.decision_mid,
        "fill": order.fill_price,
        "shortfall": _short(order.shortfall_bps),
        "beyond": _short(order.beyond_model_bps),
    }


def _short(value: float | None) -> float | None:
    """Two places: a hundredth of a basis point and of a second are below what is measured."""
    return value if value is None or isinstance(value, int) else round(value, 2)


COMMAND = Command(run, arguments)
