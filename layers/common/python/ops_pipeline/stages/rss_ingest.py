"""Fetches the feeds that are due and stores their new items, grouped into stories."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import partial

from pydantic import Field

from ops_pipeline.db import feeds, news
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.feeds.kinds import lists_halts
from ops_pipeline.domain.feeds.polling import NO_PACE, HostPace, is_due, starts
from ops_pipeline.domain.news.feed_pauses import pause_after
from ops_pipeline.domain.news.identity import newest_claim, news_items
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.domain.news.stories import assign_stories, new_items
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.ports import Clock, NewsFeed
from ops_pipeline.stages.feeds.feed_fetching import fetched
from ops_pipeline.stages.market_state.halt_lists import HaltKeeper, KeptHalts
from ops_pipeline.stages.operating.feed_trial import FeedTrial, try_feed
from ops_pipeline.stages.request import TickRequest, TrialRequest

# Together less than the function's time-out, so that what was fetched can still be stored.
PATIENCE_S, BUDGET_S = 3.0, 16.0
# The busiest wires have some 1,500 in a day. A feed that makes items up fills neither the
# table nor the classifier's queue.
MOST_ITEMS_A_DAY = 3_000


class Request(TrialRequest):
    """One tick, or one feed to look at."""

    trial: str | None = Field(
        default=None,
        min_length=1,
        max_length=2_000,
        description="With dry_run: only fetch the feed at this address and say what it serves.",
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one run.

    `seen` counts every entry served; each is `stored`, a `duplicates`, `rejected` when
    storing it fails, or, without guid, link and title, `unidentified`. Stored ones without
    a publication time are `undated` when the feed gives none, `implausible_times`
    otherwise. `postponed_feeds` were not reached in time; `cut` were left out of `seen`, as
    a feed served more than are kept, at once or in a day. `halts` counts rows of trading
    halts that are new, differ or stand, `halts_rejected` those that were not legible.
    """

    feeds: int = 0
    postponed_feeds: int = 0
    not_modified: int = 0
    failed_feeds: int = 0
    seen: int = 0
    stored: int = 0
    duplicates: int = 0
    unidentified: int = 0
    rejected: int = 0
    cut: int = 0
    implausible_times: int = 0
    undated: int = 0
    halts: int = 0
    halts_rejected: int = 0


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    feed: NewsFeed,
    clock: Clock,
    pace: HostPace = NO_PACE,
    patience_s: float = PATIENCE_S,
    budget_s: float = BUDGET_S,
) -> Outcome:
    """Fetch, then store each feed's items in a transaction of their own.

    A feed that fails gets its error stored in feed_state and is paused; the others go on.
    One that the budget did not reach is unchanged and comes first next time.
    """
    with db.transaction() as tx:
        due = [state for state in feeds.feeds_on(tx, request.tick) if is_due(state, request.tick)]
    outcome = Outcome(feeds=len(due))
    for state, answer in fetched(
        due,
        feed,
        patience_s=patience_s,
        budget_s=budget_s,
        not_before_s=starts(due, request.tick, pace),
    ):
        if answer is None:
            outcome = replace(outcome, postponed_feeds=outcome.postponed_feeds + 1)
        elif isinstance(answer, FeedDocument) and lists_halts(state.kind):
            kept = HaltKeeper(db, state, state.kind, answer, clock.now()).keep()
            if kept.failed is not None:
                _note_failure(db, state, kept.failed, request.tick, clock.now())
            outcome = _added(outcome, _of_halts(answer, kept))
        elif isinstance(answer, FeedDocument):
            outcome = _added(outcome, keep(db, state, answer, tick=request.tick, now=clock.now()))
        else:
            _note_failure(db, state, answer, request.tick, clock.now())
            outcome = replace(outcome, failed_feeds=outcome.failed_feeds + 1)
    return outcome


def look(url: str, *, db: UnitsOfWork, feed: NewsFeed, clock: Clock) -> FeedTrial:
    """Fetch one feed, subscribed or not, and say what it serves; stores nothing."""
    with db.transaction() as tx:
        contact, known = feeds.contact(tx), feeds.stored(tx).get(url)
    if known is None:
        return try_feed(url, feed=feed, clock=clock, contact=contact)
    age_h, kind = known.spec.max_age_h, known.spec.kind
    return try_feed(url, feed=feed, clock=clock, contact=contact, max_age_h=age_h, kind=kind)


def _of_halts(document: FeedDocument, kept: KeptHalts) -> Outcome:
    return Outcome(
        not_modified=int(document.not_modified),
        failed_feeds=int(kept.failed is not None),
        halts=kept.stored,
        halts_rejected=kept.rejected,
    )


def _added(one: Outcome, other: Outcome) -> Outcome:
    return Outcome(
        **{
            field.name: getattr(one, field.name) + getattr(other, field.name)
            for field in fields(one)
        }
    )


def keep(
    db: UnitsOfWork, state: FeedState, document: FeedDocument, *, tick: datetime, now: datetime
) -> Outcome:
    """Store a document; where it fails as a whole, each of its entries by itself."""
    stored = isolated(lambda: _store(db, state, document, now, succeeded=True))
    if isinstance(stored, Outcome):
        return stored
    total, reason = Outcome(), stored
    for entry in document.entries:
        alone = replace(document, entries=(entry,), cut=0)
        one = isolated(partial(_store, db, state, alone, now, succeeded=False))
        if isinstance(one, Exception):
            total, reason = replace(total, seen=total.seen + 1, rejected=total.rejected + 1), one
        else:
            total = _added(total, one)
    why = FeedUnavailable(
        f"not stored: {total.rejected} of {len(document.entries)} entries, {what_failed(reason)}"
    )
    # What could be stored is; a feed that gave some of it is asked again in the next minute.
    kept = total.rejected < total.seen
    _note_failure(db, state, why, tick, now, pause=not kept)
    return replace(total, cut=document.cut, failed_feeds=int(not kept))


def _store(
    db: UnitsOfWork, state: FeedState, document: FeedDocument, now: datetime, *, succeeded: bool
) -> Outcome:
    items = news_items(document.entries, state, now)
    with db.transaction() as tx:
        known = news.known_uids(tx, [item.event_uid for item in items])
        new = new_items(items, known)
        fresh = new[: _room(tx, state, now)] if new else []
        stories = assign_stories(fresh, news.story_traces(tx, fresh))
        stored = news.insert_items(tx, fresh, stories)
        if succeeded:
            feeds.feed_succeeded(tx, state.url, document, now, newest_claim(items))
    over = len(new) - len(fresh)
    reasons = [item.publication.reason for item in fresh]
    undated = reasons.count("missing")
    return Outcome(
        not_modified=int(document.not_modified),
        seen=len(document.entries) - over,
        stored=stored,
        duplicates=len(items) - over - stored,
        unidentified=len(document.entries) - len(items),
        cut=document.cut + over,
        undated=undated,
        implausible_times=len(reasons) - reasons.count(None) - undated,
    )


def _room(tx: Transaction, state: FeedState, now: datetime) -> int:
    """How many more items of the feed are stored within a day."""
    return max(0, MOST_ITEMS_A_DAY - news.stored_since(tx, state.url, now - timedelta(days=1)))


def _note_failure(
    db: UnitsOfWork,
    state: FeedState,
    error: FeedUnavailable,
    tick: datetime,
    now: datetime,
    *,
    pause: bool = True,
) -> None:
    wait = pause_after(state.failures_in_a_row + 1, error.retry_after_s) if pause else timedelta()
    next_try_at = tick + wait
    with db.transaction() as tx:
        feeds.feed_failed(tx, state.url, error=str(error), now=now, next_try_at=next_try_at)
