"""Prices, volumes and quotes of a generated session, minute by minute.

Each log return is a share of the market's, the ticker's own noise and its planned
moves. Volatility and volume are high at both ends of the session and come in bursts.
Arrays are (ticker, minute) from 04:00 to 20:00 in New York; prices are whole cents.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops_local.synthetic.moves import SESSION_MINUTES, Move, drift, volume_factor
from ops_local.synthetic.universe import GeneratedCompany

DAY_MINUTES = 960
OPENS, CLOSES = 330, 720
_STEPS = 8
_MARKET_DAILY_VOL = 0.006

Floats = NDArray[np.float64]
Cents = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GeneratedTape:
    """A day's minutes; `traded` and `quoted` are False for minutes without trade or quote."""

    open: Cents
    high: Cents
    low: Cents
    close: Cents
    volume: Cents
    traded: NDArray[np.bool_]
    bid: Cents
    bid_size: Cents
    ask: Cents
    ask_size: Cents
    quoted: NDArray[np.bool_]


def draw(
    rng: np.random.Generator, companies: Sequence[GeneratedCompany], moves: Sequence[Move]
) -> GeneratedTape:
    """Draw one day of all companies; the same generator state gives the same day."""
    heat = _bursts(rng, len(companies))
    path = _path(rng, companies, moves, heat)
    volume, traded = _volume(rng, companies, moves, heat)
    high, low, close = path.max(axis=2), path.min(axis=2), path[:, :, -1]
    _late_print(high, low, close, volume)
    quoted = np.ones_like(traded)
    _gaps(rng, traded, quoted)
    quotes = _quotes(rng, companies, close)
    return GeneratedTape(path[:, :, 0], high, low, close, volume, traded, *quotes, quoted)


def _bursts(rng: np.random.Generator, n_tickers: int) -> Floats:
    """Factor on volatility, mean about 1: calm and busy periods of about half an hour."""
    noise = rng.standard_normal((DAY_MINUTES, n_tickers)) * 0.09
    level, levels = np.zeros(n_tickers), np.empty((DAY_MINUTES, n_tickers))
    for minute in range(DAY_MINUTES):
        level = 0.965 * level + noise[minute]
        levels[minute] = level
    return np.exp(levels.T - 0.06)


def _shape(at_open: float, at_close: float, outside: float) -> Floats:
    """The intraday U shape, 1 at about noon; low and flat outside the session."""
    minute = np.arange(SESSION_MINUTES)
    inside = (
        1.0
        + (at_open - 1) * np.exp(-minute / 35)
        + (at_close - 1) * np.exp((minute - SESSION_MINUTES) / 22)
    )
    return np.concatenate([np.full(OPENS, outside), inside, np.full(DAY_MINUTES - CLOSES, outside)])


def _path(
    rng: np.random.Generator,
    companies: Sequence[GeneratedCompany],
    moves: Sequence[Move],
    heat: Floats,
) -> Cents:
    """Prices in cents, (ticker, minute, step within the minute)."""
    size = (len(companies), DAY_MINUTES, _STEPS)
    per_step = np.sqrt(1 / (SESSION_MINUTES * _STEPS))
    u = _shape(2.4, 1.7, 0.35) / 1.15
    own = np.array([company.daily_vol_pct / 100 for company in companies]) * per_step
    beta = np.array([company.beta for company in companies])
    market = rng.standard_normal(size[1:]) * (_MARKET_DAILY_VOL * per_step * u * heat[0])[:, None]
    noise = rng.standard_normal(size) * (own[:, None] * u * heat)[:, :, None]
    planned = np.zeros(size[:2])
    row = {company.ticker: number for number, company in enumerate(companies)}
    for move in moves:
        planned[row[move.ticker], OPENS:CLOSES] += drift(move)
    returns = beta[:, None, None] * market + noise + planned[:, :, None] / _STEPS
    log_price = returns.reshape(len(companies), -1).cumsum(axis=1).reshape(size)
    start = np.array([company.price_usd for company in companies])
    cents: Cents = np.rint(100 * start[:, None, None] * np.exp(log_price)).astype(np.int64)
    return cents


def _volume(
    rng: np.random.Generator,
    companies: Sequence[GeneratedCompany],
    moves: Sequence[Move],
    heat: Floats,
) -> tuple[Cents, NDArray[np.bool_]]:
    usual = np.array([float(company.minute_volume) for company in companies])
    expected = usual[:, None] * _shape(4.5, 3.5, 0.04) * heat**0.7
    row = {company.ticker: number for number, company in enumerate(companies)}
    for move in moves:
        expected[row[move.ticker], OPENS:CLOSES] *= volume_factor(rng, move)
    volume = np.rint(expected * np.exp(rng.normal(-0.05, 0.33, expected.shape)))
    # Outside the session many minutes have no trade, more so for illiquid tickers.
    traded = np.ones(expected.shape, dtype=np.bool_)
    chance = np.clip(np.log10(usual) - 3.6, 0.12, 0.9)
    for outside in (slice(0, OPENS), slice(CLOSES, DAY_MINUTES)):
        part = traded[:, outside]
        part[:] = rng.random(part.shape) < chance[:, None]
    return np.maximum(volume, 1).astype(np.int64), traded


def _gaps(rng: np.random.Generator, traded: NDArray[np.bool_], quoted: NDArray[np.bool_]) -> None:
    """Remove a few periods inside the session, like a halt or lost data."""
    for number in range(min(5, len(traded) - 1)):
        ticker = int(rng.integers(1, len(traded)))
        start, minutes = OPENS + int(rng.integers(60, 360)), int(rng.integers(2, 10))
        traded[ticker, start : start + minutes] = False
        if number == 0:
            quoted[ticker, start : start + minutes] = False


def _late_print(high: Cents, low: Cents, last: Cents, volume: Cents) -> None:
    """Report one old trade half an hour late: a wick far from the market and nothing else."""
    now, then = OPENS + 171, OPENS + 136
    change = np.log(last[:, now] / last[:, then])
    ticker = int(np.argmax(np.abs(change)))
    old = last[ticker, then]
    high[ticker, now], low[ticker, now] = max(high[ticker, now], old), min(low[ticker, now], old)
    volume[ticker, now] += 500


def _quotes(
    rng: np.random.Generator, companies: Sequence[GeneratedCompany], last: Cents
) -> tuple[Cents, Cents, Cents, Cents]:
    """The last bid and ask of each minute, near its close; wide outside the session."""
    usual = np.array([company.spread_bps for company in companies])
    width = usual[:, None] * last / 10_000 * rng.lognormal(0.0, 0.35, last.shape)
    width *= np.where(_shape(1, 1, 0.0) > 0, 1.0, 5.0)
    spread = np.maximum(np.rint(width), 1).astype(np.int64)
    bid = last - np.rint(rng.random(last.shape) * spread).astype(np.int64)
    sizes = 100 * rng.geometric(0.22, (2, *last.shape))
    return bid, sizes[0], bid + spread, sizes[1]
