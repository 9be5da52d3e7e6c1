"""Stores signal evaluations, and the recommendations for each account."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import count

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.features import StoredFeatures
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.signals import Evaluation

_NUMBERS_A_DAY = 1_000_000


@dataclass(frozen=True, slots=True)
class SignalInputs:
    """Inputs for evaluating a ticker; `news` is None without a story."""

    stored: StoredFeatures
    news: Pressure | None


@dataclass(frozen=True, slots=True)
class Decided:
    """One evaluation with its inputs."""

    evaluation: Evaluation
    inputs: SignalInputs


_LAST_SIGNALS = """
SELECT ticker, max(ts) AS ts FROM signal_evaluations
WHERE outcome = 'SIGNAL' AND ts >= :since AND ts < :tick
    AND ticker = ANY (CAST(:tickers AS text[]))
GROUP BY ticker
"""

_HOLDERS = """
SELECT DISTINCT ticker, account_name FROM active_positions
WHERE status = 'open' AND instrument_type = 'STOCK' AND side = 'long'
    AND ticker = ANY (CAST(:tickers AS text[]))
"""

_EVALUATION_COLUMNS = (
    "ticker, features_ts, direction, confidence, outcome, instrument_type, strategy_type, "
    "reason, arithmetic"
)

# A tick that was evaluated before is not evaluated again.
_EVALUATE = f"""
INSERT INTO signal_evaluations ({_EVALUATION_COLUMNS}, ts, computed_at, parameter_version)
SELECT {_EVALUATION_COLUMNS}, :tick, :now, :parameter_version
FROM json_populate_recordset(NULL::signal_evaluations, CAST(:rows AS json))
ON CONFLICT (ticker, ts) DO NOTHING
RETURNING ticker
"""

_LAST_ID = """
SELECT coalesce(max(id), :first) AS id FROM dispatch_recommendations
WHERE id >= :first AND id < :first + :numbers
"""

_RECOMMENDATION_COLUMNS = (
    "id, account_name, ticker, action, instrument_type, strategy_type, confidence, reason, "
    "features_snapshot, sentiment_snapshot"
)

_RECOMMEND = f"""
INSERT INTO dispatch_recommendations
    ({_RECOMMENDATION_COLUMNS}, ts, created_at, status, parameter_version)
SELECT {_RECOMMENDATION_COLUMNS}, :tick, :now, 'PENDING', :parameter_version
FROM json_populate_recordset(NULL::dispatch_recommendations, CAST(:rows AS json))
"""


def last_signals(
    tx: Transaction, tickers: Sequence[str], *, since: datetime, tick: datetime
) -> dict[str, datetime]:
    """The tick of each ticker's last signal with since <= ts < tick."""
    found = tx.rows(_LAST_SIGNALS, tickers=list(tickers), since=since, tick=tick)
    return {row["ticker"]: row["ts"] for row in found}


def stock_holders(tx: Transaction, tickers: Sequence[str]) -> dict[str, frozenset[str]]:
    """For each ticker the accounts that hold its stock, active or not."""
    held: dict[str, set[str]] = {}
    for row in tx.rows(_HOLDERS, tickers=list(tickers)):
        held.setdefault(row["ticker"], set()).add(row["account_name"])
    return {ticker: frozenset(accounts) for ticker, accounts in held.items()}


def save(
    tx: Transaction,
    decided: Iterable[Decided],
    *,
    tick: datetime,
    parameter_version: int,
    now: datetime,
) -> int:
    """Store the tick's evaluations and the recommendations of those that are new.

    Ids are numbered by ticker and account, so that the same day gives the same ids. Returns
    the number of recommendations.
    """
    by_ticker = {each.evaluation.ticker: each for each in decided}
    rows = json.dumps(
        [_evaluation_row(each.evaluation) for each in by_ticker.values()], default=str
    )
    stamp = {"tick": tick, "now": now, "parameter_version": parameter_version}
    new = sorted(row["ticker"] for row in tx.rows(_EVALUATE, rows=rows, **stamp))
    recommended = [row for ticker in new for row in _recommendations(by_ticker[ticker])]
    first = _first_number(tick)
    last = tx.one(_LAST_ID, first=first, numbers=_NUMBERS_A_DAY) or {"id": first}
    for number, row in zip(count(last["id"] + 1), recommended, strict=False):
        row["id"] = number
    return tx.execute(_RECOMMEND, rows=json.dumps(recommended, default=str), **stamp)


def _first_number(tick: datetime) -> int:
    day = new_york_day(tick)
    return (day.year * 10_000 + day.month * 100 + day.day) * _NUMBERS_A_DAY


def _evaluation_row(evaluation: Evaluation) -> dict[str, object]:
    choice = evaluation.choice
    return {
        "ticker": evaluation.ticker,
        "features_ts": evaluation.features_ts,
        "direction": evaluation.direction,
        "confidence": evaluation.confidence,
        "outcome": evaluation.outcome,
        "instrument_type": choice.instrument if choice else None,
        "strategy_type": choice.strategy if choice else None,
        "reason": evaluation.reason,
        "arithmetic": evaluation.arithmetic,
    }


def _recommendations(decided: Decided) -> list[dict[str, object]]:
    evaluation, inputs = decided.evaluation, decided.inputs
    choice = evaluation.choice
    if choice is None:
        return []
    features = {**asdict(inputs.stored.features), "computed_at": inputs.stored.computed_at}
    proposals = sorted(evaluation.proposals, key=lambda each: (each.account, each.action))
    return [
        {
            "account_name": proposal.account,
            "ticker": evaluation.ticker,
            "action": proposal.action,
            "instrument_type": proposal.instrument,
            "strategy_type": choice.strategy,
            "confidence": evaluation.confidence,
            "reason": {
                "summary": evaluation.reason,
                "direction": evaluation.direction,
                "instrument_reason": choice.reason,
                **evaluation.arithmetic,
            },
            "features_snapshot": features,
            "sentiment_snapshot": asdict(inputs.news) if inputs.news else None,
        }
        for proposal in proposals
    ]
