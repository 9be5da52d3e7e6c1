"""A generated session is repeatable, says what it is, and moves about as a real one does."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops_local import synthetic
from ops_local.recordings import recording
from ops_local.recordings.recording import Recording
from ops_local.synthetic.universe import UNIVERSE
from ops_pipeline.domain.confidence import confidence_in, direction_of
from ops_pipeline.domain.features import BarWindows, Features, compute
from ops_pipeline.domain.market import Bar, new_york_time
from ops_pipeline.domain.parameters import FeatureRules, NewsRules, SignalRules, WatchlistRules
from ops_pipeline.domain.watchlist import score, select

DAY = synthetic.DEFAULT_DAY
OPENS_AT, CLOSES_AT = new_york_time(DAY, 9, 30), new_york_time(DAY, 16)
WATCHLIST, SIGNALS, NEWS = WatchlistRules(), SignalRules(), NewsRules()
MIGRATIONS = Path(__file__).parents[2] / "migrations"


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return synthetic.generate(tmp_path_factory.mktemp("session"))


def in_session(bars: Sequence[Bar]) -> list[Bar]:
    return [bar for bar in bars if OPENS_AT <= bar.ts < CLOSES_AT]


def features_of_the_day(bars: Sequence[Bar]) -> list[Features]:
    """What the features stage would find at the end of each minute."""
    starts_s = np.array([[int(bar.ts.timestamp()) for bar in bars]])
    closes = np.array([[float(bar.close) for bar in bars]])
    volumes = np.array([[bar.volume for bar in bars]])
    return [
        features
        for upto in range(1, len(bars) + 1)
        for features in compute(
            BarWindows([bars[0].ticker], starts_s[:, :upto], closes[:, :upto], volumes[:, :upto]),
            FeatureRules(),
        )
    ]


def test_a_generated_session_is_read_back_as_it_was_made(session: Recording) -> None:
    assert recording.load(session.folder) == session


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "again"):
        synthetic.generate(tmp_path / name, seed=5, n_tickers=4)
    for file in (tmp_path / "once").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("changed", [{"seed": 8}, {"day": date(2026, 2, 5)}])
def test_another_seed_or_day_gives_another_session(tmp_path: Path, changed: dict[str, Any]) -> None:
    one = synthetic.generate(tmp_path, n_tickers=3)
    other = synthetic.generate(tmp_path, n_tickers=3, **changed)
    closes = [[bar.close for bar in day.bars["AAPL"]] for day in (one, other)]
    assert closes[0] != closes[1]
    assert {item.title for item in one.news} != {item.title for item in other.news}


def test_it_says_that_it_is_synthetic_and_from_which_seed(session: Recording) -> None:
    assert session.synthetic
    assert "seed 7" in session.source
    assert "version" in session.source


def test_fewer_tickers_are_the_first_of_the_universe(tmp_path: Path) -> None:
    for count in (1, 2, 3, 5):
        small = synthetic.generate(tmp_path / str(count), n_tickers=count)
        assert small.tickers == tuple(company.ticker for company in UNIVERSE[:count])
        assert small.tickers[0] == "SPY"


@pytest.mark.parametrize("count", [0, 34])
def test_a_number_of_tickers_it_does_not_have_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 33"):
        synthetic.generate(tmp_path, n_tickers=count)


@pytest.mark.parametrize("shut", [date(2026, 2, 7), date(2026, 2, 16)])
def test_a_day_without_a_session_is_refused(tmp_path: Path, shut: date) -> None:
    with pytest.raises(ValueError, match="shut"):
        synthetic.generate(tmp_path, day=shut)


def test_the_universe_is_what_the_tickers_table_watches(session: Recording) -> None:
    rows = [
        row
        for file in sorted(MIGRATIONS.glob("*.sql"))
        for row in re.findall(
            r"\('([A-Z.]+)', .*, (true|false), (?:true|false)\)", file.read_text()
        )
    ]
    assert set(session.tickers) == {ticker for ticker, watched in rows if watched == "true"}


def test_every_bar_is_a_possible_one_in_whole_cents(session: Recording) -> None:
    for bars in session.bars.values():
        for bar in bars:
            assert 0 < bar.low <= min(bar.open, bar.close)
            assert bar.high >= max(bar.open, bar.close)
            assert bar.volume > 0
            assert bar.close == bar.close.quantize(Decimal("0.01"))


def test_the_session_is_full_but_for_a_few_gaps_and_thin_around_it(session: Recording) -> None:
    inside = {ticker: len(in_session(bars)) for ticker, bars in session.bars.items()}
    missing = [390 - count for count in inside.values()]
    assert 2 <= sum(missing) <= 45
    assert sum(count > 0 for count in missing) >= 2
    for ticker, bars in session.bars.items():
        outside = len(bars) - inside[ticker]
        assert 0 < outside < 570
        assert bars[0].ts < OPENS_AT
        assert bars[-1].ts >= CLOSES_AT


def test_volume_and_range_are_highest_at_both_ends_of_the_session(session: Recording) -> None:
    volume, width = np.zeros(390), np.zeros(390)
    for bars in session.bars.values():
        usual = np.mean([bar.volume for bar in in_session(bars)])
        for bar in in_session(bars):
            minute = (bar.ts - OPENS_AT) // timedelta(minutes=1)
            volume[minute] += bar.volume / usual
            width[minute] += float((bar.high - bar.low) / bar.close)
    for measure in (volume, width):
        noon = measure[150:240].mean()
        assert measure[:15].mean() > 1.5 * noon
        assert measure[-15:].mean() > 1.2 * noon


def test_volatility_comes_in_bursts(session: Recording) -> None:
    """The size of one minute's move tells something of the next ones', as in real tapes."""
    found = []
    for bars in session.bars.values():
        closes = np.array([float(bar.close) for bar in in_session(bars)])[60:330]
        size = np.abs(np.diff(np.log(closes)))
        found.append(np.corrcoef(size[:-5], size[5:])[0, 1])
    assert np.mean(found) > 0.03


def test_tickers_follow_the_market_but_not_only_it(session: Recording) -> None:
    def returns(ticker: str) -> dict[datetime, float]:
        bars = in_session(session.bars[ticker])
        return {late.ts: float(late.close / early.close) - 1 for early, late in pairwise(bars)}

    market, found = returns("SPY"), []
    for ticker in session.tickers[2:]:
        own = returns(ticker)
        shared = sorted(market.keys() & own.keys())
        pairs = np.corrcoef([market[ts] for ts in shared], [own[ts] for ts in shared])
        found.append(pairs[0, 1])
    assert 0.2 < np.median(found) < 0.8


def test_one_late_print_leaves_the_market_where_it_was(session: Recording) -> None:
    wicks = {
        (bar.ticker, bar.ts): float(
            max(bar.high / max(bar.open, bar.close), min(bar.open, bar.close) / bar.low) - 1
        )
        for bars in session.bars.values()
        for bar in in_session(bars)
    }
    (ticker, ts), furthest = max(wicks.items(), key=lambda item: item[1])
    assert furthest > 2 * sorted(wicks.values())[-2]
    closes = {bar.ts: float(bar.close) for bar in session.bars[ticker]}
    assert abs(closes[ts] / closes[ts - timedelta(minutes=1)] - 1) < furthest / 2


def test_quotes_are_a_few_basis_points_wide_around_the_last_price(session: Recording) -> None:
    widths = []
    for ticker, quotes in session.quotes.items():
        closes = {bar.ts: bar.close for bar in session.bars[ticker]}
        for quote in quotes:
            assert quote.usable
            assert quote.bid < quote.ask
            assert min(quote.bid_size, quote.ask_size) >= 100
            if quote.ts in closes:
                assert quote.bid <= closes[quote.ts] <= quote.ask
            if OPENS_AT <= quote.ts < CLOSES_AT:
                widths.append(float((quote.ask - quote.bid) / quote.mid) * 10_000)
    assert 1 < np.median(widths) < 5
    assert np.quantile(widths, 0.99) < 20


def test_many_tickers_trend_by_more_than_a_stop_is_wide_and_some_turn_back(
    session: Recording,
) -> None:
    trended, turned = 0, 0
    for ticker in session.tickers[2:]:
        closes = np.array([float(bar.close) for bar in in_session(session.bars[ticker])])
        day_range = closes.max() / closes.min() - 1
        trended += day_range > 0.03
        turned += closes.max() > 1.012 * closes[0] and closes[-1] < 0.985 * closes.max()
    assert trended >= 12
    assert turned >= 4


def test_volume_surges_are_as_frequent_as_on_a_busy_real_day(session: Recording) -> None:
    rows = [row for bars in session.bars.values() for row in features_of_the_day(in_session(bars))]
    surges = [row for row in rows if row.volume_surge]
    assert 0.02 < len(surges) / len(rows) < 0.1
    assert len({row.ticker for row in surges}) >= 25
    assert max(row.volume_ratio or 0 for row in rows) > 4
    assert {row.trend_state for row in rows} == {-1, 0, 1}


def test_a_day_gives_signals_in_many_tickers_by_the_default_rules(session: Recording) -> None:
    """From price and volume alone; the news of the day adds and takes away a few."""
    rows = [row for bars in session.bars.values() for row in features_of_the_day(in_session(bars))]
    by_minute = sorted(rows, key=lambda row: (row.ts, row.ticker))
    members: dict[str, datetime] = {}
    resting: dict[str, datetime] = {}
    signals: list[tuple[str, str]] = []
    for ts, group in groupby(by_minute, key=lambda row: row.ts):
        fresh = {row.ticker: row for row in group}
        scores = {ticker: score(row, None, WATCHLIST, NEWS) for ticker, row in fresh.items()}
        entries = select(session.tickers, scores, members, ts, WATCHLIST)
        members = {entry.ticker: entry.entered_at for entry in entries if entry.entered_at}
        for ticker in members:
            direction = direction_of(fresh[ticker], SIGNALS)
            if direction is None or ts < resting.get(ticker, ts):
                continue
            if confidence_in(direction, fresh[ticker], None, SIGNALS, NEWS).value >= 0.45:
                resting[ticker] = ts + timedelta(minutes=SIGNALS.rest_minutes)
                signals.append((ticker, direction))
    assert 40 <= len(signals) <= 150
    assert len({ticker for ticker, _ in signals}) >= 12
    assert {direction for _, direction in signals} == {"bullish", "bearish"}


def test_pinned_figures_of_seed_7_hold_on_every_version_of_python(session: Recording) -> None:
    """A change here changes everybody's demo: raise synthetic.VERSION with it."""
    last = {ticker: bars[-1].close for ticker, bars in session.bars.items()}
    shares = sum(bar.volume for bars in session.bars.values() for bar in bars)
    assert (last["SPY"], last["NKE"]) == (Decimal("603.59"), Decimal("67.84"))
    assert (shares, len(session.news)) == (697_832_321, 370)
