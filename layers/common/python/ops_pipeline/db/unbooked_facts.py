"""Stores what the broker told and could not be booked, until it is booked or told no more."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction, values_of
from ops_pipeline.db.holdings.external import LOOKED_AT
from ops_pipeline.domain.broker import BrokerFill
from ops_pipeline.domain.legible import legible_values
from ops_pipeline.domain.operations.unbooked import FactKind, FilledOrder, UnbookedFact

# In one order for everybody, so that two runs that tell the same wait for each other.
_KEEP = """
INSERT INTO unbooked_facts AS kept
    (account_name, kind, broker_id, symbol, reason, content, first_seen, last_seen)
SELECT :account, kind, left(broker_id, 200), left(symbol, 200), left(reason, 400),
    left(content, 2000), :now, :now
FROM json_to_recordset(CAST(:facts AS json)) AS told (
    kind text, broker_id text, symbol text, reason text, content text)
ORDER BY kind COLLATE "C", broker_id COLLATE "C"
ON CONFLICT (account_name, kind, broker_id) DO UPDATE SET
    symbol = excluded.symbol, reason = excluded.reason, content = excluded.content,
    last_seen = greatest(kept.last_seen, excluded.last_seen),
    resolved_at = NULL, resolution = NULL
"""

# A fill is booked when it is stored; anything else once it is told and legible, which books it.
_RESOLVE = """
UPDATE unbooked_facts AS kept SET resolved_at = :now,
    resolution = CASE WHEN found.booked THEN 'booked' ELSE 'gone' END
FROM (
    SELECT kind, broker_id, last_seen, kind || ' ' || broker_id AS subject,
        CASE kind WHEN 'fill' THEN EXISTS (
            SELECT FROM fills AS f WHERE f.account_name = :account AND f.fill_id = u.broker_id)
        ELSE kind || ' ' || broker_id = ANY(CAST(:told AS text[])) END AS booked
    FROM unbooked_facts AS u
    WHERE account_name = :account AND resolved_at IS NULL
      AND kind = ANY(CAST(:kinds AS text[]))
) AS found
WHERE kept.account_name = :account AND kept.kind = found.kind
  AND kept.broker_id = found.broker_id AND kept.resolved_at IS NULL
  AND NOT found.subject = ANY(CAST(:still AS text[]))
  AND (found.booked OR (found.last_seen < :asked_at
                        AND NOT found.subject = ANY(CAST(:told AS text[]))))
RETURNING found.subject
"""

_RESOLVE_REPORT = """
UPDATE unbooked_facts SET resolved_at = :now, resolution = 'booked'
WHERE account_name = :account AND kind = 'order_report' AND broker_id = :order
  AND resolved_at IS NULL
"""

# An order that was just sent, and acknowledged to nobody yet, may be the one that a fill names.
# What was executed before an account was looked at first made what was there before.
_NOT_STORED = f"""
SELECT told.fill_id, o.client_order_id, o.symbol, o.side
FROM unnest(CAST(:fill_ids AS text[]), CAST(:order_ids AS text[]), CAST(:symbols AS text[]),
            CAST(:times AS timestamptz[])) AS told (fill_id, broker_order_id, symbol, executed_at)
LEFT JOIN orders AS o
    ON o.account_name = :account AND o.broker_order_id = told.broker_order_id
WHERE NOT EXISTS (SELECT FROM fills AS f
                  WHERE f.account_name = :account AND f.fill_id = told.fill_id)
  AND (o.client_order_id IS NOT NULL
       OR told.executed_at >= coalesce(({LOOKED_AT}), '-infinity'))
  AND (o.client_order_id IS NOT NULL OR NOT EXISTS (
      SELECT FROM orders AS sent
      WHERE sent.account_name = :account AND sent.symbol = told.symbol
        AND is_live(sent.status) AND sent.broker_order_id IS NULL))
"""


def keep(tx: Transaction, account: str, facts: Sequence[UnbookedFact], *, now: datetime) -> None:
    """Store these, or that they were told again; one that was resolved is open again."""
    each = {(it.kind, it.broker_id): values_of(it) for it in facts}
    if each:
        told = json.dumps(legible_values(list(each.values())))
        tx.enqueue(_KEEP, account=account, facts=told, now=now)


def resolve(
    tx: Transaction,
    account: str,
    kinds: Collection[FactKind],
    *,
    told: Collection[str],
    still: Collection[str],
    asked_at: datetime,
    now: datetime,
) -> list[str]:
    """Resolve what is booked, or told no more since the lists were asked for.

    Args:
        told: Subjects of the legible items of the lists.
        still: Subjects of what of the lists can't be booked.

    Returns the subjects of what was resolved.
    """
    rows = tx.rows(
        _RESOLVE,
        account=account,
        kinds=list(kinds),
        told=list(told),
        still=list(still),
        asked_at=asked_at,
        now=now,
    )
    return sorted(row["subject"] for row in rows)


def resolve_report(tx: Transaction, account: str, client_order_id: str, *, now: datetime) -> None:
    """What the broker says of an order of ours is booked."""
    tx.enqueue(_RESOLVE_REPORT, account=account, order=client_order_id, now=now)


def not_stored(
    tx: Transaction, account: str, fills: Sequence[BrokerFill]
) -> list[tuple[BrokerFill, FilledOrder | None]]:
    """Those of the fills that are not stored, each with the order that it names.

    Left out where the order may be one that was sent and is not acknowledged yet.
    """
    by_id = {fill.fill_id: fill for fill in fills}
    rows = tx.rows(
        _NOT_STORED,
        account=account,
        fill_ids=list(by_id),
        order_ids=[fill.broker_order_id for fill in by_id.values()],
        symbols=[fill.symbol for fill in by_id.values()],
        times=[fill.executed_at for fill in by_id.values()],
    )
    return [
        (
            by_id[row["fill_id"]],
            FilledOrder(row["client_order_id"], row["symbol"], row["side"])
            if row["client_order_id"]
            else None,
        )
        for row in rows
    ]
