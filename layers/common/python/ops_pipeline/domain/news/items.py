"""News: feeds as they were fetched, stories, sentiment. Times UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from ops_pipeline.domain.feeds.kinds import FeedKind
from ops_pipeline.domain.market_state.trading_halts import HaltList
from ops_pipeline.domain.news.time_zones import TimeNote, TimeProblem

Label = Literal["positive", "neutral", "negative"]
# Why an item has no publication time: it carries no weight then. The last two are claims of an
# instant that is implausible, the others leave none to be judged.
UndatedReason = Literal["missing", TimeProblem, "future", "too_old"]


@dataclass(frozen=True, slots=True)
class FeedState:
    """One subscribed feed and what its server said last.

    `moved_to` is where its permanent redirects led; it stays known by `url`. `contact` is whom
    its server may write to, None when nobody said.
    """

    url: str
    source: str
    etag: str | None = None
    last_modified: str | None = None
    failures_in_a_row: int = 0
    moved_to: str | None = None
    poll_every_s: int = 60
    last_fetched_at: datetime | None = None
    contact: str | None = None
    kind: FeedKind = "news"


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One item as the feed gave it; None means that the feed did not say."""

    guid: str | None
    title: str | None
    link: str | None
    summary: str | None
    published_at: datetime | None
    # The time as the feed wrote it, and why it is no instant where published_at is None.
    written: str | None = None
    time_problem: TimeProblem | None = None
    time_note: TimeNote | None = None


@dataclass(frozen=True, slots=True)
class FeedDocument:
    """One response of a feed's server; `not_modified` means 304 and no entries.

    `cut` counts older entries that were served and not kept. `halts` is what a feed of halts
    serves in place of entries.
    """

    entries: tuple[FeedEntry, ...]
    etag: str | None
    last_modified: str | None
    not_modified: bool = False
    moved_to: str | None = None
    cut: int = 0
    halts: HaltList | None = None


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


@dataclass(frozen=True, slots=True)
class Publication:
    """The time that a feed claims for an item, and the time that counts.

    Exactly one of `at` and `reason` is None. `written` is the feed's own text, and `note`
    says that it was not taken literally.
    """

    at: datetime | None
    reason: UndatedReason | None
    claim: datetime | None
    written: str | None = None
    note: TimeNote | None = None


@dataclass(frozen=True, slots=True)
class NewsItem:
    """One item as it is stored: plain text, identified, its time checked.

    `canonical_link` and `title_key` are None when they identify no single story. A
    `correction` says so in its headline; `corrects_uid` is the uid that its guid or link
    had without that.
    """

    event_uid: str
    source: str
    feed_url: str
    title: str | None
    link: str | None
    summary: str | None
    canonical_link: str | None
    title_key: str | None
    publication: Publication
    fetched_at: datetime
    source_site: str
    link_site: str | None = None
    correction: bool = False
    corrects_uid: str | None = None

    @property
    def dated(self) -> datetime:
        """The time by which it is compared with other items: published, else first seen."""
        return self.publication.at or self.fetched_at


@dataclass(frozen=True, slots=True)
class StoryTrace:
    """The link and headline of an earlier item, by which its story is recognised."""

    story_id: UUID
    canonical_link: str | None
    title_key: str | None
    dated: datetime
    event_uid: str = ""
    feed_url: str = ""


@dataclass(frozen=True, slots=True)
class WaitingItem:
    """One stored item that the classifier has not seen yet."""

    raw_event_id: UUID
    event_uid: str
    story_id: UUID
    published_at: datetime | None
    title: str | None
    summary: str | None


@dataclass(frozen=True, slots=True)
class Classified:
    """The verdict on one item: a sentiment, or the reason why there is none.

    `tickers` are sorted. `mixed` means that the text does not speak of them alike; then
    `ticker_scores` has the score of each where the line's grammar is plain.
    """

    item: WaitingItem
    tickers: tuple[str, ...]
    sentiment: Sentiment | None
    reason: str | None
    mixed: bool
    model: str
    ticker_scores: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Company:
    """One security as news may name it; `names` mean it and no other.

    `name_needs_context`: those of one word count only beside a word of the trade. `cik` is
    SEC's number of the company, ten digits, None when it is not known.
    """

    ticker: str
    names: tuple[str, ...]
    is_broker: bool = False
    name_needs_context: bool = False
    cik: str | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """One story about one ticker; `published_at` and `score` are those of its first source.

    `source` is that first one: whoever repeats the story adds nothing. `raw_event_id` is the
    item whose verdict counts, `sources` are all that tell it, sorted, and `version` is over 1
    where that item corrects earlier ones.
    """

    story_id: UUID
    published_at: datetime
    score: float
    source: str
    raw_event_id: UUID | None = field(default=None, compare=False)
    sources: tuple[str, ...] = field(default=(), compare=False)
    version: int = field(default=1, compare=False)
