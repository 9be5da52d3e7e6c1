"""Every name of moto's Step Functions interpreter that the engine uses.

No other module here imports moto. It publishes none of these names, so a new version may move or
change any of them: the version is pinned exactly, and
tests/statemachines/test_moto_seams.py says which one moved (docs/decisions/0002).
"""

import functools
from types import ModuleType, SimpleNamespace
from typing import Any

from jsonpath_ng.ext.parser import parse as compile_path
from jsonpath_ng.parser import parse as compile_plain_path
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
from moto.stepfunctions.parser.asl.component.common.path import result_path
from moto.stepfunctions.parser.asl.component.common.retry.jitter_strategy_decl import (
    JitterStrategyDecl,
)
from moto.stepfunctions.parser.asl.component.common.retry.retrier_decl import RetrierDecl
from moto.stepfunctions.parser.asl.component.common.string import string_expression
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
from moto.stepfunctions.parser.asl.component.state.exec.state_task.lambda_eval_utils import (
    LambdaFunctionErrorException,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.state_task_lambda import (
    StateTaskLambda,
)
from moto.stepfunctions.parser.asl.component.state.fail.state_fail import StateFail
from moto.stepfunctions.parser.asl.component.state.state_type import StateType
from moto.stepfunctions.parser.asl.component.state.wait.state_wait import StateWait
from moto.stepfunctions.parser.asl.eval import environment, states
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

from ops_local.engine.plain_json import copied

__all__ = [
    "LOGGER",
    "REPLACED",
    "AWSExecutionDetails",
    "AmazonStateLanguageParser",
    "ContextObjectData",
    "CustomErrorName",
    "Environment",
    "EvalComponent",
    "EvalTimeoutError",
    "EventDetails",
    "EventHistoryContext",
    "EventManager",
    "FailureEvent",
    "FailureEventException",
    "HistoryEventType",
    "InlineItemProcessor",
    "InlineItemProcessorWorker",
    "JitterStrategyDecl",
    "Job",
    "JobPool",
    "LambdaFunctionErrorException",
    "Preprocessor",
    "Program",
    "ProgramError",
    "RetrierDecl",
    "StateFail",
    "StateMachineType",
    "StateMap",
    "StateTaskLambda",
    "StateType",
    "StateWait",
    "StatesErrorName",
    "StatesErrorNameType",
]

LOGGER = "moto.stepfunctions"

_compiled_once = functools.lru_cache(maxsize=1024)
_COPY = SimpleNamespace(deepcopy=copied)

# The names that are replaced in moto, each by a faster one that returns the same. Compiling a path
# takes as long as running a whole state, and moto compiles at each use; copying was most of the
# time of a machine with empty handlers.
REPLACED: tuple[tuple[ModuleType, str, Any], ...] = (
    (json_path, "parse", _compiled_once(compile_path)),
    (result_path, "parse", _compiled_once(compile_plain_path)),
    (environment, "copy", _COPY),
    (result_path, "copy", _COPY),
    (states, "copy", _COPY),
    (string_expression, "copy", _COPY),
)
for _module, _name, _instead in REPLACED:
    setattr(_module, _name, _instead)
