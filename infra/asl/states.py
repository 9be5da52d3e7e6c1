"""The states that all machines share: a stage's Task, the check of its status, its failure."""

from collections.abc import Sequence
from typing import Any

from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.domain.operations.stage import Stage

State = dict[str, Any]

DONE = "Done"
ALL_ERRORS = "States.ALL"
THROTTLED = "Lambda.TooManyRequestsException"
# The call may or may not have taken effect.
CALL_LOST = ("Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException")
DATABASE_GONE = "DatabaseUnavailable"
_RECORDER = stage_named("run_failure")


def check_name(stage: Stage) -> str:
    """The name of the Choice on a stage's status."""
    return f"Check{stage.state}Status"


def task(
    stage: Stage, parameters: State, *, result: str | None, error: str, on_error: str
) -> State:
    """The Task that calls a stage, without its transition.

    Args:
        result: Path of its result; None replaces the whole state.
        error: Path of an error.
        on_error: The state that handles an error.
    """
    return {
        "Type": "Task",
        "Resource": f"${{{stage.placeholder}}}",
        "TimeoutSeconds": stage.timeout_s,
        "Comment": _retry_comment(stage),
        "Parameters": parameters,
        **({"ResultPath": result} if result else {}),
        "Retry": retry(_retried(stage)),
        "Catch": catch(error, on_error),
    }


def retry(errors: Sequence[str]) -> list[State]:
    return [
        {
            "ErrorEquals": list(errors),
            "IntervalSeconds": 1,
            "BackoffRate": 2.0,
            "MaxAttempts": 1,
        }
    ]


def catch(result: str, following: str) -> list[State]:
    return [{"ErrorEquals": [ALL_ERRORS], "ResultPath": result, "Next": following}]


def _retried(stage: Stage) -> tuple[str, ...]:
    """The errors to retry: no unknown outcome if the stage touches the broker."""
    ours = (DATABASE_GONE, *stage.retried_errors)
    return (*ours, THROTTLED) if stage.touches_the_broker else (*ours, THROTTLED, *CALL_LOST)


def _retry_comment(stage: Stage) -> str:
    if stage.touches_the_broker:
        return (
            "Touches the broker, so a call of unknown outcome is not retried: the next run "
            "resolves it first."
        )
    return (
        "Safe to run twice, so lost calls are retried. Time-outs are not: the first call still "
        "holds the lease."
    )


def is_one_of(variable: str, values: Sequence[str]) -> State:
    """The condition that a variable has one of these values."""
    each = [{"Variable": variable, "StringEquals": value} for value in values]
    return each[0] if len(each) == 1 else {"Or": each}


def is_missing(variable: str) -> State:
    return {"Not": {"Variable": variable, "IsPresent": True}}


def rule(condition: State, following: str) -> State:
    return {**condition, "Next": following}


def record_failure(
    stage: State, *, machine: str, error: str, following: str, comment: str, account: bool = False
) -> State:
    """The Task that calls run_failure; the machine continues whether it succeeds or not.

    Args:
        stage: The parameter that names the failed state.
        error: Path of the error.
    """
    return {
        "Type": "Task",
        "Resource": f"${{{_RECORDER.placeholder}}}",
        "TimeoutSeconds": _RECORDER.timeout_s,
        "Comment": comment,
        "Parameters": {
            "tick.$": "$.tick",
            "machine": machine,
            **stage,
            **({"account.$": "$.account"} if account else {}),
            "error.$": f"{error}.Error",
            "cause.$": f"{error}.Cause",
        },
        "ResultPath": None,
        "Retry": retry((THROTTLED, *CALL_LOST)),
        "Catch": catch("$.record_error", following),
        "Next": following,
    }


def fail(error: str) -> State:
    """Ends the machine with the error at this path."""
    return {"Type": "Fail", "ErrorPath": f"{error}.Error", "CausePath": f"{error}.Cause"}
