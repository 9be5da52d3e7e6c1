"""Books cash that moves without a trade: deposits, withdrawals, fees, dividends, interest.

They are requested through the control API; fees on trades are charged by `fees.charging`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, get_args

from ops_local.exchange.orders.settlement import activity_id
from ops_local.exchange.records import CashActivity
from ops_local.exchange.refusals import bad_parameter
from ops_local.exchange.storage.store import Store
from ops_local.exchange.words import CashActivityType

CASH_TYPES: tuple[CashActivityType, ...] = get_args(CashActivityType)
_FIELDS = {"account", "type", "amount", "symbol"}


def book(store: Store, asked: Any, now: datetime) -> CashActivity:
    """Book `{"account": "large", "type": "FEE", "amount": "-0.12"}`; `symbol` is optional.

    Raises:
        ApiRefusal: a field is missing, unknown or not a number; nothing is booked.
    """
    if not isinstance(asked, Mapping) or set(asked) - _FIELDS:
        raise bad_parameter(f"activity: an object of {', '.join(sorted(_FIELDS))} is expected")
    if asked.get("type") not in CASH_TYPES:
        raise bad_parameter(f"activity: type is one of {', '.join(CASH_TYPES)}")
    ledger = next((it for it in store.ledgers() if it.name == asked.get("account")), None)
    if ledger is None:
        raise bad_parameter(f"activity: no account {asked.get('account')}")
    number = len(store.cash_activities(ledger.account_number)) + 1
    activity = CashActivity(
        activity_id=activity_id(f"cash {ledger.account_number}", number, now),
        account_number=ledger.account_number,
        number=number,
        activity_type=asked["type"],
        net_amount=_amount(asked.get("amount")),
        symbol=asked.get("symbol"),
        created_at=now,
    )
    store.save(activity)
    store.save(replace(ledger, cash=ledger.cash + activity.net_amount))
    return activity


def _amount(text: Any) -> Decimal:
    try:
        amount = Decimal(str(text))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise bad_parameter("activity: amount is not a number")
    return amount
