"""A backup is restored while the broker went on: entries wait until both books agree."""

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import BrokerOutcomeUnknown
from tests.stages.losing import (
    at_broker,
    entered,
    entries_sent,
    held,
    require_sound,
    wish,
)
from tests.stages.reconciling import halt, reconcile
from tests.support.builders_trading import TradingBench

BACKUP = "restored_backup"


@pytest.fixture
def restored(
    db: Database, database_urls: DatabaseUrls, admin_db: Database
) -> Iterator[TradingBench]:
    """A desk on a backup: AAA was held when it was made, BBB was bought since, AAA sold."""
    bench = TradingBench(db)
    bench.buy("AAA")
    db.close()
    local.clone_database(admin_db, target_from_url(database_urls.writer).database, BACKUP)
    bench.next_minute()
    bench.quote("BBB")
    bench.buy("BBB")
    bench.broker.at_once["AAA"] = ("104.00", None)
    bench.next_minute(AAA=("103.98", "104.00"))
    bench.guard()
    bench.next_minute()
    bench.guard()
    assert bench.position("AAA")["status"] == "closed"
    db.close()
    login = target_from_url(local.url_for(database_urls.writer, database=BACKUP))
    with closing(Database(login, application_name="tests")) as backup:
        after = TradingBench(backup, at=bench.clock.now())
        after.clock, after.market, after.brokers = bench.clock, bench.market, bench.brokers
        # Ids made from the clock would not begin anew either.
        after._ids = bench._ids
        yield after
    local.drop_database(admin_db, BACKUP)


def test_entries_stay_halted_until_the_reconciler_agrees_with_the_broker(
    restored: TradingBench,
) -> None:
    placed = len(restored.broker.orders)
    wish(restored, "halt")
    assert "Halted by operator" in entered(restored, "CCC")

    # What was bought and sold since the backup is ours by its ids, stops and exits included.
    first = reconcile(restored)
    assert (first.adopted, first.unsettled, halt(restored)) == (3, 0, None)
    assert "ledger_in_doubt" in restored.alerts()
    assert reconcile(restored).differences == 0
    held = restored.rows("SELECT symbol, quantity FROM active_positions WHERE status <> 'closed'")
    assert [(row["symbol"], row["quantity"]) for row in held] == [("BBB", 19)]
    with restored.db.transaction() as tx:
        assert invariants.check(tx, now=restored.clock.now()) == []

    # Nothing was sent meanwhile, and now entries go on.
    assert len(restored.broker.orders) == placed
    wish(restored, "resume")
    restored.broker.at_once["CCC"] = ("100.00", None)
    assert entered(restored, "CCC") == "EXECUTED"


def test_a_backup_older_than_the_broker_is_noticed_adopted_and_sends_nothing_twice(
    restored: TradingBench,
) -> None:
    """Nobody halted anything: the restored database finds out by itself, twenty minutes late."""
    restored.clock.advance(20 * 60)
    for ticker in list(restored.market.latest):
        restored.quote(ticker)
    sent = entries_sent(restored)
    restored.guard()
    assert "of ours, the database does not" in entered(restored, "CCC")
    assert (held(restored), at_broker(restored)) == ({"BBB": 19}, {"BBB": 19})
    assert entries_sent(restored) == sent
    (closed,) = restored.rows("SELECT ticker, verified, exit_price FROM position_history")
    assert closed == {"ticker": "AAA", "verified": True, "exit_price": 104}

    assert wish(restored, "resume")["still_halted"] == {}
    restored.broker.at_once["DDD"] = ("100.00", None)
    assert entered(restored, "DDD") == "EXECUTED"
    restored.next_minute()
    restored.guard()
    restored.clock.advance(240)
    for ticker in list(restored.market.latest):
        restored.quote(ticker)
    restored.guard()
    require_sound(restored)


def test_an_order_of_unknown_outcome_is_not_sent_again_by_a_ledger_in_doubt(
    restored: TradingBench,
) -> None:
    """The old pipeline lives on somewhere and trades while this one wonders about its own order."""
    restored.guard()
    assert entered(restored, "CCC").startswith("SKIPPED")
    restored.next_minute()
    restored.guard()
    wish(restored, "resume")
    restored.broker.fail("submit", BrokerOutcomeUnknown("no answer"))
    assert entered(restored, "EEE").startswith("PROCESSING")
    other = "test-large-ZZZ-20260204T1605-entry-1"
    restored.broker.submit(OrderRequest(other, "ZZZ", "buy", Decimal(1), "limit", Decimal(10)))
    sent = entries_sent(restored)
    for _ in range(4):
        restored.next_minute()
        restored.guard()
    assert entries_sent(restored) == sent
    (order,) = [row for row in restored.orders("entry") if row["ticker"] == "EEE"]
    assert order["status"] == "not_placed"
    assert restored.broker.orders[other].status == "canceled"
