"""Daily readings of the volatility index, and the closes that a substitute is computed from."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.regime import RegimeSource
from ops_pipeline.ports import VixReading

STAND_IN_SOURCE: RegimeSource = "realised_volatility_spy"

# The publisher's close replaces all others; a substitute replaces no reading of the index.
_STORE = """
INSERT INTO vix_history AS stored (day, close, source, fetched_at)
SELECT day, close, :source, :now
FROM unnest(CAST(:days AS date[]), CAST(:closes AS double precision[])) AS reading (day, close)
ON CONFLICT (day) DO UPDATE SET
    close = excluded.close, source = excluded.source, fetched_at = excluded.fetched_at
WHERE (stored.close, stored.source) IS DISTINCT FROM (excluded.close, excluded.source)
    AND (excluded.source = 'vix'
        OR (excluded.source = 'vix_alpaca' AND stored.source <> 'vix')
        OR stored.source = 'realised_volatility_spy')
"""

_DAILY_CLOSES = """
SELECT session.day, last.close
FROM unnest(
    CAST(:days AS date[]), CAST(:opens_at AS timestamptz[]), CAST(:closes_at AS timestamptz[])
) AS session (day, opens_at, closes_at)
LEFT JOIN LATERAL (
    SELECT close FROM lane_telemetry
    WHERE ticker = :ticker AND ts >= session.opens_at AND ts < session.closes_at
    ORDER BY ts DESC LIMIT 1
) last ON true
ORDER BY session.day
"""

_SOURCE_OF = "SELECT source FROM vix_history WHERE day = :day"


def store_readings(
    tx: Transaction, readings: Sequence[VixReading], *, source: RegimeSource, now: datetime
) -> int:
    """Store readings; return how many were new or different."""
    return tx.execute(
        _STORE,
        days=[reading.day.isoformat() for reading in readings],
        closes=[reading.close for reading in readings],
        source=source,
        now=now,
    )


def source_of(tx: Transaction, day: date) -> RegimeSource | None:
    """The source of that day's stored reading; None when there is none."""
    row = tx.one(_SOURCE_OF, day=day)
    return row["source"] if row else None


def daily_closes(
    tx: Transaction, ticker: str, sessions: Sequence[Session]
) -> list[tuple[date, Decimal | None]]:
    """The last stored close of each regular session by day; None where there is none."""
    rows = tx.rows(
        _DAILY_CLOSES,
        ticker=ticker,
        days=[session.day.isoformat() for session in sessions],
        opens_at=[session.opens_at.isoformat() for session in sessions],
        closes_at=[session.closes_at.isoformat() for session in sessions],
    )
    return [(row["day"], row["close"]) for row in rows]
