"""A migration stays within the function's memory, however large the file or what it selects."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.migrations.files import MOST_BYTES, read_folder
from ops_pipeline.db.migrations.runner import Runner
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.errors import MigrationRefused
from tests.conftest import ROOT
from tests.migrations.folders import Write, owner_of, tables_in

FUNCTION_MB = stage_named("db_migration").memory_mb
LARGE_BYTES = 59_000_000
# In a fresh process, as the function runs it; prints its greatest size in kilobytes.
PROGRAM = """
import re, sys
from contextlib import closing
from pathlib import Path
from functions.db_migration import handler
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS, Runner
target = target_from_url(sys.argv[2])
with closing(Database(target, application_name="memory", limits=LIMITS)) as database:
    Runner(database, Path(sys.argv[1])).up()
# Not getrusage: what is started from a large process begins with that one's greatest size.
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def used_mb(folder: Path, urls: DatabaseUrls) -> float:
    command = [sys.executable, "-c", PROGRAM, str(folder), urls.owner]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=ROOT, env=dict(os.environ)
    )
    return int(done.stdout) / 1024


def insert_of_one_statement() -> Iterator[str]:
    yield "CREATE TABLE big (id int, t text);\nINSERT INTO big VALUES (0, '')"
    row = f",\n(1, '{'x' * 900}; 🙂')"
    yield row * (LARGE_BYTES // len(row.encode()))
    yield ";\n"


def many_inserts() -> Iterator[str]:
    yield "CREATE TABLE big (id int, t text);\n"
    row = f"INSERT INTO big VALUES (1, '{'x' * 5000}');\n"
    yield row * (LARGE_BYTES // len(row))


def copied_rows() -> Iterator[str]:
    yield "CREATE TABLE big (id int, t text);\nCOPY big FROM stdin;\n"
    row = f"1\t{'x' * 90}\n"
    yield row * (LARGE_BYTES // len(row))
    yield "\\.\n"


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(insert_of_one_statement, marks=pytest.mark.slow),
        pytest.param(many_inserts, marks=pytest.mark.slow),
        copied_rows,
    ],
)
def test_a_large_file_fits_into_the_function(
    empty_urls: DatabaseUrls, tmp_path: Path, rows: Callable[[], Iterator[str]]
) -> None:
    with (tmp_path / "0001_big.sql").open("w") as file:
        for piece in rows():
            file.write(piece)
    assert used_mb(tmp_path, empty_urls) < FUNCTION_MB * 0.9


@pytest.mark.slow
def test_rows_that_a_file_selects_are_not_kept(empty_urls: DatabaseUrls, write: Write) -> None:
    folder = write(look="SELECT n, repeat('x', 100) FROM generate_series(1, 2000000) AS n;")
    assert used_mb(folder, empty_urls) < FUNCTION_MB * 0.5


def test_a_row_of_any_size_is_not_kept(empty_urls: DatabaseUrls, write: Write) -> None:
    folder = write(look="SELECT repeat('x', 500000000);")
    assert used_mb(folder, empty_urls) < FUNCTION_MB * 0.5


def test_a_file_above_the_stated_size_is_refused_by_name(target_db: Database, write: Write) -> None:
    folder = write(make="CREATE TABLE a (id int)")
    with (folder / "0002_huge.sql").open("wb") as file:
        file.write(b"-" * (MOST_BYTES + 1))
    with pytest.raises(MigrationRefused, match=r"0002_huge\.sql is larger than 64 MB, the most"):
        Runner(target_db, folder).up()
    assert tables_in(target_db) == []


def test_a_large_file_that_changes_while_it_is_read_is_refused(write: Write) -> None:
    folder = write(big="SELECT 1;" + " " * 300_000)
    [file] = read_folder(folder)
    (folder / "0001_big.sql").write_text("SELECT 2;" + " " * 300_000)
    with pytest.raises(MigrationRefused, match=r"0001_big\.sql was changed while"):
        file.source()


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [3, 1024 * 1024 - 8, 1024 * 1024 - 7])
def test_a_checksum_counts_no_line_ends(tmp_path: Path, size: int, ends: str) -> None:
    text = f"SELECT 'ü{'x' * size}'{ends}{ends}, 1;{ends}"
    (tmp_path / "0001_a.sql").write_bytes(text.encode())
    [file] = read_folder(tmp_path)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "0001_a.sql").write_bytes(text.replace("\r\n", "\n").encode("utf-8-sig"))
    assert read_folder(plain)[0].checksum == file.checksum
    assert file.text == text.replace("\r\n", "\n")


def test_the_statements_of_a_large_file_are_those_of_a_small_one(
    empty_urls: DatabaseUrls, write: Write
) -> None:
    head = "-- migrate:up\nBEGIN;\nCREATE TABLE a (id int);\nPREPARE p AS SELECT 1;\n"
    filling = f"INSERT INTO a VALUES (1); -- {'x' * 1000}\n" * 400
    tail = "COMMIT;\n-- migrate:down\nDROP TABLE a;\n"
    folder = write(big=head + filling + tail)
    [file] = read_folder(folder)
    assert file.kept is None
    with closing(owner_of(empty_urls)) as database:
        runner = Runner(database, folder)
        assert [len(plan.statements) for plan in runner.dry_run()] == [402]
        assert [row.note for row in runner.up()] == ["its down section left out"]
        assert database.read("SELECT count(*) AS n FROM a") == [{"n": 400}]
        assert runner.verify() == []
