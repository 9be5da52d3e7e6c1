"""Statements on signals, recommendations, executions and the dispatcher's runs."""

import json
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row

COLUMNS = (
    "id",
    "ts",
    "created_at",
    "account_name",
    "ticker",
    "action",
    "instrument_type",
    "strategy_type",
    "confidence",
    "reason",
    "features_snapshot",
    "status",
)
_EVALUATED = (
    "ticker",
    "features_ts",
    "direction",
    "confidence",
    "outcome",
    "instrument_type",
    "strategy_type",
    "reason",
    "arithmetic",
)
_RECOMMENDED = (
    "id",
    "account_name",
    "ticker",
    "action",
    "instrument_type",
    "strategy_type",
    "confidence",
    "reason",
    "features_snapshot",
    "sentiment_snapshot",
)
_NO_TRADE = ("FAILED", "CANCELLED", "EXPIRED")


def recommendation_of(row: Row) -> Row:
    return {name: row[name] for name in COLUMNS}


@answers("recommendations", "_LAST_SIGNALS")
def last_signals(book: Book, values: Values) -> list[Row]:
    newest: dict[str, datetime] = {}
    for row in book.table("signal_evaluations"):
        if row["outcome"] == "SIGNAL" and values["since"] <= row["ts"] < values["tick"]:
            newest[row["ticker"]] = max(row["ts"], newest.get(row["ticker"], row["ts"]))
    return [{"ticker": it, "ts": newest[it]} for it in values["tickers"] if it in newest]


@answers("recommendations", "_HOLDERS")
def holders(book: Book, values: Values) -> list[Row]:
    found = {
        (row["ticker"], row["account_name"])
        for row in book.positions
        if row["status"] == "open"
        and (row["instrument_type"], row["side"]) == ("STOCK", "long")
        and row["ticker"] in values["tickers"]
    }
    return [{"ticker": ticker, "account_name": account} for ticker, account in sorted(found)]


@answers("recommendations", "_EVALUATE")
def evaluate(book: Book, values: Values) -> list[Row]:
    table, added = book.table("signal_evaluations"), []
    for told in json.loads(values["rows"]):
        if table.get(told["ticker"], values["tick"]) is None:
            row = {name: told[name] for name in _EVALUATED}
            row["features_ts"] = datetime.fromisoformat(told["features_ts"])
            stamps = {"ts": values["tick"], "computed_at": values["now"]}
            table.insert({**row, **stamps, "parameter_version": values["parameter_version"]})
            added.append({"ticker": told["ticker"]})
    return added


@answers("recommendations", "_LAST_ID")
def last_id(book: Book, values: Values) -> list[Row]:
    first, last = values["first"], values["first"] + values["numbers"]
    known = (row["id"] for row in book.recommendations if first <= row["id"] < last)
    return [{"id": max(known, default=first)}]


@answers("recommendations", "_RECOMMEND")
def recommend(book: Book, values: Values) -> int:
    told = json.loads(values["rows"])
    for each in told:
        book.recommendations.insert(
            {
                **{name: each[name] for name in _RECOMMENDED},
                "ts": values["tick"],
                "created_at": values["now"],
                "status": "PENDING",
                "parameter_version": values["parameter_version"],
            }
        )
    return len(told)


def _orders_by_attempt(book: Book, number: int) -> list[Row]:
    found = [row for row in book.orders if row["recommendation_id"] == number]
    return sorted(found, key=lambda row: -row["attempt"])


def _is_free(orders: list[Row]) -> bool:
    """No order yet, or the last one was cancelled by us before anything filled."""
    if not orders:
        return True
    last = orders[0]
    asked = last["cancel_requested_at"] is not None
    return last["status"] == "canceled" and last["filled_qty"] == 0 and asked


def _claimable(row: Row, now: datetime) -> bool:
    if row["status"] == "PROCESSING":
        return bool(row["claimed_until"] <= now)
    return bool(row["status"] == "PENDING")


def _of_account(book: Book, values: Values) -> Iterable[Row]:
    return (row for row in book.recommendations if row["account_name"] == values["account"])


@answers("dispatch", "_EXPIRE")
def expire(book: Book, values: Values) -> int:
    ended = 0
    for row in list(_of_account(book, values)):
        if row["created_at"] >= values["oldest"] or not _claimable(row, values["now"]):
            continue
        orders = _orders_by_attempt(book, row["id"])
        if not _is_free(orders):
            continue
        why = "Nothing filled at the limit within its time"
        book.recommendations.update(
            row,
            claimed_until=None,
            processed_at=values["now"],
            status="CANCELLED" if orders else "EXPIRED",
            failure_reason=why if orders else "Nobody took it within its time",
        )
        ended += 1
    return ended


@answers("dispatch", "_PENDING_TICKERS")
def pending_tickers(book: Book, values: Values) -> list[Row]:
    rows = _of_account(book, values)
    found = {row["ticker"] for row in rows if _claimable(row, values["now"])}
    return [{"ticker": ticker} for ticker in sorted(found)]


@answers("dispatch", "_CLAIM")
def claim(book: Book, values: Values) -> list[Row]:
    for row in sorted(_of_account(book, values), key=lambda row: row["id"]):
        if not _claimable(row, values["now"]) or row["ticker"] not in values["tickers"]:
            continue
        orders = _orders_by_attempt(book, row["id"])
        ended_by_hand = any(order["failure_reason"] is not None for order in orders)
        if _is_free(orders) and not ended_by_hand:
            claimed = book.recommendations.update(
                row,
                status="PROCESSING",
                claimed_until=values["until"],
                dispatcher_run_id=values["run_id"],
            )
            return [recommendation_of(claimed)]
    return []


@answers("dispatch", "_LOCK")
def lock(book: Book, values: Values) -> list[Row]:
    row = book.recommendations.get(values["id"])
    return [] if row is None else [recommendation_of(row)]


@answers("dispatch", "_KEEP_VERDICT")
def keep_verdict(book: Book, values: Values) -> int:
    row = book.recommendations.get(values["id"])
    if row is None or row["status"] != "PROCESSING":
        return 0
    book.recommendations.update(row, risk_gate_json=json.loads(values["gates"]))
    return 1


@answers("dispatch", "_FINISH")
def finish(book: Book, values: Values) -> int:
    row = book.recommendations.get(values["id"])
    traded = values["status"] in ("EXECUTED", "SIMULATED")
    if row is None or not (
        row["status"] in ("PENDING", "PROCESSING") or (row["status"] in _NO_TRADE and traded)
    ):
        return 0
    book.recommendations.update(
        row,
        status=values["status"],
        claimed_until=None,
        processed_at=values["now"],
        failure_reason=values["reason"],
    )
    return 1


@answers("dispatch", "_RELEASE")
def release(book: Book, values: Values) -> int:
    row = book.recommendations.get(values["id"])
    if row is None or row["status"] != "PROCESSING":
        return 0
    book.recommendations.update(row, claimed_until=values["now"])
    return 1


@answers("dispatch", "_START_RUN")
def start_run(book: Book, values: Values) -> int:
    now, run_id = values["now"], values["run_id"]
    for row in list(_of_account(book, values)):
        held = row["status"] == "PROCESSING" and row["claimed_until"] > now
        if held and row["dispatcher_run_id"] == run_id:
            book.recommendations.update(row, claimed_until=now)
    runs = book.table("dispatcher_runs")
    known = runs.get(values["account"], values["tick"])
    if known is not None:
        runs.update(known, started_at=now, finished_at=None)
        return 1
    counts = ("pulled", "processed", "simulated", "skipped", "failed")
    runs.insert(
        {
            "run_id": run_id,
            "account_name": values["account"],
            "tick": values["tick"],
            "started_at": now,
            "run_summary_json": {},
            **{f"{name}_count": 0 for name in counts},
        }
    )
    return 1


@answers("dispatch", "_FINISH_RUN")
def finish_run(book: Book, values: Values) -> int:
    runs = book.table("dispatcher_runs")
    found = runs.where(lambda row: row["run_id"] == values["run_id"])
    for row in found:
        runs.update(
            row,
            finished_at=values["now"],
            run_summary_json=json.loads(values["summary"]),
            **{
                f"{name}_count": values[name]
                for name in ("pulled", "processed", "simulated", "skipped", "failed")
            },
        )
    return len(found)


@answers("dispatch", "_SAVE_EXECUTION")
def save_execution(book: Book, values: Values) -> int:
    its = book.recommendations.get(values["recommendation_id"])
    if its is None:
        return 0
    table = book.table("dispatch_executions")
    execution_id = UUID(str(values["execution_id"]))
    filled = {
        "qty": values["qty"],
        "entry_price": values["price"],
        "notional": values["notional"],
    }
    known = table.get(execution_id)
    if known is not None:
        table.update(known, **filled)
        return 1
    same = ("account_name", "ticker", "action", "instrument_type", "strategy_type")
    table.insert(
        {
            **{name: its[name] for name in (*same, "dispatcher_run_id")},
            **filled,
            "execution_id": execution_id,
            "recommendation_id": its["id"],
            "client_order_id": values["client_order_id"],
            "decision_ts": values["decided_at"],
            "simulated_ts": values["simulated_at"],
            "created_at": values["now"],
            "execution_mode": values["mode"],
            "explain_json": its["reason"],
            "risk_json": its["risk_gate_json"] or {},
            "sim_json": None if values["sim"] is None else json.loads(values["sim"]),
            "stop_loss_price": values["stop"],
            "take_profit_price": values["target"],
        }
    )
    return 1
