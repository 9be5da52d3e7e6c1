"""Moves the exchange's clock; fills, opens and closes on the way, in order of time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ops_local.exchange.corporate.processing import ActionProcessing
from ops_local.exchange.fees.charging import FeeCharging
from ops_local.exchange.market.sessions import sessions_between
from ops_local.exchange.market.tape import Tape
from ops_local.exchange.orders.order_events import OrderEvents
from ops_local.exchange.orders.settlement import Settlement
from ops_local.exchange.records import ClosingPrice, DayEnd
from ops_local.exchange.refusals import BAD_PARAMETER, ApiRefusal
from ops_local.exchange.storage.store import Store
from ops_local.exchange.valuation import Valuation
from ops_pipeline.domain.market import MINUTE, Session, minute_of, new_york_day, new_york_time

# Alpaca: "Equity as of previous trading day at 16:00:00 ET", a half day included.
DAY_ENDS_AT_HOUR = 16


class SessionClock:
    """Runs in the caller's transaction, so that the clock moves together with its effects."""

    def __init__(
        self,
        store: Store,
        tape: Tape,
        valuation: Valuation,
        settlement: Settlement,
        events: OrderEvents,
        *,
        actions: ActionProcessing,
        fees: FeeCharging,
    ) -> None:
        self._store = store
        self._tape = tape
        self._valuation = valuation
        self._settlement = settlement
        self._events = events
        self._actions = actions
        self._fees = fees

    def move(self, then: datetime, now: datetime) -> None:
        """Move from then to now; moving to the same moment twice changes nothing.

        Raises:
            ApiRefusal: now is before then. A fill can't be taken back.
        """
        if now < then:
            raise ApiRefusal(
                409, BAD_PARAMETER, f"the clock is at {then.isoformat()} and does not go back"
            )
        for session in sessions_between(new_york_day(then), new_york_day(now)):
            self._actions.run_due(min(now, session.opens_at))
            self._fees.run_due(min(now, session.opens_at))
            self._run(session, then, now)
        self._actions.run_due(now)
        self._fees.run_due(now)
        if now > then:
            self._events.run_due(now)
            self._store.set_now(now)

    def _run(self, session: Session, then: datetime, now: datetime) -> None:
        if then < session.opens_at <= now:
            self._events.run_due(session.opens_at)
            self._open(session)
        for moment in _minutes(session, then, now):
            self._events.run_due(moment)
            # Checked each minute: without open orders nothing is left to do in this session.
            live = self._store.live_orders()
            if not live:
                break
            for order in live:
                self._settlement.try_fill(order, moment)
        if then < session.closes_at <= now:
            self._events.run_due(session.closes_at)
            self._close(session)
        day_ends_at = new_york_time(session.day, DAY_ENDS_AT_HOUR)
        if then < day_ends_at <= now:
            self._events.run_due(day_ends_at)
            self._fees.run_due(day_ends_at)
            self._end_day(session, day_ends_at)

    def _open(self, session: Session) -> None:
        for order in self._store.live_orders():
            if order.status == "accepted":
                self._store.save(replace(order, status="new", updated_at=session.opens_at))

    def _close(self, session: Session) -> None:
        at = session.closes_at
        for order in self._store.live_orders():
            if order.time_in_force == "cls" and order.expires_at <= at:
                self._settlement.fill_at_close(order, session)
            elif order.expires_at <= at:
                self._events.end(order, "expired", at)
        for symbol in self._tape.tickers:
            price = self._tape.price(symbol, at)
            if price is not None:
                self._store.save(ClosingPrice(symbol, session.day.isoformat(), price))

    def _end_day(self, session: Session, at: datetime) -> None:
        """Keep each account's equity, tomorrow's last equity: on a half day three hours later."""
        for ledger in self._store.ledgers():
            equity = self._valuation.balances(ledger.account_number, at).equity
            self._store.save(DayEnd(ledger.account_number, session.day.isoformat(), equity))


def _minutes(session: Session, then: datetime, now: datetime) -> Iterator[datetime]:
    """The whole minutes after then and up to now at which the session is open."""
    moment = max(minute_of(then) + MINUTE, session.opens_at)
    while moment <= now and moment < session.closes_at:
        yield moment
        moment += MINUTE
