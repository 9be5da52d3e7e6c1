"""The paper exchange that most of these tests talk to, and nothing is shared through."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ops_local.exchange.launcher import RunningExchange
from tests.contract.paper_street import at, open_exchange


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """At 10:31, in the middle of an even market."""
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        yield running
