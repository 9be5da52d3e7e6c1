"""Adopts what only the broker holds and closes what it no longer holds, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import facts, halts, orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain import reconciliation
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.operations.alerts import AlertKey, disagreement
from ops_pipeline.domain.reconciliation import Break, EarlierBreak
from ops_pipeline.domain.trading_terms import PositionEventKind, TradeReason
from ops_pipeline.execution import limit_breach, settlement
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from ops_pipeline.execution.order_gateway import OrderGateway

_GONE: TradeReason = "missing_at_broker"


@dataclass(frozen=True, slots=True)
class LedgerSymbols:
    """What we hold by symbol, and the symbols in which an order of ours may fill."""

    held: Mapping[str, Decimal]
    live: frozenset[str]


@dataclass(frozen=True, slots=True)
class BrokerStatement:
    """One account as its broker reported it, read in this order from `asked_at` on.

    Attributes:
        before: Our ledger before the first of them was read.
    """

    asked_at: datetime
    before: LedgerSymbols
    positions: Sequence[BrokerPosition]
    orders: Sequence[BrokerOrder]
    fills: Sequence[BrokerFill]
    positions_again: Sequence[BrokerPosition]

    def position(self, symbol: str) -> BrokerPosition | None:
        return next((held for held in self.positions if held.symbol == symbol), None)


def ledger_symbols(tx: Transaction, account: str) -> LedgerSymbols:
    """The ledger before the broker is asked, to see what was settled meanwhile."""
    live = [order.symbol for order in orders.live(tx, account) if order.purpose != "stop"]
    held = {it.symbol: it.quantity for it in positions.held(tx, account)}
    return LedgerSymbols(held, frozenset(live))


def reconcile(
    tx: Transaction, ctx: AccountContext, gateway: OrderGateway, statement: BrokerStatement
) -> Counter[str]:
    """Adopt, repair or close each confirmed break; alert on all, halt entries over the rest."""
    facts.lock_account(tx, ctx.name)
    changed = _changed(statement, ledger_symbols(tx, ctx.name))
    run = _Reconciliation(tx, ctx, gateway, statement, changed)
    unsettled = run.adopt_orders() + run.settle_positions()
    over = limit_breach.check(tx, ctx.account, ctx.now())
    unsettled += [over] if over else []
    run.counts["unsettled"] = len(unsettled)
    reason = unsettled[0].message if unsettled else None
    halts.set_books_halt(tx, account=ctx.name, reason=reason)
    if not run.counts["differences"] and not unsettled:
        alerts.resolve_kinds(tx, kinds=reconciliation.KINDS, scope=ctx.name, now=ctx.now())
    return run.counts


def _changed(statement: BrokerStatement, now: LedgerSymbols) -> frozenset[str]:
    """Symbols that something was settled in while the broker was asked, by us or by it."""
    before = statement.before
    theirs = {(it.symbol, it.quantity) for it in statement.positions}
    again = {(it.symbol, it.quantity) for it in statement.positions_again}
    pairs = (before.held.items() ^ now.held.items()) | (theirs ^ again)
    return before.live | {symbol for symbol, _ in pairs}


@dataclass(frozen=True, slots=True)
class _Reconciliation:
    """Compares one account's statement with its rows, in one transaction.

    Attributes:
        changed: Symbols whose quantities moved between the readings: left to the next run.
    """

    tx: Transaction
    ctx: AccountContext
    gateway: OrderGateway
    statement: BrokerStatement
    changed: frozenset[str]
    counts: Counter[str] = field(default_factory=Counter)

    def adopt_orders(self) -> list[Break]:
        """Give each external order a row and book its fills; returns the breaks that remain.

        Oldest first, so that a buy is booked before the sale of it. An external order that may
        still fill stays a break: it is not ours to decide on.
        """
        fills: defaultdict[str, list[BrokerFill]] = defaultdict(list)
        for fill in self.statement.fills:
            fills[fill.broker_order_id].append(fill)
        unsettled = []
        for found in [order for order in self.statement.orders if not self._is_ours(order)]:
            (difference,) = reconciliation.compare({}, {}, [found])
            self.counts["differences"] += 1
            self._alert(difference)
            if self._adopt_order(found, fills[found.broker_order_id]):
                self.counts["adopted"] += 1
            else:
                unsettled.append(difference)
        return unsettled + self._adopted_and_live()

    def settle_positions(self) -> list[Break]:
        """Bring each position to what the broker holds; returns the unconfirmed breaks."""
        ours = {it.symbol: it.quantity for it in positions.held(self.tx, self.ctx.name)}
        theirs = {it.symbol: it.quantity for it in self.statement.positions}
        moving = self._moving()
        differences = reconciliation.compare(ours, theirs, ())
        self._resolve_agreed(differences)
        unsettled = []
        for difference in differences:
            if difference.subject in moving:
                continue
            self.counts["differences"] += 1
            if not self._settled(difference):
                unsettled.append(difference)
        return unsettled

    def _is_ours(self, order: BrokerOrder) -> bool:
        """Whether this account has a row for it; a row of another account does not count."""
        found = orders.find(self.tx, order.client_order_id)
        return found is not None and found.account_name == self.ctx.name

    def _adopt_order(self, found: BrokerOrder, fills: Sequence[BrokerFill]) -> bool:
        if orders.find(self.tx, found.client_order_id) is not None:
            return False
        held = positions.find_open(self.tx, self.ctx.name, found.symbol)
        row = reconciliation.adopted_order(self.ctx.account, found, held)
        if row is None:
            return False
        orders.insert(self.tx, row)
        report = ExecutionReport(found=found, fills=fills)
        self.gateway.settle_in(self.tx, row.client_order_id, report)
        self.ctx.journal.happened("order_adopted", account=self.ctx.name, order=row.client_order_id)
        return True

    def _adopted_and_live(self) -> list[Break]:
        return [
            Break("order_unknown_to_us", order.client_order_id, message, "adopted", order.status)
            for order in orders.live(self.tx, self.ctx.name)
            if order.purpose == "adopted"
            for message in [f"Somebody's order {order.client_order_id} may still fill"]
        ]

    def _moving(self) -> frozenset[str]:
        """Symbols that may have had a fill while the broker was being asked."""
        live = [order for order in orders.live(self.tx, self.ctx.name) if order.purpose != "stop"]
        asked_at = self.statement.asked_at
        updated = [order for order in self.statement.orders if order.updated_at >= asked_at]
        ours = frozenset(order.symbol for order in live)
        return self.changed | ours | {order.symbol for order in updated}

    def _resolve_agreed(self, differences: Sequence[Break]) -> None:
        """Resolve breaks that are gone: only the same break in consecutive runs is confirmed."""
        still = {(difference.kind, difference.subject) for difference in differences}
        for kind in reconciliation.POSITION_KINDS:
            for scope, subject in alerts.open_of_kind(self.tx, kind):
                if scope == self.ctx.name and (kind, subject) not in still:
                    alerts.resolve_alert(
                        self.tx, AlertKey(kind, scope, subject), now=self.ctx.now()
                    )

    def _settled(self, difference: Break) -> bool:
        """Bring one position to what the broker holds; False while the break is unconfirmed."""
        earlier = self._earlier(difference)
        self._alert(difference)
        held = positions.find_open(self.tx, self.ctx.name, difference.subject)
        theirs = self.statement.position(difference.subject)
        if held is None:
            if theirs is None or not reconciliation.is_adoptable(theirs):
                return False
            self._adopt_position(theirs)
            return True
        now = self.ctx.now()
        if not reconciliation.is_agreed(difference, earlier, now) or (
            theirs and not reconciliation.is_adoptable(theirs)
        ):
            return False
        if theirs is None:
            return self._give_up(held)
        self._repair(held, theirs)
        return True

    def _adopt_position(self, theirs: BrokerPosition) -> None:
        now = self.ctx.now()
        position = reconciliation.adopted_position(
            self.ctx.name,
            theirs.symbol,
            execution_mode=self.ctx.account.execution_mode,
            broker=self.ctx.account.broker,
            quantity=theirs.quantity,
            price=theirs.average_entry_price,
            at=now,
            rules=self.ctx.rules.exits,
        )
        positions.insert(self.tx, position, version=self.ctx.parameters.version, now=now)
        self._event(position, "adopted", theirs.quantity)
        self.ctx.journal.happened("position_adopted", account=self.ctx.name, symbol=theirs.symbol)
        self.counts["adopted"] += 1

    def _give_up(self, held: Position) -> bool:
        """Close without a price after two readings without it, unless it has a live order."""
        if orders.live_in_symbol(self.tx, self.ctx.name, held.symbol):
            return False
        self._event(held, "repaired", -held.quantity)
        settlement.close_unproven(self.tx, held, _GONE, now=self.ctx.now())
        self._event(held, "closed", Decimal(0))
        self.ctx.journal.went_wrong("position_given_up", account=self.ctx.name, symbol=held.symbol)
        self.counts["closed"] += 1
        return True

    def _repair(self, held: Position, theirs: BrokerPosition) -> None:
        more = max(theirs.quantity - held.quantity, Decimal(0))
        changed = replace(
            held,
            quantity=theirs.quantity,
            opened_quantity=held.opened_quantity + more,
            entry_price=theirs.average_entry_price if more else held.entry_price,
        )
        positions.save(self.tx, changed, now=self.ctx.now())
        self._event(held, "repaired", theirs.quantity - held.quantity)
        self.ctx.journal.went_wrong("position_repaired", account=self.ctx.name, symbol=held.symbol)
        self.counts["repaired"] += 1

    def _earlier(self, difference: Break) -> EarlierBreak | None:
        """The earlier reading of this break; one that saw another quantity no longer counts."""
        key = AlertKey(difference.kind, self.ctx.name, difference.subject)
        found = alerts.find_open(self.tx, key)
        if found is None:
            return None
        opened_at, details = found
        reading = EarlierBreak(opened_at, str(details.get("broker")))
        if reading.broker != difference.broker:
            alerts.resolve_alert(self.tx, key, now=self.ctx.now())
        return reading

    def _alert(self, difference: Break) -> None:
        alerts.open_alert(self.tx, disagreement(self.ctx.name, difference), now=self.ctx.now())

    def _event(self, position: Position, kind: PositionEventKind, quantity: Decimal) -> None:
        positions.add_event(
            self.tx,
            position_id=position.id,
            account=self.ctx.name,
            kind=kind,
            details={"quantity": quantity, "evidence": "the broker's positions"},
            now=self.ctx.now(),
        )
