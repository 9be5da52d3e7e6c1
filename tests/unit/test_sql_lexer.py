"""Cutting SQL files as Postgres would; what hides a semicolon, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.db.migrations.lexer import SqlUnreadable, split


def _texts(sql: str) -> list[str]:
    return [statement.text for statement in split(sql)]


@pytest.mark.parametrize(
    "whole",
    [
        "SELECT 'a;b'",
        "SELECT 'it''s; one'",
        "SELECT E'it\\'s; one'",
        "SELECT e'back\\\\'",
        "SELECT E'a'\n  'b\\';c'",
        "SELECT E'a' -- why; not\n  'b\\';c'",
        "SELECT U&'d\\0061t;a'",
        "SELECT 'backslash \\' AS plain",
        'SELECT 1 AS "semi;colon"',
        'SELECT 1 AS "quo""te;"',
        "SELECT $$a;b$$",
        "SELECT $tag$a;$$;b$tag$",
        "SELECT $größe$;$größe$",
        "SELECT a$b$c FROM t",
        "SELECT $1 + $2",
        "SELECT 1 /* a; /* nested; */ b; */ + 1",
        "SELECT 1 -- a; b\n + 1",
        "SELECT 5 -- it's\n",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO u VALUES (1); UPDATE u SET a = 1)",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END",
        "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql BEGIN ATOMIC "
        "SELECT CASE WHEN true THEN 1 END; INSERT INTO t VALUES (1); END",
        "DO $$ BEGIN PERFORM 1; END $$",
    ],
)
def test_a_semicolon_inside_does_not_end_a_statement(whole: str) -> None:
    assert _texts(f"{whole}\n;\nSELECT 'next';") == [whole.rstrip(), "SELECT 'next'"]


def test_statements_end_at_semicolons_and_empty_ones_vanish() -> None:
    assert _texts(";;SELECT 1;; SELECT 2 ; -- done\n /* ; */") == ["SELECT 1", "SELECT 2"]


def test_the_last_statement_needs_no_semicolon() -> None:
    assert _texts("SELECT 1;\nSELECT 2\n") == ["SELECT 1", "SELECT 2"]


def test_begin_and_case_outside_of_a_routine_nest_nothing() -> None:
    sql = "BEGIN; SELECT CASE WHEN true THEN 1 END; COMMIT"
    assert len(split(sql)) == 3


def test_a_statement_knows_its_line_and_its_words() -> None:
    second = split('-- a\nSELECT 1;\n\n  CREATE -- why\n TABLE "Odd" (a int);')[1]
    assert (second.line, second.words) == (4, ("CREATE", "TABLE", "A", "INT"))
    assert second.line_at(1) == 4
    assert second.line_at(second.text.index("TABLE") + 1) == 5


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELECT 1;\nSELECT 'open", 2),
        ("SELECT E'open\\'", 1),
        ('SELECT "open', 1),
        ("\n\nSELECT $x$ open $y$", 3),
        ("SELECT 1; /* open /* */", 1),
    ],
)
def test_what_never_ends_is_refused_with_its_line(sql: str, line: int) -> None:
    with pytest.raises(SqlUnreadable, match="never ends") as caught:
        split(sql)
    assert caught.value.line == line


@given(st.lists(st.text(alphabet="ab;'$\"-/*\\\n (", max_size=12), min_size=1, max_size=5))
def test_any_text_in_a_dollar_quote_stays_whole(bodies: list[str]) -> None:
    statements = [f"SELECT $q$ {body} $q$" for body in bodies if "$q$" not in f"{body} $"]
    assert _texts(";\n".join(statements)) == statements


@given(st.text(alphabet="aE;'$\"-/*\\\n ()", max_size=60))
def test_statements_stand_in_the_file_in_their_order_and_line(sql: str) -> None:
    try:
        found = split(sql)
    except SqlUnreadable:
        return
    position = 0
    for statement in found:
        position = sql.index(statement.text, position)
        lines_before = sql.count("\n", 0, position)
        assert statement.line == lines_before + 1
        position += len(statement.text)
