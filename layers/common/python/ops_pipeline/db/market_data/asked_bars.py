"""For which minutes of the day each ticker's bars were asked for."""

from collections.abc import Sequence
from datetime import date, datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.prices.bar_age import BarCoverage
from ops_pipeline.domain.prices.bar_slices import BarSlice, UnaskedMinutes

_UNASKED = """
SELECT wanted.ticker, lower(missing.minutes) AS since, upper(missing.minutes) AS until
FROM unnest(CAST(:tickers AS text[])) AS wanted (ticker)
LEFT JOIN telemetry_asked AS asked ON asked.ticker = wanted.ticker AND asked.day = :day
CROSS JOIN LATERAL unnest(
    tstzmultirange(tstzrange(CAST(:since AS timestamptz), CAST(:until AS timestamptz)))
    - coalesce(asked.minutes, tstzmultirange())
) AS missing (minutes)
"""

_UNSETTLED = """
SELECT wanted.ticker, lower(asked_early.minutes) AS since, upper(asked_early.minutes) AS until
FROM unnest(CAST(:tickers AS text[])) AS wanted (ticker)
JOIN telemetry_asked AS asked ON asked.ticker = wanted.ticker AND asked.day = :day
CROSS JOIN LATERAL unnest(
    tstzmultirange(tstzrange(CAST(:since AS timestamptz), CAST(:until AS timestamptz)))
    * asked.minutes - asked.settled
) AS asked_early (minutes)
"""

_ADD = """
INSERT INTO telemetry_asked AS known (ticker, day, minutes, settled)
SELECT ticker, :day,
    tstzmultirange(tstzrange(CAST(:since AS timestamptz), CAST(:until AS timestamptz))),
    tstzmultirange(tstzrange(CAST(:since AS timestamptz), CAST(:settled_until AS timestamptz)))
FROM unnest(CAST(:tickers AS text[])) AS answered (ticker)
ON CONFLICT (ticker) DO UPDATE SET
    day = excluded.day,
    minutes = CASE WHEN known.day = excluded.day THEN known.minutes + excluded.minutes
                   ELSE excluded.minutes END,
    settled = CASE WHEN known.day = excluded.day THEN known.settled + excluded.settled
                   ELSE excluded.settled END
"""

_TAKE_BACK = """
UPDATE telemetry_asked AS known
SET minutes = known.minutes - tstzmultirange(tstzrange(silent.since, CAST(:until AS timestamptz)))
FROM unnest(CAST(:tickers AS text[]), CAST(:sinces AS timestamptz[])) AS silent (ticker, since)
WHERE known.ticker = silent.ticker AND known.day = :day AND silent.since < :until
"""

_COVERAGE = """
SELECT wanted.ticker, upper(asked.minutes) AS asked_until, market.until AS market_until
FROM unnest(CAST(:tickers AS text[])) AS wanted (ticker)
LEFT JOIN telemetry_asked AS asked ON asked.ticker = wanted.ticker
LEFT JOIN (SELECT ts + interval '1 minute' AS until FROM lane_telemetry
           WHERE ts >= :day_start ORDER BY ts DESC LIMIT 1) AS market ON true
"""


def coverage(
    tx: Transaction, tickers: Sequence[str], *, day_start: datetime
) -> dict[str, BarCoverage]:
    """Of each ticker up to when its bars were asked for, and the newest bar of that day of any."""
    rows = tx.rows(_COVERAGE, tickers=list(tickers), day_start=day_start)
    return {row["ticker"]: BarCoverage(row["asked_until"], row["market_until"]) for row in rows}


def unasked(
    tx: Transaction, tickers: Sequence[str], day: date, since: datetime, until: datetime
) -> list[UnaskedMinutes]:
    """What was not asked for of since <= ts < until on that New York day."""
    if since >= until:
        return []
    rows = tx.rows(_UNASKED, tickers=list(tickers), day=day, since=since, until=until)
    return [UnaskedMinutes(row["ticker"], row["since"], row["until"]) for row in rows]


def unsettled(
    tx: Transaction, tickers: Sequence[str], day: date, since: datetime, until: datetime
) -> list[UnaskedMinutes]:
    """What was asked for of these minutes less than half an hour after them, and not since."""
    if since >= until:
        return []
    rows = tx.rows(_UNSETTLED, tickers=list(tickers), day=day, since=since, until=until)
    return [UnaskedMinutes(row["ticker"], row["since"], row["until"]) for row in rows]


def note_asked(tx: Transaction, answered: BarSlice, day: date, *, settled_until: datetime) -> None:
    """Remember what was answered, whether it had bars or not.

    Args:
        settled_until: Minutes before then were over for long enough when they were asked for.
    """
    tx.enqueue(
        _ADD,
        tickers=list(answered.tickers),
        day=day,
        since=answered.start,
        until=answered.end,
        settled_until=max(answered.start, min(answered.end, settled_until)),
    )


def ask_again(
    tx: Transaction, silent_since: dict[str, datetime], until: datetime, day: date
) -> None:
    """Forget that these minutes of each ticker were asked for: what was late may be there now.

    Args:
        silent_since: The first minute of each; all end at `until`.
    """
    if silent_since:
        tx.enqueue(
            _TAKE_BACK,
            tickers=list(silent_since),
            sinces=list(silent_since.values()),
            until=until,
            day=day,
        )
