"""Brings a store that an earlier version wrote to the present schema, keeping its rows."""

import sqlite3

from ops_local.exchange.storage.schema import FEE_COLUMNS, ORDERS, SCHEMA, VERSION


def ensure_schema(connection: sqlite3.Connection) -> None:
    """Create the tables of a new store, or change those of an older one.

    SQLite can't change a CHECK, so `orders` is copied into a new table. Foreign keys are
    switched on afterwards: fills refer to orders while that table is replaced.

    Raises:
        sqlite3.DatabaseError: a later version wrote the store.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise sqlite3.DatabaseError(f"the store is of version {version}, newer than {VERSION}")
    old = _columns(connection, "orders")
    if old and version < 1:
        copied = ", ".join(old)
        new = ORDERS.replace("IF NOT EXISTS orders", "orders_new")
        connection.executescript(
            f"BEGIN; {new} INSERT INTO orders_new ({copied}) SELECT {copied} FROM orders;"
            " DROP TABLE orders; ALTER TABLE orders_new RENAME TO orders; COMMIT;"
        )
    activities = _columns(connection, "cash_activities")
    for name in FEE_COLUMNS if activities else ():
        if name not in activities:
            connection.execute(f"ALTER TABLE cash_activities ADD COLUMN {name} TEXT")
    connection.executescript(f"{SCHEMA} PRAGMA user_version = {VERSION};")
    connection.execute("PRAGMA foreign_keys=ON")


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
