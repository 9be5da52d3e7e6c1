"""Takes over what only the broker has, and gives up what only we have, in one unit of work."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import facts, halts, orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain import reconciliation
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.reconciliation import Break, EarlierBreak
from ops_pipeline.execution import limit_breach, settlement
from ops_pipeline.execution.sending import AccountContext
from ops_pipeline.execution.settlement import ExecutionReport

_GONE = "missing_at_broker"


@dataclass(frozen=True, slots=True)
class BrokerStatement:
    """One account as its broker told it, read in this order from `asked_at` on."""

    asked_at: datetime
    positions: Sequence[BrokerPosition]
    orders: Sequence[BrokerOrder]
    fills: Sequence[BrokerFill]


def settle(tx: Transaction, ctx: AccountContext, answer: BrokerStatement) -> Counter[str]:
    """Adopt, repair, close what is agreed upon; alert all of it, and halt over the rest."""
    facts.lock_account(tx, ctx.name)
    counts: Counter[str] = Counter()
    external_orders = [order for order in answer.orders if not _is_ours(tx, ctx, order)]
    unsettled = _adopt_orders(tx, ctx, answer, external_orders, counts)
    broker_position = {position.symbol: position for position in answer.positions}
    moving = _moving(tx, ctx, answer)
    differences = reconciliation.compare(_held(tx, ctx), _quantities(answer), ())
    _forget_what_agrees(tx, ctx, differences)
    for difference in differences:
        if difference.subject in moving:
            continue
        counts["differences"] += 1
        if not _settled(tx, ctx, difference, broker_position.get(difference.subject), counts):
            unsettled.append(difference)
    over = limit_breach.check(tx, ctx.account, ctx.clock.now())
    unsettled += [over] if over else []
    counts["unsettled"] = len(unsettled)
    reason = unsettled[0].message if unsettled else None
    halts.set_books_halt(tx, account=ctx.name, reason=reason)
    if not counts["differences"] and not unsettled:
        alerts.resolve_kinds(tx, kinds=reconciliation.KINDS, scope=ctx.name, now=ctx.clock.now())
    return counts


def _forget_what_agrees(tx: Transaction, ctx: AccountContext, differences: Sequence[Break]) -> None:
    """An earlier look counts only when nothing else was seen in between."""
    still = {(difference.kind, difference.subject) for difference in differences}
    for kind in reconciliation.POSITION_KINDS:
        for scope, subject in alerts.open_of_kind(tx, kind):
            if scope == ctx.name and (kind, subject) not in still:
                alerts.resolve_alert(
                    tx, kind=kind, scope=scope, subject=subject, now=ctx.clock.now()
                )


def _adopt_orders(
    tx: Transaction,
    ctx: AccountContext,
    answer: BrokerStatement,
    external_orders: Sequence[BrokerOrder],
    counts: Counter[str],
) -> list[Break]:
    """Give each stranger's order a row and book its fills; returns what no row can be made of.

    Oldest first, so that what was bought is there to be sold. One that may still fill is a
    difference too: it is not ours to decide on.
    """
    fills: defaultdict[str, list[BrokerFill]] = defaultdict(list)
    for fill in answer.fills:
        fills[fill.broker_order_id].append(fill)
    unsettled = []
    for found in external_orders:
        (difference,) = reconciliation.compare({}, {}, [found])
        counts["differences"] += 1
        _alert(tx, ctx, difference)
        if not _adopt(tx, ctx, found, fills[found.broker_order_id]):
            unsettled.append(difference)
            continue
        counts["adopted"] += 1
    unsettled += [
        Break("order_unknown_to_us", order.client_order_id, message, "adopted", order.status)
        for order in orders.live(tx, ctx.name)
        if order.purpose == "adopted"
        for message in [f"Somebody's order {order.client_order_id} may still fill"]
    ]
    return unsettled


def _adopt(
    tx: Transaction, ctx: AccountContext, found: BrokerOrder, fills: Sequence[BrokerFill]
) -> bool:
    if orders.find(tx, found.client_order_id) is not None:
        return False
    held = positions.find_open(tx, ctx.name, found.symbol)
    row = reconciliation.adopted_order(ctx.name, found, held)
    if row is None:
        return False
    orders.insert(tx, row)
    ctx.settle(tx, row.client_order_id, ExecutionReport(found=found, fills=fills))
    ctx.journal.happened("order_adopted", account=ctx.name, order=row.client_order_id)
    return True


def _settled(
    tx: Transaction,
    ctx: AccountContext,
    difference: Break,
    broker_position: BrokerPosition | None,
    counts: Counter[str],
) -> bool:
    """Bring one position to what the broker holds where that is proven; False where not."""
    earlier = _earlier(tx, ctx, difference)
    _alert(tx, ctx, difference)
    held = positions.find_open(tx, ctx.name, difference.subject)
    if held is None:
        if broker_position is None or not reconciliation.is_adoptable(broker_position):
            return False
        _adopt_position(tx, ctx, broker_position)
        counts["adopted"] += 1
        return True
    now = ctx.clock.now()
    if not reconciliation.is_agreed(difference, earlier, now) or (
        broker_position and not reconciliation.is_adoptable(broker_position)
    ):
        return False
    if broker_position is None:
        return _give_up(tx, ctx, held, counts)
    _repair(tx, ctx, held, broker_position)
    counts["repaired"] += 1
    return True


def _adopt_position(tx: Transaction, ctx: AccountContext, broker_position: BrokerPosition) -> None:
    now = ctx.clock.now()
    position = reconciliation.adopted_position(
        ctx.name,
        broker_position.symbol,
        quantity=broker_position.quantity,
        price=broker_position.average_entry_price,
        at=now,
        rules=ctx.rules.exits,
    )
    positions.insert(tx, position, version=ctx.parameters.version, now=now)
    _event(tx, ctx, position, "adopted", broker_position.quantity)
    ctx.journal.happened("position_adopted", account=ctx.name, symbol=broker_position.symbol)


def _give_up(tx: Transaction, ctx: AccountContext, held: Position, counts: Counter[str]) -> bool:
    """Close without a price what two looks did not find, unless an order of it still lives."""
    if orders.live_in_symbol(tx, ctx.name, held.symbol):
        return False
    _event(tx, ctx, held, "repaired", -held.quantity)
    now = ctx.clock.now()
    settlement.close(tx, held, _GONE, now, account=ctx.account, now=now)
    _event(tx, ctx, held, "closed", Decimal(0))
    ctx.journal.went_wrong("position_given_up", account=ctx.name, symbol=held.symbol)
    counts["closed"] += 1
    return True


def _repair(
    tx: Transaction, ctx: AccountContext, held: Position, broker_position: BrokerPosition
) -> None:
    more = max(broker_position.quantity - held.quantity, Decimal(0))
    changed = replace(
        held,
        quantity=broker_position.quantity,
        opened_quantity=held.opened_quantity + more,
        entry_price=broker_position.average_entry_price if more else held.entry_price,
    )
    positions.save(tx, changed, now=ctx.clock.now())
    _event(tx, ctx, held, "repaired", broker_position.quantity - held.quantity)
    ctx.journal.went_wrong("position_repaired", account=ctx.name, symbol=held.symbol)


def _moving(tx: Transaction, ctx: AccountContext, answer: BrokerStatement) -> frozenset[str]:
    """Symbols in which something may have filled between two of the broker's answers."""
    return frozenset(
        order.symbol for order in orders.live(tx, ctx.name) if order.purpose != "stop"
    ) | frozenset(order.symbol for order in answer.orders if order.updated_at >= answer.asked_at)


def _earlier(tx: Transaction, ctx: AccountContext, difference: Break) -> EarlierBreak | None:
    """The first look at this matter; one that saw something else counts no more."""
    matter = {"kind": difference.kind, "scope": ctx.name, "subject": difference.subject}
    found = alerts.find_open(tx, **matter)
    if found is None:
        return None
    opened_at, details = found
    reading = EarlierBreak(opened_at, str(details.get("broker")))
    if reading.broker != difference.broker:
        alerts.resolve_alert(tx, **matter, now=ctx.clock.now())
    return reading


def _alert(tx: Transaction, ctx: AccountContext, difference: Break) -> None:
    alerts.open_alert(
        tx,
        kind=difference.kind,
        scope=ctx.name,
        subject=difference.subject,
        severity="critical",
        message=difference.message,
        details={"ours": difference.ours, "broker": difference.broker},
        now=ctx.clock.now(),
    )


def _event(
    tx: Transaction, ctx: AccountContext, position: Position, kind: str, quantity: Decimal
) -> None:
    positions.add_event(
        tx,
        position_id=position.id,
        account=ctx.name,
        kind=kind,
        details={"quantity": quantity, "evidence": "the broker's positions"},
        now=ctx.clock.now(),
    )


def _held(tx: Transaction, ctx: AccountContext) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in positions.held(tx, ctx.name)}


def _quantities(answer: BrokerStatement) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in answer.positions}


def _is_ours(tx: Transaction, ctx: AccountContext, order: BrokerOrder) -> bool:
    """Whether this account has a row of it: one of another account explains nothing."""
    found = orders.find(tx, order.client_order_id)
    return found is not None and found.account_name == ctx.name
