"""Guards one account's positions: the only exit authority.

Each tick: recover what is unknown, bring orders and fills up to date, mark every
position, apply the exit rules, and keep a stop resting at the broker.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from pg8000.exceptions import DatabaseError

from ops_pipeline.db import positions
from ops_pipeline.db.driver.connection import log_message
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain import exits
from ops_pipeline.domain.exits import Decision, Position
from ops_pipeline.domain.market import Quote, Session, new_york_day
from ops_pipeline.errors import MarketDataUnavailable, OpsError, StageFailed
from ops_pipeline.execution import exit_orders, kill_switch, order_sync
from ops_pipeline.execution import recovery as recoveries
from ops_pipeline.execution.sending import STOPS_THE_RUN, AccountContext
from ops_pipeline.ports import Calendar, MarketData
from ops_pipeline.stages.request import AccountRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    recovered: int
    orders_synced: int
    orders_changed: int
    positions: int
    marked: int
    unpriced: int
    exits_sent: int
    stops_placed: int
    cancels_asked: int


def run(
    request: AccountRequest,
    ctx: AccountContext,
    *,
    market_data: MarketData,
    calendar: Calendar,
) -> Outcome:
    """Serve one account for one tick.

    Raises:
        StageFailed: some orders or positions could not be served; the others were.
        AccountMismatch, DatabaseUnavailable, CommitUnknown, LeaseLost: the run stopped.
    """
    if request.dry_run:
        recovery = recoveries.NOTHING
        synced = order_sync.Synced(0, 0, ())
    else:
        recovery = recoveries.recover(ctx, market_data=market_data, calendar=calendar)
        synced = order_sync.sync(ctx)
    counts: Counter[str] = Counter()
    failures = list(synced.failures)
    session = calendar.session(new_york_day(ctx.clock.now()))
    if not request.dry_run:
        failures += exit_orders.cancel_stale_entries(ctx, counts)
    with ctx.db.transaction() as tx:
        held = positions.held(tx, ctx.name)
    if not request.dry_run:
        _watch_deadlines(ctx, held)
    if session is not None and session.is_open(ctx.clock.now()):
        free = [it for it in held if it.id not in recovery.blocked_positions]
        quotes = _quotes(ctx, market_data, free)
        for position in free:
            failures += _guard(ctx, position, quotes, session, counts, dry=request.dry_run)
        if held or synced.looked_at:
            kill_switch.watch(ctx, calendar)
    if failures:
        raise StageFailed("; ".join(failures))
    return Outcome(
        recovered=recovery.settled,
        orders_synced=synced.looked_at,
        orders_changed=synced.changed,
        positions=len(held),
        marked=counts["marked"],
        unpriced=counts["unpriced"],
        exits_sent=counts["exits_sent"],
        stops_placed=counts["stops_placed"],
        cancels_asked=counts["cancels_asked"],
    )


def _watch_deadlines(ctx: AccountContext, held: list[Position]) -> None:
    """Alert of each position that has been closing for longer than it should take."""
    now = ctx.clock.now()
    deadline = timedelta(minutes=ctx.rules.exits.closing_deadline_minutes)
    for position in held:
        if position.status != "closing":
            continue
        with ctx.db.transaction() as tx:
            since = positions.closing_since(tx, position.id)
            if since is None or now - since <= deadline:
                continue
            alerts.open_alert(
                tx,
                kind="closing_overdue",
                scope=ctx.name,
                subject=position.symbol,
                severity="critical",
                message=f"{position.symbol} has been closing since {since:%H:%M} UTC",
                details={"position": position.id, "quantity": position.quantity},
                now=now,
            )


def _guard(
    ctx: AccountContext,
    position: Position,
    quotes: Mapping[str, Quote],
    session: Session,
    counts: Counter[str],
    *,
    dry: bool,
) -> list[str]:
    """Serve one position; what goes wrong with it does not keep the others waiting."""
    try:
        _serve(ctx, position, quotes.get(position.symbol), session, counts, dry=dry)
    except STOPS_THE_RUN:
        raise
    except (OpsError, DatabaseError) as error:
        ctx.journal.went_wrong(
            "position_not_served",
            position=str(position.id),
            symbol=position.symbol,
            error=type(error).__name__,
            message=log_message(error),
        )
        return [f"{position.symbol}: {type(error).__name__}: {log_message(error)}"]
    return []


def _serve(
    ctx: AccountContext,
    position: Position,
    quote: Quote | None,
    session: Session,
    counts: Counter[str],
    *,
    dry: bool,
) -> None:
    now = ctx.clock.now()
    limit_s = ctx.rules.gates.quote_age_s
    if quote is None or not quote.usable or quote.age_s(now) > limit_s:
        counts["unpriced"] += 1
        _alert_unpriced(ctx, position)
        return
    decision = _mark_and_decide(ctx, position, quote, session)
    if decision is None:
        return
    counts["marked"] += 1
    quiet = timedelta(seconds=ctx.rules.gates.quiet_before_close_s)
    if dry or session.closes_at - now <= quiet:
        return
    counts.update(exit_orders.place(ctx, decision, quote))


def _mark_and_decide(
    ctx: AccountContext, position: Position, quote: Quote, session: Session
) -> Decision | None:
    """Keep the mark and whatever the state rules changed; None when it was closed meanwhile."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        current = positions.lock(tx, position.id)
        if current is None or current.status == "closed":
            return None
        marked = exits.mark(current, quote)
        decision = exits.decide(
            current,
            marked,
            now=now,
            session=session,
            rules=ctx.rules.exits,
            fractional=ctx.account.fractional_shares,
        )
        if current.status == "closing":
            # An exit once decided is followed through, whatever price and rules say next.
            decision = replace(decision, sell=current.quantity, rule=current.close_reason)
        positions.save(tx, decision.position, now=now)
        positions.save_mark(tx, current, marked, quote, tick=ctx.tick, now=now)
        for event in decision.events:
            positions.add_event(
                tx,
                position_id=position.id,
                account=ctx.name,
                kind=event,
                details={"price": marked.price, "stop_loss": decision.position.stop_loss},
                now=now,
            )
        alerts.resolve_alert(
            tx, kind="position_unpriced", scope=ctx.name, subject=position.symbol, now=now
        )
    return decision


def _quotes(ctx: AccountContext, market_data: MarketData, held: list[Position]) -> dict[str, Quote]:
    symbols = sorted({position.symbol for position in held})
    if not symbols:
        return {}
    try:
        return market_data.quotes(symbols)
    except MarketDataUnavailable as error:
        ctx.journal.went_wrong("quotes_unknown", account=ctx.name, error=str(error))
        return {}


def _alert_unpriced(ctx: AccountContext, position: Position) -> None:
    with ctx.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="position_unpriced",
            scope=ctx.name,
            subject=position.symbol,
            severity="warning",
            message=f"No usable quote for {position.symbol}: its exit rules wait",
            details={"position": position.id},
            now=ctx.clock.now(),
        )
