"""What a person wants to hear of while `ops up` runs: a line for each event, as it is stored."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ops_local.figures import clock
from ops_pipeline.db.driver.connection import Database, Row, Transaction

# A row is stored some seconds after the time in it.
_LATE = timedelta(minutes=10)

_EVENTS = """
SELECT at, key, line FROM (
    SELECT opened_at AS at, 'opened ' || id AS key,
           format('ALERT %s %s %s: %s', severity, kind, subject, message) AS line
    FROM alerts WHERE opened_at >= :since
    UNION ALL
    SELECT resolved_at, 'resolved ' || id, format('resolved: %s %s %s', kind, scope, subject)
    FROM alerts WHERE resolved_at >= :since
    UNION ALL
    SELECT event.at, format('position %s %s', event.position_id, event.seq),
           format('%s %s %s%s', event.account_name, event.kind, position.symbol, CASE event.kind
               WHEN 'opened' THEN format(' %s at %s', event.details ->> 'quantity',
                                            event.details ->> 'price')
               WHEN 'closed' THEN format(', %s, P&L %s', history.exit_reason,
                                         coalesce(CAST(history.pnl_dollars AS text), 'unknown'))
               WHEN 'adjusted' THEN format(': %s, %s are %s now', event.details ->> 'kind',
                                           event.details ->> 'quantity_before',
                                           event.details ->> 'quantity_after')
               ELSE '' END)
    FROM position_events AS event
    JOIN active_positions AS position ON position.id = event.position_id
    LEFT JOIN position_history AS history ON history.position_id = event.position_id
    WHERE event.at >= :since AND event.kind IN ('opened', 'added', 'reduced', 'closed', 'adjusted')
    UNION ALL
    SELECT at, 'action ' || id, format('%s by %s, %s: %s', action, operator, scope, reason)
    FROM operator_actions WHERE at >= :since
) AS event ORDER BY at, key COLLATE "C"
"""

# The alert on a feed that fails comes after two hours.
_NEWS = """
SELECT count(*) AS on, count(*) FILTER (WHERE failures_in_a_row = 0) AS well,
       min(source || ': ' || last_error) AS example
FROM feed_state WHERE active AND kind = 'news'
"""


def read(tx: Transaction, since: datetime) -> list[tuple[str, str]]:
    """Key and line of each event since then."""
    return [
        (row["key"], f"{clock(row['at'])} {row['line']}") for row in tx.rows(_EVENTS, since=since)
    ]


class EventLines:
    """Tells each event once, with the reader's login; and when no feed at all can be read.

    Args:
        began: Earlier ones are not told.
        tell: Called with each line.
    """

    def __init__(self, reader: Database, began: datetime, tell: Callable[[str], None]) -> None:
        self._reader, self._began, self._tell = reader, began, tell
        self._told: set[str] = set()
        self._has_news = True

    def look(self, now: datetime) -> None:
        """Tell what was stored since the last look."""
        with self._reader.transaction() as tx:
            found = read(tx, max(self._began, now - _LATE))
            feeds = tx.rows(_NEWS)[0]
        for key, line in found:
            if key not in self._told:
                self._tell(line)
        self._told = {key for key, _ in found}
        self._tell_of_news(feeds, now)

    def _tell_of_news(self, feeds: Row, now: datetime) -> None:
        """Once when the last feed that could be read fails, and once when one is read again."""
        has_news = feeds["on"] == 0 or feeds["well"] > 0
        if has_news == self._has_news:
            return
        self._has_news = has_news
        if has_news:
            self._tell(f"{clock(now)} feeds can be read again: {feeds['well']} of {feeds['on']}")
            return
        self._tell(
            f"{clock(now)} NO NEWS: none of {feeds['on']} feeds can be read, for example "
            f"{feeds['example']}"
        )
