"""The last gate: no raw SQL commits an entry that passes a cap of its account."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress

import pytest
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import CapExceeded, ConstraintViolated
from tests.db.stored_entries import insert, store, used
from tests.support.builders_trading import TradingBench

_GIVE_UP = """
UPDATE orders SET status = 'not_placed', terminal_at = decided_at, reserved_notional = 0
"""
_MAKE_ROOM = """
UPDATE orders SET status = 'canceled', terminal_at = decided_at, reserved_notional = 0
WHERE is_live(status)
"""


def refused(bench: TradingBench, sql: str) -> str:
    """Run an UPDATE that must be refused; the name of the cap."""
    with pytest.raises(CapExceeded) as refusal:
        bench.run(sql)
    return str(refusal.value.constraint)


def test_an_entry_may_fill_the_exposure_to_the_dollar_and_not_a_cent_more(
    bench: TradingBench,
) -> None:
    insert(bench, "AAA", "90")
    insert(bench, "BBB", "10")
    with pytest.raises(CapExceeded, match="Exposure") as refusal:
        insert(bench, "CCC", "1", "0.01")
    assert refusal.value.constraint == "orders_within_max_exposure"
    assert used(bench) == (2, 10000)


def test_the_sixth_symbol_is_refused(bench: TradingBench) -> None:
    for symbol in ("AAA", "BBB", "CCC", "DDD", "EEE"):
        insert(bench, symbol)
    with pytest.raises(CapExceeded, match="At position limit: 6 of 5") as refusal:
        insert(bench, "FFF")
    assert refusal.value.constraint == "orders_within_max_positions"


def test_options_count_a_hundred_shares_a_contract(bench: TradingBench) -> None:
    insert(bench, "AAA260220C00100000", "19", "5", kind="CALL")
    assert used(bench)[1] == 9500
    with pytest.raises(CapExceeded, match="Exposure"):
        insert(bench, "BBB260220C00100000", "2", "5", kind="CALL")


def test_an_option_cannot_be_stored_without_its_hundred_shares(bench: TradingBench) -> None:
    insert(bench, "AAA260220C00100000", "1", "5", kind="CALL")
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run("UPDATE orders SET multiplier = 1")
    assert refusal.value.constraint == "orders_hundred_shares_a_contract"


def test_less_cannot_be_reserved_than_an_entry_may_cost(bench: TradingBench) -> None:
    insert(bench, "AAA")
    with pytest.raises(ConstraintViolated) as refusal:
        bench.run("UPDATE orders SET reserved_notional = 1")
    assert refusal.value.constraint == "orders_live_entry_reserves_its_cost"


@pytest.mark.parametrize(
    "change",
    [
        "quantity = 101, reserved_notional = 10100",
        "price = 1001, reserved_notional = 10010",
        "reserved_notional = 10001",
        "instrument_type = 'CALL', multiplier = 100, reserved_notional = 100000",
    ],
)
def test_an_update_that_would_pass_the_exposure_cap_is_refused(
    bench: TradingBench, change: str
) -> None:
    insert(bench, "AAA")
    assert refused(bench, f"UPDATE orders SET {change}") == "orders_within_max_exposure"
    assert used(bench) == (1, 1000)


def test_an_update_that_stays_within_the_caps_passes(bench: TradingBench) -> None:
    insert(bench, "AAA")
    bench.run("UPDATE orders SET quantity = 100, reserved_notional = 10000")
    assert used(bench) == (1, 10000)


def test_another_symbol_by_update_counts_as_another_place(bench: TradingBench) -> None:
    bench.set_account(max_positions=2)
    insert(bench, "AAA")
    insert(bench, "BBB")
    bench.run("UPDATE orders SET symbol = 'CCC', ticker = 'CCC' WHERE symbol = 'BBB'")
    bench.set_account(max_positions=1)
    assert (
        refused(bench, "UPDATE orders SET symbol = 'DDD', ticker = 'DDD' WHERE symbol = 'CCC'")
        == "orders_within_max_positions"
    )


def test_an_ended_entry_brought_back_by_hand_is_refused_over_the_cap(bench: TradingBench) -> None:
    insert(bench, "AAA", "90")
    bench.run(
        "UPDATE orders SET status = 'canceled', terminal_at = decided_at, reserved_notional = 0"
    )
    insert(bench, "BBB", "90")
    back = (
        "UPDATE orders SET status = 'intended', terminal_at = NULL, reserved_notional = 9000"
        " WHERE symbol = 'AAA'"
    )
    assert refused(bench, back) == "orders_within_max_exposure"


def test_an_entry_moved_to_a_smaller_account_is_refused(bench: TradingBench) -> None:
    insert(bench, "AAA", "30")
    assert refused(bench, "UPDATE orders SET account_name = 'tiny'") == "orders_within_max_exposure"


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_an_isolation_that_does_not_see_the_others_is_refused(
    bench: TradingBench, level: str
) -> None:
    number = bench.recommend()

    def store_at_that_level() -> None:
        with bench.db.transaction() as tx:
            tx.script(f"SET TRANSACTION ISOLATION LEVEL {level}")
            store(tx, "AAA", number)

    with pytest.raises(CapExceeded, match="READ COMMITTED only"):
        store_at_that_level()
    assert not bench.orders()


def test_open_and_closing_positions_count_at_cost(bench: TradingBench) -> None:
    bench.buy()
    for status in ("open", "closing"):
        bench.run("UPDATE active_positions SET status = :status", status=status)
        with pytest.raises(CapExceeded, match=r"Exposure \$10001"):
            insert(bench, "BBB", "8101", "1")


def test_a_closed_position_no_longer_counts(bench: TradingBench) -> None:
    bench.buy()
    bench.run(
        "UPDATE active_positions SET status = 'closed', quantity = 0, close_reason = 'operator',"
        " closed_at = entry_time"
    )
    insert(bench, "BBB", "100")


def test_a_symbol_held_and_bought_counts_once(bench: TradingBench) -> None:
    bench.buy()
    bench.set_account(max_positions=1)
    insert(bench, "AAA")
    with pytest.raises(CapExceeded, match="At position limit"):
        insert(bench, "BBB")


def test_accounts_do_not_use_each_others_room(bench: TradingBench) -> None:
    insert(bench, "AAA", "100")
    insert(bench, "AAA", "20", account="tiny")
    with pytest.raises(CapExceeded):
        insert(bench, "BBB", "1", account="tiny")


def test_facts_are_never_refused(bench: TradingBench) -> None:
    """Fills, an end, and a position the broker holds are written whatever the caps say."""
    bench.recommend()
    bench.broker.at_once["AAA"] = ("100.00", "5")
    bench.dispatch()
    bench.set_account(max_positions=0, max_exposure=0)
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.05", "4")
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.position()["quantity"]) == ("canceled", 9)


def test_an_order_that_turns_up_after_it_was_given_up_is_a_fact(bench: TradingBench) -> None:
    insert(bench, "AAA")
    bench.run(_GIVE_UP)
    bench.set_account(max_exposure=0)
    bench.run(
        "UPDATE orders SET status = 'accepted', terminal_at = NULL, reopened_at = decided_at,"
        " broker_order_id = 'there after all', reserved_notional = 1000"
    )
    assert used(bench) == (1, 1000)


def test_a_reopened_order_reserves_no_more_than_it_may_cost(bench: TradingBench) -> None:
    insert(bench, "AAA")
    bench.run(_GIVE_UP)
    assert (
        refused(
            bench,
            "UPDATE orders SET status = 'accepted', terminal_at = NULL, reopened_at = decided_at,"
            " broker_order_id = 'there after all', reserved_notional = 98630",
        )
        == "orders_within_max_exposure"
    )


def test_what_was_filled_and_ended_is_never_taken_back(bench: TradingBench) -> None:
    bench.buy()
    for change in (
        "filled_qty = 1",
        "status = 'accepted', terminal_at = NULL, filled_qty = 1",
        "side = 'sell', purpose = 'adopted'",
    ):
        with pytest.raises(DatabaseError, match="OP002"):
            bench.run(f"UPDATE orders SET {change}")


@pytest.fixture
def two(database_urls: DatabaseUrls) -> Iterator[list[Database]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                closing(Database(target_from_url(database_urls.writer), application_name="racer"))
            )
            for _ in range(2)
        ]


def test_two_connections_racing_never_pass_the_cap_and_never_deadlock(
    bench: TradingBench, two: list[Database]
) -> None:
    """Each tries to take the last place, over and over, with the other at its heels."""
    rounds = 25
    bench.set_account(max_positions=1, max_exposure=1000)
    numbers = {side: [bench.recommend(f"{side}{n}") for n in range(rounds)] for side in "AB"}
    start = threading.Barrier(2, timeout=30)

    def race(side: str, database: Database) -> list[str]:
        won = []
        for n, number in enumerate(numbers[side]):
            start.wait()
            with suppress(CapExceeded):
                with database.transaction() as tx:
                    store(tx, f"{side}{n}", number)
                won.append(f"{side}{n}")
            start.wait()
            if side == "A":
                with database.transaction() as tx:
                    tx.execute(_MAKE_ROOM)
            start.wait()
        return won

    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(race, side, db) for side, db in zip("AB", two, strict=True)]
        won = [symbol for one in running for symbol in one.result()]

    assert sorted(symbol[1:] for symbol in won) == sorted(str(n) for n in range(rounds))


def test_without_the_trigger_the_caps_would_be_passed(
    bench: TradingBench, owner_db: Database
) -> None:
    """Shows that the tests above can fail: it is this trigger that holds the caps."""
    with owner_db.transaction() as tx:
        tx.script("DROP TRIGGER orders_entry_within_caps ON orders")
    for symbol in ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF"):
        insert(bench, symbol, "100")
    assert used(bench) == (6, 60000)
