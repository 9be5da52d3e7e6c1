"""Groups items of all feeds, and re-publications, into stories, so that each counts once."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.items import NewsItem, StoryTrace

SAME_TITLE_WITHIN = timedelta(hours=24)


class StoryIndex:
    """The stories known so far; ask for items in the order they came.

    A link means its story for good: what is published again under it is old news. An
    equal headline means it for 24 hours only, as "Stocks close higher" comes back.
    """

    def __init__(self, known: Iterable[StoryTrace] = ()) -> None:
        self._by_link: dict[str, UUID] = {}
        self._by_title: dict[str, list[tuple[datetime, UUID]]] = {}
        for trace in sorted(known, key=lambda trace: (trace.dated, str(trace.story_id))):
            self._learn(trace)

    def story_of(self, item: NewsItem) -> UUID:
        """The story of an item; an item like no other begins one of its own."""
        story_id = (
            self._by_link.get(item.canonical_link or "")
            or self._same_title(item)
            or stable_uuid("story", item.event_uid)
        )
        self._learn(StoryTrace(story_id, item.canonical_link, item.title_key, item.dated))
        return story_id

    def _same_title(self, item: NewsItem) -> UUID | None:
        for dated, story_id in self._by_title.get(item.title_key or "", ()):
            if abs(item.dated - dated) <= SAME_TITLE_WITHIN:
                return story_id
        return None

    def _learn(self, trace: StoryTrace) -> None:
        if trace.canonical_link is not None:
            self._by_link.setdefault(trace.canonical_link, trace.story_id)
        if trace.title_key is not None:
            self._by_title.setdefault(trace.title_key, []).append((trace.dated, trace.story_id))


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
