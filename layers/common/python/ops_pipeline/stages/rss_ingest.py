"""Fetches the feeds that are due and stores their new items, grouped into stories."""

from dataclasses import dataclass, replace
from datetime import datetime

from ops_pipeline.db import feeds, news
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.news.feed_pauses import pause_after
from ops_pipeline.domain.news.identity import news_items
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.domain.news.stories import assign_stories, new_items
from ops_pipeline.errors import ConstraintViolated, FeedUnavailable
from ops_pipeline.ports import Clock, NewsFeed
from ops_pipeline.stages.feed_fetching import fetched
from ops_pipeline.stages.request import TickRequest

# Together less than the function's time-out, so that what was fetched can still be stored.
PATIENCE_S, BUDGET_S = 3.0, 16.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one run.

    `seen` counts every entry served; each is `stored`, a `duplicates` or, without guid,
    link and title, `unidentified`. Stored ones without a publication time are `undated`
    when the feed gives none, `implausible_times` otherwise. `postponed_feeds` were not
    reached in time; `cut` were left out of `seen`, as a feed
    served more than are kept.
    """

    feeds: int = 0
    postponed_feeds: int = 0
    not_modified: int = 0
    failed_feeds: int = 0
    seen: int = 0
    stored: int = 0
    duplicates: int = 0
    unidentified: int = 0
    cut: int = 0
    implausible_times: int = 0
    undated: int = 0


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    feed: NewsFeed,
    clock: Clock,
    patience_s: float = PATIENCE_S,
    budget_s: float = BUDGET_S,
) -> Outcome:
    """Fetch, then store each feed's items in a transaction of their own.

    A feed that fails gets its error stored in feed_state and is paused; the others go on.
    One that the budget did not reach is unchanged and comes first next time.
    """
    with db.transaction() as tx:
        due = feeds.due_feeds(tx, request.tick)
    outcome = Outcome(feeds=len(due))
    for state, answer in fetched(due, feed, patience_s=patience_s, budget_s=budget_s):
        if answer is None:
            outcome = replace(outcome, postponed_feeds=outcome.postponed_feeds + 1)
        elif isinstance(answer, FeedDocument):
            outcome = _keep(db, state, answer, tick=request.tick, now=clock.now(), outcome=outcome)
        else:
            _note_failure(db, state, answer, request.tick, clock.now())
            outcome = replace(outcome, failed_feeds=outcome.failed_feeds + 1)
    return outcome


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
        # One feed's malformed entry must not stop the other feeds.
        _note_failure(db, state, FeedUnavailable(f"not stored: {error}"), tick, now)
        return replace(outcome, failed_feeds=outcome.failed_feeds + 1)


def _store(
    db: UnitsOfWork, state: FeedState, document: FeedDocument, now: datetime, outcome: Outcome
) -> Outcome:
    items = news_items(document.entries, state, now)
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
        seen=outcome.seen + len(document.entries),
        stored=outcome.stored + stored,
        duplicates=outcome.duplicates + len(items) - stored,
        unidentified=outcome.unidentified + len(document.entries) - len(items),
        cut=outcome.cut + document.cut,
        undated=outcome.undated + undated,
        implausible_times=outcome.implausible_times + len(reasons) - reasons.count(None) - undated,
    )


def _note_failure(
    db: UnitsOfWork, state: FeedState, error: FeedUnavailable, tick: datetime, now: datetime
) -> None:
    next_try_at = tick + pause_after(state.failures_in_a_row + 1, error.retry_after_s)
    with db.transaction() as tx:
        feeds.feed_failed(tx, state.url, error=str(error), now=now, next_try_at=next_try_at)
