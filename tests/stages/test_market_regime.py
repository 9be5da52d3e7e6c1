"""Readings of the volatility index, its stand-in, and knowing neither."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.regime import store_readings
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading
from ops_pipeline.stages import market_regime
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, rows, store_bars
from tests.support.fakes import FixedClock

CALENDAR = NyseCalendar()
MORNING = datetime(2026, 2, 4, 13, 30, tzinfo=UTC)
EVENING = datetime(2026, 2, 4, 21, 20, tzinfo=UTC)
YESTERDAY = date(2026, 2, 3)


@dataclass
class Index:
    """A volatility index that answers what it was given."""

    published: list[VixReading] = field(default_factory=list)
    down: bool = False

    def readings(self) -> list[VixReading]:
        if self.down:
            raise FeedUnavailable("the index is down")
        return self.published


def run(db: Database, index: Index, tick: datetime = MORNING) -> market_regime.Outcome:
    return market_regime.run(
        TickRequest(tick=tick),
        db=db,
        volatility_index=index,
        calendar=CALENDAR,
        clock=FixedClock(tick),
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
    index.published[1] = VixReading(YESTERDAY, 18.3)
    assert run(db, index).readings == 1
    assert history(db) == [(date(2026, 2, 2), 17.1, "vix"), (YESTERDAY, 18.3, "vix")]


@pytest.mark.parametrize(("tick", "stored"), [(MORNING, 0), (EVENING, 1)])
def test_todays_close_is_known_only_after_the_session(
    db: Database, tick: datetime, stored: int
) -> None:
    assert run(db, Index([VixReading(date(2026, 2, 4), 19.0)]), tick).readings == stored


def test_a_reading_of_a_later_day_is_not_taken_into_a_replay(db: Database) -> None:
    run(db, Index([VixReading(YESTERDAY, 18.2), VixReading(date(2026, 2, 5), 40.0)]), EVENING)
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
