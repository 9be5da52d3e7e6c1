"""Incident 4: orders reached the broker and were never saved.

The order was sent before its row was written; positions went unmanaged. Here a stage is
really killed, at the worst moments, with a broker that outlives it.
"""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database
from tests.contract.paper_street import LARGE, open_exchange
from tests.incidents.doomed_run import Doom, DoomedBroker, Moment
from tests.support.builders_trading import DAY, TradingBench

ROOT = Path(__file__).parents[2]
QUOTES = {"AAA": ("10.00", "10.02")}
# A fifth of $10,000 at the limit of 10.04; the market has 100 a minute.
BOUGHT = 199
# Two misses a minute apart, one tick more for the new intent, one to settle it.
TICKS_TO_CONVERGE = 4


class CrashScene:
    """A database, a broker in a process of its own, and what goes on between them."""

    def __init__(self, bench: TradingBench, exchange: RunningExchange, database_url: str) -> None:
        self.bench = bench
        self.exchange = exchange
        self._database_url = database_url
        bench.connect(
            "large",
            AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number),
        )
        self.quote()

    def quote(self) -> None:
        self.exchange.set_clock(self.bench.clock.now())
        for ticker, (bid, ask) in QUOTES.items():
            self.bench.quote(ticker, bid, ask)

    def tick(self) -> None:
        """One minute of ordinary life: dispatcher and position manager."""
        self.bench.clock.advance(60)
        self.quote()
        self.bench.dispatch()
        self.bench.guard()

    def kill(self, stage: str, dies: Moment) -> None:
        """Run a stage in a child process that is killed around its first order."""
        doom = Doom(
            stage=stage,  # type: ignore[arg-type]
            dies=dies,
            database_url=self._database_url,
            exchange_url=self.exchange.url,
            key_id=LARGE.key_id,
            secret_key=LARGE.secret_key,
            account_number=LARGE.account_number,
            at=self.bench.clock.now().isoformat(),
            quotes=QUOTES,
        )
        ended = subprocess.run(
            [sys.executable, "-m", DoomedBroker.__module__],
            input=json.dumps(asdict(doom)),
            text=True,
            cwd=ROOT,
            check=False,
            timeout=60,
            capture_output=True,
        )
        assert ended.returncode == -signal.SIGKILL, ended.stderr

    def at_the_broker(self) -> list[dict[str, Any]]:
        return self.exchange.tables()["orders"]

    def assert_nothing_lost_and_nothing_twice(self) -> None:
        theirs = Counter(order["client_order_id"] for order in self.at_the_broker())
        ours = Counter(
            row["client_order_id"]
            for row in self.bench.orders()
            if row["broker_order_id"] is not None
        )
        assert theirs == ours
        assert set(theirs.values()) <= {1}
        assert not self.bench.rows("SELECT 1 FROM orders WHERE status IN ('intended', 'unknown')")
        (held,) = self.exchange.tables()["positions"] or [{"qty": "0"}]
        mine = self.bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
        assert [float(row["quantity"]) for row in mine] == [float(held["qty"])]


@pytest.fixture
def scene(db: Database, database_urls: DatabaseUrls, tmp_path: Path) -> Iterator[CrashScene]:
    with open_exchange(tmp_path, day=DAY) as exchange:
        yield CrashScene(TradingBench(db), exchange, database_urls.writer)


def test_killed_right_after_the_broker_accepted_an_entry(scene: CrashScene) -> None:
    scene.bench.recommend()
    scene.kill("dispatcher", "after_acceptance")
    assert len(scene.at_the_broker()) == 1
    assert [row["status"] for row in scene.bench.orders()] == ["intended"]

    scene.tick()

    assert scene.bench.position()["quantity"] == BOUGHT
    for _ in range(TICKS_TO_CONVERGE):
        scene.tick()
    assert len([order for order in scene.at_the_broker() if order["side"] == "buy"]) == 1
    scene.assert_nothing_lost_and_nothing_twice()


def test_killed_right_before_an_entry_is_sent(scene: CrashScene) -> None:
    number = scene.bench.recommend()
    scene.kill("dispatcher", "before_sending")
    assert scene.at_the_broker() == []
    assert [row["status"] for row in scene.bench.orders()] == ["intended"]

    scene.tick()
    assert scene.bench.order()["status"] == "unknown"
    scene.tick()

    (order,) = scene.at_the_broker()
    assert scene.bench.order()["client_order_id"] == order["client_order_id"]
    scene.tick()
    assert scene.bench.order()["status"] == "filled"
    assert scene.bench.position()["quantity"] == BOUGHT
    assert scene.bench.recommendation(number)["status"] == "EXECUTED"
    scene.assert_nothing_lost_and_nothing_twice()


@pytest.mark.parametrize("dies", ["after_acceptance", "before_sending"])
def test_killed_while_a_stop_is_placed(scene: CrashScene, dies: Moment) -> None:
    scene.bench.recommend()
    scene.bench.dispatch()
    scene.bench.clock.advance(60)
    scene.quote()
    scene.bench.guard()
    scene.bench.run("UPDATE active_positions SET stop_loss = 9.90 WHERE status = 'open'")
    scene.bench.clock.advance(60)
    scene.quote()
    scene.kill("position_manager", dies)

    for _ in range(TICKS_TO_CONVERGE):
        scene.tick()

    live = [row for row in scene.bench.orders("stop") if row["status"] == "accepted"]
    assert [float(row["price"]) for row in live] == [9.9]
    scene.assert_nothing_lost_and_nothing_twice()


@pytest.mark.parametrize("dies", ["after_acceptance", "before_sending"])
def test_killed_while_a_position_is_sold(scene: CrashScene, dies: Moment) -> None:
    scene.bench.recommend()
    scene.bench.dispatch()
    scene.tick()
    scene.bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    scene.bench.clock.advance(60)
    scene.quote()
    scene.kill("position_manager", dies)

    for _ in range(TICKS_TO_CONVERGE):
        scene.tick()

    position = scene.bench.position()
    assert position["status"] == "closed"
    (history,) = scene.bench.rows("SELECT verified, quantity, exit_reason FROM position_history")
    assert history == {"verified": True, "quantity": BOUGHT, "exit_reason": "operator"}
    sold = [order for order in scene.at_the_broker() if order["side"] == "sell"]
    assert sum(float(order["filled_qty"]) for order in sold) == BOUGHT


def test_a_second_run_of_the_same_tick_sends_nothing(scene: CrashScene) -> None:
    """Even if the row were lost, the broker knows the id: the same decision, the same id."""
    scene.bench.recommend()
    scene.kill("dispatcher", "after_acceptance")
    scene.bench.dispatch()
    scene.bench.dispatch()
    assert len(scene.at_the_broker()) == 1
