"""The database is lost after a split that the empty one has not heard of."""

from collections.abc import Callable, Iterator

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Database
from tests.conftest import TEMPLATE
from tests.stages.losing import held, login, moved_to, rebuild, resting_stops
from tests.stages.over_night import (
    ONE_FOR_TEN,
    TWO_FOR_ONE,
    announce,
    at_open,
    before_open,
    guarded,
    sound,
    swing,
)
from tests.stages.reconciling import halt
from tests.support.builders_trading import TradingBench

__all__ = ["swing"]

EMPTY = "lost_over_a_split"
Lose = Callable[[TradingBench], TradingBench]


@pytest.fixture
def lose(database_urls: DatabaseUrls, admin_db: Database) -> Iterator[Lose]:
    """Puts the same street at a database that has only been migrated."""
    opened: list[Database] = []

    def moved(bench: TradingBench) -> TradingBench:
        bench.db.close()
        local.clone_database(admin_db, TEMPLATE, EMPTY)
        opened.append(login(database_urls, EMPTY))
        return moved_to(bench, opened[-1])

    yield moved
    for db in opened:
        db.close()
    local.drop_database(admin_db, EMPTY)


@pytest.fixture
def split(swing: TradingBench) -> TradingBench:
    """38 AAA at $50 with the stop resting at $49, before the open."""
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.reconcile()
    before_open(swing)
    assert resting_stops(swing) == [("AAA", 38)]
    return swing


def test_a_stop_of_the_new_shares_is_not_divided_a_second_time(
    split: TradingBench, lose: Lose
) -> None:
    empty = lose(split)
    at_open(empty, "50.20")
    rebuild(empty)
    empty.next_minute()
    empty.reconcile("large")
    assert held(empty) == {"AAA": 38}
    assert empty.position()["stop_loss"] == 49
    empty.run("UPDATE active_positions SET max_hold_minutes = NULL")
    guarded(empty, 2, compared="large")
    live = [it for it in empty.broker.orders.values() if it.status == "working"]
    assert [(str(it.stop_price), str(it.quantity)) for it in live] == [("49.00", "38")]
    sound(empty)


def test_a_stop_of_the_old_shares_is_not_the_stop_of_the_new_ones(
    swing: TradingBench, lose: Lose
) -> None:
    """The broker left it, and the split was read before the rebuild."""
    swing.broker.split("AAA", "2", "1", resting="left")
    empty = lose(swing)
    at_open(empty, "50.20")
    announce(empty, TWO_FOR_ONE)
    rebuild(empty)
    empty.next_minute()
    empty.reconcile("large")
    assert (empty.position()["quantity"], empty.position()["stop_loss"]) == (38, 49)


def test_what_was_sold_after_the_split_proves_no_loss_and_leaves_no_short(
    split: TradingBench, lose: Lose
) -> None:
    at_open(split, "48.90")
    split.broker.fill(str(split.orders("stop")[-1]["client_order_id"]), "48.95")
    guarded(split, 2)
    assert split.position()["status"] == "closed"
    empty = lose(split)
    empty.clock.advance(900)
    rebuild(empty)
    for _ in range(3):
        empty.next_minute()
        empty.reconcile("large")
    (history,) = empty.rows("SELECT quantity, verified, pnl_dollars FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    assert "oversold" not in empty.alerts()
    with empty.db.transaction() as tx:
        assert orders.short_of(tx, "large", "AAA") == 0
    assert halt(empty) is None
    assert empty.rows("SELECT 1 FROM corporate_action_holds WHERE ended_at IS NULL") == []
    sound(empty)


def test_a_stop_of_few_dear_shares_is_no_stop_of_many_cheap_ones(
    swing: TradingBench, lose: Lose
) -> None:
    announce(swing, ONE_FOR_TEN)
    swing.broker.split("AAA", "1", "10")
    swing.broker.move_cash("SPLIT", "900.00", symbol="AAA")
    swing.reconcile()
    before_open(swing)
    empty = lose(swing)
    at_open(empty, "1000.00")
    rebuild(empty)
    for _ in range(2):
        empty.next_minute()
        empty.reconcile("large")
    assert (empty.position()["quantity"], empty.position()["stop_loss"]) == (1, 980)
    empty.run("UPDATE active_positions SET max_hold_minutes = NULL")
    guarded(empty, 2, compared="large")
    assert empty.orders("exit") == []
