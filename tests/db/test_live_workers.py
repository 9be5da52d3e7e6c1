"""Workers of `ops up`: what dies on an unexpected error starts again, and somebody is told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from infra.schedule import Tick
from ops_local.database import DatabaseUrls
from ops_local.live import loop, workers
from ops_local.pipeline import Pipeline, Tally
from ops_pipeline.db.driver.connection import Database
from tests.support.fakes import FixedClock
from tests.support.fast_wall import FastWall

# A Saturday: only what runs every minute or every five is due.
NOON = datetime(2026, 2, 7, 17, 0, 20, tzinfo=UTC)


@dataclass
class Breaking:
    """In the place of `Pipeline.run`: raises on the given attempts (from 1 on) at one target."""

    target: str
    error: BaseException
    attempts: tuple[int, ...]
    tried: list[datetime] = field(default_factory=list)
    served: list[tuple[str, datetime]] = field(default_factory=list)

    def run(self, tick: Tick) -> None:
        if tick.target == self.target:
            self.tried.append(tick.at)
            if len(self.tried) in self.attempts:
                raise self.error
        self.served.append((tick.target, tick.at))


def run_up(
    urls: DatabaseUrls, minutes: int, watch: Callable[[datetime, Tally], None] = lambda _a, _t: None
) -> Tally:
    wall = FastWall(FixedClock(NOON), NOON + timedelta(minutes=minutes - 1))
    return loop.run(urls.variables(), wall, watch=watch)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PAUSES_S", (0.01, 0.02))


@pytest.mark.parametrize(
    "error", [KeyError("odd"), SystemExit(3), RecursionError("deep")], ids=repr
)
def test_a_worker_that_dies_is_started_again_and_tries_its_tick_once_more(
    database_urls: DatabaseUrls,
    owner_db: Database,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    breaking = Breaking("news_cycle", error, attempts=(1,))
    monkeypatch.setattr(Pipeline, "run", breaking.run)
    tally = run_up(database_urls, minutes=8)
    first = NOON.replace(second=0) + timedelta(minutes=1)
    assert breaking.tried[:3] == [first, first, first + timedelta(minutes=1)]
    assert [failure.target for failure in tally.failures] == ["news_cycle"]
    (alert,) = owner_db.read("SELECT * FROM alerts WHERE kind = 'worker_died'")
    assert (alert["subject"], alert["severity"]) == ("news_cycle", "warning")
    assert type(error).__name__ in alert["message"]
    # Five minutes without another death: it is over.
    assert alert["resolved_at"] - alert["opened_at"] >= timedelta(minutes=5)


def test_a_tick_that_kills_its_worker_twice_is_left_and_the_next_one_served(
    database_urls: DatabaseUrls, owner_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking("news_cycle", KeyError("odd"), attempts=(1, 2))
    monkeypatch.setattr(Pipeline, "run", breaking.run)
    tally = run_up(database_urls, minutes=2)
    first = NOON.replace(second=0) + timedelta(minutes=1)
    assert breaking.tried == [first, first, first + timedelta(minutes=1)]
    assert len(tally.failures) == 2
    (alert,) = owner_db.read("SELECT resolved_at FROM alerts WHERE kind = 'worker_died'")
    assert alert["resolved_at"] is None


def test_the_guard_s_death_is_critical_and_stops_no_other(
    database_urls: DatabaseUrls, owner_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking = Breaking("position_cycle", SystemExit(1), attempts=(1, 2, 3, 4, 5, 6, 7, 8))
    monkeypatch.setattr(Pipeline, "run", breaking.run)
    monkeypatch.setattr("tests.db.test_live_workers.NOON", datetime(2026, 2, 6, 17, 0, tzinfo=UTC))
    run_up(database_urls, minutes=3)
    assert {target for target, _ in breaking.served} >= {"news_cycle", "trading_cycle"}
    (alert,) = owner_db.read("SELECT subject, severity FROM alerts WHERE kind = 'worker_died'")
    assert alert == {"subject": "position_cycle", "severity": "critical"}


def test_what_shows_the_progress_may_fail_and_nothing_else_stops(
    database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = Breaking("none", KeyError(), attempts=())
    monkeypatch.setattr(Pipeline, "run", served.run)

    def broken(_at: datetime, _tally: Tally) -> None:
        raise BrokenPipeError

    run_up(database_urls, minutes=3, watch=broken)
    assert len([target for target, _ in served.served if target == "news_cycle"]) == 3


def test_a_database_that_is_away_keeps_no_worker_from_going_on(
    monkeypatch: pytest.MonkeyPatch, database_urls: DatabaseUrls
) -> None:
    """The alert cannot be opened; the failure is counted all the same."""
    breaking = Breaking("news_cycle", KeyError("odd"), attempts=(1,))
    monkeypatch.setattr(Pipeline, "run", breaking.run)

    def away(*_: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(workers.DeathAlerts, "_writing", away)
    tally = run_up(database_urls, minutes=3)
    assert len(tally.failures) == 1
    assert len([target for target, _ in breaking.served if target == "news_cycle"]) == 3
