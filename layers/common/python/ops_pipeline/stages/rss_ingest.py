"""Fetch the feeds that are due and keep what is new in them, each story recognised."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.db import feeds, news
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.feed_pauses import pause_after
from ops_pipeline.domain.news import FeedDocument, FeedState
from ops_pipeline.domain.news_identity import news_item
from ops_pipeline.domain.stories import assign_stories, new_items
from ops_pipeline.errors import ConstraintViolated, FeedUnavailable
from ops_pipeline.ports import Clock, NewsFeed
from ops_pipeline.stages.request import TickRequest

# Feeds are slow, not busy: most of a fetch is waiting for somebody else's server.
SIDE_BY_SIDE = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one run.

    `seen` counts every entry served; each is `stored`, a `duplicates` or, without guid,
    link and title, `unidentified`. `implausible_times` and `undated` are stored ones
    without a time that may be believed.
    """

    feeds: int = 0
    not_modified: int = 0
    failed_feeds: int = 0
    seen: int = 0
    stored: int = 0
    duplicates: int = 0
    unidentified: int = 0
    implausible_times: int = 0
    undated: int = 0


def run(request: TickRequest, *, db: UnitsOfWork, feed: NewsFeed, clock: Clock) -> Outcome:
    """Fetch, then keep each feed's answer in a unit of work of its own.

    A feed that fails leaves its error in feed_state and pauses; the others go on.
    """
    with db.transaction() as tx:
        due = feeds.due_feeds(tx, request.tick)
    outcome = Outcome(feeds=len(due))
    for state, answer in _answers(due, feed):
        if isinstance(answer, FeedDocument):
            outcome = _keep(db, state, answer, tick=request.tick, now=clock.now(), outcome=outcome)
        else:
            _note_failure(db, state, str(answer), request.tick, clock.now())
            outcome = replace(outcome, failed_feeds=outcome.failed_feeds + 1)
    return outcome


def _answers(
    due: Sequence[FeedState], feed: NewsFeed
) -> Iterator[tuple[FeedState, FeedDocument | FeedUnavailable]]:
    """The feeds' answers, fetched side by side, in the order of the feeds."""

    def fetch(state: FeedState) -> FeedDocument | FeedUnavailable:
        try:
            return feed.fetch(state)
        except FeedUnavailable as error:
            return error

    with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as pool:
        yield from zip(due, pool.map(fetch, due), strict=True)


def _keep(
    db: UnitsOfWork,
    state: FeedState,
    document: FeedDocument,
    *,
    tick: datetime,
    now: datetime,
    outcome: Outcome,
) -> Outcome:
    try:
        return _store(db, state, document, now, outcome)
    except ConstraintViolated as error:
        # One feed's odd entry must not keep the other feeds' news out.
        _note_failure(db, state, f"not stored: {error}", tick, now)
        return replace(outcome, failed_feeds=outcome.failed_feeds + 1)


def _store(
    db: UnitsOfWork, state: FeedState, document: FeedDocument, now: datetime, outcome: Outcome
) -> Outcome:
    read = [news_item(entry, state, now) for entry in document.entries]
    items = [item for item in read if item is not None]
    with db.transaction() as tx:
        known = news.known_uids(tx, [item.event_uid for item in items])
        fresh = new_items(items, known)
        stories = assign_stories(fresh, news.story_traces(tx, fresh))
        stored = news.insert_items(tx, fresh, stories)
        feeds.feed_succeeded(tx, state.url, document, now)
    reasons = [item.publication.reason for item in fresh]
    undated = reasons.count("missing")
    return replace(
        outcome,
        not_modified=outcome.not_modified + document.not_modified,
        seen=outcome.seen + len(read),
        stored=outcome.stored + stored,
        duplicates=outcome.duplicates + len(items) - stored,
        unidentified=outcome.unidentified + len(read) - len(items),
        undated=outcome.undated + undated,
        implausible_times=outcome.implausible_times + len(reasons) - reasons.count(None) - undated,
    )


def _note_failure(
    db: UnitsOfWork, state: FeedState, error: str, tick: datetime, now: datetime
) -> None:
    next_try_at = tick + pause_after(state.failures_in_a_row + 1)
    with db.transaction() as tx:
        feeds.feed_failed(tx, state.url, error=error, now=now, next_try_at=next_try_at)
