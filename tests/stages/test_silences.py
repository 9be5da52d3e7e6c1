"""One ticker silent on a live feed counts as halted; thin ones with a missing minute do not."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.stages import telemetry
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, in_force, rows, watch
from tests.support.fakes import FakeMarketData, FixedClock

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
TICKERS = ("AAA", "BBB", "CCC", "DDD")
SILENT_FROM = 40


@pytest.fixture
def market(db: Database) -> FakeMarketData:
    """Four tickers of which AAA has no bar from minute 40 on."""
    watch(db, *TICKERS)
    found = FakeMarketData(FixedClock(OPEN))
    for ticker in TICKERS:
        minutes = range(SILENT_FROM if ticker == "AAA" else 120)
        trade(found, ticker, minutes)
    return found


def trade(market: FakeMarketData, ticker: str, minutes: Collection[int]) -> None:
    for minute in minutes:
        market.recorded_bars += bars_of(ticker, OPEN + minute * MINUTE, ["10"])


def forget(market: FakeMarketData, ticker: str, minutes: Collection[int]) -> None:
    gone = {OPEN + minute * MINUTE for minute in minutes}
    market.recorded_bars = [
        bar for bar in market.recorded_bars if (bar.ticker, bar.ts in gone) != (ticker, True)
    ]


def fetch(db: Database, market: FakeMarketData, minute: int) -> telemetry.Outcome:
    tick = OPEN + minute * MINUTE
    market.clock.at = tick + timedelta(seconds=2)
    return telemetry.run(
        TickRequest(tick=tick),
        db=db,
        market_data=market,
        calendar=NyseCalendar(),
        clock=market.clock,
        parameters=in_force(db),
        data_feed="iex",
    )


def halts(db: Database) -> list[Row]:
    return list(rows(db, "SELECT * FROM trading_halts ORDER BY halted_at"))


def test_five_minutes_without_bar_and_quote_are_stored_as_a_halt(
    db: Database, market: FakeMarketData
) -> None:
    assert fetch(db, market, 44).silent == 0
    assert fetch(db, market, 45).silent == 1
    [halt] = halts(db)
    assert (halt["ticker"], halt["source"]) == ("AAA", "silence")
    assert halt["halted_at"] == OPEN + SILENT_FROM * MINUTE
    assert halt["reason"].startswith("no bar and no new quote for 5 minutes")


def test_it_lasts_one_row_and_ends_with_the_next_bar(db: Database, market: FakeMarketData) -> None:
    fetch(db, market, 45)
    fetch(db, market, 46)
    trade(market, "AAA", [46])
    assert fetch(db, market, 47).silent == 0
    [halt] = halts(db)
    assert halt["resumed_at"] == OPEN + 46 * MINUTE
    assert halt["listed_at"] == OPEN + 46 * MINUTE + timedelta(seconds=2)


def test_what_is_still_quoted_anew_is_not_silent(db: Database, market: FakeMarketData) -> None:
    market.clock.at = OPEN + 44 * MINUTE
    market.quote("AAA", "9.99", "10.01")
    assert fetch(db, market, 45).silent == 0


def test_an_old_quote_does_not_speak(db: Database, market: FakeMarketData) -> None:
    market.clock.at = OPEN + SILENT_FROM * MINUTE + timedelta(seconds=30)
    market.quote("AAA", "9.99", "10.01")
    assert fetch(db, market, 45).silent == 1


@pytest.mark.parametrize(("missing", "silent"), [(3, 1), (4, 0)])
def test_a_thin_ticker_is_not_silent(
    db: Database, market: FakeMarketData, missing: int, silent: int
) -> None:
    forget(market, "AAA", range(20, 20 + missing))
    assert fetch(db, market, 45).silent == silent


def test_in_a_session_s_first_half_hour_nothing_is_concluded(
    db: Database, market: FakeMarketData
) -> None:
    forget(market, "AAA", range(29, 60))
    assert fetch(db, market, 40).silent == 0


@pytest.mark.parametrize("quiet", [("BBB",), ("BBB", "CCC"), ("BBB", "CCC", "DDD")])
def test_a_feed_that_is_quiet_as_a_whole_says_nothing_of_one_ticker(
    db: Database, market: FakeMarketData, quiet: tuple[str, ...]
) -> None:
    for ticker in quiet:
        forget(market, ticker, range(SILENT_FROM, 120))
    assert fetch(db, market, 45).silent == 0


def test_without_an_answer_about_quotes_nothing_is_concluded(
    db: Database, market: FakeMarketData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: object) -> None:
        raise MarketDataUnavailable("503")

    monkeypatch.setattr(market, "quotes", down)
    assert fetch(db, market, 45).silent == 0


def test_a_silence_ends_with_the_session(db: Database, market: FakeMarketData) -> None:
    fetch(db, market, 45)
    fetch(db, market, 391)
    [halt] = halts(db)
    assert halt["resumed_at"] == OPEN + 390 * MINUTE
