"""Whatever raises beside the guard's own work, positions are served in the same run."""

from datetime import datetime, timedelta

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from tests.support.builders_trading import TradingBench

_LONG_AGO = timedelta(days=30)


def break_long_lists(bench: TradingBench) -> None:
    """Lists of months break in a way that nobody foresaw; those of days are read."""
    read = bench.broker.orders_since

    def orders_since(since: datetime) -> Listing[BrokerOrder]:
        if bench.clock.now() - since > _LONG_AGO:
            raise KeyError("odd")
        return read(since)

    bench.broker.orders_since = orders_since  # type: ignore[method-assign]


@pytest.fixture
def held(bench: TradingBench) -> TradingBench:
    """A position whose stop is passed by two quotes: the next run sells it."""
    bench.buy()
    bench.next_minute(AAA=("90.00", "90.02"))
    bench.guard()
    bench.next_minute(AAA=("90.00", "90.02"))
    break_long_lists(bench)
    return bench


def sold(bench: TradingBench) -> bool:
    return any(row["side"] == "sell" and row["order_type"] == "limit" for row in bench.orders())


def test_a_first_look_that_raises_does_not_keep_a_position_from_its_exit(
    held: TradingBench, owner_db: Database
) -> None:
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM first_looks")
    with pytest.raises(StageFailed, match="KeyError"):
        held.guard()
    assert sold(held)


def test_what_filled_is_booked_though_lost_orders_could_not_be_looked_for(
    bench: TradingBench,
) -> None:
    """After days without an order the broker is asked for lost ones first; that list fails."""
    bench.buy()
    bench.next_minute()
    bench.guard()
    (stop,) = bench.orders("stop")
    bench.clock.at += timedelta(days=6)
    bench.quote("AAA")
    bench.broker.fill(str(stop["client_order_id"]), "98.00")
    bench.broker.fail("orders_since", BrokerUnavailable("503"), times=1)
    with pytest.raises(StageFailed, match="503"):
        bench.guard()
    assert bench.position()["status"] == "closed"
