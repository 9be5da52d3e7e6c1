"""The news of a generated session has what real feeds have, oddities included."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from ops_local import synthetic
from ops_local.recordings.recording import RecordedNewsItem
from ops_local.synthetic import headlines, moves, stories
from ops_local.synthetic.news import publish
from ops_local.synthetic.stories import GeneratedStory
from ops_local.synthetic.universe import UNIVERSE
from ops_pipeline.domain.news.sentiment import sentiment


@pytest.fixture(scope="module")
def news(tmp_path_factory: pytest.TempPathFactory) -> list[RecordedNewsItem]:
    return synthetic.generate(tmp_path_factory.mktemp("session"), n_tickers=33).news


def generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def test_a_day_has_as_much_news_as_a_healthy_one(news: list[RecordedNewsItem]) -> None:
    assert 300 <= len(news) <= 400
    by_feed = Counter(item.feed for item in news)
    assert len(by_feed) == 5
    assert min(by_feed.values()) > 30


def test_nothing_is_shown_before_it_was_published(news: list[RecordedNewsItem]) -> None:
    ahead = [item for item in news if item.published_at and item.published_at > item.available_at]
    assert len(ahead) == 1
    assert ahead[0].published_at
    assert ahead[0].published_at - ahead[0].available_at > timedelta(minutes=10)


def test_some_items_are_undated_and_one_is_long_past(news: list[RecordedNewsItem]) -> None:
    assert sum(item.published_at is None for item in news) == 4
    week = timedelta(days=7)
    old = [item.published_at for item in news if item.published_at]
    assert sum(news[0].available_at - moment > week for moment in old) == 1


def test_a_story_comes_over_several_feeds_with_its_source_and_tracking(
    news: list[RecordedNewsItem],
) -> None:
    shown = {(item.link, item.title) for item in news}
    copies = [item for item in news if item.link and "utm_source" in item.link]
    assert len(copies) > 40
    matched = 0
    for copy in copies:
        page, _, tracking = str(copy.link).partition("?")
        title, _, house = copy.title.rpartition(" - ")
        assert tracking.startswith(f"utm_source={copy.feed}&")
        assert house.replace(" ", "").lower() in page or "UPDATE" in copy.title
        matched += (page, title) in shown
    # The one with markup and those that were edited differ.
    assert matched >= len(copies) - 4


def test_what_happens_to_a_company_is_told_by_several_publishers_in_words_of_their_own() -> None:
    told = stories.tell(generator(2), UNIVERSE, moves.plan(generator(1), UNIVERSE))
    events: dict[int, list[GeneratedStory]] = {}
    for story in told:
        if story.ticker is not None:
            events.setdefault(story.event, []).append(story)
    together = [reports for reports in events.values() if len(reports) > 1]
    assert 0.4 * len(events) < len(together) < 0.8 * len(events)
    for reports in together:
        assert len({story.ticker for story in reports}) == 1
        assert len({story.title for story in reports}) == len(reports)
        assert reports[-1].minute - reports[0].minute <= 6
    start = datetime(2026, 2, 4, 9, tzinfo=UTC)
    shown = publish(generator(3), told, start)
    by_title = {item.title: item.feed for item in reversed(shown)}
    for reports in together:
        feeds = [by_title[story.title] for story in reports if story.title in by_title]
        assert len(set(feeds)) == len(feeds)


def test_a_few_items_come_again_with_an_edited_title(news: list[RecordedNewsItem]) -> None:
    edited = [item for item in news if item.title.startswith("UPDATE 1-")]
    assert edited
    for item in edited:
        before = [other for other in news if other.link == item.link and other != item]
        assert before
        assert min(other.available_at for other in before) < item.available_at


def test_one_title_holds_markup(news: list[RecordedNewsItem]) -> None:
    assert sum("<b>" in item.title for item in news) == 1


def test_one_feed_gives_no_guids(news: list[RecordedNewsItem]) -> None:
    assert {item.feed for item in news if item.guid is None} == {"marketpulse"}
    assert {item.feed for item in news if item.guid} == {item.feed for item in news} - {
        "marketpulse"
    }


def test_every_link_leads_to_a_made_up_house(news: list[RecordedNewsItem]) -> None:
    assert all((urlsplit(item.link or "").hostname or "").endswith(".example") for item in news)


def test_no_place_in_a_sentence_is_left_unfilled(news: list[RecordedNewsItem]) -> None:
    assert not [item for item in news if re.search(r"[{}]|None", f"{item.title} {item.summary}")]


def test_news_comes_5_to_20_minutes_before_most_moves_and_mostly_reads_right() -> None:
    planned = moves.plan(generator(1), UNIVERSE)
    told = {(story.ticker, story.minute) for story in stories.tell(generator(2), UNIVERSE, planned)}
    led = [move for move in planned if move.lead_minutes is not None]
    right = [move for move in led if move.news_sign * move.log_return > 0]
    assert 0.5 * len(planned) < len(led) < len(planned)
    assert 0.5 * len(led) < len(right) < len(led)
    for move in led:
        assert 5 <= (move.lead_minutes or 0) <= 20
    minutes = {(move.ticker, 330 + move.start - (move.lead_minutes or 0)) for move in led}
    assert len(minutes & told) >= len(led) - 1


def test_much_of_the_news_is_about_no_ticker() -> None:
    told = stories.tell(generator(2), UNIVERSE, moves.plan(generator(1), UNIVERSE))
    about_nothing = [story for story in told if story.ticker is None]
    assert 0.15 < len(about_nothing) / len(told) < 0.4


def test_a_universe_of_funds_has_news_of_the_world_alone(tmp_path: Path) -> None:
    told = stories.tell(generator(2), UNIVERSE[:2], [])
    assert told
    assert {story.ticker for story in told} == {None}


def test_good_and_bad_headlines_read_as_such() -> None:
    for expected, templates in ((1, headlines.GOOD), (-1, headlines.BAD)):
        texts = [f"{template.title}. {template.summary}" for template in templates]
        agree = sum(expected * sentiment(text).score > 0.05 for text in texts)
        oppose = sum(expected * sentiment(text).score < -0.05 for text in texts)
        assert agree >= 0.75 * len(texts)
        assert oppose <= 1
