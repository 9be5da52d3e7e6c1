"""A folder for servers of a test's own, and the bench that some tests trade on."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_local.postgres.server import EmbeddedPostgres
from tests.support.trading_fixtures import bench

__all__ = ["bench"]


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Not under tmp_path, where as root the server could not get in."""
    path = Path(tempfile.mkdtemp(prefix="ops-launcher-"))
    yield path
    # Whatever a test left running, killed parents included, ends here.
    with EmbeddedPostgres(path):
        pass
    shutil.rmtree(path)
