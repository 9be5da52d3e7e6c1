"""Reads announced splits, dividends, renamings and mergers of what is watched or held.

It books nothing: what they do to positions is the reconciler's to decide, beside what the broker
shows. A symbol that changes keeps its names, and is watched as the old one was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ops_pipeline.db import telemetry, tickers
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.db.operations import alerts
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import AlertKey, corporate_action_announced
from ops_pipeline.execution import illegible_items
from ops_pipeline.execution.isolation import isolated_in, what_failed
from ops_pipeline.ports import Clock, CorporateActionFeed, Journal
from ops_pipeline.stages.request import TickRequest

# The vendor lists an action by the day that it is booked on, a dividend by when it is paid.
_LOOK_BACK = timedelta(days=10)
_LOOK_AHEAD = timedelta(days=120)
# Told of in an alert so long before, over a weekend with a holiday.
_TOLD_BEFORE = timedelta(days=4)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Symbols asked for, announcements read, and what became of them.

    Attributes:
        announced: Actions read, of which `unclear` decide nothing.
        withdrawn: Actions that are not announced any more.
        renamed: Symbols that another one has taken the place of.
        explained: Tickers held back for a jump of their price that a split explains.
    """

    symbols: int
    announced: int
    unclear: int
    withdrawn: int
    renamed: int
    explained: int
    illegible: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    feed: CorporateActionFeed | None,
    clock: Clock,
    journal: Journal,
) -> Outcome:
    """Store what is announced around the tick's day; without a feed nothing is.

    Raises:
        MarketDataUnavailable: nothing was stored; what was known still stands.
    """
    today = new_york_day(min(request.tick, clock.now()))
    first, last = today - _LOOK_BACK, today + _LOOK_AHEAD
    with db.transaction() as tx:
        symbols = corporate_actions.concerned(tx)
    if feed is None or not symbols:
        return Outcome(len(symbols), 0, 0, 0, 0, 0, 0)
    found = feed.announced(symbols, first, last)
    now = clock.now()
    with db.transaction() as tx:
        corporate_actions.store(tx, found, now=now)
        withdrawn: list[str] = []
        if not found.illegible:
            withdrawn = corporate_actions.withdraw(tx, symbols, first=first, last=last, now=now)
        _note_illegible(tx, found, now)
        in_force = corporate_actions.in_force(tx, symbols, first=first, last=last)
        renamed = sum(_renamed(tx, it, today, journal) for it in in_force)
        _tell(tx, in_force, today, now)
        explained = sum(_explained(tx, it, now) for it in in_force)
    return Outcome(
        symbols=len(symbols),
        announced=len(found),
        unclear=sum(not it.is_understood for it in found),
        withdrawn=len(withdrawn),
        renamed=renamed,
        explained=explained,
        illegible=len(found.illegible),
    )


def _note_illegible(tx: Transaction, found: Listing[CorporateAction], now: datetime) -> None:
    """Alert on what names no security; what is not told any more has no alert."""
    kind = "corporate_action "
    known = [subject for _, subject in alerts.open_of_kind(tx, "item_illegible")]
    told = [subject.removeprefix(kind) for subject in known if subject.startswith(kind)]
    illegible_items.update_market(tx, "corporate_action", told, found.illegible, now)


def _renamed(tx: Transaction, action: CorporateAction, today: date, journal: Journal) -> bool:
    """Let the new symbol take the old one's place in the list of securities.

    A symbol that has no place in that list leaves it as it is.
    """
    if action.new_symbol is None or action.effective_on > today or not action.is_understood:
        return False
    if action.kind not in ("name_change", "reverse_split"):
        return False
    old, new, day = action.symbol, action.new_symbol, action.effective_on
    done = isolated_in(tx, lambda: tickers.rename(tx, old, new, day=day))
    if isinstance(done, Exception):
        journal.went_wrong("ticker_not_renamed", ticker=old, to=new, error=what_failed(done))
        return False
    if done:
        journal.happened("ticker_renamed", ticker=old, to=new)
    return done


def _explained(tx: Transaction, action: CorporateAction, now: datetime) -> bool:
    """Let a ticker go on whose price only seemed to jump."""
    if not action.restates or not telemetry.explain_hold(
        tx, action.symbol, action.effective_on, ratio=action.ratio, now=now
    ):
        return False
    alerts.resolve_alert(tx, AlertKey("price_jump", EVERYTHING, action.symbol), now=now)
    return True


def _tell(tx: Transaction, actions: Sequence[CorporateAction], today: date, now: datetime) -> None:
    """One alert for each symbol that somebody holds and something is about to happen to."""
    held = corporate_actions.held_symbols(tx)
    soon: dict[str, list[CorporateAction]] = {}
    for action in actions:
        if action.symbol in held and today < action.effective_on <= today + _TOLD_BEFORE:
            soon.setdefault(action.symbol, []).append(action)
    for _, symbol in alerts.open_of_kind(tx, "corporate_action_announced"):
        if symbol not in soon:
            key = AlertKey("corporate_action_announced", EVERYTHING, symbol)
            alerts.resolve_alert(tx, key, now=now)
    for symbol, its in soon.items():
        alerts.open_alert(tx, corporate_action_announced(symbol, its), now=now)
