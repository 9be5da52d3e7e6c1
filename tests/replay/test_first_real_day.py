"""A first real day, from an empty database to the last exit, as a person has it.

Keys of one account alone, shares and a coin from before in it, quotes of one venue that are wide,
a volatility index that does not answer, a feed that serves a block page.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from ops_local.synthetic import generate
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.parameters import Parameters
from tests.replay import first_day
from tests.replay.conftest import server_home
from tests.replay.first_day import BLOCKED_FEED, HELD, KEYED, FirstDay

# In every run a morning: its trades last a quarter of an hour, and the person halts early.
MORNING = pytest.param(((10, 0), 15, (10, 40), (11, 0)), id="morning")
# With the index so late that the first signals come before it.
WHOLE = pytest.param(((10, 30), 60, None, (16, 25)), id="whole day", marks=pytest.mark.slow)
# Rules that ask no price.
TIMED = ("time", "session_end")


@pytest.fixture(scope="module", params=[MORNING, WHOLE])
def day(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FirstDay]:
    vix_from, minutes, halt, until = request.param
    folder = tmp_path_factory.mktemp("first-day")
    recording = generate(folder / "generated", n_tickers=8)
    with server_home() as home, first_day.arranged(home, recording, folder) as arranged:
        codes = first_day.set_up(arranged, folder, minutes=minutes)
        assert set(codes.values()) == {0}, codes
        arranged.vix_from = arranged.at(*vix_from)
        arranged.code = first_day.trade(arranged, home, halt=halt, until=arranged.at(*until))
        with first_day.stored(arranged):
            yield arranged


def test_entries_wait_for_the_volatility_index(day: FirstDay) -> None:
    entries = day.rows("SELECT decided_at FROM orders WHERE purpose = 'entry'")
    assert len(entries) >= 3
    assert min(row["decided_at"] for row in entries) >= day.vix_from
    (reading,) = day.rows("SELECT source, close FROM vix_history")
    assert reading == {"source": "vix", "close": day.recording.vix_previous_close}


def test_every_price_is_near_the_market_s_and_none_was_decided_on_a_wide_quote(
    day: FirstDay,
) -> None:
    orders = day.rows("SELECT * FROM orders")
    assert orders
    for order in orders:
        last = last_close(day, order["symbol"], order["decided_at"])
        if order["price"] is not None:
            assert abs(order["price"] / last - 1) < Decimal("0.03"), order
        was_wide = order["decided_at"] in day.wide.get(order["symbol"], ())
        by_price = order["purpose"] == "exit" and order["reason"] not in TIMED
        assert not (was_wide and (order["purpose"] == "entry" or by_price)), order
    for fill in day.rows("SELECT * FROM fills"):
        last = last_close(day, fill["symbol"], fill["executed_at"])
        assert abs(fill["price"] / last - 1) < Decimal("0.005"), fill
    (seen,) = day.rows(
        "SELECT sum(CAST(counts ->> 'implausible' AS int)) AS quotes FROM pipeline_runs"
        " WHERE stage = 'position_manager'"
    )
    assert seen["quotes"] >= 3


def last_close(day: FirstDay, symbol: str, moment: datetime) -> Decimal:
    """The close of the last bar that was over by then."""
    return [bar.close for bar in day.recording.bars[symbol] if bar.ts + MINUTE <= moment][-1]


def test_what_was_there_before_is_left_alone(day: FirstDay) -> None:
    shares = HELD[0][0]
    assert day.rows("SELECT 1 FROM orders WHERE symbol = :symbol", symbol=shares) == []
    refused = day.rows(
        "SELECT risk_gate_json -> 'external_holding' ->> 'passed' AS passed"
        " FROM dispatch_recommendations"
        " WHERE ticker = :symbol AND account_name = :account AND status = 'SKIPPED'",
        symbol=shares,
        account=KEYED.name,
    )
    assert {row["passed"] for row in refused} == {"false"}
    assert {(row.symbol, str(row.quantity)) for row in day.books().positions} == {
        (symbol, quantity) for symbol, quantity, _, _ in HELD
    }
    (account,) = day.rows(
        "SELECT kill_switch, books_halt FROM accounts WHERE account_name = :name", name=KEYED.name
    )
    assert account == {"kill_switch": None, "books_halt": None}


def test_every_position_is_closed_in_its_time_and_booked(day: FirstDay) -> None:
    positions = day.rows(
        "SELECT p.*, h.verified FROM active_positions AS p"
        " LEFT JOIN position_history AS h ON h.position_id = p.id"
    )
    assert len(positions) >= 3
    for position in positions:
        assert (position["status"], position["verified"]) == ("closed", True), position
        longest = timedelta(minutes=position["max_hold_minutes"] + 3)
        assert position["closed_at"] - position["entry_time"] <= longest
    assert day.books().orders
    assert day.rows("SELECT 1 FROM orders WHERE account_name <> :name", name=KEYED.name) == []


def test_no_invariant_is_broken_and_each_comparison_agrees(day: FirstDay) -> None:
    assert day.breaches() == []
    compared = day.rows("SELECT account_name, tick, result FROM broker_comparisons")
    assert {(row["account_name"], row["result"]) for row in compared} == {(KEYED.name, "agrees")}
    assert len(compared) >= 15
    failed = day.rows("SELECT stage, tick FROM pipeline_runs WHERE status <> 'succeeded'")
    assert (day.code, failed) == (0, [])


def test_the_alerts_are_those_that_a_person_wants_and_no_other(day: FirstDay) -> None:
    alerts = day.rows("SELECT * FROM alerts")
    told = {(row["kind"], row["scope"], row["subject"]): row for row in alerts}
    blocked = day.served.feeds[BLOCKED_FEED]
    lasting = ("position_unpriced", KEYED.name, day.lasting)
    volatility = ("volatility_unknown", "*", "vix_history")
    no_keys, feed = ("account_not_configured", "tiny", "tiny"), ("feed_failing", "*", blocked)
    # The generated session has one ticker without bars and quotes for nine minutes.
    silent = [("ticker_halted", "*", ticker) for ticker in silent_tickers(day)]
    # Only where ideas came before the index.
    refused = [("entries_refused", KEYED.name, KEYED.name)] * (day.vix_from > day.at(10, 20))
    assert sorted(told) == sorted([no_keys, feed, volatility, lasting, *silent, *refused])
    assert [told[key]["details"]["gates"] for key in refused] == [["vix_regime"]] * len(refused)
    assert len(alerts) == len(told)
    assert {row["severity"] for row in alerts} == {"warning"}
    assert {key for key, row in told.items() if row["resolved_at"] is None} == {no_keys, feed}
    # Before the open, while something can be done; and over as soon as the index answers.
    assert told[volatility]["opened_at"] == day.at(8, 45)
    assert told[volatility]["resolved_at"] - day.vix_from <= timedelta(minutes=5)
    assert 'a web page titled "Just a moment..."' in told[feed]["message"]


def silent_tickers(day: FirstDay) -> list[str]:
    """Those that had neither a bar nor a quote for longer than `silence_minutes` so far."""
    after = timedelta(minutes=Parameters().telemetry.silence_minutes + 1)
    opens, now = day.at(9, 30), min(day.clock.now(), day.at(16, 0))
    return [
        ticker
        for ticker, bars in day.recording.bars.items()
        if any(
            later.ts - bar.ts > after
            and not any(bar.ts + MINUTE < it.ts < later.ts for it in day.recording.quotes[ticker])
            for bar, later in pairwise(it for it in bars if opens <= it.ts < now)
        )
    ]


def test_a_person_who_watches_reads_of_each_alert_and_each_trade(day: FirstDay) -> None:
    for row in day.rows("SELECT kind, message FROM alerts"):
        assert f"ALERT warning {row['kind']}" in day.said
        assert row["message"] in day.said
    assert "note   tiny: it does not trade: tiny has no keys" in day.said
    assert "Stopped. No failures." in day.said
    trades = day.rows("SELECT symbol FROM active_positions")
    assert day.said.count(f"{KEYED.name} opened") == len(trades)
    assert day.said.count(f"{KEYED.name} closed") == len(trades)
