"""A paper exchange in Alpaca's place, the settings that lead there, and the process's runtime."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ops_local import paper_accounts
from ops_local.database import DatabaseUrls
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import LARGE, TINY, at, open_exchange
from tests.support.builders_market import in_force, watch

NOW = at("10:31")
TICK = "2013-10-07T14:31:00Z"
# Nobody listens there.
NOWHERE = "http://127.0.0.1:1"


@contextmanager
def exchange_at_tick(folder: Path) -> Iterator[RunningExchange]:
    """The small market, an hour and a minute after it opened: that of TICK."""
    with open_exchange(folder) as running:
        running.set_clock(NOW)
        yield running


def prepared(db: Database, *tickers: str) -> None:
    """Put parameters in force, watch these tickers alone, leave the open internet's feeds, bind."""
    in_force(db)
    watch(db, *tickers)
    with db.transaction() as tx:
        paper_accounts.bind(tx, (LARGE, TINY), NOW)
        tx.execute("UPDATE feed_state SET active = false")


def leading_to(
    exchange: RunningExchange, urls: DatabaseUrls, *, vix_url: str = f"{NOWHERE}/vix.csv"
) -> dict[str, str]:
    """The variables of functions that work on this exchange and this database."""
    return {
        "DATABASE_URL": urls.writer,
        "DATABASE_OWNER_URL": urls.owner,
        "DATABASE_READER_URL": urls.reader,
        **urls.groups(),
        "ALPACA_TRADING_URL": exchange.url,
        "ALPACA_DATA_URL": exchange.url,
        "VIX_URL": vix_url,
        "FEED_ALLOWED_NETWORKS": "127.0.0.0/8",
        **key_variables((LARGE, TINY)),
    }


@contextmanager
def in_process(runtime: Runtime) -> Iterator[Runtime]:
    """Let the handlers of this process use it, as a warm Lambda's use theirs; closed after."""
    wiring.use(runtime)
    try:
        yield runtime
    finally:
        runtime.close()
        wiring.use(None)
