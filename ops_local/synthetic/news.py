"""The stories of a generated day as published by five feeds: late, twice, edited, undated.

Some events are told by several publishers in words of their own, and some items are copies.

Every irregularity here occurs in real feeds, and the news rules have to handle it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter

import numpy as np

from ops_local.recordings.recording import RecordedNewsItem
from ops_local.synthetic.stories import GeneratedStory


@dataclass(frozen=True, slots=True)
class Publisher:
    """An invented publisher with one feed."""

    feed: str
    name: str
    gives_guids: bool = True

    @property
    def domain(self) -> str:
        return f"www.{self.feed}.example"


PUBLISHERS = (
    Publisher("harborwire", "Harbor Wire"),
    Publisher("marketpulse", "Market Pulse", gives_guids=False),
    Publisher("morningledger", "Morning Ledger"),
    Publisher("streetbrief", "Street Brief"),
    Publisher("tapewatch", "Tape Watch"),
)
_LAG_S = 55.0
_UNDATED = 4


def publish(
    rng: np.random.Generator, stories: Sequence[GeneratedStory], day_starts_at: datetime
) -> list[RecordedNewsItem]:
    """Items in the order in which their feeds show them; `day_starts_at` is minute 0, UTC."""
    items: list[RecordedNewsItem] = []
    told: dict[int, set[Publisher]] = {}
    for number, story in enumerate(stories):
        at = day_starts_at + timedelta(seconds=round(60 * story.minute))
        order = [PUBLISHERS[int(place)] for place in rng.permutation(len(PUBLISHERS))]
        # Nobody writes about the same thing twice.
        by = told.setdefault(story.event, set())
        first, *others = sorted(order, key=lambda publisher: publisher in by)
        by.add(first)
        original = _original(rng, story, number, first, at)
        items.append(original)
        copies = int(rng.choice(3, p=(0.6, 0.3, 0.1)))
        items += [_copy(rng, original, number, first, other) for other in others[:copies]]
    items += _oddities(rng, items)
    return sorted(items, key=attrgetter("available_at", "feed", "title"))


def _original(
    rng: np.random.Generator, story: GeneratedStory, number: int, publisher: Publisher, at: datetime
) -> RecordedNewsItem:
    slug = "-".join(re.findall(r"[a-z0-9]+", story.title.lower())[:7])
    return RecordedNewsItem(
        feed=publisher.feed,
        guid=_guid(publisher, at, number),
        title=story.title,
        link=f"https://{publisher.domain}/{at:%Y/%m/%d}/{slug}-{number}",
        summary=story.summary,
        published_at=at,
        available_at=at + _lag(rng),
    )


def _copy(
    rng: np.random.Generator,
    item: RecordedNewsItem,
    number: int,
    first: Publisher,
    other: Publisher,
) -> RecordedNewsItem:
    """The same story in another publisher's feed, linking to the first page or its own."""
    link = f"{item.link}?utm_source={other.feed}&utm_medium=rss"
    if rng.random() < 0.3:
        link = f"https://{other.domain}/wire/{number}?utm_campaign=feed"
    delay = timedelta(seconds=int(rng.integers(10, 400)))
    published_at = (item.published_at or item.available_at) + delay
    return replace(
        item,
        feed=other.feed,
        guid=_guid(other, published_at, number),
        title=f"{item.title} - {first.name}",
        link=link,
        published_at=published_at,
        available_at=published_at + _lag(rng),
    )


def _guid(publisher: Publisher, at: datetime, number: int) -> str | None:
    return f"tag:{publisher.domain},{at:%Y-%m-%d}:{number}" if publisher.gives_guids else None


def _lag(rng: np.random.Generator) -> timedelta:
    return timedelta(seconds=15 + int(rng.exponential(_LAG_S)))


def _oddities(rng: np.random.Generator, items: list[RecordedNewsItem]) -> list[RecordedNewsItem]:
    """Change some of the items in place and return additional ones."""
    spots = [int(place) for place in rng.permutation(len(items))[: _UNDATED + 5]]
    for place in spots[:_UNDATED]:
        items[place] = replace(items[place], published_at=None)
    ahead, old, marked, *edited = spots[_UNDATED:]
    items[ahead] = replace(
        items[ahead], published_at=items[ahead].available_at + timedelta(hours=3)
    )
    items[old] = replace(items[old], published_at=items[old].available_at - timedelta(days=9))
    first, _, rest = items[marked].title.partition(" ")
    items[marked] = replace(items[marked], title=f"<b>{first}</b> {rest} &amp; more")
    return [_edited(items[place]) for place in edited]


def _edited(item: RecordedNewsItem) -> RecordedNewsItem:
    """Published again half an hour later: same link, other guid, other title."""
    later = timedelta(minutes=31)
    return replace(
        item,
        guid=item.guid and f"{item.guid}-update",
        title=f"UPDATE 1-{item.title}, adds detail",
        published_at=(item.published_at or item.available_at) + later,
        available_at=item.available_at + later,
    )
