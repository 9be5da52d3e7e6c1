"""The tables of order management, and what of the market statements ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any

from ops_local.backtest.book.tables import Table, Undo
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.adjustments import Adjustment
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.holdings.external import ExternalHolding
from ops_pipeline.domain.orders import Order

_ZERO = Decimal(0)


def _columns(kind: type, **more: Any) -> dict[str, Any]:
    """The columns of a dataclass's rows, and others beside them, with their defaults."""
    return {column.name: None for column in fields(kind)} | more


def _named(names: str, **more: Any) -> dict[str, Any]:
    return dict.fromkeys(names.split()) | more


_TABLES: Mapping[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "accounts": (
        ("account_name",),
        _columns(
            Account,
            max_orders_per_minute=30,
            max_orders_per_day=500,
            max_turnover_per_day=None,
        ),
    ),
    "account_bindings": (("account_name",), _named("account_name number_mark bound_at bound_by")),
    "orders": (
        ("client_order_id",),
        _columns(
            Order,
            filled_qty=_ZERO,
            covered_qty=_ZERO,
            shorted_qty=_ZERO,
            reopened_at=None,
            failure_reason=None,
        ),
    ),
    "fills": (
        ("account_name", "fill_id"),
        _named(
            "account_name fill_id client_order_id symbol side quantity price executed_at evidence"
            " recorded_at"
        ),
    ),
    "order_costs": (
        ("client_order_id", "day", "fee"),
        _named(
            "account_name client_order_id day fee position_id estimated_usd settled_usd"
            " estimated_at settled_at"
        ),
    ),
    "active_positions": (
        ("id",),
        _columns(
            Position,
            side="long",
            option_symbol=None,
            strike_price=None,
            expiration_date=None,
            current_pnl_dollars=None,
            current_pnl_percent=None,
            unpriced_ticks=0,
            created_at=None,
            updated_at=None,
            closed_at=None,
            parameter_version=None,
        ),
    ),
    "position_events": (
        ("position_id", "seq"),
        _named("position_id seq account_name at kind details"),
    ),
    "position_telemetry": (
        ("position_id", "ts"),
        _named("position_id ts account_name bid ask price pnl_dollars pnl_percent"),
    ),
    "position_history": (
        ("id",),
        _named(
            "id position_id execution_id account_name ticker instrument_type strategy_type quantity"
            " entry_price exit_price entry_time exit_time pnl_dollars pnl_pct multiplier"
            " exit_reason r_multiple mae_pct mfe_pct holding_minutes win_loss_label"
            " execution_mode verified",
            side="long",
        ),
    ),
    "position_adjustments": (("id",), _columns(Adjustment, tick=None)),
    "dispatch_recommendations": (
        ("id",),
        _named(
            "id ts created_at account_name ticker action instrument_type strategy_type confidence"
            " reason status failure_reason risk_gate_json features_snapshot sentiment_snapshot"
            " dispatcher_run_id claimed_until processed_at parameter_version"
        ),
    ),
    "dispatch_executions": (
        ("execution_id",),
        _named(
            "execution_id recommendation_id client_order_id dispatcher_run_id account_name ticker"
            " action instrument_type qty entry_price notional decision_ts simulated_ts created_at"
            " execution_mode explain_json risk_json sim_json option_symbol strike_price"
            " expiration_date contracts strategy_type stop_loss_price take_profit_price"
        ),
    ),
    "dispatcher_runs": (
        ("account_name", "tick"),
        _named(
            "run_id account_name tick started_at finished_at pulled_count processed_count"
            " simulated_count skipped_count failed_count run_summary_json"
        ),
    ),
    "signal_evaluations": (
        ("ticker", "ts"),
        _named(
            "ticker ts computed_at features_ts direction confidence outcome instrument_type"
            " strategy_type reason arithmetic parameter_version"
        ),
    ),
    "alerts": (
        ("id",),
        _named("id kind scope subject severity message details opened_at resolved_at"),
    ),
    "close_requests": (
        ("id",),
        _named("id account_name ticker rule symbols asked_at asked_by reason done_at"),
    ),
    "broker_losses": (("account_name",), _named("account_name tick loss")),
    "unbooked_facts": (
        ("account_name", "kind", "broker_id"),
        _named(
            "account_name kind broker_id symbol reason content first_seen last_seen resolved_at"
            " resolution"
        ),
    ),
    "first_looks": (("account_name",), _named("account_name number_mark looked_at tick")),
    "external_holdings": (("account_name", "symbol"), _columns(ExternalHolding)),
    "external_holding_events": (
        ("account_name", "symbol", "at", "kind", "action_id"),
        _named("account_name symbol at kind quantity_before quantity price day_change action_id"),
    ),
    "corporate_actions": (
        ("action_id",),
        _columns(CorporateAction, first_seen=None, last_seen=None, withdrawn_at=None),
    ),
    "corporate_action_holds": (
        ("account_name", "symbol"),
        _named("account_name symbol reason since seen_at ended_at"),
    ),
    "trading_halts": (
        ("ticker", "source", "halted_at"),
        _named("ticker source reason halted_at resumed_at seen_at listed_at unlisted_at feed_url"),
    ),
    "event_dates": (("ticker", "kind", "at"), _named("ticker kind at source imported_at")),
    "tickers": (
        ("ticker",),
        _named(
            "ticker name cik valid_from valid_to renamed_to names_to",
            aliases=(),
            is_broker=False,
            name_needs_context=True,
            active=True,
        ),
    ),
    "feed_state": (
        ("url",),
        _named(
            "url source active etag last_modified moved_to poll_every_s kind last_fetched_at"
            " last_succeeded_at last_error last_items newest_item_at next_try_at",
            failures_in_a_row=0,
        ),
    ),
    "inbound_events_raw": (
        ("event_uid",),
        _named(
            "id event_uid story_id published_at published_at_reason published_claim"
            " published_written published_note source title link summary canonical_link title_key"
            " feed_url fetched_at source_site link_site correction processed_at"
        ),
    ),
    "inbound_events_classified": (
        ("raw_event_id",),
        _named(
            "id raw_event_id story_id published_at tickers status reason sentiment_label"
            " sentiment_score positive_probability neutral_probability negative_probability mixed"
            " ticker_scores model created_at"
        ),
    ),
    "vix_history": (("day",), _named("day close source fetched_at")),
}


@dataclass(frozen=True, slots=True)
class LastBar:
    """A ticker's newest stored bar; `close` in USD."""

    ts: datetime
    close: Decimal


@dataclass
class MarketKnown:
    """What is stored of the market, as far as statements ask for it: the newest of each ticker.

    Attributes:
        bars: The newest bar.
        traded: When the newest bar with a volume began.
        features: Of the newest features: the minute, and when they were computed.
        asked_until: Up to when the ticker's minutes were asked for.
        guarded: By account the tick of its position manager's newest run that succeeded.
    """

    bars: dict[str, LastBar] = field(default_factory=dict)
    traded: dict[str, datetime] = field(default_factory=dict)
    features: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    asked_until: dict[str, datetime] = field(default_factory=dict)
    guarded: dict[str, datetime] = field(default_factory=dict)

    def newest_bar(self, ticker: str, since: datetime) -> LastBar | None:
        """The ticker's newest bar if it began since then."""
        found = self.bars.get(ticker)
        return found if found is not None and found.ts >= since else None

    @property
    def newest_minute(self) -> datetime | None:
        """When the newest bar of any ticker began."""
        return max((bar.ts for bar in self.bars.values()), default=None)


@dataclass(frozen=True, slots=True)
class TotalLimits:
    """Limits on the orders of all accounts together; `turnover` is USD of a New York day."""

    orders_per_minute: int = 100
    orders_per_day: int = 2000
    turnover: Decimal = Decimal(5_000_000)


class Book:
    """Every table that order management reads or writes; one process, one unit of work at a time.

    Attributes:
        market: Kept by whoever moves the clock.
        limits: As in total_order_limits.
    """

    def __init__(self) -> None:
        self.undo = Undo()
        self.market = MarketKnown()
        self.limits = TotalLimits()
        self._tables = {
            name: Table(key, self.undo, columns) for name, (key, columns) in _TABLES.items()
        }

    def table(self, name: str) -> Table:
        return self._tables[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._tables)

    @property
    def accounts(self) -> Table:
        return self._tables["accounts"]

    @property
    def orders(self) -> Table:
        return self._tables["orders"]

    @property
    def fills(self) -> Table:
        return self._tables["fills"]

    @property
    def costs(self) -> Table:
        return self._tables["order_costs"]

    @property
    def positions(self) -> Table:
        return self._tables["active_positions"]

    @property
    def events(self) -> Table:
        return self._tables["position_events"]

    @property
    def history(self) -> Table:
        return self._tables["position_history"]

    @property
    def adjustments(self) -> Table:
        return self._tables["position_adjustments"]

    @property
    def recommendations(self) -> Table:
        return self._tables["dispatch_recommendations"]

    def orders_of(self, account: str) -> list[Any]:
        return self.orders.where(lambda row: row["account_name"] == account)

    def held_by(self, account: str) -> list[Any]:
        """The account's positions that are not closed."""
        return self.positions.where(
            lambda row: row["account_name"] == account and row["status"] != "closed"
        )
