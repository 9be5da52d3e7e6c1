"""When a position is sold: state rules first, then the first exit rule that applies.

Prices are mids of a believed quote, USD; gains are fractions of the entry price. A stop also
needs a second price at or under it: of a trade, a bar or an earlier quote.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal
from uuid import UUID

from ops_pipeline.domain.accounts import ExecutionMode
from ops_pipeline.domain.market import Quote, Session
from ops_pipeline.domain.orders import stop_price, whole_units
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.prices.plausibility import UNCONFIRMED, Evidence, JudgedQuote
from ops_pipeline.domain.trading_terms import (
    ExitRequest,
    ExitRule,
    Instrument,
    LifecycleState,
    PositionStatus,
    StateRule,
    Strategy,
    TradeReason,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """One row of `active_positions`; see the comments there."""

    id: UUID
    execution_id: UUID | None
    account_name: str
    execution_mode: ExecutionMode
    broker: str
    ticker: str
    symbol: str
    instrument_type: Instrument
    strategy_type: Strategy
    quantity: Decimal
    opened_quantity: Decimal
    multiplier: int
    entry_price: Decimal
    entry_time: datetime
    stop_loss: Decimal | None
    take_profit: Decimal | None
    initial_risk: Decimal | None
    max_hold_minutes: int | None
    peak_price: Decimal | None
    trough_price: Decimal | None
    trailing_armed: bool
    lifecycle_state: LifecycleState
    status: PositionStatus
    close_reason: TradeReason | None
    exit_requested: ExitRequest | None
    current_price: Decimal | None = None
    priced_at: datetime | None = None
    unpriced_ticks: int = 0
    doubted_price: Decimal | None = None
    doubted_at: datetime | None = None

    def gain(self, price: Decimal) -> float:
        return float(price / self.entry_price - 1)


@dataclass(frozen=True, slots=True)
class Mark:
    """A position valued at one price: P&L of what is held, and the extremes so far."""

    price: Decimal
    pnl_dollars: Decimal
    pnl_percent: float
    peak: Decimal
    trough: Decimal


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a position now.

    Attributes:
        position: With the state rules applied (stop raised). A partial exit arms the
            trailing stop when its order is committed, not before.
        events: State rules that applied, for position_events.
        sell: Quantity to sell, 0 for none.
        rule: The reason for the sale.
        unconfirmed: The quote has passed a stop, and nothing else says so yet.
    """

    position: Position
    events: tuple[StateRule, ...]
    sell: Decimal
    rule: TradeReason | None
    unconfirmed: bool = False


def earlier_quotes(position: Position) -> list[Evidence]:
    """What the quotes of earlier ticks said: the last believed one, and a doubted one since."""
    pairs = (
        (position.current_price, position.priced_at),
        (position.doubted_price, position.doubted_at),
    )
    return [
        Evidence(price, at, "quote") for price, at in pairs if price is not None and at is not None
    ]


def unpriced(position: Position, judged: JudgedQuote | None) -> Position:
    """The position after a tick without a believed quote.

    One that was only too far from the market, or alone, is kept: it counts when the next agrees.
    """
    doubt = None if judged is None else judged.doubt
    kept = judged.quote if judged and doubt and doubt.kind in UNCONFIRMED else None
    return replace(
        position,
        unpriced_ticks=position.unpriced_ticks + 1,
        doubted_price=None if kept is None else kept.mid,
        doubted_at=None if kept is None else kept.ts,
    )


def priced(position: Position) -> Position:
    """The position after a tick with a believed quote."""
    return replace(position, unpriced_ticks=0, doubted_price=None, doubted_at=None)


def mark(position: Position, quote: Quote) -> Mark:
    """Value a position at the quote's mid."""
    price = quote.mid
    pnl = (price - position.entry_price) * position.quantity * position.multiplier
    return Mark(
        price=price,
        pnl_dollars=pnl.quantize(Decimal("0.0001")),
        pnl_percent=position.gain(price) * 100,
        peak=max(price, position.peak_price or position.entry_price),
        trough=min(price, position.trough_price or position.entry_price),
    )


def first_stop(entry_price: Decimal, rules: ExitRules) -> Decimal:
    return stop_price(entry_price * (1 - Decimal(str(rules.stop_loss))))


def first_target(entry_price: Decimal, rules: ExitRules) -> Decimal:
    return (entry_price * (1 + Decimal(str(rules.take_profit)))).quantize(Decimal("0.0001"))


def trailing_level(position: Position, peak: Decimal, rules: ExitRules) -> Decimal:
    """The price at which the stated share of the peak gain is kept."""
    return position.entry_price + (peak - position.entry_price) * Decimal(str(rules.trailing_keeps))


def armed(position: Position) -> Position:
    """The position after its partial exit, done or skipped: the stop trails from here on."""
    return replace(position, trailing_armed=True, lifecycle_state="partial")


def disarmed(position: Position) -> Position:
    """The position after a partial exit that sold nothing: the rule may apply again."""
    return replace(position, trailing_armed=False, lifecycle_state="breakeven")


def closing(position: Position, rule: TradeReason) -> Position:
    """The position while all of it is being sold under this rule."""
    return replace(position, status="closing", close_reason=rule)


def decide(
    position: Position,
    marked: Mark,
    *,
    now: datetime,
    session: Session,
    rules: ExitRules,
    witnesses: Sequence[Decimal],
    fractional: bool = False,
) -> Decision:
    """Apply the state rules, then find the first exit rule that applies.

    Args:
        witnesses: Recent prices beside the quote; a stop applies only where one is past it too.
    """
    position = replace(position, peak_price=marked.peak, trough_price=marked.trough)
    position, events, partial = _apply_state_rules(position, marked.price, rules, fractional)
    passed = _stops_passed(position, marked.price, rules)
    stops = {rule: level for rule, level in passed.items() if any(it <= level for it in witnesses)}
    rule = _exit_rule(position, marked.price, now, session, rules, stops=stops)
    if rule is not None:
        return Decision(position, events, position.quantity, rule)
    unconfirmed = bool(passed)
    if partial > 0:
        return Decision(position, events, partial, "partial", unconfirmed)
    return Decision(position, events, Decimal(0), None, unconfirmed)


def due_at_any_price(
    position: Position, *, now: datetime, session: Session, rules: ExitRules
) -> TradeReason | None:
    """The exit that the price has no say in: one under way, asked for, or due by time."""
    if position.status == "closing":
        return position.close_reason
    return _exit_rule(position, Decimal(0), now, session, rules, stops=())


def _stops_passed(position: Position, price: Decimal, rules: ExitRules) -> dict[ExitRule, Decimal]:
    """The stops that this price is at or under, with their levels."""
    levels: dict[ExitRule, Decimal] = {}
    if position.stop_loss is not None:
        levels["stop_loss"] = position.stop_loss
    if position.trailing_armed:
        levels["trailing_stop"] = trailing_level(position, position.peak_price or price, rules)
    return {rule: level for rule, level in levels.items() if price <= level}


def _apply_state_rules(
    position: Position, price: Decimal, rules: ExitRules, fractional: bool
) -> tuple[Position, tuple[StateRule, ...], Decimal]:
    gain = position.gain(price)
    events: list[StateRule] = []
    partial = Decimal(0)
    if (
        gain >= rules.breakeven_gain
        and position.stop_loss is not None
        and position.stop_loss < stop_price(position.entry_price)
    ):
        position = replace(
            position, stop_loss=stop_price(position.entry_price), lifecycle_state="breakeven"
        )
        events.append("breakeven")
    if gain >= rules.partial_gain and not position.trailing_armed:
        share = position.quantity * Decimal(str(rules.partial_share))
        partial = whole_units(share, fractional=fractional)
        if partial in (0, position.quantity):
            partial = Decimal(0)
            position = armed(position)
            events.append("partial_rounds_to_nothing")
    return position, tuple(events), partial


def _exit_rule(
    position: Position,
    price: Decimal,
    now: datetime,
    session: Session,
    rules: ExitRules,
    *,
    stops: Container[ExitRule],
) -> ExitRule | None:
    """`stops`: those that are passed and confirmed."""
    held_minutes = (now - position.entry_time).total_seconds() / 60
    minutes_left = session.minutes_to_close(now)
    asked = position.exit_requested
    checks: tuple[tuple[ExitRule, bool], ...] = (
        ("operator", asked == "operator"),
        ("emergency", asked == "emergency"),
        (
            "session_end",
            position.strategy_type == "day_trade" and minutes_left <= rules.session_end_minutes,
        ),
        ("stop_loss", "stop_loss" in stops),
        ("trailing_stop", "trailing_stop" in stops),
        ("take_profit", position.take_profit is not None and price >= position.take_profit),
        ("signal", asked == "signal"),
        (
            "time",
            position.max_hold_minutes is not None and held_minutes > position.max_hold_minutes,
        ),
    )
    return next((rule for rule, applies in checks if applies), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a closed trade; None where its fills do not prove it."""

    exit_price: Decimal | None
    pnl_dollars: Decimal | None
    pnl_pct: float | None
    r_multiple: float | None
    mae_pct: float | None
    mfe_pct: float | None
    label: Literal["win", "loss", "flat"] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """How a position ended: the rule, the moment, the account's execution mode, the result."""

    reason: TradeReason
    at: datetime
    mode: ExecutionMode
    result: Result


def result(position: Position, sold_quantity: Decimal, sold_value: Decimal) -> Result:
    """The result of a position from its exit fills.

    Args:
        sold_quantity: Units sold by fills; must be all that was opened to be verified.
        sold_value: Sum of quantity x price over these fills, USD a share (no multiplier).
    """
    mae = _percent(position, position.trough_price)
    mfe = _percent(position, position.peak_price)
    if sold_quantity != position.opened_quantity or sold_quantity == 0:
        return Result(
            exit_price=None,
            pnl_dollars=None,
            pnl_pct=None,
            r_multiple=None,
            mae_pct=mae,
            mfe_pct=mfe,
            label=None,
        )
    cost = position.entry_price * sold_quantity
    pnl = (sold_value - cost) * position.multiplier
    per_share = (sold_value - cost) / sold_quantity
    return Result(
        exit_price=(sold_value / sold_quantity).quantize(Decimal("0.000001"), ROUND_DOWN),
        pnl_dollars=pnl.quantize(Decimal("0.0001")),
        pnl_pct=float((sold_value / cost - 1) * 100),
        r_multiple=float(per_share / position.initial_risk) if position.initial_risk else None,
        mae_pct=mae,
        mfe_pct=mfe,
        label="win" if pnl > 0 else "loss" if pnl < 0 else "flat",
    )


def _percent(position: Position, price: Decimal | None) -> float | None:
    return None if price is None else position.gain(price) * 100
