"""The daily loss: the ledger's or the broker's corrected for deposits, latched when it is seen."""

from datetime import date
from decimal import Decimal

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import BrokerUnavailable
from tests.support.builders_trading import DAY, DAY_AFTER, DAY_BEFORE, TradingBench


def latched(bench: TradingBench) -> str | None:
    """The latch that halts entries on the bench's day."""
    day = new_york_day(bench.clock.now())
    found = bench.rows(
        "SELECT kill_switch FROM accounts WHERE account_name = 'large'"
        f" AND kill_switch_day >= DATE '{day}'"
    )
    return str(found[0]["kill_switch"]) if found else None


def refused(bench: TradingBench) -> str:
    number = bench.recommend()
    bench.dispatch()
    return str(bench.recommendation(number)["failure_reason"])


def refused_twice(bench: TradingBench) -> str:
    """The broker's equity shows the loss at two ticks."""
    refused(bench)
    bench.next_minute()
    return refused(bench)


def test_a_deposit_does_not_hide_a_loss(bench: TradingBench) -> None:
    bench.broker.cash -= 600
    bench.broker.move_cash("CSD", "1000")
    assert "KILL SWITCH: Daily loss $600 exceeds limit $500" in refused_twice(bench)
    assert bench.alerts() == ["kill_switch"]


def test_a_withdrawal_is_no_loss(bench: TradingBench) -> None:
    bench.broker.move_cash("CSW", "-1000")
    bench.recommend()
    bench.dispatch()
    assert bench.order()["status"] == "accepted"


def test_a_fee_is_a_loss(bench: TradingBench) -> None:
    bench.broker.move_cash("FEE", "-501")
    assert "Daily loss $501" in refused(bench)


def test_a_deposit_of_the_night_before_counts_and_one_before_the_last_close_does_not(
    bench: TradingBench,
) -> None:
    bench.clock.at = new_york_time(DAY_BEFORE, 15)
    bench.broker.move_cash("CSD", "300")
    bench.clock.at = new_york_time(DAY_BEFORE, 20)
    bench.broker.move_cash("CSD", "700")
    bench.broker.last_equity = Decimal(100_300)
    bench.broker.cash -= 499
    bench.clock.at = new_york_time(DAY, 11)
    bench.recommend()
    bench.dispatch()
    assert bench.verdict(1, "daily_loss")["reason"] == "Daily loss $499 under $500"


def test_securities_that_came_in_leave_the_loss_unknown(bench: TradingBench) -> None:
    bench.broker.move_cash("ACATS", "0")
    assert "Daily loss unknown: refused" in refused(bench)
    assert latched(bench) is None


def test_deposits_that_can_not_be_read_refuse_entries_and_stop_nothing_else(
    bench: TradingBench,
) -> None:
    bench.broker.fail("cash_activities_since", BrokerUnavailable("503"), times=9)
    assert "Daily loss unknown: refused" in refused(bench)
    assert not bench.broker.submitted


def test_a_loss_that_comes_and_goes_between_two_entries_latches(bench: TradingBench) -> None:
    """The position manager sees it while nothing is recommended."""
    bench.buy()
    bench.set_account(max_daily_loss=20)
    bench.next_minute(AAA=("98.50", "98.52"))
    bench.guard()
    assert (latched(bench) or "").startswith("KILL SWITCH: Daily loss $28 exceeds limit $20")
    assert "kill_switch" in bench.alerts()

    bench.next_minute(AAA=("100.40", "100.42"))
    bench.guard()
    assert "Halted by kill switch" in refused(bench)


def test_the_ledger_s_loss_is_net_of_the_day_s_fees(bench: TradingBench) -> None:
    """19 shares at $2 less are $38.00, to the cent the limit's room; FINRA's cent is over it."""
    bench.buy()
    bench.set_account(max_daily_loss=Decimal("38.01"))
    bench.next_minute(AAA=("97.99", "98.01"))
    bench.guard()
    assert latched(bench) is None
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.next_minute(AAA=("97.99", "98.01"))
    bench.guard()
    exits = [it for it in bench.orders("exit") if it["status"] == "accepted"]
    bench.broker.fill(str(exits[-1]["client_order_id"]), "98.00")
    bench.next_minute(AAA=("97.99", "98.01"))
    bench.guard()
    assert bench.rows("SELECT pnl_dollars FROM position_history") == [{"pnl_dollars": -38}]
    assert latched(bench) == "KILL SWITCH: Daily loss $38 exceeds limit $38"


def test_the_broker_s_loss_counts_where_it_is_worse_than_the_ledger_s_net(
    bench: TradingBench,
) -> None:
    """The ledger has lost $28.31 and no fee yet; the broker says $29.40."""
    bench.buy()
    bench.broker.cash -= Decimal("29.40")
    bench.set_account(max_daily_loss=29)
    bench.next_minute(AAA=("98.50", "98.52"))
    bench.guard()
    bench.next_minute(AAA=("98.50", "98.52"))
    bench.guard()
    assert (latched(bench) or "").startswith("KILL SWITCH: Daily loss $29")


def test_the_broker_s_equity_latches_where_our_ledger_saw_nothing(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.cash -= 600
    bench.guard()
    bench.next_minute()
    bench.guard()
    assert latched(bench) == "KILL SWITCH: Daily loss $600 exceeds limit $500"


@pytest.mark.parametrize("look", ["guard", "dispatch"])
def test_one_odd_mark_in_the_broker_s_equity_latches_nothing(
    bench: TradingBench, look: str
) -> None:
    """The broker marks 19 shares at $60 by one quote; ours was not believed."""
    bench.buy()
    bench.next_minute()
    bench.broker.marks["AAA"] = Decimal(60)
    bench.recommend("BBB")
    getattr(bench, look)()
    assert latched(bench) is None
    bench.broker.marks["AAA"] = Decimal(100)
    for _ in range(3):
        bench.next_minute()
        bench.guard()
    assert latched(bench) is None
    bench.quote("BBB")
    bench.recommend("BBB")
    bench.dispatch()
    assert bench.orders("entry")[-1]["symbol"] == "BBB"


def test_an_odd_mark_refuses_entries_while_it_lasts(bench: TradingBench) -> None:
    bench.broker.cash -= 600
    assert "KILL SWITCH: Daily loss $600 exceeds limit $500" in refused(bench)
    assert not bench.broker.submitted


def test_two_looks_of_one_tick_are_one(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.cash -= 600
    bench.guard()
    bench.recommend("BBB")
    bench.dispatch()
    bench.guard()
    assert latched(bench) is None


def test_odd_marks_of_two_distant_ticks_latch_nothing(bench: TradingBench) -> None:
    bench.buy()
    for _ in range(2):
        bench.broker.marks["AAA"] = Decimal(60)
        bench.guard()
        bench.broker.marks["AAA"] = Decimal(100)
        bench.next_minute()
        bench.guard()
        bench.next_minute()
    assert latched(bench) is None


def test_a_tick_that_could_not_ask_between_the_two_holds_nothing_up(bench: TradingBench) -> None:
    bench.buy()
    bench.broker.cash -= 600
    bench.guard()
    bench.next_minute()
    bench.broker.fail("account", BrokerUnavailable("503"), times=1)
    bench.guard()
    assert latched(bench) is None
    bench.next_minute()
    bench.guard()
    assert latched(bench) == "KILL SWITCH: Daily loss $600 exceeds limit $500"


def test_a_broker_that_does_not_say_leaves_the_ledger_s_loss_and_the_exits(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.set_account(max_daily_loss=20)
    bench.next_minute(AAA=("98.50", "98.52"))
    bench.broker.fail("account", BrokerUnavailable("503"), times=9)
    bench.guard()
    assert latched(bench) is not None
    assert bench.orders("stop")


def test_the_next_session_opens_the_latch_and_closes_the_alert(bench: TradingBench) -> None:
    bench.broker.cash -= 600
    refused_twice(bench)
    assert bench.alerts() == ["kill_switch"]
    bench.clock.at = new_york_time(DAY_AFTER, 11)
    bench.broker.last_equity = bench.broker.cash
    bench.vix(18.0, DAY)
    bench.quote("AAA")
    bench.recommend()
    bench.dispatch()
    assert (latched(bench), bench.alerts()) == (None, [])


def test_a_latch_that_nobody_opened_does_not_keep_the_next_day_s_from_latching(
    bench: TradingBench,
) -> None:
    """The dispatcher opens it; the position manager may come first in a session."""
    bench.buy()
    bench.set_account(kill_switch="yesterday's", kill_switch_day=DAY_BEFORE)
    bench.broker.cash -= 600
    bench.guard()
    bench.next_minute()
    bench.guard()
    assert latched(bench) == "KILL SWITCH: Daily loss $600 exceeds limit $500"


FRIDAY, MONDAY = date(2025, 11, 28), date(2025, 12, 1)


@pytest.fixture
def after_a_half_day(db: Database) -> TradingBench:
    """Monday at eleven; the Friday after Thanksgiving closed at 13:00."""
    bench = TradingBench(db, at=new_york_time(MONDAY, 11), calendar=NyseCalendar())
    bench.vix(18.0, FRIDAY)
    return bench


def moved_on_friday(bench: TradingBench, hour: int, kind: str, amount: str) -> None:
    at = bench.clock.at
    bench.clock.at = new_york_time(FRIDAY, hour)
    bench.broker.move_cash(kind, amount)
    bench.clock.at = at


@pytest.mark.parametrize("hour", [11, 14])
def test_a_withdrawal_before_last_equity_was_taken_hides_no_loss(
    after_a_half_day: TradingBench, hour: int
) -> None:
    """Last equity is as of 16:00 on a half day too: it shows what moved after the close."""
    bench = after_a_half_day
    moved_on_friday(bench, hour, "CSW", "-1000")
    bench.broker.last_equity = bench.broker.cash
    bench.broker.cash -= 600
    assert "KILL SWITCH: Daily loss $600 exceeds limit $500" in refused_twice(bench)
    assert latched(bench)


@pytest.mark.parametrize("hour", [11, 14])
def test_a_deposit_before_last_equity_was_taken_is_no_loss(
    after_a_half_day: TradingBench, hour: int
) -> None:
    bench = after_a_half_day
    moved_on_friday(bench, hour, "CSD", "1000")
    bench.broker.last_equity = bench.broker.cash
    bench.recommend()
    bench.dispatch()
    assert bench.verdict(1, "daily_loss")["reason"] == "Daily loss $0 under $500"
    assert latched(bench) is None


@pytest.mark.parametrize("hour", [17, 23])
def test_what_moves_between_a_half_day_and_the_next_open_counts_once(
    after_a_half_day: TradingBench, hour: int
) -> None:
    bench = after_a_half_day
    moved_on_friday(bench, hour, "CSD", "1000")
    bench.broker.cash -= 600
    assert "KILL SWITCH: Daily loss $600 exceeds limit $500" in refused(bench)


def test_a_switch_latched_on_a_half_day_holds_for_its_day_and_not_for_the_next(
    db: Database,
) -> None:
    bench = TradingBench(db, at=new_york_time(FRIDAY, 10), calendar=NyseCalendar())
    bench.broker.cash -= 600
    assert "KILL SWITCH" in refused_twice(bench)
    bench.clock.at = new_york_time(FRIDAY, 15)
    assert "Halted by kill switch" in refused(bench)
    bench.broker.last_equity = bench.broker.cash
    bench.clock.at = new_york_time(MONDAY, 9, 40)
    bench.quote("AAA")
    bench.vix(18.0, FRIDAY)
    bench.recommend()
    bench.dispatch()
    assert latched(bench) is None
    assert bench.order()["status"] == "accepted"
