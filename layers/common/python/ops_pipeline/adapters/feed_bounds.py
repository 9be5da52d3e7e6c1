"""A feed's bytes within bounds: without what the parser suffers from, its newest items kept."""

import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from ops_pipeline.domain.news.written_times import read_time

# The parser takes 30 us per tag and 1.4 us per escape of a whole processor, and a function may
# have a seventh of one. Of a feed with more than these the newest items are read.
_MOST_TAGS, _MOST_ESCAPES = 12_000, 100_000
# Reading a date takes 50 us. Feeds are sorted either way: more items than these are dated at
# both ends.
_MOST_DATED = 2_000
# Its time for one tag is quadratic in its attributes: 2 ms at 2,048 bytes. Inline images are
# longer; of tags that are long at all, such as images in several sizes, these are enough.
_LONG_TAG = re.compile(rb"<[^<>]{512,}>?")
_LONGEST_TAG, _MOST_LONG_TAGS = 2_048, 200
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]{1,100}|[0-9]{1,100});")
_SUBSET = re.compile(rb"(<!DOCTYPE[^\[>]{0,1000})\[", re.IGNORECASE)
_ITEM = re.compile(rb"<(?:item|entry)[\s>]", re.IGNORECASE)
_DATE = re.compile(
    rb"<(?:pubDate|published|updated|issued|(?:dc|dcterms):(?:date|issued))[^<>]{0,200}>"
    rb"\s*(?:<!\[CDATA\[)?([^<>]{1,100})",
    re.IGNORECASE,
)
_UNDATED = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BoundedFeed:
    """A document that is quick to parse, and how many of its items were cut from it."""

    body: bytes
    cut: int


def bounded(body: bytes) -> BoundedFeed:
    """Remove what no feed needs and the parser can't handle, then the oldest items too many.

    Custom entities, recursive or external, are removed with the DOCTYPE that declares them;
    references to characters that don't exist would make feedparser fail.
    """
    found = _newest_items(_without_subset(_without_long_tags(body)))
    body = _cut(found.body, b"&", _MOST_ESCAPES)
    body = _REFERENCE.sub(lambda one: one[0] if _exists(one[1]) else b"", body)
    return BoundedFeed(body, found.cut)


def _without_long_tags(body: bytes) -> bytes:
    kept = 0

    def tag(found: re.Match[bytes]) -> bytes:
        nonlocal kept
        if kept >= _MOST_LONG_TAGS or len(found[0]) > _LONGEST_TAG:
            return b""
        kept += 1
        return found[0]

    return _LONG_TAG.sub(tag, body)


def _without_subset(body: bytes) -> bytes:
    """Drop the internal subset `[...]` of a DOCTYPE; without an end, all that follows it."""
    found = _SUBSET.search(body, 0, 4096)
    if found is None:
        return body
    end = re.compile(rb"\]\s*>").search(body, found.end())
    return body[: found.start()] + (body[end.end() :] if end else b"")


def _cut(body: bytes, mark: bytes, most: int) -> bytes:
    """The document up to its `most`-th mark; the parser can read a truncated document."""
    if body.count(mark) <= most:
        return body
    places = re.compile(re.escape(mark)).finditer(body)
    for number, found in enumerate(places, start=1):
        if number > most:
            return body[: found.start()]
    return body


def _exists(reference: bytes) -> bool:
    in_hex = reference[:1] in b"xX"
    code = int(reference[1:], 16) if in_hex else int(reference)
    return 0 < code < 0xD800 or 0xDFFF < code <= sys.maxunicode


def _newest_items(body: bytes) -> BoundedFeed:
    """Cut items until few enough tags are left; feeds are sorted either way, so by date.

    A document without items that can be told apart ends at its last allowed tag.
    """
    if body.count(b"<") <= _MOST_TAGS:
        return BoundedFeed(body, 0)
    starts = [found.start() for found in _ITEM.finditer(body)]
    if len(starts) < 2:
        return BoundedFeed(_cut(body, b"<", _MOST_TAGS), 0)
    items = [body[start:end] for start, end in zip(starts, [*starts[1:], len(body)], strict=True)]
    between = len(items) - _MOST_DATED
    if between > 0:
        del items[_MOST_DATED // 2 : _MOST_DATED // 2 + between]
    room = _MOST_TAGS - body.count(b"<", 0, starts[0])
    kept: set[int] = set()
    for place in sorted(
        range(len(items)), key=lambda place: (_written(items[place]), -place), reverse=True
    ):
        tags = items[place].count(b"<")
        if tags <= room:
            room -= tags
            kept.add(place)
    head = body[: starts[0]]
    cut = len(starts) - len(kept)
    return BoundedFeed(_cut(head + b"".join(items[p] for p in sorted(kept)), b"<", _MOST_TAGS), cut)


def _written(item: bytes) -> datetime:
    """When an item says it was published; the earliest time when it doesn't."""
    found = _DATE.search(item)
    if found is None:
        return _UNDATED
    return read_time(found[1].decode("utf-8", "replace").strip()).at or _UNDATED
