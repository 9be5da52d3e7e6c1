"""Builds a state machine from moto's parser and runs it to its end in the calling thread."""

import functools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import jsonpath_ng
from jsonpath_ng.ext.parser import parse as compile_path
from moto.stepfunctions.parser.api import StateMachineType
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
from moto.stepfunctions.parser.asl.component.program.program import Program
from moto.stepfunctions.parser.asl.component.state.state_type import StateType
from moto.stepfunctions.parser.asl.eval import environment, states
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import (
    EventHistoryContext,
    EventManager,
)
from moto.stepfunctions.parser.asl.eval.program_state import ProgramError
from moto.stepfunctions.parser.asl.eval.states import ContextObjectData
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
from moto.stepfunctions.parser.asl.parse.preprocessor import Preprocessor
from moto.stepfunctions.parser.asl.utils import json_path

from ops_local.engine.plain_json import copied
from ops_local.engine.states import (
    LocalFail,
    LocalMap,
    LocalProgram,
    LocalTask,
    LocalWait,
    ScaledInterval,
    Wiring,
)

# Compiling a path takes as long as running a whole state, and moto compiles at each use.
# The names below are imported by moto's modules, not exported: hence each ignore.
_compiled_once = functools.lru_cache(maxsize=1024)
json_path.parse = _compiled_once(compile_path)  # type: ignore[attr-defined]
result_path.parse = _compiled_once(jsonpath_ng.parse)  # type: ignore[attr-defined]

# Copies were most of what a run of empty handlers took.
for _copier in (environment, result_path, states, string_expression):
    _copier.copy = SimpleNamespace(deepcopy=copied)  # type: ignore[attr-defined]

_ACCOUNT, _REGION = "000000000000", "us-east-1"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/local"


class _Builder(Preprocessor):
    """Builds a machine from the syntax tree with the components of engine_states."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__()
        self._wiring = wiring

    def _common_state_field_of(self, state_props: Any) -> Any:  # type: ignore[override]  # a staticmethod that moto calls on self
        kinds: dict[Any, Any] = {
            StateType.Task: LocalTask,
            StateType.Map: LocalMap,
            StateType.Wait: LocalWait,
            StateType.Fail: LocalFail,
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
            jitter_strategy=ScaledInterval(found.jitter_strategy, self._wiring.wait_scale),
            comment=found.comment,
        )

    def visitProgram_decl(self, ctx: Any) -> Any:  # noqa: N802 - antlr's name
        found = super().visitProgram_decl(ctx)
        return LocalProgram(
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
