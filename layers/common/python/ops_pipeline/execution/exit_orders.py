"""Turns an exit decision into orders: clear the way, then sell at most what is there."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import facts, orders, positions
from ops_pipeline.db.driver.connection import log_message
from ops_pipeline.db.operations import alerts
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
from ops_pipeline.execution import sending
from ops_pipeline.execution.sending import AccountContext
from ops_pipeline.execution.settlement import ExecutionReport

# A marketable order that has not filled by the next tick is behind the market.
_REPRICE_AFTER = timedelta(seconds=55)


@dataclass(frozen=True, slots=True)
class _Plan:
    """A sale about to be committed: what for, why, how much, at which limit or stop."""

    purpose: Purpose
    rule: str
    quantity: Decimal
    price: Decimal


def place(ctx: AccountContext, decision: Decision, quote: Quote) -> Counter[str]:
    """Do what was decided for one position; one step a tick where the broker needs time."""
    counts: Counter[str] = Counter()
    position = decision.position
    with ctx.db.transaction() as tx:
        live = orders.live_in_symbol(tx, ctx.name, position.symbol)
    if decision.sell > 0 and decision.rule is not None:
        in_the_way = [order for order in live if not _is_this_exit(ctx, order, decision)]
        if _cleared(ctx, in_the_way, counts) and len(in_the_way) == len(live):
            price = marketable_limit("sell", quote.bid, ctx.rules.exits.limit_slippage)
            plan = _Plan("exit", decision.rule, decision.sell, price)
            counts["exits_sent"] += _sell(ctx, position, plan, quote)
        else:
            _watch_cancels(ctx, position, in_the_way)
        return counts
    stale = [order for order in live if _is_stale(ctx, order, position)]
    if _cleared(ctx, stale, counts) and len(stale) == len(live):
        counts["stops_placed"] += _place_stop(ctx, position)
    return counts


def cancel_stale_entries(ctx: AccountContext, counts: Counter[str]) -> list[str]:
    """Cancel entries the market ran away from, or that somebody asked to cancel.

    Their end settles the recommendation.

    Returns what went wrong, by order: no position waits for it.
    """
    with ctx.db.transaction() as tx:
        live = orders.live(tx, ctx.name)
    stale = [
        order
        for order in live
        if order.purpose == "entry"
        and (order.cancel_requested_at is not None or _waited_long_enough(ctx, order))
    ]
    failures = []
    for order in stale:
        try:
            _cancelled(ctx, order, counts)
        except sending.STOPS_THE_RUN:
            raise
        except (OpsError, DatabaseError) as error:
            failures.append(f"{order.client_order_id}: not cancelled: {log_message(error)}")
    return failures


def _is_this_exit(ctx: AccountContext, order: Order, decision: Decision) -> bool:
    """A live exit that does what was decided and is still young enough to wait for."""
    return (
        order.purpose == "exit"
        and decision.rule in {order.reason, "partial"}
        and not _waited_long_enough(ctx, order)
    )


def _is_stale(ctx: AccountContext, order: Order, position: Position) -> bool:
    """A stop at another price or quantity, or an entry or exit the market ran away from."""
    if order.purpose == "stop":
        whole = whole_units(position.quantity, fractional=False)
        return order.price != _stop_of(position) or order.remaining != whole
    return _waited_long_enough(ctx, order)


def _waited_long_enough(ctx: AccountContext, order: Order) -> bool:
    """An order sent again by recovery has its full time from then on."""
    return ctx.clock.now() - (order.acknowledged_at or order.decided_at) >= _REPRICE_AFTER


def _cleared(ctx: AccountContext, in_the_way: list[Order], counts: Counter[str]) -> bool:
    """Cancel these orders; True once the broker says that all of them have ended."""
    ended = [_cancelled(ctx, order, counts) for order in in_the_way]
    return all(ended)


def _watch_cancels(ctx: AccountContext, position: Position, in_the_way: list[Order]) -> None:
    """Alert of an exit that waits for longer than it should for a cancel to be confirmed."""
    now = ctx.clock.now()
    deadline = timedelta(minutes=ctx.rules.exits.closing_deadline_minutes)
    late = [
        order
        for order in in_the_way
        if order.cancel_requested_at is not None and now - order.cancel_requested_at > deadline
    ]
    if not late:
        return
    with ctx.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="exit_blocked",
            scope=ctx.name,
            subject=position.symbol,
            severity="critical",
            message=f"{position.symbol} can't be sold: {late[0].client_order_id} does not end",
            details={"position": position.id, "orders": [it.client_order_id for it in late]},
            now=now,
        )


def _cancelled(ctx: AccountContext, order: Order, counts: Counter[str]) -> bool:
    """Ask for a cancel and look: only the order's own status says that it is over."""
    if ctx.broker is None or order.broker_order_id is None:
        return False
    with ctx.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if not current.live:
            return True
        asked_at = current.cancel_requested_at or ctx.clock.now()
        orders.save(tx, replace(current, cancel_requested_at=asked_at))
    ctx.broker.cancel(order.broker_order_id)
    counts["cancels_asked"] += 1
    found = ctx.broker.order_by_client_id(order.client_order_id)
    if found is None:
        return False
    with ctx.db.transaction() as tx:
        after = ctx.settle(tx, order.client_order_id, ExecutionReport(found=found))
    # A fill that slipped in before the cancel changes what is left to sell: next tick.
    return not after.live and after.filled_qty == order.filled_qty


def _sell(ctx: AccountContext, position: Position, plan: _Plan, quote: Quote) -> bool:
    """Sell at most what the plan, the position and the broker allow; True when sent."""
    quantity = min(plan.quantity, position.quantity, _available(ctx, position))
    # A fraction is bought only where the account wants it; what is held is sold to its end.
    if quantity < position.quantity:
        quantity = whole_units(quantity, fractional=ctx.account.fractional_shares)
    if quantity <= 0:
        _alert_nothing_to_sell(ctx, position, plan.rule)
        return False
    order = _commit(ctx, position, replace(plan, quantity=quantity))
    if order is None:
        return False
    sending.send(ctx, order, quote)
    return True


def _available(ctx: AccountContext, position: Position) -> Decimal:
    """What the broker would let us sell: a close never opens a short."""
    if ctx.broker is None:
        return position.quantity
    for held in ctx.broker.positions():
        if held.symbol == position.symbol:
            return max(held.available, Decimal(0))
    return Decimal(0)


def _place_stop(ctx: AccountContext, position: Position) -> bool:
    """Keep a stop resting at the broker: it protects when we cannot."""
    price = _stop_of(position)
    quantity = whole_units(position.quantity, fractional=False)
    if ctx.broker is None or price is None or quantity <= 0 or position.instrument_type != "STOCK":
        return False
    order = _commit(ctx, position, _Plan("stop", "stop_loss", quantity, price))
    if order is None:
        return False
    sending.send(ctx, order, None)
    return True


def _stop_of(position: Position) -> Decimal | None:
    return None if position.stop_loss is None else stop_price(position.stop_loss)


def _commit(ctx: AccountContext, position: Position, plan: _Plan) -> Order | None:
    """Store the intent; None when the position changed under us: the next tick decides anew."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        facts.lock_account(tx, ctx.name)
        current = positions.lock(tx, position.id)
        if current is None or current.status == "closed" or current.quantity < plan.quantity:
            return None
        order = _order(ctx, position, plan, orders.next_attempt(tx, position.id, plan.purpose))
        orders.insert(tx, order)
        if plan.purpose == "exit":
            partial = plan.rule == "partial"
            changed = armed(current) if partial else closing(current, plan.rule)
            positions.save(tx, changed, now=now)
            positions.add_event(
                tx,
                position_id=position.id,
                account=ctx.name,
                kind="exit_decided",
                details={
                    "rule": plan.rule,
                    "order": order.client_order_id,
                    "quantity": plan.quantity,
                },
                now=now,
            )
    return order


def _order(ctx: AccountContext, position: Position, plan: _Plan, attempt: int) -> Order:
    return Order(
        client_order_id=client_order_id(
            deployment=ctx.deployment,
            account=ctx.name,
            symbol=position.symbol,
            tick=ctx.tick,
            purpose=plan.purpose,
            attempt=attempt,
        ),
        account_name=ctx.name,
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
        decided_at=ctx.clock.now(),
        tick=ctx.tick,
        parameter_version=ctx.parameters.version,
    )


def _alert_nothing_to_sell(ctx: AccountContext, position: Position, rule: str) -> None:
    """The broker reports nothing free to sell: never sell more than it reports."""
    with ctx.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="nothing_to_sell",
            scope=ctx.name,
            subject=position.symbol,
            severity="critical",
            message=f"{position.symbol} should be sold ({rule}) but the broker has none free",
            details={"position": position.id, "quantity": position.quantity},
            now=ctx.clock.now(),
        )
