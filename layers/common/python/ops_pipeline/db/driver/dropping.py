"""Drops a database whoever is in it."""

from contextlib import suppress

from pg8000.exceptions import DatabaseError
from pg8000.native import identifier

from ops_pipeline.db.driver.wire import PipelinedSession


def drop_database(session: PipelinedSession, name: str) -> None:
    """Drop a database if it exists, ending its sessions.

    FORCE alone refuses at once (42501) while an autovacuum worker is in the database; the plain
    statement ends the worker and waits up to five seconds for what is left.

    Raises:
        DatabaseError: it could not be dropped, and why.
    """
    plain = f"DROP DATABASE IF EXISTS {identifier(name)}"
    forced = f"{plain} WITH (FORCE)"
    for statement in (forced, plain):
        with suppress(DatabaseError):
            session.execute_simple(statement)
            return
    session.execute_simple(forced)
