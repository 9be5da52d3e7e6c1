"""Features of one tick, Postgres to Postgres, beside pandas rolling over the same bars.

The handler runs in a process of its own, so that its memory is its own:
`python -m tests.benchmarks.bench_features WRITER_URL TICK...`.
"""

import json
import statistics
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from functions.features.handler import lambda_handler
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, SessionLimits, target_from_url
from ops_pipeline.db.parameters import activate
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating.watching import watch_only
from tests.benchmarks.measuring import (
    made_tickers,
    memory_mb,
    migrated,
    say,
    seconds,
    server,
    vacuum,
)
from tests.support.fakes import FixedClock

WINDOW, TICKS = 120, 3
MANY, FEW = 10_000, 33
BOUND_MANY_S, BOUND_FEW_MS, BOUND_MB = 1.5, 10.0, 256
# A statement has 30 s, on a machine that others use too.
_AT_ONCE = 1_000
# Autovacuum looks every minute, and then takes its time.
_UNSEEN = 5
OPENS_AT = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)

_BARS = """
INSERT INTO lane_telemetry (ticker, ts, open, high, low, close, volume, data_feed, fetched_at)
SELECT ticker, CAST(:opens_at AS timestamptz) + minute * interval '1 minute',
    price, price, price, price, 100 + minute * 37 % 400, 'iex',
    CAST(:opens_at AS timestamptz) + interval '1 day'
FROM unnest(CAST(:tickers AS text[])) WITH ORDINALITY AS watched (ticker, number)
CROSS JOIN generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS minute
CROSS JOIN LATERAL (
    SELECT 100 + (number * 31 + minute * 17) % 97 / 100.0 AS price
) AS made
"""

_SELECT = "SELECT ticker, ts, close, volume FROM lane_telemetry WHERE ts < :until ORDER BY 1, 2"


def fill(owner_url: str, tickers: int) -> None:
    """Watch as many tickers, each with the bars of all ticks.

    Autovacuum comes by as often as the table says, but not at a time of its own choosing here:
    it has seen all bars but those of the newest minutes.
    """
    names = made_tickers(tickers)
    with closing(_login(owner_url)) as db:
        with db.transaction() as tx:
            watch_only(tx, names)
            activate(tx, Parameters(), source="default", now=OPENS_AT)
        _add_bars(db, names, 0, WINDOW - _UNSEEN - 1)
        vacuum(db, "lane_telemetry")
        _add_bars(db, names, WINDOW - _UNSEEN, WINDOW + TICKS - 1)


def _add_bars(db: Database, names: list[str], first: int, last: int) -> None:
    for place in range(0, len(names), _AT_ONCE):
        some = names[place : place + _AT_ONCE]
        with db.transaction() as tx:
            tx.execute(_BARS, tickers=some, opens_at=OPENS_AT, first=first, last=last)


def run_handler(writer_url: str, ticks: list[str]) -> dict[str, Any]:
    """Run the handler tick by tick: seconds and rows of each, and the process's memory."""
    clock = FixedClock(OPENS_AT)
    runtime = Runtime({"DATABASE_URL": writer_url}, clock, owner="bench")
    took_s, rows = [], []
    with closing(runtime):
        wiring.use(runtime)
        for tick in ticks:
            clock.at = datetime.fromisoformat(tick)
            took_s.append(seconds(lambda: rows.append(lambda_handler({"tick": tick}, None))))  # noqa: B023 - called at once
    return {
        "took_s": took_s,
        "rows": [row["rows"] for row in rows],
        "highest_mb": memory_mb("VmHWM"),
    }


def measured(urls: DatabaseUrls, tickers: int, ticks: int = TICKS) -> dict[str, Any]:
    """Fill the database, then run the handler in a process of its own."""
    fill(urls.owner, tickers)
    moments = [(OPENS_AT + (WINDOW + tick) * MINUTE).isoformat() for tick in range(ticks)]
    command = [sys.executable, "-m", "tests.benchmarks.bench_features", urls.writer, *moments]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    assert found["rows"] == [tickers] * ticks
    return found


def by_pandas(urls: DatabaseUrls) -> int:
    """The same figures, as a data frame gives them; nothing is written back."""
    import pandas as pd  # noqa: PLC0415 - not in the handler's process

    # Over a million rows of Python objects take longer than a statement may.
    unhurried = SessionLimits(statement_ms=300_000)
    with closing(
        Database(target_from_url(urls.writer), application_name="bench", limits=unhurried)
    ) as db:
        read = db.read(_SELECT, until=OPENS_AT + WINDOW * MINUTE)
    frame = pd.DataFrame(read)
    frame["close"] = frame["close"].astype(float)
    by_ticker = frame.groupby("ticker")
    returns = by_ticker["close"].pct_change()
    for of, column, window in (("close", "sma20", 20), ("close", "sma50", 50), ("volume", "v", 20)):
        rolling = by_ticker[of].rolling(window).mean()
        frame[column] = rolling.reset_index(level=0, drop=True)
    for column, window in (("recent_vol", 29), ("baseline_vol", 119)):
        rolling = returns.groupby(frame["ticker"]).rolling(window).std()
        frame[column] = rolling.reset_index(level=0, drop=True)
    return len(by_ticker.tail(1))


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="bench")


def main() -> None:
    with server() as url:
        with migrated(url, "few") as urls:
            few = measured(urls, FEW, TICKS)
        with migrated(url, "many") as urls:
            many = measured(urls, MANY)
            pandas_s = seconds(lambda: by_pandas(urls))
    # The first tick of a process imports, connects and parses its statements.
    few_ms, many_s = min(few["took_s"][1:]) * 1000, statistics.median(many["took_s"])
    say("33 tickers, one tick", f"{few_ms:.1f} ms", f"<= {BOUND_FEW_MS:g} ms")
    say("10,000 tickers x 120 bars, one tick", f"{many_s:.2f} s", f"<= {BOUND_MANY_S:g} s")
    say("memory of that process", f"{many['highest_mb']:.0f} MB", f"< {BOUND_MB} MB")
    say("pandas over the same bars, nothing written", f"{pandas_s:.1f} s")
    say("pandas / features", f"{pandas_s / many_s:.0f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(run_handler(sys.argv[1], sys.argv[2:])) + "\n")
    else:
        main()
