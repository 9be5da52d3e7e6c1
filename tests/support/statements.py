"""Every SQL constant of the db modules; a new one is tested from the day it is written."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from itertools import count

import pg8000.native

import ops_pipeline.db
from ops_pipeline.db.driver.connection import Database

_PARAMETERS = """
SELECT cardinality(parameter_types) AS n FROM pg_prepared_statements WHERE name = :name
"""
_SLOT = re.compile(r"\{\w+\}")
_numbers = count()
_PREPARABLE = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")


def _statements() -> Iterator[tuple[str, str, str]]:
    package = f"{ops_pipeline.db.__name__}."
    for found in pkgutil.walk_packages(ops_pipeline.db.__path__, package):
        for name, value in vars(importlib.import_module(found.name)).items():
            if isinstance(value, str) and " ".join(value.split()).startswith(_PREPARABLE):
                yield found.name.removeprefix(package), name, value


# Module, name and statement.
STATEMENTS = list(_statements())


def check(database: Database, sql: str) -> None:
    """Prepare a statement and ask for its plan, for which a role needs the same privileges."""
    # Where no parameter can stand, a statement has a slot for a literal.
    statement, _ = pg8000.native.to_statement(_SLOT.sub("'orders'", sql))
    # A name of its own: what was prepared outlives a failed transaction.
    name = f"checked_{next(_numbers)}"
    with database.transaction() as tx:
        tx.script(f"PREPARE {name} AS {statement}")
        (prepared,) = tx.rows(_PARAMETERS, name=name)
        nulls = ", ".join(["NULL"] * prepared["n"])
        tx.script(f"EXPLAIN EXECUTE {name}{f'({nulls})' if nulls else ''}")
