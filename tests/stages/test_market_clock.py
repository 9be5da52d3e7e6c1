"""Which session, which accounts: what every machine asks first."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import InvalidInput, StaleData
from ops_pipeline.stages import market_clock
from ops_pipeline.stages.request import ClockRequest
from tests.support.fakes import FixedClock

WEDNESDAY = date(2026, 2, 4)
NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


def ask(db: Database, tick: datetime, *, late_s: float = 0) -> market_clock.Outcome:
    clock = FixedClock(tick + timedelta(seconds=late_s))
    return market_clock.run(ClockRequest(tick=tick), db=db, calendar=NyseCalendar(), clock=clock)


@pytest.mark.parametrize(
    ("late_s", "wait_s", "started_after_s"),
    [(0, 6, 0), (0.3, 6, 0), (2.5, 4, 2), (6, 0, 6), (58, 0, 58), (-40, 10, 0)],
)
def test_the_wait_for_bars_ends_six_seconds_after_the_tick_wherever_in_the_minute_it_starts(
    db: Database, late_s: float, wait_s: int, started_after_s: int
) -> None:
    outcome = ask(db, NOW, late_s=late_s)
    assert (outcome.wait_s, outcome.started_after_s) == (wait_s, started_after_s)


def test_of_two_starts_in_one_minute_each_waits_for_its_own_tick(db: Database) -> None:
    """The scheduler starts a tick at :58, and the next one two seconds later."""
    assert ask(db, NOW, late_s=58).wait_s == 0
    assert ask(db, NOW + timedelta(minutes=1)).wait_s == 6


@pytest.mark.parametrize(
    ("day", "hour", "minute", "expected"),
    [
        (WEDNESDAY, 9, 29, "closed"),
        (WEDNESDAY, 9, 30, "open"),
        (WEDNESDAY, 15, 59, "open"),
        (WEDNESDAY, 16, 0, "just_closed"),
        (WEDNESDAY, 16, 2, "closed"),
        (date(2026, 2, 16), 12, 0, "closed"),
        (date(2026, 11, 27), 12, 59, "open"),
        (date(2026, 11, 27), 13, 1, "just_closed"),
        (date(2026, 3, 9), 9, 30, "open"),
    ],
    ids=[
        "before the open",
        "the open",
        "the last minute",
        "the close",
        "two minutes later",
        "Presidents' Day",
        "a half day",
        "a half day's close",
        "the Monday after the clocks changed",
    ],
)
def test_the_exchanges_calendar_decides_whether_a_session_is_open(
    db: Database, day: date, hour: int, minute: int, expected: str
) -> None:
    assert ask(db, new_york_time(day, hour, minute)).session == expected


def test_active_accounts_are_served_in_byte_order(db: Database) -> None:
    outcome = ask(db, NOW)

    assert outcome.accounts_entry == outcome.accounts_guard == ["large", "tiny"]


def test_an_account_switched_off_gets_no_entries(db: Database) -> None:
    switch_off(db, "tiny")

    outcome = ask(db, NOW)

    assert outcome.accounts_entry == ["large"]
    assert outcome.accounts_guard == ["large"]


def test_an_account_switched_off_is_guarded_while_it_holds_something(db: Database) -> None:
    hold(db, "tiny", status="open")
    switch_off(db, "tiny")

    outcome = ask(db, NOW)

    assert outcome.accounts_entry == ["large"]
    assert outcome.accounts_guard == ["large", "tiny"]


def test_an_account_switched_off_is_guarded_while_an_order_may_still_fill(db: Database) -> None:
    hold(db, "tiny", status="closed")
    order_sale(db, "tiny", status="unknown")
    switch_off(db, "tiny")

    assert ask(db, NOW).accounts_guard == ["large", "tiny"]


def test_what_is_closed_and_ended_needs_no_guard_once_nothing_more_can_come_of_it(
    db: Database,
) -> None:
    """An ended order may turn out to have filled; after four days it is over."""
    hold(db, "tiny", status="closed")
    order_sale(db, "tiny", status="rejected")
    switch_off(db, "tiny")

    assert ask(db, NOW).accounts_guard == ["large", "tiny"]
    assert ask(db, NOW + timedelta(days=4, minutes=1)).accounts_guard == ["large"]


def test_a_halted_account_is_still_guarded_and_asked_for_entries(db: Database) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET operator_halt = 'fire drill' WHERE account_name = 'large'")

    outcome = ask(db, NOW)

    assert outcome.accounts_entry == outcome.accounts_guard == ["large", "tiny"]


def test_an_account_is_loaded_with_its_limits(db: Database) -> None:
    with db.transaction() as tx:
        account = accounts.load(tx, "tiny")

    assert account.max_positions == 1
    assert account.max_exposure == Decimal(2000)
    assert account.max_daily_loss == Decimal(100)
    assert account.execution_mode == "ALPACA_PAPER"
    assert "BUY_STOCK" in account.allowed_actions
    assert account.operator_halt is None


def test_an_unknown_account_is_refused_and_the_known_ones_named(db: Database) -> None:
    words = "account: huge is unknown; known are large, tiny"

    with pytest.raises(InvalidInput, match=words), db.transaction() as tx:
        accounts.load(tx, "huge")


def test_the_first_account_is_the_first_by_name(db: Database) -> None:
    with db.transaction() as tx:
        assert accounts.names_at(tx)[0] == "large"


def test_a_database_without_accounts_has_no_first_one(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM accounts")

    with pytest.raises(StaleData, match="no account"), owner_db.transaction() as tx:
        accounts.names_at(tx)


def switch_off(db: Database, account: str) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET active = false WHERE account_name = :name", name=account)


def hold(db: Database, account: str, *, status: str) -> None:
    with db.transaction() as tx:
        tx.execute(
            """
            INSERT INTO active_positions (id, account_name, ticker, symbol, instrument_type,
                strategy_type, side, quantity, opened_quantity, multiplier, entry_price,
                entry_time, trailing_armed, lifecycle_state, status, close_reason, created_at,
                updated_at, closed_at)
            VALUES ('00000000-0000-8000-8000-000000000001', :account, 'AAPL', 'AAPL', 'STOCK',
                'day_trade', 'long', CASE WHEN :status = 'closed' THEN 0 ELSE 5 END, 5, 1, 100,
                :now, false, 'initial', :status,
                CASE WHEN :status = 'closed' THEN 'time' END, :now, :now,
                CASE WHEN :status = 'closed' THEN CAST(:now AS timestamptz) END)
            """,
            account=account,
            status=status,
            now=NOW,
        )


def order_sale(db: Database, account: str, *, status: str) -> None:
    with db.transaction() as tx:
        tx.execute(
            """
            INSERT INTO orders (client_order_id, account_name, purpose, position_id, attempt,
                ticker, symbol, instrument_type, multiplier, side, quantity, order_type, price,
                time_in_force, reserved_notional, status, reason, decided_at, terminal_at, tick)
            VALUES ('sale-1', :account, 'exit', '00000000-0000-8000-8000-000000000001', 1,
                'AAPL', 'AAPL', 'STOCK', 1, 'sell', 5, 'limit', 99,
                'day', 0, :status, 'time', :now,
                CASE WHEN :status = 'rejected' THEN CAST(:now AS timestamptz) END, :now)
            """,
            account=account,
            status=status,
            now=NOW,
        )
