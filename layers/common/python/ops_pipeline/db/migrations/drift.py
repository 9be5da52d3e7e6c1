"""Compares a database's schema with what its migrations make, object by object.

The applied files run on a scratch database on the same server, both are read, and the
scratch database is dropped. Its name derives from the database's id, so that the next run
finds and drops one that a killed run left behind.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace

from pg8000.exceptions import DatabaseError
from pg8000.native import identifier

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.dropping import drop_database
from ops_pipeline.db.driver.failures import sqlstate_of
from ops_pipeline.db.migrations.history import postgres_message
from ops_pipeline.db.migrations.session import LIMITS
from ops_pipeline.db.migrations.snapshot import snapshot
from ops_pipeline.errors import MigrationRefused

_SCRATCH = """
    SELECT 'ops_verify_' || oid AS name FROM pg_database WHERE datname = current_database()
"""
_INSUFFICIENT_PRIVILEGE = "42501"
# What decides how constants in a file are read; a database may have its own.
_READING = """
    SELECT current_setting('TimeZone') AS "TimeZone", current_setting('DateStyle') AS "DateStyle",
        current_setting('IntervalStyle') AS "IntervalStyle"
"""
# Made by the step that makes the roles, not by migrations.
_NOT_FROM_FILES = ("schema public",)


def differences(database: Database, build: Callable[[Database], None]) -> Iterator[str]:
    """One sentence for each object that differs from what `build` makes in an empty database.

    Raises:
        MigrationRefused: the login may not make a database.
        MigrationFailed: the applied files do not run on an empty database.
    """
    with database.transaction() as tx:
        live = snapshot(tx)
    with _scratch(database) as scratch:
        build(scratch)
        with scratch.transaction() as tx:
            made = snapshot(tx)
    yield from compare(live, made)


def compare(live: Mapping[str, str], made: Mapping[str, str]) -> Iterator[str]:
    """The differences by object; of a missing or extra table only the table itself."""
    for key in sorted(live.keys() | made.keys()):
        if key in _NOT_FROM_FILES or live.get(key) == made.get(key):
            continue
        if key not in live:
            if not _within(key, made.keys() - live.keys()):
                yield f"{key} is missing: the migrations make it"
        elif key not in made:
            if not _within(key, live.keys() - made.keys()):
                yield f"{key} is there, but no migration makes it"
        else:
            yield f"{key} is {live[key] or 'plain'}; the migrations make {made[key] or 'plain'}"


def _within(key: str, others: set[str]) -> bool:
    """Whether the object belongs to a table that is missing or extra as a whole."""
    kind, _, name = key.partition(" ")
    if kind == "privileges" and name.rpartition(" to ")[0] in others:
        return True
    wholes = ("table", "partitioned table", "view", "materialized view", "foreign table")
    return any(
        f"{whole} {'.'.join(name.split(' ')[0].split('.')[:2])}" in others
        for whole in wholes
        if whole != kind
    )


@contextmanager
def _scratch(database: Database) -> Iterator[Database]:
    with database.transaction() as tx:
        name = str((tx.one(_SCRATCH) or {})["name"])
    session = database.session()
    try:
        drop_database(session, name)
        session.execute_simple(f"CREATE DATABASE {identifier(name)} TEMPLATE template0")
    except DatabaseError as error:
        if sqlstate_of(error) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise MigrationRefused(
            f"verify compares with a scratch database, which this login may not make: "
            f"{postgres_message(error)}. Let it: ALTER ROLE ... CREATEDB"
        ) from error
    with database.transaction() as tx:
        reading = tuple(tx.rows(_READING)[0].items())
    try:
        with closing(_beside(database, name, reading)) as scratch:
            yield scratch
    finally:
        drop_database(database.session(), name)


def _beside(database: Database, name: str, settings: tuple[tuple[str, str], ...]) -> Database:
    """The same login in another database of the server."""
    target = replace(database._target, database=name)
    limits = replace(LIMITS, others=settings)
    return Database(target, application_name="ops-pipeline-verify", limits=limits)
