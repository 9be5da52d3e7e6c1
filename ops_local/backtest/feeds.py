"""The feeds of a recording as their servers would have told them, without HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from ops_local.feeds.documents import http_date
from ops_local.feeds.server import Document, Page
from ops_pipeline.adapters.feed_parser import parse_feed
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import Clock

_MOST_ENTRIES = 500


@dataclass
class RecordedFeeds:
    """ports.NewsFeed on the pages of a recording, by the address of each."""

    pages: Mapping[str, Page]
    clock: Clock
    _served: dict[str, Document] = field(default_factory=dict)

    def has_news(self) -> bool:
        """Whether any page is another than the one that was fetched last."""
        now = self.clock.now()
        return any(page.at(now) is not self._served.get(url) for url, page in self.pages.items())

    def fetch(self, state: FeedState) -> FeedDocument:
        document = self._document(state.url, self.clock.now())
        modified = http_date(document.modified_at)
        if document.etag == state.etag:
            return FeedDocument((), etag=document.etag, last_modified=modified, not_modified=True)
        parsed = parse_feed(
            document.body,
            content_type=f"{document.media_type}; charset=utf-8",
            url=state.url,
            most_entries=_MOST_ENTRIES,
        )
        return FeedDocument(
            parsed.entries, cut=parsed.cut, etag=document.etag, last_modified=modified
        )

    def _document(self, url: str, now: datetime) -> Document:
        document = self.pages[url].at(now)
        if document is None:
            raise FeedUnavailable("503: nothing was recorded yet")
        self._served[url] = document
        return document
