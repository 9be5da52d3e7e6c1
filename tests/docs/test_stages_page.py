"""docs/stages.md and the README's picture are what the manifest says today."""

import pytest

from infra.pages import README, STAGE_PAGE, stage_page, with_picture
from ops_pipeline.domain.operations.manifest import STAGES


def test_the_page_is_what_make_docs_would_write() -> None:
    assert STAGE_PAGE.read_text(encoding="utf-8") == stage_page()


def test_the_readme_s_picture_is_what_make_docs_would_write() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_picture(text) == text


def test_a_picture_that_is_stale_or_lost_is_noticed() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_picture(text.replace("    discovery[", "    rediscovery[")) == text
    with pytest.raises(ValueError, match="no marks"):
        with_picture(text.replace("%% end", ""))


def test_each_stage_has_a_row_in_both_tables_of_stages() -> None:
    rows = [line.split(" | ")[0] for line in stage_page().splitlines() if line.startswith("| ")]
    for stage in STAGES:
        assert rows.count(f"| {stage.name}") == 2
