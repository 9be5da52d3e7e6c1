"""The second real day: corporate actions over night, halts, an hour of 429, one venue's bars.

Two sessions with a holiday between them run through the real machines. Each situation is
asserted to have happened, beside what became of it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_local.home import Home
from ops_local.replay_environment import ACCOUNTS
from ops_pipeline.domain.market import MINUTE, new_york_time
from ops_pipeline.domain.orders import stop_price
from ops_pipeline.domain.parameters import Parameters
from tests.replay import second_day, two_days
from tests.replay.second_day import SILENT_FROM, SILENT_UNTIL, UNKNOWN, TwoDays
from tests.replay.two_days import (
    FIRST,
    HALTED_FREE,
    HALTED_HELD,
    PAYING,
    RENAMED,
    RENAMED_TO,
    SECOND,
    SPLIT,
    THIN,
)

# Two minutes of a core of its own, more than `make test` has; a machine that is shared by many
# takes longer. Each run has its parts: tests/stages/test_second_day_at_the_exchange.py.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NUMBERS = {account.account_number: account.name for account in ACCOUNTS}
BOTH = ("large", "tiny")


@pytest.fixture(scope="module")
def days(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoDays]:
    with second_day.played(home, tmp_path_factory.mktemp("two-days")) as played:
        yield played


def second(hour: int, minute: int) -> datetime:
    return new_york_time(SECOND, hour, minute)


def within_silence(moment: datetime) -> bool:
    return second(*SILENT_FROM) <= moment < second(*SILENT_UNTIL)


def found(days: TwoDays, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The positions that were open at that moment, by account and symbol."""
    return {(row["account_name"], row["symbol"]): row for row in days.positions[name]}


def resting(days: TwoDays, name: str) -> dict[tuple[str, str], tuple[Decimal, Decimal]]:
    """What was live at the exchange, by account and symbol: shares and stop; one at most."""
    orders = days.live[name]
    stops = {
        (NUMBERS[it["account_number"]], it["symbol"]): (
            Decimal(it["qty"]),
            Decimal(it["stop_price"]),
        )
        for it in orders
    }
    assert len(stops) == len(orders), orders
    return stops


def orders_in(days: TwoDays, symbol: str, account: str = "large") -> list[dict[str, Any]]:
    return days.rows(
        "SELECT * FROM orders WHERE symbol = :symbol AND account_name = :account"
        " ORDER BY decided_at, client_order_id",
        symbol=symbol,
        account=account,
    )


def ideas_in(days: TwoDays, ticker: str) -> list[tuple[datetime, str, set[str], dict[str, Any]]]:
    """The script's ideas: when, what became of each, the gates that refused it, all gates."""
    rows = days.rows(
        "SELECT created_at, status, risk_gate_json AS gates FROM dispatch_recommendations"
        " WHERE ticker = :ticker AND reason ->> 'summary' = 'an idea of the script'"
        " ORDER BY created_at",
        ticker=ticker,
    )
    return [
        (
            row["created_at"],
            row["status"],
            {name for name, verdict in row["gates"].items() if not verdict["passed"]},
            row["gates"],
        )
        for row in rows
    ]


def test_a_swing_and_a_stuck_exit_are_counted_anew_over_the_split(days: TwoDays) -> None:
    evening, morning = found(days, "evening"), found(days, "before the open")
    assert evening["tiny", SPLIT]["status"] == "closing"
    assert evening["large", SPLIT]["status"] == "open"
    for account in BOTH:
        before, after = evening[account, SPLIT], morning[account, SPLIT]
        assert after["quantity"] == 2 * before["quantity"] > 0
        assert after["opened_quantity"] == 2 * before["opened_quantity"]
        assert after["stop_loss"] == stop_price(before["stop_loss"] / 2)
        for name in ("entry_price", "take_profit", "peak_price", "trough_price"):
            assert after[name] == pytest.approx(before[name] / 2, abs=Decimal("0.0001")), name
    assert days.rows(
        "SELECT account_name, kind, quantity_before, quantity_after FROM position_adjustments"
        " WHERE symbol = :symbol ORDER BY account_name",
        symbol=SPLIT,
    ) == [
        {
            "account_name": account,
            "kind": "forward_split",
            "quantity_before": evening[account, SPLIT]["quantity"],
            "quantity_after": morning[account, SPLIT]["quantity"],
        }
        for account in BOTH
    ]


def test_each_stop_rests_at_the_broker_before_the_open_for_the_shares_of_the_day(
    days: TwoDays,
) -> None:
    held = found(days, "before the open")
    assert {symbol for _, symbol in held} == {SPLIT, RENAMED_TO, PAYING, HALTED_HELD}
    assert resting(days, "before the open") == {
        key: (row["quantity"], row["stop_loss"]) for key, row in held.items()
    }


def test_the_stuck_exit_is_sold_at_the_open_and_the_swing_as_the_operator_says(
    days: TwoDays,
) -> None:
    """With the results of all shares, half of the larger one's being sold before the split."""
    rows = days.rows(
        "SELECT p.account_name, h.quantity, h.exit_reason, h.verified, h.pnl_dollars, h.exit_time"
        " FROM position_history AS h JOIN active_positions AS p ON p.id = h.position_id"
        " WHERE h.ticker = :ticker ORDER BY p.account_name",
        ticker=SPLIT,
    )
    large, tiny = rows
    assert (tiny["quantity"], tiny["exit_reason"], tiny["verified"]) == (10, "session_end", True)
    assert tiny["exit_time"] <= second(9, 33)
    assert (large["quantity"], large["exit_reason"], large["verified"]) == (80, "operator", True)
    sold = [it for it in orders_in(days, SPLIT) if it["filled_qty"]]
    assert [(it["reason"], it["filled_qty"]) for it in sold] == [("partial", 16), ("operator", 48)]
    entry = found(days, "evening")["large", SPLIT]["entry_price"]
    value = sum(it["filled_qty"] * it["filled_avg_price"] for it in sold)
    assert large["pnl_dollars"] == pytest.approx(value - 40 * entry, abs=Decimal("0.01"))
    assert abs(tiny["pnl_dollars"]) < 10


def test_the_renamed_shares_are_one_position_under_the_new_symbol(days: TwoDays) -> None:
    evening, morning = found(days, "evening"), found(days, "before the open")
    before, after = evening["large", RENAMED], morning["large", RENAMED_TO]
    assert ("large", RENAMED) not in morning
    assert after["id"] == before["id"]
    for name in ("quantity", "entry_price", "stop_loss", "take_profit"):
        assert after[name] == before[name], name
    watched = {row["ticker"] for row in days.rows("SELECT ticker FROM tickers WHERE is_watched")}
    assert RENAMED not in watched
    assert RENAMED_TO in watched


def test_the_dividend_s_drop_is_no_loss_of_the_day(days: TwoDays) -> None:
    (held,) = days.rows("SELECT * FROM active_positions WHERE symbol = :it", it=PAYING)
    before, after = (
        days.recordings[FIRST].bars[PAYING][-1].close,
        days.recordings[SECOND].bars[PAYING][-1].close,
    )
    assert (before - after) * held["quantity"] > second_day.MOST_LOSS
    assert (held["status"], held["stop_loss"]) == (
        "open",
        found(days, "evening")["large", PAYING]["stop_loss"],
    )
    (noted,) = days.rows("SELECT * FROM position_adjustments WHERE symbol = :it", it=PAYING)
    assert noted["cash"] == Decimal(second_day.DIVIDEND) * held["quantity"]
    assert days.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
    assert "kill_switch" not in {row["kind"] for row in days.rows("SELECT kind FROM alerts")}
    ((_, status, _, gates),) = ideas_in(days, UNKNOWN)
    assert (status, gates["daily_loss"]["passed"]) == ("EXECUTED", True)


def test_a_halt_lets_no_entry_in_nor_right_after_it_and_keeps_the_stop(days: TwoDays) -> None:
    stood, cooled, over = ideas_in(days, HALTED_HELD)
    assert stood[2] >= {"trading_halt", "duplicate_position"}
    assert cooled[2] == {"trading_halt", "duplicate_position"}
    assert over[2] == {"duplicate_position"}
    (stop,) = orders_in(days, HALTED_HELD)
    assert (stop["purpose"], stop["status"], stop["cancel_requested_at"]) == (
        "stop",
        "accepted",
        None,
    )
    assert ("large", HALTED_HELD) in resting(days, "after the silence")


def test_a_halt_of_what_is_not_held_lets_an_entry_in_only_after_cooling(days: TwoDays) -> None:
    stood, cooled, over = ideas_in(days, HALTED_FREE)
    assert "trading_halt" in stood[2]
    assert (cooled[1], cooled[2]) == ("SKIPPED", {"trading_halt"})
    assert (over[1], over[2]) == ("EXECUTED", set())
    entries = [it for it in orders_in(days, HALTED_FREE) if it["purpose"] == "entry"]
    assert [it["decided_at"] >= over[0] for it in entries] == [True]


def test_nothing_trades_while_it_is_halted_and_the_lists_were_read(days: TwoDays) -> None:
    for ticker, (begins, ends, reason) in two_days.HALTS.items():
        halts = days.rows("SELECT * FROM trading_halts WHERE ticker = :it", it=ticker)
        listed = [row for row in halts if row["source"] != "silence"]
        assert {row["source"] for row in listed} == {"nasdaq_halts", "nyse_halts"}
        for row in listed:
            assert (row["reason"], row["halted_at"]) == (reason, second(*begins))
            assert row["resumed_at"] == second(*ends)
        assert not days.rows(
            "SELECT 1 FROM fills WHERE symbol = :it AND executed_at > :begins"
            " AND executed_at < :ends",
            it=ticker,
            begins=second(*begins),
            ends=second(*ends),
        )
    (unlisted,) = days.rows("SELECT * FROM trading_halts WHERE ticker = :it", it=SPLIT)
    assert unlisted["source"] == "silence"


def test_in_the_hour_of_429_each_pair_of_keys_asks_once_a_minute(days: TwoDays) -> None:
    minutes = (second(*SILENT_UNTIL) - second(*SILENT_FROM)) // MINUTE
    askers = 1 + len(ACCOUNTS)
    assert minutes == 60
    assert days.injected["too_many_requests"] == askers * minutes
    assert not [it for it in days.rows("SELECT * FROM orders") if within_silence(it["decided_at"])]
    assert {within_silence(it.at) or it.at == second(10, 51) for it in days.tally.failures} == {
        True
    }


def test_an_order_whose_answer_was_lost_before_that_hour_is_found_once_after_it(
    days: TwoDays,
) -> None:
    assert days.injected["reply_lost"] == 1
    entry, *exits = orders_in(days, UNKNOWN)
    assert (entry["status"], entry["attempt"]) == ("filled", 1)
    theirs = [it for it in days.books["large"].orders if it.symbol == UNKNOWN]
    assert {it.client_order_id for it in theirs} == {
        it["client_order_id"] for it in (entry, *exits)
    }
    assert sum(it.filled_quantity for it in theirs if it.side == "buy") == entry["quantity"]
    (alert,) = days.rows("SELECT * FROM alerts WHERE kind = 'order_outcome_unknown'")
    assert (alert["subject"], alert["resolved_at"]) == (
        entry["client_order_id"],
        second(*SILENT_UNTIL),
    )


def test_a_stop_that_filled_in_that_hour_is_booked_once_after_it(days: TwoDays) -> None:
    (sold,) = [it for it in orders_in(days, RENAMED_TO) if it["filled_qty"]]
    (fill,) = days.rows("SELECT * FROM fills WHERE symbol = :it", it=RENAMED_TO)
    assert within_silence(fill["executed_at"])
    assert fill["recorded_at"] == second(*SILENT_UNTIL)
    assert (sold["purpose"], sold["filled_qty"], fill["quantity"]) == ("stop", 10, 10)
    (history,) = days.rows("SELECT * FROM position_history WHERE ticker = :it", it=RENAMED_TO)
    assert (history["exit_reason"], history["verified"]) == ("stop_loss", True)


def test_all_that_is_held_is_guarded_again_a_minute_after_that_hour(days: TwoDays) -> None:
    held = found(days, "after the silence")
    assert {symbol for _, symbol in held} == {SPLIT, PAYING, HALTED_HELD}
    assert resting(days, "after the silence") == {
        key: (row["quantity"], row["stop_loss"]) for key, row in held.items()
    }
    late = days.rows(
        "SELECT p.symbol, h.exit_time FROM position_history AS h"
        " JOIN active_positions AS p ON p.id = h.position_id"
        " WHERE p.close_reason = 'time' AND h.exit_time >= :day",
        day=second(0, 0),
    )
    assert {THIN, HALTED_FREE, UNKNOWN} <= {row["symbol"] for row in late}
    assert {row["exit_time"] for row in late} == {second(*SILENT_UNTIL)}


def test_bars_are_one_venue_s_and_its_missing_minutes_are_no_staleness(days: TwoDays) -> None:
    opens, closes = second(9, 30), second(*two_days.CLOSES)
    whole = {it.ts: it for it in days.recordings[SECOND].bars[THIN] if opens <= it.ts < closes}
    stored = days.rows(
        "SELECT ts, volume FROM lane_telemetry WHERE ticker = :it AND ts >= :opens",
        it=THIN,
        opens=opens,
    )
    assert len(whole) - len(stored) >= 50
    for row in stored:
        assert row["volume"] == max(1, round(whole[row["ts"]].volume / 40)), row
    ((_, _, refused, gates),) = ideas_in(days, THIN)
    freshness = gates["bar_freshness"]
    assert freshness["observed"] > Parameters().gates.bar_age_s
    assert freshness["passed"]
    assert refused == {"cooldown", "duplicate_position"}
    bought = [it for it in orders_in(days, THIN) if it["purpose"] == "entry"]
    assert [it["status"] for it in bought][-1] == "filled"


def test_closed_history_fills_and_ended_orders_stay_as_they_were(days: TwoDays) -> None:
    for name, sql in second_day.KEPT.items():
        assert days.kept[name], name
        now = days.rows(sql)
        assert [row for row in now if row in days.kept[name]] == days.kept[name], name
    assert any(row["ticker"] == THIN for row in days.kept["position_history"])
    assert any(row["symbol"] == SPLIT for row in days.kept["fills"])


def test_no_order_is_sent_twice_and_the_broker_has_no_other(days: TwoDays) -> None:
    ours = days.rows("SELECT client_order_id, account_name, filled_qty FROM orders")
    theirs = {it.client_order_id: it for name in BOTH for it in days.books[name].orders}
    assert len(theirs) == sum(len(days.books[name].orders) for name in BOTH)
    assert {row["client_order_id"] for row in ours} == set(theirs)
    for row in ours:
        assert theirs[row["client_order_id"]].filled_quantity == row["filled_qty"]
    positions = days.rows("SELECT * FROM active_positions")
    assert len(positions) >= 10
    for row in positions:
        entries = days.rows(
            "SELECT 1 FROM orders WHERE purpose = 'entry' AND account_name = :account"
            " AND symbol = :symbol AND decided_at = :at",
            account=row["account_name"],
            symbol=row["symbol"],
            at=row["entry_time"],
        )
        assert len(entries) <= 1


def test_no_limit_is_passed_at_any_moment(days: TwoDays) -> None:
    rows = days.rows(
        """
        SELECT p.account_name, p.symbol, p.entry_time,
               coalesce(p.closed_at, CAST(:end AS timestamptz)) AS closed_at,
               p.opened_quantity * p.entry_price AS cost, a.max_positions, a.max_exposure
        FROM active_positions AS p JOIN accounts AS a USING (account_name)
        """,
        end=days.clock.now() + timedelta(minutes=1),
    )
    for row in rows:
        beside = [
            other
            for other in rows
            if other["account_name"] == row["account_name"]
            and other["entry_time"] <= row["entry_time"] < other["closed_at"]
        ]
        assert len({other["symbol"] for other in beside}) <= row["max_positions"]
        assert sum(other["cost"] for other in beside) <= row["max_exposure"]


def test_every_invariant_holds_at_the_end_of_both_days(days: TwoDays) -> None:
    assert days.breaches == {FIRST: [], SECOND: []}
    halted = days.rows("SELECT 1 FROM accounts WHERE books_halt IS NOT NULL")
    assert halted == []
    cash = days.rows("SELECT account_name, unexplained FROM cash_readings")
    assert {row["account_name"] for row in cash} == set(BOTH)
    assert {row["unexplained"] for row in cash} <= {None, 0}


# Fees are estimated by a table that begins in 2012.
UNKNOWN_FEES = [
    ("fee_unexplained", account, f"{fee} {day}")
    for account in BOTH
    for fee in ("CAT", "SEC", "TAF")
    for day in (FIRST, SECOND)
]


def expected_alerts(days: TwoDays) -> list[tuple[str, str, str]]:
    """Of the evening, the halts and the hour without answers, and no other."""
    over_night = [
        *(("corporate_action_announced", "*", it) for it in (SPLIT, RENAMED, PAYING)),
        ("closing_overdue", "tiny", SPLIT),
        *(("position_unpriced", account, SPLIT) for account in BOTH),
    ]
    halts = [
        *(("ticker_halted", "*", ticker) for ticker in (SPLIT, HALTED_HELD, HALTED_FREE)),
        ("position_unpriced", "large", HALTED_HELD),
    ]
    held = days.rows(
        "SELECT account_name, symbol FROM active_positions"
        " WHERE coalesce(closed_at, :begins) >= :begins AND symbol <> :unknown",
        begins=second(*SILENT_FROM),
        unknown=UNKNOWN,
    )
    (unknown,) = [it for it in orders_in(days, UNKNOWN) if it["purpose"] == "entry"]
    stages = ("telemetry", "features", "watchlist", "signals")
    by_account = ("dispatcher", "position_manager", "reconciler")
    silence = [
        ("order_outcome_unknown", "large", unknown["client_order_id"]),
        ("stage_failed", "*", "trading_cycle/Telemetry"),
        *(("position_unpriced", row["account_name"], row["symbol"]) for row in held),
        *(("stage_failed", "*", f"position_cycle/PositionManager/{it}") for it in BOTH),
        *(("stage_failed", "*", f"reconcile_cycle/Reconciler/{it}") for it in BOTH),
        *(("stage_silent", "*", stage) for stage in stages),
        *(("stage_silent", account, stage) for account in BOTH for stage in by_account),
        *(("output_stale", "*", table) for table in ("lane_telemetry", "lane_features")),
    ]
    return [*UNKNOWN_FEES, *over_night, *halts, *silence]


def test_the_alerts_are_exactly_those_and_all_but_those_on_fees_have_ended(days: TwoDays) -> None:
    alerts = days.rows("SELECT * FROM alerts")
    assert sorted((it["kind"], it["scope"], it["subject"]) for it in alerts) == sorted(
        expected_alerts(days)
    )
    assert {it["kind"] for it in alerts if it["resolved_at"] is None} == {"fee_unexplained"}
    critical = {it["kind"] for it in alerts if it["severity"] == "critical"}
    assert critical == {"closing_overdue", "order_outcome_unknown", "stage_silent"}
