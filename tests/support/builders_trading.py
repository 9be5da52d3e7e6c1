"""A bench for tests of order management: a session, a market and a broker per account.

Everything that an entry needs is in order until a test changes it: fresh bars, features,
quotes, a calm VIX. Quotes are 99.98 x 100.00 unless a test says otherwise.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any

from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.db.parameters import GuardRules, Versioned
from ops_pipeline.db.runs import DryDatabase, UnitsOfWork
from ops_pipeline.domain.broker import BrokerOrder, OrderRequest
from ops_pipeline.domain.market import MINUTE, minute_of, new_york_time
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.execution import recovery
from ops_pipeline.execution.context import open_context
from ops_pipeline.execution.market_reader import MarketReader
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.ports import Broker, Calendar, MarketData, send_always
from ops_pipeline.stages import dispatcher, position_manager, reconciler
from ops_pipeline.stages.request import AccountRequest, ReconcileRequest
from tests.support.builders_market import (
    bars_of,
    features,
    in_force,
    rows,
    store_bars,
    store_features,
)
from tests.support.fake_broker import FakeBroker
from tests.support.fakes import FakeMarketData, FixedCalendar, FixedClock, regular_session

DAY_BEFORE = date(2026, 2, 3)
DAY = date(2026, 2, 4)
DAY_AFTER = date(2026, 2, 5)
ELEVEN = new_york_time(DAY, 11)

_RECOMMEND = """
INSERT INTO dispatch_recommendations
    (id, ts, created_at, account_name, ticker, action, instrument_type, strategy_type,
     confidence, reason, status, features_snapshot, parameter_version)
VALUES (:id, :at, :at, :account, :ticker, :action, 'STOCK', 'day_trade', :confidence,
        '{"summary": "made for a test"}', 'PENDING', '{}', :version)
"""
_KNOW_TICKER = """
INSERT INTO tickers (ticker, name, exchange, is_watched)
VALUES (:ticker, :ticker, 'UNKNOWN', true) ON CONFLICT DO NOTHING
"""
_GUARD_RAN = """
INSERT INTO pipeline_runs
    (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at, finished_at,
     counts)
SELECT CAST(md5(account_name || CAST(:tick AS timestamptz)) AS uuid), 'position_manager',
       CAST(:tick AS timestamptz), account_name, 1, 'succeeded', 'test', :tick, :tick, :tick, '{}'
FROM accounts ON CONFLICT DO NOTHING
"""
_LOOKED = """
INSERT INTO first_looks (account_name, looked_at, tick)
SELECT account_name, :at, :tick FROM accounts ON CONFLICT DO NOTHING
"""
_VIX = """
INSERT INTO vix_history (day, close, source, fetched_at) VALUES (:day, :close, 'vix', :now)
ON CONFLICT (day) DO UPDATE SET close = excluded.close
"""


@dataclass
class Notes:
    """A journal to read afterwards."""

    entries: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def happened(self, event: str, **data: object) -> None:
        self.entries.append((event, data))

    def went_wrong(self, event: str, **data: object) -> None:
        self.entries.append((event, data))

    def of(self, event: str) -> list[dict[str, object]]:
        return [data for name, data in self.entries if name == event]


@dataclass
class Street(FakeBroker):
    """A broker that fills limit orders the moment they come, where a test says at what.

    Attributes:
        on_the_way: Called before an order leaves, as while keys are renewed and proven.
        on_submit: Called with each order before anything is done with it.
        unseen: Ids that a look-up does not find yet, though the list shows them.
        at_once: By symbol: price and quantity (None: all of it) that each limit order
            gets at once. The reply shows it already.
    """

    at_once: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    on_the_way: Callable[[], object] | None = None
    on_submit: Callable[[OrderRequest], object] | None = None
    unseen: set[str] = field(default_factory=set)

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        found = super().order_by_client_id(client_order_id)
        return None if client_order_id in self.unseen else found

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        if self.on_the_way is not None:
            self.on_the_way()
        before_sending()
        if self.on_submit is not None:
            self.on_submit(order)
        placed = super().submit(order)
        if order.order_type == "limit" and order.symbol in self.at_once:
            self.fill(order.client_order_id, *self.at_once[order.symbol])
        return self.orders.get(order.client_order_id, placed)


class TradingBench:
    """What a run of dispatcher or position manager needs, with methods to change it."""

    def __init__(
        self,
        db: Database,
        rules: Parameters | None = None,
        *,
        at: datetime = ELEVEN,
        calendar: Calendar | None = None,
        looked: bool = True,
    ) -> None:
        """Both accounts have run before and held nothing then; `looked = False`: they have not."""
        self.db = db
        self.clock = FixedClock(at)
        self.market = FakeMarketData(self.clock)
        self.calendar = calendar or FixedCalendar(
            regular_session(day) for day in (DAY_BEFORE, DAY, DAY_AFTER)
        )
        self.brokers = {
            name: Street(self.clock, account_number=f"PA-{name}") for name in ("large", "tiny")
        }
        self.rules_in_force: Versioned = in_force(db, rules)
        self.parameters: Versioned | GuardRules = self.rules_in_force
        self.notes = Notes()
        self.read_after_write = False
        self.guard_runs = True
        self._connected: dict[str, Broker] = {}
        self._ids = count(1)
        if looked:
            self.run(_LOOKED, at=at, tick=minute_of(at))
        self.vix(18.0)
        self.quote("AAA")

    @property
    def broker(self) -> Street:
        return self.brokers["large"]

    def connect(self, account: str, broker: Broker) -> None:
        """Let an account trade at this broker instead of the one in memory."""
        self._connected[account] = broker

    @property
    def tick(self) -> datetime:
        return minute_of(self.clock.now())

    def quote(self, ticker: str, bid: str = "99.98", ask: str = "100.00") -> None:
        """Quote a ticker now, with a fresh bar and features and a run of the guard beside it.

        `guard_runs = False`: the position manager is down meanwhile.
        """
        self.market.quote(ticker, bid, ask)
        self.run(_KNOW_TICKER, ticker=ticker)
        if self.guard_runs:
            self.run(_GUARD_RAN, tick=self.tick - MINUTE)
        bar = minute_of(self.clock.now()) - MINUTE
        store_bars(self.db, bars_of(ticker, bar, [bid]), now=self.clock.now())
        store_features(
            self.db,
            features(ticker=ticker, ts=bar),
            version=self.rules_in_force.version,
            now=self.clock.now(),
        )

    def vix(self, close: float, day: date = DAY_BEFORE) -> None:
        self.run(_VIX, day=day, close=close, now=self.clock.now())

    def next_minute(self, **prices: tuple[str, str]) -> None:
        """Go on a minute; what was quoted is quoted anew, or at these prices."""
        self.clock.advance(60)
        for ticker, quoted in list(self.market.latest.items()):
            bid, ask = prices.get(ticker, (str(quoted.bid), str(quoted.ask)))
            self.quote(ticker, bid, ask)

    def recommend(self, ticker: str = "AAA", **changes: Any) -> int:
        """Store a PENDING recommendation of this moment and return its id."""
        values = {"account": "large", "action": "BUY", "confidence": 0.9} | changes
        number = next(self._ids)
        self.run(
            _RECOMMEND,
            id=number,
            at=self.clock.now(),
            ticker=ticker,
            version=self.rules_in_force.version,
            **values,
        )
        return number

    def gateway(
        self,
        account: str = "large",
        *,
        db: UnitsOfWork | None = None,
        broker: Broker | None = None,
        tick: datetime | None = None,
        lease_expires_at: datetime | None = None,
    ) -> OrderGateway:
        """The gateway of one run of an account, to its broker or to the one given."""
        ctx = open_context(
            account,
            tick=tick or self.tick,
            db=db or self.db,
            parameters=self.parameters,
            deployment="test",
            clock=self.clock,
            journal=self.notes,
            lease_expires_at=lease_expires_at,
        )
        return OrderGateway(
            ctx=ctx,
            db=db or self.db,
            calendar=self.calendar,
            broker=None if ctx.account.simulated else broker or self._broker(account),
            read_after_write=self.read_after_write,
        )

    def _broker(self, account: str) -> Broker:
        return self._connected.get(account) or self.brokers[account]

    def reader(self, account: str = "large", *, data: MarketData | None = None) -> MarketReader:
        """The market as a run of this account reads it."""
        return MarketReader(
            account_name=account,
            data=data or self.market,
            calendar=self.calendar,
            clock=self.clock,
            journal=self.notes,
        )

    def recover(self, account: str = "large") -> recovery.Recovery:
        gateway = self.gateway(account)
        return recovery.recover(gateway.ctx, self.db, gateway, self.reader(account))

    def dispatch(
        self,
        account: str = "large",
        *,
        dry_run: bool = False,
        db: UnitsOfWork | None = None,
        broker: Broker | None = None,
        market: MarketData | None = None,
        tick: datetime | None = None,
        lease_expires_at: datetime | None = None,
    ) -> dispatcher.Outcome:
        units = db or (DryDatabase(self.db) if dry_run else self.db)
        gateway = self.gateway(
            account, db=units, broker=broker, tick=tick, lease_expires_at=lease_expires_at
        )
        return dispatcher.run(
            AccountRequest(tick=gateway.ctx.tick, account=account, dry_run=dry_run),
            gateway.ctx,
            db=units,
            gateway=gateway,
            market=self.reader(account, data=market),
        )

    def guard(
        self,
        account: str = "large",
        *,
        dry_run: bool = False,
        db: UnitsOfWork | None = None,
        market: MarketData | None = None,
        lease_expires_at: datetime | None = None,
    ) -> position_manager.Outcome:
        units = db or (DryDatabase(self.db) if dry_run else self.db)
        gateway = self.gateway(account, db=units, lease_expires_at=lease_expires_at)
        return position_manager.run(
            AccountRequest(tick=self.tick, account=account, dry_run=dry_run),
            gateway.ctx,
            db=units,
            gateway=gateway,
            market=self.reader(account, data=market),
        )

    def reconcile(self, account: str | None = None, *, dry_run: bool = False) -> reconciler.Outcome:
        """One account's run, or that of all of them."""
        units = DryDatabase(self.db) if dry_run else self.db
        return reconciler.run(
            ReconcileRequest(tick=self.tick, account=account, dry_run=dry_run),
            db=units,
            gateway=lambda name: self.gateway(name, db=units),
            parameters=self.parameters,
            clock=self.clock,
            journal=self.notes,
        )

    def buy(self, ticker: str = "AAA", price: str = "100.00", *, account: str = "large") -> Row:
        """Buy a ticker through the dispatcher, filled at once at this price; the position."""
        self.brokers[account].at_once[ticker] = (price, None)
        self.recommend(ticker, account=account)
        self.dispatch(account)
        del self.brokers[account].at_once[ticker]
        return self.position(ticker, account=account)

    def rows(self, sql: str, **values: object) -> list[Row]:
        return rows(self.db, sql, **values)

    def run(self, sql: str, **values: object) -> None:
        with self.db.transaction() as tx:
            tx.execute(sql, **values)

    def orders(self, purpose: str | None = None) -> list[Row]:
        """Orders in the order of their decision, of one purpose or all."""
        found = self.rows("SELECT * FROM orders ORDER BY decided_at, client_order_id")
        return [row for row in found if purpose in (None, row["purpose"])]

    def order(self, purpose: str = "entry") -> Row:
        """The one order of that purpose."""
        (found,) = self.orders(purpose)
        return found

    def position(self, ticker: str = "AAA", *, account: str = "large") -> Row:
        """The newest position in a ticker."""
        found = self.rows(
            "SELECT * FROM active_positions WHERE ticker = :ticker AND account_name = :account"
            " ORDER BY entry_time DESC",
            ticker=ticker,
            account=account,
        )
        return found[0]

    def recommendation(self, number: int) -> Row:
        (found,) = self.rows("SELECT * FROM dispatch_recommendations WHERE id = :id", id=number)
        return found

    def verdict(self, number: int, gate: str) -> dict[str, Any]:
        """What one gate said of a recommendation."""
        gates = self.recommendation(number)["risk_gate_json"]
        return dict((json.loads(gates) if isinstance(gates, str) else gates)[gate])

    def alerts(self) -> list[str]:
        """The kinds of the open alerts."""
        found = self.rows("SELECT kind FROM alerts WHERE resolved_at IS NULL ORDER BY kind")
        return [row["kind"] for row in found]

    def set_account(self, name: str = "large", **columns: object) -> None:
        """Change columns of an account, as an operator does by hand."""
        changes = ", ".join(f"{column} = :{column}" for column in columns)
        self.run(f"UPDATE accounts SET {changes} WHERE account_name = :name", name=name, **columns)
