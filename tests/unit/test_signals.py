"""Direction, confidence, instrument, and what is left to hold back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.confidence import Direction, confidence_in, direction_of
from ops_pipeline.domain.features import Features
from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.parameters import NewsRules, Parameters, SignalRules
from ops_pipeline.domain.signals import (
    Choice,
    Circumstances,
    Evaluation,
    Proposal,
    choose,
    day_trade_confidence,
    evaluate,
)
from tests.support.builders_market import features

RULES, NEWS_RULES = SignalRules(), NewsRules()
OPTIONS = SignalRules(options_enabled=True)
TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)

# Trend up, 0.3 % above the average (more than 4 x recent_vol), in three times the volume.
BREAKOUT = features(trend_state=1, distance_sma20=0.003, recent_vol=0.0005, volume_ratio=3.0)
BREAKDOWN = features(trend_state=-1, distance_sma20=-0.003, recent_vol=0.0005, volume_ratio=3.0)


def confidence(
    found: Features, news: Pressure | None = None, direction: Direction = "bullish"
) -> float:
    return confidence_in(direction, found, news, RULES, NEWS_RULES).value


def factors(found: Features, news: Pressure | None = None) -> dict[str, float]:
    return dict(confidence_in("bullish", found, news, RULES, NEWS_RULES).arithmetic["factors"])


def around(
    *,
    last_signal_at: datetime | None = None,
    buyers: tuple[str, ...] = ("tiny", "large"),
    holders: tuple[str, ...] = (),
    tick: datetime = TICK,
) -> Circumstances:
    return Circumstances(tick, last_signal_at, buyers, holders)


def evaluated(found: Features, circumstances: Circumstances | None = None) -> Evaluation:
    return evaluate(found, None, Parameters(), circumstances or around())


@pytest.mark.parametrize(
    ("distance", "trend", "direction"),
    [
        (0.003, 1, "bullish"),
        (-0.004, 1, "bullish"),
        (-0.005, 1, "bullish"),
        (-0.006, 1, None),
        (0.02, 1, "bullish"),
        (0.021, 1, None),
        (0.010, 0, "bullish"),
        (0.004, 0, None),
        (-0.010, 0, "bearish"),
        (-0.003, -1, "bearish"),
        (0.005, -1, "bearish"),
        (0.006, -1, None),
        (-0.021, -1, None),
    ],
)
def test_direction_comes_from_price_and_trend(
    distance: float, trend: int, direction: Direction | None
) -> None:
    assert direction_of(features(distance_sma20=distance, trend_state=trend), RULES) == direction


def test_the_base_is_trend_setup_volatility_and_a_constant() -> None:
    found = features(trend_state=1, distance_sma20=0.004, vol_ratio=1.0)
    arithmetic = confidence_in("bullish", found, None, RULES, NEWS_RULES).arithmetic
    assert isclose(arithmetic["base"]["value"], 0.35 + 0.25 * 0.6 + 0.20 + 0.20)


@pytest.mark.parametrize(
    ("vol_ratio", "appropriate"),
    [(0.3, 0.0), (0.55, 0.5), (0.8, 1.0), (1.3, 1.0), (1.55, 0.5), (1.8, 0.0), (None, 0.0)],
)
def test_volatility_is_appropriate_within_its_band_and_fades_outside(
    vol_ratio: float | None, appropriate: float
) -> None:
    arithmetic = confidence_in(
        "bullish", features(vol_ratio=vol_ratio), None, RULES, NEWS_RULES
    ).arithmetic
    assert isclose(arithmetic["base"]["terms"]["volatility"]["value"], appropriate, abs_tol=1e-9)


@pytest.mark.parametrize(
    ("news", "factor"),
    [
        (None, 1.0),
        (Pressure(1.0, 5, 0), 1.25),
        (Pressure(1.0, 50, 0), 1.25),
        (Pressure(0.5, 5, 0), 1.125),
        (Pressure(1.0, 2, 0), 1.10),
        (Pressure(1.0, 1, 0), 1.0),
        (Pressure(-1.0, 1, 0), 0.96),
        (Pressure(-1.0, 5, 0), 0.80),
        (Pressure(-0.5, 2, 0), 0.96),
        (Pressure(0.0, 5, 0), 1.0),
    ],
)
def test_news_scales_by_its_score_and_by_how_many_stories_tell_it(
    news: Pressure | None, factor: float
) -> None:
    assert isclose(factors(features(), news)["sentiment"], factor)


@pytest.mark.parametrize("sources", [1, 2, 3, 5])
@pytest.mark.parametrize("least", [1, 2, 3, 5])
def test_news_of_too_few_sources_never_lifts_and_price_and_volume_stay_as_they_are(
    sources: int, least: int
) -> None:
    rules = replace(NEWS_RULES, min_sources=least)
    without = confidence_in("bullish", BREAKOUT, None, RULES, rules).arithmetic
    said = confidence_in("bullish", BREAKOUT, Pressure(1.0, sources, 0), RULES, rules).arithmetic
    assert (said["factors"]["sentiment"] > 1) is (sources >= least)
    rest = {"volume", "breakout"}
    assert {name: said["factors"][name] for name in rest} == {
        name: without["factors"][name] for name in rest
    }
    assert said["base"] == without["base"]
    assert without["factors"]["sentiment"] == 1


@pytest.mark.parametrize(
    ("volume_ratio", "factor"),
    [
        (0.49, 0.0),
        (0.5, 0.3),
        (1.5, 0.8),
        (2.0, 1.15),
        (3.0, 1.25),
        (5.0, 1.35),
        (None, 0.5),
    ],
)
def test_volume_scales_in_steps(volume_ratio: float | None, factor: float) -> None:
    assert factors(features(volume_ratio=volume_ratio))["volume"] == factor


@pytest.mark.parametrize(
    ("distance", "recent_vol", "volume_ratio", "factor"),
    [
        (0.002, 0.0, 3.0, 0.5),
        (0.0021, 0.0, 3.0, 1.25),
        (0.0021, 0.001, 3.0, 0.5),
        (0.0041, 0.001, 2.0, 1.10),
        (0.0041, 0.001, 1.9, 1.0),
        (0.0041, 0.001, None, 1.0),
        (-0.0041, 0.001, 3.0, 0.5),
    ],
)
def test_a_breakout_is_beyond_noise_in_the_direction_and_volume_confirms_it(
    distance: float, recent_vol: float, volume_ratio: float | None, factor: float
) -> None:
    found = features(distance_sma20=distance, recent_vol=recent_vol, volume_ratio=volume_ratio)
    assert factors(found)["breakout"] == factor


def test_a_falling_price_is_weighed_as_its_mirror_image() -> None:
    assert confidence(BREAKDOWN, direction="bearish") == confidence(BREAKOUT)


@given(
    st.floats(-0.02, 0.02),
    st.one_of(st.none(), st.floats(0, 5)),
    st.one_of(st.none(), st.floats(0, 50)),
    st.one_of(st.none(), st.builds(Pressure, st.floats(-1, 1), st.integers(1, 50), st.just(1.0))),
    st.sampled_from(["bullish", "bearish"]),
)
def test_confidence_stays_between_nothing_and_one(
    distance: float,
    vol_ratio: float | None,
    volume_ratio: float | None,
    news: Pressure | None,
    direction: Direction,
) -> None:
    found = features(distance_sma20=distance, vol_ratio=vol_ratio, volume_ratio=volume_ratio)
    assert 0 <= confidence(found, news, direction) <= 1


def test_without_options_every_signal_is_a_day_trade_in_the_stock() -> None:
    choice = Choice("STOCK", "day_trade", "options disabled")
    assert choose("bullish", 0.45, BREAKOUT, RULES) == choice
    assert choose("bullish", 0.99, BREAKOUT, RULES) == choice
    assert choose("bullish", 0.449, BREAKOUT, RULES) is None


@pytest.mark.parametrize(
    ("value", "volume_ratio", "vol_ratio", "trend", "expected"),
    [
        (0.65, 2.0, 1.0, 1, ("CALL", "day_trade")),
        (0.64, 2.0, 1.0, 1, ("CALL", "swing_trade")),
        (0.90, 1.9, 1.0, 1, ("CALL", "swing_trade")),
        (0.49, 2.0, 1.0, 1, ("STOCK", "day_trade")),
        (0.90, 2.0, 1.31, 1, ("STOCK", "day_trade")),
        (0.90, 2.0, None, 1, ("STOCK", "day_trade")),
        (0.90, 2.0, 1.0, 0, ("STOCK", "day_trade")),
        (0.44, 2.0, 1.0, 1, None),
    ],
)
def test_with_options_trend_calm_and_volume_choose_the_instrument(
    value: float,
    volume_ratio: float,
    vol_ratio: float | None,
    trend: int,
    expected: tuple[str, str] | None,
) -> None:
    found = features(trend_state=trend, volume_ratio=volume_ratio, vol_ratio=vol_ratio)
    choice = choose("bullish", value, found, OPTIONS)
    assert (choice and (choice.instrument, choice.strategy)) == expected


def test_a_wilder_ticker_needs_more_confidence_for_a_day_trade_up_to_a_limit() -> None:
    asked = [day_trade_confidence(vol_ratio, RULES) for vol_ratio in (1.0, 1.2, 1.3, 1.4, 9.0)]
    assert asked == pytest.approx([0.65, 0.65, 0.70, 0.75, 0.75])


def test_a_rising_price_is_bought_for_every_account_in_order() -> None:
    found = evaluated(BREAKOUT)
    assert found.outcome == "SIGNAL"
    assert found.proposals == (
        Proposal("large", "BUY", "STOCK"),
        Proposal("tiny", "BUY", "STOCK"),
    )


def test_a_falling_price_without_options_buys_nothing_and_says_why() -> None:
    found = evaluated(BREAKDOWN)
    assert (found.outcome, found.direction, found.proposals) == ("HOLD", "bearish", ())
    assert "options disabled" in found.reason


def test_a_falling_price_sells_the_stock_of_those_who_hold_it() -> None:
    found = evaluated(BREAKDOWN, around(holders=("tiny",)))
    assert found.outcome == "SIGNAL"
    assert found.proposals == (Proposal("tiny", "SELL", "STOCK"),)


def test_with_options_a_falling_price_buys_a_put_and_sells_what_is_held() -> None:
    rules = Parameters(signals=OPTIONS)
    found = evaluate(BREAKDOWN, None, rules, around(buyers=("large",), holders=("tiny",)))
    assert found.proposals == (
        Proposal("large", "BUY", "PUT"),
        Proposal("tiny", "SELL", "STOCK"),
    )


@pytest.mark.parametrize(("minutes_ago", "outcome"), [(1, "HOLD"), (14, "HOLD"), (15, "SIGNAL")])
def test_a_ticker_rests_fifteen_minutes_after_a_signal(minutes_ago: int, outcome: str) -> None:
    found = evaluated(BREAKOUT, around(last_signal_at=TICK - timedelta(minutes=minutes_ago)))
    assert found.outcome == outcome
    assert found.confidence == evaluated(BREAKOUT).confidence


def test_a_signal_from_an_old_bar_is_held_before_it_puts_the_ticker_to_rest() -> None:
    assert evaluated(BREAKOUT, around(tick=TICK + timedelta(minutes=2))).outcome == "SIGNAL"
    late = evaluated(BREAKOUT, around(tick=TICK + timedelta(minutes=3)))
    assert (late.outcome, late.reason) == ("HOLD", "Bar age 180s > 120s")


def test_too_little_confidence_holds_and_says_how_little() -> None:
    found = evaluated(features(trend_state=1, distance_sma20=0.003, volume_ratio=0.6))
    assert (found.outcome, found.choice) == ("HOLD", None)
    assert found.reason.startswith("Confidence 0.")


def test_a_hold_without_a_direction_still_leaves_what_was_looked_at() -> None:
    found = evaluated(features())
    assert (found.direction, found.confidence) == (None, None)
    assert json.loads(json.dumps(found.arithmetic))["from"]["distance_sma20"] == 0.0
