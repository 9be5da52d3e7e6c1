"""The market of two short sessions, for what happens to shares in between and to tickers in them.

The tapes are generated; some tickers are held near a level of their own, so that what happens to
them does not depend on a draw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from ops_local.recordings import recording as recordings
from ops_local.recordings.halts import RecordedHalt
from ops_local.recordings.recording import Recording
from ops_local.synthetic import generate
from ops_local.synthetic.universe import UNIVERSE
from ops_pipeline.domain.market import Bar, Quote, new_york_time

# Two sessions in a row that end at 13:00, with a holiday between them.
FIRST, SECOND = date(2003, 12, 24), date(2003, 12, 26)
CLOSES = (13, 0)
SPLIT, PAYING, HALTED_HELD, HALTED_FREE, THIN = "AAPL", "MSFT", "AMZN", "QQQ", "NVDA"
RENAMED, RENAMED_TO = "FB", "META"
# By New York's clock on the second day, with the exchanges' reasons.
HALTS = {
    HALTED_HELD: ((10, 25), (10, 38), "T1"),
    HALTED_FREE: ((10, 30), (10, 41), "LUDP"),
}
# The renamed shares fall through their stop.
FALL = ((11, 10), (11, 16))
RISEN, PAID = 1.024, 0.984

Minute = tuple[int, int]
_CENT = Decimal("0.01")
_SEEDS = {FIRST: 7, SECOND: 8}
_TICKERS = 8


@dataclass(frozen=True)
class Course:
    """How a ticker's generated tape is changed for one day.

    Attributes:
        calm: The share of its own moves that is left.
        levels: Factors on its price from a minute on, straight lines between them.
        volume: Factor on its volume.
    """

    calm: float = 1.0
    levels: Sequence[tuple[Minute, float]] = ()
    volume: float = 1.0

    def level(self, day: date, ts: datetime) -> float:
        points = [(new_york_time(day, *minute), factor) for minute, factor in self.levels]
        for (begins, low), (ends, high) in pairwise(points):
            if begins <= ts < ends:
                return low + (high - low) * ((ts - begins) / (ends - begins))
        return next((factor for begins, factor in reversed(points) if ts >= begins), 1.0)


_STEADY, _THIN = Course(0.1), Course(volume=0.018)
_MORNING = (4, 0)
COURSES: Mapping[date, Mapping[str, Course]] = {
    FIRST: {
        SPLIT: Course(0.05, [((10, 0), 1.0), ((10, 15), RISEN)]),
        RENAMED_TO: _STEADY,
        PAYING: Course(0.05),
        HALTED_HELD: _STEADY,
        THIN: _THIN,
    },
    SECOND: {
        SPLIT: Course(0.05, [(_MORNING, RISEN / 2)], volume=2.0),
        RENAMED_TO: Course(0.1, [(FALL[0], 1.0), (FALL[1], 0.97)]),
        PAYING: Course(0.05, [(_MORNING, PAID)]),
        HALTED_HELD: _STEADY,
        THIN: _THIN,
    },
}


def written(folder: Path, day: date) -> Recording:
    """The recording of one of the two days, in a folder for the paper exchange."""
    made = generate(folder, seed=_SEEDS[day], day=day, n_tickers=_TICKERS)
    ends = new_york_time(day, *CLOSES)
    starts = {company.ticker: Decimal(str(company.price_usd)) for company in UNIVERSE}
    bars, quotes = {}, {}
    for ticker in made.tickers:
        bend = _Bend(day, COURSES[day].get(ticker, Course()), starts[ticker])
        bars[ticker] = [bend.bar(bar) for bar in made.bars[ticker] if bar.ts < ends]
        quotes[ticker] = [bend.quote(it) for it in made.quotes[ticker] if it.ts < ends]
    recording = replace(made, bars=bars, quotes=quotes)
    if day == FIRST:
        recording = _renamed(recording, RENAMED_TO, RENAMED)
    else:
        recording = replace(recording, halts=_halts(day))
    recordings.write(recording)
    return recording


@dataclass(frozen=True)
class _Bend:
    """A ticker's course from its price at the start, USD."""

    day: date
    course: Course
    start: Decimal

    def bar(self, bar: Bar) -> Bar:
        return replace(
            bar,
            open=self._price(bar.open, bar.ts),
            high=self._price(bar.high, bar.ts),
            low=self._price(bar.low, bar.ts),
            close=self._price(bar.close, bar.ts),
            volume=max(1, round(bar.volume * self.course.volume)),
        )

    def quote(self, quote: Quote) -> Quote:
        bid = self._price(quote.bid, quote.ts)
        return replace(quote, bid=bid, ask=max(self._price(quote.ask, quote.ts), bid + _CENT))

    def _price(self, price: Decimal, ts: datetime) -> Decimal:
        moved = float(price / self.start) ** self.course.calm
        return (self.start * Decimal(moved * self.course.level(self.day, ts))).quantize(_CENT)


def _halts(day: date) -> list[RecordedHalt]:
    return [
        RecordedHalt(ticker, new_york_time(day, *begins), new_york_time(day, *ends), reason)
        for ticker, (begins, ends, reason) in HALTS.items()
    ]


def _renamed(recording: Recording, old: str, new: str) -> Recording:
    """The same under another symbol."""
    bars, quotes = dict(recording.bars), dict(recording.quotes)
    bars[new] = [replace(bar, ticker=new) for bar in bars.pop(old)]
    quotes[new] = [replace(quote, ticker=new) for quote in quotes.pop(old)]
    tickers = tuple(new if ticker == old else ticker for ticker in recording.tickers)
    return replace(recording, tickers=tickers, bars=bars, quotes=quotes)
