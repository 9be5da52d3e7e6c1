"""What the benches share: a database of their own, a stopwatch by part, memory, lines to print."""

import re
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import wraps
from itertools import islice, product
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from pg8000.native import identifier

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.conftest import MIGRATIONS


def say(what: str, figure: str, bound: str = "") -> None:
    """One line: what was measured, how much it was, and what it may be."""
    sys.stdout.write(f"   {what:<52} {figure:>16}  {bound}".rstrip() + "\n")
    sys.stdout.flush()


def made_tickers(count: int) -> list[str]:
    """As many names of four letters, in alphabetical order."""
    return ["".join(letters) for letters in islice(product(ascii_uppercase, repeat=4), count)]


def seconds(work: Callable[[], object]) -> float:
    """How long one call takes on the wall clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory_mb(name: str = "VmRSS") -> float:
    """Of this process: VmRSS now, VmHWM at its highest since it was started."""
    status = Path("/proc/self/status").read_text()
    found = re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


@contextmanager
def server() -> Iterator[str]:
    """The superuser's URL of a Postgres that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="ops-bench-"))
    with EmbeddedPostgres(folder, dies_with_us=True) as running:
        yield running.url
    shutil.rmtree(folder)


@contextmanager
def migrated(server_url: str, name: str) -> Iterator[DatabaseUrls]:
    """A new migrated database on that server."""
    with local.opened(Path(), server_url, MIGRATIONS, name) as urls:
        yield urls


@contextmanager
def cloned(server_url: str, original_url: str, name: str) -> Iterator[str]:
    """A copy of a database that nobody is logged in to, for the block; the same login's URL."""
    original = target_from_url(original_url).database
    with closing(Database(target_from_url(server_url), application_name="bench")) as admin:
        local.clone_database(admin, original, name)
        yield local.url_for(original_url, database=name)
        local.drop_database(admin, name)


def vacuum(db: Database, table: str) -> None:
    """Do what autovacuum would, as the table's owner."""
    db.session().execute_simple(f"VACUUM (ANALYZE) {identifier(table)}")


class Stopwatch:
    """Shares one thread's time among parts: each moment counts for the innermost alone."""

    def __init__(self) -> None:
        self.spent_s: defaultdict[str, float] = defaultdict(float)
        self.calls: Counter[str] = Counter()
        self._thread = threading.get_ident()
        self._inside = ["the rest"]
        self._since_s = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        if threading.get_ident() != self._thread:
            yield
            return
        self.calls[name] += 1
        self._switch()
        self._inside.append(name)
        try:
            yield
        finally:
            self._switch()
            self._inside.pop()

    def around(self, owner: Any, method: str, name: str) -> None:
        """Count every call of the method for the part."""
        original = getattr(owner, method)

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.part(name):
                return original(*args, **kwargs)

        setattr(owner, method, timed)

    def around_each(self, owner: Any, generator: str, name: str) -> None:
        """Count the waiting for each item of the generator for the part."""
        original = getattr(owner, generator)

        @wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Iterator[Any]:
            items = original(*args, **kwargs)
            nothing = object()
            while True:
                with self.part(name):
                    item = next(items, nothing)
                if item is nothing:
                    return
                yield item

        setattr(owner, generator, timed)

    def _switch(self) -> None:
        now_s = time.perf_counter()
        self.spent_s[self._inside[-1]] += now_s - self._since_s
        self._since_s = now_s
