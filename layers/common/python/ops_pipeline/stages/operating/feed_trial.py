"""Fetches one feed once, with all of the reader's guards, and says what it saw. Stores nothing."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ops_pipeline.domain.feeds.kinds import FeedKind
from ops_pipeline.domain.feeds.subscriptions import USUAL_AGE_H, problem_with_url
from ops_pipeline.domain.market_state.trading_halts import HaltList
from ops_pipeline.domain.news.identity import newest_claim, news_items
from ops_pipeline.domain.news.items import FeedDocument, FeedState, NewsItem
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import Clock, NewsFeed

# Over so many undated items in ten somebody should look at the feed's times.
UNDATED_OVER = 0.2
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class FeedTrial:
    """What one fetch saw.

    Attributes:
        failed: Why it is no feed today; None when it answered with one.
        items: Entries that can be told apart; `cut` more were older than those that are kept.
        newest_at: The newest plausible time of publication, ISO; None without any.
        undated: How many items carry no weight, by the reason.
        problems: What a person should look at before switching it on.
        headlines: The first ones.
        moved_to: Where it moved for good.
        halts: Of a list of trading halts, how many it names; None where it is none.
    """

    failed: str | None = None
    items: int = 0
    cut: int = 0
    newest_at: str | None = None
    undated: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    headlines: list[str] = field(default_factory=list)
    moved_to: str | None = None
    halts: int | None = None


def try_feed(
    url: str,
    *,
    feed: NewsFeed,
    clock: Clock,
    contact: str | None,
    max_age_h: int = USUAL_AGE_H,
    kind: FeedKind = "news",
) -> FeedTrial:
    """Fetch it as if it had never been fetched.

    Args:
        contact: Whom its server may write to, None when nobody said.
        max_age_h: How old its newest item may be.
        kind: What its document is taken for.
    """
    if (why := problem_with_url(url)) is not None:
        return FeedTrial(failed=f"{url}: {why}")
    state = FeedState(url=url, source="trial", contact=contact, kind=kind)
    try:
        document = feed.fetch(state)
    except FeedUnavailable as error:
        return FeedTrial(failed=str(error))
    now = clock.now()
    if document.halts is not None:
        return _of_halts(document, document.halts)
    items = news_items(document.entries, state, now)
    newest = newest_claim(items)
    undated = Counter(str(it.publication.reason) for it in items if it.publication.at is None)
    return FeedTrial(
        items=len(items),
        cut=document.cut,
        newest_at=newest.isoformat() if newest else None,
        undated=dict(undated),
        problems=_problems(items, undated, newest, now - timedelta(hours=max_age_h)),
        headlines=[it.title for it in items if it.title][:_SHOWN],
        moved_to=document.moved_to,
    )


def _of_halts(document: FeedDocument, told: HaltList) -> FeedTrial:
    newest = max((it.halted_at for it in told.notices), default=None)
    return FeedTrial(
        items=len(told.notices),
        newest_at=newest.isoformat() if newest else None,
        problems=[] if told.complete else [*told.illegible, "the list is not complete"],
        headlines=[f"{it.ticker} {it.reason}" for it in told.notices[:_SHOWN]],
        moved_to=document.moved_to,
        halts=len(told.notices),
    )


def _problems(
    items: list[NewsItem], undated: Counter[str], newest: datetime | None, oldest: datetime
) -> list[str]:
    found = []
    if not items:
        found.append("it has no items")
    if len(items) == 1:
        found.append("it has one item alone, as a page of an error may")
    if items and newest is None:
        found.append("no item has a plausible time")
    if newest is not None and newest < oldest:
        found.append(f"its newest item is of {newest:%Y-%m-%d %H:%M} UTC")
    odd = undated.total() - undated["too_old"]
    if odd > UNDATED_OVER * len(items):
        found.append(f"{odd} of {len(items)} items have no plausible time and carry no weight")
    return found
