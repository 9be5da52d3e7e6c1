"""Our books beside the broker's: a difference halts entries and says why."""

from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db import facts, invariants
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
    """A minute later: what changes while it asks is left to the next run."""
    desk.next_minute()
    return reconciler.run(
        TickRequest(tick=desk.tick),
        db=desk.db,
        road=desk.road,
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


def test_what_is_gone_is_believed_at_the_second_look_and_closed_without_a_price(
    desk: Desk,
) -> None:
    desk.buy()
    desk.broker.hold("AAA", "0", "100.00")
    first = reconcile(desk)
    assert (first.unsettled, desk.position()["status"]) == (1, "open")
    assert reconcile(desk).closed == 1
    assert desk.position()["status"] == "closed"
    (history,) = desk.rows("SELECT verified, exit_price, exit_reason FROM position_history")
    assert history == {"verified": False, "exit_price": None, "exit_reason": "missing_at_broker"}
    assert reconcile(desk).differences == 0
    assert (halt(desk), desk.alerts()) == (None, [])


def test_two_looks_within_a_minute_are_one(desk: Desk) -> None:
    desk.buy()
    desk.broker.hold("AAA", "0", "100.00")
    reconcile(desk)
    desk.clock.advance(-30)
    assert reconcile(desk).closed == 0


def test_a_second_look_that_sees_something_else_starts_anew(desk: Desk) -> None:
    desk.buy()
    for quantity in ("12", "0", "12"):
        desk.broker.hold("AAA", quantity, "100.00")
        outcome = reconcile(desk)
        assert (outcome.repaired, outcome.closed) == (0, 0)
    assert desk.position()["quantity"] == 19


def test_what_is_gone_is_not_given_up_while_an_order_of_it_lives(desk: Desk) -> None:
    desk.buy()
    desk.guard()
    assert desk.order("stop")["status"] == "accepted"
    desk.broker.hold("AAA", "0", "100.00")
    for _ in range(3):
        reconcile(desk)
    assert desk.position()["status"] == "open"
    assert "position_missing" in desk.alerts()


def test_a_quantity_that_two_looks_agree_on_is_repaired(desk: Desk) -> None:
    desk.buy()
    desk.broker.hold("AAA", "12", "100.00")
    reconcile(desk)
    assert reconcile(desk).repaired == 1
    assert desk.position()["quantity"] == 12
    assert halt(desk) is None


def test_a_position_nobody_opened_is_adopted_guarded_and_counted(desk: Desk) -> None:
    desk.broker.hold("ZZZ", "5", "10.00")
    outcome = reconcile(desk)
    assert (outcome.adopted, outcome.unsettled) == (1, 0)
    assert "position_unknown_to_us" in desk.alerts()
    position = desk.position("ZZZ")
    assert (position["lifecycle_state"], position["stop_loss"]) == ("adopted", Decimal("9.80"))
    with desk.db.transaction() as tx:
        assert facts.holdings(tx, "large").exposure == 50
    desk.quote("ZZZ", "9.70", "9.72")
    desk.guard()
    assert [row["reason"] for row in desk.orders("exit")] == ["stop_loss"]


def test_an_adopted_position_over_the_caps_alerts_and_halts_entries(desk: Desk) -> None:
    desk.broker.hold("ZZZ", "5000", "10.00")
    reconcile(desk)
    assert "over_cap" in desk.alerts()
    assert str(halt(desk)).startswith("Over the caps: 1 symbols, $50000.00")
    assert desk.position("ZZZ")["quantity"] == 5000


def test_an_order_that_somebody_placed_is_followed_until_it_ends(desk: Desk) -> None:
    desk.broker.submit(OrderRequest("by hand", "YYY", "buy", Decimal(3), "limit", Decimal(10)))
    assert reconcile(desk).adopted == 1
    assert desk.order("adopted")["status"] == "accepted"
    assert "by hand may still fill" in str(halt(desk))
    desk.broker.fill("by hand", "10.00")
    desk.guard()
    assert (desk.position("YYY")["quantity"], desk.order("adopted")["status"]) == (3, "filled")
    reconcile(desk)
    assert halt(desk) is None


def test_what_somebody_sold_by_hand_closes_the_position_at_its_price(desk: Desk) -> None:
    desk.buy()
    desk.guard()
    desk.clock.advance(1)
    stop = desk.order("stop")["client_order_id"]
    desk.broker.end(stop, "canceled")
    desk.broker.submit(OrderRequest("mine", "AAA", "sell", Decimal(19), "limit", Decimal(101)))
    desk.broker.fill("mine", "101.00")
    assert reconcile(desk).adopted == 1
    (history,) = desk.rows("SELECT verified, pnl_dollars FROM position_history")
    assert history == {"verified": True, "pnl_dollars": 19}
    with desk.db.transaction() as tx:
        assert invariants.check(tx, now=desk.clock.now() + timedelta(minutes=20)) == []


def test_a_short_is_never_adopted(desk: Desk) -> None:
    desk.broker.hold("ZZZ", "-5", "10.00")
    assert (reconcile(desk).adopted, reconcile(desk).unsettled) == (0, 1)
    assert not desk.rows("SELECT 1 FROM active_positions")
    assert halt(desk) == "ZZZ: we hold 0, the broker says -5"


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
    desk.broker.hold("ZZZ", "-5", "10.00")
    reconcile(desk)
    assert halt(desk) is not None
    desk.broker.hold("ZZZ", "0", "10.00")
    reconcile(desk)
    assert halt(desk) is None
    assert desk.alerts() == []


def test_what_the_last_session_left_waiting_is_ended(desk: Desk) -> None:
    number = desk.recommend()
    desk.clock.advance(400)
    assert reconcile(desk).expired == 1
    assert desk.recommendation(number)["status"] == "EXPIRED"


@pytest.mark.parametrize("error", [BrokerUnavailable("503"), AccountMismatch("another account")])
def test_an_account_that_cannot_be_read_fails_the_stage_and_changes_nothing(
    desk: Desk, error: BrokerUnavailable | AccountMismatch
) -> None:
    desk.buy()
    desk.brokers["tiny"].hold("ZZZ", "-5", "10.00")
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
