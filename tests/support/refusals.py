"""Refusals of the database that tests of chance may run into."""

from collections.abc import Iterator
from contextlib import contextmanager

from pg8000.exceptions import DatabaseError

from ops_pipeline.errors import OpsError


@contextmanager
def unless_a_fill_may_be_late() -> Iterator[None]:
    """Let a change of the mode be refused for that reason, and for no other."""
    try:
        yield
    except (DatabaseError, OpsError) as error:
        if "may still tell of a fill" not in str(error):
            raise
