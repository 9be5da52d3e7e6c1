"""Proposes tickers to watch, from recent news and the last session's trading."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from ops_pipeline.db import universe
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain import discovery
from ops_pipeline.domain.discovery import Traded
from ops_pipeline.domain.market import MINUTE, Bar, Session, new_york_day
from ops_pipeline.errors import MarketDataUnavailable
from ops_pipeline.execution.isolation import isolated
from ops_pipeline.ports import Calendar, Clock, MarketData
from ops_pipeline.stages.request import TickRequest


@dataclass(frozen=True, slots=True)
class Outcome:
    """Securities with enough stories, those of them with bars, and proposals stored.

    `failed` are those whose bars nobody gives, or that no sense can be made of.
    """

    named: int
    traded: int
    proposed: int
    failed: int = 0


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
        MarketDataUnavailable: there are bars of none; the next day proposes again.
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
    bars = _bars([one.ticker for one in named], session, market_data) if named else {}
    sessions = _sessions(bars, session)
    proposals = discovery.propose(named, sessions)
    with db.transaction() as tx:
        kept = universe.save(tx, proposals, now)
    failed = len(named) - len(bars) + sum(1 for found in bars.values() if found)
    return Outcome(
        named=len(named), traded=len(sessions), proposed=kept, failed=failed - len(sessions)
    )


def _bars(
    tickers: Sequence[str], session: Session, market_data: MarketData
) -> dict[str, list[Bar]]:
    """The session's bars by ticker; asked for in halves where one symbol fails a request.

    News names what it likes: a symbol that the vendor refuses is left out of the result.

    Raises:
        MarketDataUnavailable: no half was answered: that is no symbol's fault.
    """
    try:
        found: dict[str, list[Bar]] = {ticker: [] for ticker in tickers}
        for bar in market_data.bars(tickers, session.opens_at, session.closes_at):
            if bar.ticker in found:
                found[bar.ticker].append(bar)
    except MarketDataUnavailable:
        if len(tickers) == 1:
            raise
        half = len(tickers) // 2
        halves = [
            isolated(partial(_bars, some, session, market_data))
            for some in (tickers[:half], tickers[half:])
        ]
        answered = [one for one in halves if not isinstance(one, Exception)]
        if not answered:
            raise
        return {ticker: bars for one in answered for ticker, bars in one.items()}
    return found


def _sessions(bars: Mapping[str, list[Bar]], session: Session) -> dict[str, Traded]:
    """Each ticker's trading in the session; one without a bar is left out."""
    minutes = (session.closes_at - session.opens_at) // MINUTE
    traded = {
        ticker: isolated(partial(discovery.traded, found, minutes))
        for ticker, found in bars.items()
        if found
    }
    return {ticker: one for ticker, one in traded.items() if isinstance(one, Traded)}
