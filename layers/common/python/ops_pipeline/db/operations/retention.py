"""Deletes old rows in batches; domain/operations/retention.py defines what is old."""

from collections.abc import Mapping
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.operations.retention import Table

# Each finds its rows by an index on their time; a row changed meanwhile is left to the next run.
_LANE_TELEMETRY = """
DELETE FROM lane_telemetry WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM lane_telemetry WHERE ts < :before ORDER BY ts LIMIT :most))
"""
_LANE_TELEMETRY_REJECTED = """
DELETE FROM lane_telemetry_rejected WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM lane_telemetry_rejected
    WHERE fetched_at < :before ORDER BY fetched_at LIMIT :most))
"""
_LANE_FEATURES = """
DELETE FROM lane_features WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM lane_features WHERE ts < :before ORDER BY ts LIMIT :most))
"""
_SIGNAL_EVALUATIONS = """
DELETE FROM signal_evaluations WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM signal_evaluations WHERE ts < :before ORDER BY ts LIMIT :most))
"""
_OPTION_BARS = """
DELETE FROM option_bars WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM option_bars WHERE ts < :before ORDER BY ts LIMIT :most))
"""
_IV_SURFACE = """
DELETE FROM iv_surface WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM iv_surface WHERE ts < :before ORDER BY ts LIMIT :most))
"""
_BROKER_COMPARISONS = """
DELETE FROM broker_comparisons WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM broker_comparisons WHERE tick < :before ORDER BY tick LIMIT :most))
"""
_POSITION_TELEMETRY = """
DELETE FROM position_telemetry WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM position_telemetry WHERE ts < :before ORDER BY ts LIMIT :most))
"""

_QUOTE_SAMPLES = """
WITH fetches AS (DELETE FROM quote_fetches WHERE minute < :before)
DELETE FROM quote_samples WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM quote_samples
    WHERE fetched_at < :before ORDER BY fetched_at LIMIT :most))
"""

# An item that still waits for the classifier is a failure to investigate, not an old row.
_INBOUND_EVENTS = """
WITH old AS (
    SELECT id FROM inbound_events_raw
    WHERE fetched_at < :before AND processed_at IS NOT NULL
    ORDER BY fetched_at LIMIT :most
), unclassified AS (
    DELETE FROM inbound_events_classified WHERE raw_event_id IN (SELECT id FROM old)
)
DELETE FROM inbound_events_raw WHERE id IN (SELECT id FROM old)
"""

# A running row is still the fence of its owner.
_PIPELINE_RUNS = """
DELETE FROM pipeline_runs WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM pipeline_runs
    WHERE tick < :before AND status <> 'running' ORDER BY tick LIMIT :most))
"""

# One that is open is a failure to investigate, not an old row.
_UNBOOKED_FACTS = """
DELETE FROM unbooked_facts WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM unbooked_facts
    WHERE resolved_at < :before ORDER BY resolved_at LIMIT :most))
"""

# One that stands is still a reason to refuse.
_TRADING_HALTS = """
DELETE FROM trading_halts WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM trading_halts
    WHERE seen_at < :before AND coalesce(resumed_at, unlisted_at) < :before
    ORDER BY seen_at LIMIT :most))
"""

STATEMENTS: Mapping[Table, str] = {
    "broker_comparisons": _BROKER_COMPARISONS,
    "inbound_events_raw": _INBOUND_EVENTS,
    "iv_surface": _IV_SURFACE,
    "lane_features": _LANE_FEATURES,
    "lane_telemetry": _LANE_TELEMETRY,
    "lane_telemetry_rejected": _LANE_TELEMETRY_REJECTED,
    "option_bars": _OPTION_BARS,
    "pipeline_runs": _PIPELINE_RUNS,
    "position_telemetry": _POSITION_TELEMETRY,
    "quote_samples": _QUOTE_SAMPLES,
    "signal_evaluations": _SIGNAL_EVALUATIONS,
    "trading_halts": _TRADING_HALTS,
    "unbooked_facts": _UNBOOKED_FACTS,
}


def delete_before(tx: Transaction, table: Table, before: datetime, *, most: int) -> int:
    """Delete at most `most` of the oldest rows before that moment; returns how many."""
    return tx.execute(STATEMENTS[table], before=before, most=most)
