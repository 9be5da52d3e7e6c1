"""The log of `ops up`: files of a bounded size, and no line is worth a failed stage."""

from pathlib import Path

import pytest

from ops_local.live.log_file import RotatedLog


def test_a_full_file_is_renamed_between_lines_and_the_oldest_goes(tmp_path: Path) -> None:
    log = RotatedLog(tmp_path / "pipeline.log", most_bytes=10, kept=2)
    for number in range(4):
        log.write(f"line {number}")
        log.write(" ends\n")
    log.write("young\n")
    log.close()
    found = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert found == {
        "pipeline.log": "young\n",
        "pipeline.log.1": "line 3 ends\n",
        "pipeline.log.2": "line 2 ends\n",
    }


def test_it_goes_on_in_the_file_of_the_run_before(tmp_path: Path) -> None:
    for words in ("first\n", "second\n"):
        log = RotatedLog(tmp_path / "pipeline.log")
        log.write(words)
        log.close()
    assert (tmp_path / "pipeline.log").read_text() == "first\nsecond\n"


def test_what_a_full_disk_refuses_is_lost_and_counted_and_the_rest_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = RotatedLog(tmp_path / "pipeline.log")
    full = RotatedLog(Path("/dev/full"))
    monkeypatch.setattr(log, "_stream", full._stream)
    assert log.write("refused\n") == 8
    monkeypatch.undo()
    full.close()
    log.write("written\n")
    log.close()
    assert (log.lost, (tmp_path / "pipeline.log").read_text()) == (1, "written\n")
