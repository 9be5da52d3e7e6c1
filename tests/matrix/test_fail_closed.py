"""What happens when something that a decision needs is gone: one table, made by this test.

At the ports a dependency that is down, slow or malformed raises one error (the contract
tests prove that for each); so here are three columns: no legible answer, stale, empty.
`REWRITE_DOCS=1` writes docs/fail-closed.md anew; otherwise it is compared.
"""

import json
import os
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerUnavailable, DatabaseUnavailable, StageFailed
from ops_pipeline.stages import dispatcher, position_manager
from ops_pipeline.stages.healthcheck import examine_halts, examine_news
from ops_pipeline.stages.request import AccountRequest
from tests.support.builders_trading import DAY, TradingBench
from tests.support.fakes import FixedCalendar
from tests.support.subscribing import subscribe, subscribe_wire

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fail-closed.md"
COLUMNS = ("no legible answer", "stale", "empty")
HEAD = """# What happens when a dependency fails

Entries are refused by the gates named here; no position is ever closed without a report of the
broker. "No legible answer" means that a dependency is down, slower than its time-out, or answers
something other than what was asked. A test produces this table and compares it with this page.

Without Postgres nothing is decided: no order is sent that is not committed, exits wait, and stock
is protected by the stop that rests at the broker. When the schedule's clock fails no run begins:
the first stage of each machine refuses a tick older than two minutes, and a stage that touches the
broker one that is ten minutes behind the clock or a minute ahead. A wrong clock shows in the ages
of quotes, bars and features.

The calendar comes with the release: it cannot be unreachable, only lack a session. The broker's
account and lists carry no time: a list counts as stale when it lacks what we hold, and an old
account cannot be told from a new one. The account has no empty answer.

Every five minutes of a session each guarded account is compared with its broker; a difference that
is not adopted or repaired halts the account's entries. Where the broker cannot be read no
comparison is kept, what the last one found stands, and after ten minutes an alert names the
account. One account's failure stops no other's.

Where the broker's lists contradict each other the list of positions counts, once it was read a
minute after the last fill: shares it shows before the list of orders does are protected and counted
once, shares it lacks are given up after two readings, and where it has fewer than a position a stop
rests for as many as there are. What was sold and nobody held, by a late fill or by hand, is a short
until something covers it; its cover is no position. An order that no list showed for two looks has
ended here, and is followed again if it is back.

An account without keys does not trade and fails no run: `account_not_configured` says so. With
positions or live orders and no keys each of its runs fails, since nobody guards them; resting stops
protect. An account whose broker takes no orders gets no entries, and `account_blocked` says why and
what to do ([account statuses](operations.md#account-statuses)).

Parameters in force that are out of their bounds, or do not fit this version, stop every stage that
leads to an entry. Positions are guarded and compared with the broker's all the same, by the newest
stored version that is good, else by the shipped defaults; `parameters_invalid` is critical and
names the field.

A quote is implausible when it is wider than its price and the time of day allow, has no shares on
a side, or its mid is far from the last bar, the last trade and the quote before, or, for what is
held, nothing else is known of the price: it decides nothing, and after three ticks without one
that is believed the alert is opened. An exit that is due whatever the price is goes out within a
collar around the last trade or bar.

The volatility index is asked for at 08:30, every five minutes until noon while the last session's
close is not known, then twice an hour: Alpaca's indices, where the plan has them, then its
publisher's file, each within bounds. Where neither has it, SPY's realised volatility stands in, of
our own bars or of the vendor's; the row says which it is. From 45 minutes before the open
`volatility_unknown` says that there is none, and entries wait for the next attempt.

Without news a signal's confidence is what prices alone give it: stories lift or lower it, and none
is not bad news. So entries go on, and what is missing is told instead: `no_feeds` at once,
`feed_failing` after two hours without a feed in its answers (a web page, an empty answer and JSON
with status 200 are none), `feed_old` once its newest item is older than its `max_age_h`, and
`output_stale` for inbound_events_raw when no feed at all had a new item for two hours of a session.

While trading in a ticker is halted (`trading_halts`: the exchanges' lists, and the silence of one
ticker on a live feed) its entries are refused, and for `gates.halt_cooling_minutes` after that.
An exit waits as well, with the stop where it is, while an exchange's list of the last ten minutes
names the ticker and no minute was traded since; a silence keeps no exit back. That no halt is known
is no proof of none: `halts_unread` says after ten minutes that a list was not read, and quotes and
bars are judged beside it.

Beside what fails, an operator's word refuses entries: `account_active` while the account has
`active = false`, `trading_state` while it is halted (by the pipeline itself too, where the database
lacks an order of ours that the broker lists), `closing_requested` while a close of the
ticker, or of everything in the account, is not done (a SELL counts too). All are read under the
account's lock, for each entry, and again before it is sent; recovery sends an entry anew only if
every gate passes. Exits go on.

`corporate_action_pending` refuses a ticker in which shares here and at the broker may not be the
same (a split that one of them does not show, shares that nothing explains), that is renamed or
merged within a day or was in the last five, or of which something is announced that is not
understood. While shares differ so, nothing of that position is sold by price: the stop at the
broker rests, the critical alert of that name says why, and a person's close goes on where both
count the same. When the vendor's announcements cannot be read, what was announced before stands,
`stage_failed` tells of it, and a split that only the broker's positions show decides nothing.

| what fails | how | entries | exits |
|---|---|---|---|
"""
_TEN_MINUTES, _TWO_DAYS, _ITS = "interval '10 min'", "interval '2 days'", "ticker = 'BBB'"
_BROKEN = BrokerUnavailable("503")


@dataclass(frozen=True)
class Cell:
    """One dependency in one condition."""

    what: str
    how: str
    spoil: Callable[[TradingBench], None]


def _run(sql: str) -> Callable[[TradingBench], None]:
    return lambda bench: bench.run(sql)


def _no_market(bench: TradingBench) -> None:
    bench.market.down = True


def _old_quotes(bench: TradingBench) -> None:
    for ticker, quote in list(bench.market.latest.items()):
        bench.market.quote(ticker, str(quote.bid), str(quote.ask), age_s=600)


def _one_sided(bench: TradingBench) -> None:
    for ticker, quote in list(bench.market.latest.items()):
        bench.market.quote(ticker, "0", str(quote.ask))


def _implausible(bench: TradingBench) -> None:
    for ticker, quote in list(bench.market.latest.items()):
        bench.market.quote(ticker, "60", str(quote.ask))


def _fails(call: str) -> Callable[[TradingBench], None]:
    return lambda bench: bench.broker.fail(call, _BROKEN, times=99)  # type: ignore[arg-type]  # one of Call


def _no_positions(bench: TradingBench) -> None:
    """Only the list is wrong: what 19 AAA cost still counts in the account's equity."""
    bench.broker.hold("AAA", "0", "100.00")
    bench.broker.cash += 1900


def _yesterdays_positions(bench: TradingBench) -> None:
    _no_positions(bench)
    bench.broker.hold("CCC", "10", "100.00")
    bench.broker.cash -= 1000


def _clock_behind(bench: TradingBench) -> None:
    bench.clock.advance(-600)


def _clock_ahead(bench: TradingBench) -> None:
    bench.clock.advance(600)


def _no_session(bench: TradingBench) -> None:
    known = bench.calendar.previous_session(DAY)
    bench.calendar = FixedCalendar([known])


def _unlisted(bench: TradingBench) -> None:
    bench.broker.orders_since = lambda since: Listing()  # type: ignore[method-assign]
    bench.broker.resting_orders = Listing  # type: ignore[method-assign]


def _no_fills(bench: TradingBench) -> None:
    bench.broker.fills_withheld = True


def _untradable(bench: TradingBench) -> None:
    bench.broker.untradable |= {"AAA", "BBB"}


def _halted(bench: TradingBench) -> None:
    """The exchange's list names both tickers and no time of resumption."""
    for ticker in ("AAA", "BBB"):
        bench.run(
            """INSERT INTO trading_halts (ticker, source, reason, halted_at, seen_at, listed_at)
            VALUES (:ticker, 'nasdaq_halts', 'T1', :now, :now, :now)""",
            ticker=ticker,
            now=bench.clock.now(),
        )


def _halts_unread(bench: TradingBench) -> None:
    with bench.db.transaction() as tx:
        subscribe(tx, url="https://halts.example/", source="Halts", kind="nasdaq_halts")


def _no_news(bench: TradingBench) -> None:
    """The feeds are gone, and the newest story with them."""
    subscribe_wire(bench.db)
    bench.run("UPDATE feed_state SET failures_in_a_row = 9, last_error = 'the answer is no feed'")


def _old_news(bench: TradingBench) -> None:
    """The feeds answer, and have had nothing new for two days."""
    subscribe_wire(bench.db)
    bench.run(
        "UPDATE feed_state SET max_age_h = 24, last_succeeded_at = subscribed_at,"
        f" newest_item_at = subscribed_at - {_TWO_DAYS}"
    )


CELLS = (
    Cell("quotes", COLUMNS[0], _no_market),
    Cell("quotes", COLUMNS[1], _old_quotes),
    Cell("quotes", COLUMNS[2], _one_sided),
    Cell("quotes", "implausible", _implausible),
    Cell(
        "position manager",
        COLUMNS[1],
        _run(f"UPDATE pipeline_runs SET tick = tick - {_TEN_MINUTES}"),
    ),
    Cell("position manager", COLUMNS[2], _run("UPDATE pipeline_runs SET status = 'abandoned'")),
    Cell(
        "bars", COLUMNS[1], _run(f"UPDATE lane_telemetry SET ts = ts - {_TEN_MINUTES} WHERE {_ITS}")
    ),
    Cell("bars", COLUMNS[2], _run(f"UPDATE lane_telemetry SET ts = ts - {_TWO_DAYS} WHERE {_ITS}")),
    Cell(
        "features", COLUMNS[1], _run(f"UPDATE lane_features SET ts = ts - {_TWO_DAYS} WHERE {_ITS}")
    ),
    Cell(
        "features", COLUMNS[2], _run("UPDATE lane_features SET ticker = 'QQQ' WHERE ticker = 'BBB'")
    ),
    Cell("VIX", COLUMNS[1], _run("UPDATE vix_history SET day = day - 9")),
    Cell("VIX", COLUMNS[2], _run("UPDATE vix_history SET day = day + 99")),
    Cell("news", COLUMNS[0], _no_news),
    Cell("news", COLUMNS[1], _old_news),
    Cell("news", COLUMNS[2], _run("DELETE FROM feed_state")),
    Cell("calendar", COLUMNS[2], _no_session),
    Cell("clock", "behind", _clock_behind),
    Cell("clock", "ahead", _clock_ahead),
    Cell("broker account", COLUMNS[0], _fails("account")),
    Cell("positions list", COLUMNS[0], _fails("positions")),
    Cell("positions list", COLUMNS[1], _yesterdays_positions),
    Cell("positions list", COLUMNS[2], _no_positions),
    Cell("orders list", COLUMNS[0], _fails("orders_since")),
    Cell("orders list", COLUMNS[2], _unlisted),
    Cell("resting orders list", COLUMNS[0], _fails("resting_orders")),
    Cell("order look-up", COLUMNS[0], _fails("order_by_client_id")),
    Cell("fills list", COLUMNS[0], _fails("fills_since")),
    Cell("fills list", COLUMNS[2], _no_fills),
    Cell("deposits and fees list", COLUMNS[0], _fails("cash_activities_since")),
    Cell("asset status", COLUMNS[0], _fails("is_tradable")),
    Cell("asset status", "not tradable", _untradable),
    Cell("exchanges' halts", COLUMNS[0], _halts_unread),
    Cell("exchanges' halts", "the ticker is named", _halted),
)


def entries(cell: Cell, bench: TradingBench) -> str:
    number = bench.recommend("BBB")
    bench.dispatch()
    row = bench.recommendation(number)
    gates = row["risk_gate_json"] or {}
    gates = json.loads(gates) if isinstance(gates, str) else gates
    refused = sorted(name for name, verdict in gates.items() if not verdict["passed"])
    told = f"refused: {', '.join(refused)}" if refused else "as usual"
    if cell.what == "news":
        return f"{told}, alert {_news_alert(bench)}"
    return told + (f", alert {_halt_alert(bench)}" if cell.what == "exchanges' halts" else "")


def _halt_alert(bench: TradingBench) -> str:
    """What the healthcheck says of it, of tickers that are watched or held."""
    with bench.db.transaction() as tx:
        return ", ".join(sorted({it.kind for it in examine_halts(tx, bench.clock.now())}))


def _news_alert(bench: TradingBench) -> str:
    """What the healthcheck says once it has lasted: from the rows as they are then."""
    with bench.db.transaction() as tx:
        found = examine_news(tx, bench.tick + timedelta(days=1))
    return ", ".join(it.kind for it in found if not it.passed)


def exits(bench: TradingBench) -> str:
    try:
        bench.guard()
        failed = ""
    except StageFailed:
        failed = ", the run fails and alerts"
    sent = bench.orders("exit")
    alerts = sorted(set(bench.alerts()) - {"stage_failed"})
    alerted = f", alert {', '.join(alerts)}" if alerts else ""
    assert bench.position()["status"] != "closed"
    return f"{'as usual' if sent else 'wait'}{failed}{alerted}"


@pytest.fixture(scope="module")
def table() -> dict[str, str]:
    return {}


@pytest.mark.parametrize("cell", CELLS, ids=[f"{cell.what}, {cell.how}" for cell in CELLS])
def test_no_entry_is_made_on_what_is_unknown_and_nothing_is_closed_without_evidence(
    db: Database, table: dict[str, str], cell: Cell
) -> None:
    bench = TradingBench(db)
    bench.buy("AAA")
    bench.clock.advance(60)
    bench.quote("AAA", "90.00", "90.02")
    bench.quote("BBB")
    cell.spoil(bench)
    table[f"{cell.what}, {cell.how}"] = (
        f"| {cell.what} | {cell.how} | {entries(cell, bench)} | {exits(bench)} |"
    )
    assert len(bench.orders("entry")) == 1 or cell.what.endswith(
        ("list", "look-up", "news", "halts")
    )


def test_without_postgres_nothing_is_sent_and_the_resting_stop_is_left_alone(
    db: Database, table: dict[str, str]
) -> None:
    bench = TradingBench(db)
    bench.buy("AAA")
    bench.next_minute()
    bench.guard()
    bench.recommend("AAA")
    bench.next_minute(AAA=("90.00", "90.02"))
    asked = (len(bench.broker.submitted), bench.broker.calls.count("cancel"))
    with socket.socket() as nobody, closing(Database(_at(nobody), application_name="gone")) as gone:
        gateway = replace(bench.gateway(), db=gone)
        for run in (dispatcher.run, position_manager.run):
            with pytest.raises(DatabaseUnavailable):
                run(
                    AccountRequest(tick=bench.tick, account="large"),
                    gateway.ctx,
                    db=gone,
                    gateway=gateway,
                    market=bench.reader(),
                )
    assert (len(bench.broker.submitted), bench.broker.calls.count("cancel")) == asked
    (stop,) = [it for it in bench.broker.orders.values() if it.order_type == "stop"]
    assert stop.raw_status == "new"
    table["Postgres"] = (
        f"| Postgres | {COLUMNS[0]} | the run fails, nothing is sent"
        " | wait, the run fails and alerts; the stop at the broker rests |"
    )


def _at(bound: socket.socket) -> ConnectionTarget:
    """A port that nobody listens on."""
    bound.bind(("127.0.0.1", 0))
    return target_from_url(f"postgresql://nobody@127.0.0.1:{bound.getsockname()[1]}/none")


def test_the_page_says_what_the_code_does(table: dict[str, str]) -> None:
    if len(table) < len(CELLS) + 1:
        pytest.skip("only when all cells ran")
    page = HEAD + "\n".join(table.values()) + "\n"
    if os.environ.get("REWRITE_DOCS"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page
