"""Which days and which parameters a backtest takes."""

import json
from datetime import date
from pathlib import Path

import pytest

from ops_local.backtest.plan import recordings_in, variants
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput


def recorded(folder: Path, day: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "session.json").write_text(json.dumps({"date": day}))
    return folder


def test_recordings_below_a_folder_are_taken_by_day(tmp_path: Path) -> None:
    late = recorded(tmp_path / "a", "2026-02-05")
    early = recorded(tmp_path / "z" / "deep", "2026-02-04")
    assert recordings_in([tmp_path], None, None) == [early, late]
    assert recordings_in([tmp_path], date(2026, 2, 5), None) == [late]
    assert recordings_in([tmp_path, late], None, date(2026, 2, 4)) == [early]


def test_a_place_without_a_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no recording is there"):
        recordings_in([tmp_path], None, None)
    (tmp_path / "session.json").write_text("{}")
    with pytest.raises(InvalidInput, match=r"expected JSON with a date"):
        recordings_in([tmp_path], None, None)


def test_days_outside_of_the_bounds_leave_nothing(tmp_path: Path) -> None:
    recorded(tmp_path / "a", "2026-02-05")
    with pytest.raises(InvalidInput, match=r"none of 1 recordings"):
        recordings_in([tmp_path], date(2027, 1, 1), None)


def test_without_a_sweep_there_is_one_set() -> None:
    (only,) = variants({}, [])
    assert (only.label, only.rules) == ("", Parameters())


def test_sweeps_are_combined_over_the_given_parameters() -> None:
    found = variants(
        {"exits": {"take_profit": 0.05}}, ["exits.stop_loss=0.01,0.02", "gates.quote_age_s=30,45"]
    )
    assert [it.label for it in found] == [
        "exits.stop_loss=0.01, gates.quote_age_s=30",
        "exits.stop_loss=0.01, gates.quote_age_s=45",
        "exits.stop_loss=0.02, gates.quote_age_s=30",
        "exits.stop_loss=0.02, gates.quote_age_s=45",
    ]
    last = found[-1].rules
    assert (last.exits.stop_loss, last.exits.take_profit, last.gates.quote_age_s) == (
        0.02,
        0.05,
        45,
    )


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("exits.stop_loss", "expected section.name=value,value"),
        ("exits.stop_loss=", "expected section.name=value,value"),
        ("exits.no_such=1", "is unknown"),
        ("exits.stop_loss=abc", "exits.stop_loss"),
        ("exits.stop_loss=-1", "stop_loss"),
    ],
)
def test_what_is_no_sweep_is_refused(sweep: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        variants({}, [sweep])
