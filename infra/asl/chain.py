"""Machines that end with the first failed step: all but daily_cycle."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from infra.asl import accounts
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
from ops_pipeline.domain.operations.stage import EveryMinute, Machine, Stage

UNKNOWN_STATUS = "UnknownStatus"
ENDS = ("busy", "too_old")
GOES_ON = ("run", "already_done")


@dataclass(frozen=True, slots=True)
class Special:
    """What one step of one machine does besides the shared states.

    Attributes:
        rules: Makes the Choice rules on its result, given the next state; None for the usual
            rules.
        before: States in front of it; the chain enters at the first of them.
        after: States that its rules lead to.
    """

    rules: Callable[[str], list[State]] | None = None
    before: Mapping[str, State] | None = None
    after: Mapping[str, State] | None = None


Specials = Mapping[tuple[str, str], Special]


def states_of(machine: Machine, specials: Specials) -> dict[str, State]:
    """The states in the order in which they are reached."""
    steps = [stage_named(name) for name in machine.steps]
    following = [*(_entry(machine, step, specials) for step in steps[1:]), DONE]
    states: dict[str, State] = {}
    for step, after in zip(steps, following, strict=True):
        special = specials.get((machine.name, step.name), Special())
        states |= special.before or {}
        if step.serves:
            states |= accounts.states_of(machine, step, after)
        else:
            states |= _step(machine, step, special.rules or _usual_rules(step), after)
        states |= special.after or {}
    return states | _ends(machine)


def _entry(machine: Machine, stage: Stage, specials: Specials) -> str:
    """The state at which a step begins."""
    before = specials.get((machine.name, stage.name), Special()).before
    if before:
        return next(iter(before))
    return accounts.FOR_EACH if stage.serves else stage.state


def _step(
    machine: Machine, stage: Stage, rules: Callable[[str], list[State]], following: str
) -> dict[str, State]:
    failed = f"{stage.state}Failed"
    call = task(
        stage, parameters_of(machine, stage), result=result_of(stage), error="$.error",
        on_error=failed,
    )  # fmt: skip
    return {
        stage.state: {**call, "Next": check_name(stage)},
        failed: {
            "Type": "Pass",
            "Result": stage.state,
            "ResultPath": "$.state",
            "Next": "RecordFailure",
        },
        check_name(stage): {
            "Type": "Choice",
            "Choices": rules(following),
            "Default": UNKNOWN_STATUS,
        },
    }


def parameters_of(machine: Machine, stage: Stage) -> State:
    """A stage's event: the tick, and the machine's name if its runs are counted by machine."""
    by_machine = isinstance(stage.monitoring, EveryMinute) and stage.monitoring.scope == "machines"
    return {"tick.$": "$.tick", **({"machine": machine.name} if by_machine else {})}


def result_of(stage: Stage) -> str:
    """The path of a stage's result."""
    return "$.market" if stage.name == "market_clock" else f"$.{stage.name}"


def _usual_rules(stage: Stage) -> Callable[[str], list[State]]:
    return lambda following: [*ending_rules(stage), done_rule(stage, following)]


def ending_rules(stage: Stage, ends: Sequence[str] = ENDS) -> list[State]:
    """If another run serves the tick, or the tick is too old, the machine ends."""
    status = f"{result_of(stage)}.status"
    return [
        rule(is_missing(status), UNKNOWN_STATUS),
        rule(is_one_of(status, ends), DONE),
    ]


def done_rule(stage: Stage, following: str) -> State:
    return rule(is_one_of(f"{result_of(stage)}.status", GOES_ON), following)


def _ends(machine: Machine) -> dict[str, State]:
    return {
        UNKNOWN_STATUS: {
            "Type": "Pass",
            "Comment": "An unknown status must not count as success.",
            "Parameters": {
                "tick.$": "$.tick",
                "state": UNKNOWN_STATUS,
                "error": {
                    "Error": "StageFailed",
                    "Cause": "A stage returned a status that this state machine does not know.",
                },
            },
            "Next": "RecordFailure",
        },
        "RecordFailure": record_failure(
            {"state.$": "$.state"},
            machine=machine.name,
            error="$.error",
            following="Failed",
            comment="Whatever happens here, the machine ends with the first error.",
        ),
        "Failed": fail("$.error"),
        DONE: {"Type": "Succeed"},
    }
