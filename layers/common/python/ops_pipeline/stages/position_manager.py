"""Guards one account's positions: the only exit authority.

Each tick: recover unknown orders, sync orders and fills, compare a ledger in doubt with the
broker, carry out requests to close, mark every position, apply the exit rules, and keep a stop
resting at the broker.
"""

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from ops_pipeline.db import close_requests, positions
from ops_pipeline.db.driver.connection import Transaction, log_message
from ops_pipeline.db.holdings import corporate_actions, external
from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain import exits
from ops_pipeline.domain.exits import Decision, Position
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.market_state.trading_halts import TradingHalt
from ops_pipeline.domain.operations.alerts import (
    closing_overdue,
    parameters_invalid,
    position_unpriced,
)
from ops_pipeline.domain.prices.plausibility import IMPLAUSIBLE, JudgedQuote, confirmed
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.execution import (
    closing,
    external_orders,
    illegible_items,
    kill_switch,
    ledger_comparison,
    order_sync,
    price_check,
)
from ops_pipeline.execution import recovery as recoveries
from ops_pipeline.execution.context import AccountContext
from ops_pipeline.execution.exit_orders import ExitOrders
from ops_pipeline.execution.holdings import before_open, first_look
from ops_pipeline.execution.holdings import corporate_actions as adjust_for_actions
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import STOPS_THE_RUN, OrderGateway
from ops_pipeline.stages.request import AccountRequest

# No share's price moves so far between two looks without a reason: it may be another share's.
_FAR = Decimal("0.15")


@dataclass(frozen=True, slots=True)
class Outcome:
    """`unpriced` had no quote that is believed; of `implausible` there was one.

    `unconfirmed` had a quote past a stop that nothing else confirmed.
    """

    recovered: int
    orders_synced: int
    orders_changed: int
    positions: int
    marked: int
    unpriced: int
    implausible: int
    unconfirmed: int
    exits_sent: int
    stops_placed: int
    cancels_asked: int


def run(
    request: AccountRequest,
    ctx: AccountContext,
    *,
    db: UnitsOfWork,
    gateway: OrderGateway,
    market: MarketReader,
) -> Outcome:
    """Serve one account for one tick.

    Raises:
        StageFailed: some orders or positions could not be served; the others were.
        AccountMismatch, DatabaseUnavailable, CommitUnknown, LeaseLost: the run stopped.
    """
    counts: Counter[str] = Counter()
    exit_orders = ExitOrders(ctx, db, gateway, counts)
    recovery, synced = recoveries.NOTHING, order_sync.NOTHING
    if not request.dry_run:
        recovery = recoveries.recover(ctx, db, gateway, market)
        synced = order_sync.sync(ctx, db, gateway)
    failures = list(synced.failures)
    session = market.session()
    if not request.dry_run:
        failures += _before_serving(ctx, db, gateway, market)
        failures += exit_orders.cancel_unwanted()
    with db.transaction() as tx:
        _note_parameters(tx, ctx)
        held = positions.held(tx, ctx.name)
        held_back = corporate_actions.holds(tx, ctx.name)
    if not request.dry_run:
        _watch_deadlines(ctx, db, held)
    free = [
        it
        for it in held
        if it.id not in recovery.blocked_positions and _may_be_decided(it, held_back)
    ]
    exit_orders.halted = _halted(ctx, db, free)
    if session is not None and session.is_open(ctx.now()):
        guard = _PositionGuard(ctx, db, session, exit_orders, request.dry_run, counts)
        failures += _serve(guard, market, free)
        if held or synced.looked_at:
            _watch_loss(ctx, db, gateway, market)
    elif not request.dry_run:
        failures += _rest_stops(ctx, exit_orders, free)
        failures += before_open.lower_stops(ctx, db, market, exit_orders)
    if failures:
        raise StageFailed("; ".join(failures))
    return _outcome(recovery, synced, held, counts)


def _halted(
    ctx: AccountContext, db: UnitsOfWork, held: Sequence[Position]
) -> Mapping[str, TradingHalt]:
    """Halts of what is held; where they can't be read exits go on as if there were none."""

    def read() -> Mapping[str, TradingHalt]:
        with db.transaction() as tx:
            return trading_halts.holding_exits(tx, (it.ticker for it in held), now=ctx.now())

    found = isolated(read, passing=STOPS_THE_RUN) if held else {}
    if isinstance(found, Exception):
        ctx.journal.went_wrong("halts_unknown", account=ctx.name, error=what_failed(found))
        return {}
    return found


def _may_be_decided(position: Position, held_back: Container[str]) -> bool:
    """Whether its price is that of the shares that are held here.

    While that is not known the stop that rests at the broker is all that is left as it is; only
    a person's word to sell goes on.
    """
    asked = position.exit_requested in ("operator", "emergency")
    return asked or position.symbol not in held_back


def _count_anew(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, market: MarketReader
) -> list[str]:
    """Before the open; in a session an account that has a broker is the reconciler's to adjust."""
    if gateway.broker is not None:
        return before_open.count_anew(ctx, db, gateway, market)
    return adjust_for_actions.settle_simulated(ctx, db)


def _before_serving(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, market: MarketReader
) -> list[str]:
    """Steps that come before the positions; whatever one raises, these are served."""
    steps: dict[str, Callable[[], list[str]]] = {
        "what was held before is not known": lambda: first_look.take(ctx, db, gateway.broker),
        "ledger not compared": lambda: ledger_comparison.compare_if_in_doubt(ctx, db, gateway),
        "corporate actions not counted": lambda: _count_anew(ctx, db, gateway, market),
        "closes not carried out": lambda: _carry_out_closes(ctx, db, gateway),
    }
    failures = []
    for what, step in steps.items():
        done = isolated(step, passing=STOPS_THE_RUN)
        failures += [f"{what}: {what_failed(done)}"] if isinstance(done, Exception) else done
    return failures


def _note_parameters(tx: Transaction, ctx: AccountContext) -> None:
    """Alert while the guard goes on with other parameters than those in force."""
    fault, now = ctx.parameter_fault, ctx.now()
    if fault is None:
        alerts.resolve_kinds(tx, kinds=("parameters_invalid",), scope=EVERYTHING, now=now)
    else:
        alerts.open_alert(tx, parameters_invalid(fault, ctx.parameters.version), now=now)


def _watch_loss(
    ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway, market: MarketReader
) -> None:
    with db.transaction() as tx:
        before = external.read(tx, ctx.name, day_start=ctx.day_start())
    limit = ctx.account.max_daily_loss
    loss = kill_switch.broker_loss(market, gateway.broker, before, limit)
    with db.transaction() as tx:
        kill_switch.watch(tx, ctx.name, loss, tick=ctx.tick, now=ctx.now())


def _quotes(
    ctx: AccountContext,
    db: UnitsOfWork,
    market: MarketReader,
    session: Session,
    held: Sequence[Position],
) -> Mapping[str, JudgedQuote]:
    """The judged quotes of these positions, with an alert on each that can't be read."""
    symbols = [position.symbol for position in held]
    quotes = market.quotes(symbols)
    if not symbols:
        return {}
    with db.transaction() as tx:
        illegible_items.update_market(tx, "quote", quotes, quotes.illegible, ctx.now())
        judged = price_check.judge_quotes(
            tx,
            quotes,
            now=ctx.now(),
            session=session,
            rules=ctx.rules,
            earlier={position.symbol: exits.earlier_quotes(position) for position in held},
        )
    return {symbol: confirmed(quote) for symbol, quote in judged.items()}


def _carry_out_closes(ctx: AccountContext, db: UnitsOfWork, gateway: OrderGateway) -> list[str]:
    """Take the step of each open close; what a person placed at the broker is looked for first."""
    failures = []
    with db.transaction() as tx:
        scope = close_requests.scope_by_operator(tx, ctx.name)
    if scope is None or scope:
        try:
            external_orders.adopt_resting(db, gateway, scope)
        except BrokerUnavailable as error:
            failures.append(f"orders by hand not listed: {error}")
    with db.transaction() as tx:
        closing.carry_out(tx, ctx.name, ctx.now())
    return failures


def _outcome(
    recovery: recoveries.Recovery,
    synced: order_sync.Synced,
    held: Sequence[Position],
    counts: Counter[str],
) -> Outcome:
    return Outcome(
        recovered=recovery.settled,
        orders_synced=synced.looked_at,
        orders_changed=synced.changed,
        positions=len(held),
        marked=counts["marked"],
        unpriced=counts["unpriced"],
        implausible=counts["implausible"],
        unconfirmed=counts["unconfirmed"],
        exits_sent=counts["exits_sent"],
        stops_placed=counts["stops_placed"],
        cancels_asked=counts["cancels_asked"],
    )


def _serve(guard: "_PositionGuard", market: MarketReader, free: Sequence[Position]) -> list[str]:
    """Serve these positions in a session; returns the failures, by position."""
    quotes = _quotes(guard.ctx, guard.db, market, guard.session, free)
    return [
        failure
        for position in free
        for failure in guard.serve(position, quotes.get(position.symbol))
    ]


def _rest_stops(
    ctx: AccountContext, exit_orders: ExitOrders, free: Sequence[Position]
) -> list[str]:
    """Protect what the session left without a stop; returns the failures, by position."""
    failures = []
    for position in free:
        failed = isolated(
            partial(exit_orders.protect_out_of_session, position), passing=STOPS_THE_RUN
        )
        if failed is not None:
            failures.append(_not_served(ctx, position, failed))
    return failures


def _not_served(ctx: AccountContext, position: Position, failed: Exception) -> str:
    name, message = type(failed).__name__, log_message(failed)
    ctx.journal.went_wrong(
        "position_not_served",
        position=str(position.id),
        symbol=position.symbol,
        error=name,
        message=message,
    )
    return f"{position.symbol}: {name}: {message}"


def _watch_deadlines(ctx: AccountContext, db: UnitsOfWork, held: Sequence[Position]) -> None:
    """Alert on positions that have been closing for too long."""
    now = ctx.now()
    deadline = timedelta(minutes=ctx.rules.exits.closing_deadline_minutes)
    for position in held:
        if position.status != "closing":
            continue
        with db.transaction() as tx:
            since = positions.closing_since(tx, position.id)
            if since is not None and now - since > deadline:
                alerts.open_alert(tx, closing_overdue(position, since), now=now)


@dataclass(frozen=True, slots=True)
class _PositionGuard:
    """Marks positions and applies the exit rules, one position after the other.

    Attributes:
        dry_run: Sends nothing.
    """

    ctx: AccountContext
    db: UnitsOfWork
    session: Session
    exit_orders: ExitOrders
    dry_run: bool
    counts: Counter[str]

    def serve(self, position: Position, quote: JudgedQuote | None) -> list[str]:
        """Serve one position; a failure does not hold up the others."""
        failed = isolated(lambda: self._serve(position, quote), passing=STOPS_THE_RUN)
        return [] if failed is None else [_not_served(self.ctx, position, failed)]

    def _serve(self, position: Position, quote: JudgedQuote | None) -> None:
        now = self.ctx.now()
        if quote is None or not quote.believed:
            with self.db.transaction() as tx:
                self._note_unpriced(tx, position, quote)
            if self._may_send(now):
                self._serve_unpriced(position, quote)
            return
        if self._is_of_other_shares(position, quote):
            return
        with self.db.transaction() as tx:
            decision = self._mark_and_decide(tx, position, quote)
        if decision is None:
            return
        self.counts["marked"] += 1
        self.counts["unconfirmed"] += decision.unconfirmed
        if self._may_send(now):
            self.exit_orders.place(decision, quote)

    def _is_of_other_shares(self, position: Position, quote: JudgedQuote) -> bool:
        """Whether a price far from the last one is that of shares which the broker counts anew.

        A mark by it would raise the stop and the peak, which the adjustment restates.
        """
        known = position.current_price or position.entry_price
        if self.dry_run or position.instrument_type != "STOCK":
            return False
        far = abs(quote.quote.mid / known - 1) > _FAR
        return far and self.exit_orders.counts_otherwise(position)

    def _serve_unpriced(self, position: Position, quote: JudgedQuote | None) -> None:
        """Sell what is due at any price, within the collar around what was traded; else protect."""
        now, rules = self.ctx.now(), self.ctx.rules
        due = exits.due_at_any_price(position, now=now, session=self.session, rules=rules.exits)
        if due is None or quote is None or quote.anchor is None:
            return self.exit_orders.protect(position)
        if quote.quote.age_s(now) > rules.gates.quote_age_s:
            return self.exit_orders.protect(position)
        return self.exit_orders.place(Decision(position, (), position.quantity, due), quote)

    def _note_unpriced(
        self, tx: Transaction, position: Position, quote: JudgedQuote | None
    ) -> None:
        """Count the tick; alert at once where there is no quote, else when it lasts."""
        now, doubt = self.ctx.now(), None if quote is None else quote.doubt
        after = exits.unpriced(position, quote)
        odd = doubt is not None and doubt.kind in IMPLAUSIBLE
        self.counts["unpriced"] += 1
        self.counts["implausible"] += odd
        positions.save_doubt(tx, after, now=now)
        if odd and doubt is not None:
            self.ctx.journal.went_wrong(
                "quote_implausible", symbol=position.symbol, reason=doubt.reason
            )
        if not odd or after.unpriced_ticks >= self.ctx.rules.prices.unpriced_ticks:
            reason = "there is none" if doubt is None else doubt.reason
            alerts.open_alert(tx, position_unpriced(after, reason), now=now)

    def _may_send(self, now: datetime) -> bool:
        quiet = timedelta(seconds=self.ctx.rules.gates.quiet_before_close_s)
        return not self.dry_run and self.session.closes_at - now > quiet

    def _mark_and_decide(
        self, tx: Transaction, position: Position, quote: JudgedQuote
    ) -> Decision | None:
        """Store the mark and the state rules' changes; None if it was closed meanwhile."""
        ctx, now = self.ctx, self.ctx.now()
        current = positions.lock(tx, position.id)
        if current is None or current.status == "closed":
            return None
        marked = exits.mark(current, quote.quote)
        decision = exits.decide(
            current,
            marked,
            now=now,
            session=self.session,
            rules=ctx.rules.exits,
            witnesses=quote.witnesses,
            fractional=ctx.account.fractional_shares,
        )
        if current.status == "closing":
            # An exit that was decided is completed, whatever price and rules say now.
            decision = replace(decision, sell=current.quantity, rule=current.close_reason)
        positions.save(tx, decision.position, now=now)
        positions.save_mark(tx, current, marked, quote.quote, tick=ctx.tick, now=now)
        if current.unpriced_ticks:
            positions.save_doubt(tx, exits.priced(current), now=now)
        for event in decision.events:
            positions.add_event(
                tx,
                position_id=position.id,
                account=ctx.name,
                kind=event,
                details={"price": marked.price, "stop_loss": decision.position.stop_loss},
                now=now,
            )
        alerts.resolve_alert(tx, position_unpriced(position, "").key, now=now)
        return decision
