"""200,000 bars, half of them stored already, beside pg8000 with nothing around it."""

import socket
import statistics
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial

import pg8000.native

from ops_pipeline.db import telemetry as bars_table
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.market import MINUTE, Bar
from tests.benchmarks.measuring import cloned, made_tickers, migrated, say, seconds, server
from tests.support.builders_market import store_bars, watch

TICKERS, MINUTES, ROUNDS = 500, 400, 3
BOUND = 2.0
BEGINS = datetime(2026, 2, 4, 14, tzinfo=UTC)
NOW = BEGINS + timedelta(hours=8)


def made_bars(tickers: int, minutes: int) -> list[Bar]:
    """Sound bars of as many tickers and minutes, every other minute first: those are known."""
    prices = [Decimal(10_000 + 7 * step % 500) / 100 for step in range(minutes)]
    return [
        Bar(ticker, BEGINS + minute * MINUTE, price, price, price, price, 100 + minute)
        for begins in (0, 1)
        for ticker in made_tickers(tickers)
        for minute, price in list(enumerate(prices))[begins::2]
    ]


def bare(url: str, bars: list[Bar]) -> None:
    """COPY into a staging table and upsert: what anyone would write with pg8000 alone."""
    target = target_from_url(url)
    login = {"host": target.host, "port": target.port, "database": target.database}
    connection = pg8000.native.Connection(target.user, password=target.password, **login)
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = "".join(
        f"{bar.ticker}\t{bar.ts}\t{bar.open}\t{bar.high}\t{bar.low}\t{bar.close}\t{bar.volume}\n"
        for bar in bars
    )
    columns = "ticker, ts, open, high, low, close, volume"
    connection.run("BEGIN")
    connection.run(
        f"CREATE TEMPORARY TABLE plain ON COMMIT DROP AS SELECT {columns} FROM lane_telemetry"
        " WITH NO DATA"
    )
    connection.run("COPY plain FROM STDIN", stream=iter([lines.encode()]))
    connection.run(
        f"INSERT INTO lane_telemetry ({columns}, data_feed, fetched_at)"
        f" SELECT {columns}, 'iex', :now FROM plain ON CONFLICT (ticker, ts) DO UPDATE SET"
        " open = excluded.open, high = excluded.high, low = excluded.low,"
        " close = excluded.close, volume = excluded.volume, fetched_at = excluded.fetched_at",
        now=NOW,
    )
    connection.run("COMMIT")
    connection.close()


def by_telemetry(db: Database, bars: list[Bar]) -> None:
    """The statements of the telemetry stage, in its order."""
    with db.transaction() as tx:
        bars_table.stage(tx, bars)
        bars_table.last_closes(tx, {bar.ticker: bar.ts for bar in reversed(bars)})
        bars_table.merge(tx, data_feed="iex", now=NOW)


def measure(tickers: int, minutes: int, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each bare round and of each round by telemetry's path."""
    bars = made_bars(tickers, minutes)
    in_order = sorted(bars, key=lambda bar: (bar.ticker, bar.ts))
    alone, ours = [], []
    with server() as url, migrated(url, "known") as urls:
        with closing(_login(urls.writer)) as db:
            watch(db, *sorted({bar.ticker for bar in bars}))
            store_bars(db, bars[: len(bars) // 2], now=NOW)
        for number in range(rounds):
            with cloned(url, urls.owner, f"bare_{number}") as copy:  # makes a temporary table
                alone.append(seconds(partial(bare, copy, in_order)))
            with cloned(url, urls.writer, f"ours_{number}") as copy, closing(_login(copy)) as db:
                ours.append(seconds(partial(by_telemetry, db, in_order)))
    return alone, ours


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="bench")


def main() -> None:
    alone, ours = measure(TICKERS, MINUTES, ROUNDS)
    ratio = statistics.median(ours) / statistics.median(alone)
    say("200,000 bars, half known: bare pg8000", f"{statistics.median(alone):.2f} s")
    say("the same by telemetry's statements", f"{statistics.median(ours):.2f} s")
    say("ratio", f"{ratio:.2f}", f"<= {BOUND}")


if __name__ == "__main__":
    main()
