"""The monthly cost, from the schedules, the functions' sizes and a table of prices.

Lambda's free tier is not counted. A call is assumed to take the seconds in the table of prices,
cold starts included, unless measured durations are given.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any

from infra.definitions import FOLDER, load_functions, load_machines, load_schedules
from infra.deployment import Deployment
from infra.schedule import ticks
from ops_pipeline.domain.bars import BAR_OFFSET_S
from ops_pipeline.domain.operations.manifest import MACHINES
from ops_pipeline.domain.operations.stage import ROLES
from ops_pipeline.runtime import metric_names

BUDGET_USD_DAY = 1.0
# A month of 30 days with 22 weekdays: close to the maximum.
_FIRST = datetime(2026, 6, 1, tzinfo=UTC)
_DAYS = 30
_EXPRESS_GIB = 0.0625
_STANDARD = frozenset(machine.name for machine in MACHINES if machine.kind == "standard")
# Failures are rare and not counted.
_FAILURE = "RunFailureArn"
# Each stage has a metric for failures; the healthcheck has its own.
_METRICS_A_STAGE = 1
_METRICS_OF_HEALTH = len(metric_names.OF_HEALTH)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill, USD a month."""

    what: str
    usd: float


def load_prices() -> dict[str, Any]:
    prices: dict[str, Any] = json.loads((FOLDER / "prices.json").read_text(encoding="utf-8"))
    return prices


def month(
    deployment: Deployment,
    prices: Mapping[str, Any],
    measured_s: Mapping[str, float] = MappingProxyType({}),
) -> list[Line]:
    """The monthly bill with the schedules enabled, without tax and free trials.

    Args:
        measured_s: Measured seconds a call, by stage; other stages take the assumed time.
    """
    assumed = prices["assumed"]["function_s"]
    took = {stage: measured_s.get(stage, assumed) for stage in load_functions()}
    return [*_standing(deployment, prices), *_moving(deployment, prices, took)]


def fargate_loop(prices: Mapping[str, Any]) -> float:
    """The cost of one container that always runs instead (0.5 vCPU, 1 GiB), USD a month."""
    usd, hours = prices["usd"], prices["hours_in_month"]
    each_hour = usd["fargate_arm_vcpu_hour"] / 2 + usd["fargate_arm_gib_hour"]
    return float(hours * (each_hour + usd["public_ipv4_hour"]))


@cache
def starts_by_target() -> Mapping[str, Sequence[datetime]]:
    """When each machine and function starts in the month."""
    found: dict[str, list[datetime]] = {}
    for tick in ticks(load_schedules(), _FIRST, _FIRST + timedelta(days=_DAYS)):
        found.setdefault(tick.target, []).append(tick.at)
    return found


def calls_of(machine: str, accounts: int) -> dict[str, int]:
    """How often one run of a machine calls each stage, on its longest path without a failure."""
    by_token = {function.placeholder: stage for stage, function in load_functions().items()}
    counted: dict[str, int] = {}

    def visit(states: Mapping[str, Any], times: int) -> None:
        for state in states.values():
            token = str(state.get("Resource", "")).strip("${}")
            if state["Type"] == "Task" and token != _FAILURE:
                counted[by_token[token]] = counted.get(by_token[token], 0) + times
            elif state["Type"] == "Map":
                visit(state["ItemProcessor"]["States"], times * accounts)

    visit(load_machines()[machine]["States"], 1)
    return counted


def waits_s_of(machine: str) -> int:
    """How long one run of a machine waits: what is billed for is its time, also while it waits."""
    states = load_machines()[machine]["States"].values()
    return sum(BAR_OFFSET_S for state in states if state["Type"] == "Wait")


def _standing(deployment: Deployment, prices: Mapping[str, Any]) -> list[Line]:
    """Costs that do not depend on use."""
    usd, hours, free = prices["usd"], prices["hours_in_month"], prices["free"]
    secrets = len(ROLES) + len(deployment.accounts) + deployment.feed_logins
    alarms = max(0, prices["assumed"]["alarm_metrics"] - free["alarm_metrics"])
    lines = [
        Line("database", usd["database_hour"][deployment.database_class] * hours),
        Line("database disk", usd["database_storage_gib_month"] * deployment.storage_gib),
        *_replica(deployment, usd, hours),
        Line("secrets", usd["secret_month"] * secrets),
        Line("alarms", usd["alarm_metric_month"] * alarms),
    ]
    if deployment.nat == "instance":
        way_out = usd["nat_instance_hour"] * hours + usd["nat_instance_disk_gib_month"] * 8
        lines.append(Line("NAT instance", way_out + usd["public_ipv4_hour"] * hours))
    if deployment.nat == "gateway":
        traffic = usd["nat_gateway_gib"] * prices["assumed"]["traffic_gib_month"]
        way_out = (usd["nat_gateway_hour"] + usd["public_ipv4_hour"]) * hours
        lines.append(Line("NAT gateway", way_out + traffic))
    return lines


def _replica(deployment: Deployment, usd: Mapping[str, Any], hours: float) -> list[Line]:
    if not deployment.console_replica:
        return []
    instance = usd["database_hour"][deployment.database_class] * hours
    disk = usd["database_storage_gib_month"] * deployment.storage_gib
    return [Line("console's replica", instance + disk)]


def _moving(
    deployment: Deployment, prices: Mapping[str, Any], took: Mapping[str, float]
) -> list[Line]:
    """Costs of what runs."""
    starts = starts_by_target()
    usd, assumed = prices["usd"], prices["assumed"]
    functions = load_functions()
    machines = set(load_machines())
    per_run = {
        target: calls_of(target, len(deployment.accounts)) if target in machines else {target: 1}
        for target in starts
    }
    runs = {target: len(times) for target, times in starts.items()}
    calls: dict[str, int] = {}
    for target, stages in per_run.items():
        for stage, count in stages.items():
            calls[stage] = calls.get(stage, 0) + count * runs[target]
    gib_s = sum(
        count * functions[stage].memory_mb / 1024 * took[stage] for stage, count in calls.items()
    )
    express_runs = sum(runs[name] for name in machines - _STANDARD)
    express_s = sum(
        runs[name]
        * (waits_s_of(name) + sum(count * took[stage] for stage, count in per_run[name].items()))
        for name in machines - _STANDARD
    )
    transitions = sum(runs[name] for name in _STANDARD) * assumed["transitions_per_daily_run"]
    total = sum(calls.values())
    return [
        Line("functions", usd["lambda_gib_s"] * gib_s + usd["lambda_request"] * total),
        Line(
            "machines",
            usd["express_request"] * express_runs
            + usd["express_gib_s"] * express_s * _EXPRESS_GIB
            + usd["standard_transition"] * transitions,
        ),
        Line("logs", usd["log_gib"] * total * assumed["log_kib_per_call"] / 2**20),
        Line("metrics", _metrics(prices, per_run, starts)),
    ]


def _metrics(
    prices: Mapping[str, Any],
    per_run: Mapping[str, Mapping[str, int]],
    starts: Mapping[str, Sequence[datetime]],
) -> float:
    """CloudWatch bills a metric for the hours in which it is written."""
    hours: dict[str, set[datetime]] = {}
    for target, stages in per_run.items():
        written = {at.replace(minute=0) for at in starts[target]}
        for stage in stages:
            hours.setdefault(stage, set()).update(written)
    months = sum(len(written) * _METRICS_A_STAGE for written in hours.values()) / (24 * _DAYS)
    billed = max(0.0, months + _METRICS_OF_HEALTH - prices["free"]["metrics"])
    return float(prices["usd"]["metric_month"] * billed)
