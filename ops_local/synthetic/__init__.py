"""Generates a whole trading day from a seed: bars, quotes and news, marked as synthetic.

The same seed, day and number of tickers give the same recording on every version of
Python, because one pinned numpy draws everything.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
from holidays import financial_holidays
from numpy.typing import NDArray

from ops_local.recordings import recording
from ops_local.recordings.recording import Recording
from ops_local.synthetic import moves, news, stories, tape
from ops_local.synthetic.tape import DAY_MINUTES, GeneratedTape
from ops_local.synthetic.universe import UNIVERSE, GeneratedCompany
from ops_pipeline.domain.market import MINUTE, Bar, Quote, new_york_time

DEFAULT_DAY = date(2026, 2, 4)
DEFAULT_SEED = 7
# Increase it with every change that alters the output of a seed.
VERSION = 2


def generate(
    folder: Path,
    *,
    seed: int = DEFAULT_SEED,
    day: date = DEFAULT_DAY,
    n_tickers: int = len(UNIVERSE),
) -> Recording:
    """Write a session of the first `n_tickers` of the universe to `folder` and return it.

    Raises:
        ValueError: no full session on that day, or fewer than 1 or more than 33 tickers.
    """
    if not 1 <= n_tickers <= len(UNIVERSE):
        raise ValueError(f"n_tickers must be 1 to {len(UNIVERSE)}, not {n_tickers}")
    if day.weekday() >= 5 or day in financial_holidays("NYSE", years=day.year):
        raise ValueError(f"the NYSE is shut on {day}: choose a trading day")
    companies = UNIVERSE[:n_tickers]
    # One stream for each: a change in the news leaves the prices unchanged.
    plan_rng, tape_rng, news_rng = (_stream(seed, day, number) for number in range(3))
    planned = moves.plan(plan_rng, companies)
    drawn = tape.draw(tape_rng, companies, planned)
    session = Recording(
        folder=folder,
        day=day,
        tickers=tuple(company.ticker for company in companies),
        synthetic=True,
        source=f"ops_local.synthetic version {VERSION}, seed {seed}",
        vix_previous_close=round(float(news_rng.uniform(14, 21)), 2),
        bars=_bars(drawn, companies, day),
        quotes=_quotes(drawn, companies, day),
        news=news.publish(
            news_rng, stories.tell(news_rng, companies, planned), new_york_time(day, 4)
        ),
    )
    recording.write(session)
    return session


def _stream(seed: int, day: date, number: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([seed, day.toordinal(), number]))


def _bars(
    drawn: GeneratedTape, companies: Sequence[GeneratedCompany], day: date
) -> dict[str, list[Bar]]:
    starts = _starts(day)
    table: dict[str, list[Bar]] = {}
    for row, company in enumerate(companies):
        columns = (drawn.open, drawn.high, drawn.low, drawn.close)
        first, high, low, last = (_usd(column[row]) for column in columns)
        volume = drawn.volume[row].tolist()
        table[company.ticker] = [
            Bar(company.ticker, starts[at], first[at], high[at], low[at], last[at], volume[at])
            for at in np.flatnonzero(drawn.traded[row]).tolist()
        ]
    return table


def _quotes(
    drawn: GeneratedTape, companies: Sequence[GeneratedCompany], day: date
) -> dict[str, list[Quote]]:
    starts = _starts(day)
    table: dict[str, list[Quote]] = {}
    for row, company in enumerate(companies):
        bid, ask = _usd(drawn.bid[row]), _usd(drawn.ask[row])
        bid_size, ask_size = drawn.bid_size[row].tolist(), drawn.ask_size[row].tolist()
        table[company.ticker] = [
            Quote(company.ticker, starts[at], bid[at], bid_size[at], ask[at], ask_size[at])
            for at in np.flatnonzero(drawn.quoted[row]).tolist()
        ]
    return table


def _starts(day: date) -> list[datetime]:
    first = new_york_time(day, 4)
    return [first + number * MINUTE for number in range(DAY_MINUTES)]


def _usd(cents: NDArray[np.int64]) -> list[Decimal]:
    return [Decimal(cent).scaleb(-2) for cent in cents.tolist()]
