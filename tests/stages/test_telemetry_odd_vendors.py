"""A vendor that is slow, odd or late in part: what it costs, and that it is told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from threading import Event
from time import monotonic, sleep

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.domain.market import MINUTE, Bar, Quotes
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.stages import features, telemetry
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, in_force, rows, watch
from tests.support.fakes import FakeMarketData, FixedClock

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
NAMES = [f"A{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(230)]
ODD = "10.50"
# Longer than an index takes, however it is packed.
LONG = "".join(sha256(str(number).encode()).hexdigest() for number in range(300))


@dataclass
class Vendor(FakeMarketData):
    """Has what a test gives it; is slow for those it is told to be."""

    hangs: frozenset[str] = frozenset()
    refuses_before: datetime | None = None
    quotes_hang: bool = False
    requests: list[tuple[str, ...]] = field(default_factory=list)
    quoted: list[tuple[str, ...]] = field(default_factory=list)
    released: Event = field(default_factory=Event)

    def bars(self, tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        self.requests.append(tuple(tickers))
        if self.refuses_before is not None and start < self.refuses_before:
            raise MarketDataUnavailable("500: not now")
        if self.hangs & set(tickers):
            self.released.wait(20)
        return super().bars(tickers, start, end)

    def quotes(self, tickers: Sequence[str]) -> Quotes:
        self.quoted.append(tuple(tickers))
        if self.quotes_hang:
            self.released.wait(20)
        return super().quotes(tickers)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor(FixedClock(NOON))


def fetch(
    db: Database, vendor: Vendor, tick: datetime = NOON, *, budget_s: float = 16.0
) -> telemetry.Outcome:
    vendor.clock.at = tick + timedelta(seconds=6)
    try:
        return telemetry.run(
            TickRequest(tick=tick),
            db=db,
            market_data=vendor,
            calendar=NyseCalendar(),
            clock=vendor.clock,
            parameters=in_force(db),
            data_feed="iex",
            budget_s=budget_s,
        )
    finally:
        vendor.released.set()


def open_alerts(db: Database) -> list[str]:
    found = rows(db, "SELECT kind FROM alerts WHERE resolved_at IS NULL ORDER BY kind")
    return [row["kind"] for row in found]


@pytest.mark.parametrize("name", ["A\x00", "\ud800", LONG, ""])
def test_a_bar_under_an_odd_name_costs_no_other_its_own(
    db: Database, vendor: Vendor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(db, "AAA")
    ten = Decimal(10)
    stranger = Bar(name, NOON - MINUTE, ten, ten, ten, ten, 5)
    told = Listing([*bars_of("AAA", NOON - 5 * MINUTE, [10] * 5), stranger])
    monkeypatch.setattr(vendor, "bars", lambda *_: told)
    assert fetch(db, vendor).stored == 5


def test_newest_minutes_that_had_no_answer_in_time_are_told_of(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    vendor.recorded_bars = bars_of(NAMES[0], OPEN, [10] * 150)
    vendor.hangs = frozenset(NAMES[-1:])
    assert fetch(db, vendor, budget_s=1.0).stored > 0
    assert open_alerts(db) == ["bars_missing"]
    vendor.hangs = frozenset()
    fetch(db, vendor, NOON + MINUTE)
    assert open_alerts(db) == []


def test_when_none_of_the_newest_minutes_is_answered_in_time_the_run_fails(
    db: Database, vendor: Vendor
) -> None:
    watch(db, *NAMES)
    vendor.hangs = frozenset(NAMES)
    with pytest.raises(MarketDataUnavailable, match="no answer"):
        fetch(db, vendor, budget_s=0.5)


def test_quotes_are_asked_only_where_they_can_bear_a_bar_out(db: Database, vendor: Vendor) -> None:
    watch(db, "AAA")
    vendor.recorded_bars = bars_of("AAA", OPEN, ["10"] * 149 + [ODD])
    assert fetch(db, vendor).doubted == 1
    assert vendor.quoted == [("AAA",)]


def test_an_odd_bar_of_the_morning_asks_for_no_quote_at_noon(db: Database, vendor: Vendor) -> None:
    watch(db, "AAA")
    vendor.recorded_bars = [
        bar
        for start in (OPEN, OPEN + timedelta(minutes=30), OPEN + timedelta(minutes=60))
        for bar in bars_of("AAA", start, ["10"] * 29 + [ODD])
    ]
    assert fetch(db, vendor).doubted > 0
    assert vendor.quoted == []


def test_quotes_that_hang_keep_no_bars_from_being_stored(db: Database, vendor: Vendor) -> None:
    watch(db, *NAMES)
    odd = ["10"] * 149 + [ODD]
    vendor.recorded_bars = [*bars_of(NAMES[0], OPEN, odd), *bars_of(NAMES[-1], OPEN, odd)]
    vendor.quotes_hang = True
    began = monotonic()
    found = fetch(db, vendor)
    assert found.doubted == 2
    assert len(vendor.quoted) == 1
    assert monotonic() - began < telemetry.QUOTES_WITHIN_S + 2


def test_a_fetch_into_an_empty_table_reads_no_more_of_it_for_each_ticker(
    db: Database, vendor: Vendor
) -> None:
    """A plan made for the empty table would read all of it once a ticker."""
    watch(db, *NAMES)
    vendor.recorded_bars = [
        bar for name in NAMES for bar in bars_of(name, OPEN - timedelta(hours=1), [10] * 210)
    ]
    fetch(db, vendor)
    with db.transaction() as tx:
        tx.rows("SELECT pg_stat_force_next_flush()")
    read = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'lane_telemetry'"
    (found,) = rows(db, read)
    assert found["seq_tup_read"] < 230 * 210 * 10


def known_until(db: Database, ticker: str) -> datetime | None:
    with db.transaction() as tx:
        return asked_bars.coverage(tx, [ticker], day_start=OPEN)[ticker].asked_until


@pytest.mark.parametrize("late_minutes", [8, 25])
def test_a_bar_that_comes_late_while_its_ticker_trades_is_stored(
    db: Database, vendor: Vendor, late_minutes: int
) -> None:
    watch(db, "AAA")
    there = bars_of("AAA", OPEN, [10] * 240)
    late = [bar for bar in there if bar.ts == NOON]
    for minute in range(1, 62):
        tick = NOON + minute * MINUTE
        vendor.recorded_bars = [it for it in there if minute >= late_minutes or it not in late]
        fetch(db, vendor, tick)
    assert rows(db, f"SELECT 1 AS there FROM lane_telemetry WHERE ts = '{NOON}'") != []


def test_a_correction_of_long_ago_is_taken(db: Database, vendor: Vendor) -> None:
    watch(db, "AAA")
    vendor.recorded_bars = bars_of("AAA", OPEN, [10] * 150)
    fetch(db, vendor)
    vendor.recorded_bars = bars_of("AAA", OPEN, [*[10] * 140, "10.01", *[10] * 99])
    for minute in (1, 31, 60):
        fetch(db, vendor, NOON + minute * MINUTE)
    changed = "SELECT ts FROM lane_telemetry WHERE close = 10.01"
    assert [row["ts"] for row in rows(db, changed)] == [OPEN + 140 * MINUTE]


def test_a_half_hour_is_looked_at_once_more_and_not_for_ever(db: Database, vendor: Vendor) -> None:
    watch(db, "AAA")
    vendor.recorded_bars = bars_of("AAA", OPEN, [10] * 300)
    fetch(db, vendor)
    requests = []
    for minute in range(1, 62):
        vendor.requests = []
        fetch(db, vendor, NOON + minute * MINUTE)
        requests.append(len(vendor.requests))
    assert (requests.count(2), max(requests)) == (2, 2)


@pytest.mark.parametrize("case", ["refused", "illegible", "doubted", "impossible"])
def test_minutes_in_which_something_could_not_be_read_or_believed_are_not_known(
    db: Database, vendor: Vendor, case: str
) -> None:
    """Else its missing bar would count as a minute without a trade (gates.thin_bar_age_s)."""
    watch(db, "AAA", "BBB")
    vendor.recorded_bars = [*bars_of("AAA", OPEN, [10] * 145), *bars_of("BBB", OPEN, [10] * 200)]
    last = OPEN + 145 * MINUTE
    if case == "doubted":
        vendor.recorded_bars += bars_of("AAA", last, [ODD])
    elif case == "impossible":
        vendor.recorded_bars += bars_of("AAA", last, ["-10"])
    else:
        symbol = "AAA" if case == "refused" else None
        vendor.illegible = [
            IllegibleItem(kind="bar", name="AAA", reason="odd", content="", symbol=symbol)
        ]
    fetch(db, vendor)
    until = known_until(db, "AAA")
    assert until is None or until <= NOON - timedelta(minutes=30)
    assert known_until(db, "BBB") == (until if case == "illegible" else NOON)
    vendor.illegible = []
    vendor.recorded_bars = [*bars_of("AAA", OPEN, [10] * 200), *bars_of("BBB", OPEN, [10] * 200)]
    fetch(db, vendor, NOON + MINUTE)
    assert known_until(db, "AAA") == NOON + MINUTE


def computed(db: Database, tick: datetime) -> list[int]:
    """Over how many bars the features of that tick's newest bar were computed, if they were."""
    features.run(
        TickRequest(tick=tick),
        db=db,
        calendar=NyseCalendar(),
        clock=FixedClock(tick + timedelta(seconds=9)),
        parameters=in_force(db),
    )
    newest = rows(db, f"SELECT bar_count FROM lane_features WHERE ts = '{tick - MINUTE}'")
    return [row["bar_count"] for row in newest]


def test_no_features_are_computed_over_minutes_that_could_not_be_fetched(
    db: Database, vendor: Vendor
) -> None:
    """An outage from 10:55 to 12:00 of which the newest half hour is there and the rest is not."""
    watch(db, "AAA")
    vendor.recorded_bars = bars_of("AAA", OPEN, [10] * 240)
    outage = OPEN + 85 * MINUTE
    fetch(db, vendor, outage)
    assert computed(db, outage) == [85]
    vendor.refuses_before = NOON - timedelta(minutes=30)
    assert fetch(db, vendor).failed > 0
    assert computed(db, NOON) == []
    for minute in (10, 19, 20):
        tick = NOON + minute * MINUTE
        fetch(db, vendor, tick)
        assert computed(db, tick) == ([50] if minute == 20 else [])
    vendor.refuses_before = None
    tick = NOON + 21 * MINUTE
    assert fetch(db, vendor, tick).failed == 0
    assert computed(db, tick) == [120]


def test_a_vendor_that_takes_most_of_the_time_for_each_answer_is_got_to_tell_the_whole_day(
    db: Database, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(db, "AAA")
    vendor.recorded_bars = bars_of("AAA", OPEN, [10] * 240)
    told = vendor.bars

    def slowly(tickers: Sequence[str], start: datetime, end: datetime) -> Listing[Bar]:
        sleep(0.6)
        return told(tickers, start, end)

    monkeypatch.setattr(vendor, "bars", slowly)
    counts = []
    for minute in range(4):
        fetch(db, vendor, NOON + minute * MINUTE, budget_s=1.0)
        (found,) = rows(db, "SELECT count(*) AS bars FROM lane_telemetry")
        counts.append(found["bars"])
    assert counts[-1] == 153
    assert counts == sorted({*counts})
