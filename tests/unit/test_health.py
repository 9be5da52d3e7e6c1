"""When a stage counts as silent and a table as stale."""

from collections.abc import Iterable
from datetime import date, datetime

import pytest

from ops_pipeline.domain.market import MINUTE, new_york_time
from ops_pipeline.domain.operations.health import (
    MACHINES,
    MONITORED_STAGES,
    FinalRecommendations,
    Finding,
    Run,
    failing_accounts,
    old_comparisons,
    silent_stages,
    stale_outputs,
    ticks_looked_at,
)
from ops_pipeline.domain.operations.stage import RunScope
from tests.support.fakes import regular_session

DAY = date(2026, 2, 4)
SESSION = regular_session(DAY)
NOON = new_york_time(DAY, 12)
ACCOUNTS: dict[RunScope, list[str]] = {"entry": ["large"], "guard": ["large", "tiny"]}
SCOPES: dict[RunScope, Iterable[str]] = {"everything": ["*"], "machines": MACHINES, **ACCOUNTS}


def at(hour: int, minute: int) -> datetime:
    return new_york_time(DAY, hour, minute)


def all_runs(tick: datetime) -> list[Run]:
    return [
        Run(monitored.stage, scope, tick)
        for monitored in MONITORED_STAGES
        for scope in SCOPES[monitored.scope]
    ]


def failing(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.scope, finding.subject) for finding in findings if not finding.passed]


def test_a_healthy_minute_has_a_finding_for_every_duty_and_all_are_well() -> None:
    findings = silent_stages(NOON, SESSION, ACCOUNTS, all_runs(NOON - MINUTE))

    assert len(findings) == 11
    assert failing(findings) == []


@pytest.mark.parametrize("stage", [monitored.stage for monitored in MONITORED_STAGES])
def test_a_stage_that_was_silent_for_two_minutes_is_found(stage: str) -> None:
    runs = [run for run in all_runs(NOON - MINUTE) if run.stage != stage]
    before = [run for run in all_runs(NOON - 3 * MINUTE) if run.stage == stage]

    found = failing(silent_stages(NOON, SESSION, ACCOUNTS, runs + before))

    assert found
    assert {subject.split("/")[-1] for _, subject in found} == {stage}


def test_one_missed_minute_is_not_silence() -> None:
    assert failing(silent_stages(NOON, SESSION, ACCOUNTS, all_runs(NOON - 2 * MINUTE))) == []


def test_the_present_minute_may_still_be_under_way() -> None:
    assert NOON not in ticks_looked_at(NOON)


@pytest.mark.parametrize(
    ("tick", "due"),
    [(at(9, 31), 2), (at(9, 32), 11), (at(16, 0), 11), (at(16, 1), 2)],
    ids=["9:31", "9:32", "16:00", "16:01"],
)
def test_trading_stages_owe_only_minutes_that_lay_in_the_session(tick: datetime, due: int) -> None:
    assert len(silent_stages(tick, SESSION, ACCOUNTS, [])) == due


@pytest.mark.parametrize(
    ("tick", "overdue"),
    [
        (at(9, 39), []),
        (at(9, 40), ["large", "tiny"]),
        (at(16, 4), ["large", "tiny"]),
        (at(16, 5), []),
    ],
    ids=["9:39", "9:40", "16:04", "16:05"],
)
def test_a_comparison_is_owed_once_two_lay_in_the_session(
    tick: datetime, overdue: list[str]
) -> None:
    found = failing(old_comparisons(tick, SESSION, ACCOUNTS["guard"], {}))
    assert found == [(name, "reconciler") for name in overdue]


@pytest.mark.parametrize(("age", "old"), [(5, False), (10, False), (11, True)])
def test_of_two_comparisons_one_may_be_missed(age: int, old: bool) -> None:
    newest = {"large": NOON - age * MINUTE, "tiny": NOON}
    findings = old_comparisons(NOON, SESSION, ACCOUNTS["guard"], newest)
    assert failing(findings) == ([("large", "reconciler")] if old else [])
    assert len(findings) == 2


def test_without_a_session_no_comparison_is_owed() -> None:
    assert old_comparisons(NOON, None, ["large"], {}) == []


def test_a_day_without_a_session_owes_news_alone() -> None:
    found = failing(silent_stages(NOON, None, ACCOUNTS, []))

    assert found == [("*", "rss_ingest"), ("*", "classifier")]


@pytest.mark.parametrize(
    ("tick", "due"),
    [
        (at(9, 34), []),
        (at(9, 35), ["lane_telemetry"]),
        (at(10, 24), ["lane_telemetry"]),
        (at(10, 25), ["lane_telemetry", "lane_features"]),
        (at(16, 0), []),
    ],
    ids=["9:34", "9:35", "10:24", "10:25", "16:00"],
)
def test_output_is_owed_once_it_can_be_there(tick: datetime, due: list[str]) -> None:
    empty = {"lane_telemetry": None, "lane_features": None}

    assert [subject for _, subject in failing(stale_outputs(tick, SESSION, empty))] == due


@pytest.mark.parametrize(("age", "stale"), [(4, False), (5, True)])
def test_output_older_than_four_minutes_is_stale(age: int, stale: bool) -> None:
    newest = {"lane_telemetry": NOON - age * MINUTE, "lane_features": NOON - MINUTE}

    found = failing(stale_outputs(NOON, SESSION, newest))

    assert found == ([("*", "lane_telemetry")] if stale else [])


def test_a_tenth_may_fail_and_no_more() -> None:
    ended = [
        FinalRecommendations("large", 10, 1),
        FinalRecommendations("tiny", 10, 2),
        FinalRecommendations("idle", 0, 0),
    ]

    findings = failing_accounts(ended)

    assert failing(findings) == [("tiny", "dispatch_recommendations")]
    assert len(findings) == 2
