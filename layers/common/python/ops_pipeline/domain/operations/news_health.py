"""Checks of the news: feeds that fail, are old, flood or tell no times; none at all is not well."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.domain.feeds.kinds import FeedKind, lists_halts
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.domain.operations.health import EVERYTHING, Finding

NEWS_TABLE = "inbound_events_raw"
NO_FEEDS: AlertKind = "no_feeds"
FEED_KINDS: tuple[AlertKind, ...] = ("feed_failing", "feed_old", "feed_undated", "feed_floods")

# Seven attempts with their pauses; a server that restarts is back by then.
LONGEST_FAILING = timedelta(hours=2)
_FEWEST_FAILURES = 3

# Of the items of a day; what is too old to count is no fault of a feed that was just added.
TIMES_LOOKED_AT = timedelta(days=1)
UNDATED_OVER, _FEWEST_DATED = 0.20, 10

# The busiest company's day has a dozen stories an hour on one wire.
FLOODS_LOOKED_AT = timedelta(hours=1)
MOST_OF_ONE_TICKER, _FLOOD_SHARE = 30, 0.5


@dataclass(frozen=True, slots=True)
class WatchedFeed:
    """A feed that is on, with what its server said; feed_state explains the fields."""

    url: str
    source: str
    max_age_h: int
    failures_in_a_row: int
    last_error: str | None
    last_succeeded_at: datetime | None
    subscribed_at: datetime | None
    newest_item_at: datetime | None
    last_items: int | None
    kind: FeedKind = "news"
    poll_every_s: int = 60


@dataclass(frozen=True, slots=True)
class FeedTimes:
    """How many items a feed served within TIMES_LOOKED_AT, and how many told no usable time."""

    url: str
    items: int
    undated: int


@dataclass(frozen=True, slots=True)
class TickerShare:
    """How many items of a feed name one ticker within FLOODS_LOOKED_AT, of how many."""

    url: str
    ticker: str
    named: int
    items: int


def news_findings(
    tick: datetime,
    feeds: Sequence[WatchedFeed],
    times: Iterable[FeedTimes],
    shares: Iterable[TickerShare],
) -> list[Finding]:
    """One finding for each feed and check that fails, and whether there are feeds at all."""
    on = {feed.url: feed for feed in feeds}
    found = [_no_feeds(len([it for it in feeds if not lists_halts(it.kind)]))]
    for feed in feeds:
        found += [it for it in (_failing(tick, feed), _old(tick, feed)) if it is not None]
    found += [_undated(on[it.url], it) for it in times if it.url in on and _tells_no_times(it)]
    worst: dict[str, TickerShare] = {}
    for share in shares:
        if share.url in on and _floods(share):
            known = worst.setdefault(share.url, share)
            worst[share.url] = max(known, share, key=lambda it: it.named)
    return [*found, *(_flood(on[url], share) for url, share in worst.items())]


def ended(kind: AlertKind, scope: str, subject: str) -> Finding:
    """What an open alert told and is so no more."""
    return Finding(kind, scope, subject, True, "warning", "no longer so", {})


def _no_feeds(on: int) -> Finding:
    return Finding(
        kind=NO_FEEDS,
        scope=EVERYTHING,
        subject="feed_state",
        passed=on > 0,
        severity="warning",
        message="No feed is on, so there is no news: ops feeds add --starter, ops feeds resume",
        details={"on": on},
    )


def _failing(tick: datetime, feed: WatchedFeed) -> Finding | None:
    since = feed.last_succeeded_at or feed.subscribed_at
    lasts = since is None or since <= tick - LONGEST_FAILING
    if feed.failures_in_a_row < _FEWEST_FAILURES or not lasts:
        return None
    told = f"since {since:%Y-%m-%d %H:%M} UTC" if since else "ever"
    return _of(
        "feed_failing",
        feed,
        f"has not answered with a feed {told}: {feed.last_error}",
        failures=feed.failures_in_a_row,
    )


def _old(tick: datetime, feed: WatchedFeed) -> Finding | None:
    """Well-formed and abandoned feeds answer like any other."""
    if feed.last_succeeded_at is None or feed.failures_in_a_row:
        return None
    if feed.newest_item_at is None and feed.last_items:
        return _of("feed_old", feed, "serves no item with a plausible time", items=feed.last_items)
    newest = feed.newest_item_at or feed.subscribed_at
    if newest is None or newest >= tick - timedelta(hours=feed.max_age_h):
        return None
    what = "newest item is of" if feed.newest_item_at else "has had no item since"
    return _of("feed_old", feed, f"{what} {newest:%Y-%m-%d %H:%M} UTC", max_age_h=feed.max_age_h)


def _tells_no_times(it: FeedTimes) -> bool:
    return it.items >= _FEWEST_DATED and it.undated > UNDATED_OVER * it.items


def _undated(feed: WatchedFeed, it: FeedTimes) -> Finding:
    return _of(
        "feed_undated",
        feed,
        f"{it.undated} of {it.items} items of a day have no plausible time and carry no weight",
        undated=it.undated,
        items=it.items,
    )


def _floods(share: TickerShare) -> bool:
    return share.named >= MOST_OF_ONE_TICKER and share.named >= _FLOOD_SHARE * share.items


def _flood(feed: WatchedFeed, share: TickerShare) -> Finding:
    return _of(
        "feed_floods",
        feed,
        f"{share.named} of its {share.items} items of an hour name {share.ticker}",
        ticker=share.ticker,
        named=share.named,
        items=share.items,
    )


def _of(kind: AlertKind, feed: WatchedFeed, what: str, **details: object) -> Finding:
    return Finding(
        kind=kind,
        scope=EVERYTHING,
        subject=feed.url,
        passed=False,
        severity="warning",
        message=f"{feed.source}: {what}",
        details=details,
    )
