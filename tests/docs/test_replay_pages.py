"""What the pages on recordings and replays say is so: examples run, lists are whole."""

import json
import re
import shlex
from pathlib import Path

import pytest

from ops_local.cli import build_parser
from ops_local.comparison.measured import MEASURED
from ops_local.recordings import recording
from ops_local.recordings.recording import NEWS_FIELDS
from ops_local.recordings.tables import BAR_COLUMNS, QUOTE_COLUMNS
from ops_pipeline.db.parameters import overlay
from ops_pipeline.domain.parameters import Parameters

DOCS = Path(__file__).resolve().parents[2] / "docs"
RECORDINGS = (DOCS / "recordings.md").read_text()
REPLAY = (DOCS / "replay.md").read_text()


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "command",
    [
        line
        for page in (RECORDINGS, REPLAY)
        for block in _blocks(page, "sh")
        for line in block.splitlines()
    ],
)
def test_a_command_is_one_that_exists(command: str) -> None:
    program, *arguments = shlex.split(command)
    assert program == "ops"
    build_parser().parse_args(arguments)


def test_the_example_makes_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (example,) = _blocks(RECORDINGS, "python")
    exec(compile(example, "recordings.md", "exec"), {})  # noqa: S102 - the page's own example
    made = recording.load(tmp_path / "my-day")
    assert (made.tickers, len(made.bars["AAPL"])) == (("AAPL",), 390)


def test_every_column_and_field_of_the_format_is_named() -> None:
    assert ",".join(BAR_COLUMNS) in RECORDINGS
    assert ",".join(QUOTE_COLUMNS) in RECORDINGS
    for name in (*NEWS_FIELDS, "date", "tickers", "synthetic", "source", "vix_previous_close"):
        assert f"`{name}`" in RECORDINGS, name


def test_the_what_if_is_accepted() -> None:
    (example,) = _blocks(REPLAY, "json")
    changed = overlay(Parameters(), json.loads(example))
    assert changed != Parameters()


def test_everything_that_a_comparison_leaves_out_is_listed() -> None:
    rows = re.findall(r"^\| `([a-z_]+)(?:\.[^|]*)?`.* \| (.*) \|$", REPLAY, re.MULTILINE)
    listed = {table: reason for table, reason in rows if table in {m.table for m in MEASURED}}
    for measured in MEASURED:
        line = next(line for line in REPLAY.splitlines() if line.startswith(f"| `{measured.table}"))
        assert all(f"{column}`" in line for column in measured.columns)
        assert ("--after-kill" in listed[measured.table]) is measured.only_after_kill
