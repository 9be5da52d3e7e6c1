"""Reads the ledger view of an account and a ticker in one round trip.

Read it under the account's row lock, so that the statement sees what the lock waited for.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db.close_requests import CLOSING
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.facts import HELD, PNL
from ops_pipeline.db.holdings.corporate_actions import UNSETTLED
from ops_pipeline.db.holdings.external import HELD as EXTERNAL
from ops_pipeline.db.holdings.external import LOOKED_AT
from ops_pipeline.db.market_state import event_dates, trading_halts
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.ledger import Holdings, LedgerView, costs_by_symbol
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.prices.bar_age import BarCoverage

# Closed, verified trades of the account's own mode, oldest first: real and simulated results
# stay apart. Fills may be listed a tick or two after what they did.
_LEDGER = f"""
WITH held AS MATERIALIZED ({HELD}),
closed AS (
    SELECT pnl_pct, exit_time, ticker FROM position_history
    WHERE account_name = :account AND execution_mode = :mode AND verified
      AND (CAST(:since AS timestamptz) IS NULL OR exit_time > CAST(:since AS timestamptz))
    ORDER BY exit_time DESC, ticker COLLATE "C" LIMIT :limit),
closed_in_ticker AS (
    SELECT pnl_pct, exit_time FROM position_history
    WHERE account_name = :account AND execution_mode = :mode AND verified AND ticker = :ticker
    ORDER BY exit_time DESC LIMIT :limit)
SELECT h.*, c.of_account, t.of_ticker, t.last_exit, pnl.pnl, e.entries_in_ticker,
    e.entries_in_account, v.vix_day, v.vix_close,
    (SELECT greatest(
        (SELECT max(f.executed_at) FROM fills AS f JOIN orders AS o USING (client_order_id)
         WHERE o.account_name = :account AND o.ticker = :ticker),
        (SELECT max(greatest(entry_time, closed_at)) FROM active_positions
         WHERE account_name = :account AND ticker = :ticker))) AS last_trade_at,
    bar.ts AS bar_at, bar.close AS bar_close,
    (SELECT upper(minutes) FROM telemetry_asked WHERE ticker = :ticker) AS asked_until,
    (SELECT ts + interval '1 minute' FROM lane_telemetry
     WHERE ts >= CAST(:day_start AS timestamptz) ORDER BY ts DESC LIMIT 1) AS market_until,
    (SELECT computed_at FROM lane_features
     WHERE ticker = :ticker AND ts >= CAST(:day_start AS timestamptz)
     ORDER BY ts DESC LIMIT 1) AS features_at,
    (SELECT max(tick) FROM pipeline_runs
     WHERE stage = 'position_manager' AND scope = :account AND status = 'succeeded'
       AND tick >= CAST(:day_start AS timestamptz)) AS guard_ran_at,
    (SELECT coalesce(max(attempt), 0) FROM orders
     WHERE recommendation_id = :recommendation_id) AS attempts,
    ({trading_halts.OF_TICKER}) AS trading_halts, ({event_dates.OF_TICKER}) AS events,
    ({CLOSING}) AS closing, ({UNSETTLED}) AS corporate, ({LOOKED_AT}) AS looked_at,
    (SELECT coalesce(array_agg(symbol), '{{}}') FROM ({EXTERNAL}) AS x) AS external,
    (SELECT coalesce(array_agg(symbol), '{{}}') FROM active_positions AS p
     WHERE account_name = :account AND status = 'open' AND created_at < :listed_at
       AND NOT EXISTS (SELECT 1 FROM orders AS o
                       WHERE o.position_id = p.id AND o.side = 'sell' AND is_live(o.status)
                         AND o.client_order_id = ANY(CAST(:sold AS text[])))) AS open_symbols
FROM (SELECT coalesce(array_agg(symbol), '{{}}') AS symbols,
          coalesce(array_agg(ticker), '{{}}') AS tickers,
          coalesce(array_agg(instrument_type), '{{}}') AS instruments,
          coalesce(array_agg(cost), '{{}}') AS costs,
          coalesce(sum(unacknowledged), 0) AS unacknowledged FROM held) AS h
CROSS JOIN (SELECT coalesce(array_agg(pnl_pct ORDER BY exit_time, ticker COLLATE "C" DESC), '{{}}')
                AS of_account FROM closed) AS c
CROSS JOIN (SELECT coalesce(array_agg(pnl_pct ORDER BY exit_time), '{{}}') AS of_ticker,
                max(exit_time) AS last_exit FROM closed_in_ticker) AS t
CROSS JOIN ({PNL}) AS pnl
CROSS JOIN (
    SELECT count(*) FILTER (WHERE ticker = :ticker) AS entries_in_ticker,
        count(*) AS entries_in_account
    FROM orders
    WHERE account_name = :account AND purpose = 'entry' AND decided_at >= :day_start
      AND (filled_qty > 0 OR is_live(status))
) AS e
LEFT JOIN (SELECT ts, close FROM lane_telemetry
           WHERE ticker = :ticker AND ts >= CAST(:day_start AS timestamptz)
           ORDER BY ts DESC LIMIT 1) AS bar ON true
LEFT JOIN (SELECT day AS vix_day, close AS vix_close FROM vix_history
           WHERE day < :today ORDER BY day DESC LIMIT 1) AS v ON true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerQuery:
    """The account, ticker and moment to read for.

    Attributes:
        listed_at: When the broker was asked for its lists, by our clock.
        sold: client_order_ids of sales with a fill in those lists.
        halts_since: Halts that ended before that do not count any more.
        events: The first and the last moment of events to read.
        results: The most closed trades to return, of the account and of the ticker.
    """

    account: Account
    ticker: str
    recommendation_id: int
    now: datetime
    listed_at: datetime
    sold: Collection[str]
    halts_since: datetime
    events: tuple[datetime, datetime]
    results: int


def read(tx: Transaction, query: LedgerQuery) -> LedgerView:
    """Read the view in one statement."""
    account, today = query.account, new_york_day(query.now)
    row = tx.one(
        _LEDGER,
        account=account.account_name,
        mode=account.execution_mode,
        ticker=query.ticker,
        recommendation_id=query.recommendation_id,
        today=today,
        day_start=new_york_time(today, 0),
        listed_at=query.listed_at,
        sold=list(query.sold),
        since=account.streak_counted_from,
        limit=query.results,
        halts_since=query.halts_since,
        events_from=query.events[0],
        events_until=query.events[1],
    )
    assert row is not None  # noqa: S101 - aggregates always give a row
    return LedgerView(
        account=account,
        holdings=_holdings(row),
        account_results=tuple(row["of_account"]),
        ticker_results=tuple(row["of_ticker"]),
        last_exit_in_ticker=row["last_exit"],
        pnl_today=Decimal(row["pnl"]),
        entries_in_ticker=row["entries_in_ticker"],
        entries_in_account=row["entries_in_account"],
        last_trade_at=row["last_trade_at"],
        vix=None if row["vix_day"] is None else (row["vix_day"], float(row["vix_close"])),
        bar_at=row["bar_at"],
        bar_close=row["bar_close"],
        features_at=row["features_at"],
        guard_ran_at=row["guard_ran_at"],
        attempts=row["attempts"],
        open_symbols=frozenset(row["open_symbols"]),
        left_alone=None if row["looked_at"] is None else frozenset(row["external"]),
        closing=tuple(row["closing"]),
        trading_halts=trading_halts.of_json(row["trading_halts"]),
        events=event_dates.of_json(row["events"]),
        corporate=tuple(row["corporate"]),
        bar_coverage=BarCoverage(row["asked_until"], row["market_until"]),
    )


def _holdings(row: Row) -> Holdings:
    return Holdings(
        symbols=frozenset(row["symbols"]),
        kinds=frozenset(zip(row["tickers"], row["instruments"], strict=True)),
        costs=costs_by_symbol(zip(row["symbols"], map(Decimal, row["costs"]), strict=True)),
        unacknowledged=Decimal(row["unacknowledged"]),
    )
