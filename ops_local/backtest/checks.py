"""Whether a backtest knows more than it could: look-ahead, and history beyond the warm-up.

A day is run again with everything after a moment taken away, and with everything after it moved:
what was decided up to that moment has to be the same. A minute's features have to be the same
without the bars before their window.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_local.backtest.day_inputs import DayInputs
from ops_local.backtest.plan import Variant
from ops_local.backtest.session import DayTrading
from ops_local.backtest.tape_pass import TickerBars, day_features
from ops_local.recordings.recording import Recording
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import MINUTE, Session, new_york_time
from ops_pipeline.domain.parameters import FeatureRules

# New York. Late enough that something was decided, and some of it is still to come.
CUTS = ((10, 45), (12, 30), (14, 40))
# What comes after a cut is worth so much more or less: no rule can miss it.
_MOVED = Decimal("1.003")

Traded = Callable[[DayInputs, Variant], DayTrading]
Computed = Callable[[dict[str, TickerBars], Session, FeatureRules], dict[str, list[Features]]]


def look_ahead(inputs: DayInputs, variant: Variant, traded: Traded) -> list[str]:
    """What was decided differently when the future was another, in words.

    Args:
        traded: Runs a day.
    """
    whole = traded(inputs, variant)
    found = []
    for hour, minute in CUTS:
        cut = new_york_time(inputs.recording.day, hour, minute)
        for what, changed in (("without", _without), ("with another", _moved)):
            other = replace(inputs, recording=changed(inputs.recording, cut))
            apart = _apart(_until(whole, cut), _until(traded(other, variant), cut))
            found += [f"{what} future from {hour}:{minute} New York: {it}" for it in apart]
    return found


def _until(trading: DayTrading, cut: datetime) -> set[str]:
    """Evaluations, recommendations, fills and marks up to a moment, in words."""
    book = trading.book
    evaluated = (
        f"{tick:%H:%M} {ticker} at confidence {confidence}"
        for tick, ticker, confidence in trading.ideas.evaluated
        if tick < cut
    )
    ideas = (
        f"{row['ts']:%H:%M} {row['account_name']} {row['action']} {row['ticker']}"
        f" at confidence {row['confidence']}"
        for row in book.recommendations
        if row["ts"] < cut
    )
    fills = (
        f"{row['executed_at']:%H:%M:%S} {row['account_name']} {row['side']} {row['quantity']}"
        f" {row['symbol']} at {row['price']}"
        for row in book.fills
        if row["executed_at"] < cut
    )
    marks = (
        f"{row['ts']:%H:%M} {row['account_name']} mark {row['price']}"
        for row in book.table("position_telemetry")
        if row["ts"] < cut
    )
    return {*evaluated, *ideas, *fills, *marks}


def _apart(one: set[str], other: set[str]) -> list[str]:
    return [
        *(f"only before: {it}" for it in sorted(one - other)),
        *(f"only after: {it}" for it in sorted(other - one)),
    ]


def _without(recording: Recording, cut: datetime) -> Recording:
    """What was known by then. A bar, and a quote, is known a minute after its begin."""
    last = cut - MINUTE
    return replace(
        recording,
        bars={it: [bar for bar in bars if bar.ts < last] for it, bars in recording.bars.items()},
        quotes={
            it: [quote for quote in quotes if quote.ts < last]
            for it, quotes in recording.quotes.items()
        },
        news=[item for item in recording.news if item.available_at < cut],
    )


def _moved(recording: Recording, cut: datetime) -> Recording:
    """The same past with higher prices from then on, and without the news of then."""
    last = cut - MINUTE
    return replace(
        recording,
        bars={
            ticker: [
                replace(
                    bar,
                    open=bar.open * _MOVED,
                    high=bar.high * _MOVED,
                    low=bar.low * _MOVED,
                    close=bar.close * _MOVED,
                )
                if bar.ts >= last
                else bar
                for bar in bars
            ]
            for ticker, bars in recording.bars.items()
        },
        quotes={
            ticker: [
                replace(quote, bid=quote.bid * _MOVED, ask=quote.ask * _MOVED)
                if quote.ts >= last
                else quote
                for quote in quotes
            ]
            for ticker, quotes in recording.quotes.items()
        },
        news=[item for item in recording.news if item.available_at < cut],
    )


def warm_up(inputs: DayInputs, computed: Computed = day_features) -> list[str]:
    """Features that change with bars before their window, in words.

    The stated warm-up is `features.window_bars` bars of the session.

    Args:
        computed: Computes a day's features.
    """
    rules, found = inputs.rules.features, []
    for ticker, bars in inputs.bars.items():
        whole = computed({ticker: bars}, inputs.session, rules).get(ticker, [])
        for row in whole[:: max(1, len(whole) // len(CUTS))]:
            alone = _window(bars, row.ts, rules.window_bars, inputs.session)
            again = computed({ticker: alone}, inputs.session, rules).get(ticker, [])
            if not again or again[-1] != row:
                found.append(f"{ticker} at {row.ts:%H:%M} UTC: features change with older bars")
    return found


def _window(bars: TickerBars, last: datetime, most: int, session: Session) -> TickerBars:
    """The bars up to that minute that may count: so many of the session, the newest."""
    first, end = bars.known(session.opens_at), bars.known(last + MINUTE)
    first = max(first, end - most)
    return TickerBars(bars.bars[first:end], bars.starts[first:end])
