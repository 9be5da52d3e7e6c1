"""Reads what the page shows from the database of one replay. Times in these rows are UTC."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ops_local import day_summary
from ops_local.explain import records
from ops_local.explain.records import Explained
from ops_local.page.equity import EquityFill, EquityMark, Held, Point, equity
from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Row, Transaction

# Keeps the page small enough to mail; it says how much was left out.
_MOST_HEADLINES = 300
_MOST_TICKERS = 20

_OPEN = """
SELECT min(tick) AS opens, max(tick) + interval '1 minute' AS closes
FROM pipeline_runs WHERE stage = 'market_clock' AND counts ->> 'session' = 'open'
"""

_ACCOUNTS = """
SELECT a.account_name AS account, a.execution_mode AS mode,
       (SELECT count(*) FROM dispatch_executions AS e
        WHERE e.account_name = a.account_name) AS entries,
       (SELECT count(*) FROM position_history AS h
        WHERE h.account_name = a.account_name AND h.win_loss_label = 'win') AS won,
       (SELECT count(*) FROM position_history AS h
        WHERE h.account_name = a.account_name) AS closed,
       (SELECT coalesce(sum(h.pnl_dollars), 0) FROM position_history AS h
        WHERE h.account_name = a.account_name) AS pnl,
       (SELECT round(sum(r.pnl_net_dollars), 2) FROM position_results AS r
        WHERE r.account_name = a.account_name) AS net,
       (SELECT round(sum(r.fees_usd), 2) FROM position_results AS r
        WHERE r.account_name = a.account_name) AS fees,
       (SELECT count(*) FROM dispatch_recommendations AS r
        WHERE r.account_name = a.account_name AND r.status = 'SKIPPED') AS refused
FROM accounts AS a ORDER BY a.account_name COLLATE "C"
"""

_HELD = """
SELECT p.id, p.account_name AS account, p.symbol, p.entry_time AS at, p.multiplier,
       p.opened_quantity AS quantity, p.entry_price AS price, h.verified IS FALSE AS unproved
FROM active_positions AS p LEFT JOIN position_history AS h ON h.position_id = p.id
ORDER BY p.entry_time, p.account_name COLLATE "C", p.symbol COLLATE "C"
"""

_FILLS = """
SELECT p.id AS position_id, f.executed_at AS at, f.side, f.quantity, f.price
FROM active_positions AS p
LEFT JOIN dispatch_executions AS e ON e.execution_id = p.execution_id
JOIN orders AS o ON o.position_id = p.id
                 OR (o.purpose = 'entry' AND o.recommendation_id = e.recommendation_id)
JOIN fills AS f ON f.client_order_id = o.client_order_id
ORDER BY f.executed_at, f.fill_id COLLATE "C"
"""

_MARKS = "SELECT position_id, ts AS at, price FROM position_telemetry ORDER BY ts, position_id"

_TRADED = """
SELECT ticker, count(*) AS trades FROM active_positions GROUP BY ticker
ORDER BY count(*) DESC, ticker COLLATE "C" LIMIT :most
"""

# Tickers that traded; if none did, those with the strongest signals.
_SIGNALLED = """
SELECT ticker FROM signal_evaluations WHERE outcome = 'SIGNAL'
GROUP BY ticker ORDER BY max(confidence) DESC, ticker COLLATE "C" LIMIT :most
"""

_PRICES = """
SELECT ticker, ts AS at, close FROM lane_telemetry
WHERE ticker = ANY(CAST(:tickers AS text[])) AND ts >= :opens AND ts < :closes
ORDER BY ticker COLLATE "C", ts
"""

_SIGNALS = """
SELECT s.ts AS at, s.ticker, s.direction, s.confidence, f.close AS price
FROM signal_evaluations AS s
JOIN lane_features AS f ON f.ticker = s.ticker AND f.ts = s.features_ts
WHERE s.outcome = 'SIGNAL' ORDER BY s.ts, s.ticker COLLATE "C"
"""

_TRADE_FILLS = """
SELECT f.executed_at AS at, o.ticker, f.account_name AS account, f.side, f.quantity, f.price,
       o.reason
FROM fills AS f JOIN orders AS o USING (client_order_id)
ORDER BY f.executed_at, f.account_name COLLATE "C", f.fill_id COLLATE "C"
"""

_REFUSALS = """
SELECT gate.key AS gate, r.account_name AS account, count(*) AS refused
FROM dispatch_recommendations AS r, jsonb_each(r.risk_gate_json) AS gate
WHERE r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
GROUP BY gate.key, r.account_name
ORDER BY gate.key COLLATE "C", r.account_name COLLATE "C"
"""

_HEADLINES = """
SELECT i.fetched_at AS at, i.published_at, c.sentiment_score AS score, c.tickers, i.title, i.source,
       c.model, c.mixed, count(*) OVER (PARTITION BY i.story_id) AS times_told,
       row_number() OVER (PARTITION BY i.story_id
           ORDER BY i.fetched_at, i.published_at, i.event_uid COLLATE "C") AS telling
FROM inbound_events_classified AS c JOIN inbound_events_raw AS i ON i.id = c.raw_event_id
WHERE cardinality(c.tickers) > 0 AND i.title IS NOT NULL
ORDER BY i.fetched_at, i.published_at, i.event_uid COLLATE "C"
"""

_PARAMETERS = """
SELECT version, source FROM parameter_versions WHERE active
"""


@dataclass(frozen=True, slots=True)
class PageSession:
    """Facts about the recording that are not in the database."""

    day: date
    synthetic: bool
    source: str


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything that the page shows.

    Attributes:
        opens, closes: First and last minute of the session as run, UTC; None if none was run.
        tickers: Those with a price chart, most traded first.
        headlines: The newest that name a ticker, oldest first; without `headlines_left_out`.
    """

    opens: datetime | None
    closes: datetime | None
    parameters: Row
    accounts: list[Row]
    equity: list[Point]
    tickers: list[str]
    prices: list[Row]
    signals: list[Row]
    fills: list[Row]
    refusals: list[Row]
    headlines: list[Row]
    headlines_left_out: int
    parts: list[Part]
    explained: Explained | None


def read(tx: Transaction) -> PageData:
    """Read everything in one unit of work."""
    session: dict[str, Any] = tx.one(_OPEN) or {"opens": None, "closes": None}
    tickers = [row["ticker"] for row in tx.rows(_TRADED, most=_MOST_TICKERS)]
    tickers = tickers or [row["ticker"] for row in tx.rows(_SIGNALLED, most=_MOST_TICKERS)]
    headlines = tx.rows(_HEADLINES)
    best = records.best(tx)
    return PageData(
        **session,
        parameters=tx.one(_PARAMETERS) or {},
        accounts=tx.rows(_ACCOUNTS),
        equity=_equity(tx),
        tickers=tickers,
        prices=tx.rows(_PRICES, tickers=tickers, **session) if session["opens"] else [],
        signals=tx.rows(_SIGNALS),
        fills=tx.rows(_TRADE_FILLS),
        refusals=tx.rows(_REFUSALS),
        headlines=headlines[-_MOST_HEADLINES:],
        headlines_left_out=max(0, len(headlines) - _MOST_HEADLINES),
        parts=day_summary.read(tx),
        explained=None if best is None else records.explain(tx, best),
    )


def _equity(tx: Transaction) -> list[Point]:
    return equity(
        [Held(**row) for row in tx.rows(_HELD)],
        [EquityFill(**row) for row in tx.rows(_FILLS)],
        [EquityMark(**row) for row in tx.rows(_MARKS)],
    )
