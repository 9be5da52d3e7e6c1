"""Bars in committed slices: killed, out of time, refused in part, and more of them each tick."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Lock

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import MINUTE, Bar
from ops_pipeline.domain.prices.bar_age import BarCoverage
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.stages import bar_fetching, telemetry
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, in_force, rows, watch
from tests.support.fakes import FakeMarketData, FixedClock

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
NAMES = [f"A{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(230)]


class Killed(BaseException):
    """The process ended there."""


@dataclass
class Vendor(FakeMarketData):
    """Has a bar of each ticker every ten minutes of the session; fails where it is told to."""

    answers: int = 10**9
    refuses: frozenset[str] = frozenset()
    hangs: frozenset[str] = frozenset()
    asked: list[tuple[tuple[str, ...], datetime, datetime]] = field(default_factory=list)
    side_by_side: int = 0
    most_side_by_side: int = 0
    lock: Lock = field(default_factory=Lock)
    never: Event = field(default_factory=Event)

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        with self.lock:
            self.asked.append((tuple(tickers), start, end))
            self.side_by_side += 1
            self.most_side_by_side = max(self.most_side_by_side, self.side_by_side)
            if len(self.asked) > self.answers:
                raise Killed
        try:
            if self.hangs & set(tickers):
                self.never.wait(20)
            if self.refuses & set(tickers):
                raise MarketDataUnavailable("500: these are not to be had")
            return Listing(
                bar
                for ticker in tickers
                for bar in bars_of(ticker, OPEN, [10] * 150)
                if start <= bar.ts < end and bar.ts.minute % 10 == 0
            )
        finally:
            with self.lock:
                self.side_by_side -= 1


@pytest.fixture
def vendor() -> Vendor:
    return Vendor(FixedClock(NOON))


def fetch(
    db: Database,
    vendor: FakeMarketData,
    tick: datetime = NOON,
    *,
    budget_s: float = 16.0,
    most_requests: int = 120,
) -> telemetry.Outcome:
    vendor.clock.at = tick + timedelta(seconds=2)
    return telemetry.run(
        TickRequest(tick=tick),
        db=db,
        market_data=vendor,
        calendar=NyseCalendar(),
        clock=vendor.clock,
        parameters=in_force(db),
        data_feed="iex",
        budget_s=budget_s,
        most_requests=most_requests,
    )


def count(db: Database, where: str = "true") -> int:
    found = rows(db, f"SELECT count(*) AS bars FROM lane_telemetry WHERE {where}")
    return int(found[0]["bars"])


def asked_minutes(db: Database) -> float:
    found = rows(
        db,
        "SELECT sum(extract(epoch FROM upper(part) - lower(part))) / 60 AS minutes"
        " FROM telemetry_asked CROSS JOIN LATERAL unnest(minutes) AS part",
    )
    return float(found[0]["minutes"])


def test_the_newest_minutes_of_all_come_before_what_is_missing_of_the_day(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    fetch(db, vendor)
    assert all(len(tickers) <= 200 for tickers, _, _ in vendor.asked)
    assert all(end - start <= timedelta(minutes=30) for _, start, end in vendor.asked)
    assert {end for _, _, end in vendor.asked[:2]} == {NOON}
    assert max(end for _, _, end in vendor.asked[2:]) == NOON - timedelta(minutes=30)
    assert 1 < vendor.most_side_by_side <= bar_fetching.SIDE_BY_SIDE
    assert count(db) == len(NAMES) * 15


def test_a_run_that_is_killed_has_more_than_before_tick_by_tick(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    had, tick = 0.0, NOON
    for _ in range(60):
        vendor.asked, vendor.answers = [], 8
        try:
            fetch(db, vendor, tick)
        except Killed:
            assert asked_minutes(db) > had
        else:
            break
        had, tick = asked_minutes(db), tick + MINUTE
    assert count(db, f"ts < '{NOON.isoformat()}'") == len(NAMES) * 15


def test_what_the_budget_does_not_reach_is_fetched_by_the_next_ticks(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    first = fetch(db, vendor, most_requests=5)
    assert (len(vendor.asked), first.failed, first.postponed > 10) == (5, 0, True)
    tick = NOON
    for _ in range(30):
        tick += MINUTE
        if fetch(db, vendor, tick, most_requests=5).postponed == 0:
            break
    assert count(db, f"ts < '{NOON.isoformat()}'") == len(NAMES) * 15


def test_a_request_that_hangs_keeps_no_other_from_being_stored(
    db: Database, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(db, *NAMES)
    monkeypatch.setattr(telemetry, "PATIENCE_S", 0.1)
    vendor.hangs = frozenset(NAMES[:1])
    try:
        outcome = fetch(db, vendor, budget_s=2.0)
    finally:
        vendor.never.set()
    assert outcome.postponed > 0
    assert count(db, f"ticker = '{NAMES[0]}'") == 0
    newest = f"ts >= '{(NOON - timedelta(minutes=30)).isoformat()}'"
    assert count(db, f"ticker = '{NAMES[-1]}' AND {newest}") == 3


def test_a_refused_request_is_told_of_and_asked_again_while_the_others_are_stored(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    vendor.refuses = frozenset(NAMES[:1])
    outcome = fetch(db, vendor)
    assert outcome.failed > 0
    assert count(db) == 30 * 15
    (alert,) = rows(db, "SELECT message FROM alerts WHERE kind = 'bars_missing'")
    assert "500: these are not to be had" in alert["message"]
    vendor.refuses = frozenset()
    assert fetch(db, vendor, NOON + MINUTE).failed == 0
    assert count(db) == len(NAMES) * 15
    assert rows(db, "SELECT 1 AS open FROM alerts WHERE resolved_at IS NULL") == []


def test_until_when_a_ticker_s_minutes_are_known_is_stored_with_its_bars(
    db: Database, vendor: Vendor
) -> None:
    watch(db, "AAA", "QUIET")
    fetch(db, vendor)
    vendor.refuses = frozenset({"AAA"})
    day_start = NOON - timedelta(hours=12)
    with db.transaction() as tx:
        found = asked_bars.coverage(tx, ["AAA", "NEVER"], day_start=day_start)
    assert found["AAA"] == BarCoverage(NOON, NOON - 9 * MINUTE)
    assert found["NEVER"].asked_until is None


@pytest.mark.parametrize("outage", [timedelta(minutes=20), timedelta(minutes=90)])
def test_a_bar_that_was_recalculated_while_nobody_could_ask_is_taken_after_it(
    db: Database, outage: timedelta
) -> None:
    """However long that was: the newest bar before it was asked for in its first version."""
    watch(db, "AAA")
    recorded = bars_of("AAA", OPEN, [10] * 260)
    vendor = FakeMarketData(FixedClock(NOON), recorded_bars=recorded)
    newest = next(number for number, bar in enumerate(recorded) if bar.ends_at == NOON)
    recorded[newest] = replace(recorded[newest], volume=900)
    fetch(db, vendor)
    recorded[newest] = replace(recorded[newest], volume=1000)
    vendor.down = True
    with pytest.raises(MarketDataUnavailable):
        fetch(db, vendor, NOON + MINUTE)
    vendor.down = False
    fetch(db, vendor, NOON + outage)
    assert count(db) == 150 + outage // MINUTE
    assert count(db, "volume = 900") == 0


def test_when_nothing_can_be_read_the_run_fails(db: Database, vendor: Vendor) -> None:
    watch(db, *NAMES)
    vendor.refuses = frozenset(NAMES)
    with pytest.raises(MarketDataUnavailable, match="not to be had"):
        fetch(db, vendor)


def test_a_quiet_ticker_costs_one_request_a_minute_and_not_its_whole_silence(
    db: Database, vendor: Vendor
) -> None:
    watch(db, "QUIET")
    vendor.recorded_bars = []
    tick = OPEN - 10 * MINUTE
    fetch(db, vendor, tick - MINUTE)
    vendor.asked = []
    fetch(db, vendor, tick)
    assert vendor.asked == [(("QUIET",), tick - timedelta(minutes=30), tick)]
