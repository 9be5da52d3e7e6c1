"""What a story says about a ticker, from all items that tell it.

A feed speaks for itself only. A story's score and age are those of the source that told it
first; another source may add its voice, and where it says the opposite the story is mixed
and carries no weight. A correction takes the place of what its own feed, or a copy that
links to its own site, said before.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from ops_pipeline.domain.news.items import Story

# Scores nearer to zero than this take no side.
_SIDE = 0.05
# A claim of more than a year is no date but a fault of the feed.
_OLDEST_CLAIM = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class StoryItem:
    """One item of a story with its verdict, as far as it was known at a moment.

    `score` is None when it was not judged, or is mixed; `ticker_scores` are those of a
    mixed line whose grammar is plain. `published_at` is None when it carries no weight,
    and `published_claim` what the feed said all the same.
    """

    raw_event_id: UUID
    story_id: UUID
    feed_url: str
    source_site: str
    link_site: str | None
    correction: bool
    fetched_at: datetime
    published_at: datetime | None
    published_claim: datetime | None
    tickers: tuple[str, ...]
    judged: bool
    score: float | None
    ticker_scores: dict[str, float]

    def score_of(self, ticker: str) -> float | None:
        if ticker not in self.tickers or self.published_at is None:
            return None
        return self.ticker_scores.get(ticker, self.score)

    @property
    def told_at(self) -> datetime:
        """When it claims to be from, as far as that may be; else when it was fetched."""
        claim = self.published_at or self.published_claim
        if claim is None or claim <= self.fetched_at - _OLDEST_CLAIM:
            return self.fetched_at
        return min(claim, self.fetched_at) if self.published_at is None else claim


def stories_of(
    items: Iterable[StoryItem], tickers: Sequence[str], since: datetime
) -> dict[str, list[Story]]:
    """The stories after `since` by ticker, each once.

    Args:
        items: By story, and within one in the order in which they were fetched.
    """
    wanted = set(tickers)
    found: dict[str, list[Story]] = {}
    for _, group in groupby(items, key=lambda item: item.story_id):
        told = list(group)
        named = {ticker for item in told for ticker in item.tickers}
        for ticker in sorted(wanted & named):
            story = story_of(told, ticker, since)
            if story is not None:
                found.setdefault(ticker, []).append(story)
    return found


def story_of(told: Sequence[StoryItem], ticker: str, since: datetime) -> Story | None:
    """What one story says about a ticker; None when nothing, or when its sources disagree."""
    first_fetched = told[0].fetched_at
    voices: dict[str, tuple[StoryItem, float, datetime]] = {}
    for item in _in_force(told):
        score = item.score_of(ticker)
        if score is None or item.source_site in voices:
            continue
        # A claimed time ages its own source alone, and none makes a story younger than it is.
        own = (one.told_at for one in told if one.source_site == item.source_site)
        voices[item.source_site] = (item, score, min(first_fetched, *own))
    counting = [voice for voice in voices.values() if voice[2] > since]
    if not counting or _disagree(score for _, score, _ in counting):
        return None
    item, score, at = counting[0]
    return Story(
        item.story_id,
        at,
        score,
        item.source_site,
        item.raw_event_id,
        tuple(sorted(voices)),
        _version(told, item),
    )


def _in_force(told: Sequence[StoryItem]) -> list[StoryItem]:
    """The items that no later correction replaced."""
    return [
        item
        for at, item in enumerate(told)
        if not any(
            later.correction
            and later.judged
            and (later.feed_url == item.feed_url or later.source_site == item.link_site)
            for later in told[at + 1 :]
        )
    ]


def _disagree(scores: Iterable[float]) -> bool:
    sides = {score > 0 for score in scores if abs(score) > _SIDE}
    return len(sides) > 1


def _version(told: Sequence[StoryItem], counting: StoryItem) -> int:
    """1 for a story as it was first told, 2 after its first correction, and so on."""
    until = told.index(counting)
    return 1 + len([one for one in told[1 : until + 1] if one.correction and one.judged])
