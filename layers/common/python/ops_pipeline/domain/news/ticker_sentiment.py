"""What the news of the last two hours says about one ticker at one minute."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ops_pipeline.domain.news.items import Story

WINDOW_MINUTES = 120


@dataclass(frozen=True, slots=True)
class Pressure:
    """Weighted sentiment of a ticker's stories.

    `score` is -1 to 1, `stories` counts each story once, `newest_age_minutes` is the age
    of the newest of them, >= 0.
    """

    score: float
    stories: int
    newest_age_minutes: float


def ticker_sentiment(
    stories: Sequence[Story], now: datetime, *, window_minutes: int = WINDOW_MINUTES
) -> Pressure | None:
    """The mean score of the window's stories, each weighted by 1 - age/window.

    None means that there is no story, which is not the same as a score of 0. A time a
    few minutes ahead, which feeds give and the identity rules allow, counts as age 0.
    """
    aged = sorted(
        (max(0.0, (now - story.published_at).total_seconds() / 60), str(story.story_id), story)
        for story in {story.story_id: story for story in stories}.values()
    )
    weighted = [(1 - age / window_minutes, story.score) for age, _, story in aged]
    weighted = [pair for pair in weighted if pair[0] > 0]
    if not weighted:
        return None
    total = math.fsum(weight for weight, _ in weighted)
    return Pressure(
        score=math.fsum(weight * score for weight, score in weighted) / total,
        stories=len(weighted),
        newest_age_minutes=aged[0][0],
    )
