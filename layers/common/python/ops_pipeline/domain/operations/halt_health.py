"""Checks of trading halts: tickers that are halted, and lists of halts that nobody could read."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from ops_pipeline.domain.feeds.kinds import lists_halts
from ops_pipeline.domain.market_state.trading_halts import (
    EVERY_TICKER,
    TradingHalt,
    is_market_wide,
)
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.domain.operations.health import EVERYTHING, Finding
from ops_pipeline.domain.operations.news_health import WatchedFeed

HALT_KINDS: tuple[AlertKind, ...] = ("ticker_halted", "halts_unread")
# Ten polls of a list that is asked each minute; a slower one has three of its own.
UNREAD_AFTER = timedelta(minutes=10)
_POLLS = 3


def halt_findings(
    tick: datetime, feeds: Iterable[WatchedFeed], halts: Iterable[TradingHalt]
) -> list[Finding]:
    """One finding for each halt that concerns somebody, and for each list that is not read.

    Args:
        halts: Those that hold, of tickers that are watched or held and of the whole market.
    """
    by_ticker: dict[str, list[TradingHalt]] = {}
    for halt in halts:
        by_ticker.setdefault(halt.ticker, []).append(halt)
    if EVERY_TICKER in by_ticker:
        # One alert says it of all.
        by_ticker = {
            ticker: told
            for ticker, told in by_ticker.items()
            if ticker == EVERY_TICKER or not all(is_market_wide(it.reason) for it in told)
        }
    unread = [it for it in feeds if lists_halts(it.kind) and _is_unread(it, tick)]
    return [
        *(_halted(ticker, found) for ticker, found in sorted(by_ticker.items())),
        *(_unread(feed) for feed in unread),
    ]


def _halted(ticker: str, halts: list[TradingHalt]) -> Finding:
    # What an exchange says goes before what our own feed's silence suggests.
    halt = min(halts, key=lambda it: (it.source == "silence", it.halted_at))
    return Finding(
        kind="ticker_halted",
        scope=EVERYTHING,
        subject=ticker,
        passed=False,
        severity="critical" if ticker == EVERY_TICKER else "warning",
        message=f"{halt.told}: no entries; positions in it keep their stop and are not sold",
        details={"halts": [it.facts for it in halts]},
    )


def _is_unread(feed: WatchedFeed, tick: datetime) -> bool:
    patience = max(UNREAD_AFTER, _POLLS * timedelta(seconds=feed.poll_every_s))
    since = feed.last_succeeded_at or feed.subscribed_at
    return since is None or since < tick - patience


def _unread(feed: WatchedFeed) -> Finding:
    since = feed.last_succeeded_at
    told = f"since {since:%Y-%m-%d %H:%M} UTC" if since else "yet"
    why = f": {feed.last_error}" if feed.last_error else ""
    return Finding(
        kind="halts_unread",
        scope=EVERYTHING,
        subject=feed.url,
        passed=False,
        severity="warning",
        message=f"{feed.source}: halts were not read {told}{why}. New ones are not known from it",
        details={"failures": feed.failures_in_a_row},
    )
