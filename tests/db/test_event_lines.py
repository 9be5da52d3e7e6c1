"""The lines of `ops up`: each event once, what was there before not at all."""

from datetime import timedelta

from ops_local.live.events import EventLines
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.domain.operations.alerts import worker_died
from tests.stages.over_night import TWO_FOR_ONE, announce
from tests.support.builders_trading import DAY_AFTER, TradingBench


def test_orders_alerts_and_actions_are_told_once_in_their_order(
    bench: TradingBench, owner_db: Database
) -> None:
    told: list[str] = []
    with owner_db.transaction() as tx:
        alerts.open_alert(tx, worker_died("old", "odd", "warning"), now=bench.clock.now())
    lines = EventLines(owner_db, bench.clock.now() + timedelta(seconds=1), told.append)
    bench.next_minute()
    bench.buy()
    bench.next_minute()
    bench.guard()
    with owner_db.transaction() as tx:
        alert = worker_died("news_cycle", "KeyError: odd", "warning")
        alerts.open_alert(tx, alert, now=bench.clock.now())
    for _ in range(2):
        lines.look(bench.clock.now())
    words = [line.partition(" ")[2] for line in told]
    assert words == [
        "large opened AAA 19 at 100.00",
        "ALERT warning worker_died news_cycle: "
        "The worker of news_cycle died and was started again: KeyError: odd",
    ]


def test_a_split_is_told_with_what_it_made_of_the_shares(
    bench: TradingBench, owner_db: Database
) -> None:
    told: list[str] = []
    bench.buy()
    bench.clock.at = new_york_time(DAY_AFTER, 8, 30)
    lines = EventLines(owner_db, bench.clock.now(), told.append)
    announce(bench, TWO_FOR_ONE)
    bench.broker.split("AAA", "2", "1")
    bench.reconcile("large")
    lines.look(bench.clock.now())
    words = [line.partition(" ")[2] for line in told]
    assert words == ["large adjusted AAA: forward_split, 19 are 38 now"]
