"""Trading parameters and their defaults, which are version 1.

Ratios are fractions (0.02 is 2 %), times minutes or seconds as named, money USD. What each may be
at least and at most stands in parameter_bounds.
Stored as versioned rows (`parameter_versions`), so that learning changes data, never code.
"""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class NewsRules:
    """`min_sources`: fewer sources in a ticker's window lift nothing; 1 trusts a single feed."""

    window_minutes: int = 120
    stories_for_full_weight: int = 5
    newest_fades_after_minutes: int = 60
    min_sources: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryRules:
    jump_fraction: float = 0.40
    first_fetch_hour_new_york: int = 4
    refetch_minutes: int = 5
    silence_minutes: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureRules:
    window_bars: int = 120
    minimum_bars: int = 50
    trend_band: float = 0.0005
    surge_ratio: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchlistRules:
    size: int = 30
    enter_score: float = 0.60
    leave_score: float = 0.50
    setup_distance: float = 0.01
    neutral_sentiment: float = 0.05
    sentiment_share: float = 0.5
    stories_share: float = 0.3
    newest_share: float = 0.2
    least_volatility: float = 0.7
    volatility_span: float = 0.8
    pressure_weight: float = 0.35
    setup_weight: float = 0.25
    volatility_weight: float = 0.20
    alignment_weight: float = 0.20


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeStep:
    """The confidence multiplier for a volume ratio below `under`."""

    under: float
    multiplier: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRules:
    near_sma_fraction: float = 0.005
    furthest_from_sma: float = 0.02
    setup_distance: float = 0.01
    trend_weight: float = 0.35
    setup_weight: float = 0.25
    volatility_weight: float = 0.20
    constant_weight: float = 0.20
    flat_trend: float = 0.5
    calm_volatility: float = 0.8
    busy_volatility: float = 1.3
    least_volatility: float = 0.3
    most_volatility: float = 1.8
    aligned_sentiment: float = 1.25
    opposed_sentiment: float = 0.80
    volume_steps: tuple[VolumeStep, ...] = (
        VolumeStep(under=0.5, multiplier=0.0),
        VolumeStep(under=1.5, multiplier=0.3),
        VolumeStep(under=2.0, multiplier=0.8),
        VolumeStep(under=3.0, multiplier=1.15),
        VolumeStep(under=5.0, multiplier=1.25),
    )
    most_volume_multiplier: float = 1.35
    unknown_volume_multiplier: float = 0.5
    breakout_fraction: float = 0.002
    breakout_volatilities: float = 4.0
    without_breakout: float = 0.5
    breakout_volume: float = 2.0
    breakout_multiplier: float = 1.10
    strong_breakout_volume: float = 2.5
    strong_breakout_multiplier: float = 1.25
    option_most_volatility: float = 1.3
    day_trade_confidence: float = 0.65
    day_trade_most_confidence: float = 0.75
    day_trade_volatility_from: float = 1.2
    day_trade_volatility_span: float = 0.2
    day_trade_volatility_price: float = 0.10
    day_trade_volume: float = 2.0
    swing_trade_confidence: float = 0.50
    stock_confidence: float = 0.45
    rest_minutes: int = 15
    options_enabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRules:
    minimum_confidence: float = 0.45
    recommendation_age_s: int = 300
    feature_age_s: int = 300
    bar_age_s: int = 120
    thin_bar_age_s: int = 300
    quote_age_s: int = 60
    vix_halves_from: float = 25.0
    vix_refuses_from: float = 40.0
    first_minutes: int = 5
    last_entry_minutes: int = 120
    quiet_before_close_s: int = 15
    guard_silence_s: int = 300
    halt_cooling_minutes: int = 5
    earnings_before_minutes: int = 0
    earnings_after_minutes: int = 0
    fomc_before_minutes: int = 0
    fomc_after_minutes: int = 0
    cpi_before_minutes: int = 0
    cpi_after_minutes: int = 0
    other_event_before_minutes: int = 0
    other_event_after_minutes: int = 0
    entries_per_ticker: int = 2
    cooldown_minutes: int = 15
    ticker_losing_streak: int = 3
    account_losing_streak: int = 5
    limit_slippage: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """Bounds within which a quote is believed, as fractions of the price.

    Attributes:
        spread, contract_spread: The widest quote of a stock and of an option; always allowed
            are `spread_steps` of the smallest price step.
        distance, contract_distance: How far a mid may be off a trade, bar or earlier quote that
            is at most `distance_age_s` old; older ones count with the root of their age, and
            beyond `evidence_age_s` not at all.
        bar_distance: How far a bar's close may be off the close a minute before; more for a gap.
        opening_factor: On all of these, in the session's first `opening_minutes`.
        witness_age_s: How old the second evidence for a stop may be.
        unpriced_ticks: So many ticks without a believed quote open an alert.
        entry_collar, exit_collar: How far a limit may be off the price that vouches for it.
    """

    spread: float = 0.005
    spread_steps: int = 2
    contract_spread: float = 0.20
    distance: float = 0.015
    contract_distance: float = 0.50
    distance_age_s: int = 120
    evidence_age_s: int = 1800
    bar_distance: float = 0.01
    opening_minutes: int = 5
    opening_factor: float = 2.0
    witness_age_s: int = 180
    unpriced_ticks: int = 3
    entry_collar: float = 0.01
    exit_collar: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """What an account may risk; `equity_up_to` None means without an upper end."""

    name: str
    equity_up_to: Decimal | None
    day_trade_risk: float
    swing_trade_risk: float
    most_contracts: int
    minimum_confidence: float = 0.0
    trades_a_day: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SizingRules:
    tiers: tuple[Tier, ...] = (
        Tier(
            name="tiny",
            equity_up_to=Decimal(2000),
            day_trade_risk=0.08,
            swing_trade_risk=0.05,
            most_contracts=1,
            minimum_confidence=0.60,
            trades_a_day=2,
        ),
        Tier(
            name="small",
            equity_up_to=Decimal(5000),
            day_trade_risk=0.12,
            swing_trade_risk=0.08,
            most_contracts=3,
        ),
        Tier(
            name="medium",
            equity_up_to=Decimal(25000),
            day_trade_risk=0.04,
            swing_trade_risk=0.06,
            most_contracts=5,
        ),
        Tier(
            name="large",
            equity_up_to=None,
            day_trade_risk=0.01,
            swing_trade_risk=0.02,
            most_contracts=10,
        ),
    )
    kelly_after_trades: int = 30
    kelly_window_trades: int = 60
    kelly_least_share: float = 0.25
    elevated_vix_factor: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRules:
    stop_loss: float = 0.02
    take_profit: float = 0.03
    breakeven_gain: float = 0.01
    partial_gain: float = 0.02
    partial_share: float = 0.40
    trailing_keeps: float = 0.75
    day_trade_minutes: int = 240
    swing_trade_sessions: int = 5
    session_end_minutes: int = 15
    closing_deadline_minutes: int = 5
    limit_slippage: float = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    news: NewsRules = field(default_factory=NewsRules)
    telemetry: TelemetryRules = field(default_factory=TelemetryRules)
    features: FeatureRules = field(default_factory=FeatureRules)
    watchlist: WatchlistRules = field(default_factory=WatchlistRules)
    signals: SignalRules = field(default_factory=SignalRules)
    prices: PriceRules = field(default_factory=PriceRules)
    gates: GateRules = field(default_factory=GateRules)
    sizing: SizingRules = field(default_factory=SizingRules)
    exits: ExitRules = field(default_factory=ExitRules)
