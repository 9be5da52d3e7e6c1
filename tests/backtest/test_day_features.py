"""A day's features at once are, bit for bit, those of each minute by itself."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random

import numpy as np

from ops_local.backtest.tape_pass import TickerBars, day_features
from ops_pipeline.domain.features import RECENT_BARS, BarWindows, Features, compute
from ops_pipeline.domain.market import MINUTE, Bar
from ops_pipeline.domain.parameters import FeatureRules
from tests.support.fakes import regular_session

SESSION = regular_session(date(2026, 2, 4))
RULES = FeatureRules()


def drawn(ticker: str, seed: int, share: float) -> TickerBars:
    """Bars of a session in which some minutes have none."""
    draw, price, found = Random(seed), Decimal(100), []
    for minute in range(390):
        price = max(price + Decimal(draw.randint(-40, 40)) / 100, Decimal(1))
        if draw.random() < share:
            ts = SESSION.opens_at + minute * MINUTE
            found.append(Bar(ticker, ts, price, price, price, price, draw.randint(0, 10**6)))
    return TickerBars(found, [bar.ts for bar in found])


def alone(bars: TickerBars, end: int) -> list[Features]:
    """As the stage computes the newest minute of one ticker."""
    its = bars.bars[max(0, end - RULES.window_bars) : end]
    windows = BarWindows(
        tickers=[its[0].ticker],
        starts_s=np.array([[int(bar.ts.timestamp()) for bar in its[-RECENT_BARS:]]]),
        closes=np.array([[float(bar.close) for bar in its]]),
        volumes=np.array([[bar.volume for bar in its[-RECENT_BARS:]]]),
    )
    return compute(windows, RULES)


def test_windows_of_a_day_give_what_each_minute_gives() -> None:
    tape = {name: drawn(name, at, share) for at, (name, share) in enumerate(SHARES.items())}
    found = day_features(tape, SESSION, RULES)
    for ticker, bars in tape.items():
        wanted = [row for end in range(1, len(bars.bars) + 1) for row in alone(bars, end)]
        assert found[ticker] == wanted
    assert all(len(rows) == max(0, len(tape[name].bars) - 49) for name, rows in found.items())


def test_bars_outside_of_the_session_are_no_part_of_a_window() -> None:
    bars = drawn("AAA", 7, 1.0)
    low = Decimal(50)
    before = [
        Bar("AAA", bars.starts[0] - timedelta(minutes=it), low, low, low, low, 9) for it in (2, 1)
    ]
    wider = [*before, *bars.bars]
    tape = {"AAA": TickerBars(wider, [bar.ts for bar in wider])}
    assert day_features(tape, SESSION, RULES) == day_features({"AAA": bars}, SESSION, RULES)


SHARES = {"FULL": 1.0, "MOST": 0.9, "HALF": 0.5, "FEW": 0.1, "NONE": 0.0}
