"""Each account is held against its broker every few minutes, and what differs is kept and told."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.broker import BrokerPosition, OrderRequest
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerUnavailable, InvalidInput, SettingsInvalid, StageFailed
from ops_pipeline.execution.order_gateway import OrderGateway
from ops_pipeline.stages import healthcheck, reconciler
from ops_pipeline.stages.request import ReconcileRequest, TickRequest
from tests.stages.reconciling import reconcile
from tests.support.builders_trading import Street, TradingBench


def kept(bench: TradingBench, account: str = "large") -> list[dict[str, Any]]:
    """What an account's comparisons found, oldest first."""
    return bench.rows(
        "SELECT result, difference_count, differences FROM broker_comparisons"
        " WHERE account_name = :account ORDER BY tick",
        account=account,
    )


def results(bench: TradingBench, account: str = "large") -> list[str]:
    return [row["result"] for row in kept(bench, account)]


def check_health(bench: TradingBench) -> healthcheck.Outcome:
    request = TickRequest(tick=bench.tick)
    return healthcheck.run(request, db=bench.db, calendar=NyseCalendar(), clock=bench.clock)


def broken(bench: TradingBench) -> list[tuple[str, str]]:
    found = bench.rows(
        "SELECT scope, subject FROM alerts WHERE kind = 'invariant_broken' AND resolved_at IS NULL"
        " ORDER BY scope, subject"
    )
    return [(row["scope"], row["subject"]) for row in found]


def test_a_run_of_one_account_compares_that_one_and_keeps_what_it_found(
    bench: TradingBench,
) -> None:
    bench.buy()
    outcome = reconcile(bench, "large")
    assert (outcome.accounts, outcome.positions_compared, outcome.broken) == (1, 1, 0)
    assert kept(bench) == [{"result": "agrees", "difference_count": 0, "differences": []}]
    assert kept(bench, "tiny") == []
    assert bench.brokers["tiny"].calls == []


def test_a_run_of_all_accounts_keeps_one_comparison_each(bench: TradingBench) -> None:
    reconcile(bench)
    assert (results(bench), results(bench, "tiny")) == (["agrees"], ["agrees"])


def test_what_differs_is_kept_told_by_the_healthcheck_and_resolved_by_a_run_that_agrees(
    bench: TradingBench,
) -> None:
    bench.broker.hold("ZZZ", "-5", "10.00")
    assert reconcile(bench, "large").breaches == [
        "large position_equals_the_broker ZZZ: 0 in our records, -5 at the broker"
    ]
    assert kept(bench)[0]["differences"] == [
        {
            "invariant": "position_equals_the_broker",
            "subject": "ZZZ",
            "message": "0 in our records, -5 at the broker",
        }
    ]
    assert "invariant_broken large position_equals_the_broker" in check_health(bench).unwell
    assert broken(bench) == [("large", "position_equals_the_broker")]

    bench.broker.hold("ZZZ", "0", "10.00")
    check_health(bench)
    # Until somebody looked again nothing is believed to be well.
    assert broken(bench) == [("large", "position_equals_the_broker")]
    reconcile(bench, "large")
    check_health(bench)
    assert (results(bench), broken(bench)) == (["differs", "agrees"], [])


def test_a_position_that_only_the_broker_holds_is_adopted_within_the_session(
    bench: TradingBench,
) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    assert reconcile(bench, "large").adopted == 1
    assert results(bench) == ["agrees"]
    bench.quote("ZZZ", "10.00", "10.02")
    bench.guard()
    assert [row["symbol"] for row in bench.orders("stop")] == ["ZZZ"]
    bench.clock.advance(300)
    assert reconcile(bench, "large").differences == 0
    assert results(bench)[-1] == "agrees"


def test_an_order_that_the_broker_lost_is_a_difference(bench: TradingBench) -> None:
    bench.buy()
    bench.guard()
    bench.clock.advance(300)
    stop = bench.order("stop")
    kept_back = bench.broker.orders.pop(stop["client_order_id"])
    with pytest.raises(KeyError):
        bench.broker.orders[kept_back.client_order_id]
    assert [line.split(":")[0] for line in reconcile(bench, "large").breaches] == [
        f"large broker_order_has_one_row {stop['client_order_id']}"
    ]


def test_an_execution_that_the_broker_does_not_know_is_a_difference(bench: TradingBench) -> None:
    bench.buy()
    bench.clock.advance(300)
    bench.guard()
    gone = bench.broker.fills.pop()
    assert [line.split(":")[0] for line in reconcile(bench, "large").breaches] == [
        f"large fill_has_evidence {gone.fill_id.split(':')[0]}"
    ]


class Misreading(Street):
    """Answers a few times with an empty list of positions."""

    misreadings: int = 0

    def positions(self) -> Listing[BrokerPosition]:
        found = super().positions()
        if self.misreadings:
            self.misreadings -= 1
            return Listing()
        return found


def misreading(bench: TradingBench, times: int) -> None:
    street = Misreading(bench.clock, account_number="PA-large")
    bench.brokers["large"] = street
    bench.buy()
    bench.clock.advance(300)
    street.misreadings = times


@pytest.mark.parametrize(("times", "result"), [(1, "agrees"), (2, "agrees"), (3, "differs")])
def test_a_difference_must_show_in_a_second_reading_of_everything(
    bench: TradingBench, times: int, result: str
) -> None:
    misreading(bench, times)
    reconcile(bench, "large")
    assert results(bench) == [result]


class Filling(Street):
    """Fills what rests while its lists are being read."""

    def orders_since(self, since: Any) -> Any:
        listed = super().orders_since(since)
        for order in listed:
            if order.status == "working":
                self.fill(order.client_order_id, "100.00")
        return listed


def test_what_fills_while_the_broker_is_asked_is_no_difference(bench: TradingBench) -> None:
    bench.brokers["large"] = Filling(bench.clock, account_number="PA-large")
    bench.recommend()
    bench.dispatch()
    bench.clock.advance(300)
    reconcile(bench, "large")
    assert results(bench) == ["agrees"]
    bench.guard()
    bench.clock.advance(300)
    reconcile(bench, "large")
    assert results(bench) == ["agrees", "agrees"]


def test_an_account_that_cannot_be_read_keeps_no_comparison_and_stops_no_other(
    bench: TradingBench,
) -> None:
    bench.broker.fail("positions", BrokerUnavailable("503"))
    with pytest.raises(StageFailed, match="large: BrokerUnavailable"):
        reconcile(bench)
    assert (results(bench), results(bench, "tiny")) == ([], ["agrees"])


@pytest.mark.parametrize("error", [SettingsInvalid("no keys"), RuntimeError("whatever it is")])
def test_whatever_goes_wrong_with_one_account_stops_no_other(
    bench: TradingBench, error: Exception
) -> None:
    def gateway(name: str) -> OrderGateway:
        if name == "large":
            raise error
        return bench.gateway(name)

    with pytest.raises(StageFailed, match=f"large: {type(error).__name__}"):
        reconciler.run(
            ReconcileRequest(tick=bench.tick),
            db=bench.db,
            gateway=gateway,
            parameters=bench.parameters,
            clock=bench.clock,
            journal=bench.notes,
        )
    assert results(bench, "tiny") == ["agrees"]


def test_of_all_accounts_the_longest_uncompared_comes_first(bench: TradingBench) -> None:
    asked: list[str] = []

    def gateway(name: str) -> OrderGateway:
        asked.append(name)
        return bench.gateway(name)

    reconcile(bench, "large")
    bench.next_minute()
    reconciler.run(
        ReconcileRequest(tick=bench.tick),
        db=bench.db,
        gateway=gateway,
        parameters=bench.parameters,
        clock=bench.clock,
        journal=bench.notes,
    )
    assert asked == ["tiny", "large"]


def test_a_dry_run_tells_what_differs_and_keeps_nothing(bench: TradingBench) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    bench.clock.advance(300)
    outcome = bench.reconcile("large", dry_run=True)
    assert outcome.breaches == [
        "large position_equals_the_broker ZZZ: 0 in our records, 5 at the broker"
    ]
    assert kept(bench) == []
    assert bench.alerts() == []


def test_a_simulated_account_keeps_no_comparison_and_an_unknown_one_is_refused(
    bench: TradingBench,
) -> None:
    bench.set_account(execution_mode="SIMULATED")
    assert reconcile(bench, "large").accounts == 0
    assert kept(bench) == []
    with pytest.raises(InvalidInput, match="huge is unknown"):
        reconcile(bench, "huge")


def test_after_a_new_binding_what_came_before_it_is_not_asked_of_the_broker(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.guard()
    bench.clock.advance(300)
    bench.broker.fills.clear()
    bench.run(
        "INSERT INTO binding_salt (salt) VALUES (decode(repeat('00', 32), 'hex'))"
        " ON CONFLICT DO NOTHING"
    )
    bench.run(
        "INSERT INTO account_bindings (account_name, number_mark, bound_at, bound_by)"
        " VALUES ('large', repeat('0', 64), :now, 'test')",
        now=bench.clock.now(),
    )
    assert reconcile(bench, "large").broken == 0


def test_recommendations_of_an_inactive_account_end_with_any_account_s_run(
    bench: TradingBench,
) -> None:
    number = bench.recommend(account="tiny")
    bench.set_account("tiny", active=False)
    bench.clock.advance(400)
    assert reconcile(bench, "large").expired == 1
    assert bench.recommendation(number)["status"] == "EXPIRED"


def test_recommendations_end_where_no_account_is_active_any_more(bench: TradingBench) -> None:
    number = bench.recommend(account="tiny")
    for name in ("large", "tiny"):
        bench.set_account(name, active=False)
    bench.clock.advance(400)
    assert reconcile(bench).expired == 1
    assert bench.recommendation(number)["status"] == "EXPIRED"


def test_another_active_account_s_recommendations_are_left_to_its_own_runs(
    bench: TradingBench,
) -> None:
    bench.recommend(account="tiny")
    bench.clock.advance(400)
    assert reconcile(bench, "large").expired == 0


def test_a_resting_order_older_than_what_the_broker_lists_is_no_difference(
    bench: TradingBench,
) -> None:
    bench.buy()
    bench.guard()
    bench.clock.advance(timedelta(days=6).total_seconds())
    assert bench.order("stop")["status"] == "accepted"
    reconcile(bench, "large")
    assert results(bench) == ["agrees"]


def test_an_external_order_is_adopted_and_then_agrees(bench: TradingBench) -> None:
    bench.broker.submit(OrderRequest("by hand", "YYY", "buy", Decimal(3), "limit", Decimal(10)))
    bench.clock.advance(300)
    assert reconcile(bench, "large").adopted == 1
    bench.clock.advance(300)
    reconcile(bench, "large")
    assert results(bench)[-1] == "agrees"


def test_an_account_not_compared_for_two_periods_of_a_session_is_silent(
    bench: TradingBench,
) -> None:
    reconcile(bench)
    for _ in range(2):
        bench.clock.advance(300)
        bench.reconcile("large")
    bench.clock.advance(300)
    bench.reconcile("large")
    check_health(bench)
    silent = bench.rows(
        "SELECT scope, severity FROM alerts WHERE subject = 'reconciler' AND resolved_at IS NULL"
    )
    assert silent == [{"scope": "tiny", "severity": "warning"}]
