"""The daily loss: the ledger's or the broker's corrected for deposits, latched when it is seen."""

from decimal import Decimal

import pytest

from ops_pipeline.db.connection import Database
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import BrokerUnavailable
from tests.builders_trading import DAY, DAY_AFTER, DAY_BEFORE, Desk


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def latched(desk: Desk) -> str | None:
    (row,) = desk.rows("SELECT kill_switch FROM accounts WHERE account_name = 'large'")
    return None if row["kill_switch"] is None else str(row["kill_switch"])


def refused(desk: Desk) -> str:
    number = desk.recommend()
    desk.dispatch()
    return str(desk.recommendation(number)["failure_reason"])


def test_a_deposit_does_not_hide_a_loss(desk: Desk) -> None:
    desk.broker.cash -= 600
    desk.broker.move_cash("CSD", "1000")
    assert "KILL SWITCH: Daily loss $600 exceeds limit $500" in refused(desk)
    assert desk.alerts() == ["kill_switch"]


def test_a_withdrawal_is_no_loss(desk: Desk) -> None:
    desk.broker.move_cash("CSW", "-1000")
    desk.recommend()
    desk.dispatch()
    assert desk.order()["status"] == "accepted"


def test_a_fee_is_a_loss(desk: Desk) -> None:
    desk.broker.move_cash("FEE", "-501")
    assert "Daily loss $501" in refused(desk)


def test_a_deposit_of_the_night_before_counts_and_one_before_the_last_close_does_not(
    desk: Desk,
) -> None:
    desk.clock.at = new_york_time(DAY_BEFORE, 15)
    desk.broker.move_cash("CSD", "300")
    desk.clock.at = new_york_time(DAY_BEFORE, 20)
    desk.broker.move_cash("CSD", "700")
    desk.broker.last_equity = Decimal(100_300)
    desk.broker.cash -= 499
    desk.clock.at = new_york_time(DAY, 11)
    desk.recommend()
    desk.dispatch()
    assert desk.verdict(1, "daily_loss")["reason"] == "Daily loss $499 under $500"


def test_securities_that_came_in_leave_the_loss_unknown(desk: Desk) -> None:
    desk.broker.move_cash("ACATS", "0")
    assert "Daily loss unknown: refused" in refused(desk)
    assert latched(desk) is None


def test_deposits_that_can_not_be_read_refuse_entries_and_stop_nothing_else(desk: Desk) -> None:
    desk.broker.fail("cash_activities_since", BrokerUnavailable("503"), times=9)
    assert "Daily loss unknown: refused" in refused(desk)
    assert not desk.broker.submitted


def test_a_loss_that_comes_and_goes_between_two_entries_latches(desk: Desk) -> None:
    """The position manager sees it while nothing is recommended."""
    desk.buy()
    desk.set_account(max_daily_loss=20)
    desk.next_minute(AAA=("98.50", "98.52"))
    desk.guard()
    assert (latched(desk) or "").startswith("KILL SWITCH: Daily loss $28 exceeds limit $20")
    assert "kill_switch" in desk.alerts()

    desk.next_minute(AAA=("100.40", "100.42"))
    desk.guard()
    assert "Halted by kill switch" in refused(desk)


def test_the_broker_s_equity_latches_where_our_ledger_saw_nothing(desk: Desk) -> None:
    desk.buy()
    desk.broker.cash -= 600
    desk.guard()
    assert latched(desk) == "KILL SWITCH: Daily loss $600 exceeds limit $500"


def test_a_broker_that_does_not_say_leaves_the_ledger_s_loss_and_the_exits(desk: Desk) -> None:
    desk.buy()
    desk.set_account(max_daily_loss=20)
    desk.next_minute(AAA=("98.50", "98.52"))
    desk.broker.fail("account", BrokerUnavailable("503"), times=9)
    desk.guard()
    assert latched(desk) is not None
    assert desk.orders("stop")


def test_the_next_session_opens_the_latch_and_closes_the_alert(desk: Desk) -> None:
    desk.broker.cash -= 600
    refused(desk)
    assert desk.alerts() == ["kill_switch"]
    desk.clock.at = new_york_time(DAY_AFTER, 11)
    desk.broker.last_equity = desk.broker.cash
    desk.vix(18.0, DAY)
    desk.quote("AAA")
    desk.recommend()
    desk.dispatch()
    assert (latched(desk), desk.alerts()) == (None, [])


def test_a_latch_that_nobody_opened_does_not_keep_the_next_day_s_from_latching(
    desk: Desk,
) -> None:
    """The dispatcher opens it; the position manager may come first in a session."""
    desk.buy()
    desk.set_account(kill_switch="yesterday's", kill_switch_day=DAY_BEFORE)
    desk.broker.cash -= 600
    desk.guard()
    assert latched(desk) == "KILL SWITCH: Daily loss $600 exceeds limit $500"
