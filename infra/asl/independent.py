"""Machines whose steps run even if others failed: daily_cycle."""

from infra.asl.states import (
    DONE,
    State,
    check_name,
    fail,
    is_missing,
    is_one_of,
    record_failure,
    rule,
    task,
)
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.domain.operations.stage import Machine, Stage

_END = "CheckFailures"
_GOES_ON = ("run", "already_done", "busy")


def states_of(machine: Machine) -> dict[str, State]:
    """The states in the order in which they are reached; the first error ends the machine."""
    steps = [stage_named(name) for name in machine.steps]
    following = [*(step.state for step in steps[1:]), _END]
    states: dict[str, State] = {}
    for step, after in zip(steps, following, strict=True):
        states |= _step(machine, step, after)
    states[_END] = {
        "Type": "Choice",
        "Comment": "The machine ends with the first error, in the order of its steps.",
        "Choices": [
            {"Variable": _error(step), "IsPresent": True, "Next": f"{step.state}Failed"}
            for step in steps
        ],
        "Default": DONE,
    }
    states |= {f"{step.state}Failed": fail(_error(step)) for step in steps}
    return states | {DONE: {"Type": "Succeed"}}


def _error(stage: Stage) -> str:
    return f"$.{stage.name}_error"


def _step(machine: Machine, stage: Stage, following: str) -> dict[str, State]:
    record, unknown = f"Record{stage.state}Failure", f"{stage.state}ReturnedUnknownStatus"
    status = f"$.{stage.name}.status"
    call = task(
        stage, {"tick.$": "$.tick"}, result=f"$.{stage.name}", error=_error(stage), on_error=record
    )
    return {
        stage.state: {**call, "Next": check_name(stage)},
        check_name(stage): {
            "Type": "Choice",
            "Choices": [
                rule(is_missing(status), unknown),
                rule(is_one_of(status, ("too_old",)), _END),
                rule(is_one_of(status, _GOES_ON), following),
            ],
            "Default": unknown,
        },
        unknown: {
            "Type": "Pass",
            "Comment": "An unknown status must not count as success.",
            "Result": {
                "Error": "StageFailed",
                "Cause": f"{stage.state} returned a status that this state machine does not know.",
            },
            "ResultPath": _error(stage),
            "Next": record,
        },
        record: record_failure(
            {"state": stage.state},
            machine=machine.name,
            error=_error(stage),
            following=following,
            comment="Reported at once; the next step runs all the same, and the machine fails "
            "at its end.",
        ),
    }
