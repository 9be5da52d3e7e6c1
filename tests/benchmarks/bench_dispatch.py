"""Recommendations decided a second, beside the bare loop of claim, capacity, insert and commit.

Both decide the same recommendations in processes of their own: `dispatchers` of them at
once over two accounts. Ours also asks every gate, keeps the verdicts, sends the order to a
broker that costs nothing, and settles the answer.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Protocol

from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange, start
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.domain.broker import (
    BrokerAccount,
    BrokerCashActivity,
    BrokerFill,
    BrokerOrder,
    BrokerPosition,
    OrderRequest,
)
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.legible import Listing
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.ports import send_always
from tests.benchmarks.measuring import Stopwatch, made_tickers, migrated, say, seconds, server
from tests.contract.paper_street import LARGE, write_market
from tests.support.builders_trading import DAY, TradingBench


class Ready(Protocol):
    """What a dispatcher waits at until all are there."""

    def wait(self) -> object: ...


Work = Callable[[str, int, list[str], Ready], None]

ACCOUNTS = ("large", "tiny")
TICKERS = 200
DISPATCHERS = (1, 8, 32)
INSERTS, TICKS = 400, 60
BOUND = 0.5
_DISTANT = timedelta(days=365)

_COPY = """
INSERT INTO {table} SELECT (jsonb_populate_record(source,
    jsonb_build_object('ticker', copy))).*
FROM {table} AS source, unnest(CAST(:tickers AS text[])) AS copy WHERE source.ticker = 'AAA'
"""
_ROOM = """
UPDATE accounts SET max_positions = 100000, max_exposure = 100000000, max_position_notional = 500
"""

# The bare loop: what no dispatcher can do without.
_CLAIM = """
UPDATE dispatch_recommendations
SET status = 'PROCESSING', claimed_until = CAST(:now AS timestamptz) + interval '1 minute'
WHERE id = (SELECT id FROM dispatch_recommendations
            WHERE account_name = :account AND status = 'PENDING'
            ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, ticker
"""
_LOCK = """
SELECT max_positions, max_exposure FROM accounts WHERE account_name = :account FOR NO KEY UPDATE
"""
_HELD = """
SELECT count(DISTINCT symbol) AS symbols, coalesce(sum(cost), 0) AS exposure FROM (
    SELECT symbol, quantity * entry_price * multiplier AS cost FROM active_positions
    WHERE account_name = :account AND status <> 'closed'
    UNION ALL
    SELECT symbol, reserved_notional FROM orders
    WHERE account_name = :account AND purpose = 'entry' AND is_live(status)) AS held
"""
_INSERT = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, decided_at, terminal_at, tick)
VALUES (:id, :account, 'entry', :number, 1, :ticker, :ticker, 'STOCK', 1, 'buy', 5, 'limit', 100,
    'day', :reserved, :status, 'signal', :now, CAST(:ended AS timestamptz), :now)
"""


@dataclass
class Taker:
    """A broker that takes every order at once, fills none and ends it: nothing piles up."""

    now: datetime
    sent: list[OrderRequest] = field(default_factory=list)

    def account(self) -> BrokerAccount:
        money = Decimal(1_000_000)
        return BrokerAccount("PA", "ACTIVE", False, True, money, money, money, money, money, 2)

    def positions(self) -> Listing[BrokerPosition]:
        return Listing()

    def is_tradable(self, symbol: str) -> bool:
        return True

    def order_by_client_id(self, client_order_id: str) -> BrokerOrder | None:
        return None

    def orders_since(self, since: datetime) -> Listing[BrokerOrder]:
        return Listing()

    def resting_orders(self) -> Listing[BrokerOrder]:
        return Listing()

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        before_sending()
        self.sent.append(order)
        return BrokerOrder(
            broker_order_id=str(stable_uuid("bench", order.client_order_id)),
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            filled_quantity=Decimal(0),
            filled_average_price=None,
            status="canceled",
            raw_status="canceled",
            submitted_at=self.now,
            updated_at=self.now,
        )

    def cancel(self, broker_order_id: str) -> None:
        """Nobody asks for it here."""

    def fills_since(self, since: datetime) -> Listing[BrokerFill]:
        return Listing()

    def cash_activities_since(self, since: datetime) -> Listing[BrokerCashActivity]:
        return Listing()


def recommend_all(urls: DatabaseUrls, *, room: bool) -> None:
    """Recommend every ticker to both accounts; `room`: under caps that none of them passes."""
    names = made_tickers(TICKERS)
    with closing(_login(urls.writer)) as db:
        bench = TradingBench(db)
        with db.transaction() as tx:
            for table in ("tickers", "lane_telemetry", "lane_features"):
                tx.execute(_COPY.format(table=table), tickers=names)
            if room:
                tx.execute(_ROOM)
        for name in names:
            for account in ACCOUNTS:
                bench.recommend(name, account=account)


def dispatch(url: str, number: int, accounts: list[str], ready: Ready) -> None:
    """One dispatcher: tick after tick, until nothing is left for its accounts."""
    with closing(_login(url)) as db:
        bench = TradingBench(db)
        bench.connect("large", Taker(bench.clock.now()))
        bench.connect("tiny", Taker(bench.clock.now()))
        for name in made_tickers(TICKERS):
            bench.market.quote(name, "99.98", "100.00")
        ready.wait()
        for account in accounts:
            tick, pulled = bench.tick + number * _DISTANT, 1
            while pulled:
                pulled = bench.dispatch(account, tick=tick).pulled
                tick += MINUTE


def dispatch_bare(url: str, number: int, accounts: list[str], ready: Ready) -> None:
    """The bare loop over the same recommendations."""
    with closing(_login(url)) as db:
        now = TradingBench(db).clock.now()
        ready.wait()
        for account in accounts:
            while _one_bare(db, account, number, now):
                pass


def _one_bare(db: Database, account: str, number: int, now: datetime) -> bool:
    with db.transaction() as tx:
        claimed = tx.one(_CLAIM, account=account, now=now)
        if claimed is None:
            return False
        caps, held = tx.one(_LOCK, account=account), tx.one(_HELD, account=account)
        assert caps is not None
        assert held is not None
        assert held["symbols"] + 1 <= caps["max_positions"]
        assert held["exposure"] + 500 <= caps["max_exposure"]
        tx.execute(
            _INSERT,
            id=f"bare-{number}-{claimed['id']}",
            account=account,
            number=claimed["id"],
            ticker=claimed["ticker"],
            # Ended at once, as ours end: neither loop counts more than it holds.
            status="canceled",
            reserved=0,
            ended=now,
            now=now,
        )
    return True


def rate(urls: DatabaseUrls, work: Work, dispatchers: int) -> float:
    """Recommendations a second from the moment at which all of them are ready."""
    forks = multiprocessing.get_context("fork")
    ready = forks.Barrier(dispatchers + 1)
    shares = [[*ACCOUNTS] if dispatchers == 1 else [ACCOUNTS[n % 2]] for n in range(dispatchers)]
    workers = [
        forks.Process(target=work, args=(urls.writer, number, share, ready))
        for number, share in enumerate(shares)
    ]
    for worker in workers:
        worker.start()
    ready.wait()
    took_s = seconds(lambda: _join(workers))
    assert [worker.exitcode for worker in workers] == [0] * dispatchers
    with closing(_login(urls.writer)) as db, db.transaction() as tx:
        left = tx.one("SELECT count(*) AS n FROM dispatch_recommendations WHERE status = 'PENDING'")
    assert left is not None
    assert left["n"] == 0
    return TICKERS * len(ACCOUNTS) / took_s


def _join(workers: Sequence[BaseProcess]) -> None:
    for worker in workers:
        worker.join()


def throughput(url: str, dispatchers: int) -> tuple[float, float, float]:
    """Recommendations a second: bare, ours to orders, ours under the shipped caps."""
    found = []
    for name, work, room in (
        ("bare", dispatch_bare, True),
        ("ours", dispatch, True),
        ("capped", dispatch, False),
    ):
        with migrated(url, f"{name}_{dispatchers}") as urls:
            recommend_all(urls, room=room)
            found.append(rate(urls, work, dispatchers))
    return found[0], found[1], found[2]


def round_trips(url: str, work: Work) -> float:
    """How often a decision waits for Postgres: what bounds it, on whatever machine."""
    with migrated(url, f"trips_{work.__name__}") as urls:
        recommend_all(urls, room=True)
        watch = Stopwatch()
        for method in ("ask", "execute_simple"):
            watch.around(PipelinedSession, method, "asked")
        before = 0

        class Counted:
            def wait(self) -> None:
                nonlocal before
                before = watch.calls["asked"]

        work(urls.writer, 0, [*ACCOUNTS], Counted())
        return (watch.calls["asked"] - before) / (TICKERS * len(ACCOUNTS))


def trigger_cost_ms(urls: DatabaseUrls) -> tuple[float, float]:
    """The p95 of one INSERT of an entry, with the cap trigger and without it.

    The account holds five other live entries, as many as a full one does.
    """
    recommend_all(urls, room=True)
    with closing(_login(urls.owner)) as owner, closing(_login(urls.writer)) as db:
        found = []
        for switch in ("ENABLE", "DISABLE"):
            with owner.transaction() as tx:
                tx.script(f"ALTER TABLE orders {switch} TRIGGER orders_entry_within_caps")
            found.append(_p95(_inserts_ms(db)))
    return found[0], found[1]


def _inserts_ms(db: Database) -> Iterator[float]:
    now = TradingBench(db).clock.now()
    numbers = range(1, 2 * TICKERS, len(ACCOUNTS))
    for turn in range(INSERTS):
        try:
            with db.transaction() as tx:
                for number in numbers[:5]:
                    _insert(tx, number, now)
                tx.one(_LOCK, account="large")
                yield seconds(lambda: _insert(tx, numbers[5 + turn % 100], now)) * 1000  # noqa: B023 - called at once
                _undo()
        except _Undone:
            continue


class _Undone(Exception):
    """Rolls the unit of work back: every INSERT meets the same rows."""


def _undo() -> None:
    raise _Undone


def _insert(tx: Transaction, number: int, now: datetime) -> None:
    name = made_tickers(TICKERS)[(number - 1) // len(ACCOUNTS)]
    values = {"account": "large", "number": number, "ticker": name, "now": now}
    tx.execute(_INSERT, id=f"t-{number}", status="intended", reserved=500, ended=None, **values)


@dataclass
class Timed:
    """A broker that notes when an order is sent and when it was answered."""

    broker: AlpacaBroker
    sent_s: float = 0.0
    answered_s: float = 0.0

    def __getattr__(self, name: str) -> object:
        return getattr(self.broker, name)

    def submit(
        self, order: OrderRequest, before_sending: Callable[[], None] = send_always
    ) -> BrokerOrder:
        self.sent_s = time.perf_counter()
        placed = self.broker.submit(order, before_sending)
        self.answered_s = time.perf_counter()
        return placed


@contextmanager
def street(tickers: list[str]) -> Iterator[RunningExchange]:
    """A paper exchange that quotes these tickers all day."""
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        folder = Path(name)
        market = write_market(folder / "market", day=DAY, tickers=tickers)
        with start(market, folder / "store.sqlite", [LARGE], folder / "log") as running:
            yield running


def ticks_ms(urls: DatabaseUrls) -> tuple[list[float], list[float]]:
    """From a stored signal to its order being sent, and to the broker's answer, tick by tick."""
    names = made_tickers(TICKS)
    sent, answered = [], []
    with closing(_login(urls.writer)) as db, street(names) as exchange:
        bench = TradingBench(db)
        bench.run(_ROOM)
        url, key, secret = exchange.url, LARGE.key_id, LARGE.secret_key
        broker = Timed(AlpacaBroker(url, key, secret, LARGE.account_number))
        data = AlpacaMarketData(url=url, key_id=key, secret_key=secret, feed="iex")
        bench.connect("large", broker)  # type: ignore[arg-type]  # what it lacks it hands on
        for name in names:
            bench.clock.advance(60)
            exchange.set_clock(bench.clock.now())
            bench.quote(name, "10.00", "10.02")
            bench.recommend(name)
            began_s = time.perf_counter()
            bench.dispatch(market=data)
            assert broker.sent_s > began_s, bench.rows("SELECT * FROM dispatch_recommendations")[-1]
            sent.append((broker.sent_s - began_s) * 1000)
            answered.append((broker.answered_s - began_s) * 1000)
    # The first tick connects and parses its statements.
    return sent[1:], answered[1:]


def _p95(figures: Iterator[float] | list[float]) -> float:
    return statistics.quantiles(figures, n=20)[-1]


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="bench")


def main() -> None:
    with server() as url:
        for dispatchers in DISPATCHERS:
            bare, ours, capped = throughput(url, dispatchers)
            whose = f"{dispatchers} dispatcher{'s' if dispatchers > 1 else ''}"
            say(f"{whose}: bare loop", f"{bare:.0f} / s")
            say(f"{whose}: decided, an order each", f"{ours:.0f} / s")
            say(f"{whose}: ours / bare", f"{ours / bare:.2f}", f">= {BOUND}")
            say(f"{whose}: decided under the shipped caps", f"{capped:.0f} / s")
        for whose, work in (("bare loop", dispatch_bare), ("ours", dispatch)):
            say(f"round trips to Postgres a decision, {whose}", f"{round_trips(url, work):.1f}")
        with migrated(url, "trigger") as urls:
            guarded, plain = trigger_cost_ms(urls)
        say("INSERT of an entry, p95, with the cap trigger", f"{guarded:.2f} ms")
        say("the same without it", f"{plain:.2f} ms")
        with migrated(url, "ticks") as urls:
            sent, answered = ticks_ms(urls)
        say("signal to order sent, p50", f"{statistics.median(sent):.1f} ms")
        say("signal to order sent, p95", f"{_p95(sent):.1f} ms")
        say("signal to the broker's answer, p95", f"{_p95(answered):.1f} ms")


if __name__ == "__main__":
    main()
