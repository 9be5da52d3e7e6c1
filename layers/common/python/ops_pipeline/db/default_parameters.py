"""Puts the default parameters in force where none are yet."""

from datetime import datetime

from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.parameters import Parameters

_TABLE = "SELECT to_regclass('parameter_versions') IS NOT NULL AS present"
_ACTIVE = "SELECT version FROM parameter_versions WHERE active"


def ensure(tx: Transaction, *, now: datetime) -> int | None:
    """Return the version in force, after activating the defaults where there was none.

    A version in force is left unchanged, even if it does not fit the model any more.
    Returns None when the database has no such table: it was migrated from another folder.
    """
    table = tx.one(_TABLE)
    if table is None or not table["present"]:
        return None
    row = tx.one(_ACTIVE)
    if row is not None:
        return int(row["version"])
    return parameters.activate(tx, Parameters(), source="default", now=now)
