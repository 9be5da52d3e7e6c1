"""The tables in which other migration runners keep their history, by name and columns."""

from collections import defaultdict
from dataclasses import dataclass

from ops_pipeline.db.driver.connection import Transaction

_BY_FILE = "find the newest file that it applied ({how}) and say baseline --through FILE"
_BY_DUMP = (
    "its migrations are no SQL files: make its schema the first file (pg_dump --schema-only) and "
    "say baseline --through FILE"
)


@dataclass(frozen=True, slots=True)
class OtherRunner:
    """A runner whose history we know and do not read.

    Attributes:
        columns: Those by which its table is told from another one of the same name.
        by_hand: What the operator can do.
        exact: The table has no other columns.
    """

    name: str
    table: str
    columns: frozenset[str]
    by_hand: str
    exact: bool = False

    def made(self, table: str, columns: set[str]) -> bool:
        """Whether a table with these columns is this runner's."""
        if table != self.table:
            return False
        return self.columns == columns if self.exact else self.columns <= columns


@dataclass(frozen=True, slots=True)
class ForeignHistory:
    """A history found in this database; `place` is the table with its schema."""

    runner: OtherRunner
    place: str

    def __str__(self) -> str:
        return f"{self.place} is the history of {self.runner.name}: {self.runner.by_hand}"


def _sql(name: str, table: str, columns: str, how: str) -> OtherRunner:
    return OtherRunner(name, table, frozenset(columns.split()), _BY_FILE.format(how=how))


def _code(name: str, table: str, columns: str, *, exact: bool = False) -> OtherRunner:
    return OtherRunner(name, table, frozenset(columns.split()), _BY_DUMP, exact)


_KNOWN = (
    _sql("goose", "goose_db_version", "version_id is_applied", "goose status"),
    _sql("Flyway", "flyway_schema_history", "installed_rank version script", "flyway info"),
    _sql("sqlx", "_sqlx_migrations", "version success checksum", "sqlx migrate info"),
    _sql("Liquibase", "databasechangelog", "id author orderexecuted", "liquibase history"),
    _sql("sql-migrate", "gorp_migrations", "id applied_at", "sql-migrate status"),
    _sql("yoyo", "_yoyo_migration", "migration_hash migration_id", "yoyo list"),
    _sql("Diesel", "__diesel_schema_migrations", "version run_on", "diesel migration list"),
    _sql("Prisma", "_prisma_migrations", "migration_name finished_at", "prisma migrate status"),
    _sql("node-pg-migrate", "pgmigrations", "name run_on", "SELECT name FROM pgmigrations"),
    _code("Alembic", "alembic_version", "version_num"),
    _code("Django", "django_migrations", "app name applied"),
    _code("Knex", "knex_migrations", "name batch migration_time"),
    _code("Ecto", "schema_migrations", "version inserted_at", exact=True),
    # Its versions are in schema_migrations, a table that looks like dbmate's.
    _code("Rails", "ar_internal_metadata", "key value"),
)
_NAMED = 3
_RELATIONS = """
    SELECT c.relname AS name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND (n.nspname = 'public' OR n.nspname = ANY (current_schemas(false)))
    AND c.relname NOT IN ('schema_migrations_half_done', 'schema_migrations_corrections')
    AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                    AND d.objid = c.oid AND d.deptype IN ('e', 'i', 'a') AND (d.deptype = 'e'
                    OR c.relkind = 'S'))
    ORDER BY c.relname
"""
_COLUMNS = """
    SELECT n.nspname, c.relname, a.attname FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relname = ANY (CAST(:names AS text[])) AND c.relkind IN ('r', 'p')
    AND n.nspname !~ '^pg_' AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY n.nspname, c.relname
"""


def what_is_there(tx: Transaction) -> str | None:
    """Why this database, which has no history of ours, is not ours to fill; None if it is empty.

    What an extension made counts for nothing, and so do schemas that no search path names.
    """
    if foreign := foreign_histories(tx):
        return "; ".join(map(str, foreign))
    found = [str(row["name"]) for row in tx.rows(_RELATIONS)]
    if not found:
        return None
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return (
        f"the database holds {', '.join(found[:_NAMED])}{more}, and no history of these files: if "
        f"they made it, say with baseline --through FILE how far it is, and look at the "
        f"differences with verify; if none did, say baseline --nothing-applied"
    )


def foreign_histories(tx: Transaction) -> list[ForeignHistory]:
    """Those of runners that keep their history in a table of their own, in any schema."""
    columns: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in tx.rows(_COLUMNS, names=[runner.table for runner in _KNOWN]):
        columns[row["relname"], row["nspname"]].add(row["attname"])
    return [
        ForeignHistory(runner, f"{schema}.{table}")
        for runner in _KNOWN
        for (table, schema), found in columns.items()
        if runner.made(table, found)
    ]
