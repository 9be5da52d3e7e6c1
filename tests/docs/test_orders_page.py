"""docs/orders.md draws the states and steps that the code knows, no more and no fewer."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.orders import LIVE, Order, Status, status_after

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "orders.md").read_text()
ORDER, POSITION = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
NEVER_HEARD = ("intended", "unknown", "not_placed")
NOON = datetime(2026, 2, 4, 17, tzinfo=UTC)

# Decided here without a report of the broker: OrderGateway.send and recovery.
OURS = {
    ("intended", "unknown"),
    ("intended", "not_placed"),
    ("unknown", "not_placed"),
}


def _steps(picture: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^ +(\w+|\[\*\]) --> (\w+|\[\*\])", picture, re.MULTILINE))


def _inner(picture: str) -> set[tuple[str, str]]:
    return {(before, after) for before, after in _steps(picture) if "[*]" not in (before, after)}


def _order(status: Status, *, heard: bool, missed: bool = False) -> Order:
    """An order of 10 in that state, as far filled as the state says.

    Args:
        heard: The broker acknowledged it.
        missed: And showed it no more since.
    """
    filled = {"filled": 10, "partially_filled": 4}.get(status, 0)
    return Order(
        client_order_id="id", account_name="large", execution_mode="ALPACA_PAPER", broker="alpaca",
        purpose="entry", recommendation_id=1,
        position_id=None, attempt=1, ticker="AAA", symbol="AAA", instrument_type="STOCK",
        multiplier=1, side="buy", quantity=Decimal(10), order_type="limit", price=Decimal(10),
        reason="signal", decided_at=NOON, tick=NOON, parameter_version=1, status=status,
        filled_qty=Decimal(filled), broker_order_id="b" if heard else None,
        missed_at=NOON if missed else None,
    )  # fmt: skip


def _reachable() -> set[tuple[str, str]]:
    """Every step that the broker's word can make of each state."""
    found = set()
    states = [
        (status, heard)
        for status in get_args(Status)
        # A refusal may come with an order that the broker keeps, or without.
        for heard in {status not in NEVER_HEARD, status not in (*NEVER_HEARD, "rejected")}
    ]
    said = product(states, (False, True), get_args(Status), (0, 4, 7, 10))
    for (before, heard), missed, told, filled in said:
        order = _order(before, heard=heard, missed=missed)
        if Decimal(filled) < order.filled_qty or told in ("intended", "unknown", "not_placed"):
            continue
        after = status_after(order, told, Decimal(filled))
        if (after == "filled") == (filled == 10):
            found.add((before, after))
    return {(before, after) for before, after in found if before != after}


def test_the_picture_names_each_state_of_an_order() -> None:
    assert {state for step in _inner(ORDER) for state in step} == set(get_args(Status))


def test_each_step_of_the_picture_is_one_the_code_can_make() -> None:
    assert _inner(ORDER) - OURS <= _reachable()


def test_every_step_out_of_a_live_state_that_the_code_can_make_is_drawn() -> None:
    """But for those that an older answer would undo, and ends an instant after the intent."""
    undrawn = {
        (before, after)
        for before, after in _reachable() - _inner(ORDER)
        if before in LIVE and after not in ("accepted", "canceled", "expired", "rejected")
    }
    assert undrawn == set()


def test_every_step_out_of_an_end_that_the_code_can_make_is_drawn() -> None:
    assert {step for step in _reachable() - _inner(ORDER) if step[0] not in LIVE} == set()


@pytest.mark.parametrize("status", sorted(set(get_args(Status)) - LIVE))
def test_what_ended_is_drawn_as_an_end(status: str) -> None:
    assert (status, "[*]") in _steps(ORDER)


def test_what_ended_stays_ended_in_the_code_too() -> None:
    for status in ("filled", "canceled", "expired", "rejected"):
        ended = _order(status, heard=True)
        assert status_after(ended, "accepted", ended.filled_qty) == status


def test_the_database_knows_the_same_states(db: Database) -> None:
    with db.transaction() as tx:
        rows = tx.rows(
            "SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS told"
            " FROM pg_constraint WHERE conname IN"
            " ('orders_status_check', 'active_positions_status_check')"
        )
    told = {row["name"]: set(re.findall(r"'(\w+)'", row["told"])) for row in rows}
    assert told["orders"] == {state for step in _inner(ORDER) for state in step}
    assert told["active_positions"] == {state for step in _inner(POSITION) for state in step}


def test_each_arrow_has_an_answer_to_what_happens_when_it_dies_there() -> None:
    answered = " ".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))
    for before, after in _inner(ORDER):
        assert f"`{before}`" in answered or after in answered, (before, after)
