"""Each seam of moto that the local engine leans on.

One red test here after a version bump names what moved; ops_local/engine/moto_names.py
lists them, and states.py is then to be read again beside moto's new source.
"""

import inspect
import json
import logging
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration import (
    inline_iteration_component,
    iteration_worker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils import (
    LambdaFunctionErrorException,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import (
    StateTaskLambda,
)
from moto.stepfunctions.parser.asl.component.state.wait.wait_function.wait_function import (
    WaitFunction,
)
from moto.stepfunctions.parser.asl.eval import environment, states
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventManager
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

from infra.definitions import load_machines, local_arns, with_arns
from ops_local.engine import moto_names, moto_parser
from ops_local.engine import states as our_states
from ops_local.engine.engine import Engine
from ops_local.engine.plain_json import copied
from tests.unit.source_rules import PACKAGE, ROOT, imported_modules, python_files

TASK = {
    "Type": "Task",
    "Resource": "arn:aws:lambda:us-east-1:000000000000:function:report",
    "TimeoutSeconds": 5,
    "Retry": [{"ErrorEquals": ["Flaky"], "IntervalSeconds": 3, "MaxAttempts": 1}],
    "Next": "Each",
}
PUT = {"Type": "Pass", "Result": 2, "ResultPath": "$.seam"}
EVERY_KIND = {
    "StartAt": "Ask",
    "States": {
        "Ask": TASK,
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Inner",
                "States": {"Inner": {k: v for k, v in TASK.items() if k != "Next"} | {"End": True}},
            },
            "Next": "Rest",
        },
        "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Lost"},
        "Lost": {"Type": "Fail", "Error": "Lost"},
    },
}


def built(definition: dict[str, Any] = EVERY_KIND) -> Any:
    def call(*_: Any) -> dict[str, list[int]]:
        return {"items": [1, 2]}

    return moto_parser.build(
        json.dumps(definition), our_states.Wiring(call, wait_scale=0.0, wait=lambda _seconds: None)
    )


def test_no_other_module_of_ours_imports_moto() -> None:
    importing = {
        file.name
        for file in python_files(ROOT / "ops_local", ROOT / "infra", ROOT / "functions", PACKAGE)
        if any(name.partition(".")[0] == "moto" for name in imported_modules(file.read_text()))
    }
    assert importing == {"moto_names.py"}


def test_the_decision_lists_each_name_that_is_replaced_in_moto() -> None:
    page = (ROOT / "docs" / "decisions" / "0002-state-machine-engine.md").read_text()
    listed = re.findall(r"^\| `([a-z_]+)\.([a-z_]+)` \|", page, re.MULTILINE)
    replaced = [(m.__name__.rpartition(".")[2], name) for m, name, _ in moto_names.REPLACED]
    assert sorted(listed) == sorted(replaced)


def test_each_name_of_moto_that_is_kept_is_used() -> None:
    folder = ROOT / "ops_local" / "engine"
    used = "".join((folder / f"{name}.py").read_text() for name in ("states", "moto_parser"))
    names = set(moto_names.__all__) - {"LOGGER", "REPLACED"}
    assert {name for name in names if not re.search(rf"\b{name}\b", used)} == set()


@pytest.mark.parametrize(
    ("seam", "names"),
    [
        (ExecutionState._evaluate_with_timeout, {"self", "env"}),
        (ExecutionState._eval_execution, {"self", "env"}),
        (StateTaskLambda._eval_parameters, {"self", "env"}),
        (iteration_worker.IterationWorker._eval_job, {"self", "env", "job"}),
        (WaitFunction._get_wait_seconds, {"self", "env"}),
        (Program.eval, {"self", "env"}),
        (Preprocessor.visitRetrier_decl, {"self", "ctx"}),
        (Preprocessor.visitProgram_decl, {"self", "ctx"}),
        (Preprocessor._common_state_field_of, {"state_props"}),
        (
            inline_iteration_component.InlineIterationComponent._launch_worker,
            {"self", "env", "eval_input", "job_pool"},
        ),
        (inline_iteration_component.InlineIterationComponent._get_iteration_program, {"self"}),
        (LambdaFunctionErrorException.__init__, {"self", "function_error", "payload"}),
    ],
    ids=lambda seam: getattr(seam, "__qualname__", ""),
)
def test_moto_still_has_the_method_that_is_overridden_or_called(
    seam: Callable[..., Any], names: set[str]
) -> None:
    assert set(inspect.signature(seam).parameters) == names, (
        f"moto changed {seam.__qualname__}: read ops_local/engine/states.py again"
    )


@pytest.mark.parametrize(
    ("state", "kind"),
    [("Ask", "LocalTask"), ("Each", "LocalMap"), ("Rest", "LocalWait"), ("Lost", "LocalFail")],
)
def test_moto_still_builds_states_through_the_overridden_factory(state: str, kind: str) -> None:
    assert type(built().states.states[state]).__name__ == kind, (
        "moto no longer asks _common_state_field_of for its states"
    )


def test_moto_still_builds_the_states_of_a_map_through_the_same_factory() -> None:
    items = built().states.states["Each"].iteration_component
    assert type(items).__name__ == "ItemsInOrder"
    assert type(items._states.states["Inner"]).__name__ == "LocalTask"


def test_moto_still_ends_a_retriers_arithmetic_with_its_jitter() -> None:
    retrier = built().states.states["Ask"].retry.retriers[0]
    assert type(retrier.jitter_strategy).__name__ == "ScaledInterval"
    body = inspect.getsource(RetrierDecl._eval_body)
    steps = ("interval_seconds.eval", "backoff_rate.eval", "jitter_strategy.eval", "time.sleep")
    places = [body.index(step) for step in steps]
    assert places == sorted(places), "moto scales or sleeps in another order"


def test_moto_still_compiles_its_paths_by_the_name_that_is_memoised() -> None:
    compiled: Any = json_path.parse  # type: ignore[attr-defined]  # imported there, not exported
    compiled.cache_clear()
    for _ in range(2):
        assert json_path.extract_json("$.seam", {"seam": 1}) == 1
    assert (compiled.cache_info().misses, compiled.cache_info().hits) == (1, 1)


def test_moto_still_compiles_its_result_paths_by_the_name_that_is_memoised() -> None:
    compiled: Any = result_path.parse  # type: ignore[attr-defined]  # imported there, not exported
    compiled.cache_clear()
    program = built({"StartAt": "Put", "States": {"Put": {**PUT, "End": True}}})
    for _ in range(2):
        assert moto_parser.evaluate(program, "probe", {"a": 1}) == ({"a": 1, "seam": 2}, None)
    assert (compiled.cache_info().misses, compiled.cache_info().hits) == (1, 1)


@pytest.mark.parametrize("module", [environment, result_path, states, string_expression])
def test_moto_still_copies_by_the_name_that_is_replaced(module: Any) -> None:
    assert "copy.deepcopy(" in inspect.getsource(module), f"{module.__name__} copies otherwise now"
    assert set(re.findall(r"\bcopy\.(\w+)", inspect.getsource(module))) == {"deepcopy"}
    assert module.copy.deepcopy is copied


def test_a_copy_shares_nothing_that_changes_with_its_original() -> None:
    original = {"list": [1, {"deep": None}], "set": {1}, "text": "as it is"}
    copy = copied(original)
    assert copy == original
    copy["list"][1]["deep"], copy["list"][0] = "changed", 2
    copy["set"].add(2)
    assert original == {"list": [1, {"deep": None}], "set": {1}, "text": "as it is"}


def test_moto_still_hands_a_task_its_payload_and_its_functions_name() -> None:
    heard: list[Any] = []

    def call(*facts: Any) -> dict[str, list[int]]:
        heard.append(facts)
        return {"items": []}

    wiring = our_states.Wiring(call, wait_scale=0.0, wait=lambda _seconds: None)
    moto_parser.evaluate(moto_parser.build(json.dumps(EVERY_KIND), wiring), "probe", {"a": 1})
    assert heard == [("report", {"a": 1}, 5)]


def test_moto_still_takes_a_lambda_errors_name_from_its_error_type() -> None:
    def call(*_: Any) -> None:
        raise our_states.reported('{"errorType": "Named", "errorMessage": ""}')

    wiring = our_states.Wiring(call, wait_scale=0.0, wait=lambda _seconds: None)
    program = moto_parser.build(json.dumps(EVERY_KIND), wiring)
    assert moto_parser.evaluate(program, "probe", {})[1]["error"] == "Named"


def test_moto_still_shares_one_event_manager_between_an_environment_and_its_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(EventManager, "add_event", lambda *_, **event: kept.append(event))
    moto_parser.evaluate(built(), "probe", {})
    assert kept == [], "moto records history somewhere else: memory will grow"


def test_moto_still_starts_no_thread_that_is_not_overridden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread.name))
    _, failure = moto_parser.evaluate(built(), "probe", {})
    assert failure == {"error": "Lost"}
    assert started == []


def test_moto_still_makes_an_environment_of_these_facts() -> None:
    wanted = {
        "aws_execution_details",
        "execution_type",
        "context",
        "event_history_context",
        "cloud_watch_logging_session",
        "activity_store",
    }
    required = {
        name
        for name, parameter in inspect.signature(Environment).parameters.items()
        if parameter.default is inspect.Parameter.empty
    }
    assert required == wanted


def test_moto_still_logs_under_the_silenced_name(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> None:
        raise LookupError

    with caplog.at_level(logging.DEBUG):
        Engine(load_machines(), broken).run("daily_cycle", {"tick": "2026-02-04T14:31:00Z"})
    assert caplog.records == []


@pytest.mark.parametrize("name", sorted(load_machines()))
def test_moto_still_reads_every_machine(name: str) -> None:
    definition = with_arns(load_machines()[name], local_arns())
    assert set(built(definition).states.states) == set(definition["States"])
