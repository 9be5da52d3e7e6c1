"""News feeds over HTTP: RSS, Atom and RDF, whatever their servers send."""

import calendar
import re
import sys
from datetime import UTC, datetime
from io import BytesIO
from time import monotonic, struct_time
from typing import Any

import feedparser
import urllib3

from ops_pipeline.domain.news import FeedDocument, FeedEntry, FeedState
from ops_pipeline.errors import FeedUnavailable

_USER_AGENT = "ops-pipeline/0.1 (news reader)"
_CHUNK = 65_536
_OK, _NOT_MODIFIED = 200, 304
_REFERENCE = re.compile(rb"&#([xX][0-9a-fA-F]{1,100}|[0-9]{1,100});")


class RssFeed:
    """The NewsFeed port over HTTP; safe to use from several threads.

    Args:
        connect_s: Longest wait for a connection.
        read_s: Longest silence of the server.
        total_s: Longest time for one feed, from the request to its last byte.
        most_bytes: Largest body, counted after decompression.
        most_entries: Entries read of one answer, the first ones.
        proxy_url: HTTP proxy that all requests go through, None for none.
    """

    def __init__(
        self,
        *,
        connect_s: float = 3.0,
        read_s: float = 5.0,
        total_s: float = 10.0,
        most_bytes: int = 3 * 1024 * 1024,
        most_entries: int = 500,
        proxy_url: str | None = None,
    ) -> None:
        self._timeout = urllib3.Timeout(connect=connect_s, read=read_s)
        self._total_s = total_s
        self._most_bytes = most_bytes
        self._most_entries = most_entries
        self._http = (
            urllib3.ProxyManager(proxy_url, num_pools=32, maxsize=4, block=False)
            if proxy_url
            else urllib3.PoolManager(num_pools=32, maxsize=4, block=False)
        )

    def fetch(self, state: FeedState) -> FeedDocument:
        """The feed's entries; none and `not_modified` when the server says 304.

        Raises:
            FeedUnavailable: no answer in time, another status, too large, or no feed.
        """
        deadline = monotonic() + self._total_s
        try:
            response = self._ask(state)
            try:
                body = self._read(response, deadline)
            finally:
                # A body that was not read to its end makes the connection useless.
                response.close()
        except urllib3.exceptions.HTTPError as error:
            raise FeedUnavailable(_words(error)) from error
        headers = response.headers
        etag, modified = headers.get("ETag"), headers.get("Last-Modified")
        if response.status == _NOT_MODIFIED:
            return FeedDocument((), etag=etag, last_modified=modified, not_modified=True)
        entries = self._parse(body, headers.get("Content-Type"), state.url)
        return FeedDocument(entries, etag=etag, last_modified=modified)

    def _ask(self, state: FeedState) -> urllib3.BaseHTTPResponse:
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.5",
            "Accept-Encoding": "gzip, deflate",
        }
        if state.etag:
            headers["If-None-Match"] = state.etag
        if state.last_modified:
            headers["If-Modified-Since"] = state.last_modified
        return self._http.request(
            "GET",
            state.url,
            headers=headers,
            timeout=self._timeout,
            retries=urllib3.Retry(connect=0, read=0, redirect=3, status=0, other=0),
            preload_content=False,
        )

    def _read(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        if response.status == _NOT_MODIFIED:
            return b""
        if response.status != _OK:
            raise FeedUnavailable(f"the server answered {response.status}")
        body = bytearray()
        # read1 returns what has come, so that a server which drips can't outlast the deadline.
        while chunk := response.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > self._most_bytes:
                raise FeedUnavailable(f"the answer is over {self._most_bytes} bytes")
            if monotonic() > deadline:
                raise FeedUnavailable(f"the answer took over {self._total_s:g} s")
        return bytes(body)

    def _parse(self, body: bytes, content_type: str | None, url: str) -> tuple[FeedEntry, ...]:
        headers = {"content-location": url}
        if content_type:
            headers["content-type"] = content_type
        try:
            # Bytes in a file: a str might be taken for an address or a path and be opened.
            source = BytesIO(_without_impossible_characters(body))
            parsed = feedparser.parse(source, response_headers=headers)
        except Exception as error:
            # Hostile input makes the parser fail in ways it doesn't name.
            raise FeedUnavailable(f"the parser failed: {type(error).__name__}") from error
        if not parsed.get("version"):
            raise FeedUnavailable("the answer is no feed")
        return tuple(_entry(entry) for entry in parsed.entries[: self._most_entries])


def _without_impossible_characters(body: bytes) -> bytes:
    """Drop references to characters that do not exist; feedparser dies of `&#xD800;`."""
    return _REFERENCE.sub(lambda found: found[0] if _exists(found[1]) else b"", body)


def _exists(reference: bytes) -> bool:
    in_hex = reference[:1] in b"xX"
    code = int(reference[1:], 16) if in_hex else int(reference)
    return 0 < code < 0xD800 or 0xDFFF < code <= sys.maxunicode


def _entry(entry: Any) -> FeedEntry:
    # dict.get: feedparser's own would answer for a missing key with a related one.
    published = dict.get(entry, "published_parsed") or dict.get(entry, "updated_parsed")
    return FeedEntry(
        guid=_text(dict.get(entry, "id")),
        title=_text(dict.get(entry, "title")),
        link=_text(dict.get(entry, "link")),
        summary=_text(dict.get(entry, "summary")),
        published_at=_moment(published),
    )


def _text(value: Any) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def _moment(parsed: struct_time | None) -> datetime | None:
    """The moment of a UTC struct_time; None when it lies outside the calendar."""
    if parsed is None:
        return None
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _words(error: urllib3.exceptions.HTTPError) -> str:
    """The cause in a few words; the address stands beside it in feed_state already."""
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}"[:300]
