"""What counts as a difference from the broker: at rest all of it, in a session what has settled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerPosition
from ops_pipeline.domain.legible import IllegibleItem, ItemKind
from ops_pipeline.domain.operations.invariants import (
    AT_REST,
    BrokerRecords,
    LedgerOrder,
    LedgerRecords,
    Period,
    against_broker,
)

NOW = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
SETTLED = NOW - timedelta(minutes=3)
SINCE = NOW - timedelta(days=4)
PERIOD = Period(SINCE, SETTLED)
LONG_AGO, JUST_NOW, BEFORE = NOW - timedelta(hours=1), NOW, SINCE - timedelta(minutes=1)
HELD = BrokerPosition("AAA", Decimal(3), Decimal(3), Decimal(10))


def listed(**changes: Any) -> BrokerOrder:
    values: dict[str, Any] = {
        "broker_order_id": "b1",
        "client_order_id": "o1",
        "symbol": "AAA",
        "side": "buy",
        "order_type": "limit",
        "quantity": Decimal(3),
        "filled_quantity": Decimal(3),
        "filled_average_price": Decimal(10),
        "status": "filled",
        "raw_status": "filled",
        "submitted_at": LONG_AGO,
        "updated_at": LONG_AGO,
    }
    return BrokerOrder(**{**values, **changes})


def ours(**changes: Any) -> LedgerOrder:
    values: dict[str, Any] = {
        "client_order_id": "o1",
        "broker_order_id": "b1",
        "symbol": "AAA",
        "filled_qty": Decimal(3),
        "live": False,
        "decided_at": LONG_AGO,
    }
    return LedgerOrder(**{**values, **changes})


def fill(at: datetime, fill_id: str = "f1") -> BrokerFill:
    return BrokerFill(fill_id, "b1", "AAA", "buy", Decimal(3), Decimal(10), at)


def own(**changes: Any) -> LedgerRecords:
    values: dict[str, Any] = {"orders": [ours()], "positions": {"AAA": Decimal(3)}, "fills": {}}
    return LedgerRecords(**{**values, **changes})


def broker(**changes: Any) -> BrokerRecords:
    values: dict[str, Any] = {"orders": [listed()], "positions": [HELD], "fills": []}
    return BrokerRecords(**{**values, **changes})


def found(mine: LedgerRecords, theirs: BrokerRecords, period: Period) -> list[str]:
    return [breach.subject for breach in against_broker("large", mine, theirs, period)]


@pytest.mark.parametrize("period", [AT_REST, PERIOD])
def test_two_equal_sides_have_none(period: Period) -> None:
    assert found(own(fills={"f1": LONG_AGO}), broker(fills=[fill(LONG_AGO)]), period) == []


@pytest.mark.parametrize("period", [AT_REST, PERIOD])
def test_what_settled_long_ago_differs(period: Period) -> None:
    assert found(own(orders=[ours(filled_qty=Decimal(1))]), broker(), period) == ["o1"]
    assert found(own(orders=[]), broker(), period) == ["o1"]
    assert found(own(positions={}), broker(), period) == ["AAA"]
    assert found(own(orders=[ours(live=True)]), broker(orders=[]), period) == ["o1"]
    assert found(own(), broker(fills=[fill(LONG_AGO)]), period) == ["f1"]
    assert found(own(fills={"f1": LONG_AGO}), broker(), period) == ["f1"]


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (own(orders=[]), broker(orders=[listed(updated_at=JUST_NOW)])),
        (own(positions={}), broker(orders=[listed(updated_at=JUST_NOW)])),
        (own(positions={}), broker(fills=[fill(JUST_NOW)])),
        (own(fills={"f1": JUST_NOW}), broker()),
        (own(orders=[ours(live=True, decided_at=JUST_NOW)]), broker(orders=[])),
        (own(orders=[ours(decided_at=JUST_NOW)], positions={}), broker(orders=[])),
    ],
    ids=["order", "position by order", "position by fill", "late fill", "sent", "just sent"],
)
def test_what_either_side_did_just_now_is_none_in_a_session(
    mine: LedgerRecords, theirs: BrokerRecords
) -> None:
    assert found(mine, theirs, PERIOD) == []
    assert found(mine, theirs, AT_REST) != []


def test_what_is_older_than_the_broker_s_lists_is_not_expected_in_them() -> None:
    mine = own(orders=[ours(live=True, decided_at=BEFORE)], fills={"f1": BEFORE})
    assert found(mine, broker(orders=[]), PERIOD) == []
    assert found(mine, broker(orders=[]), AT_REST) == ["o1", "f1"]


@pytest.mark.parametrize("kind", ["position", "order", "fill"])
def test_what_an_illegible_item_may_be_is_not_missing(kind: ItemKind) -> None:
    odd = IllegibleItem(kind=kind, name="n", reason="r", content="{}")
    mine = own(orders=[ours(live=True)], fills={"f1": LONG_AGO})
    missing = {"position": "AAA", "order": "o1", "fill": "f1"}
    theirs = broker(orders=[], positions=[], illegible=[odd])
    subjects = found(mine, theirs, PERIOD)
    assert set(subjects) == {*missing.values()} - {missing[kind]}


def test_other_symbols_are_compared_while_one_moves() -> None:
    theirs = broker(
        orders=[listed(updated_at=JUST_NOW)],
        positions=[HELD, BrokerPosition("BBB", Decimal(1), Decimal(1), Decimal(5))],
    )
    assert found(own(positions={}), theirs, PERIOD) == ["BBB"]
