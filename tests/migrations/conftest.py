"""A database without a table, and a folder to fill."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from tests.migrations.folders import Write, owner_of


@pytest.fixture
def target_db(empty_urls: DatabaseUrls) -> Iterator[Database]:
    """The owner in a database without a table."""
    with closing(owner_of(empty_urls)) as database:
        yield database


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Make a folder of files: `write(create_a="CREATE ...")` is 0001_create_a.sql."""

    def files(start: int = 1, **texts: str) -> Path:
        for number, (name, text) in enumerate(texts.items(), start=start):
            (tmp_path / f"{number:04}_{name}.sql").write_text(text)
        return tmp_path

    return files
