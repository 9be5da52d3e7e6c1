"""Adopts what only the broker holds and closes what it no longer holds, in one transaction."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from uuid import UUID

from ops_pipeline.db import accounts, halts, orders, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions as adjusted
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain import reconciliation
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.holdings.external import besides
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import AlertKey, disagreement
from ops_pipeline.domain.operations.unbooked import FactKind
from ops_pipeline.domain.orders import Order, may_still_fill
from ops_pipeline.domain.reconciliation import AGREED_AFTER, Break, EarlierBreak
from ops_pipeline.domain.trading_terms import PositionEventKind, TradeReason
from ops_pipeline.execution import (
    external_orders,
    limit_breach,
    lost_orders,
    settlement,
    unbooked_facts,
)
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings import (
    corporate_actions,
    first_look,
    left_alone,
    restated_holdings,
)
from ops_pipeline.execution.holdings.left_alone import Before
from ops_pipeline.execution.holdings.statement import (
    OURS_FILLING,
    BrokerStatement,
    LedgerSymbols,
    ledger_symbols,
)
from ops_pipeline.execution.isolation import isolated_in, what_failed
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway

_GONE: TradeReason = "missing_at_broker"
# The broker's lists are eventually consistent: for so long after an order of ours ended in a
# symbol, a position there may be what that order sold, or bought.
_LISTS_LAG_FOR = timedelta(minutes=10)


def reconcile(
    tx: Transaction, ctx: AccountContext, gateway: OrderGateway, statement: BrokerStatement
) -> tuple[Counter[str], Sequence[str]]:
    """Adopt, repair or close each confirmed break; alert on all, halt entries over the rest.

    A ledger in doubt agrees once everything that it may have lost could be read, nothing is
    unsettled and nothing was left to the next run.

    Returns the counts, and what could not be carried out: each break stands alone.
    """
    account = accounts.load_locked(tx, ctx.name)
    first_look.save(tx, ctx, statement.look)
    restating = restated_holdings.adjust(tx, ctx, statement)
    before = left_alone.read(tx, ctx, statement)
    told, statement = statement, statement.traded_here()
    changed = _changed(statement, ledger_symbols(tx, ctx.name)) | before.undecided
    listed = [order.client_order_id for order in statement.orders]
    lost = lost_orders.notice(tx, ctx, listed, since=_oldest(statement))
    in_doubt = account.ledger_in_doubt or lost
    settled = orders.settled_since(tx, ctx.name, statement.asked_at - _LISTS_LAG_FOR)
    resting, rest = _split(tx, ctx, before.without_its_orders(ctx, statement.orders))
    booked = _before_fills_of(resting, statement)
    # A ledger that was lost has just booked everything: none of it says that a list lags.
    run = _Reconciliation(
        tx, ctx, gateway, booked, before, changed, in_doubt, {} if in_doubt else settled
    )
    unsettled = run.adopt_orders(rest)
    held_back = run.count_anew()
    unsettled += run.settle_positions(held_back)
    unsettled += run.adopt_resting_sales(resting, held_back) + run.adopted_and_live()
    run.follow_what_is_left_alone(told, restating)
    over = limit_breach.check(tx, ctx.account, ctx.now())
    unsettled += [over] if over else []
    reasons = [found.message for found in unsettled] + run.note_unbooked()
    run.counts["unsettled"] = len(reasons)
    halts.set_books_halt(tx, account=ctx.name, reason=reasons[0] if reasons else None)
    # What can't be read may be an order or a fill that the database lost.
    agreed = not (reasons or run.counts["left"] or run.counts["illegible"])
    if not agreed or statement.reaches(accounts.load(tx, ctx.name).ledger_compare_from):
        halts.set_ledger_agreed(tx, account=ctx.name, agreed_at=ctx.now() if agreed else None)
    if not run.counts["differences"] and not unsettled:
        alerts.resolve_kinds(tx, kinds=reconciliation.KINDS, scope=ctx.name, now=ctx.now())
    return run.counts, run.failures


def count_anew(
    tx: Transaction, ctx: AccountContext, gateway: OrderGateway, statement: BrokerStatement
) -> Sequence[str]:
    """Adjust positions for corporate actions, and nothing else; returns what could not be."""
    account = accounts.load_locked(tx, ctx.name)
    before = left_alone.read(tx, ctx, statement)
    statement = statement.traded_here()
    changed = _changed(statement, ledger_symbols(tx, ctx.name)) | before.undecided
    run = _Reconciliation(
        tx, ctx, gateway, statement, before, changed, account.ledger_in_doubt, settled={}
    )
    run.count_anew()
    return run.failures


def _changed(statement: BrokerStatement, now: LedgerSymbols) -> frozenset[str]:
    """Symbols that something was settled in while the broker was asked, by us or by it."""
    before = statement.before
    theirs = {(it.symbol, it.quantity) for it in statement.positions}
    again = {(it.symbol, it.quantity) for it in statement.positions_again}
    pairs = (before.held.items() ^ now.held.items()) | (theirs ^ again)
    return before.live | {symbol for symbol, _ in pairs}


def _oldest(statement: BrokerStatement) -> datetime:
    """From when on the statement's orders were placed."""
    return min((order.submitted_at for order in statement.orders), default=statement.asked_at)


def _split(
    tx: Transaction, ctx: AccountContext, listed: Sequence[BrokerOrder]
) -> tuple[list[BrokerOrder], list[BrokerOrder]]:
    """The orders without a row, oldest first: resting sales of ours, and all others.

    A resting sale of ours belongs to a position, which may have to be adopted first. A row of
    another account does not count.
    """
    resting: list[BrokerOrder] = []
    rest: list[BrokerOrder] = []
    unknown = set(orders.unstored(tx, ctx.name, [order.client_order_id for order in listed]))
    for found in sorted(listed, key=lambda order: order.submitted_at):
        if found.has_no_quantity and not may_still_fill(found):
            continue  # it bought nothing, and there is nothing to wait for
        if found.client_order_id in unknown:
            own = ctx.own_order(found.client_order_id)
            sells = own is not None and own.purpose != "entry" and may_still_fill(found)
            (resting if sells else rest).append(found)
    return resting, rest


def _before_fills_of(resting: Sequence[BrokerOrder], statement: BrokerStatement) -> BrokerStatement:
    """The statement with what these sales filled still held: it is booked after the positions."""
    filled: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in resting:
        filled[order.symbol] += order.filled_quantity
    held = [replace(it, quantity=it.quantity + filled[it.symbol]) for it in statement.positions]
    return replace(statement, positions=Listing(held, statement.positions.illegible))


@dataclass(frozen=True, slots=True)
class _Reconciliation:
    """Compares one account's statement with its rows, in one transaction.

    Attributes:
        before: What was there before the first run.
        changed: Symbols whose quantities moved between the readings: left to the next run.
        in_doubt: The database was rebuilt or restored: more at the broker is believed at once,
            as nothing enters meanwhile and the guard protects what is booked.
        settled: When something of ours last ended or filled, by symbol, within the time that
            the broker's lists may lag.
    """

    tx: Transaction
    ctx: AccountContext
    gateway: OrderGateway
    statement: BrokerStatement
    before: Before
    changed: frozenset[str]
    in_doubt: bool
    settled: Mapping[str, datetime]
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def note_unbooked(self) -> list[str]:
        """Keep what can't be read or booked, and resolve what was kept before.

        Runs last: what could be booked is. Returns what of it keeps entries halted.
        """
        found = self.statement.illegible
        self.counts["illegible"] = len(found)
        kinds: tuple[FactKind, ...] = ("position", "order", "fill", "order_report")
        now, asked_at = self.ctx.now(), self.statement.asked_at
        unbooked_facts.note_illegible(self.tx, self.ctx.name, found, now)
        fills = unbooked_facts.note_fills(
            self.tx, self.ctx.name, self.statement.fills, asked_at=asked_at, now=now
        )
        unbooked_facts.resolve(
            self.tx,
            self.ctx.name,
            kinds,
            told=self.statement.subjects,
            still=[*(it.subject for it in found), *fills],
            asked_at=asked_at,
            now=now,
        )
        halting = {*self.statement.illegible_positions, *self.statement.illegible_orders}
        return [f"Not legible at the broker: {it}" for it in found if it in halting]

    def adopt_orders(
        self, external: Sequence[BrokerOrder], *, may_be_shown: bool = True
    ) -> list[Break]:
        """Give each external order a row and book its fills; returns the breaks that remain.

        Oldest first, so that a buy is booked before the sale of it. An external order that may
        still fill stays a break: it is not ours to decide on. One of ours, by its id, was lost
        with its row: it gets its row back.

        Args:
            may_be_shown: Whether positions may show their fills already.
        """
        fills: defaultdict[str, list[BrokerFill]] = defaultdict(list)
        for fill in self.statement.fills:
            fills[fill.broker_order_id].append(fill)
        unsettled = []
        for found in external:
            (difference,) = reconciliation.compare({}, {}, [found])
            self.counts["differences"] += 1
            if self.ctx.own_order(found.client_order_id) is None:
                self._alert(difference)
            its = fills[found.broker_order_id]
            adopt = partial(self._adopt_order, found, its, may_be_shown=may_be_shown)
            if self._alone(difference, adopt):
                self.counts["adopted"] += 1
            else:
                unsettled.append(difference)
        return unsettled

    def adopt_resting_sales(
        self, resting: Sequence[BrokerOrder], held_back: Set[str]
    ) -> list[Break]:
        """Give resting sales of ours their rows: a stop protects its position as before.

        The positions were settled as if these had filled nothing yet.

        Args:
            held_back: Symbols whose shares may not be those that a stop was placed for.
        """
        unsettled = self.adopt_orders(resting, may_be_shown=False)
        for found in resting:
            order = orders.find(self.tx, found.client_order_id)
            held = positions.find_open(self.tx, self.ctx.name, found.symbol)
            if held is None or held.symbol in held_back or self._is_of_other_shares(held, found):
                continue
            if order is not None and order.purpose == "stop" and order.live:
                kept = reconciliation.with_resting_stop(held, order)
                positions.save(self.tx, kept, now=self.ctx.now())
        return unsettled

    def _is_of_other_shares(self, held: Position, found: BrokerOrder) -> bool:
        """Whether the order was placed before a split that the position was adjusted for."""
        placed_on = new_york_day(found.submitted_at)
        return any(
            it.ratio != 1 and placed_on < it.effective_on
            for it in adjusted.of_position(self.tx, held.id)
        )

    def count_anew(self) -> Set[str]:
        """Adjust positions for corporate actions; the symbols of which nothing is concluded yet.

        A cancel moves no shares: only what fills, or may have, leaves a symbol to the next run.
        """
        recently = self.statement.asked_at - AGREED_AFTER
        live = orders.live(self.tx, self.ctx.name)
        filling = {it.symbol for it in live if it.purpose in OURS_FILLING}
        filled = {it.symbol for it in self.statement.fills if it.executed_at >= recently}
        done = corporate_actions.settle(
            self.tx,
            self.ctx,
            self.statement,
            external=self.before.quantities,
            moving=self.changed | filling | filled,
        )
        self.counts.update(done.counts)
        self.failures.extend(done.failures)
        return done.held_back

    def settle_positions(self, held_back: Set[str]) -> list[Break]:
        """Bring each position to what the broker holds; returns the unconfirmed breaks.

        Args:
            held_back: Symbols of which a corporate action has yet to be settled.
        """
        ours = {it.symbol: it.quantity for it in positions.held(self.tx, self.ctx.name)}
        there = {it.symbol: it.quantity for it in self.statement.positions}
        theirs = besides(there, ours, self.before.quantities)
        moving = self._moving()
        compared = reconciliation.compare(ours, theirs, ())
        differences = [it for it in compared if not self._is_illegible(it, theirs)]
        self._resolve_agreed(differences)
        unsettled = []
        for difference in differences:
            if difference.subject in moving:
                self.counts["left"] += 1
                continue
            self.counts["differences"] += 1
            if difference.subject in held_back:
                self._alert(difference)
                unsettled.append(difference)
                continue
            if not self._alone(difference, partial(self._settled, difference)):
                unsettled.append(difference)
        return unsettled

    def follow_what_is_left_alone(self, told: BrokerStatement, restating: Set[str]) -> None:
        """Let the rows of what was there before follow what the operator sells of it.

        Args:
            told: The statement with all asset classes.
            restating: Symbols of which a corporate action has yet to be settled.
        """
        moving, odd = self._moving() | restating, self.statement.illegible_positions
        left_alone.follow(
            self.tx,
            self.ctx,
            [
                it
                for it in self.before.held
                if it.symbol not in moving and not any(item.may_be_of(it.symbol) for item in odd)
            ],
            {it.symbol: it for it in told.positions},
            ours={it.symbol: it.quantity for it in positions.held(self.tx, self.ctx.name)},
            fills=told.fills,
        )

    def _alone(self, difference: Break, settle: Callable[[], bool]) -> bool:
        """Settle one break; whatever that raises undoes it alone, and the break remains."""
        settled = isolated_in(self.tx, settle, passing=STOPS_THE_RUN)
        if not isinstance(settled, Exception):
            return settled
        self._alert(difference)
        self.failures.append(f"{difference.subject}: {what_failed(settled)}")
        return False

    def _is_illegible(self, difference: Break, theirs: Mapping[str, Decimal]) -> bool:
        """Whether an illegible position may be what the broker seems not to hold."""
        symbol, odd = difference.subject, self.statement.illegible_positions
        if symbol in theirs:
            return any(it.symbol == symbol for it in odd)
        return any(it.may_be_of(symbol) for it in odd)

    def _may_have_order(self, symbol: str) -> bool:
        """Whether an illegible order may be one in the symbol that still fills."""
        return any(it.may_be_of(symbol) for it in self.statement.illegible_orders)

    def _adopt_order(
        self, found: BrokerOrder, fills: Sequence[BrokerFill], *, may_be_shown: bool
    ) -> bool:
        if orders.find(self.tx, found.client_order_id) is not None:
            return False
        row = self._row_of(found)
        if row is None:
            return False
        if row.recovered_at is not None and row.position_id is not None:
            self._believe_sale(row.position_id, found)
        external_orders.store(self.tx, self.gateway, row, found, fills, may_be_shown=may_be_shown)
        return True

    def _believe_sale(self, position_id: UUID, found: BrokerOrder) -> None:
        """Let a position have held what a lost sale of ours sold: we sell no more than is held.

        After a split that the lost ledger knew of the shares were others. Nobody is short by it,
        and its proceeds prove no result.
        """
        held = positions.lock(self.tx, position_id)
        if held is None or held.status == "closed" or found.filled_quantity <= held.quantity:
            return
        more, now = found.filled_quantity - held.quantity, self.ctx.now()
        grown = replace(
            held, quantity=held.quantity + more, opened_quantity=held.opened_quantity + more
        )
        positions.save(self.tx, grown, now=now)
        positions.add_event(
            self.tx,
            position_id=held.id,
            account=self.ctx.name,
            kind="repaired",
            details={"quantity": more, "sold_by": found.client_order_id},
            now=now,
        )
        reason = f"{found.client_order_id} sold {found.filled_quantity:f} of {held.quantity:f}"
        adjusted.hold(self.tx, self.ctx.name, held.symbol, reason, now=now)

    def _row_of(self, found: BrokerOrder) -> Order | None:
        """A lost order of ours as it was, else one that is adopted; None if it can't be stored."""
        held = positions.find_open(self.tx, self.ctx.name, found.symbol)
        own = self.ctx.own_order(found.client_order_id)
        if own is None and found.symbol in self.before.quantities:
            # What a person sells there is what was there before.
            held = None
        if own is not None:
            account, now = self.ctx.account, self.ctx.now()
            row = reconciliation.recovered_order(account, found, own, held, now=now)
            live = orders.live_in_symbol(self.tx, self.ctx.name, found.symbol)
            if row is not None and row.purpose not in {order.purpose for order in live}:
                return row
        return reconciliation.adopted_order(self.ctx.account, found, held)

    def adopted_and_live(self) -> list[Break]:
        """Orders that somebody placed and that may still fill."""
        return [
            Break("order_unknown_to_us", order.client_order_id, message, "adopted", order.status)
            for order in orders.live(self.tx, self.ctx.name)
            if order.purpose == "adopted"
            for message in [f"Somebody's order {order.client_order_id} may still fill"]
        ]

    def _moving(self) -> frozenset[str]:
        """Symbols that may have had a fill while the broker was being asked.

        A person's order counts where the broker tells more of it than could be booked.
        """
        told = {order.client_order_id: order.filled_quantity for order in self.statement.orders}
        live = [
            order
            for order in orders.live(self.tx, self.ctx.name)
            if order.purpose in OURS_FILLING
            or told.get(order.client_order_id, order.filled_qty) != order.filled_qty
        ]
        asked_at = self.statement.asked_at
        updated = [order for order in self.statement.orders if order.updated_at >= asked_at]
        ours = frozenset(order.symbol for order in live)
        lately = {it for it, at in self.settled.items() if asked_at - at < AGREED_AFTER}
        return self.changed | ours | lately | {order.symbol for order in updated}

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
        theirs = self._besides(difference)
        is_agreed = reconciliation.is_agreed(difference, earlier, self.ctx.now())
        more = theirs is not None and (held is None or theirs.quantity > held.quantity)
        if theirs and not reconciliation.is_adoptable(theirs):
            if held is not None and theirs.quantity < 0 and is_agreed:
                self._give_up(held)  # what is left of the break is the short
            return False
        if more and difference.subject in self.before.guarded and not self.in_doubt:
            # A purchase has an order, which is booked by now; a split has none.
            return False
        if held is None:
            return self._adopted(theirs, is_agreed=is_agreed)
        if not ((self.in_doubt and more) or is_agreed):
            return False
        return self._give_up(held) if theirs is None else self._repair(held, theirs)

    def _adopted(self, theirs: BrokerPosition | None, *, is_agreed: bool) -> bool:
        """Adopt what only the broker holds, unless it may be booked a moment later.

        An order that can't be read yet may be, and a list that lags shows what we have just sold.
        """
        if theirs is None or theirs.symbol in self.settled:
            return False
        if self._may_have_order(theirs.symbol) and not is_agreed:
            return False
        self._adopt_position(theirs)
        return True

    def _besides(self, difference: Break) -> BrokerPosition | None:
        """The broker's position without what was there before; None where nothing is left."""
        there = next(
            (it for it in self.statement.positions if it.symbol == difference.subject), None
        )
        quantity = Decimal(difference.broker)
        return None if there is None or not quantity else replace(there, quantity=quantity)

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
        orders.give_position(self.tx, position)
        self._event(position, "adopted", theirs.quantity)
        self.ctx.journal.happened("position_adopted", account=self.ctx.name, symbol=theirs.symbol)
        self.counts["adopted"] += 1

    def _give_up(self, held: Position) -> bool:
        """Close without a price after two readings without it, unless one of ours may live."""
        live = orders.live_in_symbol(self.tx, self.ctx.name, held.symbol)
        if any(order.purpose != "adopted" for order in live):
            return False
        if self._may_have_order(held.symbol):
            return False
        self._event(held, "repaired", -held.quantity)
        settlement.close_unproven(self.tx, held, _GONE, now=self.ctx.now())
        self._event(held, "closed", Decimal(0))
        self.ctx.journal.went_wrong("position_given_up", account=self.ctx.name, symbol=held.symbol)
        self.counts["closed"] += 1
        return True

    def _repair(self, held: Position, theirs: BrokerPosition) -> bool:
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
        return True

    def _earlier(self, difference: Break) -> EarlierBreak | None:
        """The earlier reading of this break.

        One no longer counts that saw another quantity, or that was read before the lists can
        have shown what was settled last.
        """
        key = AlertKey(difference.kind, self.ctx.name, difference.subject)
        found = alerts.find_open(self.tx, key)
        if found is None:
            return None
        opened_at, details = found
        reading = EarlierBreak(opened_at, str(details.get("broker")))
        settled_at = self.settled.get(difference.subject)
        overtaken = settled_at is not None and opened_at < settled_at + AGREED_AFTER
        if overtaken or reading.broker != difference.broker:
            alerts.resolve_alert(self.tx, key, now=self.ctx.now())
        return None if overtaken else reading

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
