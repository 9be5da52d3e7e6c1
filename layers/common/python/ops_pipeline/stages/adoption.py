"""Takes over what only the broker has, and gives up what only we have, in one unit of work."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import alerts, facts, halts, orders, positions
from ops_pipeline.db.connection import Transaction
from ops_pipeline.domain import books
from ops_pipeline.domain.books import Difference, Reading
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.exits import Position
from ops_pipeline.stages import over_caps, settlement
from ops_pipeline.stages.road import Road
from ops_pipeline.stages.settlement import Evidence

_GONE = "missing_at_broker"


@dataclass(frozen=True, slots=True)
class Answer:
    """One account as its broker told it, read in this order from `asked_at` on."""

    asked_at: datetime
    positions: Sequence[BrokerPosition]
    orders: Sequence[BrokerOrder]
    fills: Sequence[BrokerFill]


def settle(tx: Transaction, way: Road, answer: Answer) -> Counter[str]:
    """Adopt, repair, close what is agreed upon; alert all of it, and halt over the rest."""
    facts.lock_account(tx, way.name)
    counts: Counter[str] = Counter()
    strangers = [order for order in answer.orders if not _is_ours(tx, way, order)]
    unsettled = _adopt_orders(tx, way, answer, strangers, counts)
    told = {position.symbol: position for position in answer.positions}
    moving = _moving(tx, way, answer)
    differences = books.compare(_held(tx, way), _quantities(answer), ())
    _forget_what_agrees(tx, way, differences)
    for difference in differences:
        if difference.subject in moving:
            continue
        counts["differences"] += 1
        if not _settled(tx, way, difference, told.get(difference.subject), counts):
            unsettled.append(difference)
    over = over_caps.look(tx, way.account, way.clock.now())
    unsettled += [over] if over else []
    counts["unsettled"] = len(unsettled)
    reason = unsettled[0].message if unsettled else None
    halts.set_books_halt(tx, account=way.name, reason=reason)
    if not counts["differences"] and not unsettled:
        alerts.resolve_kinds(tx, kinds=books.KINDS, scope=way.name, now=way.clock.now())
    return counts


def _forget_what_agrees(tx: Transaction, way: Road, differences: Sequence[Difference]) -> None:
    """An earlier look counts only when nothing else was seen in between."""
    still = {(difference.kind, difference.subject) for difference in differences}
    for kind in books.POSITION_KINDS:
        for scope, subject in alerts.open_of_kind(tx, kind):
            if scope == way.name and (kind, subject) not in still:
                alerts.resolve_alert(
                    tx, kind=kind, scope=scope, subject=subject, now=way.clock.now()
                )


def _adopt_orders(
    tx: Transaction,
    way: Road,
    answer: Answer,
    strangers: Sequence[BrokerOrder],
    counts: Counter[str],
) -> list[Difference]:
    """Give each stranger's order a row and book its fills; returns what no row can be made of.

    Oldest first, so that what was bought is there to be sold. One that may still fill is a
    difference too: it is not ours to decide on.
    """
    fills: defaultdict[str, list[BrokerFill]] = defaultdict(list)
    for fill in answer.fills:
        fills[fill.broker_order_id].append(fill)
    unsettled = []
    for found in strangers:
        (difference,) = books.compare({}, {}, [found])
        counts["differences"] += 1
        _alert(tx, way, difference)
        if not _adopt(tx, way, found, fills[found.broker_order_id]):
            unsettled.append(difference)
            continue
        counts["adopted"] += 1
    unsettled += [
        Difference("order_unknown_to_us", order.client_order_id, message, "adopted", order.status)
        for order in orders.live(tx, way.name)
        if order.purpose == "adopted"
        for message in [f"Somebody's order {order.client_order_id} may still fill"]
    ]
    return unsettled


def _adopt(tx: Transaction, way: Road, found: BrokerOrder, fills: Sequence[BrokerFill]) -> bool:
    if orders.find(tx, found.client_order_id) is not None:
        return False
    held = positions.find_open(tx, way.name, found.symbol)
    row = books.adopted_order(way.name, found, held)
    if row is None:
        return False
    orders.insert(tx, row)
    way.settle(tx, row.client_order_id, Evidence(found=found, fills=fills))
    way.journal.happened("order_adopted", account=way.name, order=row.client_order_id)
    return True


def _settled(
    tx: Transaction,
    way: Road,
    difference: Difference,
    told: BrokerPosition | None,
    counts: Counter[str],
) -> bool:
    """Bring one position to what the broker holds where that is proven; False where not."""
    earlier = _earlier(tx, way, difference)
    _alert(tx, way, difference)
    held = positions.find_open(tx, way.name, difference.subject)
    if held is None:
        if told is None or not books.is_adoptable(told):
            return False
        _adopt_position(tx, way, told)
        counts["adopted"] += 1
        return True
    now = way.clock.now()
    if not books.is_agreed(difference, earlier, now) or (told and not books.is_adoptable(told)):
        return False
    if told is None:
        return _give_up(tx, way, held, counts)
    _repair(tx, way, held, told)
    counts["repaired"] += 1
    return True


def _adopt_position(tx: Transaction, way: Road, told: BrokerPosition) -> None:
    now = way.clock.now()
    position = books.adopted_position(
        way.name,
        told.symbol,
        quantity=told.quantity,
        price=told.average_entry_price,
        at=now,
        rules=way.rules.exits,
    )
    positions.insert(tx, position, version=way.parameters.version, now=now)
    _event(tx, way, position, "adopted", told.quantity)
    way.journal.happened("position_adopted", account=way.name, symbol=told.symbol)


def _give_up(tx: Transaction, way: Road, held: Position, counts: Counter[str]) -> bool:
    """Close without a price what two looks did not find, unless an order of it still lives."""
    if orders.live_in_symbol(tx, way.name, held.symbol):
        return False
    _event(tx, way, held, "repaired", -held.quantity)
    now = way.clock.now()
    settlement.close(tx, held, _GONE, now, account=way.account, now=now)
    _event(tx, way, held, "closed", Decimal(0))
    way.journal.went_wrong("position_given_up", account=way.name, symbol=held.symbol)
    counts["closed"] += 1
    return True


def _repair(tx: Transaction, way: Road, held: Position, told: BrokerPosition) -> None:
    more = max(told.quantity - held.quantity, Decimal(0))
    changed = replace(
        held,
        quantity=told.quantity,
        opened_quantity=held.opened_quantity + more,
        entry_price=told.average_entry_price if more else held.entry_price,
    )
    positions.save(tx, changed, now=way.clock.now())
    _event(tx, way, held, "repaired", told.quantity - held.quantity)
    way.journal.went_wrong("position_repaired", account=way.name, symbol=held.symbol)


def _moving(tx: Transaction, way: Road, answer: Answer) -> frozenset[str]:
    """Symbols in which something may have filled between two of the broker's answers."""
    return frozenset(
        order.symbol for order in orders.live(tx, way.name) if order.purpose != "stop"
    ) | frozenset(order.symbol for order in answer.orders if order.updated_at >= answer.asked_at)


def _earlier(tx: Transaction, way: Road, difference: Difference) -> Reading | None:
    """The first look at this matter; one that saw something else counts no more."""
    matter = {"kind": difference.kind, "scope": way.name, "subject": difference.subject}
    found = alerts.find_open(tx, **matter)
    if found is None:
        return None
    opened_at, details = found
    reading = Reading(opened_at, str(details.get("broker")))
    if reading.broker != difference.broker:
        alerts.resolve_alert(tx, **matter, now=way.clock.now())
    return reading


def _alert(tx: Transaction, way: Road, difference: Difference) -> None:
    alerts.open_alert(
        tx,
        kind=difference.kind,
        scope=way.name,
        subject=difference.subject,
        severity="critical",
        message=difference.message,
        details={"ours": difference.ours, "broker": difference.broker},
        now=way.clock.now(),
    )


def _event(tx: Transaction, way: Road, position: Position, kind: str, quantity: Decimal) -> None:
    positions.add_event(
        tx,
        position_id=position.id,
        account=way.name,
        kind=kind,
        details={"quantity": quantity, "evidence": "the broker's positions"},
        now=way.clock.now(),
    )


def _held(tx: Transaction, way: Road) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in positions.held(tx, way.name)}


def _quantities(answer: Answer) -> dict[str, Decimal]:
    return {position.symbol: position.quantity for position in answer.positions}


def _is_ours(tx: Transaction, way: Road, order: BrokerOrder) -> bool:
    """Whether this account has a row of it: one of another account explains nothing."""
    found = orders.find(tx, order.client_order_id)
    return found is not None and found.account_name == way.name
