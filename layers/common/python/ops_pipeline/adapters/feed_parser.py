"""Parses RSS, Atom, RDF, CDF and JSON Feed into entries, hostile documents included.

feedparser reads nearly everything, and opens no file or address when it is given bytes in
a file object. Some documents take it quadratic time, so they are cut before parsing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, TypedDict

import feedparser

from ops_pipeline.adapters.bounds.bounded_answers import bounded_json
from ops_pipeline.adapters.feed_bounds import bounded
from ops_pipeline.domain.news.headlines import plain_text
from ops_pipeline.domain.news.items import FeedEntry
from ops_pipeline.domain.news.time_zones import TimeNote, TimeProblem, WrittenTime
from ops_pipeline.domain.news.written_times import read_time
from ops_pipeline.errors import FeedUnavailable

# Far more than is stored of a text in the end; it still includes markup here.
_LONGEST_TEXT = 16_000
_UNDATED = datetime.min.replace(tzinfo=UTC)
_BEGINNING, _SHOWN_TITLE = 2_000, 100
# Its first element, after what may stand before it: a page with <item> in it is no feed.
_PAGE = re.compile(
    rb"(?:<\?[^>]{0,200}>\s*|<!--(?:[^-]|-(?!-)){0,1500}-->\s*|<!DOCTYPE[^>]{0,300}>\s*){0,8}<html[\s>]",
    re.IGNORECASE,
)
_TITLE = re.compile(rb"<title[^<>]{0,200}>([^<]{1,500})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ParsedFeed:
    """The entries that are kept of a document, and how many older ones were not."""

    entries: tuple[FeedEntry, ...]
    cut: int


def parse_feed(body: bytes, *, content_type: str | None, url: str, most_entries: int) -> ParsedFeed:
    """Parse the newest entries of a document; fields that an entry lacks are None.

    Raises:
        FeedUnavailable: the bytes are not a feed, or the parser failed.
    """
    begins = _beginning(body)
    if begins[:1] in (b"{", b"["):
        return _newest(_json_entries(body), most_entries, 0)
    _refuse_page(body, begins)
    headers = {"content-location": url} | ({"content-type": content_type} if content_type else {})
    few = bounded(body)
    try:
        # Bytes in a file object: a str could be taken for an address or path and opened.
        parsed = feedparser.parse(BytesIO(few.body), response_headers=headers)
    except Exception as error:
        # Hostile input makes the parser raise undocumented exceptions.
        raise FeedUnavailable(f"the parser failed: {type(error).__name__}") from error
    # CDF has no version, so an empty CDF channel does not look like a feed.
    if not parsed.get("version") and not parsed.entries:
        raise FeedUnavailable("the answer is no feed")
    return _newest([_entry(entry) for entry in parsed.entries], most_entries, few.cut)


def refuse_what_is_no_list(body: bytes) -> None:
    """Refuse an empty answer, a web page and JSON. Raises FeedUnavailable."""
    begins = _beginning(body)
    if begins[:1] in (b"{", b"["):
        raise FeedUnavailable("the answer is no feed: JSON of another kind")
    _refuse_page(body, begins)


def _beginning(body: bytes) -> bytes:
    return body[:_BEGINNING].lstrip(b"\xef\xbb\xbf \t\r\n")


def _refuse_page(body: bytes, begins: bytes) -> None:
    if not begins and len(body) <= _BEGINNING:
        raise FeedUnavailable("the answer is no feed: it is empty")
    if _PAGE.match(begins):
        raise FeedUnavailable(
            f"the answer is no feed but a web page{_title(body)}, perhaps to block us"
        )


def _title(page: bytes) -> str:
    found = _TITLE.search(page, 0, _LONGEST_TEXT)
    said = plain_text(found[1].decode("utf-8", "replace"), _SHOWN_TITLE) if found else None
    return f' titled "{said}"' if said else ""


def _newest(entries: list[FeedEntry], most: int, cut: int) -> ParsedFeed:
    """The newest entries in the order of the document; those without a time go first."""
    by_age = sorted(
        range(len(entries)), key=lambda place: (entries[place].published_at or _UNDATED, -place)
    )
    kept = sorted(by_age[max(0, len(entries) - most) :])
    return ParsedFeed(tuple(entries[place] for place in kept), cut + len(entries) - len(kept))


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


def _json_entries(body: bytes) -> list[FeedEntry]:
    try:
        document = bounded_json(body)
    except ValueError as error:
        raise FeedUnavailable("the answer is no feed: broken JSON") from error
    told = document if isinstance(document, dict) else {}
    items = told.get("items")
    if "jsonfeed.org" not in str(told.get("version")) or not isinstance(items, list):
        raise FeedUnavailable("the answer is no feed: JSON of another kind")
    return list(_json_items(items))


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
