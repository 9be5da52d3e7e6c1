"""Restores a backup into a database of its own, and gives it its name once all of it is proven.

A restored database is older than the broker's truth: its entries are halted before it can be
reached under its name, until ledger and broker were compared and an operator resumed.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pg8000.exceptions import DatabaseError
from pg8000.native import identifier

from ops_local import database as local
from ops_local.backups import archive, programs
from ops_local.backups.archive import Manifest
from ops_local.backups.backup import applied, row_counts
from ops_local.database import DatabaseUrls
from ops_pipeline.db import accounts
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.db.driver.failures import sqlstate_of
from ops_pipeline.db.migrations.runner import LIMITS, Runner
from ops_pipeline.db.operations import operator
from ops_pipeline.errors import InvalidInput, StageFailed
from ops_pipeline.execution import lost_orders
from ops_pipeline.ports import Clock

# Clocks differ a little, and an order may be committed a while before it is sent.
_BEFORE_THE_BACKUP = timedelta(hours=1)
# Rows of these say that somebody works in a database: it is not replaced unasked.
_WORK = (
    "account_bindings",
    "dispatch_recommendations",
    "inbound_events_raw",
    "lane_telemetry",
    "operator_actions",
    "orders",
    "pipeline_runs",
)
_IN_USE = "55006"
_OTHERS = """
SELECT count(*) AS n FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_IS_THERE = "SELECT to_regclass(:name) IS NOT NULL AS there"
# Tables and the like, ours in public and anybody's in schemas that no migration of ours makes.
_ANY_TABLE = """
SELECT count(*) FILTER (WHERE space.nspname = 'public') AS ours,
       count(*) FILTER (WHERE space.nspname <> 'public') AS others
FROM pg_class JOIN pg_namespace AS space ON space.oid = relnamespace
WHERE space.nspname <> 'information_schema' AND space.nspname NOT LIKE 'pg\\_%'
"""
# Every server has these, and makes new databases from one of them.
_OF_THE_SERVER = ("postgres", "template0", "template1")
# Postgres cuts a name at 63 bytes without a word, and ours add 23 to it.
_LONGEST_NAME = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """One restore.

    Attributes:
        admin_url: A login that may create databases.
        name: What the restored database is called.
        data: The server's data folder, whose version the programs must have.
        set_aside: Rename a database of that name which somebody works in; else refuse.
        operator: Who asks; recorded in it.
    """

    admin_url: str
    name: str
    migrations: Path
    data: Path
    clock: Clock
    operator: str
    set_aside: bool = False

    def run(self, file: Path) -> tuple[Manifest, str | None]:
        """Restore the file; returns its manifest and the name of what was set aside.

        A pipeline that is connected meanwhile keeps its database: the names are not exchanged.

        All or nothing: until the last step the database of that name is untouched.

        Raises:
            InvalidInput: the file is no whole backup, the name cannot be used, or somebody works
                in that database or is connected to it.
            StageFailed: what was restored is not what the manifest says, or pg_restore failed.
            MigrationRefused, MigrationFailed: a migration that the backup lacks.
        """
        _require_name(self.name)
        aside = self._name_for_the_old()
        scratch = f"{self.name}_restoring"
        passwords = local.ensure_roles(self.admin_url)
        with archive.opened(file) as (manifest, dump):
            try:
                local.ensure_database(self.admin_url, scratch, fresh=True)
                urls = local.urls_of(self.admin_url, scratch, passwords)
                programs.restore(target_from_url(urls.owner), dump, self.data)
                self._prove(urls, manifest)
                local.migrate(urls.owner, self.migrations)
                self._halt(urls, file, manifest.taken_at)
                self._rename(scratch, aside)
            finally:
                self._on_server(lambda admin: local.drop_database(admin, scratch))
        if aside is not None and not aside.kept:
            self._on_server(lambda admin: local.drop_database(admin, aside.name))
        return manifest, aside.name if aside is not None and aside.kept else None

    def _name_for_the_old(self) -> "_OldDatabase | None":
        """What the database of that name is renamed to; None when there is none."""
        if not local.has_database(self.admin_url, self.name):
            return None
        with closing(self._login(self.name)) as database, database.transaction() as tx:
            filled, others = _is_filled(tx), tx.rows(_OTHERS)[0]["n"]
        if filled and not self.set_aside:
            raise InvalidInput(
                f"the database {self.name} is not empty: restore --as another name, or "
                "--set-aside to keep it under another one"
            )
        if others:
            raise self._in_use()
        return _OldDatabase(f"{self.name}_before_{self.clock.now():%Y%m%dt%H%M%S}", kept=filled)

    def _prove(self, urls: DatabaseUrls, manifest: Manifest) -> None:
        """Compare what was restored with the manifest, and its migrations with this code's."""
        database = Database(
            target_from_url(urls.owner), application_name="ops-restore", limits=LIMITS
        )
        with closing(database):
            with database.transaction() as tx:
                versions, rows = applied(tx), row_counts(tx)
            problems = Runner(database, self.migrations).verify()
        differing = [
            f"{table} has {rows.get(table)} rows of {count}"
            for table, count in manifest.rows.items()
            if rows.get(table) != count
        ]
        if versions != manifest.migrations:
            differing.append("other migrations than the manifest says")
        if differing or problems:
            raise StageFailed(
                f"the restored database is not right: {'; '.join(differing + problems)}"
            )

    def _halt(self, urls: DatabaseUrls, file: Path, taken_at: datetime) -> None:
        now, reason = self.clock.now(), f"Restored from a backup of {taken_at:%Y-%m-%d %H:%M} UTC"
        database = Database(target_from_url(urls.writer), application_name="ops-restore")
        with closing(database), database.transaction() as tx:
            since = taken_at - _BEFORE_THE_BACKUP
            for account in accounts.all_names(tx):
                lost_orders.halt(tx, account, reason, since=since, now=now)
            operator.record(
                tx,
                operator=self.operator,
                action="restore",
                scope="*",
                reason=reason,
                details={"file": str(file), "taken_at": taken_at},
                now=now,
            )

    def _rename(self, scratch: str, aside: "_OldDatabase | None") -> None:
        """Exchange the names in one transaction: there is never no database, nor half of one."""

        def exchange(admin: Database) -> None:
            with admin.transaction() as tx:
                if aside is not None:
                    tx.execute(_renaming(self.name, aside.name))
                tx.execute(_renaming(scratch, self.name))

        try:
            self._on_server(exchange)
        except DatabaseError as error:
            if sqlstate_of(error) == _IN_USE:
                raise self._in_use() from None
            raise

    def _in_use(self) -> InvalidInput:
        return InvalidInput(
            f"somebody is connected to the database {self.name}: stop what uses it, a pipeline "
            "or a console, and restore again; nothing was changed"
        )

    def _on_server(self, act: Callable[[Database], None]) -> None:
        with closing(self._login("postgres")) as admin:
            act(admin)

    def _login(self, name: str) -> Database:
        url = local.url_for(self.admin_url, database=name)
        return Database(target_from_url(url), application_name="ops-restore")


@dataclass(frozen=True, slots=True)
class _OldDatabase:
    """The database that has the name now; one without work in it is dropped, any other kept."""

    name: str
    kept: bool


def _require_name(name: str) -> None:
    if not name.strip() or len(name.encode()) > _LONGEST_NAME:
        raise InvalidInput(f"{name!r} is no name of 1 to {_LONGEST_NAME} bytes for a database")
    if name in _OF_THE_SERVER:
        raise InvalidInput(f"the database {name} belongs to the server: restore --as another name")


def _renaming(name: str, new: str) -> str:
    return f"ALTER DATABASE {identifier(name)} RENAME TO {identifier(new)}"


def _is_filled(tx: Transaction) -> bool:
    """Whether somebody works in it; a database of another schema counts as filled."""
    tables = tx.rows(_ANY_TABLE)[0]
    if tables["others"] or not tables["ours"]:
        return bool(tables["others"])
    for table in _WORK:
        if not tx.rows(_IS_THERE, name=f"public.{table}")[0]["there"]:
            return True
        if tx.rows(f"SELECT 1 AS found FROM {identifier(table)} LIMIT 1"):
            return True
    return False
