"""Builds the state machines: the shared states, and what only one machine does."""

from typing import Any

from infra.asl import chain, independent
from infra.asl.chain import Special, done_rule, ending_rules, result_of
from infra.asl.states import DONE, State, is_missing, is_one_of, rule
from ops_pipeline.domain.bars import MOST_WAIT_S
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.domain.operations.stage import Machine

# As many as fit into the time-out of news_cycle.
MOST_PASSES = 3
AWAIT_BARS = "AwaitBars"
_CLOCK, _TELEMETRY = stage_named("market_clock"), stage_named("telemetry")
_CLASSIFIER = stage_named("classifier")
_SESSION = f"{result_of(_CLOCK)}.session"


def build(machine: Machine) -> dict[str, Any]:
    """One machine, with placeholders such as `${RssIngestArn}` for ARNs."""
    if machine.after_failure == "go_on":
        states = independent.states_of(machine)
    else:
        states = chain.states_of(machine, SPECIALS)
    return {
        "Comment": machine.comment,
        "StartAt": next(iter(states)),
        "TimeoutSeconds": machine.timeout_s,
        "States": states,
    }


def _go_on_in_a_session(following: str) -> list[State]:
    """Nothing is decided or compared while the session is closed."""
    return [
        *ending_rules(_CLOCK),
        rule(is_missing(_SESSION), chain.UNKNOWN_STATUS),
        rule(is_one_of(_SESSION, ("closed",)), DONE),
        rule(
            {
                "And": [
                    is_one_of(_SESSION, ("open", "just_closed")),
                    is_one_of(f"{result_of(_CLOCK)}.status", chain.GOES_ON),
                ]
            },
            following,
        ),
    ]


def _stop_after_the_last_bars(following: str) -> list[State]:
    """After the close the session's last bars are fetched, and nothing is decided."""
    last_bars = {
        "And": [
            is_one_of(_SESSION, ("just_closed",)),
            is_one_of(f"{result_of(_TELEMETRY)}.status", chain.GOES_ON),
        ]
    }
    return [*ending_rules(_TELEMETRY), rule(last_bars, DONE), done_rule(_TELEMETRY, following)]


def _look_at_the_backlog(_: str) -> list[State]:
    result = result_of(_CLASSIFIER)
    return [
        *ending_rules(_CLASSIFIER, (*chain.ENDS, "already_done")),
        rule(is_missing(f"{result}.remaining"), chain.UNKNOWN_STATUS),
        rule(is_missing(f"{result}.budget_spent"), chain.UNKNOWN_STATUS),
        rule(is_one_of(f"{result}.status", ("run",)), "CheckBacklog"),
    ]


def _count_passes() -> dict[str, State]:
    kept = {name: f"$.{name.removesuffix('.$')}" for name in ("tick.$", "rss_ingest.$")}
    return {
        "ResetPassCount": {
            "Type": "Pass",
            "Result": 0,
            "ResultPath": "$.passes",
            "Next": "CountPass",
        },
        "CountPass": {
            "Type": "Pass",
            "Parameters": {**kept, "passes.$": "States.MathAdd($.passes, 1)"},
            "Next": _CLASSIFIER.state,
        },
    }


def _check_backlog() -> State:
    budget = f"{result_of(_CLASSIFIER)}.budget_spent"
    another_pass = {
        "And": [
            {"Variable": f"{result_of(_CLASSIFIER)}.remaining", "NumericGreaterThan": 0},
            {
                "Or": [
                    {"Variable": budget, "NumericEquals": 0},
                    {"Variable": budget, "BooleanEquals": False},
                ]
            },
            {"Variable": "$.passes", "NumericLessThan": MOST_PASSES},
        ]
    }
    return {
        "Type": "Choice",
        "Comment": "Bounded: the machine's time-out holds three passes.",
        "Choices": [rule(another_pass, "CountPass")],
        "Default": DONE,
    }


def _wait_for_the_bars() -> State:
    return {
        "Type": "Wait",
        "Comment": f"At most {MOST_WAIT_S} s, until the bars of the last minute are published.",
        "SecondsPath": f"{result_of(_CLOCK)}.wait_s",
        "Next": _TELEMETRY.state,
    }


def _go_on_to_the_wait(_: str) -> list[State]:
    wait = f"{result_of(_CLOCK)}.wait_s"
    *before, goes_on = _go_on_in_a_session(AWAIT_BARS)
    return [*before, rule(is_missing(wait), chain.UNKNOWN_STATUS), goes_on]


# By machine and stage.
SPECIALS: chain.Specials = {
    ("trading_cycle", "market_clock"): Special(
        rules=_go_on_to_the_wait, after={AWAIT_BARS: _wait_for_the_bars()}
    ),
    ("reconcile_cycle", "market_clock"): Special(rules=_go_on_in_a_session),
    ("trading_cycle", "telemetry"): Special(rules=_stop_after_the_last_bars),
    ("news_cycle", "classifier"): Special(
        rules=_look_at_the_backlog,
        before=_count_passes(),
        after={"CheckBacklog": _check_backlog()},
    ),
}
