"""Checks the invariants of orders and positions on the rows, one statement each.

A statement returns account_name, subject and message of the rows that break its invariant;
rows younger than `:settled_before` may still be settling and do not count.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import external
from ops_pipeline.db.holdings.external import HELD as EXTERNAL
from ops_pipeline.db.positions import SYMBOL_THEN
from ops_pipeline.domain.market import Session
from ops_pipeline.domain.operations.invariants import (
    Breach,
    BrokerRecords,
    Invariant,
    LedgerOrder,
    LedgerRecords,
    against_broker,
)
from ops_pipeline.domain.parameters import GateRules

# The run that writes a row, and two whole ticks to settle it.
SETTLED_WITHIN = timedelta(minutes=3)
_NOT_READ: Mapping[str, BrokerRecords] = MappingProxyType({})

_OUTCOME_UNKNOWN = """
SELECT account_name, client_order_id AS subject,
       format('%s since %s', status, decided_at AT TIME ZONE 'UTC') AS message
FROM orders AS o
WHERE status IN ('intended', 'unknown') AND decided_at < :settled_before
  AND NOT EXISTS (SELECT 1 FROM alerts AS a
                  WHERE a.scope = o.account_name AND a.subject = o.client_order_id
                    AND a.resolved_at IS NULL)
"""

# Fills may be recorded before or after the order's quantity, but must agree once it has ended.
_FILLS_DIFFER = """
SELECT o.account_name, o.client_order_id AS subject,
       format('filled %s, its fills are %s', o.filled_qty, coalesce(f.quantity, 0)) AS message
FROM orders AS o
LEFT JOIN (SELECT client_order_id, sum(quantity) AS quantity FROM fills GROUP BY 1) AS f
    USING (client_order_id)
WHERE coalesce(f.quantity, 0) > greatest(o.quantity, o.filled_qty)
   OR (coalesce(f.quantity, 0) <> o.filled_qty
       AND coalesce(o.terminal_at, o.decided_at) < :settled_before)
"""

# A corporate action counts the same shares anew (position_adjustments): what was bought under the
# old symbol counts as bought under the new one, in so many shares as it became.
# What the reconciler adopted or repaired without an order is in position_events, signed; an
# order that turned up for it afterwards is named there with what it takes back of that.
_BOUGHT_DIFFERS = f"""
SELECT account_name, symbol AS subject,
       format('positions opened with %s, bought %s', sum(opened), sum(bought)) AS message
FROM (
    SELECT account_name, symbol, opened_quantity AS opened, 0 AS bought FROM active_positions
    UNION ALL
    SELECT account_name, symbol, 0, filled_qty - covered_qty FROM orders
    WHERE purpose IN ('entry', 'adopted') AND side = 'buy'
    UNION ALL
    SELECT p.account_name, {SYMBOL_THEN}, 0, CAST(e.details ->> 'quantity' AS numeric)
    FROM position_events AS e JOIN active_positions AS p ON p.id = e.position_id
    WHERE e.kind IN ('adopted', 'repaired')
      AND (CAST(e.details ->> 'quantity' AS numeric) > 0) = (e.details ->> 'order' IS NULL)
    UNION ALL
    SELECT account_name, symbol, 0, -opened_before FROM position_adjustments
    UNION ALL
    SELECT account_name, coalesce(new_symbol, symbol), 0, opened_after FROM position_adjustments
) AS booked
GROUP BY account_name, symbol HAVING sum(opened) <> sum(bought)
"""

# What an order sold beyond its position is in position_events: a short, no part of the position;
# and so is what orders of others sold of it.
_HELD_DIFFERS = """
SELECT p.account_name, CAST(p.id AS text) AS subject,
       format('%s: holds %s, opened %s, sold %s and %s beyond, %s by others, repaired by %s, '
              'adjusted by %s',
              p.symbol, p.quantity, p.opened_quantity, sold.quantity, beyond.quantity,
              covered.quantity, lost.quantity, adjusted.quantity)
       AS message
FROM active_positions AS p
CROSS JOIN LATERAL (SELECT coalesce(sum(filled_qty), 0) AS quantity FROM orders
                    WHERE position_id = p.id AND side = 'sell') AS sold
CROSS JOIN LATERAL (SELECT coalesce(sum(CAST(details ->> 'quantity' AS numeric)), 0) AS quantity
                    FROM position_events
                    WHERE position_id = p.id AND kind = 'repaired'
                      AND (CAST(details ->> 'quantity' AS numeric) < 0)
                          = (details ->> 'order' IS NULL)) AS lost
CROSS JOIN LATERAL (SELECT coalesce(sum(CAST(details ->> 'quantity' AS numeric)), 0) AS quantity
                    FROM position_events
                    WHERE position_id = p.id AND kind = 'oversold') AS beyond
CROSS JOIN LATERAL (SELECT coalesce(sum(CAST(details ->> 'quantity' AS numeric)), 0) AS quantity
                    FROM position_events
                    WHERE position_id = p.id AND kind = 'covered') AS covered
CROSS JOIN LATERAL (SELECT coalesce(sum(quantity_after - quantity_before
                                        - (opened_after - opened_before)), 0) AS quantity
                    FROM position_adjustments WHERE position_id = p.id) AS adjusted
WHERE p.quantity <> p.opened_quantity - sold.quantity + beyond.quantity - covered.quantity
                    + lost.quantity + adjusted.quantity
"""

_OVER_CAPS = """
SELECT a.account_name, a.account_name AS subject,
       format('%s symbols of %s, $%s of $%s', held.symbols, a.max_positions,
              held.cost, a.max_exposure) AS message
FROM accounts AS a
CROSS JOIN LATERAL (
    SELECT count(DISTINCT symbol) AS symbols, coalesce(sum(cost), 0) AS cost
    FROM (SELECT symbol, quantity * entry_price * multiplier AS cost FROM active_positions
          WHERE account_name = a.account_name AND status <> 'closed'
          UNION ALL
          SELECT symbol, reserved_notional FROM orders
          WHERE account_name = a.account_name AND purpose = 'entry' AND is_live(status)) AS rows
) AS held
WHERE (held.symbols > a.max_positions OR held.cost > a.max_exposure)
  AND NOT EXISTS (SELECT 1 FROM alerts
                  WHERE kind = 'over_cap' AND scope = a.account_name AND resolved_at IS NULL)
"""

# A recommendation with a live order is settled by that order.
# An age that is no number, which is another finding's, is taken for the shipped one.
_NOT_FINAL = f"""
SELECT r.account_name, CAST(r.id AS text) AS subject,
       format('%s %s %s since %s', r.status, r.action, r.ticker,
              r.created_at AT TIME ZONE 'UTC') AS message
FROM dispatch_recommendations AS r JOIN parameter_versions AS v ON v.version = r.parameter_version
WHERE r.status IN ('PENDING', 'PROCESSING')
  AND r.created_at + CAST(CASE
          WHEN jsonb_typeof(v.parameters #> '{{gates,recommendation_age_s}}') = 'number'
          THEN least(CAST(v.parameters #>> '{{gates,recommendation_age_s}}' AS numeric), 86400)
          ELSE {GateRules().recommendation_age_s} END AS double precision)
      * interval '1 second' < :settled_before
  AND NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.recommendation_id = r.id AND is_live(o.status))
"""

_HISTORY_MISSING = """
SELECT coalesce(p.account_name, h.account_name) AS account_name,
       CAST(coalesce(p.id, h.position_id) AS text) AS subject,
       CASE WHEN h.id IS NULL THEN 'closed without a history row'
            ELSE format('history of a position that is %s', p.status) END AS message
FROM active_positions AS p FULL JOIN position_history AS h ON h.position_id = p.id
WHERE (p.status = 'closed') IS DISTINCT FROM (h.id IS NOT NULL)
"""

# Fills and what adjustments paid are the result, in the shares that the history counts.
# Which of its fills sold beyond the position can't be told: the result is that of as many units,
# so it lies between the cheapest and the dearest of them. Without any beyond it is exact.
_HISTORY_DIFFERS = """
SELECT h.account_name, CAST(h.position_id AS text) AS subject,
       format('%s: %s units, pnl %s; its fills are %s, %s of them beyond, and come to %s .. %s',
              h.ticker, h.quantity, h.pnl_dollars, sold.quantity, beyond.quantity,
              (sold.cheapest + adjusted.cash - h.entry_price * h.quantity) * h.multiplier,
              (sold.dearest + adjusted.cash - h.entry_price * h.quantity) * h.multiplier)
       AS message
FROM position_history AS h
CROSS JOIN LATERAL (
    SELECT h.quantity + coalesce(sum(quantity_after - quantity_before
                                     - (opened_after - opened_before)), 0) AS sold,
           coalesce(sum(cash), 0) AS cash
    FROM position_adjustments WHERE position_id = h.position_id) AS adjusted
CROSS JOIN LATERAL (
    SELECT coalesce(sum(each.quantity), 0) AS quantity,
           coalesce(sum(each.price * greatest(
               least(each.quantity, adjusted.sold - each.cheaper), 0)), 0) AS cheapest,
           coalesce(sum(each.price * greatest(
               least(each.quantity, adjusted.sold - each.dearer), 0)), 0) AS dearest
    FROM (SELECT f.quantity, f.price,
                 sum(f.quantity) OVER (ORDER BY f.price, f.fill_id) - f.quantity AS cheaper,
                 sum(f.quantity) OVER (ORDER BY f.price DESC, f.fill_id) - f.quantity AS dearer
          FROM (SELECT f.quantity, f.price, f.fill_id
                FROM orders AS o JOIN fills AS f USING (client_order_id)
                WHERE o.position_id = h.position_id AND f.side = 'sell'
                UNION ALL
                SELECT CAST(details ->> 'quantity' AS numeric),
                       CAST(details ->> 'price' AS numeric), CAST(seq AS text)
                FROM position_events
                WHERE position_id = h.position_id AND kind = 'covered') AS f) AS each) AS sold
CROSS JOIN LATERAL (
    SELECT coalesce(sum(CAST(details ->> 'quantity' AS numeric)), 0) AS quantity
    FROM position_events WHERE position_id = h.position_id AND kind = 'oversold') AS beyond
WHERE h.verified AND h.exit_time < :settled_before
  AND (sold.quantity - beyond.quantity <> adjusted.sold
       OR h.pnl_dollars < (sold.cheapest + adjusted.cash - h.entry_price * h.quantity)
                          * h.multiplier - 0.01
       OR h.pnl_dollars > (sold.dearest + adjusted.cash - h.entry_price * h.quantity)
                          * h.multiplier + 0.01)
"""

_EVIDENCE_MISSING = """
SELECT e.account_name, e.client_order_id AS subject,
       format('%s execution with a %s fill', e.execution_mode, f.evidence) AS message
FROM dispatch_executions AS e JOIN fills AS f USING (client_order_id)
WHERE (e.execution_mode = 'SIMULATED') <> (f.evidence = 'simulated')
UNION ALL
SELECT e.account_name, e.client_order_id,
       format('execution of %s, its order filled %s', e.qty, o.filled_qty)
FROM dispatch_executions AS e JOIN orders AS o USING (client_order_id)
WHERE e.qty <> o.filled_qty
UNION ALL
SELECT o.account_name, o.client_order_id, 'filled, and neither order nor fill names a broker'
FROM orders AS o
WHERE o.filled_qty > 0 AND o.broker_order_id IS NULL
"""

_FOREIGN = """
SELECT f.account_name, f.fill_id AS subject,
       format('fill %s %s of %s under an order for %s %s', f.side, f.symbol, f.account_name,
              o.side, o.symbol) AS message
FROM fills AS f JOIN orders AS o USING (client_order_id)
WHERE (f.account_name, f.symbol, f.side) IS DISTINCT FROM (o.account_name, o.symbol, o.side)
  AND NOT EXISTS (SELECT 1 FROM position_adjustments AS a
                  WHERE a.position_id = o.position_id AND a.account_name = f.account_name
                    AND (a.symbol, a.new_symbol) = (o.symbol, f.symbol) AND f.side = o.side)
UNION ALL
SELECT o.account_name, o.client_order_id,
       format('order for %s of %s on a position in %s of %s', o.symbol, o.account_name,
              p.symbol, p.account_name)
FROM orders AS o JOIN active_positions AS p ON p.id = o.position_id
WHERE (o.account_name, o.symbol) IS DISTINCT FROM (p.account_name, p.symbol)
  AND NOT EXISTS (SELECT 1 FROM position_adjustments AS a
                  WHERE a.position_id = p.id AND a.account_name = o.account_name
                    AND a.symbol = o.symbol)
"""

_FEES_DIFFER = """
SELECT c.account_name, format('%s %s', c.fee, c.day) AS subject,
       format('$%s settled, $%s charged', c.settled, coalesce(b.charged, 0)) AS message
FROM (SELECT account_name, day, fee, sum(settled_usd) AS settled FROM order_costs
      WHERE settled_usd IS NOT NULL GROUP BY 1, 2, 3) AS c
LEFT JOIN (SELECT account_name, day, fee, sum(amount_usd) AS charged FROM broker_fees
           GROUP BY 1, 2, 3) AS b USING (account_name, day, fee)
WHERE c.settled <> coalesce(b.charged, 0)
"""

# Checked while a session is under way: nothing else is traded then. An order whose cancel was
# requested and not confirmed since may have ended: it protects nothing.
_UNPROTECTED = """
SELECT p.account_name, CAST(p.id AS text) AS subject,
       format('%s: %s shares, and no live stop or exit', p.symbol, p.quantity) AS message
FROM active_positions AS p
WHERE p.status <> 'closed' AND p.instrument_type = 'STOCK' AND p.quantity >= 1
  AND p.execution_mode <> 'SIMULATED' AND p.created_at < :settled_before
  AND NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.position_id = p.id AND o.purpose IN ('stop', 'exit')
                    AND ((is_live(o.status) AND (o.cancel_requested_at IS NULL
                                                 OR o.cancel_requested_at >= :settled_before))
                         OR o.terminal_at >= :settled_before))
  AND NOT EXISTS (SELECT 1 FROM alerts AS a
                  WHERE a.scope = p.account_name AND a.subject = p.symbol
                    AND a.severity = 'critical' AND a.resolved_at IS NULL)
"""

_CHECKS: tuple[tuple[Invariant, str], ...] = (
    ("order_outcome_known", _OUTCOME_UNKNOWN),
    ("order_equals_its_fills", _FILLS_DIFFER),
    ("position_equals_its_orders", _BOUGHT_DIFFERS),
    ("position_equals_its_orders", _HELD_DIFFERS),
    ("entries_within_caps", _OVER_CAPS),
    ("recommendation_final", _NOT_FINAL),
    ("closed_position_has_one_history", _HISTORY_MISSING),
    ("history_equals_fills", _HISTORY_DIFFERS),
    ("fill_has_evidence", _EVIDENCE_MISSING),
    ("rows_of_one_account", _FOREIGN),
    ("fees_equal_charges", _FEES_DIFFER),
)

_ORDERS = """
SELECT client_order_id, broker_order_id, symbol, filled_qty, is_live(status) AS live, decided_at
FROM orders
WHERE account_name = :account
  AND decided_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
"""
_HELD = """
SELECT symbol, quantity FROM active_positions WHERE account_name = :account AND status <> 'closed'
"""
_FILLS = """
SELECT fill_id, executed_at FROM fills
WHERE account_name = :account AND evidence = 'broker'
  AND executed_at >= coalesce(CAST(:since AS timestamptz), '-infinity')
"""


def check(
    tx: Transaction,
    *,
    now: datetime,
    broker: Mapping[str, BrokerRecords] = _NOT_READ,
    session: Session | None = None,
) -> list[Breach]:
    """The rows that break an invariant, sorted.

    Args:
        now: Rows younger than SETTLED_WITHIN may still be settling.
        broker: Records by account name, compared with ours if given; only meaningful
            while nothing moves. execution/broker_comparison.py compares while something may.
        session: Today's; while it is under way, stock must be protected.
    """
    found = [breach for _, look in of_rows(tx, now=now, session=session) for breach in look()]
    for account, books in broker.items():
        found += against_broker(account, ledger_records(tx, account), books)
    return sorted(found)


def of_rows(
    tx: Transaction, *, now: datetime, session: Session | None = None
) -> list[tuple[Invariant, Callable[[], list[Breach]]]]:
    """Each invariant of the rows alone, by name, with the look that finds what breaks it.

    One name may come twice. See `check` for the arguments.
    """
    settled_before = now - SETTLED_WITHIN
    checks = list(_CHECKS)
    if session is not None and session.is_open(settled_before) and session.is_open(now):
        checks.append(("stock_is_protected", _UNPROTECTED))

    def look(invariant: Invariant, statement: str) -> list[Breach]:
        return [
            Breach(invariant, row["account_name"], row["subject"], row["message"])
            for row in tx.rows(statement, settled_before=settled_before)
        ]

    return [(name, partial(look, name, statement)) for name, statement in checks]


def ledger_records(tx: Transaction, account: str, since: datetime | None = None) -> LedgerRecords:
    """What we have of one account, for the comparison with its broker.

    Args:
        since: Of all orders decided and fills executed since then; None is all there are.
    """
    fills = tx.rows(_FILLS, account=account, since=since)
    return LedgerRecords(
        orders=[LedgerOrder(**row) for row in tx.rows(_ORDERS, account=account, since=since)],
        positions={row["symbol"]: row["quantity"] for row in tx.rows(_HELD, account=account)},
        fills={row["fill_id"]: row["executed_at"] for row in fills},
        external={row["symbol"]: row["quantity"] for row in tx.rows(EXTERNAL, account=account)},
        looked_at=external.looked_at(tx, account),
    )
