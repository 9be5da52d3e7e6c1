"""Alerts, with one constructor for each alert about trading and its text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple, get_args

from ops_pipeline.domain.broker import BrokerAccount
from ops_pipeline.domain.cash import CashReading
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.costs.settling import FeeDay
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.operations.unbooked import UnbookedFact
from ops_pipeline.domain.orders import Order, Status
from ops_pipeline.domain.reconciliation import Break, BreakKind

Severity = Literal["info", "warning", "critical"]
PositionAlert = Literal[
    "closing_overdue",
    "corporate_action_pending",
    "exit_blocked",
    "nothing_to_sell",
    "position_unpriced",
    "sale_not_executed",
]
AlertKind = Literal[
    PositionAlert,
    BreakKind,
    "account_blocked",
    "account_not_configured",
    "bars_doubted",
    "bars_missing",
    "broker_status_unknown",
    "cash_differs",
    "check_failed",
    "classifier_backlog",
    "corporate_action_announced",
    "entries_refused",
    "fact_unbooked",
    "failure_rate",
    "feed_failing",
    "feed_floods",
    "feed_old",
    "feed_undated",
    "fee_unexplained",
    "fill_unpriced",
    "filled_beyond_limit",
    "halts_unread",
    "invariant_broken",
    "item_illegible",
    "kill_switch",
    "ledger_in_doubt",
    "losing_streak",
    "no_feeds",
    "order_disagrees",
    "order_limit",
    "order_outcome_unknown",
    "order_overfilled",
    "order_vanished",
    "output_stale",
    "oversold",
    "parameters_invalid",
    "price_jump",
    "stage_failed",
    "stage_silent",
    "ticker_halted",
    "volatility_unknown",
    "worker_died",
]

# Resolved when the position closes.
ENDED_WITH_THE_POSITION: tuple[PositionAlert, ...] = get_args(PositionAlert)


class AlertKey(NamedTuple):
    """What an alert is about; at most one alert per key is open.

    Attributes:
        scope: The account it concerns, "*" where it concerns all.
        subject: The stage, symbol or order.
    """

    kind: AlertKind
    scope: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that a person should know; kind, scope and subject as in AlertKey.

    Attributes:
        message: One sentence for a person.
        details: The facts behind it; a value that JSON has no type for is stored as text.
    """

    kind: AlertKind
    scope: str
    subject: str
    severity: Severity
    message: str
    details: Mapping[str, object]

    @property
    def key(self) -> AlertKey:
        return AlertKey(self.kind, self.scope, self.subject)


def parameters_invalid(fault: str, instead: int | None) -> Alert:
    """The version in force can't be used; `instead` is what the guard takes, None the defaults."""
    used = "the shipped defaults" if instead is None else f"version {instead}"
    return Alert(
        kind="parameters_invalid",
        scope="*",
        subject="parameters",
        severity="critical",
        message=f"{fault}. Entries are refused; positions are guarded with {used}",
        details={"fault": fault, "guarded_with": instead},
    )


def broker_status_unknown(order: Order, status: str) -> Alert:
    return Alert(
        kind="broker_status_unknown",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="warning",
        message=f"The broker reports an order status that is unknown here: {status!r}",
        details={"status": status},
    )


def order_overfilled(order: Order) -> Alert:
    return Alert(
        kind="order_overfilled",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=f"{order.client_order_id} filled {order.filled_qty}, ordered were {order.quantity}",
        details={"symbol": order.symbol, "filled": order.filled_qty, "ordered": order.quantity},
    )


def filled_beyond_limit(order: Order, price: Decimal) -> Alert:
    """`price`: the worst that is told, of one execution or on average, USD."""
    word = "above" if order.side == "buy" else "below"
    return Alert(
        kind="filled_beyond_limit",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=(
            f"{order.client_order_id} {order.symbol} filled at {price}, {word} its limit of "
            f"{order.price}: booked as it came, ask the broker"
        ),
        details={"symbol": order.symbol, "price": price, "limit": order.price},
    )


def fill_unpriced(order: Order, filled: Decimal) -> Alert:
    """What the broker says is filled without a price, and no fill tells one: not booked yet."""
    return Alert(
        kind="fill_unpriced",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=f"{order.client_order_id} filled {filled} {order.symbol}, at no price yet",
        details={"symbol": order.symbol, "filled": filled, "booked": order.filled_qty},
    )


def corporate_action_announced(symbol: str, actions: Sequence[CorporateAction]) -> Alert:
    """Something is about to happen to what is held."""
    return Alert(
        kind="corporate_action_announced",
        scope="*",
        subject=symbol,
        severity="info",
        message=f"Announced: {'; '.join(map(str, actions))}",
        details={"actions": [action.action_id for action in actions]},
    )


def corporate_action_pending(account: str, symbol: str, reason: str) -> Alert:
    """What is announced, or found, and the broker's shares do not agree: nothing is decided."""
    return Alert(
        kind="corporate_action_pending",
        scope=account,
        subject=symbol,
        severity="critical",
        message=f"{symbol} may be other shares than here: {reason}",
        details={"reason": reason},
    )


def item_illegible(scope: str, item: IllegibleItem) -> Alert:
    """One item of a vendor's list that could not be read; the others were used."""
    return Alert(
        kind="item_illegible",
        scope=scope,
        subject=item.subject,
        severity="warning" if item.has_ended else "critical",
        message=f"Not legible: {item}",
        details={"reason": item.reason, "symbol": item.symbol, "content": item.content},
    )


def bars_doubted(ticker: str, bars: int, why: str) -> Alert:
    return Alert(
        kind="bars_doubted",
        scope="*",
        subject=ticker,
        severity="warning",
        message=f"{ticker}: its last {bars} bars are not believed: {why}",
        details={"bars": bars},
    )


def bars_missing(requests: int, error: str) -> Alert:
    """Bars of some tickers could not be read or stored; they are asked for again each minute."""
    return Alert(
        kind="bars_missing",
        scope="*",
        subject="telemetry",
        severity="warning",
        message=f"{requests} requests for bars failed, the first with: {error}",
        details={"requests": requests},
    )


def fact_unbooked(account: str, fact: UnbookedFact) -> Alert:
    """The broker tells what contradicts our ledger, or what nothing in it explains."""
    return Alert(
        kind="fact_unbooked",
        scope=account,
        subject=fact.subject,
        severity="critical",
        message=f"Not booked: {fact.subject}: {fact.reason}",
        details={"reason": fact.reason, "symbol": fact.symbol, "content": fact.content},
    )


def order_outcome_unknown(order: Order) -> Alert:
    return Alert(
        kind="order_outcome_unknown",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=f"The outcome of order {order.client_order_id} is unknown",
        details={"decided_at": order.decided_at, "purpose": order.purpose},
    )


def order_disagrees(order: Order, why: str) -> Alert:
    return Alert(
        kind="order_disagrees",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=f"The broker holds a different order under this id ({why})",
        details={"why": why},
    )


def ledger_in_doubt(account: str, reason: str) -> Alert:
    """The database was rebuilt, restored, or lacks what it had: resolved by `ops resume`."""
    return Alert(
        kind="ledger_in_doubt",
        scope=account,
        subject=account,
        severity="critical",
        message=f"No entries until ledger and broker agree and somebody resumes: {reason}",
        details={"reason": reason},
    )


def sale_not_executed(order: Order, status: Status, reason: str) -> Alert:
    return Alert(
        kind="sale_not_executed",
        scope=order.account_name,
        subject=order.symbol,
        severity="critical",
        message=f"A sale of {order.symbol} was not executed: {reason}",
        details={"order": order.client_order_id, "status": status},
    )


def oversold(position: Position, order: Order, excess: Decimal) -> Alert:
    """`excess`: units sold beyond what was held."""
    return Alert(
        kind="oversold",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=f"{order.client_order_id} sold {excess} more {position.symbol} than was held",
        details={"order": order.client_order_id, "held": position.quantity},
    )


def nothing_to_sell(position: Position, rule: str) -> Alert:
    return Alert(
        kind="nothing_to_sell",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=f"{position.symbol} should be sold ({rule}) but the broker reports none available",
        details={"position": position.id, "quantity": position.quantity},
    )


def exit_blocked(position: Position, pending: Sequence[Order]) -> Alert:
    """`pending`: orders whose cancel has not been confirmed in time."""
    return Alert(
        kind="exit_blocked",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=(
            f"{position.symbol} cannot be sold, and may have no stop: "
            f"the cancel of {pending[0].client_order_id} is not confirmed"
        ),
        details={
            "position": position.id,
            "orders": [order.client_order_id for order in pending],
        },
    )


def closing_overdue(position: Position, since: datetime) -> Alert:
    return Alert(
        kind="closing_overdue",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=f"{position.symbol} has been closing since {since:%H:%M} UTC",
        details={"position": position.id, "quantity": position.quantity},
    )


def not_sellable(position: Position, reason: str) -> Alert:
    """An exit is decided and the broker would not take it: the resting stop stays."""
    return Alert(
        kind="exit_blocked",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=f"{position.symbol} cannot be sold: {reason}",
        details={"position": position.id, "quantity": position.quantity},
    )


def held_by_hand(position: Position, by_hand: Sequence[Order]) -> Alert:
    """A person's own live orders in the symbol are in the way of ours."""
    names = ", ".join(f"{it.side} {it.remaining} ({it.client_order_id})" for it in by_hand)
    return Alert(
        kind="exit_blocked",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=(
            f"{position.symbol} is not wholly ours to sell: an order placed by hand rests, "
            f"{names}; end it at the broker, or with ops close"
        ),
        details={
            "position": position.id,
            "quantity": position.quantity,
            "orders": [order.client_order_id for order in by_hand],
        },
    )


def order_vanished(order: Order) -> Alert:
    return Alert(
        kind="order_vanished",
        scope=order.account_name,
        subject=order.client_order_id,
        severity="critical",
        message=f"The broker no longer knows {order.client_order_id}, which it had accepted",
        details={"symbol": order.symbol, "purpose": order.purpose},
    )


def position_unpriced(position: Position, reason: str) -> Alert:
    """`reason`: what is wrong with its quote."""
    return Alert(
        kind="position_unpriced",
        scope=position.account_name,
        subject=position.symbol,
        severity="warning",
        message=(
            f"No quote of {position.symbol} to be believed, so its exit rules are not evaluated: "
            f"{reason}"
        ),
        details={"position": position.id, "ticks": position.unpriced_ticks},
    )


def kill_switch(account: str, reason: str, day: date) -> Alert:
    return Alert(
        kind="kill_switch",
        scope=account,
        subject=account,
        severity="critical",
        message=reason,
        details={"day": day},
    )


def account_blocked(account: str, told: BrokerAccount) -> Alert:
    """The broker takes no orders: nothing can be bought, and nothing sold but by resting stops."""
    return Alert(
        kind="account_blocked",
        scope=account,
        subject=account,
        severity="critical",
        message=f"{account} takes no orders at its broker: {told.why_blocked or told.raw_status}",
        details={"status": told.raw_status},
    )


def order_limit(account: str, reason: str) -> Alert:
    """Entries are halted since the account sent as many orders as it may."""
    return Alert(
        kind="order_limit",
        scope=account,
        subject=account,
        severity="critical",
        message=f"Entries are halted until ops resume: {reason}",
        details={},
    )


def worker_died(target: str, reason: str, severity: Severity) -> Alert:
    """A thread of `ops up` ended on an error that nobody foresaw; it is started again."""
    return Alert(
        kind="worker_died",
        scope="*",
        subject=target,
        severity=severity,
        message=f"The worker of {target} died and was started again: {reason}",
        details={"reason": reason},
    )


def disagreement(account: str, found: Break) -> Alert:
    """Our ledger and the broker differ, or what is held exceeds the limits."""
    return Alert(
        kind=found.kind,
        scope=account,
        subject=found.subject,
        severity="critical",
        message=found.message,
        details={"ours": found.ours, "broker": found.broker},
    )


def cash_differs(
    account: str, before: CashReading, now: CashReading, unexplained: Decimal
) -> Alert:
    return Alert(
        kind="cash_differs",
        scope=account,
        subject=account,
        severity="warning",
        message=f"Cash moved by ${unexplained} that no fill, fee, dividend or deposit explains",
        details={
            "unexplained": unexplained,
            "cash": now.cash,
            "was": before.cash,
            "at": before.at,
        },
    )


def fee_unexplained(account: str, day: FeeDay, why: str) -> Alert:
    return Alert(
        kind="fee_unexplained",
        scope=account,
        subject=day.subject,
        severity="warning",
        message=f"Fee {day.word} for trades of {day.day.isoformat()}: {why}",
        details={"charged": day.charged, "expected": day.expected, "orders": len(day.estimated)},
    )
