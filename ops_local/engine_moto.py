"""moto's Step Functions components, bent to run in the calling thread.

moto runs every program, task and Map worker in a thread of its own, calls functions
through boto3 and sleeps real seconds. A replay needs the opposite: handlers called in
process, strictly one after the other, in a fixed order, without waiting. So a machine
is built from subclasses of moto's components, and what is not overridden here is
moto's. tests/statemachines/test_moto_seams.py holds each seam that this relies on.
"""

import copy
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from jsonpath_ng.ext.parser import parse as compile_path
from moto.stepfunctions.parser.api import HistoryEventType, StateMachineType
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import (
    CustomErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import (
    StatesErrorName,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.common.retry.jitter_strategy_decl import (
    JitterStrategyDecl,
)
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.timeouts.timeout import EvalTimeoutError
from moto.stepfunctions.parser.asl.component.eval_component import EvalComponent
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.inline_item_processor import (  # noqa: E501 - moto's path
    InlineItemProcessor,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.inline_item_processor_worker import (  # noqa: E501 - moto's path
    InlineItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.job import (
    Job,
    JobPool,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.state_map import StateMap
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import (
    StateTaskLambda,
)
from moto.stepfunctions.parser.asl.component.state.fail.state_fail import StateFail
from moto.stepfunctions.parser.asl.component.state.state_type import StateType
from moto.stepfunctions.parser.asl.component.state.wait.state_wait import StateWait
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import (
    EventHistoryContext,
    EventManager,
)
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.eval.states import ContextObjectData
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

# Compiling a path takes as long as running a whole state, and moto compiles at each use.
json_path.parse = functools.lru_cache(maxsize=1024)(compile_path)  # type: ignore[attr-defined]  # imported there, not exported

TIMED_OUT = "States.Timeout"
_ACCOUNT, _REGION = "000000000000", "us-east-1"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/local"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the components of one machine need from outside.

    `call` answers a function's result as JSON or raises one of the errors that moto
    knows (see `reported` and `timed_out`). It is given the task's time-out, seconds.
    """

    call: Callable[[str, Any, float], Any]
    wait_scale: float


def reported(payload: str) -> Exception:
    """The error for a Lambda result with FunctionError; its errorType is the ASL error."""
    error: Exception = lambda_eval_utils.LambdaFunctionErrorException("Unhandled", payload)
    return error


def timed_out() -> Exception:
    """The error that ASL calls States.Timeout."""
    error: Exception = EvalTimeoutError()
    return error


def _failure(
    env: Environment, event_type: HistoryEventType, key: str, details: dict[str, Any]
) -> FailureEventException:
    """An error as moto passes it on; `details` holds "error" and "cause"."""
    name = details.get("error")
    known: Any = None
    if name and name.startswith("States."):
        known = StatesErrorName(typ=StatesErrorNameType.from_name(name))
    elif name:
        known = CustomErrorName(name)
    return FailureEventException(
        FailureEvent(
            env=env,
            error_name=known,
            event_type=event_type,
            event_details=cast(EventDetails, {key: details}),
        )
    )


class _InCallingThread:
    """Evaluates a Task or a Map here and now; moto gives each a thread to be timed."""

    def _evaluate_with_timeout(self: Any, env: Environment) -> None:
        frame = env.open_frame()
        frame.states.reset(input_value=env.states.get_input())
        frame.stack = copy.deepcopy(env.stack)
        try:
            self._eval_execution(frame)
        finally:
            frame.set_ended()
            env.close_frame(frame)
        output = frame.stack.pop()
        env.stack.append(output)
        env.states.set_result(output)
        for step in (self.assign_decl, self.result_selector, self.result_path):
            if step:
                step.eval(env=env)


class _Task(_InCallingThread, StateTaskLambda):
    wiring: Wiring

    def _eval_execution(self, env: Environment) -> None:
        payload = self._eval_parameters(env=env)["Payload"]
        self.timeout.eval(env=env)
        timeout_s = env.stack.pop()
        env.stack.append(self.wiring.call(self.resource.function_name, payload, timeout_s))


class _Worker(InlineItemProcessorWorker):
    """Hands on the item's own error; moto stumbles over names that begin with "States."."""

    def _eval_job(self, env: Environment, job: Job) -> None:
        super()._eval_job(env, job)
        ended = env.program_state()
        if isinstance(ended, ProgramError):
            details = dict(ended.error or {})
            job.job_output = _failure(
                env, HistoryEventType.MapIterationFailed, "executionFailedEventDetails", details
            )


class _Items(InlineItemProcessor):
    """Runs a Map's items one after the other: the first worker takes them all, in order."""

    def _launch_worker(self, env: Environment, eval_input: Any, job_pool: JobPool) -> Any:
        worker = _Worker(
            work_name=eval_input.state_name,
            job_pool=job_pool,
            env=env,
            item_selector=eval_input.item_selector,
            parameters=eval_input.parameters,
        )
        worker.eval()
        return worker

    def _get_iteration_program(self) -> Program:
        return _Program(
            query_language=self._query_language,
            start_at=self._start_at,
            states=self._states,
            timeout_seconds=None,
            comment=self._comment,
        )


class _Map(_InCallingThread, StateMap):
    def from_state_props(self, state_props: Any) -> None:
        super().from_state_props(state_props)
        found = self.iteration_component
        if not isinstance(found, InlineItemProcessor):
            raise TypeError(f"{self.name}: only an inline ItemProcessor runs here")
        self.iteration_component = _Items(
            query_language=found._query_language,
            start_at=found._start_at,
            states=found._states,
            comment=found._comment,
            processor_config=found._processor_config,
        )


class _Wait(StateWait):
    wiring: Wiring

    def _eval_state(self, env: Environment) -> None:
        time.sleep(self.wait_function._get_wait_seconds(env=env) * self.wiring.wait_scale)


class _Fail(StateFail):
    """A Fail that may hand on one of the names that States keeps to itself, as AWS does."""

    def _eval_state(self, env: Environment) -> None:
        details: dict[str, str] = {}
        for key, part in (("error", self.error), ("cause", self.cause)):
            if part:
                part.eval(env=env)
                details[key] = env.stack.pop()
        raise _failure(env, HistoryEventType.TaskFailed, "taskFailedEventDetails", details)


class _Program(Program):
    def eval(self, env: Environment) -> None:
        env.next_state_name = self.start_at.start_at_name
        EvalComponent.eval(self, env)


class _ScaledInterval(JitterStrategyDecl):
    """Stands last in a retrier's arithmetic and scales the seconds it is about to sleep."""

    def __init__(self, jitter: JitterStrategyDecl, scale: float) -> None:
        super().__init__(jitter.jitter_strategy)
        self._scale = scale

    def _eval_body(self, env: Environment) -> None:
        super()._eval_body(env)
        env.stack.append(env.stack.pop() * self._scale)


class _Builder(Preprocessor):
    """Builds a machine from the syntax tree with the components above."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self._wiring = wiring

    def _common_state_field_of(self, state_props: Any) -> Any:  # type: ignore[override]  # a staticmethod that moto calls on self
        kinds: dict[Any, Any] = {
            StateType.Task: _Task,
            StateType.Map: _Map,
            StateType.Wait: _Wait,
            StateType.Fail: _Fail,
        }
        state_type = state_props.get(StateType)
        if state_type == StateType.Parallel:
            raise TypeError(f"{state_props.name}: a Parallel would need threads of its own")
        kind = kinds.get(state_type)
        if kind is None:
            return super()._common_state_field_of(state_props)
        state = kind()
        state.wiring = self._wiring
        state.from_state_props(state_props)
        return state

    def visitRetrier_decl(self, ctx: Any) -> Any:  # noqa: N802 - antlr's name
        found = super().visitRetrier_decl(ctx)
        return RetrierDecl(
            error_equals=found.error_equals,
            interval_seconds=found.interval_seconds,
            max_attempts=found.max_attempts,
            backoff_rate=found.backoff_rate,
            max_delay_seconds=found.max_delay_seconds,
            jitter_strategy=_ScaledInterval(found.jitter_strategy, self._wiring.wait_scale),
            comment=found.comment,
        )

    def visitProgram_decl(self, ctx: Any) -> Any:  # noqa: N802 - antlr's name
        found = super().visitProgram_decl(ctx)
        return _Program(
            query_language=found.query_language,
            start_at=found.start_at,
            states=found.states,
            timeout_seconds=found.timeout_seconds,
            comment=found.comment,
            version=found.version,
        )


class _NoHistory(EventManager):
    """Keeps no event history: nobody reads it, and it grows with every state."""

    def add_event(self, *_: Any, **__: Any) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _syntax_tree(definition: str) -> Any:
    return AmazonStateLanguageParser.parse(definition)[1]


def build(definition: str, wiring: Wiring) -> Program:
    """A machine, ready for any number of runs; holds no state of any of them.

    Raises:
        ASLParserException: the definition is not ASL.
        TypeError: it has a state that this engine does not run.
    """
    program: Program = _Builder(wiring).visit(_syntax_tree(definition))
    return program


def evaluate(program: Program, name: str, machine_input: Mapping[str, Any]) -> tuple[Any, Any]:
    """Run a machine to its end: (output, None), or (None, {"error": ..., "cause": ...})."""
    env = Environment(
        aws_execution_details=AWSExecutionDetails(_ACCOUNT, _REGION, _ROLE),
        execution_type=StateMachineType.EXPRESS,
        context=cast(
            ContextObjectData,
            {
                "Execution": {"Id": name, "Input": machine_input, "Name": name, "RoleArn": _ROLE},
                "StateMachine": {"Id": name, "Name": name},
            },
        ),
        event_history_context=EventHistoryContext.of_program_start(),
        cloud_watch_logging_session=None,
        activity_store={},
    )
    env.event_manager = _NoHistory()
    program.eval(env)
    ended = env.program_state()
    if isinstance(ended, ProgramError):
        return None, ended.error or {}
    return env.states.get_input(), None
