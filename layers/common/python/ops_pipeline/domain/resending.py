"""Decides whether an order that was never placed may be sent again under the same id."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import Quote, Session
from ops_pipeline.domain.orders import Order, stop_price, whole_units
from ops_pipeline.domain.parameters import GateRules

# A sale has no recommendation whose age bounds it; the next tick decides again anyway.
_SALE_LASTS = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """Session and believed quote of one symbol; None is unknown, and refuses."""

    now: datetime
    session: Session | None
    quote: Quote | None

    def takes_orders(self, rules: GateRules) -> bool:
        """Whether the session is open and not about to close."""
        if self.session is None or not self.session.is_open(self.now):
            return False
        quiet = timedelta(seconds=rules.quiet_before_close_s)
        return self.session.closes_at - self.now > quiet

    def fresh_quote(self, rules: GateRules) -> Quote | None:
        """The quote if it is usable and young enough, else None."""
        if self.quote is None or not self.quote.usable:
            return None
        return self.quote if self.quote.age_s(self.now) <= rules.quote_age_s else None


def entry_is_fresh(order: Order, market: Market, rules: GateRules) -> bool:
    """Whether an entry would still buy at its limit; all else is for the gates to say."""
    quote = market.fresh_quote(rules)
    if order.cancel_requested_at is not None or quote is None or order.price is None:
        return False
    return market.takes_orders(rules) and quote.ask <= order.price


def sale_is_wanted(
    order: Order, position: Position | None, market: Market, rules: GateRules
) -> bool:
    """Whether the position still wants exactly this exit or stop."""
    if position is None or position.status == "closed" or order.quantity > position.quantity:
        return False
    if market.now - order.decided_at > _SALE_LASTS or not market.takes_orders(rules):
        return False
    if order.purpose == "stop":
        whole = whole_units(position.quantity, fractional=False)
        wanted = None if position.stop_loss is None else stop_price(position.stop_loss)
        return position.status == "open" and (order.price, order.quantity) == (wanted, whole)
    quote = market.fresh_quote(rules)
    if quote is None or order.price is None or quote.bid < order.price:
        return False
    return order.reason in {position.close_reason, "partial"}
