"""A close is a row: what fills a moment later is sold too, later purchases are not."""

from collections.abc import Callable
from typing import Any

import pytest

from ops_pipeline.db import close_requests
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.errors import BrokerOutcomeUnknown
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand
from tests.support.builders_trading import TradingBench

CLOSING = "AAA is being closed, asked by ann: news"


def close(
    bench: TradingBench, ticker: str | None = None, *, account: str | None = None
) -> dict[str, Any]:
    asked = ControlCommand(
        action="close", operator="ann", reason="news", account=account, ticker=ticker
    )
    return control.run(asked, db=bench.db, clock=bench.clock)


def requests(bench: TradingBench) -> list[Row]:
    return bench.rows("SELECT * FROM close_requests ORDER BY account_name, asked_at, id")


def enter(bench: TradingBench, ticker: str = "AAA", *, account: str = "large") -> str:
    """Have a live entry that has not filled; its client_order_id."""
    bench.quote(ticker)
    bench.recommend(ticker, account=account)
    bench.dispatch(account)
    return str(bench.orders("entry")[-1]["client_order_id"])


def until_flat(bench: TradingBench, account: str = "large") -> None:
    """Guard minute by minute; the broker fills what is offered for sale at a limit."""
    broker = bench.brokers[account]
    for _ in range(6):
        bench.next_minute()
        bench.guard(account)
        for order in list(broker.orders.values()):
            if (order.side, order.order_type, order.raw_status) == ("sell", "limit", "new"):
                broker.fill(order.client_order_id, "99.98")


def assert_closed(bench: TradingBench, ticker: str = "AAA", account: str = "large") -> None:
    assert bench.position(ticker, account=account)["status"] == "closed"
    assert {row["done_at"] is not None for row in requests(bench)} == {True}
    assert not [row for row in bench.orders() if row["status"] in ("accepted", "unknown")]


def test_an_entry_live_here_but_filled_at_the_broker_is_sold(bench: TradingBench) -> None:
    name = enter(bench)
    bench.broker.fill(name, "100.00")
    assert close(bench)["closing"] == ["large AAA"]
    until_flat(bench)
    assert_closed(bench)
    assert bench.position()["close_reason"] == "operator"


def test_an_entry_filled_in_part_here_and_whole_at_the_broker_is_sold(bench: TradingBench) -> None:
    bench.broker.at_once["AAA"] = ("100.00", "5")
    name = enter(bench)
    del bench.broker.at_once["AAA"]
    bench.broker.fill(name, "100.00", "14")
    close(bench)
    until_flat(bench)
    assert_closed(bench)
    assert bench.position()["opened_quantity"] == 19


def test_an_entry_in_flight_while_the_close_is_asked_is_sold(bench: TradingBench) -> None:
    bench.recommend()
    bench.broker.at_once["AAA"] = ("100.00", None)
    bench.broker.on_submit = lambda _: close(bench)
    bench.dispatch()
    bench.broker.on_submit = None
    del bench.broker.at_once["AAA"]
    assert bench.position()["status"] == "open"
    until_flat(bench)
    assert_closed(bench)


@pytest.mark.parametrize("accepted", [True, False])
def test_an_entry_of_unknown_outcome_is_sold_or_never_sent(
    bench: TradingBench, accepted: bool
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=accepted)
    name = enter(bench)
    close(bench)
    if accepted:
        bench.broker.fill(name, "100.00")
    until_flat(bench)
    if accepted:
        assert_closed(bench)
    else:
        assert bench.order()["status"] == "not_placed"
        assert len(bench.broker.submitted) == 1
        assert requests(bench)[0]["done_at"] is not None


def test_an_order_given_up_before_the_close_that_turns_up_filled_is_sold(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    name = enter(bench)
    hidden = dict(bench.broker.orders)
    bench.broker.orders.clear()
    for _ in range(2):
        bench.next_minute(AAA=("109.98", "110.00"))
        bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    assert close(bench)["closing"] == []
    bench.next_minute()
    bench.guard()
    assert requests(bench)[0]["done_at"] is not None
    bench.broker.orders.update(hidden)
    bench.broker.fill(name, "100.00")
    until_flat(bench)
    assert_closed(bench)


def test_while_a_close_is_open_its_symbols_are_not_bought_and_others_are(
    bench: TradingBench,
) -> None:
    bench.buy()
    close(bench, "AAA")
    bench.clock.advance(1)
    refused = bench.recommend()
    bench.quote("BBB")
    bought = bench.recommend("BBB")
    bench.dispatch()
    assert bench.verdict(refused, "closing_requested")["reason"] == CLOSING
    assert bench.recommendation(refused)["status"] == "SKIPPED"
    assert bench.verdict(bought, "closing_requested")["passed"] is True


def test_while_everything_is_being_closed_nothing_is_bought_in_that_account(
    bench: TradingBench,
) -> None:
    bench.buy()
    close(bench, account="large")
    bench.clock.advance(1)
    bench.quote("BBB")
    refused = bench.recommend("BBB")
    other = bench.recommend("BBB", account="tiny")
    bench.dispatch()
    bench.dispatch("tiny")
    assert (
        "BBB is being closed, asked by ann: news" in bench.recommendation(refused)["failure_reason"]
    )
    assert bench.verdict(other, "closing_requested")["passed"] is True


def test_a_later_purchase_is_not_in_the_close(bench: TradingBench) -> None:
    bench.buy()
    close(bench)
    until_flat(bench)
    assert_closed(bench)
    bench.clock.advance(16 * 60)
    bench.quote("AAA")
    bench.buy()
    bench.next_minute()
    bench.guard()
    assert bench.position()["exit_requested"] is None
    assert requests(bench)[0]["done_at"] is not None


def test_a_close_in_one_account_does_not_touch_the_other(bench: TradingBench) -> None:
    enter(bench)
    enter(bench, account="tiny")
    close(bench, account="tiny")
    assert [row["account_name"] for row in requests(bench)] == ["tiny"]
    large = [row for row in bench.orders() if row["account_name"] == "large"]
    assert [row["cancel_requested_at"] for row in large] == [None]


def test_two_closes_at_once_end_together_and_sell_once(bench: TradingBench) -> None:
    bench.buy()
    assert close(bench, "AAA")["closing"] == ["large AAA"]
    bench.clock.advance(1)
    again = close(bench)
    assert (again["closing"], again["exits_asked"]) == (["large AAA"], [])
    assert close(bench)["requests"] == again["requests"]
    until_flat(bench)
    assert_closed(bench)
    assert len(requests(bench)) == 2
    assert len([sent for sent in bench.broker.submitted if sent.order_type == "limit"]) == 2


def test_a_close_of_a_switched_off_account_is_carried_out_to_its_end(bench: TradingBench) -> None:
    bench.buy()
    close(bench)
    bench.set_account(active=False)
    until_flat(bench)
    assert_closed(bench)


def test_nothing_is_stored_where_nothing_is_held_or_live(bench: TradingBench) -> None:
    assert close(bench)["closing"] == []
    assert not requests(bench)


def test_a_sell_of_what_is_still_being_bought_sells_it_when_it_fills(bench: TradingBench) -> None:
    name = enter(bench)
    bench.clock.advance(1)
    sell = bench.recommend(action="SELL")
    bench.dispatch()
    bench.broker.fill(name, "100.00")
    assert bench.recommendation(sell)["status"] == "EXECUTED"
    until_flat(bench)
    assert_closed(bench)
    assert bench.position()["close_reason"] == "signal"


def test_a_sell_in_one_account_leaves_the_others_entry_alone(bench: TradingBench) -> None:
    enter(bench)
    enter(bench, account="tiny")
    bench.clock.advance(1)
    bench.recommend(action="SELL")
    bench.dispatch()
    assert [(row["account_name"], row["rule"]) for row in requests(bench)] == [("large", "signal")]


class Killed(BaseException):
    """Stands for a process that died."""


STEPS = ("insert", "any_open", "request_exits", "cancel_entries", "cancel_by_hand", "end")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("where", ["in the command", "in the guard"])
def test_a_kill_between_two_statements_leaves_all_or_nothing_and_the_next_run_goes_on(
    bench: TradingBench, monkeypatch: pytest.MonkeyPatch, step: str, where: str
) -> None:
    name = enter(bench)
    bench.broker.fill(name, "100.00")
    if where == "in the guard":
        close(bench)
        before = requests(bench)
        if step != "insert":
            with pytest.raises(Killed), _dying_at(monkeypatch, step):
                bench.guard()
        assert requests(bench) == before
    else:
        with pytest.raises(Killed), _dying_at(monkeypatch, step):
            close(bench)
        assert not requests(bench)
        assert bench.order()["cancel_requested_at"] is None
        close(bench)
    until_flat(bench)
    assert_closed(bench)


def _dying_at(monkeypatch: pytest.MonkeyPatch, step: str) -> Any:
    """The process dies when that statement is about to be sent."""
    context = monkeypatch.context()

    class Dying:
        def __enter__(self) -> None:
            def die(tx: Transaction, *_: object, **__: object) -> None:
                tx.flush()
                raise Killed

            dies: Callable[..., None] = die
            context.__enter__().setattr(close_requests, step, dies)

        def __exit__(self, *ended: Any) -> None:
            context.__exit__(*ended)

    return Dying()
