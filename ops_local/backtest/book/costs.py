"""Statements on the fees of orders."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import NONE, total
from ops_local.backtest.book.statements import answers
from ops_pipeline.domain.costs.fees import charged
from ops_pipeline.domain.market import new_york_day


@answers("costs.order_costs", "_ADD")
def add(book: Book, values: Mapping[str, Any]) -> int:
    known = book.costs.get(values["client_order_id"], values["day"], values["fee"])
    if known is None:
        names = ("client_order_id", "day", "fee", "position_id")
        book.costs.insert(
            {
                **{name: values[name] for name in names},
                "account_name": values["account"],
                "estimated_usd": values["estimated"],
                "estimated_at": values["now"],
            }
        )
        return 1
    parts = (known["estimated_usd"], values["estimated"])
    book.costs.update(
        known,
        estimated_usd=None if None in parts else total(parts),
        position_id=known["position_id"] or values["position_id"],
        estimated_at=values["now"],
    )
    return 1


def fees_since(book: Book, values: Mapping[str, Any]) -> Decimal:
    """What the account is charged for the days since `day_start`, USD."""
    first = new_york_day(values["day_start"])
    sums: defaultdict[tuple[date, str], list[Decimal]] = defaultdict(list)
    for row in book.costs:
        order = book.orders.get(row["client_order_id"])
        if row["account_name"] != values["account"] or row["day"] < first or order is None:
            continue
        amount = row["estimated_usd"] if row["settled_usd"] is None else row["settled_usd"]
        if order["execution_mode"] == values["mode"]:
            sums[row["day"], row["fee"]].append(amount or NONE)
    return total(charged(total(each)) for each in sums.values())
