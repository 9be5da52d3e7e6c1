"""docs/migrations.md from top to bottom: each file is written, each command run and compared."""

import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.session import LIMITS, LOCK_WAIT_S, STATEMENT_S
from ops_pipeline.domain.operations.manifest import stage_named
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS, ROOT
from tests.support.lambda_endpoint import lambda_endpoint

PAGE = (ROOT / "docs" / "migrations.md").read_text()
_FENCE = re.compile(r"^```(sql|console|console fails)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The databases of other tools, as the page names their URLs.
OTHERS = ("THEIR_URL", "GOLANG_URL", "GOOSE_URL", "DJANGO_URL", "EMPTY_URL")
_FILE = re.compile(r"-- (\S+\.sql)\n(.*)", re.DOTALL)
# What differs from run to run.
_TIMES = ((r"\(\d+ ms\)", "(N ms)"), (r"on \d{4}-\d\d-\d\d \d\d:\d\d", "on DAY"))


@dataclass(frozen=True, slots=True)
class Reader:
    """Does what the page says."""

    urls: DatabaseUrls
    others: dict[str, str]
    capture: pytest.CaptureFixture[str]

    def follow(self, kind: str, text: str) -> None:
        if kind == "sql":
            self._write(text)
            return
        text = text.replace("\n    ", " ")  # a long line is folded on the page
        for command, printed in re.findall(r"^\$ ops (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
            words = shlex.split(command)
            code = main([self.others.get(word.removeprefix("$"), word) for word in words])
            said = "".join(self.capture.readouterr())
            assert code == int(kind == "console fails"), f"{command}: {said}"
            assert _matches(said, printed), f"{command}:\n{said}"

    def _write(self, text: str) -> None:
        named = _FILE.match(text)
        if named is not None:
            path = Path(named[1])
            path.parent.mkdir(exist_ok=True)
            path.write_text(named[2])
            return
        assert text.startswith("-- by hand"), text
        first = text.split("\n", 1)[0]
        url = self.others[first.partition("$")[2]] if "$" in first else self.urls.owner
        owner = Database(target_from_url(url), application_name="by hand")
        with closing(owner), owner.transaction() as tx:
            tx.script(text)


def _matches(said: str, printed: str) -> bool:
    """Whether both are the same but for times; ` ... ` stands for anything."""
    for pattern, instead in _TIMES:
        said, printed = re.sub(pattern, instead, said), re.sub(pattern, instead, printed)
    pieces = re.split(r" ?\.\.\.", printed)
    return re.fullmatch(".*".join(map(re.escape, pieces)), said) is not None


@pytest.fixture
def reader(
    database_urls: DatabaseUrls,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Reader]:
    """A reader at a folder with our migrations, our database, and one of theirs."""
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    monkeypatch.chdir(tmp_path)
    variables = {
        "DATABASE_URL": database_urls.writer,
        "DATABASE_OWNER_URL": database_urls.owner,
        "DATABASE_READER_URL": database_urls.reader,
        "MIGRATIONS_DIR": "migrations",
    }
    others = {}
    for name in OTHERS:
        local.ensure_database(postgres.url, name.lower(), fresh=True)
        others[name] = local.url_for(database_urls.owner, database=name.lower())
    runtime = Runtime(variables, WallClock())
    wiring.use(runtime)
    with lambda_endpoint() as endpoint:
        for name, value in {**variables, **endpoint}.items():
            monkeypatch.setenv(name, value)
        yield Reader(database_urls, others, capsys)
    runtime.close()
    wiring.use(None)


def test_the_page_can_be_followed_from_top_to_bottom(reader: Reader) -> None:
    for kind, text in _FENCE.findall(PAGE):
        reader.follow(kind, text)


def test_nothing_on_the_page_is_left_out() -> None:
    assert len(_FENCE.findall(PAGE)) == PAGE.count("\n```") // 2 > 20


def test_the_figures_on_the_page_are_those_of_the_code() -> None:
    assert f"waits {LOCK_WAIT_S:g} s" in PAGE
    assert f"may take {STATEMENT_S:g} s and wait {LIMITS.lock_ms / 1000:g} s" in PAGE
    assert f"function may take {stage_named('db_migration').timeout_s} s" in PAGE
