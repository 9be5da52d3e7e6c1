"""Counts positions anew after a corporate action: where it and the broker's shares agree.

One position is one unit of work: its adjustment, its row and its event. Where they do not agree
nothing of it is decided by price any more, an alert says so, and what protects it stays.
"""

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from ops_pipeline.db import facts, positions
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions as rows
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.broker import BrokerCashActivity, BrokerPosition
from ops_pipeline.domain.corporate import adjustments
from ops_pipeline.domain.corporate.actions import SAME_WITHIN, CorporateAction
from ops_pipeline.domain.corporate.adjustments import Application, Pending
from ops_pipeline.domain.corporate.shares_shown import is_split_like
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.holdings.external import besides
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import AlertKey, corporate_action_pending
from ops_pipeline.errors import BrokerUnavailable
from ops_pipeline.execution import settlement
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.holdings import adjusting
from ops_pipeline.execution.holdings.statement import BrokerStatement
from ops_pipeline.execution.isolation import isolated_in, what_failed
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN
from ops_pipeline.ports import Broker

# So long after the broker counted otherwise one look that agrees may be of a list that lags.
_LISTS_LAG_FOR = timedelta(minutes=10)
_UNEXPLAINED = (
    "the broker counts {theirs:f} at ${price:f}, {ours:f} are held here at ${entry:f}, "
    "and no announcement and no activity says why"
)


@dataclass(slots=True)
class Settled:
    """What became of one account's positions.

    Attributes:
        held_back: Symbols whose shares may not be those of the ledger: nothing else is to be
            concluded from their number.
    """

    counts: Counter[str] = field(default_factory=Counter)
    held_back: set[str] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)


def settle(
    tx: Transaction,
    ctx: AccountContext,
    statement: BrokerStatement,
    *,
    external: Mapping[str, Decimal],
    moving: Set[str],
) -> Settled:
    """Adjust each position that an action concerns, under the account's row lock.

    Args:
        external: What was held before the first run, by symbol.
        moving: Symbols that are left to the next run.
    """
    settled = Settled()
    held = positions.held(tx, ctx.name)
    one = _One(tx, ctx, statement, _without(statement, held, external), held, settled)
    for position in held:
        if position.instrument_type != "STOCK" or position.symbol in moving:
            continue
        if any(it.may_be_of(position.symbol) for it in statement.illegible_positions):
            continue
        done = isolated_in(tx, partial(one.settle, position), passing=STOPS_THE_RUN)
        if isinstance(done, Exception):
            one.hold_back(position, f"it could not be adjusted: {what_failed(done)}")
            settled.failures.append(f"{position.symbol}: {what_failed(done)}")
    return settled


def _without(
    statement: BrokerStatement, held: Sequence[Position], external: Mapping[str, Decimal]
) -> dict[str, BrokerPosition]:
    """The broker's positions without what was there before."""
    there = {it.symbol: it for it in statement.positions}
    quantities = {symbol: it.quantity for symbol, it in there.items()}
    ours = {it.symbol: it.quantity for it in held}
    counted = besides(quantities, ours, external)
    return {
        symbol: replace(there[symbol], quantity=quantity)
        for symbol, quantity in counted.items()
        if quantity
    }


@dataclass(frozen=True, slots=True)
class _One:
    """Settles one position after the other.

    Attributes:
        theirs: The broker's positions, without what was there before the first run.
    """

    tx: Transaction
    ctx: AccountContext
    statement: BrokerStatement
    theirs: Mapping[str, BrokerPosition]
    held: Sequence[Position]
    settled: Settled

    def settle(self, position: Position) -> None:
        now = self.ctx.now()
        current = positions.lock(self.tx, position.id)
        if current is None or current.status == "closed":
            return
        actions = due(self.tx, current, new_york_day(now))
        outcome = self._outcome(current, actions)
        if not actions and outcome == ():
            outcome = self._paid_later(current)
        if isinstance(outcome, Pending):
            if self._is_given_up(actions):
                rows.end_hold(self.tx, self.ctx.name, current.symbol, now=now)
                self._tell(current, outcome.reason)
            elif self._holds_back(current, actions):
                self.hold_back(current, outcome.reason, actions)
            else:
                self._tell(current, outcome.reason)
            return
        if outcome:
            self._apply(current, outcome)
        elif rows.held_back_since(self.tx, self.ctx.name, current.symbol, now - _LISTS_LAG_FOR):
            return  # a list that lags agrees as well
        rows.end_hold(self.tx, self.ctx.name, current.symbol, now=now)
        key = AlertKey("corporate_action_pending", self.ctx.name, current.symbol)
        alerts.resolve_alert(self.tx, key, now=now)

    def hold_back(
        self, position: Position, reason: str, actions: Sequence[CorporateAction] = ()
    ) -> None:
        """Let nothing be decided by the price of what it may not be any more."""
        now = self.ctx.now()
        rows.hold(self.tx, self.ctx.name, position.symbol, reason, now=now)
        self.settled.held_back |= {position.symbol, *(it.symbol_after for it in actions)}
        self.settled.counts["pending"] += 1
        self._tell(position, reason)

    def _tell(self, position: Position, reason: str) -> None:
        alert = corporate_action_pending(self.ctx.name, position.symbol, reason)
        alerts.open_alert(self.tx, alert, now=self.ctx.now())

    def _outcome(
        self, position: Position, actions: Sequence[CorporateAction]
    ) -> tuple[Application, ...] | Pending:
        now, activities = self.ctx.now(), self.statement.activities
        theirs = self.theirs.get(position.symbol)
        if actions:
            return self._unless_taken(
                position, adjustments.judge(actions, position, self.theirs, activities, now=now)
            )
        if theirs is None or theirs.quantity == position.quantity:
            return ()
        known = rows.of_position(self.tx, position.id)
        like = is_split_like(position, theirs.quantity, theirs.average_entry_price)
        if not like and not adjustments.is_of_before(position, theirs, known):
            return ()
        for activity in activities:
            found = adjustments.judge_activity(
                activity, position, theirs, activities, known, now=now
            )
            if found is not None:
                return (found,)
        return Pending(
            _UNEXPLAINED.format(
                theirs=theirs.quantity,
                price=theirs.average_entry_price,
                ours=position.quantity,
                entry=position.entry_price,
            )
        )

    def _paid_later(self, position: Position) -> tuple[Application, ...]:
        """The cash of an earlier fraction of a share, once the broker has booked it."""
        known = rows.of_position(self.tx, position.id)
        paid = adjustments.paid_later(
            position, known, self.statement.activities, now=self.ctx.now()
        )
        return () if paid is None else (paid,)

    def _unless_taken(
        self, position: Position, outcome: tuple[Application, ...] | Pending
    ) -> tuple[Application, ...] | Pending:
        """Nothing is renamed to what another position of the account is."""
        if isinstance(outcome, Pending):
            return outcome
        taken = {it.symbol for it in self.held if it.id != position.id}
        into = next((it.position.symbol for it in outcome if it.position.symbol in taken), None)
        return outcome if into is None else Pending(f"{into}, which it becomes, is held already")

    def _is_given_up(self, actions: Sequence[CorporateAction]) -> bool:
        """Whether the shares are gone and no booking is waited for that would say what they paid.

        Then the position ends as one that the broker lists no more: without a price, unverified.
        """
        if not actions or any({it.symbol, it.symbol_after} & {*self.theirs} for it in actions):
            return False
        waited = max(it.effective_on for it in actions) + SAME_WITHIN
        is_late = new_york_day(self.ctx.now()) > waited
        return is_late or any(not it.is_understood for it in actions)

    def _holds_back(self, position: Position, actions: Sequence[CorporateAction]) -> bool:
        """Whether prices may be those of other shares than the ledger's: else exits go on."""
        theirs = self.theirs.get(position.symbol)
        differs = theirs is None or theirs.quantity != position.quantity
        return differs or any(action.restates for action in actions)

    def _apply(self, position: Position, done: Sequence[Application]) -> None:
        after = adjusting.book(self.tx, done, tick=self.ctx.tick, now=self.ctx.now())
        if not after.quantity:
            _end(self.tx, self.ctx, position, after)
        self.settled.counts["adjusted"] += 1
        _note(self.ctx, position, after)


def _end(tx: Transaction, ctx: AccountContext, position: Position, after: Position) -> None:
    ended = replace(after, symbol=position.symbol, ticker=position.ticker)
    settlement.close_adjusted(tx, ended, now=ctx.now())


def _note(ctx: AccountContext, position: Position, after: Position) -> None:
    ctx.journal.happened(
        "position_adjusted",
        account=ctx.name,
        symbol=position.symbol,
        to=after.symbol,
        quantity=str(after.quantity),
    )


def settle_simulated(ctx: AccountContext, db: UnitsOfWork) -> list[str]:
    """Adjust the positions of a SIMULATED account, which no broker has: by what is announced.

    Returns what could not be adjusted, by position.
    """
    failures = []
    with db.transaction() as tx:
        facts.lock_account(tx, ctx.name)
        for position in positions.held(tx, ctx.name):
            if position.instrument_type != "STOCK":
                continue
            done = isolated_in(tx, partial(_simulated, tx, ctx, position), passing=STOPS_THE_RUN)
            if isinstance(done, Exception):
                failures.append(f"{position.symbol}: not adjusted: {what_failed(done)}")
    return failures


def _simulated(tx: Transaction, ctx: AccountContext, held: Position) -> None:
    position, now = positions.lock(tx, held.id), ctx.now()
    if position is None or position.status == "closed":
        return
    actions, unclear = adjustments.decidable(due(tx, position, new_york_day(now)))
    if unclear is not None:
        alert = corporate_action_pending(ctx.name, position.symbol, str(unclear))
        alerts.open_alert(tx, alert, now=now)
    if unclear is not None or not actions:
        return
    after = adjusting.book(
        tx, adjustments.by_announcement(actions, position, now=now), tick=ctx.tick, now=now
    )
    if not after.quantity:
        _end(tx, ctx, position, after)
    _note(ctx, position, after)


def wants_activities(
    tx: Transaction, ctx: AccountContext, theirs: Sequence[BrokerPosition]
) -> bool:
    """Whether the broker's activities may say something about what is held.

    That is while an action is due or its cash is not told, and where shares differ in number.
    """
    today = new_york_day(ctx.now())
    there = {it.symbol: it.quantity for it in theirs}
    return any(
        there.get(it.symbol) != it.quantity
        or due(tx, it, today)
        or adjustments.awaited(rows.of_position(tx, it.id)) is not None
        for it in positions.held(tx, ctx.name)
        if it.instrument_type == "STOCK"
    )


def activities_told(
    ctx: AccountContext, broker: Broker, since: datetime
) -> Sequence[BrokerCashActivity]:
    """What the broker booked without a trade.

    Without an answer nothing is proven by it: what waits for it is decided by another run.
    """
    try:
        return broker.cash_activities_since(since)
    except BrokerUnavailable as error:
        ctx.journal.went_wrong("activities_unknown", account=ctx.name, error=str(error))
        return ()


def due(tx: Transaction, position: Position, today: date) -> list[CorporateAction]:
    """The announced actions that the position has still to be adjusted for."""
    first = new_york_day(position.entry_time)
    announced = rows.in_force(tx, [position.symbol], first=first, last=today)
    if not announced:
        return []
    known = rows.of_position(tx, position.id)
    return adjustments.due(announced, position, known, today=today)
