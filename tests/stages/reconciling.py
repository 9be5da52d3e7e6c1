"""Runs the reconciler on a bench, and looks at what it halted."""

from ops_pipeline.stages import reconciler
from tests.support.builders_trading import TradingBench


def reconcile(bench: TradingBench, account: str | None = None) -> reconciler.Outcome:
    """A minute later: what changes while it asks is left to the next run."""
    bench.next_minute()
    return bench.reconcile(account)


def halt(bench: TradingBench, account: str = "large") -> object:
    found = bench.rows("SELECT books_halt FROM accounts WHERE account_name = :a", a=account)
    return found[0]["books_halt"]
