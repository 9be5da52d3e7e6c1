"""What each trading parameter may be at least and at most, in one table.

A value out of its bounds is no strategy but a mistake: a percentage typed as a fraction, a sign, a
zero too many. Checked where parameters are stored, loaded and given on a command line.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import MappingProxyType

from ops_pipeline.domain.parameters import Parameters

Bounds = tuple[float, float]

_SHARE: Bounds = (0, 1)
_WEIGHT: Bounds = (0, 1)
_FACTOR: Bounds = (0, 5)
# Of a gain or a loss; less than 0.05 % is within the spread.
_GAIN: Bounds = (0.0005, 2)
_SLIPPAGE: Bounds = (0, 0.05)
# Times its own usual: of volatility and of volume.
_RATIO: Bounds = (0, 100)
_SESSION_MINUTES: Bounds = (0, 390)
_AGE_S: Bounds = (1, 3600)
# A week: longer is a decision about the ticker.
_EVENT_MINUTES: Bounds = (0, 10_080)
_COUNT: Bounds = (1, 1000)

BOUNDS: Mapping[str, Bounds] = MappingProxyType(
    {
        "news.window_minutes": (1, 1440),
        "news.stories_for_full_weight": (1, 100),
        "news.newest_fades_after_minutes": (1, 1440),
        # With more, news would never count: few tickers have as many sources in two hours.
        "news.min_sources": (1, 5),
        "telemetry.jump_fraction": (0.01, 10),
        "telemetry.first_fetch_hour_new_york": (0, 9),
        "telemetry.refetch_minutes": (1, 60),
        # A volatility pause lasts five minutes.
        "telemetry.silence_minutes": (3, 60),
        "features.window_bars": (20, 1000),
        "features.minimum_bars": (2, 1000),
        "features.trend_band": (0, 0.1),
        "features.surge_ratio": (1, 100),
        "watchlist.size": (1, 10_000),
        "watchlist.enter_score": _SHARE,
        "watchlist.leave_score": _SHARE,
        "watchlist.setup_distance": (0.0001, 1),
        "watchlist.neutral_sentiment": _SHARE,
        "watchlist.sentiment_share": _WEIGHT,
        "watchlist.stories_share": _WEIGHT,
        "watchlist.newest_share": _WEIGHT,
        "watchlist.least_volatility": _RATIO,
        "watchlist.volatility_span": (0.001, 100),
        "watchlist.pressure_weight": _WEIGHT,
        "watchlist.setup_weight": _WEIGHT,
        "watchlist.volatility_weight": _WEIGHT,
        "watchlist.alignment_weight": _WEIGHT,
        "signals.near_sma_fraction": (0, 0.5),
        "signals.furthest_from_sma": (0.0001, 1),
        "signals.setup_distance": (0.0001, 1),
        "signals.trend_weight": _WEIGHT,
        "signals.setup_weight": _WEIGHT,
        "signals.volatility_weight": _WEIGHT,
        "signals.constant_weight": _WEIGHT,
        "signals.flat_trend": _SHARE,
        "signals.calm_volatility": _RATIO,
        "signals.busy_volatility": _RATIO,
        "signals.least_volatility": _RATIO,
        "signals.most_volatility": _RATIO,
        "signals.aligned_sentiment": _FACTOR,
        "signals.opposed_sentiment": _FACTOR,
        "signals.volume_steps.under": _RATIO,
        "signals.volume_steps.multiplier": _FACTOR,
        "signals.most_volume_multiplier": _FACTOR,
        "signals.unknown_volume_multiplier": _FACTOR,
        "signals.breakout_fraction": (0, 0.5),
        "signals.breakout_volatilities": (0, 100),
        "signals.without_breakout": _SHARE,
        "signals.breakout_volume": _RATIO,
        "signals.breakout_multiplier": _FACTOR,
        "signals.strong_breakout_volume": _RATIO,
        "signals.strong_breakout_multiplier": _FACTOR,
        "signals.option_most_volatility": _RATIO,
        "signals.day_trade_confidence": _SHARE,
        "signals.day_trade_most_confidence": _SHARE,
        "signals.day_trade_volatility_from": _RATIO,
        "signals.day_trade_volatility_span": (0.001, 100),
        "signals.day_trade_volatility_price": _SHARE,
        "signals.day_trade_volume": _RATIO,
        "signals.swing_trade_confidence": _SHARE,
        "signals.stock_confidence": _SHARE,
        "signals.rest_minutes": (0, 1440),
        # Wider, and quotes that cost money are believed again.
        "prices.spread": (0.0002, 0.02),
        "prices.spread_steps": (1, 5),
        "prices.contract_spread": (0.01, 0.5),
        "prices.distance": (0.001, 0.1),
        "prices.contract_distance": (0.01, 2),
        "prices.distance_age_s": (60, 600),
        "prices.evidence_age_s": (120, 23_400),
        "prices.bar_distance": (0.001, 0.1),
        "prices.opening_minutes": (0, 30),
        "prices.opening_factor": (1, 4),
        "prices.witness_age_s": (60, 600),
        "prices.unpriced_ticks": (1, 30),
        "prices.entry_collar": (0.001, 0.05),
        "prices.exit_collar": (0.001, 0.2),
        "gates.minimum_confidence": _SHARE,
        "gates.recommendation_age_s": _AGE_S,
        "gates.feature_age_s": _AGE_S,
        "gates.bar_age_s": _AGE_S,
        "gates.thin_bar_age_s": _AGE_S,
        "gates.quote_age_s": _AGE_S,
        "gates.vix_halves_from": (1, 200),
        "gates.vix_refuses_from": (1, 200),
        "gates.first_minutes": _SESSION_MINUTES,
        "gates.last_entry_minutes": _SESSION_MINUTES,
        "gates.quiet_before_close_s": (0, 3600),
        "gates.guard_silence_s": (60, 3600),
        "gates.halt_cooling_minutes": (1, 120),
        "gates.earnings_before_minutes": _EVENT_MINUTES,
        "gates.earnings_after_minutes": _EVENT_MINUTES,
        "gates.fomc_before_minutes": _EVENT_MINUTES,
        "gates.fomc_after_minutes": _EVENT_MINUTES,
        "gates.cpi_before_minutes": _EVENT_MINUTES,
        "gates.cpi_after_minutes": _EVENT_MINUTES,
        "gates.other_event_before_minutes": _EVENT_MINUTES,
        "gates.other_event_after_minutes": _EVENT_MINUTES,
        "gates.entries_per_ticker": _COUNT,
        "gates.cooldown_minutes": (0, 1440),
        "gates.ticker_losing_streak": _COUNT,
        "gates.account_losing_streak": _COUNT,
        "gates.limit_slippage": _SLIPPAGE,
        "sizing.tiers.equity_up_to": (1, 1e9),
        "sizing.tiers.day_trade_risk": _SHARE,
        "sizing.tiers.swing_trade_risk": _SHARE,
        "sizing.tiers.most_contracts": _COUNT,
        "sizing.tiers.minimum_confidence": _SHARE,
        "sizing.tiers.trades_a_day": _COUNT,
        "sizing.kelly_after_trades": (1, 10_000),
        "sizing.kelly_window_trades": (1, 10_000),
        "sizing.kelly_least_share": _SHARE,
        "sizing.elevated_vix_factor": _SHARE,
        "exits.stop_loss": (0.0005, 0.5),
        "exits.take_profit": _GAIN,
        "exits.breakeven_gain": _GAIN,
        "exits.partial_gain": _GAIN,
        "exits.partial_share": _SHARE,
        "exits.trailing_keeps": _SHARE,
        "exits.day_trade_minutes": (1, 1440),
        "exits.swing_trade_sessions": (1, 60),
        "exits.session_end_minutes": _SESSION_MINUTES,
        "exits.closing_deadline_minutes": (1, 60),
        "exits.limit_slippage": _SLIPPAGE,
    }
)

# The first is at most the second.
ORDERED = (
    ("features.minimum_bars", "features.window_bars"),
    ("watchlist.leave_score", "watchlist.enter_score"),
    ("signals.near_sma_fraction", "signals.furthest_from_sma"),
    ("signals.calm_volatility", "signals.busy_volatility"),
    ("signals.least_volatility", "signals.most_volatility"),
    ("prices.distance_age_s", "prices.evidence_age_s"),
    ("gates.vix_halves_from", "gates.vix_refuses_from"),
)

_INDEX = re.compile(r"\[\d+\]")


def out_of_bounds(parameters: Parameters) -> list[str]:
    """What is wrong with these parameters, a sentence for each; NaN is within no bounds."""
    found = dict(numbers(parameters))
    return [
        *(told for path, value in found.items() if (told := _judged(path, value))),
        *(
            f"{low} is {found[low]}: it must be at most {high}, which is {found[high]}"
            for low, high in ORDERED
            if found[low] > found[high]
        ),
    ]


def numbers(value: object, path: str = "") -> Iterator[tuple[str, float | Decimal]]:
    """Each number in the parameters with its path; one of a list as sizing.tiers[0].name."""
    if is_dataclass(value):
        for field in fields(value):
            yield from numbers(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from numbers(item, f"{path}[{number}]")
    elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        yield path, value


def field_of(path: str) -> str:
    """The path without the places in lists, as the table has it."""
    return _INDEX.sub("", path)


def _judged(path: str, value: float | Decimal) -> str | None:
    least, most = BOUNDS[field_of(path)]
    if least <= float(value) <= most:
        return None
    return f"{path} is {float(value):g}: it must be {least:g} to {most:g}"
