"""What came out of one day with one set of parameters: trades, decisions, fills, equity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.tables import Row
from ops_local.backtest.session import DayTrading
from ops_pipeline.domain.costs.fees import FeeTrade, order_fees
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.performance.results import SessionResult, TradeResult
from ops_pipeline.domain.trading_terms import multiplier_of

# The fees of one account's fills of a day, USD by client_order_id.
Fees = Callable[[Sequence[Row]], Mapping[str, Decimal]]
_NONE = Decimal(0)
_REFUSED = "; "


def charged_fees(fills: Sequence[Row]) -> dict[str, Decimal]:
    """Each order's share of what the account is charged for the day.

    Raises:
        NoFeeRate: the table of fees has no rate for that day.
    """
    trades = [
        FeeTrade(
            order=row["client_order_id"],
            day=new_york_day(row["executed_at"]),
            side=row["side"],
            quantity=row["quantity"],
            value=row["quantity"] * row["price"] * multiplier_of(row["symbol"]),
            multiplier=multiplier_of(row["symbol"]),
        )
        for row in fills
    ]
    shares = order_fees(trades)
    return {order: sum(shares[order].values(), _NONE) for order in shares}


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """One day of one set of parameters.

    Attributes:
        recording: Name of the recording's folder.
        variant: The set's own parameters in words, "" for the defaults.
        sessions: By account.
        decisions, fills: Rows in the order in which they came about.
        failures: What a run could not do, in words.
    """

    recording: str
    day: date
    variant: str
    trades: Sequence[TradeResult]
    sessions: Mapping[str, SessionResult]
    decisions: Sequence[Row]
    fills: Sequence[Row]
    failures: Sequence[str]


def outcome_of(trading: DayTrading, variant: str, fees: Fees = charged_fees) -> DayOutcome:
    """Read the books at the end of the day."""
    book, recording = trading.book, trading.inputs.recording
    charged = _charged(book, fees)
    return DayOutcome(
        recording=recording.folder.name,
        day=recording.day,
        variant=variant,
        trades=[_trade(book, row, charged) for row in _in_order(book)],
        sessions={name: _session(trading, name) for name in trading.brokers},
        decisions=[_decision(row) for row in _by_id(book)],
        fills=[_fill(row) for row in sorted(book.fills, key=lambda it: str(it["fill_id"]))],
        failures=[*trading.failures, *unproven(book)],
    )


def _in_order(book: Book) -> list[Row]:
    """Closed positions whose result is proven: one without a price is no trade of 0 USD."""
    proven = book.history.where(lambda row: row["pnl_dollars"] is not None)
    return sorted(proven, key=lambda row: (row["exit_time"], row["account_name"]))


def unproven(book: Book) -> list[str]:
    """Closed positions without a proven result, in words."""
    return [
        f"{row['exit_time']:%H:%M} {row['account_name']}: {row['ticker']} closed without a price"
        for row in book.history
        if row["pnl_dollars"] is None
    ]


def _by_id(book: Book) -> list[Row]:
    return sorted(book.recommendations, key=lambda row: int(row["id"]))


def _charged(book: Book, fees: Fees) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for account in sorted({row["account_name"] for row in book.fills}):
        found |= fees([row for row in book.fills if row["account_name"] == account])
    return found


def _orders_of(book: Book, history: Row) -> list[Row]:
    """The entry and the sales of a closed position."""
    execution = book.table("dispatch_executions").get(history["execution_id"]) or {}
    return [
        row
        for row in book.orders
        if row["position_id"] == history["position_id"]
        or row["client_order_id"] == execution.get("client_order_id")
    ]


def _trade(book: Book, row: Row, charged: Mapping[str, Decimal]) -> TradeResult:
    orders = _orders_of(book, row)
    ideas = [book.recommendations.get(it["recommendation_id"]) for it in orders]
    idea = next((it for it in ideas if it is not None), None)
    traits = [("exit_rule", str(row["exit_reason"]))]
    if idea is not None:
        news = idea["sentiment_snapshot"]
        traits += [("confidence", f"{idea['confidence']:.2f}"), ("sentiment", _sentiment(news))]
    return TradeResult(
        account=row["account_name"],
        ticker=row["ticker"],
        entered_at=row["entry_time"],
        exited_at=row["exit_time"],
        notional=row["quantity"] * row["entry_price"] * row["multiplier"],
        pnl=row["pnl_dollars"],
        costs=sum((charged.get(it["client_order_id"], _NONE) for it in orders), _NONE),
        r_multiple=row["r_multiple"],
        mae_pct=row["mae_pct"],
        mfe_pct=row["mfe_pct"],
        traits=tuple(traits),
    )


def _sentiment(news: Row | None) -> str:
    """Of a purchase: what the stories of its ticker said."""
    if news is None or news["score"] == 0:
        return "none" if news is None else "neutral"
    return "agrees" if news["score"] > 0 else "opposes"


def _session(trading: DayTrading, account: str) -> SessionResult:
    """The exchange's equity is net of the day's fees."""
    told = trading.brokers[account].account()
    day = trading.inputs.recording.day
    return SessionResult(day, told.last_equity, told.equity - told.last_equity)


def _decision(row: Row) -> Row:
    names = ("id", "ts", "account_name", "ticker", "action", "confidence", "status")
    gates = row["risk_gate_json"] or {}
    refused = [name for name, it in gates.items() if it.get("passed") is False]
    return {
        **{name: row[name] for name in names},
        "refused_by": _REFUSED.join(refused),
        "reason": row["failure_reason"] or "",
        "sentiment": (row["sentiment_snapshot"] or {}).get("score"),
    }


def _fill(row: Row) -> Row:
    names = ("account_name", "client_order_id", "symbol", "side", "quantity", "price")
    return {"executed_at": row["executed_at"], **{name: row[name] for name in names}}
