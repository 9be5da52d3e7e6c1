"""What the news of the last two hours says about one ticker at one minute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.news.items import Story

WINDOW_MINUTES = 120


@dataclass(frozen=True, slots=True)
class Pressure:
    """Weighted sentiment of a ticker's stories, one of each source.

    `score` is -1 to 1, `stories` how many count, which is how many sources speak;
    `newest_age_minutes` is the age of the newest of them, >= 0. `sources` are sorted.
    """

    score: float
    stories: int
    newest_age_minutes: float
    sources: tuple[str, ...] = ()


def ticker_sentiment(
    stories: Sequence[Story], now: datetime, *, window_minutes: int = WINDOW_MINUTES
) -> Pressure | None:
    """The mean score of the sources' newest stories, each weighted by 1 - age/window.

    None means that there is no story, which is not the same as a score of 0. A time a
    few minutes ahead, which feeds give and the identity rules allow, counts as age 0.
    """
    counting = counted(stories, now, window_minutes=window_minutes)
    if not counting:
        return None
    ages = [_age_minutes(story, now) for story in counting]
    weights = [1 - age / window_minutes for age in ages]
    scores = [story.score for story in counting]
    return Pressure(
        score=math.fsum(w * s for w, s in zip(weights, scores, strict=True)) / math.fsum(weights),
        stories=len(counting),
        newest_age_minutes=ages[0],
        sources=tuple(sorted(story.source for story in counting)),
    )


def counted(
    stories: Sequence[Story], now: datetime, *, window_minutes: int = WINDOW_MINUTES
) -> list[Story]:
    """The stories of the window that count, newest first: of each source its newest.

    However much one source writes, it has one voice; a story that others repeat is the voice
    of the source that told it first.
    """
    by_source: dict[str, Story] = {}
    for story in sorted(stories, key=lambda one: (_age_minutes(one, now), str(one.story_id))):
        if _age_minutes(story, now) < window_minutes:
            by_source.setdefault(story.source, story)
    return list(by_source.values())


def _age_minutes(story: Story, now: datetime) -> float:
    return max(0.0, (now - story.published_at).total_seconds() / 60)
