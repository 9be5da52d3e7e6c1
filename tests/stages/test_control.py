"""The operator's hands and the kill switches: entries stop, exits never do."""

import json
from datetime import timedelta

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres import EmbeddedPostgres
from ops_pipeline.db.connection import Database, target_from_url
from ops_pipeline.domain.invariants import MEANINGS
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages import control
from ops_pipeline.stages.control import Action, Wish
from tests.builders_trading import DAY_AFTER, Desk

BROKEN = "Broken invariants"


@pytest.fixture
def desk(db: Database) -> Desk:
    return Desk(db)


def wish(
    desk: Desk, action: Action, *, account: str | None = None, ticker: str | None = None
) -> dict[str, object]:
    asked = Wish(action=action, operator="ann", reason="news", account=account, ticker=ticker)
    return control.run(asked, db=desk.db, clock=desk.clock)


def dispatched(desk: Desk, ticker: str, account: str = "large") -> str:
    """The end of a fresh recommendation, with the reason where it was refused."""
    desk.quote(ticker)
    number = desk.recommend(ticker, account=account)
    desk.dispatch(account)
    row = desk.recommendation(number)
    return f"{row['status']} {row['failure_reason'] or ''}".strip()


def test_a_halt_stops_entries_of_all_accounts_and_is_recorded(desk: Desk) -> None:
    assert wish(desk, "halt")["halted"] == ["large", "tiny"]
    assert "Halted by operator: news" in dispatched(desk, "AAA")
    assert "Halted by operator: news" in dispatched(desk, "BBB", "tiny")
    assert not desk.orders()
    (kept,) = desk.rows("SELECT operator, action, scope, reason FROM operator_actions")
    assert kept == {"operator": "ann", "action": "halt", "scope": "*", "reason": "news"}


def test_a_halt_of_one_account_leaves_the_other_alone(desk: Desk) -> None:
    wish(desk, "halt", account="tiny")
    assert "Halted by operator" in dispatched(desk, "AAA", "tiny")
    dispatched(desk, "AAA")
    assert [row["account_name"] for row in desk.orders()] == ["large"]


def test_a_resumed_account_enters_again(desk: Desk) -> None:
    wish(desk, "halt")
    assert wish(desk, "resume") == {
        "action": "resume",
        "resumed": ["large", "tiny"],
        "still_halted": {},
    }
    dispatched(desk, "AAA")
    assert len(desk.orders("entry")) == 1


def test_resuming_says_what_halts_entries_all_the_same(desk: Desk) -> None:
    desk.set_account(books_halt="AAA: we hold 19, the broker says 12")
    told = wish(desk, "resume", account="large")
    assert told["still_halted"] == {"large": "AAA: we hold 19, the broker says 12"}
    assert "Halted by books" in dispatched(desk, "AAA")


@pytest.mark.parametrize("action", ["halt", "resume", "close"])
def test_an_unknown_account_is_refused_and_nothing_is_recorded(desk: Desk, action: Action) -> None:
    with pytest.raises(InvalidInput, match="huge is unknown"):
        wish(desk, action, account="huge")
    assert not desk.rows("SELECT 1 FROM operator_actions")


def sell_at_the_broker(desk: Desk) -> None:
    """Fill what is offered for sale at a limit, and let the position manager see it."""
    for order in list(desk.broker.orders.values()):
        if order.side == "sell" and order.order_type == "limit" and order.status == "new":
            desk.broker.fill(order.client_order_id, "99.98")
    desk.guard()


def test_a_closed_position_is_sold_while_entries_are_halted_and_features_are_gone(
    desk: Desk,
) -> None:
    desk.buy()
    desk.guard()
    wish(desk, "halt")
    # Every halt there is, and a dead trading cycle: no dispatcher, no bars, no features.
    desk.run("UPDATE accounts SET kill_switch = 'x', kill_switch_day = '2026-02-04'")
    assert wish(desk, "close", account="large")["exits_asked"] == ["large AAA"]
    for _ in range(3):
        desk.clock.advance(60)
        desk.market.quote("AAA", "99.98", "100.00")
        desk.guard()
        sell_at_the_broker(desk)
    assert (desk.position()["status"], desk.position()["close_reason"]) == ("closed", "operator")


def test_closing_one_ticker_leaves_the_others_held(desk: Desk) -> None:
    desk.buy("AAA")
    desk.quote("BBB")
    desk.buy("BBB")
    wish(desk, "close", ticker="BBB")
    assert desk.position("AAA")["exit_requested"] is None
    assert desk.position("BBB")["exit_requested"] == "operator"


def test_closing_outranks_a_signal_that_asked_before(desk: Desk) -> None:
    desk.buy()
    desk.recommend(action="SELL")
    desk.dispatch()
    assert desk.position()["exit_requested"] == "signal"
    wish(desk, "close")
    assert desk.position()["exit_requested"] == "operator"


def test_closing_cancels_what_is_being_bought_and_what_waits(desk: Desk) -> None:
    dispatched(desk, "AAA")
    desk.clock.advance(1)
    waiting = desk.recommend("BBB")
    told = wish(desk, "close")
    assert (told["entries_cancelled"], told["recommendations_cancelled"]) == (1, 1)
    assert desk.recommendation(waiting)["status"] == "CANCELLED"
    desk.guard()
    assert desk.order()["status"] == "canceled"


def test_a_daily_loss_latches_for_the_session_and_not_beyond(desk: Desk) -> None:
    desk.buy()
    desk.run("UPDATE active_positions SET current_pnl_dollars = -501")
    assert "KILL SWITCH: Daily loss $501 exceeds limit $500" in dispatched(desk, "BBB")
    desk.run("UPDATE active_positions SET current_pnl_dollars = 0")
    desk.clock.advance(60)
    assert "Halted by kill switch" in dispatched(desk, "CCC")
    desk.clock.at += DAY_AFTER - desk.clock.at.date()
    desk.vix(18.0, desk.clock.at.date() - timedelta(days=1))
    dispatched(desk, "DDD")
    assert [row["symbol"] for row in desk.orders("entry")] == ["AAA", "DDD"]


def _lose(desk: Desk, number: int) -> None:
    ticker = "LLL" + "ABCDE"[number]
    desk.quote(ticker)
    desk.buy(ticker)
    wish(desk, "close", ticker=ticker)
    for _ in range(2):
        desk.next_minute()
        desk.guard()
        for order in list(desk.broker.orders.values()):
            if order.side == "sell" and order.order_type == "limit" and order.status == "new":
                desk.broker.fill(order.client_order_id, "99.00")
    desk.guard()


def test_five_losses_in_a_row_halt_the_account_until_somebody_resumes_it(desk: Desk) -> None:
    for number in range(5):
        _lose(desk, number)
    assert "5" in dispatched(desk, "BBB")
    assert desk.rows("SELECT count(*) AS n FROM position_history WHERE pnl_dollars < 0") == [
        {"n": 5}
    ]
    desk.clock.advance(60)
    wish(desk, "resume", account="large")
    dispatched(desk, "CCC")
    assert desk.orders("entry")[-1]["symbol"] == "CCC"


@pytest.fixture
def admin_url(postgres: EmbeddedPostgres, database_urls: DatabaseUrls) -> str:
    """The superuser in this test's database, as DATABASE_URL of another server would be."""
    return local.url_for(postgres.url, database=target_from_url(database_urls.writer).database)


def test_the_doctor_finds_nothing_wrong_with_a_fresh_database(
    admin_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[BROKEN] == []


def test_the_doctor_names_the_row_and_the_command_line_halts(
    desk: Desk,
    admin_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", admin_url)
    desk.buy()
    desk.run("UPDATE active_positions SET quantity = 1")
    assert main(["doctor", "--json"]) == 1
    found = {row["invariant"]: row for row in json.loads(capsys.readouterr().out)[BROKEN]}
    broken = found["position_equals_its_orders"]
    assert broken["meaning"] == MEANINGS["position_equals_its_orders"]
    assert broken["subject"] == str(desk.position()["id"])
    assert main(["halt", "--account", "tiny", "--reason", "night", "--operator", "ann"]) == 0
    assert json.loads(capsys.readouterr().out) == {"action": "halt", "halted": ["tiny"]}
    assert desk.rows("SELECT scope FROM operator_actions") == [{"scope": "tiny"}]
    assert main(["close", "--account", "huge", "--reason", "night"]) == 1
