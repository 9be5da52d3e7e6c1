"""News feeds over HTTP: entries, or FeedUnavailable with the reason."""

from collections.abc import Callable, Mapping, Sequence

from ops_pipeline.adapters.feed_http import FeedHttp, is_downgrade
from ops_pipeline.adapters.feed_logins import FeedLogins
from ops_pipeline.adapters.feed_parser import ParsedFeed, parse_feed
from ops_pipeline.adapters.market_state.halt_documents import parse_nasdaq, parse_nyse
from ops_pipeline.adapters.permitted_addresses import Network, PermittedAddresses, Resolve
from ops_pipeline.domain.feeds.kinds import HaltFeedKind, lists_halts
from ops_pipeline.domain.feeds.subscriptions import needs_contact
from ops_pipeline.domain.market_state.trading_halts import HaltList
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.domain.news.sites import has_login
from ops_pipeline.errors import FeedUnavailable

_LONGEST_VALIDATOR = 500
_HALTS: Mapping[HaltFeedKind, Callable[[bytes], HaltList]] = {
    "nasdaq_halts": parse_nasdaq,
    "nyse_halts": parse_nyse,
}


class RssFeed:
    """The NewsFeed port over HTTP; thread safe.

    Args:
        connect_s: Time-out of a connection attempt.
        read_s: Longest time without data from the server.
        total_s: Longest time for one feed, from the request to its last byte, redirects
            included. Name resolution is left to the system and not included.
        most_bytes: Largest body after decompression.
        most_halt_bytes: The same of a list of halts: a market-wide one names each ticker.
        most_entries: Number of entries kept, the newest ones.
        proxy_url: HTTP proxy for all requests, which resolves their names; None for none.
        networks: Where feeds may lie beside public addresses.
        resolve: Gives the addresses of a name; the system's resolver by default.
        logins: Of the feeds that need one.
    """

    def __init__(
        self,
        *,
        connect_s: float = 3.0,
        read_s: float = 5.0,
        total_s: float = 10.0,
        most_bytes: int = 3 * 1024 * 1024,
        most_halt_bytes: int = 24 * 1024 * 1024,
        most_entries: int = 500,
        proxy_url: str | None = None,
        networks: Sequence[Network] = (),
        resolve: Resolve | None = None,
        logins: FeedLogins | None = None,
    ) -> None:
        self._most_entries = most_entries
        self._most_bytes, self._most_halt_bytes = most_bytes, most_halt_bytes
        self._http = FeedHttp(
            connect_s=connect_s,
            read_s=read_s,
            total_s=total_s,
            proxy_url=proxy_url,
            permitted=PermittedAddresses(networks, resolve),
            logins=logins,
        )

    def fetch(self, state: FeedState) -> FeedDocument:
        """The feed's entries; none and `not_modified` when the server answers 304.

        Requested from where the last permanent redirect led, which is reported again.

        Raises:
            FeedUnavailable: no response in time, another status, too large, or not a feed.
        """
        if state.contact is None and needs_contact(state.url):
            # Asked without one its server would block this address for ten minutes or longer.
            raise FeedUnavailable("not asked: its server wants a contact address, feeds.contact")
        validators = {"If-None-Match": state.etag, "If-Modified-Since": state.last_modified}
        moved_to = _remembered(state)
        answer = self._http.get(
            moved_to or state.url,
            {name: v for name, v in validators.items() if v},
            most_bytes=self._most_halt_bytes if lists_halts(state.kind) else self._most_bytes,
            subscribed=state.url,
            contact=state.contact,
        )
        parsed, halts = ParsedFeed((), 0), None
        if not answer.not_modified and lists_halts(state.kind):
            halts = _HALTS[state.kind](answer.body)
        elif not answer.not_modified:
            parsed = parse_feed(
                answer.body,
                content_type=answer.headers.get("Content-Type"),
                url=state.url,
                most_entries=self._most_entries,
            )
        return FeedDocument(
            parsed.entries,
            cut=parsed.cut,
            etag=_validator(answer.headers.get("ETag")),
            last_modified=_validator(answer.headers.get("Last-Modified")),
            not_modified=answer.not_modified,
            moved_to=answer.moved_to or moved_to,
            halts=halts,
        )


def _remembered(state: FeedState) -> str | None:
    """Where earlier redirects led, unless it is an address that none may lead to today."""
    target = state.moved_to
    if target is None or has_login(target) or is_downgrade(state.url, target):
        return None
    return target


def _validator(value: str | None) -> str | None:
    """A header that is sent back later; None for what no honest server sends."""
    honest = value is not None and len(value) <= _LONGEST_VALIDATOR and value.isprintable()
    return value if honest and value is not None and value.isascii() else None
