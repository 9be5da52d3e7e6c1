"""Turns a watched ticker's features and news into a signal, or HOLD with its reason.

Direction comes from price alone; news and volume only scale the confidence.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ops_pipeline.domain.confidence import (
    Direction,
    confidence_in,
    direction_of,
    trend_agrees,
)
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.parameters import Parameters, SignalRules
from ops_pipeline.domain.prices.bar_age import UNCOVERED, BarCoverage, bar_age_limit_s
from ops_pipeline.domain.trading_terms import Action, Instrument, Strategy


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides on a signal besides the ticker's own features.

    Attributes:
        last_signal_at: Tick of its last signal before this one, None when none is near.
        buyers: Accounts that may enter.
        holders: Accounts that hold stock of the ticker, active or not.
        bar_coverage: Whether minutes without a bar are known to be without trades.
    """

    tick: datetime
    last_signal_at: datetime | None
    buyers: Collection[str]
    holders: Collection[str]
    bar_coverage: BarCoverage = UNCOVERED


@dataclass(frozen=True, slots=True)
class Choice:
    """Instrument and strategy to trade, and why; the dispatcher picks the option contract."""

    instrument: Instrument
    strategy: Strategy
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One action recommended to one account."""

    account: str
    action: Action
    instrument: Instrument


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of one ticker at one tick: a signal if it has proposals, else HOLD.

    `direction` and `confidence` are None when price points both ways or neither;
    `choice` is None when nothing fits the confidence.
    """

    ticker: str
    features_ts: datetime
    direction: Direction | None
    confidence: float | None
    choice: Choice | None
    proposals: tuple[Proposal, ...]
    reason: str
    arithmetic: dict[str, Any]

    @property
    def outcome(self) -> Literal["SIGNAL", "HOLD"]:
        return "SIGNAL" if self.proposals else "HOLD"


def evaluate(
    features: Features, news: Pressure | None, parameters: Parameters, circumstances: Circumstances
) -> Evaluation:
    """Evaluate one watched ticker; a HOLD keeps its full arithmetic too."""
    rules = parameters.signals
    direction = direction_of(features, rules)
    arithmetic: dict[str, Any] = {"from": _inputs(features, news)}
    confidence: float | None = None
    choice: Choice | None = None
    proposals: tuple[Proposal, ...] = ()
    hold: str | None = "price points both ways or neither"
    if direction is not None:
        weighed = confidence_in(direction, features, news, rules, parameters.news)
        confidence = weighed.value
        choice = choose(direction, confidence, features, rules)
        proposals = _proposals(direction, choice, circumstances)
        hold = _hold_reason(
            features,
            parameters,
            circumstances,
            confidence=confidence,
            choice=choice,
            proposals=proposals,
        )
        arithmetic |= weighed.arithmetic | {"choice": asdict(choice) if choice else None}
    return Evaluation(
        ticker=features.ticker,
        features_ts=features.ts,
        direction=direction,
        confidence=confidence,
        choice=choice,
        proposals=() if hold else proposals,
        reason=hold or f"{direction} at confidence {confidence:.2f}",
        arithmetic=arithmetic,
    )


def unevaluated(features: Features, why: str) -> Evaluation:
    """HOLD for a ticker whose evaluation failed: the others are evaluated all the same."""
    return Evaluation(
        ticker=features.ticker,
        features_ts=features.ts,
        direction=None,
        confidence=None,
        choice=None,
        proposals=(),
        reason=f"Not evaluated: {why}",
        arithmetic={},
    )


def choose(
    direction: Direction, confidence: float, features: Features, rules: SignalRules
) -> Choice | None:
    """The instrument and the holding period; None when the confidence fits none."""
    if rules.options_enabled and _suits_an_option(direction, features, rules):
        side: Instrument = "CALL" if direction == "bullish" else "PUT"
        busy = (features.volume_ratio or 0.0) >= rules.day_trade_volume
        if busy and confidence >= day_trade_confidence(features.vol_ratio, rules):
            return Choice(side, "day_trade", "trend agrees, calm enough, volume for a day trade")
        if confidence >= rules.swing_trade_confidence:
            return Choice(side, "swing_trade", "trend agrees, calm enough")
    if confidence < rules.stock_confidence:
        return None
    reason = "no option fits" if rules.options_enabled else "options disabled"
    return Choice("STOCK", "day_trade", reason)


def day_trade_confidence(vol_ratio: float | None, rules: SignalRules) -> float:
    """The confidence that a day trade in options needs; it rises with volatility."""
    if vol_ratio is None:
        return rules.day_trade_most_confidence
    over = max(0.0, vol_ratio - rules.day_trade_volatility_from) / rules.day_trade_volatility_span
    asked = rules.day_trade_confidence + rules.day_trade_volatility_price * over
    return min(rules.day_trade_most_confidence, asked)


def _suits_an_option(direction: Direction, features: Features, rules: SignalRules) -> bool:
    calm = features.vol_ratio is not None and features.vol_ratio <= rules.option_most_volatility
    return calm and trend_agrees(direction, features)


def _proposals(
    direction: Direction, choice: Choice | None, circumstances: Circumstances
) -> tuple[Proposal, ...]:
    """Proposals by account; a bearish one buys a PUT only, and sells the stock that is held."""
    if choice is None:
        return ()
    bearish = direction == "bearish"
    buyers = () if bearish and choice.instrument == "STOCK" else sorted(circumstances.buyers)
    holders = sorted(circumstances.holders) if bearish else ()
    return (
        *(Proposal(account, "BUY", choice.instrument) for account in buyers),
        *(Proposal(account, "SELL", "STOCK") for account in holders),
    )


def _hold_reason(
    features: Features,
    parameters: Parameters,
    circumstances: Circumstances,
    *,
    confidence: float,
    choice: Choice | None,
    proposals: Collection[Proposal],
) -> str | None:
    rest_ends = (
        circumstances.last_signal_at + timedelta(minutes=parameters.signals.rest_minutes)
        if circumstances.last_signal_at
        else circumstances.tick
    )
    # A gate would refuse it too, but only after the ticker's rest period had begun.
    bar_age_s = (circumstances.tick - features.ts - MINUTE).total_seconds()
    most_age_s = bar_age_limit_s(circumstances.bar_coverage, circumstances.tick, parameters.gates)
    if choice is None:
        return f"Confidence {confidence:.2f} < {parameters.signals.stock_confidence:.2f}"
    if circumstances.tick < rest_ends:
        return f"Rests until {rest_ends:%H:%M} UTC after its last signal"
    if bar_age_s > most_age_s:
        return f"Bar age {bar_age_s:.0f}s > {most_age_s}s"
    if not proposals:
        buyers = len(circumstances.buyers)
        return f"Nobody to act on it: {choice.reason}, {buyers} may buy, none holds it"
    return None


def _inputs(features: Features, news: Pressure | None) -> dict[str, Any]:
    return {
        "distance_sma20": features.distance_sma20,
        "trend_state": features.trend_state,
        "vol_ratio": features.vol_ratio,
        "recent_vol": features.recent_vol,
        "volume_ratio": features.volume_ratio,
        "sentiment": news.score if news else None,
        "stories": news.stories if news else 0,
        "sources": list(news.sources) if news else [],
    }
