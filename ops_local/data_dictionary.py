"""Writes docs/data-dictionary.md from the comments and constraints of a migrated database.

`make docs` calls it; a test compares the file with what it would write.
"""

import sys
import tempfile
import textwrap
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from ops_local.database import opened
from ops_pipeline.db.driver.connection import Database, Row, Transaction, target_from_url

_INTRO = """# Data dictionary

Written by `make docs` from the comments in the database; to change a sentence, add a migration.
Times are `timestamptz` in UTC, money is `numeric` in USD. A column without "may be NULL" never is.
"""

_WIDTH = 110

_TABLES = """
SELECT c.oid::bigint AS id, c.relname AS name, obj_description(c.oid, 'pg_class') AS comment
FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
ORDER BY c.relname COLLATE "C"
"""

_COLUMNS = """
SELECT a.attrelid::bigint AS id, a.attname AS name, NOT a.attnotnull AS nullable,
       replace(replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone',
                       'timestamptz'), 'character varying', 'varchar') AS type,
       col_description(a.attrelid, a.attnum) AS comment,
       pg_get_expr(d.adbin, d.adrelid) AS default_value,
       (SELECT string_agg(DISTINCT f.confrelid::regclass::text, ', ')
        FROM pg_constraint AS f
        WHERE f.conrelid = a.attrelid AND f.contype = 'f' AND f.conkey[1] = a.attnum) AS refers_to
FROM pg_attribute AS a
JOIN pg_class AS c ON c.oid = a.attrelid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
  AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

# Primary keys, unique and check constraints, foreign keys of several columns, unique indexes
# of a part of the rows, triggers.
_RULES = """
SELECT conrelid::bigint AS id, conname AS name,
       '`' || pg_get_constraintdef(oid, true) || '`' AS rule
FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid <> 0
  AND (contype IN ('p', 'u', 'c', 'x') OR contype = 'f' AND cardinality(conkey) > 1)
UNION ALL
SELECT i.indrelid::bigint, c.relname,
       '`UNIQUE ' || substring(pg_get_indexdef(c.oid) FROM '\\(.*$') || '`'
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = 'public'::regnamespace AND i.indisunique
  AND NOT EXISTS (SELECT FROM pg_constraint AS o WHERE o.conindid = c.oid)
UNION ALL
SELECT t.tgrelid::bigint, t.tgname,
       'trigger. ' || coalesce(obj_description(p.oid, 'pg_proc'), p.proname)
FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
WHERE NOT t.tgisinternal AND p.pronamespace = 'public'::regnamespace
ORDER BY 1, 2
"""


def render(tx: Transaction) -> str:
    """Describe every table of a migrated database, as Markdown."""
    columns, rules = _by_table(tx.rows(_COLUMNS)), _by_table(tx.rows(_RULES))
    tables = tx.rows(_TABLES)
    links = ", ".join(f"[{table['name']}](#{table['name']})" for table in tables)
    contents = textwrap.fill(links, _WIDTH, break_long_words=False, break_on_hyphens=False)
    sections = [_section(table, columns[table["id"]], rules[table["id"]]) for table in tables]
    return "\n".join([_INTRO, contents, *sections])


def _by_table(rows: list[Row]) -> defaultdict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["id"]].append(row)
    return found


def _section(table: Row, columns: list[Row], rules: list[Row]) -> str:
    lines = [
        f"\n## {table['name']}\n",
        f"{textwrap.fill(table['comment'], _WIDTH, break_on_hyphens=False)}\n",
        "| column | type | meaning |",
        "|---|---|---|",
        *map(_column, columns),
    ]
    if rules:
        lines += ["", "| rule | what it holds |", "|---|---|", *map(_rule, rules)]
    return "\n".join(lines).rstrip() + "\n"


def _column(row: Row) -> str:
    kind = row["type"] + (", may be NULL" if row["nullable"] else "")
    if row["default_value"] is not None:
        kind += f", default `{row['default_value']}`"
    if row["refers_to"]:
        kind += f", in [{row['refers_to']}](#{row['refers_to']})"
    return f"| {row['name']} | {_one_line(kind)} | {_one_line(row['comment'])} |"


def _rule(row: Row) -> str:
    return f"| {row['name']} | {_one_line(row['rule'])} |"


def _one_line(text: str) -> str:
    """Escaped for a table cell, where Markdown would interpret bars and tags."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Print the dictionary of the migrations folder, from a temporary database."""
    with (
        tempfile.TemporaryDirectory(prefix="ops-dictionary-") as folder,
        opened(_open_to_all(folder), None, Path("migrations"), fresh=True) as urls,
        closing(Database(target_from_url(urls.owner), application_name="ops-docs")) as database,
        database.transaction() as tx,
    ):
        sys.stdout.write(render(tx))


def _open_to_all(folder: str) -> Path:
    """If root starts it, the server runs as `nobody`, who needs access."""
    place = Path(folder)
    place.chmod(0o755)
    return place


if __name__ == "__main__":
    main()
