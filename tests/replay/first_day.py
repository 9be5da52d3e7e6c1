"""A first real day: an empty database, set up by verbs alone, traded by `ops up`.

The paper exchange stands in Alpaca's place and the feed server in that of the publishers. The
schedules run on a wall clock that goes as fast as the work.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from ops_local import database as databases
from ops_local.cli import build_parser, main
from ops_local.commandline.command import VerbCall
from ops_local.commands import up
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.launcher import PaperAccount, RunningExchange, start
from ops_local.feeds.server import VIX, FeedServer
from ops_local.home import LIVE, Home
from ops_local.recordings.recording import Recording
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import MINUTE, new_york_time
from ops_pipeline.domain.operations.invariants import BrokerRecords
from tests.conftest import MIGRATIONS
from tests.support.fakes import FixedClock
from tests.support.fast_wall import FastWall

KEYED = PaperAccount("large", "PA1FIRSTDAY", "first-day", "first-day-secret", Decimal(30_000))
# Held since long: shares of a watched symbol, and what is no stock.
HELD = (("AAPL", "20", "95", "us_equity"), ("BTCUSD", "0.0125", "61000", "crypto"))
BLOCKED_FEED = "tapewatch"
SET_UP, FIRST = (8, 15), (8, 24)
# Before the first signal, which needs 50 bars.
WIDE_FROM = (10, 20)

# What the person has edited `ops init`'s file to; {feeds} and {watch} are the recording's.
OPS_TOML = """
strategy = "news"

[accounts.large]
max_positions = 4

[accounts.tiny]

[data]
feed = "iex"
account = "large"

[feeds]
contact = "Example Fund ops@example.com"
{feeds}
[tickers]
watch = [{watch}]

[parameters.watchlist]
enter_score = 0.2
leave_score = 0.1

[parameters.signals]
stock_confidence = 0.2
most_volume_multiplier = 1.2
without_breakout = 0.9
volume_steps = [{{ under = 0.5, multiplier = 0.5 }}, {{ under = 2.0, multiplier = 1.0 }}]

[parameters.gates]
minimum_confidence = 0.2
entries_per_ticker = 6
ticker_losing_streak = 20
account_losing_streak = 50

[parameters.exits]
stop_loss = 0.005
take_profit = 0.006
breakeven_gain = 0.003
partial_gain = 0.004
day_trade_minutes = {minutes}
"""


@dataclass
class FirstDay:
    """The deployment and what became of it.

    Attributes:
        wide: The minutes in which a symbol's quote was one venue's, by symbol.
        vix_from: When the volatility index's server begins to answer.
        code: What `ops up` ended with.
        said: What it printed.
        lasting: The symbol whose quotes are wide until the alert `is_told`.
    """

    recording: Recording
    variables: dict[str, str]
    clock: FixedClock
    exchange: RunningExchange
    served: FeedServer
    vix_from: datetime
    code: int = 1
    urls: databases.DatabaseUrls | None = None
    wide: dict[str, set[datetime]] = field(default_factory=dict)
    said: str = ""
    lasting: str | None = None
    is_told: bool = False

    def at(self, hour: int, minute: int) -> datetime:
        return new_york_time(self.recording.day, hour, minute)

    def ops(self, *words: str) -> int:
        """One verb as it is typed."""
        return main(words, self.variables, self.clock)

    def rows(self, sql: str, **values: object) -> list[dict[str, Any]]:
        assert self.urls is not None
        database = Database(target_from_url(self.urls.owner), application_name="tests")
        with closing(database), database.transaction() as tx:
            return tx.rows(sql, **values)

    def books(self) -> BrokerRecords:
        """What the broker has of the keyed account."""
        broker = AlpacaBroker(
            self.exchange.url, KEYED.key_id, KEYED.secret_key, KEYED.account_number
        )
        since = self.exchange.now() - timedelta(days=1)
        return BrokerRecords(
            orders=broker.orders_since(since),
            positions=broker.positions(),
            fills=broker.fills_since(since),
        )

    def breaches(self) -> list[str]:
        assert self.urls is not None
        database = Database(target_from_url(self.urls.owner), application_name="tests")
        with closing(database), database.transaction() as tx:
            found = invariants.check(tx, now=self.clock.now(), broker={KEYED.name: self.books()})
        return [str(breach) for breach in found]


@contextmanager
def arranged(home: Home, recording: Recording, folder: Path) -> Iterator[FirstDay]:
    """The world of a person who begins: keys of one account, and nothing in the database."""
    clock = FixedClock(new_york_time(recording.day, *SET_UP))
    with (
        start(recording.folder, folder / "exchange.sqlite", [KEYED], folder / "log") as exchange,
        FeedServer(recording, clock.now) as served,
    ):
        exchange.set_clock(clock.at)
        for symbol, quantity, price, kind in HELD:
            exchange.add_holding(KEYED.name, symbol, quantity, price, asset_class=kind)
        variables = {
            "OPS_HOME": str(home.folder),
            "USER": "ann",
            "ALPACA_TRADING_URL": exchange.url,
            "ALPACA_DATA_URL": exchange.url,
            "VIX_URL": served.vix_url,
            "FEED_PROXY_URL": served.proxy_url,
            "FEED_ALLOWED_NETWORKS": "127.0.0.0/8",
            # One server here is all publishers.
            "FEED_HOST_INTERVAL_S": "0",
            **key_variables([KEYED]),
        }
        yield FirstDay(recording, variables, clock, exchange, served, vix_from=clock.at)


def set_up(day: FirstDay, folder: Path, *, minutes: int = 240) -> dict[str, int]:
    """What the person types, with the exit code of each."""
    file = folder / "ops.toml"
    codes = {"init": day.ops("init", "--file", str(file))}
    file.write_text(_file_of(day, minutes), encoding="utf-8")
    blocked = day.served.feeds[BLOCKED_FEED]
    last = day.recording.tickers[-1]
    for name, words in {
        "apply": ("apply", "--file", str(file), "--yes"),
        "feeds": ("feeds", "add", blocked, "--source", BLOCKED_FEED),
        "tickers": ("tickers", "add", last, "--reason", "the first day"),
        "bind": ("accounts", "bind", "--account", KEYED.name, "--yes"),
    }.items():
        codes[name] = day.ops(*words)
    return codes


def _file_of(day: FirstDay, minutes: int) -> str:
    feeds = "".join(
        f'[[feeds.feed]]\nurl = "{url}"\nsource = "{source}"\n'
        for source, url in sorted(day.served.feeds.items())
        if source != BLOCKED_FEED
    )
    watch = ", ".join(f'"{ticker}"' for ticker in day.recording.tickers[:-1])
    return OPS_TOML.format(feeds=feeds, watch=watch, minutes=minutes)


@contextmanager
def stored(day: FirstDay) -> Iterator[None]:
    with databases.opened(Path(day.variables["OPS_HOME"]), None, MIGRATIONS, LIVE) as urls:
        day.urls = urls
        yield


def trade(
    day: FirstDay,
    home: Home,
    *,
    halt: tuple[int, int] | None,
    until: datetime,
) -> int:
    """`ops up` from before the first machine on; returns its exit code.

    Args:
        halt: When the person halts entries, by the verb; None: never.
        until: Its last minute.
    """
    day.clock.at = day.at(*FIRST)
    day.exchange.set_clock(day.clock.at)
    day.served.answer_oddly(VIX, "unavailable")
    day.served.answer_oddly(BLOCKED_FEED, "block_page")
    call = VerbCall(build_parser().parse_args(["up"]), _with_migrations(day.variables), day.clock)
    heard = io.StringIO()

    def before(minute: datetime) -> None:
        if minute == day.vix_from:
            day.served.answer_oddly(VIX, None)
        if halt and minute == day.at(*halt):
            assert day.ops("halt", "--reason", "enough for a first day") == 0
        if minute >= day.at(*WIDE_FROM):
            _widen(day, minute)

    wall = FastWall(day.clock, until, day.exchange, before)
    with stored(day), home.up():
        code = up.trade(call, Console(file=heard, width=200), wall)
    day.said = heard.getvalue()
    return code


def _with_migrations(variables: Mapping[str, str]) -> dict[str, str]:
    return {"MIGRATIONS_DIR": str(MIGRATIONS), **variables}


def _widen(day: FirstDay, minute: datetime) -> None:
    """One symbol after the other is quoted by one venue for a minute, in each of the odd ways.

    One position's symbol is for as long as it takes until somebody is told.
    """
    tickers = day.recording.tickers
    number = (minute - day.at(*WIDE_FROM)) // MINUTE
    bid, ask = _ODD[number % len(_ODD)]
    symbol = _lasting(day) or tickers[number % len(tickers)]
    day.wide.setdefault(symbol, set()).add(minute)
    day.exchange.set_faults(
        [{"kind": "wide_quote", "symbol": symbol, "bid_factor": bid, "ask_factor": ask}]
    )


_ODD = ((0.6, 1.0), (1.0, 1.5), (0.0001, 1.0), (1.0, 1.025), (0.97, 1.03))


def _lasting(day: FirstDay) -> str | None:
    """The symbol of a position, until its alert is open."""
    if day.is_told or day.rows("SELECT 1 FROM alerts WHERE kind = 'position_unpriced'"):
        day.is_told = True
        return None
    held = [it["symbol"] for it in day.rows(_OPEN)]
    if day.lasting not in held:
        day.lasting = held[0] if held else None
    return day.lasting


_OPEN = "SELECT symbol FROM active_positions WHERE status = 'open' ORDER BY entry_time, symbol"
