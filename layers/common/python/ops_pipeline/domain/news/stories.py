"""Groups items of all feeds, and re-publications, into stories, so that each counts once."""

from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from uuid import UUID

from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.items import NewsItem, StoryTrace

SAME_TITLE_WITHIN = timedelta(hours=24)


# A headline that another begins with tells the same story from this many words on.
FEWEST_WORDS_ALIKE = 5
# Longer beginnings tell nothing more; the work for a headline grows with the square of them.
MOST_WORDS_ALIKE = 30
# A correction is compared with as many of its feed's items, the newest.
COMPARED = 200
# The share of their words that a correction's headline has in common with what it corrects.
_LEAST_OVERLAP = 0.6


class StoryIndex:
    """The stories known so far; ask for items in the order they came.

    A link means its story for good: what is published again under it is old news. An
    equal headline, or one that begins with the other, means it for 24 hours only, as
    "Stocks close higher" comes back. A correction is also known by the guid of what it
    corrects, and by most of the words of a headline that its own feed served.
    """

    def __init__(self, known: Iterable[StoryTrace] = ()) -> None:
        self._by_link: dict[str, UUID] = {}
        self._by_uid: dict[str, UUID] = {}
        self._by_title: dict[str, list[StoryTrace]] = {}
        self._by_start: dict[str, list[StoryTrace]] = {}
        self._by_feed: dict[str, deque[tuple[frozenset[str], StoryTrace]]] = {}
        for trace in sorted(known, key=lambda trace: (trace.dated, str(trace.story_id))):
            self._learn(trace)

    def story_of(self, item: NewsItem) -> UUID:
        """The story of an item; an item like no other begins one of its own."""
        own = stable_uuid("story", item.event_uid)
        story_id = (
            self._by_uid.get(item.corrects_uid or "")
            or self._by_link.get(item.canonical_link or "")
            or self._alike(item)
            or (self._overlapping(item) if item.correction else None)
            or own
        )
        self._learn(
            StoryTrace(
                story_id,
                item.canonical_link,
                item.title_key,
                item.dated,
                item.event_uid,
                item.feed_url,
            )
        )
        return story_id

    def _alike(self, item: NewsItem) -> UUID | None:
        """The story of an equal headline, else of one of which either begins with the other."""
        key = item.title_key or ""
        alike = (
            self._by_title.get(key, ()),
            self._by_start.get(key, ()),
            *(self._by_title.get(start, ()) for start in reversed(title_starts(key))),
        )
        return next(
            (trace.story_id for traces in alike for trace in traces if _near(item, trace)), None
        )

    def _overlapping(self, item: NewsItem) -> UUID | None:
        """The story of the same feed whose headline has most of its words in common."""
        words = frozenset((item.title_key or "").split())
        best, found = _LEAST_OVERLAP, None
        for theirs, trace in self._by_feed.get(item.feed_url, ()):
            share = len(words & theirs) / max(1, len(words | theirs))
            if share >= best and _near(item, trace) and len(words) >= FEWEST_WORDS_ALIKE:
                best, found = share, trace.story_id
        return found

    def _learn(self, trace: StoryTrace) -> None:
        if trace.canonical_link is not None:
            self._by_link.setdefault(trace.canonical_link, trace.story_id)
        self._by_uid.setdefault(trace.event_uid, trace.story_id)
        recent = self._by_feed.setdefault(trace.feed_url, deque(maxlen=COMPARED))
        recent.append((frozenset((trace.title_key or "").split()), trace))
        if trace.title_key is not None:
            self._by_title.setdefault(trace.title_key, []).append(trace)
            for start in title_starts(trace.title_key):
                self._by_start.setdefault(start, []).append(trace)


def title_starts(key: str) -> list[str]:
    """The beginnings of a headline that are long enough to tell its story, the shortest first."""
    words = key.split()
    longest = min(len(words), MOST_WORDS_ALIKE + 1)
    return [" ".join(words[:count]) for count in range(FEWEST_WORDS_ALIKE, longest)]


def _near(item: NewsItem, trace: StoryTrace) -> bool:
    return abs(item.dated - trace.dated) <= SAME_TITLE_WITHIN


def new_items(items: Iterable[NewsItem], known_uids: set[str]) -> list[NewsItem]:
    """The items that are not stored yet, each once, in the order they came."""
    fresh: dict[str, NewsItem] = {}
    for item in items:
        if item.event_uid not in known_uids:
            fresh.setdefault(item.event_uid, item)
    return list(fresh.values())


def assign_stories(items: Sequence[NewsItem], known: Iterable[StoryTrace]) -> dict[str, UUID]:
    """The story of each item by its event_uid; items of one batch may share a story."""
    index = StoryIndex(known)
    return {item.event_uid: index.story_of(item) for item in items}
