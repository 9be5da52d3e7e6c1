"""Fixtures that the folders about trading share; each folder's conftest names those it uses."""

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
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


@pytest.fixture
def admin_url(postgres: EmbeddedPostgres, database_urls: DatabaseUrls) -> str:
    """The superuser in this test's database, as DATABASE_URL of another server would be."""
    return local.url_for(postgres.url, database=target_from_url(database_urls.writer).database)
