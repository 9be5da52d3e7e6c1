"""Signals, fills, faults, clocks and an operator in any order: the invariants hold after each.

Each found failure stays here as an example of its own.
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.conftest import TEMPLATE
from tests.support.trading_machine import STEPS, Trading

_numbers = count(1)


@pytest.mark.parametrize(
    "examples",
    [
        pytest.param(6, id="few"),
        pytest.param(200, id="many", marks=pytest.mark.slow),
    ],
)
def test_whatever_happens_in_whatever_order_the_invariants_hold(
    admin_db: Database, template_urls: DatabaseUrls, examples: int
) -> None:
    @contextmanager
    def opened() -> Iterator[Database]:
        name = f"stateful_{next(_numbers)}"
        local.clone_database(admin_db, TEMPLATE, name)
        url = local.url_for(template_urls.writer, database=name)
        with closing(Database(target_from_url(url), application_name="stateful")) as database:
            yield database
        local.drop_database(admin_db, name)

    machine = type("Machine", (Trading,), {"opened": staticmethod(opened)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            # Shrinking costs a database a try: the steps as found are told at once.
            phases=(Phase.explicit, Phase.generate),
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
