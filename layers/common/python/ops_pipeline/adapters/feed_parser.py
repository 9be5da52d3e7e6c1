"""Parses RSS, Atom, RDF, CDF and JSON Feed into entries, hostile documents included.

feedparser reads nearly everything, and opens no file or address when it is given bytes in
a file object. Some documents take it quadratic time, so they are cut before parsing.
"""

import json
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Any, TypedDict

import feedparser

from ops_pipeline.domain.news.items import FeedEntry
from ops_pipeline.domain.news.time_zones import TimeNote, TimeProblem, WrittenTime
from ops_pipeline.domain.news.written_times import read_time
from ops_pipeline.errors import FeedUnavailable

# The parser takes 30 us per tag and 1.4 us per escape; real feeds have far fewer than these.
_MOST_TAGS, _MOST_ESCAPES = 40_000, 400_000
# Its time for one tag is quadratic in its attributes. Inline images are that long too.
_LONG_TAG = re.compile(rb"<[^<>]{4096,}>?")
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]{1,100}|[0-9]{1,100});")
_SUBSET = re.compile(rb"(<!DOCTYPE[^\[>]{0,1000})\[", re.IGNORECASE)
# Far more than is stored of a text in the end; it still includes markup here.
_LONGEST_TEXT = 16_000


def parse_feed(
    body: bytes, *, content_type: str | None, url: str, most_entries: int
) -> tuple[FeedEntry, ...]:
    """Parse the first entries of a document; fields that an entry lacks are None.

    Raises:
        FeedUnavailable: the bytes are not a feed, or the parser failed.
    """
    if body[:200].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _json_entries(body, most_entries)
    headers = {"content-location": url} | ({"content-type": content_type} if content_type else {})
    try:
        # Bytes in a file object: a str could be taken for an address or path and opened.
        parsed = feedparser.parse(BytesIO(_harmless(body)), response_headers=headers)
    except Exception as error:
        # Hostile input makes the parser raise undocumented exceptions.
        raise FeedUnavailable(f"the parser failed: {type(error).__name__}") from error
    # CDF has no version, so an empty CDF channel does not look like a feed.
    if not parsed.get("version") and not parsed.entries:
        raise FeedUnavailable("the answer is no feed")
    return tuple(_entry(entry) for entry in parsed.entries[:most_entries])


def _harmless(body: bytes) -> bytes:
    """Remove what no feed needs and the parser can't handle.

    Custom entities, recursive or external, are removed with the DOCTYPE that declares them;
    references to characters that don't exist would make feedparser fail.
    """
    body = _without_subset(_LONG_TAG.sub(b"", body))
    body = _cut(_cut(body, b"<", _MOST_TAGS), b"&", _MOST_ESCAPES)
    return _REFERENCE.sub(lambda found: found[0] if _exists(found[1]) else b"", body)


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


def _entry(entry: Any) -> FeedEntry:
    # dict.get: feedparser's own get returns a related key's value for a missing one.
    return FeedEntry(
        guid=_text(dict.get(entry, "id")),
        title=_text(dict.get(entry, "title")),
        link=_text(dict.get(entry, "link")),
        summary=_text(dict.get(entry, "summary")),
        **_time(dict.get(entry, "published"), dict.get(entry, "updated")),
    )


def _text(value: Any) -> str | None:
    return value[:_LONGEST_TEXT].strip() or None if isinstance(value, str) else None


class _Time(TypedDict):
    """The fields of a FeedEntry that speak of its time."""

    published_at: datetime | None
    written: str | None
    time_problem: TimeProblem | None
    time_note: TimeNote | None


def _time(published: Any, updated: Any) -> _Time:
    """The time of the first of the two that is given.

    One that can't be read is not replaced by the time of an update, which may be much
    later. feedparser's own readings are not used: it takes unknown zones for UTC, drops PM
    and completes dates from the machine's clock.
    """
    written = _text(published) or _text(updated)
    read = WrittenTime(None) if written is None else read_time(written)
    return _Time(
        published_at=read.at, written=written, time_problem=read.problem, time_note=read.note
    )


def _json_entries(body: bytes, most_entries: int) -> tuple[FeedEntry, ...]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FeedUnavailable("the answer is no feed: broken JSON") from error
    items = document.get("items") if isinstance(document, dict) else None
    if "jsonfeed.org" not in str(document.get("version")) or not isinstance(items, list):
        raise FeedUnavailable("the answer is no feed: JSON of another kind")
    return tuple(_json_items(items[:most_entries]))


def _json_items(items: list[Any]) -> Iterator[FeedEntry]:
    for item in items:
        if not isinstance(item, dict):
            continue
        identity = item.get("id")
        yield FeedEntry(
            # Version 1 allowed numbers.
            guid=_text(str(identity)) if isinstance(identity, str | int) else None,
            title=_text(item.get("title")),
            link=_text(item.get("url")) or _text(item.get("external_url")),
            summary=_first_text(item, "summary", "content_text", "content_html"),
            **_time(item.get("date_published"), item.get("date_modified")),
        )


def _first_text(item: dict[str, Any], *names: str) -> str | None:
    return next((text for name in names if (text := _text(item.get(name)))), None)
