"""Halt documents into trading_halts, through the code that fetches feeds."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from itertools import product
from threading import Barrier, Thread
from typing import Any, Literal

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, Row, target_from_url
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.domain.feeds.kinds import FeedKind
from ops_pipeline.domain.market_state.trading_halts import HaltList, HaltNotice, TradingHalt
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.market_state.halt_lists import HaltKeeper
from ops_pipeline.stages.request import TickRequest
from tests.support.fakes import FixedClock
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.halt_pages import HaltRow, nasdaq, nyse
from tests.support.subscribing import subscribe

TICK = datetime(2026, 2, 4, 14, 32, tzinfo=UTC)
HALTED = datetime(2026, 2, 4, 14, 31, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
URL = "https://halts.example/list"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def add(db: Database, server: FeedServer, page: Page, kind: FeedKind = "nasdaq_halts") -> str:
    url = server.put(f"/{kind}", page)
    with db.transaction() as tx:
        subscribe(tx, url=url, source=kind, kind=kind)
    return url


def ingest(db: Database, minutes: int = 0) -> rss_ingest.Outcome:
    tick = TICK + minutes * MINUTE
    clock = FixedClock(tick + timedelta(seconds=2))
    feed = local_feed(total_s=2)
    return rss_ingest.run(TickRequest(tick=tick), db=db, feed=feed, clock=clock)


def stored(db: Database) -> list[Row]:
    with db.transaction() as tx:
        return tx.rows(f"SELECT {trading_halts.COLUMNS} FROM trading_halts ORDER BY ticker, source")


def holding(db: Database, ticker: str, minutes: int = 0) -> list[TradingHalt]:
    with db.transaction() as tx:
        return trading_halts.current(tx, [ticker], now=TICK + minutes * MINUTE)


@pytest.mark.parametrize(("kind", "page"), [("nasdaq_halts", nasdaq), ("nyse_halts", nyse)])
def test_a_halt_is_stored_with_reason_time_and_source(
    db: Database, server: FeedServer, kind: FeedKind, page: Callable[[Sequence[HaltRow]], bytes]
) -> None:
    add(db, server, Page(page([HaltRow()])), kind)
    assert ingest(db).halts == 1
    [row] = stored(db)
    assert (row["ticker"], row["reason"], row["halted_at"]) == ("AAA", "T1", HALTED)
    assert (row["source"], row["resumed_at"]) == (kind, None)
    assert [halt.ticker for halt in holding(db, "AAA")] == ["AAA"]
    assert holding(db, "BBB") == []


def test_the_same_list_again_stores_nothing_twice(db: Database, server: FeedServer) -> None:
    add(db, server, Page(nasdaq([HaltRow()])))
    ingest(db)
    ingest(db, 1)
    [row] = stored(db)
    assert row["listed_at"] == TICK + MINUTE + timedelta(seconds=2)


def test_a_resumption_ends_it_at_its_time(db: Database, server: FeedServer) -> None:
    add(db, server, Page(nasdaq([HaltRow()])))
    ingest(db)
    resumes = HaltRow(resumption_day="02/04/2026", resumption_time="09:40:00")
    server.put("/nasdaq_halts", Page(nasdaq([resumes])))
    ingest(db, 1)
    assert holding(db, "AAA", 7)
    assert not holding(db, "AAA", 8)


def test_a_halt_that_is_listed_no_more_has_ended(db: Database, server: FeedServer) -> None:
    add(db, server, Page(nasdaq([HaltRow(), HaltRow("BBB")])))
    ingest(db)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow("BBB")])))
    ingest(db, 1)
    assert not holding(db, "AAA", 2)
    assert holding(db, "BBB", 2)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow(), HaltRow("BBB")])))
    ingest(db, 2)
    assert holding(db, "AAA", 3)


@pytest.mark.parametrize(
    "page",
    [
        Page(nasdaq([HaltRow("BBB"), HaltRow(day="?")])),
        Page(nasdaq([HaltRow("BBB")], announced=2)),
        Page(nasdaq([HaltRow("BBB"), HaltRow("CCC", day="01/01/1999")])),
        Page(b"<html><title>Denied</title></html>"),
        Page(status=503),
    ],
    ids=["illegible", "announced", "implausible", "block page", "503"],
)
def test_a_list_that_is_not_whole_ends_no_halt(
    db: Database, server: FeedServer, page: Page
) -> None:
    add(db, server, Page(nasdaq([HaltRow()])))
    ingest(db)
    server.put("/nasdaq_halts", page)
    ingest(db, 1)
    assert holding(db, "AAA", 2)


def test_not_modified_says_that_it_still_stands(db: Database, server: FeedServer) -> None:
    add(db, server, Page(nasdaq([HaltRow()]), etag='"1"'))
    ingest(db)
    assert ingest(db, 5).not_modified == 1
    [row] = stored(db)
    assert row["listed_at"] == TICK + 5 * MINUTE + timedelta(seconds=2)


AHEAD = HaltRow(resumption_day="02/04/2026", resumption_time="13:00:00")


def test_a_halt_whose_resumption_is_ahead_ends_too_when_it_is_listed_no_more(
    db: Database, server: FeedServer
) -> None:
    """A list that withdrew a wrong time of resumption would keep its ticker halted until then."""
    add(db, server, Page(nasdaq([AHEAD, HaltRow("BBB")])))
    ingest(db)
    assert holding(db, "AAA", 1)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow("BBB")])))
    ingest(db, 1)
    assert not holding(db, "AAA", 2)
    server.put("/nasdaq_halts", Page(nasdaq([AHEAD, HaltRow("BBB")])))
    ingest(db, 2)
    assert holding(db, "AAA", 3)


@pytest.mark.parametrize("etag", [None, '"1"'], ids=["whole", "not modified"])
def test_an_announced_resumption_is_confirmed_while_it_is_ahead(
    db: Database, server: FeedServer, etag: str | None
) -> None:
    add(db, server, Page(nasdaq([AHEAD]), etag=etag))
    ingest(db)
    ingest(db, 5)
    [row] = stored(db)
    assert row["listed_at"] == TICK + 5 * MINUTE + timedelta(seconds=2)


def test_a_source_that_was_not_heard_for_a_day_vouches_for_nothing(
    db: Database, server: FeedServer
) -> None:
    add(db, server, Page(nasdaq([HaltRow()])))
    ingest(db)
    assert holding(db, "AAA", 24 * 60)
    assert not holding(db, "AAA", 24 * 60 + 1)


def test_nor_does_its_resumption_in_days(db: Database, server: FeedServer) -> None:
    in_days = HaltRow(resumption_day="02/20/2026", resumption_time="09:30:00")
    add(db, server, Page(nasdaq([in_days])))
    ingest(db)
    assert holding(db, "AAA", 24 * 60)
    assert not holding(db, "AAA", 24 * 60 + 1)


def test_a_source_that_fails_stops_neither_the_other_nor_the_news(
    db: Database, server: FeedServer
) -> None:
    add(db, server, Page(b"<html></html>"))
    add(db, server, Page(nyse([HaltRow()])), "nyse_halts")
    with db.transaction() as tx:
        url = server.put("/news", Page(rss(item("Something happened", guid="1"))))
        subscribe(tx, url=url, source="Wire")
    outcome = ingest(db)
    assert (outcome.failed_feeds, outcome.halts, outcome.stored) == (1, 1, 1)


def test_one_halt_that_cannot_be_stored_keeps_no_other_from_it(db: Database) -> None:
    with db.transaction() as tx:
        subscribe(tx, url=URL, source="Nasdaq", kind="nasdaq_halts")
    told = HaltList(tuple(HaltNotice(it, "T1", HALTED) for it in ("AAA", "B" * 30, "CCC")))
    document = FeedDocument((), None, None, halts=told)
    state = FeedState(URL, "Nasdaq", kind="nasdaq_halts")
    kept = HaltKeeper(db, state, "nasdaq_halts", document, TICK).keep()
    assert (kept.stored, kept.rejected) == (2, 1)
    assert kept.failed is not None
    assert [row["ticker"] for row in stored(db)] == ["AAA", "CCC"]


def test_a_market_wide_halt_halts_every_ticker_until_the_last_resumes(
    db: Database, server: FeedServer
) -> None:
    first = HaltRow("AAA", "MWC1", resumption_day="02/04/2026", resumption_time="09:46:05")
    add(db, server, Page(nasdaq([first, HaltRow("BBB", "MWC1", time="09:31:06")])))
    ingest(db)
    assert [halt.ticker for halt in holding(db, "ZZZ")] == ["*"]
    last = HaltRow(
        "BBB", "MWCQ", time="09:31:06", resumption_day="02/04/2026", resumption_time="09:47:00"
    )
    server.put("/nasdaq_halts", Page(nasdaq([first, last])))
    ingest(db, 1)
    assert holding(db, "ZZZ", 14)
    assert not holding(db, "ZZZ", 15)


def test_a_flood_of_made_up_halts_is_refused(
    db: Database, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops_pipeline.stages.market_state.halt_lists.MOST_HALTS_A_DAY", 1)
    add(db, server, Page(nasdaq([HaltRow()])))
    ingest(db)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow(f"T{n}") for n in range(5)])))
    assert ingest(db, 1).failed_feeds == 1
    assert len(stored(db)) == 1


def test_a_market_wide_halt_names_each_ticker_and_is_read_whole(
    db: Database, server: FeedServer
) -> None:
    rows = [HaltRow(f"T{number}", "MWC1") for number in range(11_000)]
    page = Page(nasdaq(rows))
    assert len(page.body) > 3 * 2**20
    add(db, server, page)
    outcome = ingest(db)
    assert (outcome.failed_feeds, outcome.halts) == (0, len(rows) + 1)


Moment = Literal["before", "after"]


class Killed(BaseException):
    """The process ended there."""


def killing(patched: pytest.MonkeyPatch, number: int, moment: Moment) -> list[int]:
    """End the process before or after its statement of that number; counts what is sent."""
    sent: list[int] = []

    def counting(send: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **options: Any) -> Any:
            sent.append(len(sent) + 1)
            if (len(sent), moment) == (number, "before"):
                raise Killed
            answer = send(*args, **options)
            if (len(sent), moment) == (number, "after"):
                raise Killed
            return answer

        return counted

    for name in ("execute", "execute_simple", "execute_unnamed"):
        patched.setattr(PipelinedSession, name, counting(getattr(PipelinedSession, name)))
    return sent


def halted(db: Database, minutes: int) -> set[str]:
    """What stands a minute after the run of that minute."""
    return {it for it in ("AAA", "BBB", "CCC") if holding(db, it, minutes + 1)}


# Of one run with a list: test_no_run_has_more_statements_than_are_tried counts them.
MOST_STATEMENTS = 12


@pytest.mark.parametrize(
    "killed_at", list(product(range(1, MOST_STATEMENTS + 1), ("before", "after")))
)
def test_a_run_that_dies_anywhere_leaves_the_old_list_or_the_new_one(
    db: Database,
    database_urls: DatabaseUrls,
    server: FeedServer,
    monkeypatch: pytest.MonkeyPatch,
    killed_at: tuple[int, Moment],
) -> None:
    """And what its server said with it: an answer "not modified" never stands for an older list."""
    add(db, server, Page(nasdaq([HaltRow("AAA"), HaltRow("BBB")]), etag='"1"'))
    ingest(db)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow("BBB"), HaltRow("CCC")]), etag='"2"'))
    number, moment = killed_at
    doomed = Database(target_from_url(database_urls.writer), application_name="tests")
    with closing(doomed), monkeypatch.context() as patched, suppress(Killed):
        sent = killing(patched, number, moment)
        ingest(doomed, 1)
        assert len(sent) < number
    assert halted(db, 1) in ({"AAA", "BBB"}, {"BBB", "CCC"})
    ingest(db, 2)
    assert halted(db, 2) == {"BBB", "CCC"}
    assert len(stored(db)) == 3


def test_no_run_has_more_statements_than_are_tried(
    db: Database, server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, server, Page(nasdaq([HaltRow("AAA"), HaltRow("BBB")])))
    ingest(db)
    server.put("/nasdaq_halts", Page(nasdaq([HaltRow("BBB"), HaltRow("CCC")])))
    with monkeypatch.context() as patched:
        sent = killing(patched, 0, "before")
        ingest(db, 1)
    assert 3 < len(sent) <= MOST_STATEMENTS


def test_a_list_that_is_delivered_twice_in_one_minute_is_one_list(
    db: Database, server: FeedServer
) -> None:
    add(db, server, Page(nasdaq([HaltRow("AAA"), HaltRow("BBB")])))
    for _ in range(2):
        ingest(db)
    assert len(stored(db)) == 2
    assert halted(db, 0) == {"AAA", "BBB"}


def keeper(db: Database, second: int, *tickers: str) -> HaltKeeper:
    """That reads a whole list of these at that second."""
    told = HaltList(tuple(HaltNotice(it, "T1", HALTED) for it in tickers))
    state = FeedState(URL, "Nasdaq", kind="nasdaq_halts")
    now = TICK + timedelta(seconds=second)
    return HaltKeeper(db, state, "nasdaq_halts", FeedDocument((), None, None, halts=told), now)


def test_an_older_list_that_is_stored_after_a_newer_one_brings_no_halt_back(db: Database) -> None:
    with db.transaction() as tx:
        subscribe(tx, url=URL, source="Nasdaq", kind="nasdaq_halts")
    older, newer = keeper(db, 2, "AAA", "BBB"), keeper(db, 30, "BBB", "CCC")
    keeper(db, 1, "AAA", "BBB").keep()
    newer.keep()
    assert older.keep().failed is None
    assert halted(db, 0) == {"BBB", "CCC"}
    newest = {row["ticker"]: row["listed_at"] for row in stored(db)}
    assert newest["BBB"] == TICK + timedelta(seconds=30)


def test_two_runs_at_once_store_one_list_after_the_other(
    db: Database, database_urls: DatabaseUrls
) -> None:
    """Each would end what the other lists: in turn, and no deadlock."""
    with db.transaction() as tx:
        subscribe(tx, url=URL, source="Nasdaq", kind="nasdaq_halts")
    names = [f"T{number:03}" for number in range(200)]
    keeper(db, 0, *names).keep()
    failed: list[Exception] = []
    for round_ in range(5):
        together = Barrier(2)

        def run(tickers: Sequence[str], second: int, together: Barrier = together) -> None:
            own = Database(target_from_url(database_urls.writer), application_name="tests")
            with closing(own):
                together.wait(10)
                found = keeper(own, second, *tickers).keep().failed
                failed.extend([found] if found else [])

        threads = [
            Thread(target=run, args=(names[half * 100 : half * 100 + 100], 2 * round_ + half + 1))
            for half in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    assert len(stored(db)) == 200
    with db.transaction() as tx:
        standing = trading_halts.current(tx, names, now=TICK + MINUTE)
    assert sorted(it.ticker for it in standing) == names[100:]
