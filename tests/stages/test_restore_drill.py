"""A backup is restored while the broker went on: entries wait until both books agree."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.stages import control
from ops_pipeline.stages.control import Action, ControlCommand
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


def wish(bench: TradingBench, action: Action) -> dict[str, object]:
    asked = ControlCommand(action=action, operator="ann", reason="restored a backup")
    return control.run(asked, db=bench.db, clock=bench.clock)


def entered(bench: TradingBench, ticker: str) -> str:
    """What became of a fresh idea."""
    bench.quote(ticker)
    number = bench.recommend(ticker)
    bench.dispatch()
    row = bench.recommendation(number)
    return f"{row['status']} {row['failure_reason'] or ''}".strip()


def test_entries_stay_halted_until_the_reconciler_agrees_with_the_broker(
    restored: TradingBench,
) -> None:
    placed = len(restored.broker.orders)
    wish(restored, "halt")
    assert "Halted by operator" in entered(restored, "CCC")

    # What was bought since the backup is adopted; what is gone is believed at the second look.
    first = reconcile(restored)
    assert first.adopted
    assert first.unsettled
    assert halt(restored) is not None
    # An operator who is too early lets nothing in.
    wish(restored, "resume")
    assert "Halted by books" in entered(restored, "CCC")

    # To the restored books the stop that rests since is somebody's, until it is ended by hand.
    for _ in range(2):
        reconcile(restored)
    assert "may still fill" in str(halt(restored))
    for order in list(restored.broker.orders.values()):
        if order.order_type == "stop" and order.raw_status in ("new", "accepted"):
            restored.broker.cancel(str(order.broker_order_id))
    for _ in range(2):
        reconcile(restored)
    assert reconcile(restored).differences == 0
    assert halt(restored) is None
    held = restored.rows("SELECT symbol, quantity FROM active_positions WHERE status <> 'closed'")
    assert [(row["symbol"], row["quantity"]) for row in held] == [("BBB", 19)]
    with restored.db.transaction() as tx:
        assert invariants.check(tx, now=restored.clock.now()) == []

    # Nothing was sent meanwhile, and now entries go on.
    assert len(restored.broker.orders) == placed
    restored.broker.at_once["CCC"] = ("100.00", None)
    assert entered(restored, "CCC") == "EXECUTED"
