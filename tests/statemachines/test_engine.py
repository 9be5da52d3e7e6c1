"""The local engine: what a call sees, what it costs, and how time is judged."""

import gc
import threading
import time
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import JobPool
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.utils import TMP_THREADS

from infra.definitions import load_machines
from ops_local.engine.engine import Engine, FunctionFailed, MachineExecution

TICK = {"tick": "2026-02-04T14:31:00Z"}
OPEN = {"status": "run", "session": "open", "accounts_entry": ["large", "tiny"], "wait_s": 6}
RETRIED = [
    {"ErrorEquals": ["Flaky"], "IntervalSeconds": 1, "BackoffRate": 2.0, "MaxAttempts": 2},
]


def machine(**state: Any) -> dict[str, Any]:
    """One Task, calling `report`."""
    task = {"Type": "Task", "Resource": "${ReportArn}", "TimeoutSeconds": 5, "End": True}
    return {"StartAt": "Only", "TimeoutSeconds": 20, "States": {"Only": {**task, **state}}}


def run(definition: dict[str, Any], invoke: Any, **options: Any) -> MachineExecution:
    return Engine({"probe": definition}, invoke, **options).run("probe", TICK)


def trading(function: str, _: dict[str, Any]) -> dict[str, Any]:
    return OPEN if function == "market_clock" else {"status": "run"}


def test_a_function_is_called_by_its_stage_in_the_calling_thread() -> None:
    seen: list[tuple[str, dict[str, Any], threading.Thread]] = []

    def invoke(function: str, event: dict[str, Any]) -> dict[str, bool]:
        seen.append((function, event, threading.current_thread()))
        return {"good": True}

    assert run(machine(), invoke) == MachineExecution("SUCCEEDED", output={"good": True})
    assert seen == [("report", TICK, threading.current_thread())]


def test_items_of_a_map_run_one_after_the_other_in_order() -> None:
    under_way: list[str] = []
    order: list[str] = []

    def invoke(_: str, account: str) -> str:
        assert under_way == []
        under_way.append(account)
        time.sleep(0.002)
        order.append(under_way.pop())
        return account.upper()

    accounts = [f"account_{number}" for number in range(12)]
    definition = {
        "StartAt": "Each",
        "TimeoutSeconds": 20,
        "States": {
            "Each": {
                "Type": "Map",
                "MaxConcurrency": 5,
                "ItemProcessor": machine() | {"ProcessorConfig": {"Mode": "INLINE"}},
                "End": True,
            }
        },
    }
    del definition["States"]["Each"]["ItemProcessor"]["TimeoutSeconds"]  # type: ignore[index]  # nested
    execution = Engine({"probe": definition}, invoke).run("probe", accounts)  # type: ignore[arg-type]  # a list as input
    assert execution.output == [account.upper() for account in accounts]
    assert order == accounts


def test_an_exception_is_reported_by_its_class_name_as_lambda_does() -> None:
    def invoke(*_: Any) -> None:
        raise ZeroDivisionError("by nought")

    assert run(machine(), invoke) == MachineExecution(
        "FAILED",
        error="ZeroDivisionError",
        cause='{"errorMessage": "by nought", "errorType": "ZeroDivisionError"}',
    )


def test_only_the_class_name_counts_not_what_it_inherits_from() -> None:
    class Flaky(Exception): ...

    class VeryFlaky(Flaky): ...

    calls: list[str] = []

    def invoke(function: str, _: Any) -> None:
        calls.append(function)
        raise VeryFlaky

    assert run(machine(Retry=RETRIED), invoke).error == "VeryFlaky"
    assert len(calls) == 1


def test_what_json_cannot_carry_is_an_error_of_the_function() -> None:
    assert run(machine(), lambda *_: {"seen": object()}).error == "TypeError"
    assert run(machine(), lambda *_: {"seen": float("nan")}).error == "ValueError"


def test_a_function_cannot_change_what_the_machine_holds() -> None:
    handed_out = {"rows": [1]}
    definition = machine(ResultPath="$.first", End=False, Next="Again")
    del definition["States"]["Only"]["End"]
    definition["States"]["Again"] = machine(ResultPath="$.second")["States"]["Only"]

    def invoke(_: str, event: dict[str, Any]) -> dict[str, Any]:
        handed_out["rows"].append(2)
        event.clear()
        return handed_out

    output = run(definition, invoke).output
    assert output == {**TICK, "first": {"rows": [1, 2]}, "second": {"rows": [1, 2, 2]}}


def flaky_once(calls: list[float]) -> Any:
    def invoke(*_: Any) -> str:
        calls.append(time.monotonic())
        if len(calls) == 1:
            raise FunctionFailed("Flaky")
        return "done"

    return invoke


def test_a_retry_does_not_wait_at_scale_0() -> None:
    calls: list[float] = []
    assert run(machine(Retry=RETRIED), flaky_once(calls)).output == "done"
    assert calls[1] - calls[0] < 0.5


def test_a_retry_waits_its_interval_times_the_scale() -> None:
    calls: list[float] = []
    run(machine(Retry=RETRIED), flaky_once(calls), wait_scale=0.1)
    assert 0.1 <= calls[1] - calls[0] < 0.6


def test_a_wait_is_passed_by_who_runs_the_machine() -> None:
    definition = {
        "StartAt": "Rest",
        "TimeoutSeconds": 90,
        "States": {"Rest": {"Type": "Wait", "Seconds": 60, "End": True}},
    }
    waits: list[float] = []
    assert run(definition, trading, wait=waits.append).status == "SUCCEEDED"
    assert waits == [60]


class Clock:
    """Seconds that pass only inside calls."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s

    def taking(self, seconds: float) -> Any:
        def invoke(*_: Any) -> str:
            self.now_s += seconds
            return "done"

        return invoke


def test_a_task_that_took_longer_than_its_time_out_is_a_time_out() -> None:
    clock = Clock()
    assert run(machine(), clock.taking(5), elapsed_s=clock).output == "done"
    assert run(machine(), clock.taking(6), elapsed_s=clock).error == "States.Timeout"


def test_a_time_out_can_be_caught() -> None:
    clock = Clock()
    definition = machine(Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Rescued"}])
    definition["States"]["Rescued"] = {"Type": "Succeed"}
    execution = run(definition, clock.taking(6), elapsed_s=clock)
    assert execution == MachineExecution(
        "SUCCEEDED", output={"Error": "States.Timeout", "Cause": ""}
    )


def test_a_machine_that_took_longer_than_its_time_out_ends_whatever_it_would_catch() -> None:
    clock = Clock()
    definition = machine(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Rescued"}])
    definition["States"]["Rescued"] = {"Type": "Succeed"}
    assert run(definition, clock.taking(21), elapsed_s=clock) == MachineExecution("TIMED_OUT")


def test_without_a_clock_no_time_out_is_judged() -> None:
    def invoke(*_: Any) -> str:
        time.sleep(1.1)
        return "done"

    assert run(machine(TimeoutSeconds=1), invoke).output == "done"


def test_runs_of_several_threads_do_not_mix() -> None:
    engine = Engine(load_machines(), lambda function, event: trading(function, event) | event)
    ended: dict[int, Any] = {}

    def work(number: int) -> None:
        for _ in range(5):
            tick = {"tick": f"2026-02-04T14:3{number}:00Z"}
            ended[number] = engine.run("trading_cycle", tick).output["signals"]["tick"]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == {number: f"2026-02-04T14:3{number}:00Z" for number in range(4)}


def test_an_interrupt_gets_through() -> None:
    def invoke(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(machine(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Only"}]), invoke)


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}]},
        {
            "Type": "Map",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "A",
                "States": {"A": {"Type": "Succeed"}},
            },
        },
    ],
    ids=["parallel", "distributed map"],
)
def test_a_state_that_would_need_threads_is_refused_when_the_machine_is_built(
    state: dict[str, Any],
) -> None:
    definition = {"StartAt": "Odd", "TimeoutSeconds": 9, "States": {"Odd": {**state, "End": True}}}
    with pytest.raises(TypeError, match="Odd"):
        Engine({"probe": definition}, trading)


def test_an_unknown_machine_is_named() -> None:
    with pytest.raises(KeyError, match="nightly"):
        Engine(load_machines(), trading).run("nightly", TICK)


def test_a_trading_tick_costs_under_50_ms_and_leaves_no_threads() -> None:
    engine = Engine(load_machines(), trading)
    engine.run("trading_cycle", TICK)
    threads = threading.active_count()
    costs_s = []
    for _ in range(20):
        started_s = time.perf_counter()
        engine.run("trading_cycle", TICK)
        costs_s.append(time.perf_counter() - started_s)
    assert sorted(costs_s)[len(costs_s) // 2] < 0.050
    assert threading.active_count() == threads


def test_finished_executions_leave_nothing_behind() -> None:
    engine = Engine(load_machines(), trading)
    threads_before = [*TMP_THREADS]  # other tests of this process run moto's own machines
    for _ in range(20):
        engine.run("trading_cycle", TICK)
    gc.collect()
    left = [found for found in gc.get_objects() if isinstance(found, (Environment, JobPool))]
    assert left == []
    assert threads_before == TMP_THREADS
