"""Cash compared with fills, fees, dividends and deposits: only what they leave over alerts."""

from decimal import Decimal

import pytest

from ops_pipeline.errors import BrokerUnavailable, StageFailed
from ops_pipeline.stages import reconciler
from tests.support.builders_trading import TradingBench


@pytest.fixture
def bench(bench: TradingBench) -> TradingBench:
    """Both accounts were read once: what moves from now on is compared."""
    assert reconcile(bench).cash_compared == 0
    return bench


def reconcile(bench: TradingBench) -> reconciler.Outcome:
    bench.next_minute()
    return bench.reconcile()


def alerts(bench: TradingBench) -> list[str]:
    found = bench.rows(
        "SELECT message FROM alerts WHERE kind = 'cash_differs' AND resolved_at IS NULL"
    )
    return [row["message"] for row in found]


def test_trades_fees_dividends_and_deposits_explain_the_cash(bench: TradingBench) -> None:
    bench.next_minute()
    bench.buy()
    for kind, amount in (("FEE", "-0.12"), ("DIV", "3.40"), ("CSD", "500"), ("CSW", "-20")):
        bench.broker.move_cash(kind, amount)
    outcome = reconcile(bench)
    assert (outcome.cash_compared, outcome.cash_differs, alerts(bench)) == (2, 0, [])


def test_money_that_nothing_explains_is_told_and_halts_nothing(bench: TradingBench) -> None:
    bench.broker.cash -= Decimal("12.34")
    assert reconcile(bench).cash_differs == 1
    assert alerts(bench) == [
        "Cash moved by $-12.34 that no fill, fee, dividend or deposit explains"
    ]
    halts = bench.rows("SELECT DISTINCT books_halt, kill_switch FROM accounts")
    assert halts == [{"books_halt": None, "kill_switch": None}]
    bench.buy()
    assert len(bench.orders("entry")) == 1


def test_an_activity_that_is_listed_late_resolves_the_alert(bench: TradingBench) -> None:
    bench.next_minute()
    bench.broker.move_cash("FEE", "-7.50")
    late = bench.broker.cash_activities.pop()
    reconcile(bench)
    assert len(alerts(bench)) == 1
    bench.broker.cash_activities.append(late)
    assert reconcile(bench).cash_differs == 0
    assert alerts(bench) == []


def test_another_amount_is_another_alert_and_the_same_is_not_told_again(
    bench: TradingBench,
) -> None:
    bench.broker.cash -= 10
    reconcile(bench)
    reconcile(bench)
    bench.broker.cash -= 5
    reconcile(bench)
    assert alerts(bench) == ["Cash moved by $-15 that no fill, fee, dividend or deposit explains"]
    assert len(bench.rows("SELECT id FROM alerts WHERE kind = 'cash_differs'")) == 2


def test_what_nobody_explains_is_let_go_after_four_days(bench: TradingBench) -> None:
    bench.broker.cash -= 10
    reconcile(bench)
    bench.clock.advance(4 * 86_400)
    assert reconcile(bench).cash_compared == 0
    bench.clock.advance(600)
    assert (reconcile(bench).cash_differs, alerts(bench)) == (0, [])


def test_money_that_moves_while_it_is_read_is_left_to_the_next_run(bench: TradingBench) -> None:
    bench.broker.cash -= 10
    asked = bench.broker.cash_activities_since

    def meanwhile(since: object) -> object:
        bench.broker.cash += 10
        return asked(since)  # type: ignore[arg-type]  # handed on as it came

    bench.broker.cash_activities_since = meanwhile  # type: ignore[assignment,method-assign]  # moves
    assert reconcile(bench).cash_compared == 1
    assert alerts(bench) == []


def test_activities_that_can_not_be_read_fail_the_run_after_positions_were_compared(
    bench: TradingBench,
) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    bench.broker.fail("cash_activities_since", BrokerUnavailable("503"))
    with pytest.raises(StageFailed, match="large: BrokerUnavailable: 503"):
        reconcile(bench)
    assert bench.position("ZZZ")["lifecycle_state"] == "adopted"
    assert alerts(bench) == []
