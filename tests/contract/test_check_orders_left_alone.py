"""A resting order of `ops check` is nobody's to adopt, sell beside, or alert about."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.runs import Lease
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.execution import external_orders
from ops_pipeline.runtime.wiring import Deps, Runtime
from tests.contract.paper_street import LARGE, look, place
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.handlers import handler_of
from tests.support.stand_ins import (
    NOW,
    TICK,
    exchange_at_tick,
    in_process,
    leading_to,
    prepared,
)

CHECK = "main-large-AAA-20131007T143000-check"
EVENT = {"tick": TICK, "account": "large"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path) as running:
        yield running


@pytest.fixture
def stages(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database
) -> Iterator[Runtime]:
    prepared(db, "AAA")
    with in_process(Runtime(leading_to(exchange, database_urls), FixedClock(NOW))) as runtime:
        yield runtime


def run(stage: str) -> dict[str, Any]:
    return handler_of(stage)(EVENT, None)


def test_the_reconciler_does_not_adopt_it(
    stages: Runtime, exchange: RunningExchange, db: Database
) -> None:
    resting = place(exchange, qty="1", limit_price="6.00", client_order_id=CHECK)

    run("reconciler")

    assert rows(db, "SELECT client_order_id FROM orders") == []
    assert rows(db, "SELECT kind FROM alerts") == []
    assert look(exchange, resting)["status"] == "new"


def test_nor_does_the_guard_while_it_looks_for_what_a_person_placed(
    stages: Runtime, exchange: RunningExchange, db: Database
) -> None:
    place(exchange, qty="1", limit_price="6.00", client_order_id=CHECK)
    place(exchange, qty="1", limit_price="6.00", client_order_id="by hand")
    lease = Lease(run_id=stable_uuid("a run"), attempt=1, expires_at=NOW)
    deps = Deps(stages, lease, dry_run=True)

    with stages.serving("position_manager"):
        dry = deps.order_gateway(deps.account_context("large", NOW, guards=True))
        gateway = replace(dry, db=stages.database)
        external_orders.adopt_resting(stages.database, gateway)

    [row] = rows(db, "SELECT client_order_id FROM orders")
    assert row == {"client_order_id": "by hand"}


@pytest.mark.parametrize(
    "odd",
    [
        {"qty": "2"},
        {"client_order_id": "other-large-AAA-20131007T143000-check"},
        {"client_order_id": "main-tiny-AAA-20131007T143000-check"},
        {"client_order_id": f"{CHECK}-1"},
    ],
    ids=["two shares", "of another deployment", "of another account", "another id"],
)
def test_what_only_looks_like_one_is_adopted_as_placed_by_hand(
    stages: Runtime, exchange: RunningExchange, db: Database, odd: dict[str, object]
) -> None:
    wanted = {"qty": "1", "limit_price": "6.00", "client_order_id": CHECK, **odd}
    place(exchange, account=LARGE, **wanted)
    run("reconciler")
    [row] = rows(db, "SELECT client_order_id, purpose FROM orders")
    assert row == {"client_order_id": wanted["client_order_id"], "purpose": "adopted"}


def test_one_that_filled_after_all_is_seen_like_any_other(
    stages: Runtime, exchange: RunningExchange, db: Database
) -> None:
    place(exchange, qty="1", limit_price="10.05", client_order_id=CHECK)
    run("reconciler")
    [row] = rows(db, "SELECT client_order_id, status FROM orders")
    assert row == {"client_order_id": CHECK, "status": "filled"}
    [held] = rows(db, "SELECT symbol, quantity FROM active_positions")
    assert (held["symbol"], held["quantity"]) == ("AAA", 1)
