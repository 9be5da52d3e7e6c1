"""Fees of orders: estimated at their fills, settled by what the broker charges, once."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.db.costs import order_costs
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.trading_terms import FeeKind
from ops_pipeline.stages import reconciler
from tests.support.builders_trading import TradingBench

TODAY = date(2026, 2, 4)


class Killed(BaseException):
    """The process died here."""


@pytest.fixture
def sold(bench: TradingBench) -> TradingBench:
    """19 bought at 100 and sold at 101: TAF 0.003705, and no other fee on that day."""
    bench.next_minute()
    bench.buy()
    bench.next_minute()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.guard()
    bench.broker.fill(str(bench.order("exit")["client_order_id"]), "101.00")
    bench.next_minute()
    bench.guard()
    assert bench.rows("SELECT status FROM active_positions") == [{"status": "closed"}]
    return bench


def reconcile(bench: TradingBench) -> reconciler.Outcome:
    bench.next_minute()
    return bench.reconcile()


def costs(bench: TradingBench, what: str = "settled_usd") -> dict[tuple[str, str], Decimal | None]:
    rows = bench.rows(
        f"SELECT o.purpose, fee, {what} AS usd FROM order_costs JOIN orders AS o"
        " USING (client_order_id) ORDER BY 1, 2"
    )
    return {(row["purpose"], row["fee"]): row["usd"] for row in rows}


def result(bench: TradingBench) -> dict[str, Any]:
    (row,) = bench.rows(
        "SELECT pnl_dollars, fees_usd, pnl_net_dollars, fees_settled, half_spread_usd"
        " FROM position_results"
    )
    return row


def told(bench: TradingBench) -> list[str]:
    rows = bench.rows(
        "SELECT message FROM alerts WHERE kind = 'fee_unexplained' AND resolved_at IS NULL"
        " ORDER BY message"
    )
    return [row["message"] for row in rows]


def test_fees_are_estimated_with_the_fill_and_stand_beside_the_gross_result(
    sold: TradingBench,
) -> None:
    assert costs(sold, "estimated_usd") == {
        ("entry", "CAT"): Decimal(0),
        ("exit", "CAT"): Decimal(0),
        ("exit", "SEC"): Decimal(0),
        ("exit", "TAF"): Decimal("0.003705"),
    }
    assert set(costs(sold).values()) == {None}
    found = result(sold)
    assert found["pnl_dollars"] == 19
    assert found["fees_usd"] == Decimal("0.003705")
    assert found["pnl_net_dollars"] == Decimal("18.996295")
    assert found["fees_settled"] is False


def test_half_the_spread_at_decision_is_a_figure_of_its_own(sold: TradingBench) -> None:
    """Both orders saw 99.98 to 100.00: a cent each for 19 shares."""
    assert result(sold)["half_spread_usd"] == Decimal("0.38")


def test_what_the_broker_charges_settles_the_day_to_the_cent(sold: TradingBench) -> None:
    sold.broker.charge("TAF", "0.01", day=TODAY)
    outcome = reconcile(sold)
    assert (outcome.cash_differs, told(sold)) == (0, [])
    assert costs(sold)["exit", "TAF"] == Decimal("0.01")
    with sold.db.transaction() as tx:
        assert invariants.check(tx, now=sold.clock.now()) == []
    found = result(sold)
    assert (found["fees_usd"], found["pnl_net_dollars"]) == (Decimal("0.01"), Decimal("18.99"))
    assert found["fees_settled"] is True


def test_the_same_charge_read_again_changes_nothing(sold: TradingBench) -> None:
    sold.broker.charge("TAF", "0.01", day=TODAY)
    reconcile(sold)
    before = sold.rows("SELECT * FROM order_costs ORDER BY client_order_id, fee")
    fees = sold.rows("SELECT * FROM broker_fees")
    reconcile(sold)
    assert sold.rows("SELECT * FROM order_costs ORDER BY client_order_id, fee") == before
    assert sold.rows("SELECT * FROM broker_fees") == fees


def test_a_charge_of_the_next_morning_settles_the_day_before(sold: TradingBench) -> None:
    sold.broker.cash -= Decimal("0.01")  # taken from the balances as it accrued
    assert reconcile(sold).cash_differs == 0
    sold.clock.advance(20 * 3600)
    sold.broker.charge("TAF", "0.01", day=TODAY)
    sold.broker.cash += Decimal("0.01")  # the charge itself moves nothing any more
    assert reconcile(sold).cash_differs == 0
    assert costs(sold)["exit", "TAF"] == Decimal("0.01")
    assert told(sold) == []


def test_money_beyond_the_fees_is_told_as_before(sold: TradingBench) -> None:
    reconcile(sold)
    sold.broker.cash -= Decimal("0.05")
    assert reconcile(sold).cash_differs == 1


@pytest.mark.parametrize("step", ["keep_charged", "settle"])
def test_a_run_that_is_killed_settles_nothing_and_the_next_one_all(
    sold: TradingBench, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    sold.broker.charge("TAF", "0.01", day=TODAY)
    real = getattr(order_costs, step)

    def die(*given: Any, **named: Any) -> None:
        real(*given, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(order_costs, step, die)
        with pytest.raises(Killed):
            reconcile(sold)
    assert costs(sold)["exit", "TAF"] is None
    assert sold.rows("SELECT * FROM broker_fees") == []
    reconcile(sold)
    assert costs(sold)["exit", "TAF"] == Decimal("0.01")


def test_orders_of_a_day_share_its_charge(sold: TradingBench) -> None:
    """19 shares and 9 more: 0.003705 and 0.001755 of one cent."""
    sold.quote("BBB", "199.98", "200.00")
    sold.recommend("BBB")
    sold.dispatch()
    entry = next(it for it in sold.orders("entry") if it["ticker"] == "BBB")
    sold.broker.fill(str(entry["client_order_id"]), "200.00")
    sold.next_minute(BBB=("200.98", "201.00"))
    sold.guard()
    sold.run("UPDATE active_positions SET exit_requested = 'operator' WHERE status = 'open'")
    sold.next_minute(BBB=("200.98", "201.00"))
    sold.guard()
    exits = {str(it["ticker"]): it for it in sold.orders("exit")}
    sold.broker.fill(str(exits["BBB"]["client_order_id"]), "201.00")
    sold.next_minute()
    sold.guard()
    sold.broker.charge("TAF", "0.01", day=TODAY)
    reconcile(sold)
    shares = [
        row["settled_usd"]
        for row in sold.rows("SELECT settled_usd FROM order_costs WHERE fee = 'TAF' ORDER BY 1")
    ]
    assert len(shares) == 2
    assert sum(shares) == Decimal("0.01")
    assert shares[1] > shares[0] > 0


@pytest.mark.parametrize(
    ("fee", "amount", "message"),
    [
        ("TAF", "0.07", "Fee TAF for trades of 2026-02-04: the broker charged $0.07,"
         " the table of fees comes to $0.01"),
        ("OCC", "0.02", "Fee OCC for trades of 2026-02-04: the broker charged $0.02, and no order"
         " of that day is known to have it"),
        (None, "3.00", "Fee FEE for trades of 2026-02-04: the broker charged $3.00, and no order"
         " of that day is known to have it"),
    ],
)  # fmt: skip
def test_a_fee_that_is_not_explained_is_told_until_it_is_too_old(
    sold: TradingBench, fee: FeeKind | None, amount: str, message: str
) -> None:
    sold.broker.charge(fee, amount, day=TODAY)
    assert reconcile(sold).cash_differs == 0
    assert told(sold) == [message]
    reconcile(sold)
    assert len(sold.rows("SELECT id FROM alerts WHERE kind = 'fee_unexplained'")) == 1
    sold.clock.advance(timedelta(days=6).total_seconds())
    reconcile(sold)
    assert told(sold) == []


def test_a_charge_that_the_broker_corrects_is_settled_anew(sold: TradingBench) -> None:
    sold.broker.charge("TAF", "0.07", day=TODAY)
    reconcile(sold)
    assert costs(sold)["exit", "TAF"] == Decimal("0.07")
    sold.broker.charge("TAF", "-0.06", day=TODAY)
    reconcile(sold)
    assert (costs(sold)["exit", "TAF"], told(sold)) == (Decimal("0.01"), [])


def test_a_sale_that_is_told_after_its_day_was_charged_takes_its_share(
    sold: TradingBench,
) -> None:
    sold.broker.charge("TAF", "0.01", day=TODAY)
    reconcile(sold)
    sold.run("UPDATE order_costs SET estimated_usd = estimated_usd * 2 WHERE fee = 'TAF'")
    reconcile(sold)
    assert costs(sold)["exit", "TAF"] == Decimal("0.01")


def test_a_simulation_has_fees_that_nobody_charges(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    bench.next_minute()
    bench.recommend()
    bench.dispatch()
    assert costs(bench, "estimated_usd") == {("entry", "CAT"): Decimal(0)}
    bench.broker.charge("CAT", "0.01", day=TODAY)
    reconcile(bench)
    assert costs(bench) == {("entry", "CAT"): None}
