"""The feeds of a recording as their servers would have told them, without HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from ops_local.feeds.documents import http_date
from ops_local.feeds.server import Document, ItemsPage, Page, address_of, feed_pages
from ops_local.recordings.recording import Recording
from ops_pipeline.adapters.feed_parser import ParsedFeed, parse_feed
from ops_pipeline.domain.news.items import FeedDocument

_MOST_ENTRIES = 500


@dataclass
class RecordedFeeds:
    """The pages of a recording, asked for what they have that was not told before."""

    recording: Recording
    pages: dict[str, Page] = field(init=False)
    _counts: dict[str, int] = field(default_factory=dict)
    _versions: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pages = {address_of(name): it for name, it in feed_pages(self.recording).items()}

    def news(self, now: datetime) -> Iterator[tuple[str, FeedDocument]]:
        """Address and document of each feed with something new, in the order of addresses.

        A rendered feed tells its new items alone: its others are known by their ids.
        """
        for url in sorted(self.pages):
            document = self._new(url, now)
            if document is not None:
                yield url, _read(url, document)

    def _new(self, url: str, now: datetime) -> Document | None:
        """What the feed has that was not told before; None: nothing."""
        page = self.pages[url]
        if isinstance(page, ItemsPage):
            before, count = self._counts.get(url, 0), page.count(now)
            self._counts[url] = count
            return page.rendered(before, count) if count > before else None
        document = page.at(now)
        if document is None or self._versions.get(url) == document.modified_at:
            return None
        self._versions[url] = document.modified_at
        return document


def _read(url: str, document: Document) -> FeedDocument:
    parsed: ParsedFeed = parse_feed(
        document.body,
        content_type=f"{document.media_type}; charset=utf-8",
        url=url,
        most_entries=_MOST_ENTRIES,
    )
    return FeedDocument(
        parsed.entries,
        cut=parsed.cut,
        etag=document.etag,
        last_modified=http_date(document.modified_at),
    )
