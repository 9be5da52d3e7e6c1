"""News: feeds as they were fetched, stories, sentiment. Times UTC."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Label = Literal["positive", "neutral", "negative"]


@dataclass(frozen=True, slots=True)
class FeedState:
    """One subscribed feed and what its server said last."""

    url: str
    source: str
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One item as the feed gave it; None means that the feed did not say."""

    guid: str | None
    title: str | None
    link: str | None
    summary: str | None
    published_at: datetime | None


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One answer of a feed's server; `not_modified` means 304 and no entries."""

    entries: tuple[FeedEntry, ...]
    etag: str | None
    last_modified: str | None
    not_modified: bool = False


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Probabilities that sum to 1; `score` is p(positive) - p(negative), from -1 to 1."""

    positive: float
    neutral: float
    negative: float

    @property
    def label(self) -> Label:
        if self.positive >= self.neutral and self.positive >= self.negative:
            return "positive"
        return "negative" if self.negative >= self.neutral else "neutral"

    @property
    def score(self) -> float:
        return self.positive - self.negative
