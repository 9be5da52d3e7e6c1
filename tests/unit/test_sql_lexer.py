"""Cutting SQL files as Postgres would; what hides a semicolon, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.db.migrations.lexer import (
    SqlUnreadable,
    comments,
    has_unicode_name,
    split,
    tokens_of,
)


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
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT s.end FROM s; SELECT 1 AS end; END",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT s.case FROM s; SELECT 1 end; END",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END",
        'CREATE FUNCTION f("begin" atomic) RETURNS int LANGUAGE sql AS $$ SELECT 1; $$',
        "DO $$ BEGIN PERFORM 1; END $$",
    ],
)
def test_a_semicolon_inside_does_not_end_a_statement(whole: str) -> None:
    assert _texts(f"{whole}\n;\nSELECT 'next';") == [whole.rstrip(), "SELECT 'next'"]


def test_statements_end_at_semicolons_and_empty_ones_vanish() -> None:
    assert _texts(";;SELECT 1;; SELECT 2 ; -- done\n /* ; */") == ["SELECT 1", "SELECT 2"]


def test_the_data_behind_a_copy_belong_to_it() -> None:
    sql = "COPY t (a) FROM STDIN;\nit's; $$ /*\n-- migrate:down\n\\.\nSELECT 2"
    copy, after = split(sql)
    assert (copy.text, b"".join(copy.data_chunks())) == (
        "COPY t (a) FROM STDIN",
        b"it's; $$ /*\n-- migrate:down\n",
    )
    assert (after.text, after.line) == ("SELECT 2", 5)
    assert list(comments(sql)) == []


def test_a_restricting_command_of_pg_dump_is_no_statement() -> None:
    sql = "--\n\\restrict aB3\n\nSELECT 1;\n\n\\unrestrict aB3\n"
    assert [(each.text, each.line, each.backslash) for each in split(sql)] == [
        ("SELECT 1", 4, None)
    ]


@pytest.mark.parametrize("sql", ['SELECT U&"d\\0061t"', 'SELECT u&"x"()', 'SELECT 1, U&"x"'])
def test_a_name_with_escapes_is_found(sql: str) -> None:
    assert has_unicode_name(sql)


@pytest.mark.parametrize("sql", ["SELECT U&'x'", 'SELECT u & "x"', 'SELECT u &"x"', 'SELECT "U&"'])
def test_an_operator_is_no_name_with_escapes(sql: str) -> None:
    assert not has_unicode_name(sql)


def test_letters_beyond_ascii_are_not_folded() -> None:
    assert tokens_of('SELECT ÄRGER, "Ärger"') == ["select", "Ärger", ",", "Ärger"]


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
        # Its own place: a comment before it may hold the same text.
        assert statement.begin >= position
        position = statement.begin + len(statement.text)
        assert sql[statement.begin : position] == statement.text
        assert statement.line == sql.count("\n", 0, statement.begin) + 1


def test_a_statement_whose_text_stands_in_a_comment_before_it_has_a_line_of_its_own() -> None:
    """Found by a drawn text: a test that looked for the text found the comment's."""
    assert [(it.text, it.line) for it in split("--\n-")] == [("-", 2)]
