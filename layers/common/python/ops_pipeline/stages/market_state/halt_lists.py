"""Stores an exchange's list of trading halts beside what its server said."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from ops_pipeline.db import feeds
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.feeds.kinds import HaltFeedKind
from ops_pipeline.domain.market_state.trading_halts import (
    HaltList,
    HaltNotice,
    plausible,
    with_market_wide,
)
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.execution.isolation import isolated, what_failed

# A day of volatility pauses has some hundreds, a market-wide halt every ticker.
MOST_HALTS_A_DAY = 30_000


@dataclass(frozen=True, slots=True)
class KeptHalts:
    """`failed` says what was not stored or read; None where all was."""

    stored: int = 0
    rejected: int = 0
    failed: FeedUnavailable | None = None


@dataclass(frozen=True, slots=True)
class HaltKeeper:
    """Stores one answer of a feed that lists halts."""

    db: UnitsOfWork
    state: FeedState
    kind: HaltFeedKind
    document: FeedDocument
    now: datetime

    def keep(self) -> KeptHalts:
        """Store the list; where it fails as a whole, each of its halts by itself.

        An item that could not be read or stored keeps no other from counting, and what is missing
        from such a list is not taken for resumed.
        """
        told = self.document.halts
        if told is None:
            return KeptHalts(failed=_failure(isolated(self._store_unchanged)))
        sound = plausible(told.notices, self.now)
        doubtful = len(told.notices) - len(sound)
        rejected = doubtful + len(told.illegible)
        halts = with_market_wide(sound)
        whole = HaltList(tuple(halts), complete=told.complete and not doubtful)
        kept = isolated(lambda: self._store(whole))
        if isinstance(kept, int):
            return KeptHalts(kept, rejected)
        if isinstance(kept, FeedUnavailable):
            return KeptHalts(rejected=rejected, failed=kept)
        alone = self._one_by_one(halts, kept)
        return replace(alone, rejected=alone.rejected + rejected)

    def _one_by_one(self, halts: list[HaltNotice], why: Exception) -> KeptHalts:
        stored = rejected = 0
        for notice in halts:
            alone = HaltList((notice,), complete=False)
            one = isolated(partial(self._store, alone, succeeded=False))
            if isinstance(one, int):
                stored += one
            else:
                rejected, why = rejected + 1, one
        return KeptHalts(stored, rejected, _failure(why))

    def _store(self, told: HaltList, *, succeeded: bool = True) -> int:
        url, now = self.state.url, self.now
        with self.db.transaction() as tx:
            if self._is_outdated(tx):
                return 0
            if trading_halts.seen_since(tx, url, now - timedelta(days=1)) >= MOST_HALTS_A_DAY:
                raise FeedUnavailable(f"it lists over {MOST_HALTS_A_DAY} halts within a day")
            stored = trading_halts.list_them(
                tx, self.kind, url, told.notices, complete=told.complete, now=now
            )
            if succeeded:
                newest = max((it.halted_at for it in told.notices), default=None)
                feeds.feed_succeeded(tx, url, self.document, now, newest)
        return stored

    def _store_unchanged(self) -> None:
        with self.db.transaction() as tx:
            if self._is_outdated(tx):
                return
            trading_halts.list_unchanged(tx, self.state.url, now=self.now)
            feeds.feed_succeeded(tx, self.state.url, self.document, self.now, None)

    def _is_outdated(self, tx: Transaction) -> bool:
        """Whether a newer answer was stored before: what this one lists may have ended since."""
        newest = feeds.lock_feed(tx, self.state.url)
        return newest is not None and newest > self.now


def _failure(found: Exception | None) -> FeedUnavailable | None:
    return None if found is None else FeedUnavailable(f"not stored: {what_failed(found)}")
