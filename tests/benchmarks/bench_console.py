"""A warm console call of 1,000 rows x 10 columns beside the bare pg8000 query.

    python -m tests.benchmarks.bench_console [--calls N]

The console checks the login, opens and rolls back its transaction, discards the session and
writes JSON; the bare query only runs. Both take turns on one server; the medians count.
"""

import argparse
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter

import pg8000.native

from ops_local import database as local
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.console.console import Console
from ops_pipeline.db.driver.connection import ConnectionTarget, target_from_url

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
SQL = """
SELECT i AS id, i * 1.25 AS price, 'ticker ' || i AS name, i % 2 = 0 AS even,
    timestamptz '2026-02-04 14:31+00' + i * interval '1 minute' AS at, i::float8 / 7 AS ratio,
    ARRAY['a', 'b'] AS tags, '{"a": 1}'::jsonb AS facts, NULL::text AS nothing, date '2026-02-04' AS day
FROM generate_series(1, 1000) AS i
"""  # noqa: E501 - one line a kind of column


def _median_ms(ask: Callable[[], object], other: Callable[[], object], calls: int) -> list[float]:
    """Medians of both, each call of one followed by one of the other."""
    spent: list[list[float]] = [[], []]
    for _ in range(calls):
        for number, call in enumerate((ask, other)):
            started = perf_counter()
            call()
            spent[number].append((perf_counter() - started) * 1000)
    return [statistics.median(each) for each in spent]


def measure(reader: ConnectionTarget, calls: int) -> tuple[float, float]:
    """Milliseconds of a console call and of the bare query."""
    bare = pg8000.native.Connection(
        reader.user,
        host=reader.host,
        port=reader.port,
        database=reader.database,
        password=reader.password,
    )
    with closing(Console(reader)) as console, closing(bare):
        assert console.run(SQL)["statusCode"] == 200
        console_ms, bare_ms = _median_ms(lambda: console.run(SQL), lambda: bare.run(SQL), calls)
    return console_ms, bare_ms


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--calls", type=int, default=100)
    calls: int = parser.parse_args().calls
    data = Path(tempfile.mkdtemp(prefix="ops-bench-pg-"))
    with (
        EmbeddedPostgres(data, dies_with_us=True) as server,
        local.opened(data, server.url, MIGRATIONS, "bench") as urls,
    ):
        console_ms, bare_ms = measure(target_from_url(urls.reader), calls)
    shutil.rmtree(data)
    overhead = (console_ms - bare_ms) / bare_ms
    sys.stdout.write(
        f"bare query {bare_ms:.2f} ms, console {console_ms:.2f} ms "
        f"({console_ms / bare_ms:.2f} x, overhead {overhead:.2f} x)\n"
    )


if __name__ == "__main__":
    main()
