"""Which bars are final, which can't be true, and which jumped as no market moves."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter

from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import MINUTE, Bar, new_york_day, new_york_time
from ops_pipeline.domain.parameters import TelemetryRules

NO_NUMBER = "a price is no number"
# Alpaca publishes the bars of a minute some seconds after its end.
BAR_OFFSET_S = 6
MOST_WAIT_S = 10
# Beyond these a figure is a mistake, whatever is sold in a minute, and no column should hold it.
_PRICES = (Decimal("0.000001"), Decimal(10) ** 9)
_MOST_SHARES = 10**12


@dataclass(frozen=True, slots=True)
class RejectedBar:
    """A bar that can't be true, as it came, and what is wrong with it."""

    bar: Bar
    reason: str


@dataclass(frozen=True, slots=True)
class ValidatedBars:
    """One fetch, sorted by ticker and minute, one bar for each."""

    sound: tuple[Bar, ...]
    rejected: tuple[RejectedBar, ...]


@dataclass(frozen=True, slots=True)
class Jump:
    """A close further from the one before than a market moves in a minute.

    `previous_close` is the last one known; without one, the bar's own open.
    """

    bar: Bar
    previous_close: Decimal
    reason: str


def seconds_until_bars(tick: datetime, now: datetime, offset_s: int = BAR_OFFSET_S) -> int:
    """Whole seconds until `offset_s` after the tick, rounded up; 0 when that has passed.

    EventBridge Scheduler starts a machine at any moment of its minute. A tick that is ahead of
    the clock is waited for `MOST_WAIT_S` at most.
    """
    left_s = (tick - now).total_seconds() + offset_s
    return min(max(math.ceil(left_s), 0), MOST_WAIT_S)


def fetch_from(tick: datetime, newest: datetime | None, rules: TelemetryRules) -> datetime:
    """The first minute to fetch at this tick.

    Args:
        newest: The newest bar stored of this New York day; None asks for the whole day.

    The last few minutes are asked for again, since bars come late and are corrected;
    after an outage that counts from the newest bar, so that no hole is left.
    """
    day_starts = new_york_time(new_york_day(tick), rules.first_fetch_hour_new_york)
    if newest is None:
        return day_starts
    last_final = min(newest, tick - MINUTE)
    return max(day_starts, last_final - timedelta(minutes=rules.refetch_minutes))


def fault(bar: Bar) -> str | None:
    """What is wrong with a bar; None when it may be true."""
    prices = (bar.open, bar.high, bar.low, bar.close)
    if not all(price.is_finite() for price in prices):
        return NO_NUMBER
    checks = (
        (min(prices) > 0, "a price is not above 0"),
        (bar.high >= max(bar.open, bar.close), "high is under open or close"),
        (bar.low <= min(bar.open, bar.close), "low is over open or close"),
        (bar.volume >= 0, "volume is under 0"),
        (bar.volume <= _MOST_SHARES, "volume is out of all bounds"),
        (_PRICES[0] <= min(prices), "a price is out of all bounds"),
        (max(prices) <= _PRICES[1], "a price is out of all bounds"),
        (not bar.ts.second and not bar.ts.microsecond, "ts is not the start of a minute"),
    )
    return next((reason for passed, reason in checks if not passed), None)


def illegible(rejected: Iterable[RejectedBar]) -> list[IllegibleItem]:
    """Those of which a price could not be read: they differ from sound ones that are odd."""
    return [
        IllegibleItem(
            kind="bar",
            name=f"{each.bar.ticker} {each.bar.ts:%H:%M}",
            reason=each.reason,
            content="",
            symbol=each.bar.ticker,
        )
        for each in rejected
        if each.reason == NO_NUMBER
    ]


def validate(bars: Iterable[Bar], tickers: Iterable[str], tick: datetime) -> ValidatedBars:
    """Part what a feed answered into bars to store and bars to keep aside.

    A bar whose minute is not over at `tick` is still forming: it is left out and comes
    again. Of several for one minute the last one counts, as a feed sends corrections
    after the bar itself.
    """
    asked = frozenset(tickers)
    sound: dict[tuple[str, datetime], Bar] = {}
    rejected: dict[tuple[str, datetime, str], RejectedBar] = {}
    for bar in bars:
        if bar.ends_at > tick:
            continue
        reason = fault(bar) if bar.ticker in asked else "nobody asked for this ticker"
        if reason is None:
            sound[bar.ticker, bar.ts] = bar
        else:
            rejected[bar.ticker, bar.ts, reason] = RejectedBar(bar, reason)
    return ValidatedBars(
        sound=tuple(sound[key] for key in sorted(sound)),
        rejected=tuple(rejected[key] for key in sorted(rejected)),
    )


def jumps(
    bars: Iterable[Bar], last_closes: Mapping[str, Decimal], rules: TelemetryRules
) -> list[Jump]:
    """The bars whose close jumped.

    Args:
        bars: Sound ones, sorted by ticker and minute.
        last_closes: Of each ticker the last close before the first of its bars, of an
            earlier session too; a ticker that has none is left out.
    """
    limit = Decimal(str(rules.jump_fraction))
    found = []
    for ticker, run in groupby(bars, key=attrgetter("ticker")):
        previous = last_closes.get(ticker)
        for bar in run:
            reference = bar.open if previous is None else previous
            if abs(bar.close - reference) > limit * reference:
                found.append(Jump(bar, reference, _in_words(bar, reference)))
            previous = bar.close
    return found


def _in_words(bar: Bar, reference: Decimal) -> str:
    change_pct = (bar.close / reference - 1) * 100
    return f"{bar.ticker} went from {reference:f} to {bar.close:f} ({change_pct:+.1f} %)"
