"""Proposes tickers to watch, from recent news and the last session's trading."""

from dataclasses import dataclass
from datetime import timedelta

from ops_pipeline.db import universe
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain import discovery
from ops_pipeline.domain.discovery import Named, Traded
from ops_pipeline.domain.market import MINUTE, Bar, Session, new_york_day
from ops_pipeline.ports import Calendar, Clock, MarketData
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Securities with enough stories, those of them with bars, and proposals stored."""

    named: int
    traded: int
    proposed: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    market_data: MarketData,
    calendar: Calendar,
    clock: Clock,
) -> Outcome:
    """Look at the tick's session if it is over, otherwise at the previous one.

    Proposals are not watched until `ops tickers accept`.

    Raises:
        MarketDataUnavailable: nothing was proposed; the next day proposes again.
    """
    now = clock.now()
    upto = min(request.tick, now)
    since = upto - timedelta(days=discovery.STORY_DAYS)
    with db.transaction() as tx:
        named = universe.named_and_not_watched(
            tx,
            since,
            upto,
            least=discovery.LEAST_STORIES,
            most=discovery.MOST_CANDIDATES,
        )
    day = new_york_day(upto)
    session = calendar.session(day)
    if session is None or session.closes_at > upto:
        session = calendar.previous_session(day)
    sessions = _sessions(named, session, market_data)
    proposals = discovery.propose(named, sessions)
    with db.transaction() as tx:
        kept = universe.save(tx, proposals, now)
    return Outcome(named=len(named), traded=len(sessions), proposed=kept)


def _sessions(named: list[Named], session: Session, market_data: MarketData) -> dict[str, Traded]:
    """Each ticker's trading in the session; one without a bar is left out."""
    if not named:
        return {}
    tickers = [one.ticker for one in named]
    bars: dict[str, list[Bar]] = {}
    for bar in market_data.bars(tickers, session.opens_at, session.closes_at):
        bars.setdefault(bar.ticker, []).append(bar)
    minutes = (session.closes_at - session.opens_at) // MINUTE
    return {ticker: discovery.traded(found, minutes) for ticker, found in bars.items()}
