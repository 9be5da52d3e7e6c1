"""Each name of pg8000 that is not part of its documented interface and that the driver uses.

A red test here after a version bump names what moved: read db/driver/wire.py again beside
pg8000's new core.py. See docs/decisions/0031-pipelined-protocol.md.
"""

import ast
import inspect
import io
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pg8000
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg8000 import converters, core, native
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.driver.wire import PipelinedSession, moment_in

ROOT = Path(__file__).resolve().parents[2]
WIRE = ROOT / "layers/common/python/ops_pipeline/db/driver/wire.py"
# Modules of pg8000 whose contents are documented: errors, quoting, and the oids of types.
DOCUMENTED = {"pg8000.exceptions", "pg8000.native", "pg8000"}
PRIVATE_OF_A_SESSION = {
    "_sock", "_usock", "_client_encoding", "_backend_key_data",
    "_send_message", "message_types", "py_types",
    "prepare_statement", "send_PARSE", "send_BIND", "send_EXECUTE", "_context",
}  # fmt: skip


@pytest.fixture
def session(database_urls: DatabaseUrls) -> Iterator[PipelinedSession]:
    database = Database(target_from_url(database_urls.owner), application_name="tests")
    with closing(database):
        yield database.session()


def _uses_private_names(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pg8000"):
            names = {alias.name for alias in node.names}
            allowed = {"identifier", "literal", "converters"} if node.module != "pg8000" else names
            if node.module not in DOCUMENTED or (
                node.module == "pg8000.native" and not names <= allowed
            ):
                found.add(str(node.module))
        if isinstance(node, ast.Attribute) and node.attr in PRIVATE_OF_A_SESSION:
            found.add(node.attr)
    return found


@pytest.mark.parametrize("folder", ["layers", "functions", "ops_local", "infra"])
def test_only_the_wire_uses_private_names_of_pg8000(folder: str) -> None:
    files = {path for path in (ROOT / folder).rglob("*.py") if path != WIRE}
    found = {
        str(path.relative_to(ROOT)): names
        for path in files
        if "ops_pipeline.db" in (text := path.read_text()) or "pg8000" in text
        if (names := _uses_private_names(text))
    }
    assert found == {}


def test_that_search_sees_private_names() -> None:
    assert _uses_private_names("from pg8000.core import Context") == {"pg8000.core"}
    assert _uses_private_names("session._usock.close()") == {"_usock"}
    assert _uses_private_names("from pg8000.native import literal") == set()
    assert _uses_private_names("from pg8000.native import Connection") == {"pg8000.native"}
    assert _uses_private_names(WIRE.read_text()) >= {"pg8000.core", "_sock", "message_types"}


@pytest.mark.parametrize(
    ("seam", "names"),
    [
        (core.Context.__init__, {"self", "statement", "stream", "columns", "input_funcs"}),
        (core._read, {"sock", "size"}),
        (core.ci_unpack, None),
        (core.CoreConnection.prepare_statement, {"self", "statement", "oids"}),
        (core.CoreConnection.execute_simple, {"self", "statement"}),
        (core.CoreConnection.handle_AUTHENTICATION_REQUEST, {"self", "data", "context"}),
        (core.CoreConnection.execute_unnamed, {"self", "statement", "vals", "oids", "stream"}),
        (native.to_statement, {"query"}),
        (converters.make_params, {"py_types", "values"}),
        (converters.array_out, {"val"}),
    ],
    ids=lambda seam: getattr(seam, "__qualname__", ""),
)
def test_pg8000_still_has_the_function_with_these_parameters(
    seam: Callable[..., Any], names: set[str] | None
) -> None:
    assert callable(seam)
    if names is not None:
        assert set(inspect.signature(seam).parameters) == names


def test_a_session_still_writes_and_reads_through_these_attributes(
    session: PipelinedSession,
) -> None:
    assert isinstance(session._usock, socket.socket)
    assert isinstance(session._sock, io.BufferedRWPair)
    assert session._client_encoding == "utf8"
    assert session.py_types[int]
    assert session.announced_pid == session.execute_simple("SELECT pg_backend_pid()").rows[0][0]
    assert len(session._backend_key_data) == 8
    session.close()
    assert session._sock is None


def test_every_message_that_a_statement_is_answered_with_still_has_its_handler(
    session: PipelinedSession,
) -> None:
    context = core.Context("SELECT", columns=[{"name": "a"}], input_funcs=[int])
    for code, data in (
        (core.PARSE_COMPLETE, b""),
        (core.BIND_COMPLETE, b""),
        (core.DATA_ROW, b"\x00\x01\x00\x00\x00\x017"),
        (core.COMMAND_COMPLETE, b"SELECT 1\x00"),
        (core.EMPTY_QUERY_RESPONSE, b""),
        (core.NOTICE_RESPONSE, b"SNOTICE\x00\x00"),
        (core.PARAMETER_STATUS, b"TimeZone\x00UTC\x00"),
    ):
        session.message_types[code](data, context)
    assert (context.rows, context.row_count, context.error) == ([[7]], 1, None)
    session.message_types[core.ERROR_RESPONSE](b"SERROR\x00C22012\x00Mzero\x00\x00", context)
    assert isinstance(context.error, DatabaseError)
    assert context.error.args[0] == {"S": "ERROR", "C": "22012", "M": "zero"}


def test_a_statement_still_gets_its_columns_and_converters_when_it_is_parsed(
    session: PipelinedSession,
) -> None:
    name, columns, input_funcs = session.prepare_statement("SELECT 1 AS a, 'b' AS b", ())
    assert name.endswith(b"\x00")
    assert [column["name"] for column in columns] == ["a", "b"]
    assert [convert("1") for convert in input_funcs] == [1, "1"]


def test_values_still_become_text_by_their_types(session: PipelinedSession) -> None:
    given = (1, None, True, [1, None], "a")
    assert converters.make_params(session.py_types, given) == ("1", None, "true", '{"1",NULL}', "a")


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-04 15:00:00+00", "2026-02-04 15:00:00.5+00", "2026-02-04 15:00:00.000001+00",
        "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00", "10000-01-01 00:00:00+00",
        "294276-12-31 00:00:00+00", "0044-03-15 00:00:00+00 BC", "infinity", "-infinity",
        "2026-02-04 20:30:00+05:30", "2026-02-04 10:00:00-05", "2026-06-04 10:00:00.25-04",
    ],
)  # fmt: skip
def test_a_moment_is_read_as_pg8000_reads_it(text: str) -> None:
    ours, theirs = moment_in(text), converters.timestamptz_in(text)
    assert ours == theirs
    assert type(ours) is type(theirs)
    assert str(ours) == str(theirs)


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_moment_of_a_session_in_utc_is_read_as_pg8000_reads_it(moment: datetime) -> None:
    text = f"{moment:%Y-%m-%d %H:%M:%S}".rjust(19, "0")
    text += f".{moment.microsecond:06}".rstrip("0") if moment.microsecond else ""
    assert moment_in(f"{text}+00") == converters.timestamptz_in(f"{text}+00") == moment


def test_moments_of_a_session_are_read_that_way(session: PipelinedSession) -> None:
    assert session.pg_types[converters.TIMESTAMPTZ] is moment_in


def test_placeholders_still_become_numbers() -> None:
    statement, ordered = native.to_statement("SELECT :b, :a, :b")
    assert (statement, ordered({"a": 1, "b": 2})) == ("SELECT $1, $2, $1", (2, 1))


def test_an_unnamed_statement_still_takes_a_stream_for_copy(session: PipelinedSession) -> None:
    session.execute_simple("CREATE TEMPORARY TABLE lines (n int)")
    context = session.execute_unnamed("COPY lines FROM STDIN", vals=(), stream=iter([b"1\n2\n"]))
    assert context.row_count == 2


def test_pg8000_is_pinned_exactly() -> None:
    assert f"pg8000=={pg8000.__version__} " in (ROOT / "requirements.lock").read_text()
