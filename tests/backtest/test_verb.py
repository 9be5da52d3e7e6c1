"""`ops backtest` from its arguments to its files."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.recordings import recording as recordings
from ops_local.recordings.halts import RecordedHalt
from ops_local.synthetic import generate
from ops_pipeline.domain.market import new_york_time


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    generate(folder / "one", n_tickers=4)
    return folder


def run(home: Path, *words: str) -> int:
    return main(["backtest", *words], {"OPS_HOME": str(home)})


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_a_sweep_leaves_files_that_add_up(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = "exits.take_profit=0.02,0.2"
    assert run(tmp_path, str(recorded), "--sweep", sweep, "--json") == 0
    summary = told(capsys)
    place = Path(summary["folder"])
    assert json.loads((place / "summary.json").read_text()) == summary
    assert [it["days"] for it in summary["variants"]] == [1, 1]
    trades, decisions = rows(place / "trades.csv"), rows(place / "decisions.csv")
    for it in summary["variants"]:
        its = [row for row in trades if row["variant"] == it["variant"]]
        assert len(its) == it["trades"] > 0
        assert sum(float(row["net_usd"]) for row in its) == pytest.approx(float(it["net_usd"]))
        asked = [row for row in decisions if row["variant"] == it["variant"]]
        assert len(asked) == it["decisions"] > 0
    assert {row["variant"] for row in rows(place / "equity.csv")} == {
        it["variant"] for it in summary["variants"]
    }


def test_two_processes_leave_what_one_leaves(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = []
    for jobs in ("1", "2"):
        assert run(tmp_path / jobs, str(recorded), "--jobs", jobs, "--json") == 0
        place = Path(told(capsys)["folder"])
        found.append({file.name: file.read_text() for file in place.glob("*.csv")})
    assert found[0] == found[1]


def test_a_day_that_is_not_played_is_named(
    recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = recordings.load(recorded / "one")
    opens = new_york_time(day.day, 10)
    halted = RecordedHalt(day.tickers[0], opens, None, "T1")
    generate(tmp_path / "halted", n_tickers=4)
    with_halt = recordings.load(tmp_path / "halted")
    with_halt.halts.append(halted)
    recordings.write(with_halt)
    assert run(tmp_path / "home", str(tmp_path / "halted")) == 1
    assert "REFUSED halted: it has halts of trading" in capsys.readouterr().out


def test_odd_words_are_refused(recorded: Path, tmp_path: Path) -> None:
    assert run(tmp_path, str(recorded), "--jobs", "0") == 1
    assert run(tmp_path, str(recorded), "--sweep", "exits.stop_loss") == 1
    assert run(tmp_path, str(tmp_path / "nowhere")) == 1
