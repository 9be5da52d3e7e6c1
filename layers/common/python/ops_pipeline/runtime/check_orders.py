"""Keeps the orders of `ops check --order` out of what a pipeline sees of its account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.domain.deployment.check_orders import is_check_order
from ops_pipeline.domain.legible import Listing
from ops_pipeline.ports import Broker, send_always


@dataclass(frozen=True, slots=True)
class WithoutCheckOrders:
    """ports.Broker whose lists leave check orders out, so that no reader of them has to.

    Positions and fills are whole: one that filled after all is seen like any other order.
    """

    broker: Broker
    deployment: str
    account_name: str

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        return self._others(self.broker.orders_since(since))

    def resting_orders(self) -> Listing[BrokerOrder]:
        return self._others(self.broker.resting_orders())

    def account(self) -> BrokerAccount:
        return self.broker.account()

    def positions(self) -> Listing[BrokerPosition]:
        return self.broker.positions()

    def is_tradable(self, symbol: str) -> bool:
        return self.broker.is_tradable(symbol)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        return self.broker.order_by_client_id(client_order_id)

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        return self.broker.submit(order, before_sending)

    def cancel(self, broker_order_id: str) -> None:
        self.broker.cancel(broker_order_id)

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        return self.broker.fills_since(since)

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        return self.broker.cash_activities_since(since)

    def _others(self, found: Listing[BrokerOrder]) -> Listing[BrokerOrder]:
        kept = [
            order
            for order in found
            if not is_check_order(order, deployment=self.deployment, account=self.account_name)
        ]
        return Listing(kept, found.illegible)
