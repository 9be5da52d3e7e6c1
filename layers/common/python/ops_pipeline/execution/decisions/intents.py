"""Builds the orders to be committed and then sent."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import Order, Purpose, client_order_id
from ops_pipeline.domain.recommendations import Recommendation
from ops_pipeline.domain.trading_terms import TradeReason


@dataclass(frozen=True, slots=True)
class SalePlan:
    """A sale to be committed: purpose, exit rule, quantity, and the limit or stop price."""

    purpose: Literal["exit", "stop"]
    rule: TradeReason
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentSource:
    """Builds orders for one account at one tick."""

    deployment: str
    account: Account
    tick: datetime
    decided_at: datetime
    parameter_version: int | None

    def entry(
        self,
        recommendation: Recommendation,
        quantity: Decimal,
        limit: Decimal,
        attempt: int,
        *,
        quote: Quote,
    ) -> Order:
        """A limited buy that reserves its whole cost, decided on that quote."""
        return Order(
            client_order_id=self._id(recommendation.ticker, "entry", attempt),
            account_name=self.account.account_name,
            execution_mode=self.account.execution_mode,
            broker=self.account.broker,
            purpose="entry",
            recommendation_id=recommendation.id,
            position_id=None,
            attempt=attempt,
            ticker=recommendation.ticker,
            symbol=recommendation.ticker,
            instrument_type=recommendation.instrument_type,
            multiplier=1,
            side="buy",
            quantity=quantity,
            order_type="limit",
            price=limit,
            reserved_notional=quantity * limit,
            reason="signal",
            decided_at=self.decided_at,
            tick=self.tick,
            parameter_version=self.parameter_version,
            decision_bid=quote.bid,
            decision_ask=quote.ask,
        )

    def sale(
        self, position: Position, plan: SalePlan, attempt: int, quote: Quote | None = None
    ) -> Order:
        """An exit at a limit, or a stop to rest at the broker, decided on that quote."""
        return Order(
            client_order_id=self._id(position.symbol, plan.purpose, attempt),
            account_name=position.account_name,
            execution_mode=position.execution_mode,
            broker=position.broker,
            purpose=plan.purpose,
            recommendation_id=None,
            position_id=position.id,
            attempt=attempt,
            ticker=position.ticker,
            symbol=position.symbol,
            instrument_type=position.instrument_type,
            multiplier=position.multiplier,
            side="sell",
            quantity=plan.quantity,
            order_type="limit" if plan.purpose == "exit" else "stop",
            # A stop outlives the day: it protects whoever is down next morning.
            time_in_force="day" if plan.purpose == "exit" else "gtc",
            price=plan.price,
            reason=plan.rule,
            decided_at=self.decided_at,
            tick=self.tick,
            parameter_version=self.parameter_version,
            decision_bid=None if quote is None else quote.bid,
            decision_ask=None if quote is None else quote.ask,
        )

    def _id(self, symbol: str, purpose: Purpose, attempt: int) -> str:
        return client_order_id(
            deployment=self.deployment,
            account=self.account.account_name,
            symbol=symbol,
            tick=self.tick,
            purpose=purpose,
            attempt=attempt,
        )
