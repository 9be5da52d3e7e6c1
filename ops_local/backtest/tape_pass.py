"""What telemetry and features make of a session's bars, for the whole day at once."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ops_local.backtest.book.book import LastBar
from ops_local.backtest.market import as_told
from ops_pipeline.domain.bars import fault, jumps
from ops_pipeline.domain.features import RECENT_BARS, BarWindows, Features, compute
from ops_pipeline.domain.market import Bar, Session, new_york_time
from ops_pipeline.domain.parameters import FeatureRules, Parameters
from ops_pipeline.domain.prices.bar_plausibility import judge_bars
from ops_pipeline.domain.prices.plausibility import Evidence


class NotBacktested(ValueError):
    """A recording with something in it that a backtest does not play."""


@dataclass(frozen=True, slots=True)
class TickerBars:
    """One ticker's bars of a day, oldest first.

    Attributes:
        held_from: The first tick at which it is held back for a jump of its price; None: never.
    """

    bars: Sequence[Bar]
    starts: Sequence[datetime]
    held_from: datetime | None = None

    def known(self, until: datetime) -> int:
        """How many had begun before that minute."""
        return bisect_left(self.starts, until)

    def is_held(self, tick: datetime) -> bool:
        return self.held_from is not None and self.held_from <= tick


# What quotes and trades say of a ticker at a moment.
Witnesses = Callable[[str, datetime], Sequence[Evidence]]


@dataclass(frozen=True, slots=True)
class BarReader:
    """Reads bars of a session as telemetry stores them."""

    session: Session
    rules: Parameters
    first_tick: datetime
    witnesses: Witnesses

    def read(self, ticker: str, bars: Sequence[Bar]) -> TickerBars:
        """Those that are asked for: from the early morning to the close.

        Raises:
            NotBacktested: a bar is implausible, or nothing bears it out at its tick.
        """
        day = self.session.day
        first = new_york_time(day, self.rules.telemetry.first_fetch_hour_new_york)
        told = [as_told(bar) for bar in bars if first <= bar.ts < self.session.closes_at]
        for bar in told:
            if (why := fault(bar)) is not None:
                raise NotBacktested(f"the bar of {ticker} at {bar.ts:%H:%M} UTC: {why}")
        for at in self._far(told):
            self._require_borne_out(told, at)
        jumped = jumps(told, {}, self.rules.telemetry)
        held_from = self._tick_of(jumped[0].bar) if jumped else None
        return TickerBars(told, [bar.ts for bar in told], held_from)

    def _tick_of(self, bar: Bar) -> datetime:
        return max(bar.ends_at, self.first_tick)

    def _far(self, bars: Sequence[Bar]) -> list[int]:
        """The places of bars that may be too far from the one before; a few too many."""
        if len(bars) < 2:
            return []
        closes = np.array([float(bar.close) for bar in bars])
        off = np.abs(closes[1:] / closes[:-1] - 1)
        return [int(at) + 1 for at in np.flatnonzero(off > self.rules.prices.bar_distance * 0.99)]

    def _require_borne_out(self, bars: Sequence[Bar], at: int) -> None:
        bar, before, tick = bars[at], bars[at - 1], self._tick_of(bars[at])
        shown = [it for it in bars[at : at + 2] if it.ends_at <= tick]
        judged = partial(
            judge_bars,
            shown,
            {bar.ticker: Evidence.of_bar(before)},
            session=self.session,
            prices=self.rules.prices,
            jumps=self.rules.telemetry,
        )
        if bar not in judged({}).doubted:
            return
        others = {bar.ticker: self.witnesses(bar.ticker, tick)}
        if bar in judged(others).doubted:
            raise NotBacktested(
                f"the bar of {bar.ticker} at {bar.ts:%H:%M} UTC is far from the one before, and"
                " nothing bears it out at its minute"
            )


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
