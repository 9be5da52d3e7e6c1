"""The weight of a ticker's stories at a minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.items import Story
from ops_pipeline.domain.news.ticker_sentiment import Pressure, ticker_sentiment

NOW = datetime(2026, 2, 4, 15, 0, tzinfo=UTC)


def story(name: str, age_minutes: float, score: float, source: str | None = None) -> Story:
    """A story of a source of its own, unless one is named."""
    at = NOW - timedelta(minutes=age_minutes)
    return Story(stable_uuid(name), at, score, source or f"{name}.example")


def test_no_story_is_none_and_not_zero() -> None:
    assert ticker_sentiment([], NOW) is None
    assert ticker_sentiment([story("a", 120, 1.0)], NOW) is None


def test_a_neutral_story_is_a_zero_that_counts() -> None:
    assert ticker_sentiment([story("a", 30, 0.0)], NOW) == Pressure(0.0, 1, 30.0, ("a.example",))


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
    assert ticker_sentiment([story("a", -8, 0.5)], NOW) == Pressure(0.5, 1, 0.0, ("a.example",))


def test_the_order_of_the_stories_does_not_matter() -> None:
    stories = [story(str(n), n * 7, (-1) ** n * n / 10) for n in range(9)]
    assert ticker_sentiment(stories, NOW) == ticker_sentiment(stories[::-1], NOW)


def test_a_source_has_one_story_in_a_window_its_newest_however_many_it_tells() -> None:
    flood = [story(f"made up {n}", 20 - n / 40, 0.9, "loud.example") for n in range(640)]
    honest = story("true", 20, -0.3, "calm.example")
    pressure = ticker_sentiment([*flood, honest], NOW)
    assert pressure is not None
    assert (pressure.stories, pressure.sources) == (2, ("calm.example", "loud.example"))
    newest = 20 - 639 / 40
    weights = (1 - newest / 120, 1 - 20 / 120)
    expected = (weights[0] * 0.9 + weights[1] * -0.3) / sum(weights)
    assert pressure.score == pytest.approx(expected)


def test_a_source_whose_newest_story_is_too_old_says_nothing() -> None:
    assert ticker_sentiment([story("a", 121, 0.9, "s"), story("b", 130, 0.9, "s")], NOW) is None


@given(
    st.lists(
        st.tuples(st.floats(0, 119), st.floats(-1, 1), st.sampled_from(["a", "b", "c"])),
        min_size=1,
        max_size=30,
    ),
    st.lists(st.floats(0, 119), max_size=30),
)
def test_whatever_one_source_adds_the_others_keep_their_share(
    told: list[tuple[float, float, str]], flood: list[float]
) -> None:
    honest = [story(str(n), age, score, name) for n, (age, score, name) in enumerate(told)]
    loud = [story(f"loud {n}", age, 1.0, "loud") for n, age in enumerate(flood)]
    alone, together = ticker_sentiment(honest, NOW), ticker_sentiment([*honest, *loud], NOW)
    assert alone is not None
    assert together is not None
    assert together.stories == alone.stories + bool(flood)
    assert set(together.sources) - {"loud"} == set(alone.sources)
