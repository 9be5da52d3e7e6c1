"""Applies 1,000 small migrations with our runner and others', side by side in one run.

    python -m tests.benchmarks.bench_migrations [--tools FOLDER] [--files N] [--rounds N]

The others are installed at the first run, see other_runners. One that is not there is left
out, and said to be: they are looked for in FOLDER/bin. Each round gives every runner an empty
database on one server; the order changes from round to round, and the best round counts.

Two figures a runner: the whole program as a person starts it, and the work alone, measured
inside programs in Python (dbmate's is the whole program: it starts in a few milliseconds).
`bare` is what nobody can beat in Python: a pg8000 loop without any check.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

from ops_local import database as local
from ops_local.postgres.server import EmbeddedPostgres
from tests.benchmarks import other_runners

ROOT = Path(__file__).resolve().parents[2]
_TABLE = "CREATE TABLE t{n} (id integer PRIMARY KEY, name text NOT NULL);"
_SPENT = "work took "

Make = Callable[[Path, int], None]
Command = Callable[[Path, str], list[str]]


@dataclass(frozen=True, slots=True)
class Contender:
    """One runner.

    Attributes:
        make: Writes its files into a folder.
        command: The program that applies them to a database's URL.
    """

    name: str
    make: Make
    command: Command


@dataclass(slots=True)
class Best:
    """The least seconds of any round."""

    seconds: dict[str, float] = field(default_factory=dict)

    def see(self, what: str, seconds: float) -> None:
        self.seconds[what] = min(seconds, self.seconds.get(what, seconds))


def _timed(body: str) -> str:
    """A program that says how long the work itself took."""
    return textwrap.dedent(f"""
        import sys
        from time import perf_counter
        {textwrap.indent(textwrap.dedent(body), "        ").strip()}
        started = perf_counter()
        work()
        print("{_SPENT}" + str(perf_counter() - started))
    """)


_OURS = _timed("""
from contextlib import closing
from pathlib import Path
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.runner import LIMITS, Runner
def work():
    target = target_from_url(sys.argv[2])
    with closing(Database(target, application_name="bench", limits=LIMITS)) as database:
        Runner(database, Path(sys.argv[1])).up()
""")
_BARE = _timed("""
from pathlib import Path
from urllib.parse import urlsplit
import pg8000.native
def work():
    url = urlsplit(sys.argv[2])
    c = pg8000.native.Connection(url.username, host=url.hostname, port=url.port,
                                 database=url.path[1:], password=url.password, ssl_context=False)
    c.execute_simple("CREATE TABLE IF NOT EXISTS done (version text PRIMARY KEY)")
    done = {row[0] for row in c.run("SELECT version FROM done")}
    for path in sorted(Path(sys.argv[1]).iterdir()):
        if path.stem not in done:
            c.execute_simple("BEGIN")
            c.execute_simple(path.read_text())
            c.execute_simple(f"INSERT INTO done VALUES ('{path.stem}')")
            c.execute_simple("COMMIT")
    c.close()
""")
_YOYO = _timed("""
from yoyo import get_backend, read_migrations
def work():
    backend = get_backend(sys.argv[2].replace("postgresql://", "postgresql+psycopg://"))
    migrations = read_migrations(sys.argv[1])
    with backend.lock():
        backend.apply_migrations(backend.to_apply(migrations))
""")
_ALEMBIC = _timed("""
from alembic.command import upgrade
from alembic.config import Config
def work():
    config = Config()
    config.set_main_option("script_location", sys.argv[1])
    config.set_main_option("sqlalchemy.url",
                           sys.argv[2].replace("postgresql://", "postgresql+psycopg://"))
    upgrade(config, "head")
""")
_ALEMBIC_ENV = """
from alembic import context
from sqlalchemy import create_engine, pool
engine = create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


def _sql_files(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        (folder / f"{n:04}_t.sql").write_text(_TABLE.format(n=n) + "\n")


def _dbmate_files(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        text = f"-- migrate:up\n{_TABLE.format(n=n)}\n-- migrate:down\n"
        (folder / f"{n:04}_t.sql").write_text(text)


def _alembic_files(folder: Path, count: int) -> None:
    (folder / "versions").mkdir()
    (folder / "env.py").write_text(_ALEMBIC_ENV)
    for n in range(1, count + 1):
        before = repr(f"{n - 1:04}") if n > 1 else None
        (folder / "versions" / f"{n:04}_t.py").write_text(
            f"from alembic import op\nrevision = '{n:04}'\ndown_revision = {before}\n"
            f"def upgrade():\n    op.execute({_TABLE.format(n=n)!r})\n"
        )


def _python(program: str, interpreter: Path) -> Command:
    return lambda folder, url: [str(interpreter), "-c", program, str(folder), url]


def _contenders(tools: Path) -> Iterator[Contender]:
    here = Path(sys.executable)
    yield Contender("bare", _sql_files, _python(_BARE, here))
    yield Contender("ops-pipeline", _sql_files, _python(_OURS, here))
    for name, program, make in (
        ("yoyo", _YOYO, _sql_files),
        ("alembic", _ALEMBIC, _alembic_files),
    ):
        if (tools / "bin" / name).exists():
            yield Contender(name, make, _python(program, tools / "bin" / "python"))
        else:
            sys.stdout.write(f"{name} is not here: left out\n")
    if (tools / "bin" / "dbmate").exists():
        yield Contender("dbmate", _dbmate_files, lambda folder, url: [
            str(tools / "bin" / "dbmate"), "--url", f"{url}?sslmode=disable",
            "--migrations-dir", str(folder), "--no-dump-schema", "migrate"])  # fmt: skip
    else:
        sys.stdout.write("dbmate is not here: left out\n")


def _run(command: list[str]) -> tuple[float, float]:
    """Seconds of the whole program, and of the work alone where it says so."""
    source = f"{ROOT / 'layers' / 'common' / 'python'}{os.pathsep}{ROOT}"
    started = perf_counter()
    variables = {**os.environ, "PYTHONPATH": source}
    told = subprocess.run(command, check=False, capture_output=True, text=True, env=variables)
    whole = perf_counter() - started
    if told.returncode:
        raise SystemExit(f"{command[0]} failed: {told.stderr[-2000:]}")
    spent = [line for line in told.stdout.splitlines() if line.startswith(_SPENT)]
    return whole, float(spent[0].removeprefix(_SPENT)) if spent else whole


@contextmanager
def _database(server: EmbeddedPostgres, name: str) -> Iterator[str]:
    local.ensure_roles(server.url)
    local.ensure_database(server.url, name, fresh=True)
    passwords = local.role_passwords(server.url)
    yield local.urls_of(server.url, name, passwords).owner


def measure(contenders: list[Contender], files: int, rounds: int) -> Best:
    """The best of some rounds, each contender in another place of each."""
    best = Best()
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as base:
        folders = {}
        for each in contenders:
            folders[each.name] = Path(base) / each.name
            folders[each.name].mkdir()
            each.make(folders[each.name], files)
        # Not beside the files: as root the server runs as nobody.
        data = Path(tempfile.mkdtemp(prefix="ops-bench-pg-"))
        with EmbeddedPostgres(data, dies_with_us=True) as server:
            for number in range(rounds):
                first = number % len(contenders)
                for each in contenders[first:] + contenders[:first]:
                    with _database(server, f"bench_{each.name}_{number}") as url:
                        command = each.command(folders[each.name], url)
                        for what in ("apply", "no-op"):
                            whole, work = _run(command)
                            best.see(f"{each.name} {what} work", work)
                            best.see(f"{each.name} {what} program", whole)
        shutil.rmtree(data)
    return best


def report(contenders: list[Contender], best: Best) -> None:
    """Print seconds, and how many times the fastest other runner's each is."""
    for what in ("apply", "no-op"):
        work = {each.name: best.seconds[f"{each.name} {what} work"] for each in contenders}
        others = [seconds for name, seconds in work.items() if name not in ("bare", "ops-pipeline")]
        fastest = min(others or [work["bare"]])
        for name, seconds in work.items():
            whole = best.seconds[f"{name} {what} program"]
            sys.stdout.write(
                f"{what:6} {name:13} work {seconds:7.3f} s  {seconds / fastest:5.2f} x"
                f"   whole program {whole:7.3f} s\n"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--tools", type=Path, metavar="FOLDER")
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    contenders = list(_contenders(args.tools or other_runners.ensure()))
    report(contenders, measure(contenders, args.files, args.rounds))


if __name__ == "__main__":
    main()
