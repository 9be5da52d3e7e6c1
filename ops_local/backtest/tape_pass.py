"""What telemetry and features make of a session's bars, for the whole day at once."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ops_local.backtest.book.book import LastBar
from ops_local.backtest.market import as_told
from ops_pipeline.domain.bars import fault, jumps
from ops_pipeline.domain.features import RECENT_BARS, BarWindows, Features, compute
from ops_pipeline.domain.market import MINUTE, Bar, Session, new_york_time
from ops_pipeline.domain.parameters import FeatureRules, Parameters


class OddBars(ValueError):
    """A recording with bars that telemetry would keep aside or hold a ticker back for."""


@dataclass(frozen=True, slots=True)
class TickerBars:
    """One ticker's bars of a day in columns, oldest first."""

    bars: Sequence[Bar]
    starts: Sequence[datetime]

    def known(self, until: datetime) -> int:
        """How many had begun before that minute."""
        return bisect_left(self.starts, until)


def day_bars(bars: Mapping[str, Sequence[Bar]], rules: Parameters) -> dict[str, TickerBars]:
    """The bars of a day as telemetry stores them.

    Raises:
        OddBars: one of them is implausible, or jumped.
    """
    first_hour = rules.telemetry.first_fetch_hour_new_york
    found = {}
    for ticker, its in bars.items():
        told = [as_told(bar) for bar in its]
        if told:
            first = new_york_time(told[0].ts.date(), first_hour)
            told = [bar for bar in told if bar.ts >= first]
        _require_plausible(ticker, told, rules)
        found[ticker] = TickerBars(told, [bar.ts for bar in told])
    return found


def _require_plausible(ticker: str, bars: Sequence[Bar], rules: Parameters) -> None:
    for bar in bars:
        if (why := fault(bar)) is not None:
            raise OddBars(f"{ticker} {bar.ts:%H:%M}: {why}")
    for jump in jumps(bars, {}, rules.telemetry):
        raise OddBars(jump.reason)


def newest(bars: TickerBars, tick: datetime) -> LastBar | None:
    """The newest bar that is final at the tick."""
    count = bars.known(tick)
    return LastBar(bars.starts[count - 1], bars.bars[count - 1].close) if count else None


def day_features(
    bars: Mapping[str, TickerBars], session: Session, rules: FeatureRules
) -> dict[str, list[Features]]:
    """Each ticker's features at each bar of the session that has enough bars before it.

    Windows of one length are computed side by side, whatever ticker and minute they are of.
    """
    found: dict[str, list[Features]] = {ticker: [] for ticker in bars}
    for windows in _windows(bars, session, rules):
        for row in compute(windows, rules):
            found[row.ticker].append(row)
    for rows in found.values():
        rows.sort(key=lambda row: row.ts)
    return found


@dataclass(frozen=True, slots=True)
class _Columns:
    ticker: str
    starts_s: np.ndarray[tuple[int], np.dtype[np.int64]]
    closes: np.ndarray[tuple[int], np.dtype[np.float64]]
    volumes: np.ndarray[tuple[int], np.dtype[np.int64]]


def _columns(ticker: str, bars: TickerBars, session: Session) -> _Columns:
    first, last = bars.known(session.opens_at), bars.known(session.closes_at)
    its = bars.bars[first:last]
    return _Columns(
        ticker,
        np.array([int(bar.ts.timestamp()) for bar in its], dtype=np.int64),
        np.array([float(bar.close) for bar in its], dtype=np.float64),
        np.array([bar.volume for bar in its], dtype=np.int64),
    )


def _windows(
    bars: Mapping[str, TickerBars], session: Session, rules: FeatureRules
) -> Iterator[BarWindows]:
    columns = [_columns(ticker, its, session) for ticker, its in bars.items()]
    by_count: defaultdict[int, list[tuple[_Columns, int]]] = defaultdict(list)
    for its in columns:
        for end in range(rules.minimum_bars, min(len(its.closes), rules.window_bars - 1) + 1):
            by_count[end].append((its, end))
        if len(its.closes) >= rules.window_bars:
            yield _whole(its, rules.window_bars)
    for some in by_count.values():
        yield BarWindows(
            tickers=[its.ticker for its, _ in some],
            starts_s=np.stack([its.starts_s[end - RECENT_BARS : end] for its, end in some]),
            closes=np.stack([its.closes[:end] for its, end in some]),
            volumes=np.stack([its.volumes[end - RECENT_BARS : end] for its, end in some]),
        )


def _whole(its: _Columns, length: int) -> BarWindows:
    """Every window of the full length, a row each; in memory row by row, as a minute's are."""
    closes = np.ascontiguousarray(sliding_window_view(its.closes, length))
    skipped = length - RECENT_BARS
    return BarWindows(
        tickers=[its.ticker] * len(closes),
        starts_s=np.ascontiguousarray(sliding_window_view(its.starts_s[skipped:], RECENT_BARS)),
        closes=closes,
        volumes=np.ascontiguousarray(sliding_window_view(its.volumes[skipped:], RECENT_BARS)),
    )


def known_at(row: Features, delay: timedelta) -> datetime:
    """When a row is computed: at the tick after its minute, once the bars are published."""
    return row.ts + MINUTE + delay
