"""The dictionary in docs is what the database says of itself; no part of it is silent."""

from pathlib import Path

from ops_local import data_dictionary
from ops_pipeline.db.driver.connection import Database

DICTIONARY = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"

_SILENT = """
SELECT c.relname AS thing FROM pg_class AS c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND coalesce(obj_description(c.oid, 'pg_class'), '') = ''
UNION ALL
SELECT c.relname || '.' || a.attname FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND a.attnum > 0 AND NOT a.attisdropped
  AND coalesce(col_description(c.oid, a.attnum), '') = ''
UNION ALL
SELECT p.proname || '()' FROM pg_proc AS p
WHERE p.pronamespace = 'public'::regnamespace
  AND coalesce(obj_description(p.oid, 'pg_proc'), '') = ''
ORDER BY 1
"""


def test_the_dictionary_is_what_make_docs_would_write(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        assert DICTIONARY.read_text() == data_dictionary.render(tx)


def test_every_table_column_and_function_has_a_comment(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        assert [row["thing"] for row in tx.rows(_SILENT)] == []


def test_a_table_without_comments_is_seen(owner_db: Database) -> None:
    with owner_db.transaction() as tx:
        tx.script("CREATE TABLE silent (a integer); CREATE FUNCTION mute() RETURNS int RETURN 1")
        found = [row["thing"] for row in tx.rows(_SILENT)]
    assert found == ["mute()", "silent", "silent.a"]


def test_a_new_column_stands_in_the_dictionary_with_its_type_and_meaning(
    owner_db: Database,
) -> None:
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE fills ADD COLUMN venue varchar(9);"
            "COMMENT ON COLUMN fills.venue IS 'Where | <by whom>.'"
        )
        assert (
            "\n| venue | varchar(9), may be NULL | Where \\| &lt;by whom>. |\n"
            in data_dictionary.render(tx)
        )
