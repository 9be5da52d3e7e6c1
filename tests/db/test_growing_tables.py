"""On a database of many orders no statement reads a growing table once for every row of another.

What the invariants and the order road ask is planned on 200 accounts and five sessions, as a
prepared statement of any values. A sequential scan below a loop is quadratic in the orders ever
made: on that database the invariants took a minute.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta
from itertools import count
from typing import Any

import pg8000.native
import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from tests.conftest import TEMPLATE
from tests.support import many_orders
from tests.support.builders_trading import ELEVEN
from tests.support.statements import STATEMENTS

GROWING = {
    "orders",
    "fills",
    "active_positions",
    "dispatch_recommendations",
    "dispatch_executions",
    "position_events",
    "position_history",
}
READ = {"operations.invariants", "orders", "positions", "dispatch", "ledger", "facts"}
_PARAMETERS = """
SELECT cardinality(parameter_types) AS n FROM pg_prepared_statements WHERE name = :name
"""
_NAME = "test_growing_tables"
_numbers = count()


@pytest.fixture(scope="module")
def many(admin_db: Database, template_urls: DatabaseUrls) -> Iterator[Database]:
    """Filled once for all tests, which only read."""
    local.clone_database(admin_db, TEMPLATE, _NAME)
    target = target_from_url(local.url_for(template_urls.owner, database=_NAME))
    with closing(Database(target, application_name="tests")) as database:
        first_open = ELEVEN - timedelta(days=6)
        many_orders.fill(database, first_open=first_open, accounts=200, sessions=5, trades=10)
        yield database
    local.drop_database(admin_db, _NAME)


def plan_of(database: Database, sql: str) -> Mapping[str, Any]:
    """The plan that serves any values."""
    statement, _ = pg8000.native.to_statement(sql)
    name = f"planned_{next(_numbers)}"
    with database.transaction() as tx:
        tx.script("SET LOCAL plan_cache_mode = force_generic_plan")
        tx.script(f"PREPARE {name} AS {statement}")
        (prepared,) = tx.rows(_PARAMETERS, name=name)
        nulls = f"({', '.join(['NULL'] * prepared['n'])})" if prepared["n"] else ""
        (row,) = tx.rows(f"EXPLAIN (FORMAT JSON) EXECUTE {name}{nulls}")
    (plan,) = row["QUERY PLAN"]
    return dict(plan["Plan"])


def scanned_in_a_loop(plan: Mapping[str, Any], *, looped: bool = False) -> Iterator[str]:
    """Growing tables that are read whole by something that runs once a row."""
    if looped and plan["Node Type"] == "Seq Scan" and plan["Relation Name"] in GROWING:
        yield plan["Relation Name"]
    below = plan.get("Plans", [])
    for child in below:
        again = child["Parent Relationship"] == "SubPlan" and not _is_hashed(plan, child)
        inner = plan["Node Type"] == "Nested Loop" and child["Parent Relationship"] == "Inner"
        once = inner and not _has_many_rows(below[0])
        yield from scanned_in_a_loop(child, looped=looped or again or (inner and not once))


def _has_many_rows(outer: Mapping[str, Any]) -> bool:
    """False for an aggregate over everything, which is one row whatever is stored."""
    if outer["Node Type"] == "Nested Loop":
        return any(_has_many_rows(child) for child in outer["Plans"])
    return not (outer["Node Type"] == "Aggregate" and outer["Strategy"] == "Plain")


def _is_hashed(plan: Mapping[str, Any], child: Mapping[str, Any]) -> bool:
    return f"hashed {child['Subplan Name']}" in json.dumps(plan.get("Filter", ""))


def test_no_statement_scans_a_growing_table_in_a_loop(many: Database) -> None:
    read = [(f"{module}.{name}", sql) for module, name, sql in STATEMENTS if module in READ]
    found = {name: list(scanned_in_a_loop(plan_of(many, sql))) for name, sql in read}
    assert {name: tables for name, tables in found.items() if tables} == {}
    assert len(found) > 50

    # The looking itself finds one.
    sql = """
    SELECT p.id, (SELECT count(*) FROM orders AS o WHERE o.reason = p.close_reason) AS n
    FROM active_positions AS p
    """
    assert list(scanned_in_a_loop(plan_of(many, sql))) == ["orders"]


def test_the_invariants_hold_on_it(many: Database) -> None:
    with many.transaction() as tx:
        assert invariants.check(tx, now=ELEVEN) == []


def indexes_of(plan: Mapping[str, Any]) -> set[str]:
    """The indexes that a plan reads, with a condition on more than the account."""
    found = {plan["Index Name"]} if plan.get("Index Cond", "").count(" AND ") else set()
    return found.union(*(indexes_of(child) for child in plan.get("Plans", [])))


def test_what_ended_lately_is_found_without_reading_the_accounts_history(many: Database) -> None:
    watched = {"orders_account_terminal_at", "orders_account_decided_at"}
    assert indexes_of(plan_of(many, orders._ENDED)) == watched
    assert watched <= indexes_of(plan_of(many, orders._AWAITING_FILLS))
    settled = {"orders_account_terminal_at", "fills_account_executed_at"}
    assert indexes_of(plan_of(many, orders._SETTLED)) == settled
