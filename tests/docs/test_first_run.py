"""The newcomer's page says what the commands print today."""

import tempfile
from pathlib import Path

import pytest

from tests.docs.first_run import PAGE, render

# Plays a whole session: `make first-run` and `make slow` do, after what changes the output.
pytestmark = pytest.mark.slow


def test_the_first_run_prints_what_the_page_shows() -> None:
    with tempfile.TemporaryDirectory(prefix="ops-first-run-") as folder:
        Path(folder).chmod(0o755)
        assert render(Path(folder)) == PAGE.read_text(encoding="utf-8")
