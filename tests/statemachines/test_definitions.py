"""What the state machines promise on paper: names, time-outs, retries, and who is told."""

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from statelint.linter import Linter  # type: ignore[import-untyped]  # ships no types

from infra.definitions import (
    ASL_FOLDER,
    load_functions,
    load_machines,
    load_schedules,
    local_arns,
    with_arns,
)
from infra.deployment import Deployment
from ops_pipeline import errors
from ops_pipeline.domain.bars import MOST_WAIT_S
from ops_pipeline.runtime.entrypoint import LEASE_WITHOUT_CONTEXT_S

# An Express machine ends at 300 s whatever it says; a Standard one (infra/stacks) may take longer.
MACHINE_LIMIT_S = {
    "news_cycle": 240,
    "trading_cycle": 240,
    "position_cycle": 240,
    "reconcile_cycle": 240,
    "regime_cycle": 240,
    "daily_cycle": 600,
}
# What Lambda and Step Functions report themselves, as their documentation names it.
THROTTLED = "Lambda.TooManyRequestsException"
OUTCOME_UNKNOWN = {
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Timeout",
}
AWS_NAMES = {THROTTLED, "States.ALL", *OUTCOME_UNKNOWN}
OUR_NAMES = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.OpsError)
}
TOUCH_THE_BROKER = {"DispatcherArn", "PositionManagerArn", "ReconcilerArn"}
OPERATORS_OWN = {"control", "db_migration", "db_query"}

State = dict[str, Any]
FUNCTIONS = {function.placeholder: function for function in load_functions().values()}
EACH_MACHINE = pytest.mark.parametrize("name", sorted(load_machines()))


def levels(machine: State) -> Iterator[dict[str, State]]:
    """The states of the machine itself, then those of each Map's items."""
    yield machine["States"]
    for state in machine["States"].values():
        if state["Type"] == "Map":
            yield from levels(state["ItemProcessor"])


def tasks(machine: State) -> Iterator[tuple[str, State]]:
    for states in levels(machine):
        for name, state in states.items():
            if state["Type"] == "Task":
                yield name, state


def token(task: State) -> str:
    found = re.fullmatch(r"\$\{(\w+)\}", task["Resource"])
    assert found, f"{task['Resource']} is no token"
    return found[1]


def task_s(task: State) -> float:
    """The longest a Task can take: each attempt to its time-out, and the waits between."""
    attempts, waits_s = 1, 0.0
    for retrier in task["Retry"]:
        attempts += retrier["MaxAttempts"]
        waits_s += sum(
            retrier["IntervalSeconds"] * retrier["BackoffRate"] ** attempt
            for attempt in range(retrier["MaxAttempts"])
        )
    return float(attempts * task["TimeoutSeconds"] + waits_s)


def longest_s(machine: State, passes: int) -> float:
    """The longest path from the start, entering no state more than `passes` times."""
    states = machine["States"]

    def from_here(name: str, entered: Counter[str]) -> float:
        if entered[name] == passes:
            return 0.0
        state, now = states[name], entered + Counter([name])
        own_s = task_s(state) if state["Type"] == "Task" else 0.0
        if state["Type"] == "Wait":
            # How long is told at run time, within this bound.
            own_s = float(state.get("Seconds", MOST_WAIT_S))
        if state["Type"] == "Map":
            own_s = longest_s(state["ItemProcessor"], passes)
        return own_s + max((from_here(to, now) for to in ways_out(state)), default=0.0)

    return from_here(machine["StartAt"], Counter())


def ways_out(state: State) -> set[str]:
    return {
        to
        for part in (state, *state.get("Choices", []), *state.get("Catch", []))
        for to in (part.get("Next"), part.get("Default"))
        if to
    }


def test_the_six_machines_are_here() -> None:
    per_minute = {"news_cycle", "trading_cycle", "position_cycle"}
    assert set(load_machines()) == per_minute | {"reconcile_cycle", "regime_cycle", "daily_cycle"}


@EACH_MACHINE
def test_statelint_finds_nothing_to_complain_about(name: str) -> None:
    assert Linter.validate(with_arns(load_machines()[name], local_arns())) == []


def test_statelint_would_complain() -> None:
    machine = with_arns(load_machines()["daily_cycle"], local_arns())
    machine["States"]["Reconciler"]["Next"] = "Nowhere"
    assert any("Nowhere" in complaint for complaint in Linter.validate(machine))


@EACH_MACHINE
def test_each_error_name_is_one_of_ours_or_of_aws(name: str) -> None:
    named = {
        error
        for _, task in tasks(load_machines()[name])
        for rule in (*task["Retry"], *task["Catch"])
        for error in rule["ErrorEquals"]
    }
    assert named <= OUR_NAMES | AWS_NAMES


@EACH_MACHINE
def test_each_task_calls_a_function_of_the_manifest(name: str) -> None:
    for _, task in tasks(load_machines()[name]):
        assert token(task) in FUNCTIONS


@EACH_MACHINE
def test_a_function_may_run_as_long_as_its_task_and_hardly_longer(name: str) -> None:
    for _, task in tasks(load_machines()[name]):
        spare_s = FUNCTIONS[token(task)].timeout_s - task["TimeoutSeconds"]
        assert 0 <= spare_s <= 5


@EACH_MACHINE
def test_the_longest_path_ends_before_the_machine_and_the_machine_before_its_limit(
    name: str,
) -> None:
    machine = load_machines()[name]
    passes = 3 if name == "news_cycle" else 1
    assert longest_s(machine, passes) < machine["TimeoutSeconds"] <= MACHINE_LIMIT_S[name]


def test_the_longest_path_counts_retries_items_and_passes() -> None:
    task = {"Type": "Task", "TimeoutSeconds": 10, "Next": "B"}
    retry = [{"MaxAttempts": 2, "IntervalSeconds": 1, "BackoffRate": 2.0}]
    machine: State = {
        "StartAt": "A",
        "States": {
            "A": {**task, "Retry": retry, "Catch": [{"Next": "C"}]},
            "B": {"Type": "Choice", "Choices": [{"Next": "A"}], "Default": "C"},
            "C": {"Type": "Succeed"},
        },
    }
    assert longest_s(machine, passes=1) == 33
    assert longest_s(machine, passes=2) == 66
    waiting = {**machine["States"], "C": {"Type": "Wait", "SecondsPath": "$.s", "Next": "D"}}
    waiting["D"] = {"Type": "Succeed"}
    assert longest_s({"StartAt": "A", "States": waiting}, passes=1) == 33 + MOST_WAIT_S
    over = {"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": machine}}}
    assert longest_s(over, passes=1) == 33


def test_a_lease_outlasts_every_function() -> None:
    assert max(function.timeout_s for function in FUNCTIONS.values()) < LEASE_WITHOUT_CONTEXT_S


@EACH_MACHINE
def test_nothing_is_retried_after_a_time_out_or_whatever_the_error(name: str) -> None:
    for _, task in tasks(load_machines()[name]):
        retried = {error for rule in task["Retry"] for error in rule["ErrorEquals"]}
        assert not retried & {
            "States.ALL",
            "States.TaskFailed",
            "States.Timeout",
            "Sandbox.Timedout",
            "Lambda.Unknown",
        }
        assert THROTTLED in retried


def test_the_stages_that_touch_the_broker_are_those_with_an_account_s_keys_to_trade() -> None:
    with_keys = {one.placeholder for one in FUNCTIONS.values() if one.accounts in ("event", "all")}
    # The operator's function asks a broker whose account it binds; no machine calls it.
    assert with_keys == TOUCH_THE_BROKER | {"ControlArn"}


@EACH_MACHINE
def test_where_the_broker_is_touched_no_unknown_outcome_is_retried(name: str) -> None:
    for _, task in tasks(load_machines()[name]):
        if token(task) in TOUCH_THE_BROKER:
            retried = {error for rule in task["Retry"] for error in rule["ErrorEquals"]}
            assert retried == {"DatabaseUnavailable", THROTTLED}


@EACH_MACHINE
def test_each_caught_error_goes_to_run_failure_and_then_fails_the_run(name: str) -> None:
    for states in levels(load_machines()[name]):
        for state_name, state in states.items():
            if state["Type"] != "Task" or state["Resource"] == "${RunFailureArn}":
                continue
            assert [rule["ErrorEquals"] for rule in state["Catch"]] == [["States.ALL"]]
            recorder = states[state["Catch"][0]["Next"]]
            told = recorder.get("Parameters", {}).get("state")
            if recorder["Type"] == "Pass":
                told, recorder = recorder["Result"], states[recorder["Next"]]
            assert told == state_name
            assert recorder["Resource"] == "${RunFailureArn}"
            assert recorder["Next"] == recorder["Catch"][0]["Next"]


@EACH_MACHINE
def test_run_failure_hears_tick_machine_state_error_and_cause(name: str) -> None:
    for state, task in tasks(load_machines()[name]):
        if token(task) == "RunFailureArn":
            fields = {field.removesuffix(".$") for field in task["Parameters"]}
            whose = {"account"} if state == "RecordAccountFailure" else set()
            assert fields == {"tick", "machine", "state", "error", "cause"} | whose
            assert task["Parameters"]["machine"] == name


@EACH_MACHINE
def test_a_stage_hears_its_tick_and_at_most_its_account_or_its_machine(name: str) -> None:
    expected = {"tick.$": "$.tick"}
    extra: dict[str, State] = {
        "MarketClockArn": {"machine": name},
        "DispatcherArn": {"account.$": "$.account"},
        "PositionManagerArn": {"account.$": "$.account"},
        # Before and after the session it serves all accounts in one run.
        "ReconcilerArn": {"account.$": "$.account"} if name == "reconcile_cycle" else {},
    }
    for _, task in tasks(load_machines()[name]):
        if token(task) != "RunFailureArn":
            assert task["Parameters"] == expected | extra.get(token(task), {})


@EACH_MACHINE
def test_back_off_rates_are_written_as_statelint_wants_them(name: str) -> None:
    text = (ASL_FOLDER / f"{name}.asl.json").read_text(encoding="utf-8")
    assert set(re.findall(r'"BackoffRate": ([\d.]+)', text)) == {"2.0"}


def test_each_schedule_starts_something_that_exists_and_each_machine_is_started() -> None:
    started = {(schedule.kind, schedule.target) for schedule in load_schedules()}
    machines = {target for kind, target in started if kind == "machine"}
    assert machines == set(load_machines())
    assert {target for kind, target in started if kind == "function"} <= set(load_functions())


def test_each_function_is_called_by_a_machine_a_schedule_or_the_operator() -> None:
    by_machines = {
        FUNCTIONS[token(task)].name
        for machine in load_machines().values()
        for _, task in tasks(machine)
    }
    by_schedules = {entry.target for entry in load_schedules() if entry.kind == "function"}
    assert by_machines | by_schedules | OPERATORS_OWN == set(load_functions())


def test_functions_with_broker_keys_are_those_that_load_the_broker_layer() -> None:
    for function in load_functions().values():
        assert ("broker" in function.layers) == (function.accounts != "none"), function.name
        assert function.layers[:2] == ("common", "vendor")
        assert set(function.layers) <= {"common", "vendor", "broker", "inference"}


def test_a_function_is_deployed_under_its_promised_name() -> None:
    functions = load_functions()
    assert Deployment().function_name("db_query") == "ops-pipeline-db-query"
    assert functions["rss_ingest"].placeholder == "RssIngestArn"


def test_a_token_without_a_function_is_named() -> None:
    with pytest.raises(ValueError, match="NobodyArn"):
        with_arns({"Resource": "${NobodyArn}"}, local_arns())
