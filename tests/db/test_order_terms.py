"""What an order is said to be stands, for the stages' own login too."""

import pytest
from pg8000.exceptions import DatabaseError

from ops_pipeline.errors import CapExceeded
from tests.db.stored_entries import insert
from tests.support.builders_trading import TradingBench

_TERMS = [
    "quantity = quantity * 50, reserved_notional = reserved_notional * 50",
    "price = price * 2",
    "order_type = 'market', price = NULL",
    "time_in_force = CASE time_in_force WHEN 'gtc' THEN 'day' ELSE 'gtc' END",
    "ticker = 'ZZZ'",
    "instrument_type = 'CALL', multiplier = 100",
]
_IDENTITY = [
    "client_order_id = 'renamed'",
    "attempt = 77",
    "decided_at = decided_at - interval '2 days'",
    "tick = tick - interval '2 days'",
]


def _stand(bench: TradingBench, purpose: str, change: str) -> None:
    with pytest.raises(DatabaseError, match=r"never change|terms stand"):
        bench.run(f"UPDATE orders SET {change} WHERE purpose = :purpose", purpose=purpose)


@pytest.fixture
def resting(bench: TradingBench) -> TradingBench:
    """A position in AAA with its stop, and a close of it whose sale rests in the stop's place."""
    bench.buy()
    bench.next_minute()
    bench.guard()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.next_minute()
    bench.guard()
    return bench


@pytest.mark.parametrize("change", [*_TERMS, *_IDENTITY])
@pytest.mark.parametrize("purpose", ["exit", "stop"])
def test_the_terms_of_a_sale_stand_as_those_of_a_purchase(
    resting: TradingBench, purpose: str, change: str
) -> None:
    """A stop for fifty times the shares, or under an id that the broker does not know."""
    _stand(resting, purpose, change)


@pytest.mark.parametrize("change", _IDENTITY)
def test_an_intent_keeps_its_id_and_its_minute(bench: TradingBench, change: str) -> None:
    """Dated to another day it would no longer count under the limits of its own."""
    insert(bench, "AAA")
    _stand(bench, "entry", change)


def test_an_intent_becomes_no_other_order_in_the_moment_it_is_acknowledged(
    bench: TradingBench,
) -> None:
    insert(bench, "AAA")
    _stand(
        bench,
        "entry",
        "quantity = 20, reserved_notional = 2000, status = 'accepted', broker_order_id = 'b-1'",
    )


@pytest.mark.parametrize(
    ("limit", "constraint"),
    [
        ("max_order_notional", "orders_within_limit_of_one_order"),
        ("max_turnover_per_day", "orders_within_turnover_per_day"),
    ],
)
def test_an_intent_does_not_grow_past_the_limits_on_orders(
    bench: TradingBench, limit: str, constraint: str
) -> None:
    bench.run(f"UPDATE accounts SET {limit} = 1500")
    insert(bench, "AAA")
    with pytest.raises(CapExceeded) as refused:
        bench.run("UPDATE orders SET quantity = 90, reserved_notional = 9000")
    assert refused.value.constraint == constraint


def test_what_comes_back_to_be_sent_passes_the_limits_on_orders(bench: TradingBench) -> None:
    """Ended, it no longer counted as turnover, and another took its room."""
    bench.set_account(max_turnover_per_day=1500)
    insert(bench, "AAA")
    bench.run(
        "UPDATE orders SET status = 'not_placed', terminal_at = decided_at, reserved_notional = 0"
    )
    insert(bench, "BBB")
    with pytest.raises(CapExceeded) as refused:
        bench.run(
            "UPDATE orders SET status = 'intended', terminal_at = NULL, reopened_at = decided_at,"
            " reserved_notional = 1000 WHERE symbol = 'AAA'"
        )
    assert refused.value.constraint == "orders_within_turnover_per_day"
