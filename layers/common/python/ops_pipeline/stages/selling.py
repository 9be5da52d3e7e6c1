"""Turns an exit decision into orders: clear the way, then sell at most what is there."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import alerts, facts, orders, positions
from ops_pipeline.db.connection import words_of
from ops_pipeline.domain.exits import Decision, Position, armed, closing
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import (
    Order,
    Purpose,
    client_order_id,
    marketable_limit,
    stop_price,
    whole_units,
)
from ops_pipeline.errors import OpsError
from ops_pipeline.stages import road
from ops_pipeline.stages.road import Road
from ops_pipeline.stages.settlement import Evidence

# A marketable order that has not filled by the next tick is behind the market.
_REPRICE_AFTER = timedelta(seconds=55)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A sale about to be committed: what for, why, how much, at which limit or stop."""

    purpose: Purpose
    rule: str
    quantity: Decimal
    price: Decimal


def act(way: Road, decision: Decision, quote: Quote) -> Counter[str]:
    """Do what was decided for one position; one step a tick where the broker needs time."""
    counts: Counter[str] = Counter()
    position = decision.position
    with way.db.transaction() as tx:
        live = orders.live_in_symbol(tx, way.name, position.symbol)
    if decision.sell > 0 and decision.rule is not None:
        in_the_way = [order for order in live if not _is_this_exit(way, order, decision)]
        if _cleared(way, in_the_way, counts) and len(in_the_way) == len(live):
            price = marketable_limit("sell", quote.bid, way.rules.exits.limit_slippage)
            plan = _Plan("exit", decision.rule, decision.sell, price)
            counts["exits_sent"] += _sell(way, position, plan, quote)
        else:
            _watch_cancels(way, position, in_the_way)
        return counts
    stale = [order for order in live if _is_stale(way, order, position)]
    if _cleared(way, stale, counts) and len(stale) == len(live):
        counts["stops_placed"] += _place_stop(way, position)
    return counts


def cancel_stale_entries(way: Road, counts: Counter[str]) -> list[str]:
    """Cancel entries the market ran away from, or that somebody asked to cancel.

    Their end settles the recommendation.

    Returns what went wrong, by order: no position waits for it.
    """
    with way.db.transaction() as tx:
        live = orders.live(tx, way.name)
    stale = [
        order
        for order in live
        if order.purpose == "entry"
        and (order.cancel_requested_at is not None or _waited_long_enough(way, order))
    ]
    failures = []
    for order in stale:
        try:
            _cancelled(way, order, counts)
        except road.STOPS_THE_RUN:
            raise
        except (OpsError, DatabaseError) as error:
            failures.append(f"{order.client_order_id}: not cancelled: {words_of(error)}")
    return failures


def _is_this_exit(way: Road, order: Order, decision: Decision) -> bool:
    """A live exit that does what was decided and is still young enough to wait for."""
    return (
        order.purpose == "exit"
        and decision.rule in {order.reason, "partial"}
        and not _waited_long_enough(way, order)
    )


def _is_stale(way: Road, order: Order, position: Position) -> bool:
    """A stop at another price or quantity, or an entry or exit the market ran away from."""
    if order.purpose == "stop":
        whole = whole_units(position.quantity, fractional=False)
        return order.price != _stop_of(position) or order.remaining != whole
    return _waited_long_enough(way, order)


def _waited_long_enough(way: Road, order: Order) -> bool:
    """An order sent again by recovery has its full time from then on."""
    return way.clock.now() - (order.acknowledged_at or order.decided_at) >= _REPRICE_AFTER


def _cleared(way: Road, in_the_way: list[Order], counts: Counter[str]) -> bool:
    """Cancel these orders; True once the broker says that all of them have ended."""
    ended = [_cancelled(way, order, counts) for order in in_the_way]
    return all(ended)


def _watch_cancels(way: Road, position: Position, in_the_way: list[Order]) -> None:
    """Alert of an exit that waits for longer than it should for a cancel to be confirmed."""
    now = way.clock.now()
    deadline = timedelta(minutes=way.rules.exits.closing_deadline_minutes)
    late = [
        order
        for order in in_the_way
        if order.cancel_requested_at is not None and now - order.cancel_requested_at > deadline
    ]
    if not late:
        return
    with way.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="exit_blocked",
            scope=way.name,
            subject=position.symbol,
            severity="critical",
            message=f"{position.symbol} can't be sold: {late[0].client_order_id} does not end",
            details={"position": position.id, "orders": [it.client_order_id for it in late]},
            now=now,
        )


def _cancelled(way: Road, order: Order, counts: Counter[str]) -> bool:
    """Ask for a cancel and look: only the order's own status says that it is over."""
    if way.broker is None or order.broker_order_id is None:
        return False
    with way.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if not current.live:
            return True
        asked_at = current.cancel_requested_at or way.clock.now()
        orders.save(tx, replace(current, cancel_requested_at=asked_at))
    way.broker.cancel(order.broker_order_id)
    counts["cancels_asked"] += 1
    found = way.broker.order_by_client_id(order.client_order_id)
    if found is None:
        return False
    with way.db.transaction() as tx:
        after = way.settle(tx, order.client_order_id, Evidence(found=found))
    # A fill that slipped in before the cancel changes what is left to sell: next tick.
    return not after.live and after.filled_qty == order.filled_qty


def _sell(way: Road, position: Position, plan: _Plan, quote: Quote) -> bool:
    """Sell at most what the plan, the position and the broker allow; True when sent."""
    quantity = min(plan.quantity, position.quantity, _available(way, position))
    # A fraction is bought only where the account wants it; what is held is sold to its end.
    if quantity < position.quantity:
        quantity = whole_units(quantity, fractional=way.account.fractional_shares)
    if quantity <= 0:
        _alert_nothing_to_sell(way, position, plan.rule)
        return False
    order = _commit(way, position, replace(plan, quantity=quantity))
    if order is None:
        return False
    road.send(way, order, quote)
    return True


def _available(way: Road, position: Position) -> Decimal:
    """What the broker would let us sell: a close never opens a short."""
    if way.broker is None:
        return position.quantity
    for held in way.broker.positions():
        if held.symbol == position.symbol:
            return max(held.available, Decimal(0))
    return Decimal(0)


def _place_stop(way: Road, position: Position) -> bool:
    """Keep a stop resting at the broker: it protects when we cannot."""
    price = _stop_of(position)
    quantity = whole_units(position.quantity, fractional=False)
    if way.broker is None or price is None or quantity <= 0 or position.instrument_type != "STOCK":
        return False
    order = _commit(way, position, _Plan("stop", "stop_loss", quantity, price))
    if order is None:
        return False
    road.send(way, order, None)
    return True


def _stop_of(position: Position) -> Decimal | None:
    return None if position.stop_loss is None else stop_price(position.stop_loss)


def _commit(way: Road, position: Position, plan: _Plan) -> Order | None:
    """Store the intent; None when the position changed under us: the next tick decides anew."""
    now = way.clock.now()
    with way.db.transaction() as tx:
        facts.lock_account(tx, way.name)
        current = positions.lock(tx, position.id)
        if current is None or current.status == "closed" or current.quantity < plan.quantity:
            return None
        order = _order(way, position, plan, orders.next_attempt(tx, position.id, plan.purpose))
        orders.insert(tx, order)
        if plan.purpose == "exit":
            partial = plan.rule == "partial"
            changed = armed(current) if partial else closing(current, plan.rule)
            positions.save(tx, changed, now=now)
            positions.add_event(
                tx,
                position_id=position.id,
                account=way.name,
                kind="exit_decided",
                details={
                    "rule": plan.rule,
                    "order": order.client_order_id,
                    "quantity": plan.quantity,
                },
                now=now,
            )
    return order


def _order(way: Road, position: Position, plan: _Plan, attempt: int) -> Order:
    return Order(
        client_order_id=client_order_id(
            deployment=way.deployment,
            account=way.name,
            symbol=position.symbol,
            tick=way.tick,
            purpose=plan.purpose,
            attempt=attempt,
        ),
        account_name=way.name,
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
        price=plan.price,
        reason=plan.rule,
        decided_at=way.clock.now(),
        tick=way.tick,
        parameter_version=way.parameters.version,
    )


def _alert_nothing_to_sell(way: Road, position: Position, rule: str) -> None:
    """The broker reports nothing free to sell: never sell more than it reports."""
    with way.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="nothing_to_sell",
            scope=way.name,
            subject=position.symbol,
            severity="critical",
            message=f"{position.symbol} should be sold ({rule}) but the broker has none free",
            details={"position": position.id, "quantity": position.quantity},
            now=way.clock.now(),
        )
