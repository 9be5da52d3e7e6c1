"""Builds a state machine with moto's parser and executes it in the calling thread."""

import functools
from collections.abc import Mapping
from typing import Any, cast

from ops_local.engine.moto_names import (
    AmazonStateLanguageParser,
    AWSExecutionDetails,
    ContextObjectData,
    Environment,
    EventHistoryContext,
    EventManager,
    Preprocessor,
    Program,
    ProgramError,
    RetrierDecl,
    StateMachineType,
    StateType,
)
from ops_local.engine.states import (
    LocalFail,
    LocalMap,
    LocalProgram,
    LocalTask,
    LocalWait,
    ScaledInterval,
    Wiring,
)

_ACCOUNT, _REGION = "000000000000", "us-east-1"
_ROLE = f"arn:aws:iam::{_ACCOUNT}:role/local"


class _Builder(Preprocessor):
    """Builds a machine from the syntax tree with the components of ops_local.engine.states."""

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
    """Keeps no event history: it is never read, and would grow with every state."""

    def add_event(self, *_: Any, **__: Any) -> int:
        return 0


@functools.lru_cache(maxsize=64)
def _syntax_tree(definition: str) -> Any:
    return AmazonStateLanguageParser.parse(definition)[1]


def build(definition: str, wiring: Wiring) -> Program:
    """Build a machine for any number of executions; it holds no state of any of them.

    Raises:
        ASLParserException: the definition is not ASL.
        TypeError: it has a state that this engine does not support.
    """
    program: Program = _Builder(wiring).visit(_syntax_tree(definition))
    return program


def evaluate(program: Program, name: str, machine_input: Mapping[str, Any]) -> tuple[Any, Any]:
    """Execute a machine: returns (output, None), or (None, {"error": ..., "cause": ...})."""
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
