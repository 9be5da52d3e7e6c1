"""Killed at any statement and any request, the pipeline goes on to the undisturbed end."""

import random
import sys
from collections import Counter

import pytest

from tests.chaos.laboratory import Death, Laboratory
from tests.chaos.scenarios import SCENARIOS, Scenario

SLICE = 12
SEED = 20260204


def _name(scenario: Scenario) -> str:
    return scenario.name


def run_all(laboratory: Laboratory, deaths: list[tuple[Scenario, Death]]) -> None:
    """Die every death; say how many there were, and which left something wrong."""
    wrong: dict[str, list[str]] = {}
    done: Counter[str] = Counter()
    for scenario, death in deaths:
        ended = laboratory.killed(scenario, death)
        done[scenario.name] += ended.died
        if ended.wrong:
            wrong[f"{scenario.name} {death}"] = ended.wrong
    for name, kills in done.items():
        sys.stdout.write(f"{name}: {kills} kills\n")
    sys.stdout.write(f"{done.total()} kills, {len(wrong)} with something wrong\n")
    assert wrong == {}
    assert done.total() > 0


def test_a_process_killed_at_any_of_a_sample_of_boundaries_ends_as_the_undisturbed(
    laboratory: Laboratory,
) -> None:
    chance = random.Random(SEED)
    every = [(s, death) for s in SCENARIOS for death in laboratory.boundaries(s)]
    run_all(laboratory, chance.sample(every, SLICE))


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=_name)
def test_a_process_killed_at_any_boundary_ends_as_the_undisturbed(
    laboratory: Laboratory, scenario: Scenario
) -> None:
    run_all(laboratory, [(scenario, death) for death in laboratory.boundaries(scenario)])
