"""The operator's page says what the code does."""

import re

from infra.deployment import Deployment
from infra.disk import YEARS, room
from ops_pipeline.domain.operations.retention import KEPT_DAYS
from ops_pipeline.stages.retention import BUDGET
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def test_the_page_names_each_table_that_forgets_and_its_days() -> None:
    section = PAGE.partition("## How long rows are kept")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+)(?: \(.*\))? \| (\d+) \|$", section, re.MULTILINE)

    assert {table: int(days) for table, days in rows} == dict(KEPT_DAYS)
    assert f"for at most {BUDGET.seconds} seconds" in " ".join(section.split())


def test_the_page_names_the_tickers_that_the_default_disk_takes() -> None:
    assert f"({room(Deployment().storage_gib).tickers} on the default" in TEXT
    assert YEARS == 5
    assert "five years of what is never deleted" in TEXT
