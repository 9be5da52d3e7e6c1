"""Fixtures that the folders about trading share; each folder's conftest names those it uses."""

import pytest

from ops_pipeline.db.driver.connection import Database
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(db: Database) -> TradingBench:
    """Two accounts in order, `large` with 5 positions and $10,000, at eleven in New York."""
    return TradingBench(db)


@pytest.fixture
def held(bench: TradingBench) -> TradingBench:
    """A bench whose `large` holds 19 AAA at $100 with the stop resting at $98."""
    bench.buy()
    bench.next_minute()
    bench.guard()
    return bench
