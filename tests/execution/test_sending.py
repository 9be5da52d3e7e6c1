"""Until when an order may leave, by a clock that goes on while the machine sleeps."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.market import Quote, new_york_time
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import GateRules
from ops_pipeline.execution.decisions.sending import (
    Limit,
    SendWindow,
    SendWindowClosed,
    limits_of,
)
from tests.support.fakes import FixedClock, regular_session

DAY = date(2026, 2, 4)
NOON = new_york_time(DAY, 12)
CLOSE = new_york_time(DAY, 16)
RULES = GateRules()
ENTRY = Order(
    client_order_id="entry-1",
    account_name="large",
    execution_mode="ALPACA_PAPER",
    broker="alpaca",
    purpose="entry",
    recommendation_id=7,
    position_id=None,
    attempt=1,
    ticker="AAA",
    symbol="AAA",
    instrument_type="STOCK",
    multiplier=1,
    side="buy",
    quantity=Decimal(10),
    order_type="limit",
    price=Decimal(100),
    reason="signal",
    decided_at=NOON,
    tick=NOON,
    parameter_version=1,
)
QUOTE = Quote("AAA", NOON - timedelta(seconds=50), Decimal(99), 1, Decimal(100), 1)


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def window(at: datetime, *limits: Limit) -> SendWindow:
    return SendWindow(FixedClock(at).now, NOON, limits)


@pytest.mark.parametrize("after_s", [-5, 0, 30])
def test_an_order_leaves_up_to_the_moment_of_its_limit(after_s: float) -> None:
    window(NOON + seconds(after_s), Limit(NOON + seconds(30), "too old")).require_open()


def test_behind_a_limit_it_stays_and_says_which_and_how_long_it_waited() -> None:
    limits = (Limit(NOON + seconds(90), "late"), Limit(NOON + seconds(30), "too old"))
    with pytest.raises(SendWindowClosed, match=r"^too old; it was decided 31 s ago$"):
        window(NOON + seconds(31), *limits).require_open()
    with pytest.raises(SendWindowClosed, match=r"^late; it was decided 91 s ago$"):
        window(NOON + seconds(91), *limits).require_open()


def test_a_clock_that_was_set_back_proves_nothing() -> None:
    with pytest.raises(SendWindowClosed, match=r"^the clock was set back since it was decided$"):
        window(NOON - seconds(5.001)).require_open()


def limits(order: Order = ENTRY, **changes: object) -> dict[str, datetime]:
    """Each limit by its reason; all that is known is as calm as can be."""
    known = {
        "decided_at": NOON,
        "quote": None,
        "session": regular_session(DAY),
        "lease_expires_at": None,
        "rules": RULES,
    }
    found = limits_of(order, **{**known, **changes})  # type: ignore[arg-type] # by name
    assert len({limit.reason for limit in found}) == len(found)
    return {limit.reason: limit.at for limit in found}


def test_each_limit_is_reckoned_from_what_it_is_about() -> None:
    lease = NOON + seconds(20)
    assert limits(quote=QUOTE, lease_expires_at=lease) == {
        "the decision is too old": NOON + seconds(30),
        "the run's lease has ended": lease,
        "its quote is too old": NOON + seconds(-50 + 60 + 30),
        "its session has ended": CLOSE - timedelta(minutes=120),
    }


def test_what_is_not_known_limits_nothing() -> None:
    assert limits().keys() == {"the decision is too old", "its session has ended"}


def test_without_a_session_nothing_leaves_that_needs_one() -> None:
    """An entry's last moment lies before its decision: it stays."""
    assert limits(session=None)["its session has ended"] == NOON - timedelta(minutes=120)


def test_an_exit_may_leave_until_shortly_before_the_close_and_a_stop_at_any_time() -> None:
    sale = replace(ENTRY, purpose="exit", side="sell")
    assert limits(sale)["its session has ended"] == CLOSE - seconds(15)
    assert limits(replace(sale, purpose="stop")).keys() == {"the decision is too old"}


def test_an_entry_needs_the_longer_of_both_times_before_the_close() -> None:
    rules = replace(RULES, last_entry_minutes=0, quiet_before_close_s=20)
    assert limits(rules=rules)["its session has ended"] == CLOSE - seconds(20)
