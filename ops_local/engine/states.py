"""moto's state components, changed to run in the calling thread.

moto runs every program, task and Map worker in a thread of its own, calls functions through
boto3 and sleeps real seconds. A replay needs handlers called in process, one after the other, in
a fixed order, without waiting. Everything not overridden here is moto's.
tests/statemachines/test_moto_seams.py tests each override.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from ops_local.engine.moto_names import (
    CustomErrorName,
    Environment,
    EvalComponent,
    EvalTimeoutError,
    EventDetails,
    FailureEvent,
    FailureEventException,
    HistoryEventType,
    InlineItemProcessor,
    InlineItemProcessorWorker,
    JitterStrategyDecl,
    Job,
    JobPool,
    LambdaFunctionErrorException,
    Program,
    ProgramError,
    StateFail,
    StateMap,
    StatesErrorName,
    StatesErrorNameType,
    StateTaskLambda,
    StateWait,
)
from ops_local.engine.plain_json import copied

TIMED_OUT = "States.Timeout"


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the components of one machine need from outside.

    `call` returns a function's result as JSON or raises one of the errors that moto knows (see
    `reported` and `timed_out`). Its last argument is the task's time-out in seconds. `wait` passes
    the seconds of a Wait; `wait_scale` is for those between attempts.
    """

    call: Callable[[str, Any, float], Any]
    wait_scale: float
    wait: Callable[[float], None]


def reported(payload: str) -> Exception:
    """The error for a Lambda result with FunctionError; its errorType is the ASL error."""
    error: Exception = LambdaFunctionErrorException("Unhandled", payload)
    return error


def timed_out() -> Exception:
    """The error that ASL calls States.Timeout."""
    error: Exception = EvalTimeoutError()
    return error


def _failure(
    env: Environment, event_type: HistoryEventType, key: str, details: dict[str, Any]
) -> FailureEventException:
    """A failure as moto propagates it; `details` holds "error" and "cause"."""
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
    """Evaluates a Task or a Map in the calling thread; moto starts a thread to time each."""

    def _evaluate_with_timeout(self: Any, env: Environment) -> None:
        frame = env.open_frame()
        frame.states.reset(input_value=env.states.get_input())
        frame.stack = copied(env.stack)
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


class LocalTask(_InCallingThread, StateTaskLambda):
    wiring: Wiring

    def _eval_execution(self, env: Environment) -> None:
        payload = self._eval_parameters(env=env)["Payload"]
        self.timeout.eval(env=env)
        timeout_s = env.stack.pop()
        env.stack.append(self.wiring.call(self.resource.function_name, payload, timeout_s))


class ItemWorker(InlineItemProcessorWorker):
    """Propagates the item's own error; moto fails on names that begin with "States."."""

    def _eval_job(self, env: Environment, job: Job) -> None:
        super()._eval_job(env, job)
        ended = env.program_state()
        if isinstance(ended, ProgramError):
            details = dict(ended.error or {})
            job.job_output = _failure(
                env, HistoryEventType.MapIterationFailed, "executionFailedEventDetails", details
            )


class ItemsInOrder(InlineItemProcessor):
    """Runs a Map's items one after the other: the first worker takes them all, in order."""

    def _launch_worker(self, env: Environment, eval_input: Any, job_pool: JobPool) -> Any:
        worker = ItemWorker(
            work_name=eval_input.state_name,
            job_pool=job_pool,
            env=env,
            item_selector=eval_input.item_selector,
            parameters=eval_input.parameters,
        )
        worker.eval()
        return worker

    def _get_iteration_program(self) -> Program:
        return LocalProgram(
            query_language=self._query_language,
            start_at=self._start_at,
            states=self._states,
            timeout_seconds=None,
            comment=self._comment,
        )


class LocalMap(_InCallingThread, StateMap):
    def from_state_props(self, state_props: Any) -> None:
        super().from_state_props(state_props)
        found = self.iteration_component
        if not isinstance(found, InlineItemProcessor):
            raise TypeError(f"{self.name}: only an inline ItemProcessor runs here")
        self.iteration_component = ItemsInOrder(
            query_language=found._query_language,
            start_at=found._start_at,
            states=found._states,
            comment=found._comment,
            processor_config=found._processor_config,
        )


class LocalWait(StateWait):
    wiring: Wiring

    def _eval_state(self, env: Environment) -> None:
        self.wiring.wait(self.wait_function._get_wait_seconds(env=env))


class LocalFail(StateFail):
    """A Fail that may use one of the reserved "States." names, as AWS allows."""

    def _eval_state(self, env: Environment) -> None:
        details: dict[str, str] = {}
        for key, part in (("error", self.error), ("cause", self.cause)):
            if part:
                part.eval(env=env)
                details[key] = env.stack.pop()
        raise _failure(env, HistoryEventType.TaskFailed, "taskFailedEventDetails", details)


class LocalProgram(Program):
    def eval(self, env: Environment) -> None:
        env.next_state_name = self.start_at.start_at_name
        EvalComponent.eval(self, env)


class ScaledInterval(JitterStrategyDecl):
    """The last step of a retrier's arithmetic: scales the seconds it is about to sleep."""

    def __init__(self, jitter: JitterStrategyDecl, scale: float) -> None:
        super().__init__(jitter.jitter_strategy)
        self._scale = scale

    def _eval_body(self, env: Environment) -> None:
        super()._eval_body(env)
        env.stack.append(env.stack.pop() * self._scale)
