"""The committed machines are what the manifest says, and a step added there is whole at once."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statelint.linter import Linter  # type: ignore[import-untyped]  # ships no types

from infra.asl import layout
from infra.asl.__main__ import files
from infra.asl.machines import SPECIALS, build
from infra.definitions import ASL_FOLDER, local_arns, with_arns
from ops_local.engine.engine import Engine, FunctionFailed
from ops_pipeline.domain.operations.manifest import MACHINES
from ops_pipeline.domain.operations.stage import Machine

TICK = {"tick": "2026-02-04T14:31:00Z"}
BY_NAME = {machine.name: machine for machine in MACHINES}
OPEN = {
    "status": "run",
    "session": "open",
    "accounts_entry": ["large"],
    "accounts_guard": [],
    "wait_s": 6,
}


def test_the_files_are_what_make_asl_would_write() -> None:
    committed = {path.name: path.read_text(encoding="utf-8") for path in ASL_FOLDER.iterdir()}
    assert committed == files()


def test_each_special_step_is_one_of_its_machine() -> None:
    for machine, stage in SPECIALS:
        assert stage in BY_NAME[machine].steps


def test_a_state_s_name_is_unique_in_its_whole_machine() -> None:
    for machine in MACHINES:
        names = [name for states in _levels(build(machine)) for name in states]
        assert len(names) == len(set(names)), machine.name


def _levels(machine: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [one["ItemProcessor"] for one in machine["States"].values() if one["Type"] == "Map"]
    return [machine["States"], *(states for one in inner for states in _levels(one))]


def _with_a_step_more(machine: str, stage: str) -> Machine:
    """The stage before the last one, so that something follows it."""
    steps = BY_NAME[machine].steps
    return replace(BY_NAME[machine], steps=(*steps[:-1], stage, steps[-1]))


@pytest.mark.parametrize("machine", ["daily_cycle", "news_cycle", "trading_cycle"])
def test_a_step_added_to_a_machine_s_entry_is_called_in_its_place(machine: str) -> None:
    changed = _with_a_step_more(machine, "discovery")
    definition = build(changed)
    assert Linter.validate(with_arns(definition, local_arns())) == []

    called: list[str] = []

    def answer(function: str, _: dict[str, Any]) -> dict[str, Any]:
        called.append(function)
        classified = {"remaining": 0, "budget_spent": 0} if function == "classifier" else {}
        return {**OPEN, **classified}

    assert Engine({machine: definition}, answer).run(machine, TICK).status == "SUCCEEDED"
    assert called == list(changed.steps)


@pytest.mark.parametrize("machine", ["daily_cycle", "trading_cycle"])
def test_an_added_step_that_fails_is_recorded_and_fails_its_machine(machine: str) -> None:
    definition = build(_with_a_step_more(machine, "discovery"))
    recorded: list[dict[str, Any]] = []

    def answer(function: str, event: dict[str, Any]) -> dict[str, Any]:
        if function == "discovery":
            raise FunctionFailed("MarketDataUnavailable", "gone")
        if function == "run_failure":
            recorded.append(event)
        return OPEN

    ended = Engine({machine: definition}, answer).run(machine, TICK)
    assert (ended.status, ended.error) == ("FAILED", "MarketDataUnavailable")
    assert [(one["machine"], one["state"]) for one in recorded] == [(machine, "Discovery")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@given(JSON)
def test_a_file_reads_back_as_the_value_it_was_written_from(value: Any) -> None:
    assert json.loads(layout.text_of(value)) == value


def test_a_value_stands_on_one_line_as_long_as_it_fits() -> None:
    short = {"Type": "Succeed"}
    assert layout.text_of(short) == '{"Type": "Succeed"}\n'
    long = {"Choices": ["a" * 45, "b" * 45], "Default": "c" * 30}
    assert layout.text_of(long).splitlines() == [
        "{",
        f'  "Choices": ["{"a" * 45}", "{"b" * 45}"],',
        f'  "Default": "{"c" * 30}"',
        "}",
    ]
