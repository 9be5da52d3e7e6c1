"""Whether the broker takes an account's orders: an alert says why not, until it does again."""

from dataclasses import replace

import pytest

from ops_pipeline.domain.broker import BrokerAccount
from tests.support.builders_trading import TradingBench

WHY = "LIMITED, Alpaca restricts what the account may do"


def blocked_alerts(bench: TradingBench) -> list[str]:
    return [
        row["message"]
        for row in bench.rows(
            "SELECT message FROM alerts WHERE kind = 'account_blocked' AND resolved_at IS NULL"
        )
    ]


@pytest.fixture
def blocked(bench: TradingBench, monkeypatch: pytest.MonkeyPatch) -> TradingBench:
    """A bench whose broker takes no orders of `large`, and says why."""
    told = bench.broker.account

    def account() -> BrokerAccount:
        it = told()
        return replace(it, why_blocked=WHY) if it.trading_blocked else it

    monkeypatch.setattr(bench.broker, "account", account)
    bench.broker.trading_blocked = True
    return bench


def test_entries_that_the_broker_would_refuse_open_an_alert_with_the_reason(
    blocked: TradingBench,
) -> None:
    blocked.recommend()
    blocked.dispatch()
    assert blocked.orders() == []
    assert blocked_alerts(blocked) == [f"large takes no orders at its broker: {WHY}"]


def test_it_is_noticed_without_an_entry_and_over_when_a_comparison_finds_it_well(
    blocked: TradingBench,
) -> None:
    blocked.reconcile("large")
    assert len(blocked_alerts(blocked)) == 1
    blocked.broker.trading_blocked = False
    blocked.next_minute()
    blocked.reconcile("large")
    assert blocked_alerts(blocked) == []
