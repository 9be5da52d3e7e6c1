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


def test_that_no_feed_can_be_read_is_told_once_and_once_that_it_is_over(
    bench: TradingBench, owner_db: Database
) -> None:
    told: list[str] = []
    lines = EventLines(owner_db, bench.clock.now(), told.append)
    bench.run("UPDATE feed_state SET active = false")
    bench.run(
        "INSERT INTO feed_state (url, source, kind, last_error, failures_in_a_row) VALUES"
        " ('https://a.example/f', 'A', 'news', NULL, 0),"
        " ('https://b.example/f', 'B', 'news', 'no connection', 2),"
        " ('https://c.example/f', 'C', 'nasdaq_halts', NULL, 0)"
    )
    lines.look(bench.clock.now())
    assert told == []
    fails = "UPDATE feed_state SET last_error = 'HTTP 503', failures_in_a_row = 1"
    bench.run(f"{fails} WHERE source = 'A'")
    for _ in range(2):
        lines.look(bench.clock.now())
    (line,) = told
    assert line.endswith("NO NEWS: none of 2 feeds can be read, for example A: HTTP 503")
    bench.run("UPDATE feed_state SET last_error = NULL, failures_in_a_row = 0 WHERE source = 'A'")
    for _ in range(2):
        lines.look(bench.clock.now())
    assert [each.partition(" ")[2] for each in told[1:]] == ["feeds can be read again: 1 of 2"]
