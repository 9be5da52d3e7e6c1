"""Our books beside the broker's: a difference halts entries and says why."""

from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import AccountMismatch, BrokerUnavailable, StageFailed
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import TickRequest
from tests.builders_trading import Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def reconcile(desk: Desk) -> reconciler.Outcome:
    return reconciler.run(
        TickRequest(tick=desk.tick),
        db=desk.db,
        broker=lambda name: desk.brokers[name],
        clock=desk.clock,
        journal=desk.notes,
    )


def halt(desk: Desk, account: str = "large") -> object:
    found = desk.rows("SELECT books_halt FROM accounts WHERE account_name = :a", a=account)
    return found[0]["books_halt"]


def test_books_that_agree_raise_nothing(desk: Desk) -> None:
    desk.buy()
    outcome = reconcile(desk)
    assert (outcome.accounts, outcome.positions_compared, outcome.differences) == (2, 1, 0)
    assert desk.alerts() == []
    assert halt(desk) is None


def test_a_quantity_that_differs_halts_entries_and_names_both_sides(desk: Desk) -> None:
    desk.buy()
    desk.broker.hold("AAA", "12", "100.00")
    assert reconcile(desk).differences == 1
    assert desk.alerts() == ["position_quantity_differs"]
    assert halt(desk) == "AAA: we hold 19, the broker says 12"
    assert halt(desk, "tiny") is None

    number = desk.recommend("BBB")
    desk.dispatch()
    assert "Halted by books: AAA: we hold 19" in desk.recommendation(number)["failure_reason"]


def test_a_position_gone_at_the_broker_stays_open_here(desk: Desk) -> None:
    desk.buy()
    desk.broker.hold("AAA", "0", "100.00")
    reconcile(desk)
    assert desk.position()["status"] == "open"
    assert not desk.rows("SELECT 1 FROM position_history")


def test_a_position_and_an_order_nobody_placed_are_reported(desk: Desk) -> None:
    desk.broker.hold("ZZZ", "5", "10.00")
    desk.broker.submit(OrderRequest("by hand", "YYY", "buy", Decimal(1), "limit", Decimal(10)))
    assert reconcile(desk).differences == 2
    assert desk.alerts() == ["order_unknown_to_us", "position_unknown_to_us"]


def test_an_order_of_the_other_account_is_a_strangers(desk: Desk) -> None:
    desk.recommend()
    desk.dispatch()
    (sent,) = desk.broker.submitted
    desk.brokers["tiny"].submit(sent)
    assert reconcile(desk).differences == 1
    assert desk.rows("SELECT scope, kind FROM alerts") == [
        {"scope": "tiny", "kind": "order_unknown_to_us"}
    ]


def test_entries_are_released_once_the_books_agree_again(desk: Desk) -> None:
    desk.broker.hold("ZZZ", "5", "10.00")
    reconcile(desk)
    desk.broker.hold("ZZZ", "0", "10.00")
    reconcile(desk)
    assert halt(desk) is None
    assert desk.alerts() == []


@pytest.mark.parametrize("error", [BrokerUnavailable("503"), AccountMismatch("another account")])
def test_an_account_that_cannot_be_read_fails_the_stage_and_changes_nothing(
    desk: Desk, error: BrokerUnavailable | AccountMismatch
) -> None:
    desk.buy()
    desk.brokers["tiny"].hold("ZZZ", "5", "10.00")
    desk.broker.fail("positions", error)
    with pytest.raises(StageFailed, match=f"large: {type(error).__name__}"):
        reconcile(desk)
    assert halt(desk) is None
    assert desk.position()["status"] == "open"
    assert halt(desk, "tiny") is not None


def test_a_simulated_account_has_no_broker_to_compare_with(desk: Desk) -> None:
    desk.set_account(execution_mode="SIMULATED")
    assert reconcile(desk).accounts == 1
    assert not desk.broker.calls
