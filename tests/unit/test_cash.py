"""What an account's money is explained by, and what the day lost."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.domain.broker import BrokerCashActivity, BrokerFill, Side
from ops_pipeline.domain.cash import CashReading, net_deposits, unexplained
from ops_pipeline.domain.market import new_york_time

THEN = datetime(2026, 2, 4, 13, 30, tzinfo=UTC)
LATER = THEN + timedelta(hours=4)
START = CashReading(THEN, Decimal(1000))
CENTS = st.decimals(min_value=1, max_value=500, places=2)


def moved(kind: str, amount: str, at: datetime = LATER, name: str = "c1") -> BrokerCashActivity:
    return BrokerCashActivity(name, alpaca_words.cash_kind(kind), kind, Decimal(amount), at)


def filled(
    side: Side, qty: str, price: str, *, symbol: str = "AAA", name: str = "f1"
) -> BrokerFill:
    return BrokerFill(name, "o1", symbol, side, Decimal(qty), Decimal(price), LATER)


def test_only_money_brought_in_or_taken_out_is_a_deposit() -> None:
    activities = [moved("CSD", "500"), moved("CSW", "-200"), moved("FEE", "-1"), moved("INT", "9")]
    assert net_deposits(activities) == 300
    assert net_deposits([]) == 0


def test_a_dividend_that_is_paid_is_no_gain_of_its_day() -> None:
    assert net_deposits([moved("DIV", "9"), moved("DIVNRA", "-2"), moved("SPLIT", "5")]) == 7


def test_securities_moved_in_kind_leave_it_unknown() -> None:
    assert net_deposits([moved("CSD", "500"), moved("ACATS", "0")]) is None


def test_a_contract_costs_a_hundred_times_its_price() -> None:
    option = filled("buy", "2", "1.50", symbol="AAPL260206C00200000")
    assert unexplained(START, Decimal(700), [option], []) == 0


def test_what_was_told_twice_counts_once_and_what_is_older_not_at_all() -> None:
    fee = moved("FEE", "-5")
    old = moved("FEE", "-3", at=THEN, name="c0")
    bought = filled("buy", "1", "10")
    assert unexplained(START, Decimal(985), [bought, bought], [fee, fee, old]) == 0


def test_half_a_cent_for_each_figure_is_rounding_and_more_is_not() -> None:
    bought = filled("buy", "3", "10.003")
    assert unexplained(START, Decimal("970.00"), [bought], []) == 0
    assert unexplained(START, Decimal("970.02"), [bought], []) == Decimal("0.029")


@given(buys=st.lists(CENTS, max_size=5), fees=st.lists(CENTS, max_size=5), gap=CENTS)
def test_whatever_moved_what_is_left_over_is_what_nobody_told(
    buys: list[Decimal], fees: list[Decimal], gap: Decimal
) -> None:
    fills = [filled("buy", "1", str(price), name=f"f{n}") for n, price in enumerate(buys)]
    moves = [moved("FEE", str(-fee), name=f"c{n}") for n, fee in enumerate(fees)]
    now = START.cash - sum(buys) - sum(fees)
    assert unexplained(START, now, fills, moves) == 0
    assert unexplained(START, now - gap, fills, moves) == -gap


def test_fees_that_accrued_may_be_off_the_cash_before_they_are_charged() -> None:
    for cash in ("999.95", "1000.00", "999.97"):
        assert unexplained(START, Decimal(cash), [], [], Decimal("0.05")) == 0
    assert unexplained(START, Decimal("999.94"), [], [], Decimal("0.05")) == Decimal("-0.06")
    assert unexplained(START, Decimal("1000.05"), [], [], Decimal("0.05")) == Decimal("0.05")


def _charged(on: datetime, amount: str = "-0.05") -> BrokerCashActivity:
    return replace(moved("FEE", amount), fee="TAF", charged_for=on.date())


def test_a_charge_of_a_session_before_the_reading_moves_the_cash_now_or_did_before() -> None:
    """Read in the evening, charged in the night: taken as it accrued, or with the charge."""
    evening = CashReading(new_york_time(THEN.date(), 17), Decimal(1000))
    charge = replace(_charged(THEN), created_at=evening.at + timedelta(hours=3))
    for cash in ("1000.00", "999.95"):
        assert unexplained(evening, Decimal(cash), [], [charge]) == 0
    assert unexplained(evening, Decimal("1000.05"), [], [charge]) == Decimal("0.10")
    assert unexplained(evening, Decimal("999.90"), [], [charge]) == Decimal("-0.05")


def test_a_charge_of_a_session_after_the_reading_takes_the_cash_with_it() -> None:
    """Read at 08:30, before the session: nothing of it had accrued."""
    morning = CashReading(new_york_time(THEN.date(), 8, 30), Decimal(1000))
    charge = _charged(THEN)
    assert unexplained(morning, Decimal("999.95"), [], [charge]) == 0
    assert unexplained(morning, Decimal("1000.00"), [], [charge]) == Decimal("0.05")


def test_a_fee_is_of_the_day_it_names_and_else_of_the_day_it_was_booked() -> None:
    night = datetime(2026, 2, 5, 1, 15, tzinfo=UTC)
    assert moved("FEE", "-1", at=night).trade_day == date(2026, 2, 4)
    assert _charged(datetime(2026, 2, 3, tzinfo=UTC)).trade_day == date(2026, 2, 3)
