"""One item of the broker's lists, or one quote, can't be read: the rest goes on."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.domain.legible import ItemKind
from ops_pipeline.errors import BrokerOutcomeUnknown, StageFailed
from tests.execution.odd_items import odd
from tests.stages.reconciling import halt, reconcile
from tests.support.builders_trading import TradingBench


def subjects(bench: TradingBench) -> list[str]:
    found = bench.rows(
        "SELECT subject FROM alerts WHERE kind = 'item_illegible' AND resolved_at IS NULL"
        " ORDER BY subject"
    )
    return [row["subject"] for row in found]


def why_not(bench: TradingBench, ticker: str = "CCC") -> str | None:
    bench.quote(ticker)
    number = bench.recommend(ticker)
    bench.dispatch()
    reason = bench.recommendation(number)["failure_reason"]
    return None if reason is None else str(reason)


@pytest.mark.parametrize("symbol", ["ZZZ", None])
@pytest.mark.parametrize("kind", ["position", "order"])
def test_entries_are_refused_with_a_reason_while_what_counts_is_not_legible(
    bench: TradingBench, kind: ItemKind, symbol: str | None
) -> None:
    bench.broker.illegible = [odd(kind, symbol=symbol)]
    assert f"The broker's lists are not legible: {kind} x: qty is no number" in (
        why_not(bench) or ""
    )
    assert subjects(bench) == [f"{kind} x"]
    bench.broker.illegible = []
    bench.next_minute()
    reconcile(bench)
    assert (why_not(bench, "DDD"), subjects(bench)) == (None, [])


def test_an_order_that_ended_is_named_and_refuses_nothing(bench: TradingBench) -> None:
    bench.broker.illegible = [odd("order", has_ended=True)]
    assert reconcile(bench).illegible == 1
    assert (why_not(bench), halt(bench), subjects(bench)) == (None, None, ["order x"])


def test_the_filled_entry_beside_an_illegible_order_is_booked_and_guarded(
    bench: TradingBench,
) -> None:
    bench.recommend()
    bench.dispatch()
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.00")
    bench.broker.illegible = [odd("order", symbol="ZZZ"), odd("fill", "f", symbol="ZZZ")]
    bench.next_minute()
    bench.guard()
    assert (bench.order()["status"], bench.order("stop")["status"]) == ("filled", "accepted")
    assert subjects(bench) == ["fill f", "order x"]


@pytest.mark.parametrize(
    ("named", "missed"),
    [
        ({}, False),
        ({"symbol": "AAA"}, False),
        ({"symbol": "ZZZ"}, True),
        ({"client_order_id": "by hand", "symbol": "AAA"}, True),
    ],
)
def test_an_order_is_not_missing_while_an_illegible_one_may_be_it(
    held: TradingBench, named: dict[str, str], missed: bool
) -> None:
    stop = str(held.order("stop")["client_order_id"])
    del held.broker.orders[stop]
    held.broker.illegible = [odd("order", **named)]
    for _ in range(3):
        held.next_minute()
        held.guard()
    assert ("order_vanished" in held.alerts()) is missed


def test_an_order_that_can_not_be_looked_up_costs_no_other(held: TradingBench) -> None:
    """The one is neither listed nor legible by its id; the other filled."""
    held.quote("BBB")
    held.recommend("BBB")
    held.dispatch()
    entry = str(held.orders("entry")[-1]["client_order_id"])
    honest = held.broker.order_by_client_id
    stop = str(held.order("stop")["client_order_id"])
    held.broker.illegible = [odd("order", stop)]

    def look_up(name: str) -> object:
        if name == stop:
            raise ArithmeticError("nobody foresaw this")
        return honest(name)

    held.broker.order_by_client_id = look_up  # type: ignore[method-assign, assignment]
    held.broker.fill(entry, "100.00")
    held.next_minute()
    with pytest.raises(StageFailed, match="nobody foresaw this"):
        held.guard()
    assert held.position("BBB")["quantity"] == 19
    assert held.orders("stop")[-1]["ticker"] == "BBB"


def test_an_unknown_order_is_not_sent_again_while_an_illegible_one_may_be_it(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"))
    bench.recommend()
    bench.dispatch()
    bench.broker.illegible = [odd("order")]
    for _ in range(3):
        bench.next_minute()
        bench.recover()
    assert (bench.order()["status"], len(bench.broker.submitted)) == ("unknown", 1)
    bench.broker.illegible = []
    bench.next_minute()
    bench.recover()
    assert bench.order()["status"] != "unknown"


def test_an_entry_is_not_sent_again_into_an_account_that_is_not_legible(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"))
    bench.recommend()
    bench.dispatch()
    bench.broker.illegible = [odd("position", "ZZZ", symbol="ZZZ")]
    for _ in range(3):
        bench.next_minute()
        bench.recover()
    assert (bench.order()["status"], len(bench.broker.submitted)) == ("not_placed", 1)


@pytest.mark.parametrize("named", [{}, {"symbol": "AAA"}])
def test_a_position_is_not_gone_while_an_illegible_one_may_be_it(
    held: TradingBench, named: dict[str, str]
) -> None:
    name = str(held.order("stop")["client_order_id"])
    held.broker.end(name, "canceled")
    held.guard()
    held.broker.illegible = [odd("position", "AAA", **named)]
    for _ in range(3):
        outcome = reconcile(held)
        assert (outcome.closed, outcome.differences, outcome.illegible) == (0, 0, 1)
    assert held.position()["status"] == "open"
    assert "Not legible at the broker: position AAA" in str(halt(held))
    assert halt(held, "tiny") is None
    held.broker.illegible = []
    assert reconcile(held).illegible == 0
    assert halt(held) is None


def test_a_position_is_not_given_up_while_an_illegible_order_may_sell_it(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.broker.hold("AAA", "0", "100.00")
    bench.broker.illegible = [odd("order", symbol="AAA")]
    for _ in range(3):
        assert reconcile(bench).closed == 0
    bench.broker.illegible = []
    assert reconcile(bench).closed == 1


def test_an_illegible_position_keeps_its_stop_and_the_others_are_sold(held: TradingBench) -> None:
    held.quote("BBB")
    held.buy("BBB")
    held.next_minute()
    held.guard()
    held.broker.illegible = [odd("position", "AAA", symbol="AAA")]
    held.next_minute(AAA=("97.00", "97.10"), BBB=("97.00", "97.10"))
    with pytest.raises(StageFailed, match="what the broker holds of it is not legible"):
        held.guard()
    assert [order["ticker"] for order in held.orders("exit")] == ["BBB"]
    stops = {row["ticker"]: row["status"] for row in held.orders("stop")}
    assert stops == {"AAA": "accepted", "BBB": "canceled"}
    assert "exit_blocked" in held.alerts()


def test_a_list_that_becomes_illegible_after_the_cancel_is_not_asked_again(
    held: TradingBench,
) -> None:
    """The quantity was read before the cancel; a broker that holds less refuses the sale."""
    honest = held.broker.cancel

    def cancel(broker_order_id: str) -> None:
        honest(broker_order_id)
        held.broker.illegible = [odd("position", "AAA", symbol="AAA")]

    held.broker.cancel = cancel  # type: ignore[method-assign]
    held.next_minute(AAA=("97.00", "97.10"))
    held.guard()
    assert [row["status"] for row in held.orders("stop")] == ["canceled"]
    assert [row["quantity"] for row in held.orders("exit")] == [19]


def test_a_position_without_a_stop_gets_one_where_an_illegible_list_keeps_it_from_its_exit(
    held: TradingBench,
) -> None:
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    held.broker.illegible = [odd("position", "AAA", symbol="AAA")]
    held.next_minute(AAA=("97.00", "97.10"))
    with pytest.raises(StageFailed, match="not legible"):
        held.guard()
    assert [row["status"] for row in held.orders("stop")] == ["canceled", "accepted"]
    assert held.orders("exit") == []


def test_one_illegible_quote_unprices_its_own_symbol_alone(held: TradingBench) -> None:
    held.quote("BBB")
    held.buy("BBB")
    held.market.illegible = [odd("quote", "AAA", symbol="AAA")]
    held.next_minute(BBB=("97.00", "97.10"))
    outcome = held.guard()
    assert (outcome.marked, outcome.unpriced) == (1, 1)
    assert [order["ticker"] for order in held.orders("exit")] == ["BBB"]
    assert subjects(held) == ["quote AAA"]
    held.market.illegible = []
    held.next_minute()
    held.guard()
    assert subjects(held) == []


def test_the_cash_is_not_compared_with_activities_that_are_not_legible(
    bench: TradingBench,
) -> None:
    reconcile(bench)
    bench.clock.advance(5)
    bench.broker.move_cash("FEE", "-5")
    bench.broker.illegible = [odd("cash_activity", "cash::1")]
    assert (reconcile(bench).cash_differs, subjects(bench)) == (0, ["cash_activity cash::1"])
    assert "Daily loss unknown" in (why_not(bench) or "")
    bench.broker.illegible = []
    assert (reconcile(bench).cash_differs, subjects(bench)) == (0, [])


def test_one_break_that_can_not_be_settled_keeps_no_other(bench: TradingBench) -> None:
    """A position that breaks a constraint, beside one that nobody guards yet."""
    bench.broker.hold("YYY", "5", "-1")
    bench.broker.hold("ZZZ", "5", "10.00")
    bench.next_minute()
    with pytest.raises(StageFailed, match="YYY"):
        bench.reconcile()
    assert bench.position("ZZZ")["quantity"] == 5
    assert halt(bench) is not None
    assert halt(bench, "tiny") is None


def test_an_account_that_fails_in_a_way_nobody_foresaw_costs_no_other(
    bench: TradingBench,
) -> None:
    bench.brokers["tiny"].hold("ZZZ", "5", "10.00")

    def account() -> object:
        raise ArithmeticError("nobody foresaw this")

    bench.broker.account = account  # type: ignore[method-assign, assignment]
    bench.next_minute()
    with pytest.raises(StageFailed, match="large: ArithmeticError"):
        bench.reconcile()
    assert bench.position("ZZZ", account="tiny")["quantity"] == 5


def test_an_order_that_can_not_be_booked_keeps_the_account_s_other_positions_compared(
    bench: TradingBench,
) -> None:
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    order = bench.broker.orders[name]
    bench.broker.orders[name] = replace(
        order, filled_quantity=order.quantity, filled_average_price=Decimal(0)
    )
    bench.broker.hold("AAA", "19", "100.00")
    bench.broker.hold("ZZZ", "5", "10.00")
    bench.next_minute()
    with pytest.raises(StageFailed, match=name):
        bench.reconcile()
    assert bench.position("ZZZ")["quantity"] == 5
    assert bench.rows("SELECT 1 AS n FROM active_positions WHERE ticker = 'AAA'") == []
