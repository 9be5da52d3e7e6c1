"""One laboratory a session."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from tests.chaos.laboratory import Laboratory, Nursery
from tests.conftest import TEMPLATE


@pytest.fixture(scope="session")
def laboratory(
    admin_db: Database, template_urls: DatabaseUrls, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    folder: Path = tmp_path_factory.mktemp("chaos")
    with closing(Nursery()) as nursery:
        yield Laboratory(admin_db, TEMPLATE, template_urls, folder, nursery)
