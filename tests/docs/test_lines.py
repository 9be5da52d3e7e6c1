"""Pages are read in terminals and diffs too: their lines stay short, tables aside."""

from pathlib import Path

import pytest

from tests.conftest import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")]
)
LIMIT = 120


def _too_long(text: str) -> list[str]:
    lines = text.splitlines()
    return [line for line in lines if len(line) >= LIMIT and not line.startswith("|")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_line_of_a_page_is_shorter_than_120_characters(page: Path) -> None:
    assert _too_long(page.read_text(encoding="utf-8")) == []


def test_a_long_line_is_seen_and_a_table_s_row_is_not() -> None:
    assert _too_long(f"{'a' * 119}\n{'b' * 120}\n| {'c' * 120} |\n") == ["b" * 120]
