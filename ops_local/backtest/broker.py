"""The paper exchange as a broker, without HTTP: its own rules, answers in its own words."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from ops_local.exchange.accounts import PaperAccount
from ops_local.exchange.api import order_answers, trading_answers
from ops_local.exchange.api.read_tickets import ticket_of
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.margin import held_for_sale
from ops_local.exchange.records import CashActivity, ExchangeFill, ExchangeOrder, Holding
from ops_local.exchange.refusals import ApiRefusal
from ops_pipeline.adapters import alpaca_records as records
from ops_pipeline.adapters.alpaca_broker import verdict_of
from ops_pipeline.adapters.alpaca_wire import RequestRefused
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.ports import Clock, send_always

_GONE = 422
# Records are read again each minute, and most of them are as they were.
_KEPT = 4_096


@dataclass
class ExchangeBroker:
    """ports.Broker on one account of an exchange in this process.

    What it answers is written and read as over the wire, so that figures have the same digits.
    """

    exchange: Exchange
    paper: PaperAccount
    clock: Clock

    @property
    def _number(self) -> str:
        return self.paper.account_number

    def account(self) -> BrokerAccount:
        store, number, now = self.exchange.store, self._number, self.clock.now()
        condition = store.account_condition(number)
        if condition.no_shorting is None:
            condition = replace(condition, no_shorting=self.paper.no_shorting)
        answer = trading_answers.account(
            store.ledger(number),
            self.exchange.valuation.balances(number, now),
            self.exchange.valuation.last_equity(number, now),
            condition,
        )
        found = records.account(answer)
        return replace(found, no_shorting=found.no_shorting or bool(condition.no_shorting))

    def positions(self) -> Listing[BrokerPosition]:
        held = self.exchange.store.holdings(self._number)
        return Listing(records.position(self._position(holding)) for holding in held)

    def _position(self, holding: Holding) -> trading_answers.Answer:
        now, valuation = self.clock.now(), self.exchange.valuation
        live = self.exchange.store.live_orders(self._number)
        return trading_answers.position(
            holding,
            price=valuation.mark(holding, now),
            last_day_price=valuation.last_day_price(holding, now),
            opened_today=new_york_day(holding.opened_at) == new_york_day(now),
            for_sale=held_for_sale(live, holding.symbol),
        )

    def is_tradable(self, symbol: str) -> bool:
        if symbol not in self.exchange.symbols():
            return False
        condition = self.exchange.store.asset_condition(symbol)
        return records.is_tradable(trading_answers.asset(condition))

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        found = self.exchange.store.order_by_client_id(self._number, client_order_id)
        return None if found is None else _order(found)

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        found = self.exchange.store.orders(self._number)
        return Listing(_order(it) for it in found if it.submitted_at >= since)

    def resting_orders(self) -> Listing[BrokerOrder]:
        found = self.exchange.store.orders(self._number)
        return Listing(_order(it) for it in found if it.live)

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        before_sending()
        try:
            with self.exchange.store.transaction():
                placed = self.exchange.order_entry.place(
                    self._number, ticket_of(records.order_fields(order)), self.clock.now()
                )
        except ApiRefusal as refused:
            raise self._verdict(refused) from None
        return records.order(order_answers.fresh_order(placed))

    def _verdict(self, refused: ApiRefusal) -> Exception:
        code = refused.body.get("code")
        refusal = RequestRefused(
            refused.status, code if isinstance(code, int) else None, str(refused.body["message"])
        )
        return verdict_of(refusal, str(refusal).replace(self._number, "<account>"))

    def cancel(self, broker_order_id: str) -> None:
        try:
            with self.exchange.store.transaction():
                self.exchange.order_entry.cancel(self._number, broker_order_id, self.clock.now())
        except ApiRefusal as refused:
            if refused.status != _GONE:
                raise

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        found = sorted(self.exchange.store.fills(self._number), key=lambda it: it.activity_id)
        return Listing(_fill(it) for it in found if it.executed_at >= since)

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        found = self.exchange.store.cash_activities(self._number)
        in_order = sorted(found, key=lambda it: it.activity_id)
        return Listing(_cash_activity(it) for it in in_order if it.created_at >= since)


@lru_cache(maxsize=_KEPT)
def _order(it: ExchangeOrder) -> BrokerOrder:
    return records.order(order_answers.order(it))


@lru_cache(maxsize=_KEPT)
def _fill(it: ExchangeFill) -> BrokerFill:
    return records.fill(order_answers.fill(it))


@lru_cache(maxsize=_KEPT)
def _cash_activity(it: CashActivity) -> BrokerCashActivity:
    return records.cash_activity(order_answers.cash_activity(it))
