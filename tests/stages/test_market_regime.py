"""Readings of the volatility index, its stand-in, and knowing neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.regime import store_readings
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import Bar, Quotes, Session, new_york_time
from ops_pipeline.domain.regime import RegimeSource
from ops_pipeline.errors import AccountNotConfigured, FeedUnavailable, MarketDataUnavailable
from ops_pipeline.ports import MarketData, VixReading
from ops_pipeline.runtime import log
from ops_pipeline.stages import healthcheck, market_regime
from ops_pipeline.stages.market_regime import OpenSource
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, rows, store_bars
from tests.support.fakes import FixedClock

CALENDAR = NyseCalendar()
MORNING = datetime(2026, 2, 4, 13, 30, tzinfo=UTC)
EVENING = datetime(2026, 2, 4, 21, 20, tzinfo=UTC)
YESTERDAY = date(2026, 2, 3)


@dataclass
class Index:
    """A source of the volatility index that answers what it was given."""

    published: list[VixReading] = field(default_factory=list)
    down: bool = False
    source: RegimeSource = "vix"
    asked: int = 0

    def readings(self, last: Session) -> list[VixReading]:
        self.asked += 1
        if self.down:
            raise FeedUnavailable(f"the index is down, {last.day} as well")
        return self.published


class NoKeys:
    """A source, or a vendor, that nobody has keys of."""

    def __call__(self) -> Any:
        raise AccountNotConfigured("large has no keys")


NO_KEYS = NoKeys()


def run(
    db: Database,
    *indices: Index,
    tick: datetime = MORNING,
    market: Callable[[], MarketData] = NO_KEYS,
    first: Sequence[OpenSource] = (),
) -> market_regime.Outcome:
    return market_regime.run(
        TickRequest(tick=tick),
        db=db,
        sources=[*first, *(lambda index=index: index for index in indices)],
        market=market,
        calendar=CALENDAR,
        clock=FixedClock(tick),
        journal=log,
    )


def history(db: Database) -> list[tuple[object, ...]]:
    found = rows(db, "SELECT day, close, source FROM vix_history ORDER BY day")
    return [tuple(row.values()) for row in found]


def close_spy_at(db: Database, *closes: str) -> None:
    """Daily closes of SPY in the sessions up to yesterday, each with an after-hours print."""
    session = CALENDAR.previous_session(date(2026, 2, 4))
    for close in reversed(closes):
        start = session.closes_at - timedelta(minutes=2)
        store_bars(db, bars_of("SPY", start, [1, close, 999]), now=MORNING)
        session = CALENDAR.previous_session(session.day)


def test_the_index_is_stored_day_by_day_and_only_what_differs_is_touched(db: Database) -> None:
    index = Index([VixReading(date(2026, 2, 2), 17.1), VixReading(YESTERDAY, 18.2)])
    assert run(db, index).readings == 2
    index.published[0] = VixReading(date(2026, 2, 2), 17.3)
    index.published.append(VixReading(date(2026, 2, 4), 19.0))
    assert run(db, index, tick=EVENING).readings == 2
    assert history(db) == [
        (date(2026, 2, 2), 17.3, "vix"),
        (YESTERDAY, 18.2, "vix"),
        (date(2026, 2, 4), 19.0, "vix"),
    ]


@pytest.mark.parametrize(("tick", "stored"), [(MORNING, 0), (EVENING, 1)])
def test_todays_close_is_known_only_after_the_session(
    db: Database, tick: datetime, stored: int
) -> None:
    assert run(db, Index([VixReading(date(2026, 2, 4), 19.0)]), tick=tick).readings == stored


def test_a_reading_of_a_later_day_is_not_taken_into_a_replay(db: Database) -> None:
    run(db, Index([VixReading(YESTERDAY, 18.2), VixReading(date(2026, 2, 5), 40.0)]), tick=EVENING)
    assert history(db) == [(YESTERDAY, 18.2, "vix")]


@pytest.mark.parametrize(
    "index", [Index(down=True), Index([]), Index([VixReading(date(2026, 2, 2), 17.1)])]
)
def test_without_yesterdays_reading_spys_volatility_stands_in_and_says_so(
    db: Database, index: Index
) -> None:
    close_spy_at(db, "100", "101", "99.99", "100.9899", "99.980001")
    outcome = run(db, index)
    assert (outcome.stand_ins, outcome.unknown) == (1, 0)
    day, close, source = history(db)[-1]
    assert (day, source) == (YESTERDAY, "realised_volatility_spy")
    assert close == pytest.approx(0.01 * (4 / 3) ** 0.5 * 252**0.5 * 100)


def test_with_neither_nothing_is_stored_and_the_gate_will_refuse(db: Database) -> None:
    close_spy_at(db, "100", "101", "99.99", "100.9899")
    outcome = run(db, Index(down=True))
    assert (outcome.feed_failed, outcome.unknown, outcome.stand_ins) == (1, 1, 0)
    assert history(db) == []


def test_a_stand_in_gives_way_to_the_index_and_never_replaces_it(db: Database) -> None:
    close_spy_at(db, "100", "101", "99.99", "100.9899", "99.980001")
    run(db, Index(down=True))
    run(db, Index([VixReading(YESTERDAY, 18.2)]))
    assert history(db) == [(YESTERDAY, 18.2, "vix")]
    assert run(db, Index(down=True)).stand_ins == 0
    assert history(db) == [(YESTERDAY, 18.2, "vix")]


def test_the_table_itself_keeps_the_index_when_a_stand_in_comes_later(db: Database) -> None:
    with db.transaction() as tx:
        store_readings(tx, [VixReading(YESTERDAY, 18.2)], source="vix", now=MORNING)
        late = [VixReading(YESTERDAY, 9.9)]
        assert store_readings(tx, late, source="realised_volatility_spy", now=EVENING) == 0
    assert history(db) == [(YESTERDAY, 18.2, "vix")]


def test_a_session_without_bars_ends_the_run_of_closes(db: Database) -> None:
    close_spy_at(db, "100", "101", "99.99", "100.9899", "99.980001", "101")
    missing = new_york_time(date(2026, 1, 30), 9)
    with db.transaction() as tx:
        tx.execute(
            "DELETE FROM lane_telemetry WHERE ts >= :start AND ts < :end",
            start=missing,
            end=missing + timedelta(hours=12),
        )
    assert run(db, Index(down=True)).unknown == 1


READ = VixReading(YESTERDAY, 18.2)


def test_the_first_source_that_has_the_close_is_taken_and_named(db: Database) -> None:
    quick, slow = Index([READ], source="vix_alpaca"), Index([VixReading(YESTERDAY, 18.3)])
    assert run(db, quick, slow).source == "vix_alpaca"
    assert (quick.asked, slow.asked) == (1, 0)
    assert history(db) == [(YESTERDAY, 18.2, "vix_alpaca")]


@pytest.mark.parametrize(
    "first", [Index(down=True, source="vix_alpaca"), Index([], source="vix_alpaca")]
)
def test_where_one_source_has_no_close_the_next_is_asked(db: Database, first: Index) -> None:
    done = run(db, first, Index([READ]))
    assert (done.source, done.feed_failed) == ("vix", 0)
    assert history(db) == [(YESTERDAY, 18.2, "vix")]


def test_a_source_without_keys_keeps_the_next_from_nothing(db: Database) -> None:
    assert run(db, Index([READ]), first=[NoKeys()]).source == "vix"


def test_once_it_is_known_nobody_is_asked_again(db: Database) -> None:
    index = Index(down=True)
    for minutes in range(0, 90, 5):
        index.down = minutes < 30
        index.published = [READ]
        run(db, index, tick=MORNING + timedelta(minutes=minutes))
    assert index.asked == 7
    assert history(db) == [(YESTERDAY, 18.2, "vix")]


def test_the_publisher_s_close_replaces_another_source_s_and_not_the_other_way(
    db: Database,
) -> None:
    sources: list[RegimeSource] = ["realised_volatility_spy", "vix_alpaca", "vix"]
    for level, source in enumerate(sources):
        with db.transaction() as tx:
            assert store_readings(tx, [VixReading(YESTERDAY, 20.0 + level)], source=source,
                                  now=MORNING) == 1  # fmt: skip
    for source in sources[:2]:
        with db.transaction() as tx:
            assert store_readings(tx, [VixReading(YESTERDAY, 9.0)], source=source, now=MORNING) == 0
    assert history(db) == [(YESTERDAY, 22.0, "vix")]


@dataclass
class Vendor:
    """Has the last half hour of some sessions.

    Attributes:
        closes: By day; others have no bar.
        down_before: Sessions before that day cannot be read.
    """

    closes: dict[date, str]
    down_before: date = date.min
    asked: list[date] = field(default_factory=list)

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        assert tickers == ["SPY"]
        day = start.date()
        self.asked.append(day)
        if day < self.down_before:
            raise MarketDataUnavailable("503")
        if day not in self.closes:
            return Listing()
        return Listing(bars_of("SPY", end - timedelta(minutes=9), [1, self.closes[day]]))

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        raise AssertionError(f"nobody asks for quotes of {tickers}")


def vendor_of(*closes: str) -> Vendor:
    """With closes in the sessions up to yesterday, oldest first."""
    found, session = {}, CALENDAR.previous_session(date(2026, 2, 4))
    for close in reversed(closes):
        found[session.day] = close
        session = CALENDAR.previous_session(session.day)
    return Vendor(found)


def test_on_the_first_day_the_stand_in_is_of_the_vendor_s_bars(db: Database) -> None:
    vendor = vendor_of("100", "101", "99.99", "100.9899", "99.980001")
    done = run(db, Index(down=True), market=lambda: vendor)
    assert (done.source, done.unknown) == ("realised_volatility_spy", 0)
    ((_, close, source),) = history(db)
    assert source == "realised_volatility_spy"
    assert close == pytest.approx(0.01 * (4 / 3) ** 0.5 * 252**0.5 * 100)
    assert len(vendor.asked) == 6, "the newest first, until one is not had"


def test_our_own_bars_come_first_and_the_vendor_s_complete_them(db: Database) -> None:
    close_spy_at(db, "100.9899", "99.980001")
    vendor = vendor_of("100", "101", "99.99", "7", "7")
    run(db, Index(down=True), market=lambda: vendor)
    ((_, close, _),) = history(db)
    assert close == pytest.approx(0.01 * (4 / 3) ** 0.5 * 252**0.5 * 100)


def test_a_vendor_with_too_little_leaves_it_unknown(db: Database) -> None:
    for vendor in (vendor_of("100", "101"), Vendor({}, down_before=date(2030, 1, 1))):
        assert run(db, Index(down=True), market=partial(_itself, vendor)).unknown == 1
    assert history(db) == []


def _itself(vendor: Vendor) -> MarketData:
    return vendor


def alerts(db: Database, tick: datetime) -> list[str]:
    healthcheck.run(TickRequest(tick=tick), db=db, calendar=CALENDAR, clock=FixedClock(tick))
    found = rows(
        db,
        "SELECT subject FROM alerts WHERE kind = 'volatility_unknown' AND resolved_at IS NULL",
    )
    return [row["subject"] for row in found]


def test_a_reading_that_is_missing_is_an_alert_before_the_open_and_ends_with_it(
    db: Database,
) -> None:
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner,"
            " lease_expires_at, started_at, finished_at, counts) VALUES (CAST(md5('r') AS uuid),"
            " 'rss_ingest', :at, '*', 1, 'succeeded', 'test', :at, :at, :at, '{}')",
            at=MORNING - timedelta(hours=1),
        )
    opened = new_york_time(date(2026, 2, 4), 9, 30)
    assert alerts(db, opened - timedelta(minutes=50)) == []
    assert alerts(db, opened - timedelta(minutes=45)) == ["vix_history"]
    run(db, Index([READ]), tick=opened + timedelta(minutes=30))
    assert alerts(db, opened + timedelta(minutes=35)) == []
