"""Rows of features out of stored bars, on made-up minutes and on whole real days."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isclose, sqrt
from pathlib import Path

import pytest

from ops_local.recordings import recording
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain import features as domain_features
from ops_pipeline.domain.bars import jumps
from ops_pipeline.domain.features import BarWindows, Features
from ops_pipeline.domain.market import MINUTE, Bar, Session
from ops_pipeline.domain.parameters import FeatureRules, TelemetryRules
from ops_pipeline.stages import features
from ops_pipeline.stages.request import TickRequest
from tests.support.builders_market import bars_of, in_force, rows, store_bars, watch
from tests.support.fakes import FixedClock

CALENDAR = NyseCalendar()
OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
CLOSE = datetime(2026, 2, 4, 21, 0, tzinfo=UTC)
LATER = OPEN + timedelta(days=2)


def compute(db: Database, tick: datetime) -> features.Outcome:
    return features.run(
        TickRequest(tick=tick),
        db=db,
        calendar=CALENDAR,
        clock=FixedClock(tick + timedelta(seconds=3)),
        parameters=in_force(db),
    )


def stored(db: Database) -> list[Row]:
    return rows(db, 'SELECT * FROM lane_features ORDER BY ts, ticker COLLATE "C"')


def test_the_first_features_are_due_fifty_minutes_after_the_opening(db: Database) -> None:
    watch(db, "AAA")
    store_bars(db, bars_of("AAA", OPEN - 30 * MINUTE, range(100, 180)), now=LATER)
    assert compute(db, OPEN + 49 * MINUTE).rows == 0
    assert compute(db, OPEN + 50 * MINUTE).rows == 1
    (row,) = stored(db)
    assert (row["ts"], row["bar_count"]) == (OPEN + 49 * MINUTE, 50)
    assert row["computed_at"] == OPEN + 50 * MINUTE + timedelta(seconds=3)


def test_bars_outside_the_regular_session_never_count(db: Database) -> None:
    watch(db, "AAA")
    yesterday = bars_of("AAA", OPEN - timedelta(days=1), range(100, 300))
    after_hours = bars_of("AAA", CLOSE - 60 * MINUTE, range(100, 190))
    store_bars(db, [*yesterday, *after_hours], now=LATER)
    assert compute(db, CLOSE + 10 * MINUTE).rows == 1
    (row,) = stored(db)
    assert (row["ts"], row["bar_count"], row["close"]) == (CLOSE - MINUTE, 60, 159)


def test_a_bar_of_the_future_is_not_seen(db: Database) -> None:
    watch(db, "AAA")
    store_bars(db, bars_of("AAA", OPEN, range(100, 200)), now=LATER)
    compute(db, OPEN + 60 * MINUTE)
    assert [row["ts"] for row in stored(db)] == [OPEN + 59 * MINUTE]


def test_a_ticker_without_a_new_bar_gets_no_new_row(db: Database) -> None:
    watch(db, "AAA", "BBB")
    store_bars(db, bars_of("AAA", OPEN, range(100, 160)), now=LATER)
    store_bars(db, bars_of("BBB", OPEN, range(100, 161)), now=LATER)
    assert compute(db, OPEN + 60 * MINUTE).rows == 2
    assert compute(db, OPEN + 61 * MINUTE).rows == 1
    assert compute(db, OPEN + 61 * MINUTE).rows == 0


def test_a_bar_that_comes_minutes_late_still_gets_its_features(db: Database) -> None:
    watch(db, "AAA")
    store_bars(db, bars_of("AAA", OPEN, range(100, 160)), now=LATER)
    compute(db, OPEN + 60 * MINUTE)
    store_bars(db, bars_of("AAA", OPEN + 60 * MINUTE, [170]), now=LATER)
    assert compute(db, OPEN + 64 * MINUTE).rows == 1
    assert stored(db)[-1]["ts"] == OPEN + 60 * MINUTE


def test_a_ticker_held_back_gets_no_features(db: Database) -> None:
    watch(db, "AAA", "BBB")
    for ticker in ("AAA", "BBB"):
        store_bars(db, bars_of(ticker, OPEN, range(100, 160)), now=LATER)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO price_holds (ticker, ts, day, reason, previous_close, close, seen_at)"
            " VALUES ('AAA', :ts, :day, 'split', 700, 100, :ts)",
            ts=OPEN,
            day=date(2026, 2, 4),
        )
    outcome = compute(db, OPEN + 60 * MINUTE)
    assert (outcome.tickers, outcome.held, outcome.rows) == (1, 1, 1)
    assert [row["ticker"] for row in stored(db)] == ["BBB"]


def test_a_surge_is_counted_and_an_unknown_ratio_is_null(db: Database) -> None:
    watch(db, "AAA", "BBB")
    calm = bars_of("AAA", OPEN, range(100, 159))
    store_bars(db, [*calm, *bars_of("AAA", OPEN + 59 * MINUTE, [160], volume=900)], now=LATER)
    store_bars(db, bars_of("BBB", OPEN, [50] * 60, volume=0), now=LATER)
    outcome = compute(db, OPEN + 60 * MINUTE)
    assert (outcome.rows, outcome.surges) == (2, 1)
    busy, still = stored(db)
    assert (busy["volume_surge"], busy["volume_ratio"]) == (True, 900 / 140)
    assert (still["volume_surge"], still["volume_ratio"], still["vol_ratio"]) == (None, None, None)


def test_on_a_holiday_there_is_nothing_to_compute(db: Database) -> None:
    watch(db, "AAA")
    assert compute(db, datetime(2026, 2, 16, 16, 0, tzinfo=UTC)) == features.Outcome(0, 0, 0, 0)


def deviation(closes: list[float]) -> float:
    returns = [after / before - 1 for before, after in pairwise(closes)]
    mean = sum(returns) / len(returns)
    return sqrt(sum((each - mean) ** 2 for each in returns) / (len(returns) - 1))


def assert_row_agrees(row: Row, window: list[Bar]) -> None:
    """Hold a stored row against plain arithmetic over the same bars."""
    closes = [float(bar.close) for bar in window]
    volumes = [bar.volume for bar in window]
    sma20, sma50, average = sum(closes[-20:]) / 20, sum(closes[-50:]) / 50, sum(volumes[-20:]) / 20
    trend = (sma20 - sma50) / sma50
    earlier = {bar.ts: float(bar.close) for bar in window}.get(window[-1].ts - 5 * MINUTE)
    baseline = deviation(closes)
    expected = {
        "close": closes[-1],
        "sma20": sma20,
        "sma50": sma50,
        "recent_vol": deviation(closes[-30:]),
        "baseline_vol": baseline,
        "vol_ratio": deviation(closes[-30:]) / baseline,
        "distance_sma20": (closes[-1] - sma20) / sma20,
        "distance_sma50": (closes[-1] - sma50) / sma50,
        "volume_avg_20": average,
        "volume_ratio": volumes[-1] / average,
    }
    for name, value in expected.items():
        assert isclose(row[name], value, rel_tol=1e-9, abs_tol=1e-12), (row["ts"], name)
    assert row["trend_state"] == (trend > 0.0005) - (trend < -0.0005)
    assert (row["volume_current"], row["bar_count"]) == (volumes[-1], len(window))
    assert row["volume_surge"] == (volumes[-1] / average > 2)
    if earlier is None:
        assert row["return_5m"] is None
    else:
        assert isclose(row["return_5m"], closes[-1] / earlier - 1, rel_tol=1e-9, abs_tol=1e-12)


def windows_of(bars: list[Bar], session: Session) -> dict[datetime, list[Bar]]:
    """The bars that each minute's features are due from."""
    regular = [bar for bar in bars if session.is_open(bar.ts)]
    return {
        regular[end - 1].ts: regular[max(0, end - 120) : end] for end in range(50, len(regular) + 1)
    }


@pytest.mark.parametrize("day", ["2013-10-09", "2014-06-05", "2014-06-09"])
def test_every_tick_of_a_real_day_agrees_with_plain_arithmetic(
    db: Database, shared_data: Path, day: str
) -> None:
    loaded = recording.load(shared_data / day)
    session = CALENDAR.session(loaded.day)
    assert session is not None
    bars = {ticker: found for ticker, found in loaded.bars.items() if not jumped(found)}
    watch(db, *bars)
    for found in bars.values():
        store_bars(db, found, now=session.closes_at + timedelta(hours=5))
    tick = session.opens_at + 45 * MINUTE
    while tick <= session.closes_at + 10 * MINUTE:
        compute(db, tick)
        tick += MINUTE
    due = {ticker: windows_of(found, session) for ticker, found in bars.items()}
    found_rows = stored(db)
    assert {(row["ticker"], row["ts"]) for row in found_rows} == {
        (ticker, ts) for ticker, windows in due.items() for ts in windows
    }
    for row in found_rows:
        assert_row_agrees(row, due[row["ticker"]][row["ts"]])


def jumped(bars: list[Bar]) -> bool:
    """True for the split, which telemetry would hold back."""
    return bool(jumps(bars, {}, TelemetryRules()))


def test_a_ticker_that_cannot_be_computed_keeps_no_other_from_its_features(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(db, "AAA", "BAD", "CCC")
    for name in ("AAA", "BAD", "CCC"):
        store_bars(db, bars_of(name, OPEN, range(100, 160)), now=LATER)
    honest = domain_features.compute

    def chokes(windows: BarWindows, rules: FeatureRules) -> list[Features]:
        if "BAD" in windows.tickers:
            raise OverflowError("a figure without end")
        return honest(windows, rules)

    monkeypatch.setattr(domain_features, "compute", chokes)
    outcome = compute(db, OPEN + 60 * MINUTE)
    assert (outcome.rows, outcome.failed) == (2, 1)
