"""Loads every module that answers statements."""

from ops_local.backtest.book import (
    accounts,
    alerts,
    close_requests,
    costs,
    holdings,
    ledger,
    market,
    news,
    orders,
    positions,
    recommendations,
)
from ops_local.backtest.book.statements import run

__all__ = [
    "accounts",
    "alerts",
    "close_requests",
    "costs",
    "holdings",
    "ledger",
    "market",
    "news",
    "orders",
    "positions",
    "recommendations",
    "run",
]
