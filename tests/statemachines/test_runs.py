"""The machines run by scripted functions: who is called, in which order, and how it ends."""

from collections.abc import Callable
from typing import Any

import pytest

from infra.definitions import load_machines
from ops_local.engine.engine import Engine, FunctionFailed, MachineExecution

TICK = {"tick": "2026-02-04T14:31:00Z"}
OPEN = {
    "status": "run",
    "session": "open",
    "accounts_entry": ["large", "tiny"],
    "accounts_guard": ["large", "tiny"],
    "wait_s": 6,
}
TRADING = ["market_clock", "telemetry", "features", "watchlist", "signals"]
FIRST_STAGE = {
    "news_cycle": "rss_ingest",
    "trading_cycle": "market_clock",
    "position_cycle": "market_clock",
    "reconcile_cycle": "market_clock",
    "daily_cycle": "corporate_actions",
}
STAGES = {
    "news_cycle": ["rss_ingest", "classifier"],
    "trading_cycle": [*TRADING, "dispatcher"],
    "position_cycle": ["market_clock", "position_manager"],
    "reconcile_cycle": ["market_clock", "reconciler"],
    "daily_cycle": ["corporate_actions", "reconciler", "market_regime", "report", "retention"],
}
# Of a trading minute nothing goes on without what came before; a day's stages stand alone.
CHAINED = ["news_cycle", "trading_cycle", "position_cycle", "reconcile_cycle"]
ALONE = [
    (machine, stage)
    for machine in CHAINED
    for stage in STAGES[machine]
    if stage not in ("dispatcher", "position_manager", "reconciler")
]
MACHINES = load_machines()

Answer = Any | Callable[[dict[str, Any]], Any]


class Script:
    """Functions that answer as told, and what they heard.

    An answer is a result, an exception to raise, a list of these to use up call by
    call, or a callable of the event.
    """

    def __init__(self, **answers: Answer) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self._answers: dict[str, Answer] = {
            "market_clock": OPEN,
            "classifier": {"status": "run", "remaining": 0, "budget_spent": False},
            **answers,
        }

    def __call__(self, function: str, event: dict[str, Any]) -> Any:
        self.heard.append((function, event))
        answer = self._answers.get(function, {"status": "run"})
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(event)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def run(self, machine: str) -> MachineExecution:
        return Engine(MACHINES, self).run(machine, TICK)

    @property
    def called(self) -> list[str]:
        return [function for function, _ in self.heard]

    def events_of(self, function: str) -> list[dict[str, Any]]:
        return [event for called, event in self.heard if called == function]


def failing(stage_account: str, error: Exception) -> Callable[[dict[str, Any]], Any]:
    """Fails for one account and serves the others."""

    def answer(event: dict[str, Any]) -> Any:
        return error if event["account"] == stage_account else {"status": "run"}

    return answer


def test_a_trading_tick_goes_from_the_clock_to_every_account() -> None:
    script = Script()
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called == [*TRADING, "dispatcher", "dispatcher"]
    assert script.events_of("market_clock") == [{**TICK, "machine": "trading_cycle"}]
    assert script.events_of("features") == [TICK]
    assert script.events_of("dispatcher") == [
        {**TICK, "account": "large"},
        {**TICK, "account": "tiny"},
    ]


@pytest.mark.parametrize(("wait_s", "waits"), [(6, [6]), (0, [0])])
def test_a_trading_tick_waits_for_the_bars_between_the_clock_and_telemetry(
    wait_s: int, waits: list[float]
) -> None:
    script = Script(market_clock={**OPEN, "wait_s": wait_s})
    heard: list[tuple[float, list[str]]] = []
    engine = Engine(MACHINES, script, wait=lambda s: heard.append((s, list(script.called))))
    assert engine.run("trading_cycle", TICK).status == "SUCCEEDED"
    assert heard == [(wait_s, ["market_clock"])]


@pytest.mark.parametrize("machine", ["position_cycle", "reconcile_cycle", "news_cycle"])
def test_no_other_machine_waits(machine: str) -> None:
    heard: list[float] = []
    assert Engine(MACHINES, Script(), wait=heard.append).run(machine, TICK).status == "SUCCEEDED"
    assert heard == []


def test_a_closed_session_is_not_waited_for() -> None:
    heard: list[float] = []
    script = Script(market_clock={**OPEN, "session": "closed"})
    Engine(MACHINES, script, wait=heard.append).run("trading_cycle", TICK)
    assert heard == []


def test_a_clock_that_names_no_wait_is_no_success() -> None:
    script = Script(market_clock={it: value for it, value in OPEN.items() if it != "wait_s"})
    assert script.run("trading_cycle").error == "StageFailed"


def test_a_position_tick_guards_every_account() -> None:
    script = Script()
    assert script.run("position_cycle").status == "SUCCEEDED"
    assert script.called == ["market_clock", "position_manager", "position_manager"]
    assert script.events_of("market_clock") == [{**TICK, "machine": "position_cycle"}]


def test_every_guarded_account_is_compared_in_a_run_of_its_own() -> None:
    script = Script()
    assert script.run("reconcile_cycle").status == "SUCCEEDED"
    assert script.events_of("reconciler") == [
        {**TICK, "account": "large"},
        {**TICK, "account": "tiny"},
    ]


def test_outside_a_session_no_account_is_compared_every_few_minutes() -> None:
    script = Script(market_clock={**OPEN, "session": "closed"})
    assert script.run("reconcile_cycle").status == "SUCCEEDED"
    assert script.called == ["market_clock"]


def test_a_day_is_reconciled_before_its_regime_and_its_report() -> None:
    script = Script()
    assert script.run("daily_cycle").status == "SUCCEEDED"
    assert script.called == STAGES["daily_cycle"]


def test_the_output_holds_what_each_stage_counted() -> None:
    script = Script(telemetry={"status": "run", "bars": 33})
    output = script.run("trading_cycle").output
    assert output["telemetry"] == {"status": "run", "bars": 33}
    assert output["accounts"] == [{"status": "run"}, {"status": "run"}]


def test_a_closed_session_stops_trading_at_the_clock() -> None:
    script = Script(market_clock={**OPEN, "session": "closed"})
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called == ["market_clock"]


def test_after_the_close_the_last_bars_are_fetched_and_nothing_is_decided() -> None:
    script = Script(market_clock={**OPEN, "session": "just_closed"})
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called == ["market_clock", "telemetry"]


def test_positions_are_still_synced_when_the_session_is_closed() -> None:
    script = Script(market_clock={**OPEN, "session": "closed"})
    assert script.run("position_cycle").status == "SUCCEEDED"
    assert script.called == ["market_clock", "position_manager", "position_manager"]


def test_no_account_to_serve_is_a_quiet_success() -> None:
    script = Script(market_clock={**OPEN, "accounts_entry": [], "accounts_guard": []})
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.run("position_cycle").status == "SUCCEEDED"
    assert "dispatcher" not in script.called
    assert "position_manager" not in script.called


@pytest.mark.parametrize(
    ("machine", "status"),
    [*((machine, "busy") for machine in CHAINED), *((each, "too_old") for each in FIRST_STAGE)],
)
def test_a_machine_ends_at_its_first_stage_when_the_tick_is_not_its_own(
    machine: str, status: str
) -> None:
    first = FIRST_STAGE[machine]
    script = Script(**{first: {"status": status}})
    assert script.run(machine).status == "SUCCEEDED"
    assert script.called == [first]


@pytest.mark.parametrize(("machine", "stage"), ALONE)
def test_a_busy_stage_ends_the_machine_wherever_it_stands(machine: str, stage: str) -> None:
    script = Script(**{stage: {"status": "busy"}})
    assert script.run(machine).status == "SUCCEEDED"
    assert script.called == STAGES[machine][: STAGES[machine].index(stage) + 1]


def test_a_busy_account_does_not_hold_up_the_next_one() -> None:
    script = Script(dispatcher=[{"status": "busy"}, {"status": "run"}])
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called.count("dispatcher") == 2


def test_work_that_is_already_done_is_gone_past() -> None:
    done = {"status": "already_done"}
    script = Script(
        market_clock={**OPEN, **done}, telemetry=done, features=done, watchlist=done, signals=done
    )
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called == [*TRADING, "dispatcher", "dispatcher"]


@pytest.mark.parametrize(("machine", "stage"), ALONE)
def test_a_failing_stage_is_told_to_run_failure_once_and_fails_the_machine(
    machine: str, stage: str
) -> None:
    script = Script(**{stage: ArithmeticError("no sum")})
    execution = script.run(machine)
    cause = '{"errorMessage": "no sum", "errorType": "ArithmeticError"}'
    assert execution == MachineExecution("FAILED", error="ArithmeticError", cause=cause)
    assert script.called == [*STAGES[machine][: STAGES[machine].index(stage) + 1], "run_failure"]
    state = "".join(word.capitalize() for word in stage.split("_"))
    assert script.events_of("run_failure") == [
        {**TICK, "machine": machine, "state": state, "error": "ArithmeticError", "cause": cause}
    ]


@pytest.mark.parametrize("stage", STAGES["daily_cycle"])
def test_a_day_s_failing_stage_is_told_and_the_others_go_on(stage: str) -> None:
    """Without the regime nothing is entered all day; a broker that is down is no reason."""
    script = Script(**{stage: ArithmeticError("no sum")})
    execution = script.run("daily_cycle")
    cause = '{"errorMessage": "no sum", "errorType": "ArithmeticError"}'
    assert execution == MachineExecution("FAILED", error="ArithmeticError", cause=cause)
    assert [name for name in script.called if name != "run_failure"] == STAGES["daily_cycle"]
    state = "".join(word.capitalize() for word in stage.split("_"))
    told = {"machine": "daily_cycle", "state": state, "error": "ArithmeticError", "cause": cause}
    assert script.events_of("run_failure") == [TICK | told]
    assert script.called.index("run_failure") == STAGES["daily_cycle"].index(stage) + 1


def test_a_day_s_failures_are_all_told_and_the_first_names_the_error() -> None:
    errors = [
        ArithmeticError("actions"),
        EOFError("books"),
        LookupError("vix"),
        OSError("report"),
        KeyError("old"),
    ]
    script = Script(**dict(zip(STAGES["daily_cycle"], errors, strict=True)))
    assert script.run("daily_cycle").error == "ArithmeticError"
    assert [event["state"] for event in script.events_of("run_failure")] == [
        "CorporateActions",
        "Reconciler",
        "MarketRegime",
        "Report",
        "Retention",
    ]


def test_a_day_goes_on_even_when_its_failure_can_not_be_told() -> None:
    script = Script(reconciler=ArithmeticError("first"), run_failure=LookupError("second"))
    assert script.run("daily_cycle").error == "ArithmeticError"
    told = STAGES["daily_cycle"].index("reconciler") + 1
    assert script.called == [
        *STAGES["daily_cycle"][:told],
        "run_failure",
        *STAGES["daily_cycle"][told:],
    ]


@pytest.mark.parametrize("stage", STAGES["daily_cycle"])
def test_a_day_s_odd_answer_is_a_failure_and_the_others_go_on(stage: str) -> None:
    script = Script(**{stage: {"status": "fine"}})
    assert script.run("daily_cycle").error == "StageFailed"
    assert [name for name in script.called if name != "run_failure"] == STAGES["daily_cycle"]
    assert script.called.count("run_failure") == 1


@pytest.mark.parametrize("stage", STAGES["daily_cycle"])
def test_a_day_s_stage_that_another_run_serves_is_left_to_it(stage: str) -> None:
    """Somebody reconciles by hand at 08:30: the regime is read all the same."""
    script = Script(**{stage: {"status": "busy"}})
    assert script.run("daily_cycle").status == "SUCCEEDED"
    assert script.called == STAGES["daily_cycle"]


def test_the_machine_ends_with_the_first_error_even_when_run_failure_fails_too() -> None:
    script = Script(signals=ArithmeticError("first"), run_failure=LookupError("second"))
    assert script.run("trading_cycle").error == "ArithmeticError"
    assert script.called[-1] == "run_failure"


def test_failing_telemetry_leaves_the_position_cycle_alone() -> None:
    script = Script(telemetry=ArithmeticError("no bars"), rss_ingest=ArithmeticError("no news"))
    assert script.run("news_cycle").status == "FAILED"
    assert script.run("trading_cycle").status == "FAILED"
    assert script.run("position_cycle").status == "SUCCEEDED"
    assert script.called[-2:] == ["position_manager", "position_manager"]


@pytest.mark.parametrize(
    ("machine", "stage", "state"),
    [
        ("trading_cycle", "dispatcher", "Dispatcher"),
        ("position_cycle", "position_manager", "PositionManager"),
    ],
)
@pytest.mark.parametrize("account", ["large", "tiny"])
def test_one_failing_account_does_not_stop_the_other_but_fails_the_machine(
    machine: str, stage: str, state: str, account: str
) -> None:
    script = Script(**{stage: failing(account, ArithmeticError("no sum"))})
    execution = script.run(machine)
    assert (execution.status, execution.error) == ("FAILED", "ArithmeticError")
    assert [event["account"] for event in script.events_of(stage)] == ["large", "tiny"]
    told = script.events_of("run_failure")
    assert [(event["state"], event["error"]) for event in told] == [(state, "ArithmeticError")]


def test_two_failing_accounts_are_both_told_and_the_first_names_the_error() -> None:
    script = Script(dispatcher=[ArithmeticError("large"), LookupError("tiny")])
    assert script.run("trading_cycle").error == "ArithmeticError"
    assert [event["error"] for event in script.events_of("run_failure")] == [
        "ArithmeticError",
        "LookupError",
    ]


@pytest.mark.parametrize(
    ("machine", "stage"), [(machine, stage) for machine in STAGES for stage in STAGES[machine]]
)
def test_a_throttled_call_is_tried_again(machine: str, stage: str) -> None:
    throttled = FunctionFailed("Lambda.TooManyRequestsException", "Rate Exceeded.")
    plain = Script(**{stage: [throttled, *[Script()(stage, {})] * 3]})
    assert plain.run(machine).status == "SUCCEEDED"
    assert "run_failure" not in plain.called
    untroubled = Script()
    untroubled.run(machine)
    assert plain.called.count(stage) == untroubled.called.count(stage) + 1


def test_a_call_that_stays_throttled_fails_the_machine() -> None:
    script = Script(telemetry=FunctionFailed("Lambda.TooManyRequestsException"))
    assert script.run("trading_cycle").error == "Lambda.TooManyRequestsException"
    assert script.called.count("telemetry") == 2


@pytest.mark.parametrize(
    "unknown",
    ["Lambda.ServiceException", "Lambda.Unknown", "Sandbox.Timedout", "States.Timeout"],
)
@pytest.mark.parametrize(
    ("machine", "stage"),
    [
        ("trading_cycle", "dispatcher"),
        ("position_cycle", "position_manager"),
        ("reconcile_cycle", "reconciler"),
    ],
)
def test_an_unknown_outcome_is_not_retried_where_the_broker_is_touched(
    machine: str, stage: str, unknown: str
) -> None:
    script = Script(**{stage: failing("large", FunctionFailed(unknown))})
    execution = script.run(machine)
    assert (execution.status, execution.error) == ("FAILED", unknown)
    assert [event["account"] for event in script.events_of(stage)] == ["large", "tiny"]


def test_a_database_that_comes_back_is_asked_again() -> None:
    class DatabaseUnavailable(Exception): ...

    script = Script(dispatcher=[DatabaseUnavailable("gone"), {"status": "run"}, {"status": "run"}])
    assert script.run("trading_cycle").status == "SUCCEEDED"
    assert script.called.count("dispatcher") == 3


def test_a_status_that_nobody_knows_is_a_failure() -> None:
    script = Script(features={"status": "fine"})
    execution = script.run("trading_cycle")
    assert (execution.status, execution.error) == ("FAILED", "StageFailed")
    assert script.called == [*TRADING[:3], "run_failure"]


@pytest.mark.parametrize(
    ("machine", "stage", "answer"),
    [
        ("trading_cycle", "features", {"rows": 33}),
        ("trading_cycle", "market_clock", {"status": "run", "accounts_entry": ["large"]}),
        ("trading_cycle", "market_clock", {**OPEN, "session": "ajar"}),
        ("news_cycle", "classifier", {"status": "run", "remaining": 3}),
        ("news_cycle", "classifier", {"status": "run", "budget_spent": False}),
    ],
    ids=["no status", "no session", "odd session", "no budget_spent", "no remaining"],
)
def test_an_answer_that_lacks_what_a_choice_needs_is_a_failure(
    machine: str, stage: str, answer: dict[str, Any]
) -> None:
    script = Script(**{stage: answer})
    assert script.run(machine).error == "StageFailed"
    assert script.called[-2:] == [stage, "run_failure"]


@pytest.mark.parametrize("answer", [{}, {"status": "fine"}], ids=["no status", "odd status"])
def test_an_account_that_answers_oddly_fails_the_machine(answer: dict[str, Any]) -> None:
    script = Script(dispatcher=[answer, {"status": "run"}])
    assert script.run("trading_cycle").status == "FAILED"
    assert script.called.count("dispatcher") == 2


def test_a_clock_that_names_no_accounts_is_a_failure() -> None:
    assert Script(market_clock={"status": "run"}).run("position_cycle").status == "FAILED"


def classified(remaining: int, *, budget_spent: int = 0) -> dict[str, Any]:
    return {"status": "run", "remaining": remaining, "budget_spent": budget_spent}


@pytest.mark.parametrize(
    ("answers", "passes"),
    [
        ([classified(0)], 1),
        ([classified(40), classified(0)], 2),
        ([classified(40, budget_spent=1)], 1),
        ([classified(40, budget_spent=True)], 1),
        ([classified(40, budget_spent=False), classified(0)], 2),
        ([classified(40), classified(39), classified(38), classified(37)], 3),
        ([classified(40), {"status": "already_done"}], 2),
        ([{"status": "already_done"}], 1),
    ],
    ids=[
        "empty",
        "emptied",
        "spent",
        "spent flag",
        "unspent flag",
        "never emptied",
        "done meanwhile",
        "done before",
    ],
)
def test_the_classifier_goes_on_until_backlog_budget_or_passes_are_spent(
    answers: list[Answer], passes: int
) -> None:
    script = Script(classifier=answers)
    assert script.run("news_cycle").status == "SUCCEEDED"
    assert script.called == ["rss_ingest", *["classifier"] * passes]
    assert script.events_of("classifier") == [TICK] * passes
