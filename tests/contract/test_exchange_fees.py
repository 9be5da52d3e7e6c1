"""Fees on trades at the paper exchange: accrued, off the cash at once, booked once a day."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.domain.broker import BrokerCashActivity
from tests.contract.paper_street import (
    LARGE,
    MONDAY,
    TINY,
    ask,
    at,
    look,
    open_exchange,
    own,
    place,
    start_exchange,
)
from tests.contract.published import TRADING, complaints, require_published

CENT = Decimal("0.01")
TUESDAY = MONDAY + timedelta(days=1)
# 40 shares sold at 10.00 on a day of 2013: SEC 0.0000174 x 400 = 0.00696, TAF 40 x 0.000119.
OPENING = Decimal(100_000)
SPENT = 50 * Decimal("10.02") - 40 * Decimal("10.00")


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """50 bought and 40 sold at 10:32, with fees at the end of the day."""
    with open_exchange(tmp_path) as running:
        running.set_behaviour("fees", "at_day_end")
        trade(running)
        yield running


def trade(exchange: RunningExchange) -> None:
    exchange.set_clock(at("10:31"))
    own(exchange, 50)
    exchange.set_clock(at("10:32"))
    sold = place(exchange, side="sell", qty="40", limit_price="9.90")
    assert look(exchange, sold)["status"] == "filled"


def broker(exchange: RunningExchange) -> AlpacaBroker:
    return AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)


def fees(exchange: RunningExchange) -> list[BrokerCashActivity]:
    return [it for it in broker(exchange).cash_activities_since(at("00:00")) if it.kind == "fee"]


def told(exchange: RunningExchange) -> list[tuple[Any, ...]]:
    return sorted((str(it.fee), it.amount, it.trade_day) for it in fees(exchange))


BOOKED = [("SEC", -CENT, MONDAY), ("TAF", -CENT, MONDAY)]


def test_what_accrued_is_off_the_cash_at_once_and_no_activity_yet(
    exchange: RunningExchange,
) -> None:
    account = broker(exchange).account()
    assert account.cash == OPENING - SPENT - 2 * CENT
    assert account.equity == account.cash + 10 * Decimal("10.00")
    assert told(exchange) == []


def test_at_the_end_of_the_day_each_fee_is_booked_and_the_cash_stays(
    exchange: RunningExchange,
) -> None:
    before = broker(exchange).account().cash
    exchange.set_clock(at("16:00"))
    assert told(exchange) == BOOKED
    assert {it.created_at for it in fees(exchange)} == {at("16:00")}
    after = broker(exchange).account()
    assert after.cash == before
    exchange.set_clock(at("08:00", TUESDAY))
    assert broker(exchange).account().last_equity == after.equity


def test_they_are_booked_once_however_often_the_clock_is_set(exchange: RunningExchange) -> None:
    for _ in range(2):
        for clock in ("16:00", "16:20", "17:00"):
            if exchange.now() <= at(clock):
                exchange.set_clock(at(clock))
    exchange.set_clock(at("12:00", TUESDAY))
    assert told(exchange) == BOOKED


def test_charged_the_next_morning_they_are_of_the_day_before(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_behaviour("fees", "next_morning")
        trade(exchange)
        exchange.set_clock(at("07:59", TUESDAY))
        assert told(exchange) == []
        before = broker(exchange).account().cash
        exchange.set_clock(at("08:00", TUESDAY))
        assert told(exchange) == BOOKED
        assert {it.created_at for it in fees(exchange)} == {at("08:00", TUESDAY)}
        assert broker(exchange).account().cash == before


def test_by_default_nothing_is_charged_as_in_paper_accounts(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        trade(exchange)
        exchange.set_clock(at("12:00", TUESDAY))
        assert told(exchange) == []
        assert broker(exchange).account().cash == OPENING - SPENT


def test_a_day_without_sales_and_audit_trail_is_charged_nothing(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_behaviour("fees", "at_day_end")
        exchange.set_clock(at("10:31"))
        own(exchange, 50)
        exchange.set_clock(at("16:20"))
        assert told(exchange) == []


def test_the_fees_of_several_orders_are_rounded_up_once(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_behaviour("fees", "at_day_end")
        exchange.set_clock(at("10:31"))
        own(exchange, 50)
        for minute in ("10:32", "10:33", "10:34"):
            exchange.set_clock(at(minute))
            place(exchange, side="sell", qty="10", limit_price="9.90")
        exchange.set_clock(at("16:00"))
        assert told(exchange) == BOOKED


def test_a_fill_that_is_told_after_the_charge_is_charged_then(exchange: RunningExchange) -> None:
    """800 more dollars of sales are 0.014 more: a cent and a half become two cents."""
    exchange.set_clock(at("15:50"))
    late = place(exchange, side="sell", qty="10", limit_price="80", time_in_force="day")
    exchange.set_clock(at("16:01"))
    exchange.fill_order("large", late, 10, "80")
    exchange.set_clock(at("16:05"))
    assert told(exchange) == sorted([*BOOKED, ("SEC", -2 * CENT, MONDAY)])
    assert max(it.created_at for it in fees(exchange)) == at("16:05")


def test_the_other_account_is_charged_nothing(exchange: RunningExchange) -> None:
    exchange.set_clock(at("16:00"))
    assert ask(exchange, "GET", "/v2/account/activities", account=TINY) == (200, [])


def test_a_day_without_rates_is_charged_nothing_and_served_all_the_same(tmp_path: Path) -> None:
    old = date(2009, 10, 5)
    with open_exchange(tmp_path, day=old) as exchange:
        exchange.set_behaviour("fees", "at_day_end")
        exchange.set_clock(at("10:31", old))
        own(exchange, 50)
        exchange.set_clock(at("16:20", old))
        found = broker(exchange).cash_activities_since(at("00:00", old))
        assert (found, broker(exchange).account().cash) == ([], OPENING - 501)


def test_activities_have_the_published_form_and_words(exchange: RunningExchange) -> None:
    require_published()
    exchange.set_clock(at("16:00"))
    status, found = ask(exchange, "GET", "/v2/account/activities/FEE?direction=asc")
    assert status == 200
    for entry in found:
        assert complaints(TRADING, "NonTradeActivities", entry) == []
    assert [(it["activity_sub_type"], it["date"], it["description"]) for it in found] == [
        ("REG", "2013-10-07", "REG fee for proceed of $400.00 on 2013-10-07 by PA-LARGE"),
        (
            "TAF",
            "2013-10-07",
            "TAF fee for proceed of 40 shares (1 trades) on 2013-10-07 by PA-LARGE",
        ),
    ]


def test_they_outlive_a_restart_and_a_store_without_their_columns_gets_them(
    tmp_path: Path,
) -> None:
    with start_exchange(tmp_path) as running:
        running.set_behaviour("fees", "at_day_end")
        trade(running)
        running.add_activity("large", "CSD", "5")
    with closing(sqlite3.connect(tmp_path / "exchange.sqlite")) as store:
        for name in ("activity_sub_type", "description", "trade_day"):
            store.execute(f"ALTER TABLE cash_activities DROP COLUMN {name}")
        store.execute("PRAGMA user_version = 1")
        store.commit()
    with start_exchange(tmp_path) as running:
        running.set_clock(at("16:00"))
        assert told(running) == BOOKED
    with start_exchange(tmp_path) as running:
        running.set_clock(at("16:20"))
        assert told(running) == BOOKED
