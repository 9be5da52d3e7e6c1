"""The weight of a ticker's stories at a minute."""

from datetime import UTC, datetime, timedelta

import pytest

from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.items import Story
from ops_pipeline.domain.news.ticker_sentiment import Pressure, ticker_sentiment

NOW = datetime(2026, 2, 4, 15, 0, tzinfo=UTC)


def story(name: str, age_minutes: float, score: float) -> Story:
    return Story(stable_uuid(name), NOW - timedelta(minutes=age_minutes), score)


def test_no_story_is_none_and_not_zero() -> None:
    assert ticker_sentiment([], NOW) is None
    assert ticker_sentiment([story("a", 120, 1.0)], NOW) is None


def test_a_neutral_story_is_a_zero_that_counts() -> None:
    assert ticker_sentiment([story("a", 30, 0.0)], NOW) == Pressure(0.0, 1, 30.0)


def test_a_story_weighs_less_the_older_it_is() -> None:
    pressure = ticker_sentiment([story("new", 0, 0.8), story("old", 60, -0.4)], NOW)
    assert pressure is not None
    assert pressure.score == pytest.approx((1.0 * 0.8 + 0.5 * -0.4) / 1.5)
    assert (pressure.stories, pressure.newest_age_minutes) == (2, 0)


def test_a_story_given_twice_counts_once() -> None:
    twice = [story("a", 10, 0.5), story("a", 10, 0.5), story("b", 10, 0.1)]
    pressure = ticker_sentiment(twice, NOW)
    assert pressure is not None
    assert pressure.stories == 2
    assert pressure.score == pytest.approx(0.3)


def test_a_time_slightly_ahead_weighs_no_more_than_now() -> None:
    assert ticker_sentiment([story("a", -8, 0.5)], NOW) == Pressure(0.5, 1, 0.0)


def test_the_order_of_the_stories_does_not_matter() -> None:
    stories = [story(str(n), n * 7, (-1) ** n * n / 10) for n in range(9)]
    assert ticker_sentiment(stories, NOW) == ticker_sentiment(stories[::-1], NOW)
