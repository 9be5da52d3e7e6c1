"""Replays of one day from another seed or recording do not overwrite each other."""

from dataclasses import replace
from pathlib import Path

import pytest

from ops_local.home import Home
from ops_local.recordings.recording import Recording
from ops_local.replay_environment import ReplayPlan
from ops_local.synthetic import generate
from tests.conftest import MIGRATIONS

SHORT = "generated_20260204"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, Recording]:
    folder = tmp_path_factory.mktemp("recordings")
    one, other = (generate(folder / str(seed), seed=seed, n_tickers=1) for seed in (1, 2))
    return one, other


def plan(home: Home, recording: Recording) -> ReplayPlan:
    return ReplayPlan(recording, home, MIGRATIONS)


def test_the_short_name_belongs_to_the_recording_that_had_it_first(
    tmp_path: Path, recordings: tuple[Recording, Recording]
) -> None:
    home = Home(tmp_path)
    first, second = (plan(home, recording) for recording in recordings)
    assert first.name == second.name == SHORT
    home.keep_recording(first.name, first.content)
    assert first.name == SHORT
    assert second.name == f"{SHORT}_{second.content[:6]}"
    home.keep_recording(second.name, second.content)
    assert (first.name, second.name) == (SHORT, f"{SHORT}_{second.content[:6]}")


def test_other_parameters_have_a_short_name_of_their_own(
    tmp_path: Path, recordings: tuple[Recording, Recording]
) -> None:
    home = Home(tmp_path)
    first, second = (plan(home, recording) for recording in recordings)
    home.keep_recording(first.name, first.content)
    with_overlay = replace(second, overlay={"exits": {"take_profit": 0.02}})
    assert with_overlay.name.startswith(f"{SHORT}_")
    assert with_overlay.name != second.name
