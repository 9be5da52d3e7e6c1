"""Every SQL constant of the db modules fits the migrated schema, and its role may run it.

The constants are discovered: a new statement is tested from the day it is written.
"""

import ast
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pg8000.exceptions import DatabaseError

import ops_pipeline.db
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.support.statements import STATEMENTS, check

# What the owner runs, and not the writer.
BY_THE_OWNER = ("migrations.", "default_parameters")
ASKED = {"rows", "one", "execute", "copy_in"}
# These put a table's or a role's name into a statement, where no parameter can stand.
COMPOSED = {"health.py", "roles.py"}
# Its table is created by the statement before it, in the same transaction.
MADE_ON_DEMAND = {("migrations.corrections", "_RECORD")}
FOLDER = Path(ops_pipeline.db.__file__).parent


def test_the_discovery_finds_the_statements_of_every_family() -> None:
    found = {module for module, _, _ in STATEMENTS}
    assert {"accounts", "orders", "positions", "dispatch", "facts", "news", "runs"} <= found
    assert {"operations.alerts", "operations.health", "operations.invariants"} <= found
    assert len(STATEMENTS) > 170


@pytest.fixture(scope="module")
def logins(template_urls: DatabaseUrls) -> Iterator[dict[str, Database]]:
    """Each role in the migrated template: nothing is executed here."""
    urls = {
        "owner": template_urls.owner,
        "writer": template_urls.writer,
        "reader": template_urls.reader,
    }
    with ExitStack() as stack:
        yield {
            role: stack.enter_context(
                closing(Database(target_from_url(url), application_name="tests"))
            )
            for role, url in urls.items()
        }


PREPARED = [each for each in STATEMENTS if each[:2] not in MADE_ON_DEMAND]


@pytest.mark.parametrize(
    ("module", "name", "sql"), PREPARED, ids=[f"{m}.{n}" for m, n, _ in PREPARED]
)
def test_it_can_be_prepared_and_its_role_may_run_it(
    logins: dict[str, Database], module: str, name: str, sql: str
) -> None:
    login = logins["owner" if module.startswith(BY_THE_OWNER) else "writer"]
    check(login, sql)


def test_a_statement_that_names_a_missing_column_is_found(logins: dict[str, Database]) -> None:
    with pytest.raises(DatabaseError, match="account_nmae"):
        check(logins["writer"], "SELECT account_nmae FROM orders WHERE symbol = :symbol")


def test_a_statement_that_its_role_may_not_run_is_found(logins: dict[str, Database]) -> None:
    (insert,) = [sql for module, name, sql in STATEMENTS if (module, name) == ("orders", "_INSERT")]
    with pytest.raises(DatabaseError, match="permission denied"):
        check(logins["reader"], insert)


@pytest.mark.parametrize(
    "file",
    [file for file in sorted(FOLDER.rglob("*.py")) if file.name not in COMPOSED],
    ids=lambda file: str(file.relative_to(FOLDER)),
)
def test_no_statement_on_a_table_hides_inside_a_function(file: Path) -> None:
    calls = (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))
    hidden = [
        call.lineno
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in ASKED
        and call.args
        and _names_a_table(call.args[0])
    ]
    assert hidden == []


def _names_a_table(statement: ast.expr) -> bool:
    match statement:
        case ast.Constant(value=str(text)):
            return bool({"FROM", "INTO", "UPDATE"} & set(text.upper().split()))
        case _:
            return isinstance(statement, ast.JoinedStr)
