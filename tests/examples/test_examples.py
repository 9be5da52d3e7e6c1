"""The programs in examples/ run as they are written, and do what they say."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_local.home import Home
from ops_local.recordings import recording as recordings
from ops_pipeline.domain.market import new_york_time
from tests.conftest import ROOT
from tests.replay.conftest import run_day, server_home

EXAMPLES = ROOT / "examples"
BARS = EXAMPLES / "bars.csv"


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with server_home() as made:
        yield made


def run(
    script: str, *arguments: object, home: Home | None = None, cwd: Path = ROOT
) -> tuple[int, str, str]:
    """Run an example as a reader of its first lines would: exit code, output, complaints."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **({"OPS_HOME": str(home.folder)} if home else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_bars_of_a_csv_become_a_recording_whose_replay_trades(home: Home, tmp_path: Path) -> None:
    code, said, complaint = run("record_from_csv.py", BARS, tmp_path / "day", "--vix", "17.5")
    assert (code, complaint) == (0, "")
    assert said.startswith("2026-02-04: 240 bars of INTC, MSFT")

    recording = recordings.load(tmp_path / "day")
    assert recording.quotes["MSFT"][0].usable
    assert "quotes made up" in recording.source
    replayed = run_day(home, recording, last=new_york_time(recording.day, 10, 24))
    assert replayed.tally.failures == []
    assert replayed.rows("SELECT account_name, symbol, status FROM orders WHERE side = 'buy'") == [
        {"account_name": "large", "symbol": "MSFT", "status": "filled"}
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ticker,time,open,high,low,close,volume\n", "no bars"),
        ("ticker,time\nAAPL,2026-02-04 09:30\n", "line 2"),
        ("ticker,time,open,high,low,close,volume\nAAPL,half past,1,1,1,1,1\n", "line 2"),
        (
            "ticker,time,open,high,low,close,volume\n"
            "A,2026-02-04 09:30,1,1,1,1,1\nA,2026-02-05 09:30,1,1,1,1,1\n",
            "one New York day",
        ),
        (
            "ticker,time,open,high,low,close,volume\n"
            "A,2026-02-04 09:30,1,1,1,1,1\nA,2026-02-04 09:30,1,1,1,1,1\n",
            "expected a minute after",
        ),
    ],
)
def test_a_csv_that_makes_no_recording_is_refused_by_line_or_day(
    tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "bars.csv").write_text(text)
    code, _, said = run("record_from_csv.py", tmp_path / "bars.csv", tmp_path / "day")
    assert code == 1
    assert complaint in said
    assert "Traceback" not in said


def test_a_gate_of_one_s_own_refuses_beside_the_others_and_can_be_asked_about(
    tmp_path: Path,
) -> None:
    place = Home(tmp_path)
    # From wherever it is called.
    code, said, complaint = run("custom_gate.py", home=place, cwd=tmp_path)
    assert (code, complaint) == (0, "")
    # Of two tickers one is quoted narrowly; the other is refused to both accounts.
    assert "account large, action BUY, status EXECUTED, count 1" in said
    assert "gate narrow_quote, refused 2" in said

    code, said, complaint = run("query_a_replay.py", home=Home(tmp_path / "examples"))
    assert (code, complaint) == (0, "")
    table = {line.split()[0]: line.split()[1:] for line in said.splitlines()}
    assert table["narrow_quote"] == ["2", "not", "known"]
    assert set(table) == {"gate", "narrow_quote", "confidence"}


def test_a_replay_that_never_ran_is_named(home: Home) -> None:
    code, _, said = run("query_a_replay.py", "nowhere", home=home)
    assert code == 1
    assert "no replay is named 'nowhere'" in said


def test_the_page_of_the_examples_shows_each_of_them() -> None:
    page = (EXAMPLES / "README.md").read_text()
    for script in EXAMPLES.glob("[a-z]*.py"):
        assert f"]({script.name})" in page, script.name
