"""What raw SQL by the stages' own login tried to get past the caps, and can't."""

from collections.abc import Callable

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import CapExceeded, ConstraintViolated
from tests.db.stored_entries import insert, used
from tests.support.builders_trading import ELEVEN, TradingBench

_RAW = """
INSERT INTO orders (client_order_id, account_name, purpose, recommendation_id, attempt, ticker,
    symbol, instrument_type, multiplier, side, quantity, order_type, price, time_in_force,
    reserved_notional, status, reason, decided_at, tick, filled_qty, filled_avg_price,
    broker_order_id, acknowledged_at)
VALUES ('raw', 'large', 'entry', :recommendation, 1, 'AAA', 'AAA', 'STOCK', 1, 'buy',
    100, 'limit', 1000, 'day', :reserved, :status, 'signal', :at, :at, :filled, :average,
    :broker_id, :at)
"""
Refusal = (CapExceeded, ConstraintViolated, DatabaseError)


@pytest.fixture
def bench(db: Database) -> TradingBench:
    """Account `large`: 5 positions, $10,000."""
    return TradingBench(db)


@pytest.mark.parametrize(
    ("status", "filled", "broker_id"),
    [
        ("unknown", 99, None),
        ("unknown", 99, "b-1"),
        ("intended", 99, None),
        ("accepted", 99, "b-1"),
        ("partially_filled", 99, "b-1"),
        ("accepted", 0, "b-1"),
        ("unknown", 0, None),
    ],
)
def test_an_entry_can_not_be_inserted_as_if_it_had_been_sent_or_filled(
    bench: TradingBench, status: str, filled: int, broker_id: str | None
) -> None:
    """$100,000 of stock with a reservation of what is said to be left."""
    number = bench.recommend()
    with pytest.raises(Refusal), bench.db.transaction() as tx:
        tx.execute(
            _RAW,
            recommendation=number,
            reserved=(100 - filled) * 1000,
            status=status,
            filled=filled,
            average=1000 if filled else None,
            broker_id=broker_id,
            at=ELEVEN,
        )
    assert bench.orders() == []


@pytest.mark.parametrize(
    "change",
    [
        "status = 'unknown', filled_qty = 9, filled_avg_price = 100, reserved_notional = 100",
        "status = 'not_placed', broker_order_id = 'b-9', terminal_at = decided_at",
        "price = 1, reserved_notional = 10",
        "quantity = 1, reserved_notional = 100",
    ],
)
def test_an_intent_s_room_is_not_given_back_while_it_may_have_been_sent(
    bench: TradingBench, change: str
) -> None:
    insert(bench, "AAA")
    with pytest.raises(Refusal):
        bench.run(f"UPDATE orders SET {change}")
    assert used(bench) == (1, 1000)


@pytest.mark.parametrize(
    "change",
    [
        "price = 1, reserved_notional = 10",
        "quantity = 5, reserved_notional = 500",
        "symbol = 'BBB', ticker = 'BBB'",
        "decided_at = decided_at - interval '2 days'",
        "broker_order_id = 'another'",
    ],
)
def test_the_terms_of_an_order_stand_once_it_was_sent(bench: TradingBench, change: str) -> None:
    insert(bench, "AAA")
    bench.run("UPDATE orders SET status = 'accepted', broker_order_id = 'b-1'")
    with pytest.raises(Refusal):
        bench.run(f"UPDATE orders SET {change}")
    assert used(bench) == (1, 1000)


def test_an_order_that_was_never_placed_comes_back_only_by_the_broker_s_word(
    bench: TradingBench,
) -> None:
    """Turned `unknown` and reopened, it would have stood beside what took its room."""
    insert(bench, "AAA", "90")
    bench.run(
        "UPDATE orders SET status = 'not_placed', terminal_at = decided_at, reserved_notional = 0"
    )
    insert(bench, "BBB", "90")
    for word in ("unknown", "intended"):
        with pytest.raises(Refusal):
            bench.run(
                "UPDATE orders SET status = :word, broker_order_id = 'b-1', terminal_at = NULL,"
                " reopened_at = decided_at, reserved_notional = 9000 WHERE symbol = 'AAA'",
                word=word,
            )
    assert used(bench) == (1, 9000)


@pytest.mark.parametrize("status", ["intended", "unknown"])
def test_an_adopted_order_is_never_one_that_recovery_would_send(
    bench: TradingBench, status: str
) -> None:
    """A buy beside a position, under its reason: it passed no cap, and was sent again as a sale."""
    bench.buy()
    with pytest.raises(Refusal, match="orders_adopted_is_at_the_broker"):
        bench.run(
            f"""INSERT INTO orders SELECT (jsonb_populate_record(o, to_jsonb(o) || '{{
                "client_order_id": "raw", "purpose": "adopted", "recommendation_id": null,
                "status": "{status}", "filled_qty": 0, "filled_avg_price": null,
                "terminal_at": null, "broker_order_id": null, "reason": "stop_loss"
            }}')).* FROM orders AS o"""
        )


@pytest.mark.parametrize("table", ["accounts", "orders", "active_positions", "total_order_limits"])
def test_no_temporary_table_stands_in_the_place_of_one_of_ours(
    bench: TradingBench, table: str
) -> None:
    with pytest.raises(DatabaseError, match="42501"):
        bench.run(f"CREATE TEMPORARY TABLE {table} AS SELECT 1 AS one")


@pytest.mark.parametrize("table", ["accounts", "orders", "active_positions", "total_order_limits"])
def test_the_trigger_reads_our_tables_whatever_stands_before_them(
    bench: TradingBench, owner_db: Database, table: str
) -> None:
    """Even for a login that may make temporary tables."""
    number = bench.recommend("BBB")
    insert(bench, "AAA", "100")

    def store_beside_a_temporary_table() -> None:
        with owner_db.transaction() as tx:
            tx.execute(f"CREATE TEMPORARY TABLE {table} (LIKE public.{table} INCLUDING DEFAULTS)")
            tx.execute(
                _RAW.replace("INTO orders", "INTO public.orders").replace("'AAA'", "'BBB'"),
                recommendation=number,
                reserved=100_000,
                status="intended",
                filled=0,
                average=None,
                broker_id=None,
                at=ELEVEN,
            )

    with pytest.raises(CapExceeded):
        store_beside_a_temporary_table()


def test_every_function_of_ours_fixes_its_search_path_or_can_not_be_led_astray(
    owner_db: Database,
) -> None:
    """A body in the SQL standard's form is bound to its tables when it is created."""
    with owner_db.transaction() as tx:
        loose = tx.rows(
            "SELECT p.proname FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace"
            " WHERE n.nspname = 'public' AND p.prosqlbody IS NULL AND NOT EXISTS ("
            "  SELECT 1 FROM unnest(p.proconfig) AS c (setting)"
            "  WHERE setting = 'search_path=pg_catalog, public, pg_temp')"
        )
    assert loose == []


@pytest.fixture
def limited(bench: TradingBench, owner_db: Database) -> Callable[..., None]:
    """Sets the limits of `large`, and with `total_` of all accounts together."""

    def limit(**values: int) -> None:
        with owner_db.transaction() as tx:
            for name, value in values.items():
                of_all = name.startswith("total_")
                table = "total_order_limits" if of_all else "accounts"
                where = "" if of_all else " WHERE account_name = 'large'"
                column = name.removeprefix("total_")
                tx.execute(f"UPDATE {table} SET {column} = :value{where}", value=value)

    return limit


@pytest.mark.parametrize(
    ("limits", "constraint"),
    [
        ({"max_orders_per_minute": 2}, "orders_within_limit_per_minute"),
        ({"max_orders_per_day": 2}, "orders_within_limit_per_day"),
        ({"max_turnover_per_day": 2999}, "orders_within_turnover_per_day"),
        ({"max_order_notional": 999}, "orders_within_limit_of_one_order"),
        ({"total_max_orders_per_minute": 2}, "orders_within_limit_per_minute"),
        ({"total_max_orders_per_day": 2}, "orders_within_limit_per_day"),
        ({"total_max_turnover_per_day": 2999}, "orders_within_turnover_per_day"),
    ],
)
def test_the_third_entry_passes_a_limit_on_orders(
    bench: TradingBench,
    limited: Callable[..., None],
    limits: dict[str, int],
    constraint: str,
) -> None:
    insert(bench, "AAA")
    insert(bench, "BBB")
    limited(**limits)
    with pytest.raises(CapExceeded, match="Order limit") as refusal:
        insert(bench, "CCC")
    assert refusal.value.constraint == constraint


def test_the_minute_s_limit_passes_with_the_minute(
    bench: TradingBench, limited: Callable[..., None]
) -> None:
    limited(max_orders_per_minute=1)
    insert(bench, "AAA")
    with pytest.raises(CapExceeded):
        insert(bench, "BBB")
    bench.run(
        "UPDATE orders SET status = 'canceled', terminal_at = decided_at, reserved_notional = 0"
    )
    number = bench.recommend("DDD")
    with bench.db.transaction() as tx:
        tx.execute(
            _RAW.replace("100, 'limit', 1000", "1, 'limit', 1000"),
            recommendation=number,
            reserved=1000,
            status="intended",
            filled=0,
            average=None,
            broker_id=None,
            at=ELEVEN.replace(minute=2),
        )


def test_what_ended_unfilled_counts_as_an_order_but_not_as_turnover(
    bench: TradingBench, limited: Callable[..., None]
) -> None:
    limited(max_turnover_per_day=1500)
    insert(bench, "AAA")
    bench.run(
        "UPDATE orders SET status = 'canceled', terminal_at = decided_at, reserved_notional = 0"
    )
    insert(bench, "BBB")
    limited(max_orders_per_day=2)
    with pytest.raises(CapExceeded):
        insert(bench, "CCC", "1", "1")
