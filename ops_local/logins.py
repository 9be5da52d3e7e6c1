"""Writes docs/logins.md from the rights in a migrated database and the manifest.

`python -m ops_local.logins`, which `make docs` calls; a test compares the file with what it
would write, and tries each of its cells.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ops_local.database import opened
from ops_pipeline.db.driver.connection import Database, Transaction, target_from_url
from ops_pipeline.domain.operations.manifest import STAGES
from ops_pipeline.domain.operations.stage import ROLES, Login

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")
# The owner may do everything; there is nothing to list.
LOGINS: tuple[Login, ...] = ("news", "market", "trading", "control", "reader")
_INTRO = """# Logins

Written by `make docs` from the database's rights and the manifest in
`ops_pipeline/domain/operations/manifest.py`; to change a right, add a migration. A test tries
every cell.

Each function logs in as its group and gets its group's secret alone; on one machine each stage
does the same. Every table can be read by every login, but for the salt of the marks of account
numbers. Nobody but the owner makes, changes or empties a table.
"""
_MEANING = """
S reads, I adds rows, U changes rows, D deletes rows; U: with columns changes these alone. The
writer, which had all of this in one, is kept for older code: in AWS it cannot log in. Triggers
hold what a right cannot say: of pipeline_runs a group writes those of its own stages, of alerts
market those about runs and prices, trading and control those about orders and positions; control
stores no order that would be sent; fills, events and operators' actions are never changed.
"""
_RIGHTS = """
SELECT c.relname AS table_name, r.login, v.verb,
    has_table_privilege(r.role, c.oid, v.verb) AS whole,
    (SELECT array_agg(a.attname ORDER BY a.attnum) FROM pg_attribute AS a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
       AND v.verb IN ('INSERT', 'UPDATE')
       AND has_column_privilege(r.role, c.oid, a.attnum, v.verb)) AS columns
FROM pg_class AS c
CROSS JOIN jsonb_each_text(CAST(:roles AS jsonb)) AS r (login, role)
CROSS JOIN unnest(CAST(:verbs AS text[])) AS v (verb)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
ORDER BY c.relname COLLATE "C"
"""


@dataclass(frozen=True, slots=True)
class Right:
    """What one login may do to one table: nothing, the whole row, or some columns of it."""

    whole: bool
    columns: tuple[str, ...]

    @property
    def some(self) -> bool:
        return self.whole or bool(self.columns)


Rights = Mapping[tuple[str, str, str], Right]


def rights(tx: Transaction) -> dict[tuple[str, str, str], Right]:
    """Every right by table, login and verb."""
    roles = {login: ROLES[login] for login in LOGINS}
    given = tx.rows(_RIGHTS, roles=json.dumps(roles), verbs=list(VERBS))
    return {
        (row["table_name"], row["login"], row["verb"]): Right(
            bool(row["whole"]), () if row["whole"] else tuple(row["columns"] or ())
        )
        for row in given
    }


def page(found: Rights) -> str:
    """The text of docs/logins.md."""
    tables = sorted({table for table, _, _ in found})
    return "\n".join(
        (
            _INTRO,
            "| login | role | stages |",
            "|---|---|---|",
            *(f"| {login} | `{ROLES[login]}` | {_stages_of(login)} |" for login in ROLES),
            "\n## What each may do to each table\n" + _MEANING,
            f"| table | {' | '.join(LOGINS)} |",
            f"|---|{'---|' * len(LOGINS)}",
            *(f"| {table} | {' | '.join(_cells(found, table))} |" for table in tables),
            "",
        )
    )


def _stages_of(login: Login) -> str:
    return ", ".join(stage.name for stage in STAGES if stage.login == login)


def _cells(found: Rights, table: str) -> Iterator[str]:
    for login in LOGINS:
        yield ", ".join(filter(None, (_letter(found[table, login, verb], verb) for verb in VERBS)))


def _letter(right: Right, verb: str) -> str:
    if right.whole:
        return verb[0]
    return f"{verb[0]}: {', '.join(right.columns)}" if right.columns else ""


def _open_to_all(folder: str) -> Path:
    """If root starts it, the server runs as `nobody`, who needs access."""
    place = Path(folder)
    place.chmod(0o755)
    return place


def main(migrations: Path) -> None:
    """Print the page of a database that is made for it."""
    with (
        tempfile.TemporaryDirectory(prefix="ops-logins-") as home,
        opened(_open_to_all(home), None, migrations) as urls,
        closing(Database(target_from_url(urls.owner), application_name="logins")) as database,
        database.transaction() as tx,
    ):
        sys.stdout.write(page(rights(tx)))


if __name__ == "__main__":
    main(Path("migrations"))
