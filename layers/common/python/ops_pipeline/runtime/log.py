"""Structured log, one JSON line per event, and metrics in CloudWatch's embedded format."""

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from ops_pipeline.runtime import metric_names as names

_logger = Logger(service=names.SERVICE)
_stream: TextIO = sys.stdout


@contextmanager
def written_to(stream: TextIO) -> Iterator[None]:
    """Write log and metrics to this stream instead of standard output during the block."""
    global _stream  # noqa: PLW0603 - the process has one log
    handlers = [h for h in _logger.handlers if isinstance(h, logging.StreamHandler)]
    before, _stream = _stream, stream
    for handler in handlers:
        handler.setStream(stream)
    try:
        yield
    finally:
        _stream = before
        for handler in handlers:
            handler.setStream(before)


def happened(event: str, **data: Any) -> None:
    """Log `{"event": event, "data": {...}}`; never SQL parameters, keys or account numbers."""
    _logger.info(event, extra={"event": event, "data": data})


def went_wrong(event: str, **data: Any) -> None:
    """As `happened`, at level ERROR."""
    _logger.error(event, extra={"event": event, "data": data})


def count_run(stage: str, *, failed: bool, duration_ms: float) -> None:
    """Emit one run's metric by stage, as an EMF line that CloudWatch reads from the log.

    How long it took stands beside it: Lambda's own metric has it already, and each is billed.
    """
    metrics = EphemeralMetrics(namespace=names.NAMESPACE, service=names.SERVICE)
    metrics.add_dimension(name=names.STAGE, value=stage)
    metrics.add_metric(name=names.FAILED, unit=MetricUnit.Count, value=int(failed))
    metrics.add_metadata(key="duration_ms", value=duration_ms)
    _emit(metrics)


def count_health(failing: Sequence[str], *, critical_alerts: int, unknown_orders: int) -> None:
    """Emit what a healthcheck found; kinds without a finding are emitted as 0.

    Args:
        failing: Findings; each starts with its kind, see domain/operations/health.py.
        critical_alerts: Number of open critical alerts.
        unknown_orders: Number of orders whose outcome is overdue.
    """
    metrics = EphemeralMetrics(namespace=names.NAMESPACE, service=names.SERVICE)
    kinds = [finding.partition(" ")[0] for finding in failing]
    for kind, name in names.BY_FINDING.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=kinds.count(kind))
    metrics.add_metric(name=names.CRITICAL_ALERTS, unit=MetricUnit.Count, value=critical_alerts)
    metrics.add_metric(name=names.UNKNOWN_ORDERS, unit=MetricUnit.Count, value=unknown_orders)
    _emit(metrics)


def _emit(metrics: EphemeralMetrics) -> None:
    # In one piece: other threads write to it as well.
    _stream.write(json.dumps(metrics.serialize_metric_set()) + "\n")
    metrics.clear_metrics()
