"""The operator's hands and the kill switches: entries stop, exits never do."""

import json
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from ops_local.cli import main
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.operations.invariants import MEANINGS
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages import control
from ops_pipeline.stages.control import Action, ControlCommand
from tests.support.builders_trading import DAY_AFTER, TradingBench
from tests.support.subscribing import subscribe_wire

BROKEN = "Broken invariants"


def command(
    bench: TradingBench, action: Action, *, account: str | None = None, ticker: str | None = None
) -> dict[str, object]:
    asked = ControlCommand(
        action=action, operator="ann", reason="news", account=account, ticker=ticker
    )
    return control.run(asked, db=bench.db, clock=bench.clock)


def dispatched(bench: TradingBench, ticker: str, account: str = "large") -> str:
    """The end of a fresh recommendation, with the reason where it was refused."""
    bench.quote(ticker)
    number = bench.recommend(ticker, account=account)
    bench.dispatch(account)
    row = bench.recommendation(number)
    return f"{row['status']} {row['failure_reason'] or ''}".strip()


def test_a_halt_stops_entries_of_all_accounts_and_is_recorded(bench: TradingBench) -> None:
    assert command(bench, "halt")["halted"] == ["large", "tiny"]
    assert "Halted by operator: news" in dispatched(bench, "AAA")
    assert "Halted by operator: news" in dispatched(bench, "BBB", "tiny")
    assert not bench.orders()
    (kept,) = bench.rows("SELECT operator, action, scope, reason FROM operator_actions")
    assert kept == {"operator": "ann", "action": "halt", "scope": "*", "reason": "news"}


def test_a_halt_of_one_account_leaves_the_other_alone(bench: TradingBench) -> None:
    command(bench, "halt", account="tiny")
    assert "Halted by operator" in dispatched(bench, "AAA", "tiny")
    dispatched(bench, "AAA")
    assert [row["account_name"] for row in bench.orders()] == ["large"]


def test_everything_is_resumed_only_by_an_event_that_says_so() -> None:
    whole: dict[str, Any] = {"action": "resume", "operator": "ann", "reason": "news"}
    with pytest.raises(InvalidInput, match="confirm"):
        control.Request(**whole).command()
    assert control.Request(**whole, confirm=True).command().account is None
    assert control.Request(**whole, account="tiny").command().account == "tiny"


def test_a_resumed_account_enters_again(bench: TradingBench) -> None:
    command(bench, "halt")
    assert command(bench, "resume") == {
        "action": "resume",
        "resumed": ["large", "tiny"],
        "still_halted": {},
    }
    dispatched(bench, "AAA")
    assert len(bench.orders("entry")) == 1


def test_resuming_says_what_halts_entries_all_the_same(bench: TradingBench) -> None:
    bench.set_account(books_halt="AAA: we hold 19, the broker says 12")
    answer = command(bench, "resume", account="large")
    assert answer["still_halted"] == {"large": "AAA: we hold 19, the broker says 12"}
    assert "Halted by books" in dispatched(bench, "AAA")


def test_a_kill_switch_of_an_earlier_session_is_not_said_to_halt(bench: TradingBench) -> None:
    bench.set_account(kill_switch="Daily loss", kill_switch_day="2026-02-03")
    assert command(bench, "resume", account="large")["still_halted"] == {}
    bench.set_account(kill_switch="Daily loss", kill_switch_day="2026-02-04")
    assert command(bench, "resume", account="large")["still_halted"] == {"large": "Daily loss"}


@pytest.mark.parametrize("action", ["halt", "resume", "close"])
def test_an_unknown_account_is_refused_and_nothing_is_recorded(
    bench: TradingBench, action: Action
) -> None:
    with pytest.raises(InvalidInput, match="huge is unknown"):
        command(bench, action, account="huge")
    assert not bench.rows("SELECT 1 FROM operator_actions")


def sell_at_the_broker(bench: TradingBench) -> None:
    """Fill what is offered for sale at a limit, and let the position manager see it."""
    for order in list(bench.broker.orders.values()):
        if order.side == "sell" and order.order_type == "limit" and order.raw_status == "new":
            bench.broker.fill(order.client_order_id, "99.98")
    bench.guard()


def test_a_closed_position_is_sold_while_entries_are_halted_and_features_are_gone(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.guard()
    command(bench, "halt")
    # Every halt there is, and a dead trading cycle: no dispatcher, no bars, no features.
    bench.run("UPDATE accounts SET kill_switch = 'x', kill_switch_day = '2026-02-04'")
    assert command(bench, "close", account="large")["exits_asked"] == ["large AAA"]
    for _ in range(3):
        bench.clock.advance(60)
        bench.market.quote("AAA", "99.98", "100.00")
        bench.guard()
        sell_at_the_broker(bench)
    assert (bench.position()["status"], bench.position()["close_reason"]) == ("closed", "operator")


def test_closing_one_ticker_leaves_the_others_held(bench: TradingBench) -> None:
    bench.buy("AAA")
    bench.quote("BBB")
    bench.buy("BBB")
    command(bench, "close", ticker="BBB")
    assert bench.position("AAA")["exit_requested"] is None
    assert bench.position("BBB")["exit_requested"] == "operator"


def test_closing_outranks_a_signal_that_asked_before(bench: TradingBench) -> None:
    bench.buy()
    bench.recommend(action="SELL")
    bench.dispatch()
    assert bench.position()["exit_requested"] == "signal"
    command(bench, "close")
    assert bench.position()["exit_requested"] == "operator"


def test_closing_cancels_what_is_being_bought_and_what_waits(bench: TradingBench) -> None:
    dispatched(bench, "AAA")
    bench.clock.advance(1)
    waiting = bench.recommend("BBB")
    answer = command(bench, "close")
    assert (answer["entries_cancelled"], answer["recommendations_cancelled"]) == (1, 1)
    assert bench.recommendation(waiting)["status"] == "CANCELLED"
    bench.guard()
    assert bench.order()["status"] == "canceled"


def test_a_daily_loss_latches_for_the_session_and_not_beyond(bench: TradingBench) -> None:
    bench.buy()
    bench.run("UPDATE active_positions SET current_pnl_dollars = -501")
    assert "KILL SWITCH: Daily loss $501 exceeds limit $500" in dispatched(bench, "BBB")
    bench.run("UPDATE active_positions SET current_pnl_dollars = 0")
    bench.clock.advance(60)
    assert "Halted by kill switch" in dispatched(bench, "CCC")
    bench.clock.at += DAY_AFTER - bench.clock.at.date()
    bench.vix(18.0, bench.clock.at.date() - timedelta(days=1))
    dispatched(bench, "DDD")
    assert [row["symbol"] for row in bench.orders("entry")] == ["AAA", "DDD"]


def _lose(bench: TradingBench, number: int) -> None:
    ticker = "LLL" + "ABCDE"[number]
    bench.quote(ticker)
    bench.buy(ticker)
    command(bench, "close", ticker=ticker)
    for _ in range(2):
        bench.next_minute()
        bench.guard()
        for order in list(bench.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.raw_status == "new":
                bench.broker.fill(order.client_order_id, "99.00")
    bench.guard()


def test_five_losses_in_a_row_halt_the_account_until_somebody_resumes_it(
    bench: TradingBench,
) -> None:
    for number in range(5):
        _lose(bench, number)
    assert "5" in dispatched(bench, "BBB")
    assert bench.rows("SELECT count(*) AS n FROM position_history WHERE pnl_dollars < 0") == [
        {"n": 5}
    ]
    bench.clock.advance(60)
    command(bench, "resume", account="large")
    dispatched(bench, "CCC")
    assert bench.orders("entry")[-1]["symbol"] == "CCC"


def test_the_doctor_misses_nothing_but_feeds_in_a_fresh_database(
    db: Database,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [part for part, rows in found.items() if rows] == ["News"]
    assert [row["finding"] for row in found["News"]] == ["no_feeds"]
    subscribe_wire(db)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[BROKEN] == []


@pytest.mark.parametrize(
    ("table", "unknown"),
    [
        ("external_holdings", {"Held before the first run, left alone"}),
        ("accounts", {"Accounts", "Overdue runs"}),
        ("pipeline_runs", {"Last runs", "Overdue runs"}),
        ("active_positions", {"Open positions", "Overdue runs"}),
        ("alerts", {"Open alerts"}),
    ],
)
def test_a_part_that_cannot_be_read_is_a_finding_and_the_others_are_shown(
    bench: TradingBench,
    admin_url: str,
    capsys: pytest.CaptureFixture[str],
    table: str,
    unknown: set[str],
) -> None:
    variables = {"DATABASE_URL": admin_url}
    bench.buy()
    admin = Database(target_from_url(admin_url), application_name="tests")
    with closing(admin), admin.transaction() as tx:
        tx.execute(f"ALTER TABLE {table} RENAME TO gone")
    assert main(["status", "--json"], variables) == 1
    assert not_known(capsys) == unknown
    assert main(["doctor", "--json"], variables) == 1
    assert "Logins that somebody altered" not in not_known(capsys)


def not_known(capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The titles of the parts that could not be read."""
    found = json.loads(capsys.readouterr().out)
    return {title for title, rows in found.items() if "not known: " in str(rows)}


def test_the_doctor_names_the_row_and_the_command_line_halts(
    bench: TradingBench,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    bench.buy()
    bench.run("UPDATE active_positions SET quantity = 1")
    assert main(["doctor", "--json"]) == 1
    found = {row["invariant"]: row for row in json.loads(capsys.readouterr().out)[BROKEN]}
    broken = found["position_equals_its_orders"]
    assert broken["meaning"] == MEANINGS["position_equals_its_orders"]
    assert broken["subject"] == str(bench.position()["id"])
    halt = ["halt", "--account", "tiny", "--reason", "night", "--operator", "ann"]
    assert main([*halt, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"action": "halt", "halted": ["tiny"]}
    assert bench.rows("SELECT scope FROM operator_actions") == [{"scope": "tiny"}]
    assert main(["close", "--account", "huge", "--reason", "night"]) == 1


def test_a_person_reads_a_line_for_each_account(
    bench: TradingBench,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    bench.buy()
    assert main(["halt", "--reason", "night"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "large: entries are halted, exits continue",
        "tiny: entries are halted, exits continue",
    ]
    assert main(["resume", "--account", "tiny", "--reason", "day"]) == 0
    assert capsys.readouterr().out == "tiny: the operator's halt is over\n"
    assert main(["close", "--account", "large", "--reason", "out"]) == 1
    assert capsys.readouterr().out == "closing: large AAA\n"
    assert main(["close", "--account", "tiny", "--reason", "out"]) == 1
    assert capsys.readouterr().out == ""
