"""One tick of telemetry from a vendor over HTTP into Postgres, beside what anyone would write.

The vendor is a process of its own: `python -m tests.benchmarks.bench_telemetry serve`.
"""

import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pg8000.native
import requests

from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.market_data import asked_bars
from ops_pipeline.domain.market import MINUTE, new_york_day
from ops_pipeline.domain.prices.bar_slices import TICKERS_A_SLICE, BarSlice
from ops_pipeline.stages import telemetry
from ops_pipeline.stages.request import TickRequest
from tests.benchmarks.measuring import made_tickers, migrated, say, seconds, server
from tests.support.builders_market import in_force, watch
from tests.support.fakes import FixedClock

SIZES, TICKS = (33, 1_000, 10_000), 3
BOUND_S = 10.0
AT = datetime(2026, 2, 4, 20, 0, tzinfo=UTC)


class _Vendor(BaseHTTPRequestHandler):
    """Has a bar of every ticker and minute that is asked for."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
        minutes = [start + place * MINUTE for place in range(int((end - start) / MINUTE) + 1)]
        bars = ",".join(
            f'{{"t":"{at:%Y-%m-%dT%H:%M:00Z}","o":10.01,"h":10.05,"l":10,"c":10.02,"v":{at.minute},'
            f'"n":3,"vw":10.02}}'
            for at in minutes
        )
        its = ",".join(f'"{ticker}":[{bars}]' for ticker in asked["symbols"].split(","))
        body = f'{{"bars":{{{its}}},"next_page_token":null}}'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def serve() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Vendor) as vendor:
        sys.stdout.write(f"http://127.0.0.1:{vendor.server_port}\n")
        sys.stdout.flush()
        vendor.serve_forever()


@contextmanager
def running_vendor() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.bench_telemetry", "serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def tick_of(
    db: Database, url: str, tick: datetime, most_requests: int = telemetry.MOST_REQUESTS
) -> telemetry.Outcome:
    """One tick of the stage."""
    return telemetry.run(
        TickRequest(tick=tick),
        db=db,
        market_data=AlpacaMarketData(url=url, key_id="k", secret_key="s", feed="iex"),
        calendar=NyseCalendar(),
        clock=FixedClock(tick + timedelta(seconds=6)),
        parameters=in_force(db),
        data_feed="iex",
        most_requests=most_requests,
    )


def bare(db_url: str, url: str, tickers: list[str], tick: datetime) -> None:
    """One request after another, one COPY, one upsert: nothing checked and nothing kept back."""
    target = target_from_url(db_url)
    login = {"host": target.host, "port": target.port, "database": target.database}
    lines = []
    with requests.Session() as session:
        for first in range(0, len(tickers), TICKERS_A_SLICE):
            asked = {
                "symbols": ",".join(tickers[first : first + TICKERS_A_SLICE]),
                "start": (tick - 6 * MINUTE).isoformat(),
                "end": (tick - MINUTE).isoformat(),
            }
            answer = session.get(f"{url}/v2/stocks/bars", params=asked, timeout=20).content
            lines += [
                f"{ticker}\t{b['t']}\t{b['o']}\t{b['h']}\t{b['l']}\t{b['c']}\t{b['v']}\n"
                for ticker, bars in json.loads(answer)["bars"].items()
                for b in bars
            ]
    columns = "ticker, ts, open, high, low, close, volume"
    connection = pg8000.native.Connection(target.user, password=target.password, **login)
    connection._usock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.run("BEGIN")
    connection.run("COPY staged_bars FROM STDIN", stream=iter(["".join(lines).encode()]))
    connection.run(
        f"INSERT INTO lane_telemetry ({columns}, data_feed, fetched_at)"
        f" SELECT {columns}, 'iex', :now FROM staged_bars ON CONFLICT (ticker, ts) DO UPDATE SET"
        " open = excluded.open, high = excluded.high, low = excluded.low,"
        " close = excluded.close, volume = excluded.volume, fetched_at = excluded.fetched_at",
        now=tick,
    )
    connection.run("DELETE FROM staged_bars")
    connection.run("COMMIT")
    connection.close()


def measure(server_url: str, vendor: str, tickers: int) -> tuple[int | None, float, float, float]:
    """Ticks until the day is whole, then of an ordinary minute: seconds, processor's, bare.

    The whole day of the most tickers is 7 million bars: of theirs only the last minutes are there.
    """
    names = made_tickers(tickers)
    whole = tickers < SIZES[-1]
    most = telemetry.MOST_REQUESTS if whole else 0
    with migrated(server_url, f"of_{tickers}") as urls, closing(_login(urls.writer)) as db:
        watch(db, *names)
        tick, ticks, ours, busy, alone = AT, 1, [], [], []
        while tick_of(db, vendor, tick, most).postponed and whole:
            tick, ticks = tick + MINUTE, ticks + 1
        if not whole:
            _have_asked(db, names)
        for _ in range(TICKS):
            tick += MINUTE
            busy_s = time.process_time()
            ours.append(seconds(lambda: tick_of(db, vendor, tick)))  # noqa: B023 - at once
            busy.append(time.process_time() - busy_s)
            tick += MINUTE
            alone.append(seconds(lambda: bare(urls.writer, vendor, names, tick)))  # noqa: B023
    figures = (statistics.median(each) for each in (ours, busy, alone))
    ours_s, busy_s, alone_s = figures
    return ticks if whole else None, ours_s, busy_s, alone_s


def _have_asked(db: Database, names: list[str]) -> None:
    """As if the day were whole before its last minutes."""
    four = AT.replace(hour=9)
    with db.transaction() as tx:
        asked_bars.note_asked(
            tx, BarSlice(tuple(names), four, AT), new_york_day(AT), settled_until=AT
        )


def _login(url: str) -> Database:
    return Database(target_from_url(url), application_name="bench")


def main() -> None:
    with running_vendor() as vendor, server() as url:
        for tickers in SIZES:
            ticks, ours_s, busy_s, alone_s = measure(url, vendor, tickers)
            bound = f"<= {BOUND_S:g} s" if tickers == SIZES[-1] else ""
            say(f"{tickers:,} tickers, ordinary minute", f"{ours_s:.2f} s", bound)
            say("its processor time, without Postgres", f"{busy_s:.2f} s")
            say("the same, bare requests and pg8000", f"{alone_s:.2f} s")
            say("ours / bare", f"{ours_s / alone_s:.2f}")
            if ticks is not None:
                say("ticks until an empty day is whole", str(ticks))


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        main()
