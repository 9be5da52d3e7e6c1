"""Bars into the database: late, twice, corrected, out of order, impossible, split."""

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.recordings import recording
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.runs import DryDatabase
from ops_pipeline.db.telemetry import last_bars
from ops_pipeline.domain.market import MINUTE, Bar, Quotes, new_york_time
from ops_pipeline.domain.prices.bar_plausibility import FAR_OFF
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.stages import telemetry
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, in_force, rows, store_bars, watch
from tests.support.fakes import FakeMarketData, FixedClock

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
TICK = OPEN + 60 * MINUTE


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TICK)


@pytest.fixture
def market(clock: FixedClock) -> FakeMarketData:
    return FakeMarketData(clock)


def fetch(
    db: Database, market: FakeMarketData, tick: datetime, *, late_s: float = 2
) -> telemetry.Outcome:
    market.clock.at = tick + timedelta(seconds=late_s)
    return telemetry.run(
        TickRequest(tick=tick),
        db=db,
        market_data=market,
        calendar=NyseCalendar(),
        clock=market.clock,
        parameters=in_force(db),
        data_feed="iex",
    )


def stored(db: Database) -> list[tuple[object, ...]]:
    found = rows(
        db,
        "SELECT ticker, ts, open, high, low, close, volume FROM lane_telemetry"
        ' ORDER BY ticker COLLATE "C", ts',
    )
    return [tuple(row.values()) for row in found]


def as_rows(bars: list[Bar]) -> list[tuple[object, ...]]:
    in_order = sorted(bars, key=lambda bar: (bar.ticker, bar.ts))
    return [
        (bar.ticker, bar.ts, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in in_order
    ]


def test_the_first_tick_of_a_day_fetches_the_pre_market_too(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    early = new_york_time(date(2026, 2, 4), 4)
    market.recorded_bars = [
        *bars_of("AAA", early - MINUTE, ["9", "10"]),
        *bars_of("BBB", OPEN, ["20"]),
        *bars_of("ZZZ", OPEN, ["30"]),
    ]
    outcome = fetch(db, market, TICK)
    assert (outcome.tickers, outcome.fetched, outcome.stored) == (2, 2, 2)
    assert [row[:2] for row in stored(db)] == [("AAA", early), ("BBB", OPEN)]


def test_the_forming_minute_is_not_stored(db: Database, market: FakeMarketData) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", TICK - MINUTE, ["10", "11"])
    fetch(db, market, TICK, late_s=30)
    assert [row[1] for row in stored(db)] == [TICK - MINUTE]


def test_a_tick_ahead_of_the_clock_stores_no_minute_that_is_not_over(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", TICK, ["10", "11", "12"])
    fetch(db, market, TICK + 3 * MINUTE, late_s=-90)
    assert [row[1] for row in stored(db)] == [TICK]


def test_the_table_ends_the_same_however_the_bars_arrive(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    generator = random.Random(7)
    truth = bars_of("AAA", OPEN, [10 + place / 100 for place in range(30)])
    truth += bars_of("BBB", OPEN, [20 - place / 100 for place in range(30)])
    # Each bar comes up to four minutes late, twice over, and wrong the first time.
    seen_at = {bar: bar.ends_at + generator.randrange(5) * MINUTE for bar in truth}
    for minute in range(1, 37):
        tick = OPEN + minute * MINUTE
        wrong = [replace(bar, volume=7) for bar in truth if seen_at[bar] == tick]
        right = [bar for bar in truth if seen_at[bar] < tick]
        market.recorded_bars = generator.sample(wrong + right + right, len(wrong + right + right))
        fetch(db, market, tick)
    assert stored(db) == as_rows(truth)


def test_a_corrected_bar_replaces_the_stored_one_and_others_are_not_touched(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", TICK - 3 * MINUTE, ["10", "10.01", "10.02"])
    first = fetch(db, market, TICK)
    market.recorded_bars[1] = replace(market.recorded_bars[1], volume=101)
    again = fetch(db, market, TICK + MINUTE)
    assert (first.stored, again.fetched, again.stored) == (3, 3, 1)
    assert stored(db) == as_rows(market.recorded_bars)
    touched = rows(db, "SELECT ts FROM lane_telemetry WHERE fetched_at > :tick", tick=TICK + MINUTE)
    assert [row["ts"] for row in touched] == [TICK - 2 * MINUTE]


def test_after_an_outage_no_hole_is_left(db: Database, market: FakeMarketData) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", OPEN, [10] * 60)
    fetch(db, market, OPEN + 10 * MINUTE)
    market.down = True
    with pytest.raises(MarketDataUnavailable):
        fetch(db, market, OPEN + 11 * MINUTE)
    market.down = False
    assert fetch(db, market, TICK).stored == 50
    assert stored(db) == as_rows(market.recorded_bars)


def test_a_ticker_that_first_trades_late_is_fetched_from_the_start_of_its_day(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    market.recorded_bars = bars_of("AAA", OPEN, [10] * 60)
    fetch(db, market, TICK - MINUTE)
    market.recorded_bars += bars_of("BBB", OPEN, [20] * 60)
    assert fetch(db, market, TICK).stored == 61


def test_bars_of_one_ticker_that_come_over_five_minutes_late_are_not_lost(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    both = bars_of("AAA", OPEN, [10] * 80) + bars_of("BBB", OPEN, [20] * 80)
    late = OPEN + 20 * MINUTE

    def published(tick: datetime, minutes_late: int) -> list[Bar]:
        since = tick - minutes_late * MINUTE
        return [bar for bar in both if bar.ticker == "AAA" or bar.ts < late or since >= bar.ends_at]

    for minutes in range(1, 80):
        tick = OPEN + minutes * MINUTE
        # BBB stops for 20 minutes, and catches up at once.
        market.recorded_bars = published(tick, 20 if minutes < 40 else 0)
        fetch(db, market, tick)
    assert stored(db) == as_rows([bar for bar in both if bar.ends_at <= tick])


def test_a_ticker_that_catches_up_after_an_hour_has_no_hole(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    known, late = bars_of("BBB", OPEN, [20] * 5), bars_of("BBB", OPEN, [20] * 95)
    others = bars_of("AAA", OPEN, [10] * 95)
    for minutes in range(5, 96, 5):
        market.recorded_bars = [*others, *(known if minutes < 95 else late)]
        fetch(db, market, OPEN + minutes * MINUTE)
    assert stored(db) == as_rows([*others, *late])


def test_a_bar_that_cannot_be_true_is_kept_aside_once_and_the_others_are_stored(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    good, bad, odd = bars_of("AAA", TICK - 3 * MINUTE, ["10", "11", "12"])
    bad, odd = replace(bad, high=Decimal("10.5")), replace(odd, close=Decimal("NaN"))
    market.recorded_bars = [good, bad, odd]
    outcome = fetch(db, market, TICK)
    assert (outcome.stored, outcome.rejected) == (1, 2)
    assert fetch(db, market, TICK + MINUTE).rejected == 0
    aside = rows(db, "SELECT ts, reason FROM lane_telemetry_rejected ORDER BY ts")
    assert [tuple(row.values()) for row in aside] == [
        (bad.ts, "high is under open or close"),
        (odd.ts, "a price is no number"),
    ]


def test_a_bar_whose_price_is_no_number_is_told_of_until_it_can_be_read(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    sound = bars_of("AAA", TICK - 3 * MINUTE, ["10", "11", "12"])
    market.recorded_bars = [*sound[:2], replace(sound[2], close=Decimal("NaN"))]
    assert fetch(db, market, TICK).illegible == 1
    (alert,) = rows(db, "SELECT kind, subject, resolved_at FROM alerts")
    assert (alert["kind"], alert["subject"]) == ("item_illegible", "bar AAA")
    market.recorded_bars = sound
    fetch(db, market, TICK + MINUTE)
    assert rows(db, "SELECT 1 AS open FROM alerts WHERE resolved_at IS NULL") == []


def odd_bar(db: Database, market: FakeMarketData, *closes: str) -> telemetry.Outcome:
    """A quiet hour at 100, and then these closes, the last of which has just ended."""
    watch(db, "AAA", "BBB")
    since = TICK - 60 * MINUTE
    market.recorded_bars = bars_of("AAA", since, ["100.00"] * 50)
    market.recorded_bars += bars_of("BBB", since, ["20.00"] * (50 + len(closes)))
    fetch(db, market, since + 50 * MINUTE)
    market.recorded_bars += bars_of("AAA", since + 50 * MINUTE, list(closes))
    return fetch(db, market, since + (50 + len(closes)) * MINUTE)


def closes_of(db: Database, ticker: str = "AAA") -> list[str]:
    found = rows(
        db, "SELECT close FROM lane_telemetry WHERE ticker = :t ORDER BY ts DESC LIMIT 3", t=ticker
    )
    return [str(row["close"]) for row in found][::-1]


@pytest.mark.parametrize("close", ["98.00", "102.50", "110", "70.00"])
def test_a_bar_far_from_the_one_before_is_kept_aside_and_nothing_reads_it(
    db: Database, market: FakeMarketData, close: str
) -> None:
    outcome = odd_bar(db, market, close)
    assert (outcome.doubted, outcome.rejected, outcome.stored) == (1, 1, 1)
    assert closes_of(db) == ["100.00"] * 3
    (aside,) = rows(db, "SELECT ticker, close, reason, accepted_at FROM lane_telemetry_rejected")
    assert (aside["ticker"], str(aside["close"]), aside["accepted_at"]) == ("AAA", close, None)
    assert aside["reason"] == FAR_OFF
    assert closes_of(db, "BBB") == ["20.00"] * 3
    with db.transaction() as tx:
        stored = last_bars(tx, ["AAA"], since=OPEN)
    assert str(stored["AAA"].price) == "100.00"


def test_when_the_market_goes_on_as_before_it_stays_aside(
    db: Database, market: FakeMarketData
) -> None:
    odd_bar(db, market, "103.00")
    market.recorded_bars += bars_of("AAA", TICK - 9 * MINUTE, ["100.02"])
    again = fetch(db, market, TICK - 8 * MINUTE)
    assert (again.doubted, again.rejected) == (1, 0)
    assert closes_of(db) == ["100.00", "100.00", "100.02"]


def test_a_move_that_the_next_bar_bears_out_is_stored_then_and_marked(
    db: Database, market: FakeMarketData
) -> None:
    odd_bar(db, market, "103.00")
    market.recorded_bars += bars_of("AAA", TICK - 9 * MINUTE, ["103.10"])
    assert fetch(db, market, TICK - 8 * MINUTE).stored == 2
    assert closes_of(db) == ["100.00", "103.00", "103.10"]
    (aside,) = rows(db, "SELECT accepted_at FROM lane_telemetry_rejected")
    assert aside["accepted_at"] is not None


def test_a_quote_that_is_believed_bears_a_move_out_at_once(
    db: Database, market: FakeMarketData
) -> None:
    market.clock.at = TICK - 9 * MINUTE
    market.quote("AAA", "102.98", "103.02")
    assert odd_bar(db, market, "103.00").doubted == 0
    assert closes_of(db) == ["100.00", "100.00", "103.00"]


@pytest.mark.parametrize(("bid", "ask"), [("99.98", "100.02"), ("90.00", "116.00")])
def test_a_quote_of_another_price_or_a_wide_one_does_not(
    db: Database, market: FakeMarketData, bid: str, ask: str
) -> None:
    market.clock.at = TICK - 9 * MINUTE
    market.quote("AAA", bid, ask)
    assert odd_bar(db, market, "103.00").doubted == 1


def test_the_trade_that_made_the_bar_is_no_second_evidence(
    db: Database, market: FakeMarketData
) -> None:
    market.clock.at = TICK - 10 * MINUTE - timedelta(seconds=20)
    market.trade("AAA", "103.00")
    assert odd_bar(db, market, "103.00").doubted == 1


def test_a_correction_to_an_odd_price_leaves_the_stored_bar(
    db: Database, market: FakeMarketData
) -> None:
    odd_bar(db, market, "100.01")
    market.recorded_bars[-1] = replace(
        market.recorded_bars[-1], high=Decimal(104), close=Decimal("103.00")
    )
    market.recorded_bars += bars_of("AAA", TICK - 9 * MINUTE, ["100.02"])
    assert fetch(db, market, TICK - 8 * MINUTE).doubted == 1
    assert closes_of(db) == ["100.00", "100.01", "100.02"]


def test_bars_that_go_on_being_doubted_alert_until_one_is_believed(
    db: Database, market: FakeMarketData
) -> None:
    odd_bar(db, market, "103.00", "97.00", "104.00")
    (alert,) = rows(db, "SELECT subject, resolved_at FROM alerts WHERE kind = 'bars_doubted'")
    assert (alert["subject"], alert["resolved_at"]) == ("AAA", None)
    market.recorded_bars += bars_of("AAA", TICK - 7 * MINUTE, ["100.02"])
    fetch(db, market, TICK - 6 * MINUTE)
    (alert,) = rows(db, "SELECT resolved_at FROM alerts WHERE kind = 'bars_doubted'")
    assert alert["resolved_at"] is not None


def test_without_quotes_the_bars_are_judged_by_each_other(
    db: Database, market: FakeMarketData
) -> None:
    def quotes(_: object) -> Quotes:
        raise MarketDataUnavailable("503")

    market.quotes = quotes  # type: ignore[method-assign,assignment]  # restored with the fixture
    assert odd_bar(db, market, "103.00").doubted == 1
    assert closes_of(db, "BBB") == ["20.00"] * 3


def test_a_jump_from_yesterdays_close_holds_the_ticker_back_with_one_alert(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA", "BBB")
    yesterday = bars_of("AAA", OPEN - timedelta(days=1), ["645.70"])
    store_bars(db, yesterday, now=OPEN - timedelta(hours=12))
    market.recorded_bars = bars_of("AAA", OPEN, ["92.42", "92.46"])
    market.recorded_bars += bars_of("BBB", OPEN, ["20", "21"])
    assert fetch(db, market, OPEN + 2 * MINUTE).held == 1
    assert fetch(db, market, OPEN + 3 * MINUTE).held == 1
    (hold,) = rows(db, "SELECT * FROM price_holds")
    assert (hold["ticker"], hold["day"], hold["ts"]) == ("AAA", date(2026, 2, 4), OPEN)
    assert (hold["previous_close"], hold["close"]) == (Decimal("645.70"), Decimal("92.42"))
    (alert,) = rows(db, "SELECT * FROM alerts WHERE kind = 'price_jump'")
    assert (alert["subject"], alert["resolved_at"]) == ("AAA", None)
    assert "645.70 to 92.42" in alert["message"]


def test_a_hold_ends_with_its_day_and_its_alert_with_it(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", OPEN, ["10", "20"])
    assert fetch(db, market, OPEN + 2 * MINUTE).held == 1
    tomorrow = OPEN + timedelta(days=1)
    market.recorded_bars = bars_of("AAA", tomorrow, ["20.10"])
    assert fetch(db, market, tomorrow + MINUTE).held == 0
    assert rows(db, "SELECT 1 AS open FROM alerts WHERE resolved_at IS NULL") == []
    assert rows(db, "SELECT 1 AS open FROM price_holds WHERE resolved_at IS NULL") == []


def test_an_explained_jump_stays_explained_when_its_bar_is_fetched_again(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", OPEN, ["10", "20"])
    fetch(db, market, OPEN + 2 * MINUTE)
    with db.transaction() as tx:
        tx.execute("UPDATE price_holds SET resolved_at = :now", now=OPEN + 2 * MINUTE)
    assert fetch(db, market, OPEN + 3 * MINUTE).held == 0


def test_the_session_s_last_bar_is_fetched_after_the_close_and_none_beyond(
    db: Database, market: FakeMarketData
) -> None:
    watch(db, "AAA")
    closes_at = OPEN + 390 * MINUTE
    market.recorded_bars = bars_of("AAA", closes_at - 2 * MINUTE, ["10", "10.01", "10.02", "13"])
    fetch(db, market, closes_at + MINUTE)
    assert [row[1] for row in stored(db)] == [closes_at - 2 * MINUTE, closes_at - MINUTE]


def test_a_minute_in_which_nothing_traded_is_no_error(db: Database, market: FakeMarketData) -> None:
    watch(db, "AAA")
    assert fetch(db, market, TICK) == telemetry.Outcome(1, 0, 0, 0, 0, 0, 0)


def test_a_dry_run_keeps_nothing(db: Database, market: FakeMarketData) -> None:
    watch(db, "AAA")
    market.recorded_bars = bars_of("AAA", OPEN, ["10", "20"])
    outcome = telemetry.run(
        TickRequest(tick=TICK, dry_run=True),
        db=DryDatabase(db),
        market_data=market,
        calendar=NyseCalendar(),
        clock=market.clock,
        parameters=in_force(db),
        data_feed="iex",
    )
    assert (outcome.stored, outcome.held) == (2, 1)
    assert stored(db) == []
    assert rows(db, "SELECT 1 AS found FROM alerts") == []


@pytest.mark.parametrize("days", [["2014-06-09"], ["2014-06-06", "2014-06-09"]])
def test_apple_is_held_back_on_the_day_of_its_split_and_time_warner_is_not(
    db: Database, market: FakeMarketData, shared_data: Path, days: list[str]
) -> None:
    watch(db, "AAPL", "TWX")
    for day in days:
        loaded = recording.load(shared_data / day)
        market.recorded_bars = [bar for bars in loaded.bars.values() for bar in bars]
        opening, evening = new_york_time(loaded.day, 9, 25), new_york_time(loaded.day, 20)
        fetch(db, market, opening)
        outcome = fetch(db, market, evening)
    assert outcome.held == 1
    (hold,) = rows(db, "SELECT ticker, ts, previous_close, close FROM price_holds")
    closes_at = new_york_time(date(2014, 6, 6), 16)
    closes = [
        b.close for b in recording.load(shared_data / days[0]).bars["AAPL"] if b.ts < closes_at
    ]
    assert tuple(hold.values()) == (
        "AAPL",
        datetime(2014, 6, 9, 8, 0, tzinfo=UTC),
        closes[-1] if len(days) > 1 else Decimal("645.57"),
        Decimal("92.42"),
    )


@pytest.mark.parametrize(
    "odd",
    [{"volume": 10**300}, {"volume": 2**63}, {"volume": -(2**70)}, {"close": Decimal("1E+308")}],
)
def test_a_bar_beyond_all_bounds_stops_no_other(
    db: Database, market: FakeMarketData, odd: dict[str, Any]
) -> None:
    watch(db, "AAA", "BBB")
    market.recorded_bars = [
        *bars_of("AAA", OPEN, ["9.99", "10"]),
        *(replace(bar, **odd) for bar in bars_of("BBB", OPEN, ["20"])),
    ]
    assert fetch(db, market, TICK).stored == 2
    (kept,) = rows(db, "SELECT ticker, reason FROM lane_telemetry_rejected")
    assert kept["ticker"] == "BBB"
