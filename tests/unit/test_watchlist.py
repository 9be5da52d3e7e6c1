"""The watch score and who is on the list."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.news.ticker_sentiment import Pressure
from ops_pipeline.domain.parameters import NewsRules, WatchlistRules
from ops_pipeline.domain.watchlist import WatchEntry, WatchScore, score, select
from tests.support.builders_market import features

RULES, NEWS_RULES = WatchlistRules(), NewsRules()
TICK = datetime(2026, 2, 4, 15, 31, tzinfo=UTC)
EARLIER = TICK - timedelta(minutes=30)


def scored(ticker: str, value: float) -> WatchScore:
    return replace(score(features(ticker=ticker), None, RULES, NEWS_RULES), score=value)


def listed(scores: dict[str, float], *, members: tuple[str, ...] = (), size: int = 30) -> set[str]:
    entries = select(
        scores,
        {ticker: scored(ticker, value) for ticker, value in scores.items()},
        dict.fromkeys(members, EARLIER),
        TICK,
        WatchlistRules(size=size),
    )
    return {entry.ticker for entry in entries if entry.in_watchlist}


def test_the_score_is_the_weighted_sum_of_its_four_terms() -> None:
    found = score(
        features(distance_sma20=0.0025, vol_ratio=1.1, trend_state=1),
        Pressure(score=0.6, stories=2, newest_age_minutes=15),
        RULES,
        NEWS_RULES,
    )
    pressure = 0.5 * 0.6 + 0.3 * 2 / 5 + 0.2 * (1 - 15 / 60)
    assert isclose(found.pressure or 0, pressure)
    assert isclose(found.setup, 0.75)
    assert isclose(found.volatility or 0, 0.5)
    assert found.alignment == 1
    assert isclose(found.score, 0.35 * pressure + 0.25 * 0.75 + 0.20 * 0.5 + 0.20)


def test_without_a_story_pressure_drops_out_and_the_rest_is_rescaled() -> None:
    found = score(features(distance_sma20=0.0025, vol_ratio=1.1), None, RULES, NEWS_RULES)
    assert found.pressure is None
    assert "pressure" not in found.arithmetic["terms"]
    assert isclose(found.score, (0.25 * 0.75 + 0.20 * 0.5 + 0.20 * 0.5) / 0.65)


def test_a_story_of_no_sentiment_is_not_the_same_as_no_story() -> None:
    quiet = Pressure(score=0.0, stories=2, newest_age_minutes=59)
    assert score(features(), quiet, RULES, NEWS_RULES).pressure is not None


@pytest.mark.parametrize("sentiment", [-1.0, 0.0, 1.0])
def test_one_source_alone_neither_brings_a_ticker_onto_the_list_nor_off_it(
    sentiment: float,
) -> None:
    found = features(distance_sma20=0.0025, vol_ratio=1.1, trend_state=1)
    alone = score(found, Pressure(sentiment, 1, 1.0, ("loud",)), RULES, NEWS_RULES)
    assert alone.score == score(found, None, RULES, NEWS_RULES).score
    assert alone.pressure is None
    assert alone.arithmetic["from"]["sources"] == ["loud"]


def test_an_unknown_volatility_ratio_adds_nothing_and_stays_unknown() -> None:
    still = score(
        features(vol_ratio=None, baseline_vol=0.0, distance_sma20=0.0), None, RULES, NEWS_RULES
    )
    assert still.volatility is None
    assert isclose(still.score, (0.25 + 0.20 * 0.5) / 0.65)


@pytest.mark.parametrize(
    ("trend", "sentiment", "alignment"),
    [(1, 0.2, 1.0), (1, -0.2, 0.0), (-1, -0.2, 1.0), (0, 0.2, 0.5), (1, 0.05, 0.5)],
)
def test_alignment_asks_whether_trend_and_news_point_the_same_way(
    trend: int, sentiment: float, alignment: float
) -> None:
    news = Pressure(score=sentiment, stories=2, newest_age_minutes=1)
    assert score(features(trend_state=trend), news, RULES, NEWS_RULES).alignment == alignment


@given(
    st.floats(-0.5, 0.5),
    st.one_of(st.none(), st.floats(0, 50)),
    st.sampled_from([-1, 0, 1]),
    st.one_of(
        st.none(),
        st.builds(Pressure, st.floats(-1, 1), st.integers(1, 500), st.floats(0, 500)),
    ),
)
def test_every_term_and_the_score_stay_between_nothing_and_one(
    distance: float, vol_ratio: float | None, trend: int, news: Pressure | None
) -> None:
    found = score(
        features(distance_sma20=distance, vol_ratio=vol_ratio, trend_state=trend),
        news,
        RULES,
        NEWS_RULES,
    )
    terms = (found.score, found.pressure or 0, found.setup, found.volatility or 0, found.alignment)
    assert all(0 <= term <= 1 for term in terms)


def test_a_newcomer_needs_more_than_a_member() -> None:
    scores = {"NEW": 0.59, "OLD": 0.50, "ENTERS": 0.60, "LEAVES": 0.49}
    assert listed(scores, members=("OLD", "LEAVES")) == {"OLD", "ENTERS"}


def test_the_list_holds_the_best_and_no_more_than_its_size() -> None:
    assert listed({"AAA": 0.7, "BBB": 0.9, "CCC": 0.8}, members=("AAA",), size=2) == {"BBB", "CCC"}


def test_equal_scores_are_placed_by_name() -> None:
    assert listed({"BBB": 0.7, "AAA": 0.7}, size=1) == {"AAA"}


def test_a_member_keeps_the_time_it_entered_and_a_newcomer_gets_the_tick() -> None:
    entries = select(
        ["OLD", "NEW"],
        {"OLD": scored("OLD", 0.9), "NEW": scored("NEW", 0.8)},
        {"OLD": EARLIER},
        TICK,
        RULES,
    )
    assert [(each.ticker, each.rank, each.entered_at) for each in entries] == [
        ("OLD", 1, EARLIER),
        ("NEW", 2, TICK),
    ]


def test_a_ticker_without_fresh_features_leaves_the_list_and_has_no_rank() -> None:
    entries = select(["GONE"], {}, {"GONE": EARLIER}, TICK, RULES)
    assert entries == [WatchEntry("GONE", None, None, None)]
