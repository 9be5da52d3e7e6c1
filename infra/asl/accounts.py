"""A step that calls its stage once for each account, so that one failure does not stop the rest."""

from infra.asl.states import State, fail, is_one_of, record_failure, rule, task
from ops_pipeline.domain.operations.stage import AccountScope, Machine, Stage

FOR_EACH = "ForEachAccount"
# Accounts served at once; infra's tests sum time-outs for so many.
AT_ONCE = 5
_FAILED, _RECORD, _DONE = "AccountFailed", "RecordAccountFailure", "AccountDone"
_SERVED = ("run", "already_done", "busy", "too_old")


def states_of(machine: Machine, stage: Stage, following: str) -> dict[str, State]:
    """The Map over the accounts that market_clock listed, and the check of its results."""
    return {
        FOR_EACH: {
            "Type": "Map",
            "ItemsPath": f"$.market.accounts_{_scope(stage)}",
            "MaxConcurrency": AT_ONCE,
            "Comment": "An account's failure is caught inside its item, so the others are still "
            "served. Time-outs are summed for at most MaxConcurrency accounts.",
            "ItemSelector": {"tick.$": "$.tick", "account.$": "$$.Map.Item.Value"},
            "ItemProcessor": _inline(stage.state, _item(machine, stage)),
            "ResultPath": "$.accounts",
            "Next": "CheckAccounts",
        },
        "CheckAccounts": {
            "Type": "Map",
            "ItemsPath": "$.accounts",
            "MaxConcurrency": 1,
            "Comment": "Fails the machine with the first failed account's error; each was "
            "recorded in its item.",
            "ItemProcessor": _inline("CheckAccountStatus", _check()),
            "ResultPath": None,
            "Next": following,
        },
    }


def _scope(stage: Stage) -> AccountScope:
    """The list of accounts it serves, which is also how its runs are monitored."""
    if stage.serves is None:
        raise TypeError(f"{stage.name} serves accounts: its monitoring must say which")
    return stage.serves


def _inline(start: str, states: dict[str, State]) -> State:
    return {"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": start, "States": states}


def _item(machine: Machine, stage: Stage) -> dict[str, State]:
    event = {"tick.$": "$.tick", "account.$": "$.account"}
    call = task(stage, event, result=None, error="$.error", on_error=_RECORD)
    return {
        stage.state: {**call, "End": True},
        _RECORD: record_failure(
            {"state": stage.state},
            machine=machine.name,
            error="$.error",
            following=_FAILED,
            comment="Whatever happens here, the machine ends with the first error.",
            account=True,
        ),
        _FAILED: {
            "Type": "Pass",
            "Parameters": {"status": "failed", "account.$": "$.account", "error.$": "$.error"},
            "End": True,
        },
    }


def _check() -> dict[str, State]:
    return {
        "CheckAccountStatus": {
            "Type": "Choice",
            "Choices": [rule(is_one_of("$.status", _SERVED), _DONE)],
            "Default": "FailWithAccountError",
        },
        "FailWithAccountError": fail("$.error"),
        _DONE: {"Type": "Succeed"},
    }
