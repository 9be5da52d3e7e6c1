"""The bill follows from what runs."""

from dataclasses import replace

from infra.cost import BUDGET_USD_DAY, calls_of, load_prices, month, starts_by_target
from infra.deployment import Deployment

PRICES = load_prices()


def _usd(deployment: Deployment) -> float:
    return sum(line.usd for line in month(deployment, PRICES))


def test_the_default_deployment_costs_less_than_a_dollar_a_day() -> None:
    # With room for what a month has more of than assumed.
    assert 10 < _usd(Deployment()) < 30 * 0.98 * BUDGET_USD_DAY


def test_a_nat_gateway_alone_would_break_the_budget() -> None:
    assert _usd(replace(Deployment(), nat="gateway")) > 30 * BUDGET_USD_DAY


def test_news_starts_every_minute_and_trading_in_sessions_alone() -> None:
    starts = starts_by_target()
    assert len(starts["news_cycle"]) == 30 * 24 * 60
    assert len(starts["trading_cycle"]) == 22 * (35 + 6 * 60 + 11)
    assert len(starts["healthcheck"]) == 30 * 24 * 12


def test_an_account_more_is_a_dispatcher_more() -> None:
    assert calls_of("trading_cycle", 1)["dispatcher"] == 1
    assert calls_of("trading_cycle", 3)["dispatcher"] == 3
    assert calls_of("trading_cycle", 3)["telemetry"] == 1
    assert calls_of("reconcile_cycle", 3)["reconciler"] == 3
    assert calls_of("daily_cycle", 3)["reconciler"] == 1


def test_every_account_s_secret_is_paid_for() -> None:
    more = replace(Deployment(), accounts=("large", "small", "tiny"))
    secrets = {line.what: line.usd for line in month(more, PRICES)}["secrets"]
    assert round(secrets, 2) == 3.60


def test_a_function_costs_by_the_time_that_was_measured() -> None:
    def functions(measured_s: dict[str, float]) -> float:
        lines = month(Deployment(), PRICES, measured_s)
        return {line.what: line.usd for line in lines}["functions"]

    assert functions({}) == functions({"classifier": 1.0})
    assert functions({"classifier": 0.1}) < functions({}) < functions({"classifier": 5.0})
