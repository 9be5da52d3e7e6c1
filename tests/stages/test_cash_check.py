"""Cash beside fills, fees, dividends and deposits: what they leave over is told, and no more."""

from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.stages import reconciler
from ops_pipeline.stages.request import TickRequest
from tests.builders_trading import Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    """Both accounts were read once: what moves from now on is compared."""
    made = Desk(db)
    assert reconcile(made).cash_compared == 0
    return made


def reconcile(desk: Desk) -> reconciler.Outcome:
    desk.next_minute()
    return reconciler.run(
        TickRequest(tick=desk.tick),
        db=desk.db,
        road=desk.road,
        clock=desk.clock,
        journal=desk.notes,
    )


def told(desk: Desk) -> list[str]:
    found = desk.rows(
        "SELECT message FROM alerts WHERE kind = 'cash_differs' AND resolved_at IS NULL"
    )
    return [row["message"] for row in found]


def test_trades_fees_dividends_and_deposits_explain_the_cash(desk: Desk) -> None:
    desk.next_minute()
    desk.buy()
    for kind, amount in (("FEE", "-0.12"), ("DIV", "3.40"), ("CSD", "500"), ("CSW", "-20")):
        desk.broker.move_cash(kind, amount)
    outcome = reconcile(desk)
    assert (outcome.cash_compared, outcome.cash_differs, told(desk)) == (2, 0, [])


def test_money_that_nothing_explains_is_told_and_halts_nothing(desk: Desk) -> None:
    desk.broker.cash -= Decimal("12.34")
    assert reconcile(desk).cash_differs == 1
    assert told(desk) == ["Cash moved by $-12.34 that no fill, fee, dividend or deposit explains"]
    halts = desk.rows("SELECT DISTINCT books_halt, kill_switch FROM accounts")
    assert halts == [{"books_halt": None, "kill_switch": None}]
    desk.buy()
    assert len(desk.orders("entry")) == 1


def test_an_activity_that_is_listed_late_resolves_the_alert(desk: Desk) -> None:
    desk.next_minute()
    desk.broker.move_cash("FEE", "-7.50")
    late = desk.broker.cash_activities.pop()
    reconcile(desk)
    assert len(told(desk)) == 1
    desk.broker.cash_activities.append(late)
    assert reconcile(desk).cash_differs == 0
    assert told(desk) == []


def test_another_amount_is_another_alert_and_the_same_is_not_told_again(desk: Desk) -> None:
    desk.broker.cash -= 10
    reconcile(desk)
    reconcile(desk)
    desk.broker.cash -= 5
    reconcile(desk)
    assert told(desk) == ["Cash moved by $-15 that no fill, fee, dividend or deposit explains"]
    assert len(desk.rows("SELECT id FROM alerts WHERE kind = 'cash_differs'")) == 2


def test_what_nobody_explains_is_let_go_after_four_days(desk: Desk) -> None:
    desk.broker.cash -= 10
    reconcile(desk)
    desk.clock.advance(4 * 86_400)
    assert reconcile(desk).cash_compared == 0
    desk.clock.advance(600)
    assert (reconcile(desk).cash_differs, told(desk)) == (0, [])


def test_money_that_moves_while_it_is_read_is_left_to_the_next_run(desk: Desk) -> None:
    desk.broker.cash -= 10
    asked = desk.broker.cash_activities_since

    def meanwhile(since: object) -> object:
        desk.broker.cash += 10
        return asked(since)  # type: ignore[arg-type]  # handed on as it came

    desk.broker.cash_activities_since = meanwhile  # type: ignore[assignment,method-assign]  # moves
    assert reconcile(desk).cash_compared == 1
    assert told(desk) == []


def test_activities_that_can_not_be_read_fail_the_run_after_positions_were_compared(
    desk: Desk,
) -> None:
    desk.broker.hold("ZZZ", "5", "10.00")
    desk.broker.fail("cash_activities_since", BrokerUnavailable("503"))
    with pytest.raises(StageFailed, match="large: BrokerUnavailable: 503"):
        reconcile(desk)
    assert desk.position("ZZZ")["lifecycle_state"] == "adopted"
    assert told(desk) == []
