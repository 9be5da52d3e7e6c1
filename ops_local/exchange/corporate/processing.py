"""Carries out what is due, over night: shares, cash, resting orders, closing prices, activities.

Alpaca says of good-till-cancelled orders that they are adjusted, and in practice cancels many of
them: `gtc_over_split` chooses. Its beginning-of-day process has run by half past two in New York.
"""

from dataclasses import replace
from datetime import date, datetime
from decimal import ROUND_FLOOR, Decimal

from ops_local.exchange.orders.order_ends import OrderEnds
from ops_local.exchange.orders.settlement import activity_id
from ops_local.exchange.records import (
    AnnouncedAction,
    CashActivity,
    ClosingPrice,
    DividendClaim,
    ExchangeOrder,
    Holding,
)
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_local.exchange.words import CashActivityType
from ops_pipeline.domain.market import new_york_time

_AT = (2, 30)
_NONE, _ONE = Decimal(0), Decimal(1)
_CENT = Decimal("0.01")
# Of what a share cost, what goes along with what is spun off: an issuer tells it later.
_SPUN_OFF = Decimal("0.1")
_ACTIVITY: dict[str, CashActivityType] = {
    "forward_split": "SPLIT",
    "reverse_split": "SPLIT",
    "name_change": "NC",
    "stock_merger": "MA",
    "stock_and_cash_merger": "MA",
    "cash_merger": "MA",
    "spin_off": "SPIN",
    "stock_dividend": "DIV",
}


class ActionProcessing:
    """Runs in the caller's transaction, as the clock passes the time of each action."""

    def __init__(self, store: Store, valuation: Valuation, ends: OrderEnds) -> None:
        self._store = store
        self._valuation = valuation
        self._ends = ends

    def run_due(self, until: datetime) -> None:
        for action in self._store.announced_actions():
            at = _moment(action.ex_date)
            if action.processed_at is None and at <= until:
                self._process(action, at)
                self._store.save(replace(action, processed_at=at))
        for claim in self._store.open_claims():
            at = _moment(claim.payable_date)
            if at <= until:
                self._book(claim.account_number, "DIV", claim.amount, claim.symbol, at)
                self._store.save(replace(claim, paid_at=at))

    def _process(self, action: AnnouncedAction, at: datetime) -> None:
        for ledger in self._store.ledgers():
            held = self._store.holding(ledger.account_number, action.symbol)
            if held is not None:
                self._adjust(action, held, at)
        if action.kind != "cash_dividend":
            for order in self._store.live_orders():
                if order.symbol == action.symbol:
                    self._restate(order, action, at)
            self._restate_closes(action)

    def _adjust(self, action: AnnouncedAction, held: Holding, at: datetime) -> None:
        """One account's shares, and what it is paid."""
        account = held.account_number
        if action.kind == "cash_dividend":
            amount = (held.qty * (action.cash or _NONE)).quantize(_CENT)
            claim = DividendClaim(
                action.action_id, account, action.symbol, amount, action.payable_date, None
            )
            return self._store.save(claim)
        activity = _ACTIVITY.get(action.kind)
        if activity is None:
            return None
        if action.kind == "spin_off":
            given, moved = Decimal(held.qty) * ratio_of(action), held.cost * _SPUN_OFF
            self._store.save(replace(held, cost=held.cost - moved))
            self._add(replace(held, symbol=action.new_symbol or "", cost=moved), given)
            return self._book(account, activity, _NONE, action.symbol, at)
        exact = Decimal(held.qty) * ratio_of(action)
        whole = exact.to_integral_value(ROUND_FLOOR)
        paid = (held.qty * (action.cash or _NONE)) if "cash" in action.kind else _NONE
        price = self._valuation.known_price(action.symbol, at) or held.average_price
        if exact > whole:
            paid += (exact - whole) * price / ratio_of(action)
        self._store.drop_holding(account, action.symbol)
        share = whole / exact if exact else _NONE
        symbol = action.new_symbol or action.symbol
        self._add(replace(held, symbol=symbol, cost=held.cost * share), whole)
        return self._book(account, activity, paid.quantize(_CENT), action.symbol, at)

    def _add(self, held: Holding, qty: Decimal) -> None:
        if qty >= 1:
            self._store.save(replace(held, qty=int(qty)))

    def _restate(self, order: ExchangeOrder, action: AnnouncedAction, at: datetime) -> None:
        """A resting order over the action: ended, of other terms, or as it was."""
        ratio = ratio_of(action)
        qty = int(Decimal(order.qty) * ratio) if ratio else 0
        how = self._store.behaviour("gtc_over_split")
        if how == "left":
            return
        if how == "canceled" or qty < 1 or order.filled_qty:
            self._ends.end(order, "canceled", at)
            return
        self._store.save(
            replace(
                order,
                symbol=action.new_symbol or order.symbol,
                qty=qty,
                limit_price=_divided(order.limit_price, ratio),
                stop_price=_divided(order.stop_price, ratio),
                updated_at=at,
            )
        )

    def _restate_closes(self, action: AnnouncedAction) -> None:
        """What a share was worth yesterday, in the shares of today."""
        ratio = ratio_of(action)
        close = self._store.last_closing_price(action.symbol, date.fromisoformat(action.ex_date))
        if close is not None and ratio:
            symbol = action.new_symbol or action.symbol
            self._store.save(ClosingPrice(symbol, close.day, close.price / ratio))

    def _book(
        self, account: str, kind: CashActivityType, amount: Decimal, symbol: str, at: datetime
    ) -> None:
        number = len(self._store.cash_activities(account)) + 1
        self._store.save(
            CashActivity(
                activity_id=activity_id(f"cash {account}", number, at),
                account_number=account,
                number=number,
                activity_type=kind,
                net_amount=amount,
                symbol=symbol,
                created_at=at,
            )
        )
        ledger = self._store.ledger(account)
        self._store.save(replace(ledger, cash=ledger.cash + amount))


def ratio_of(action: AnnouncedAction) -> Decimal:
    """New shares for an old one; 0 where none are left."""
    if action.kind == "cash_merger":
        return _NONE
    if action.kind == "stock_dividend":
        return _ONE + (action.cash or _NONE)
    if action.old_rate is None or action.new_rate is None:
        return _ONE
    return action.new_rate / action.old_rate


def _divided(price: Decimal | None, ratio: Decimal) -> Decimal | None:
    return None if price is None else (price / ratio).quantize(_CENT)


def _moment(day: str) -> datetime:
    return new_york_time(date.fromisoformat(day), *_AT)
