"""While trading in a ticker is halted its positions keep their stop: an exit waits."""

from datetime import datetime, timedelta

import pytest

from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.domain.market import minute_of, new_york_time
from ops_pipeline.domain.market_state.trading_halts import HaltNotice
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench

HALT = """
INSERT INTO trading_halts (ticker, source, reason, halted_at, resumed_at, seen_at, listed_at)
VALUES (:ticker, :source, 'T1', :halted_at, CAST(:resumed_at AS timestamptz), :at, :at)
"""


def halt(
    bench: TradingBench,
    ticker: str = "AAA",
    *,
    source: str = "nasdaq_halts",
    at: datetime | None = None,
    resumed_at: datetime | None = None,
) -> None:
    now = bench.clock.now()
    bench.run(
        HALT,
        ticker=ticker,
        source=source,
        halted_at=(at or now) - timedelta(seconds=40),
        resumed_at=resumed_at,
        at=at or now,
    )


def guard(bench: TradingBench, minutes: int = 1) -> None:
    for _ in range(minutes):
        bench.clock.advance(60)
        # Quotes without bars: nothing trades.
        bench.market.quote("AAA", "99.98", "100.00")
        bench.guard()


def stops(bench: TradingBench) -> list[str]:
    return [str(order["status"]) for order in bench.orders("stop")]


@pytest.fixture
def held(bench: TradingBench) -> TradingBench:
    """19 AAA with their stop at the broker, and somebody who wants them sold."""
    bench.buy()
    guard(bench)
    assert stops(bench) == ["accepted"]
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    return bench


def test_an_exit_that_cannot_trade_takes_no_stop_away(held: TradingBench) -> None:
    halt(held)
    guard(held, 3)
    assert stops(held) == ["accepted"]
    assert held.orders("exit") == []
    [alert] = held.rows("SELECT * FROM alerts WHERE kind = 'exit_blocked'")
    for word in ("AAA", "T1", "nasdaq_halts", "halted since"):
        assert word in alert["message"]


def test_a_halt_of_the_whole_market_is_one_of_each_ticker(held: TradingBench) -> None:
    halt(held, "*")
    guard(held)
    assert stops(held) == ["accepted"]


def test_once_trading_resumes_the_exit_goes_out(held: TradingBench) -> None:
    halt(held, resumed_at=held.clock.now() + timedelta(seconds=90))
    guard(held)
    assert held.orders("exit") == []
    guard(held)
    assert len(held.orders("exit")) == 1


@pytest.mark.parametrize("ticker", ["BBB", "A"])
def test_another_s_halt_keeps_no_exit_back(held: TradingBench, ticker: str) -> None:
    halt(held, ticker)
    guard(held)
    assert len(held.orders("exit")) == 1


def test_a_silence_of_our_feed_keeps_no_exit_back(held: TradingBench) -> None:
    halt(held, source="silence")
    guard(held)
    assert len(held.orders("exit")) == 1


def test_a_list_that_nobody_could_read_for_ten_minutes_keeps_no_exit_back(
    held: TradingBench,
) -> None:
    held.clock.advance(11 * 60)  # no minute was traded since
    halt(held, at=held.clock.now() - timedelta(minutes=10))
    guard(held)
    assert len(held.orders("exit")) == 1


def test_nor_does_its_resumption_hours_ahead(held: TradingBench) -> None:
    held.clock.advance(11 * 60)
    before = held.clock.now() - timedelta(minutes=10)
    halt(held, at=before, resumed_at=before + timedelta(hours=3))
    guard(held)
    assert len(held.orders("exit")) == 1


def test_a_minute_that_began_with_the_halt_was_traded_before_it(held: TradingBench) -> None:
    held.clock.advance(60)
    at = minute_of(held.clock.now())
    halt(held, at=at + timedelta(seconds=40))
    held.run(
        "INSERT INTO lane_telemetry VALUES ('AAA', :ts, 100, 100, 100, 100, 5, 'iex', :at)",
        ts=at,
        at=at + timedelta(minutes=1),
    )
    guard(held)
    assert stops(held) == ["accepted"]
    assert held.orders("exit") == []


def test_an_old_halt_that_was_traded_since_hides_none_of_the_whole_market(
    held: TradingBench,
) -> None:
    at = minute_of(held.clock.now())
    halt(held, at=held.clock.now() - timedelta(minutes=5))
    held.run(
        "INSERT INTO lane_telemetry VALUES ('AAA', :ts, 100, 100, 100, 100, 5, 'iex', :at)",
        ts=at - timedelta(minutes=3),
        at=at - timedelta(minutes=2),
    )
    halt(held, "*")
    guard(held)
    assert stops(held) == ["accepted"]
    assert held.orders("exit") == []


def test_a_minute_that_was_traded_since_says_that_there_is_a_market(held: TradingBench) -> None:
    halt(held)
    held.clock.advance(60)
    held.run(
        "INSERT INTO lane_telemetry VALUES ('AAA', :ts, 100, 100, 100, 100, 5, 'iex', :at)",
        ts=minute_of(held.clock.now()),
        at=held.clock.now() + timedelta(minutes=1),
    )
    guard(held)
    assert len(held.orders("exit")) == 1


def test_a_halted_position_without_a_stop_gets_one(held: TradingBench) -> None:
    halt(held)
    held.broker.end(str(held.orders("stop")[0]["client_order_id"]), "canceled")
    guard(held, 2)
    assert stops(held) == ["canceled", "accepted"]
    assert held.orders("exit") == []


def test_an_exit_that_rests_already_is_not_priced_again(held: TradingBench) -> None:
    guard(held)
    [order] = held.orders("exit")
    halt(held)
    guard(held, 3)
    assert [it["status"] for it in held.orders("exit")] == [order["status"]]


def listed(bench: TradingBench, halted_at: datetime, resumed_at: datetime | None = None) -> None:
    """The exchange's whole list, read this minute."""
    notices = [HaltNotice("AAA", "T1", halted_at, resumed_at)]
    with bench.db.transaction() as tx:
        trading_halts.list_them(
            tx, "nasdaq_halts", "https://l", notices, complete=True, now=bench.clock.now()
        )


def test_a_halt_over_the_close_keeps_entries_out_and_the_stop_in_at_the_next_open(
    bench: TradingBench,
) -> None:
    """The session's end and then the time would sell: nothing is sold until trading goes on."""
    bench.buy()
    guard(bench)
    halted_at = new_york_time(DAY, 15, 40)
    for minute in range(15, 30):
        bench.clock.at = halted_at + timedelta(minutes=minute - 10)
        listed(bench, halted_at)
        bench.guard()
    bench.vix(18.0, DAY)
    resumes = new_york_time(DAY_AFTER, 9, 45)
    for minute in range(24):
        bench.clock.at = new_york_time(DAY_AFTER, 9, 25) + timedelta(minutes=minute)
        goes_on = bench.clock.now() >= resumes
        listed(bench, halted_at, resumes if goes_on else None)
        bench.market.quote("AAA", "99.98", "100.00")
        number = bench.recommend(account="tiny")
        bench.dispatch("tiny")
        assert not bench.verdict(number, "trading_halt")["passed"], minute
        if not goes_on:
            bench.guard()
            assert stops(bench) == ["accepted"], minute
            assert bench.orders("exit") == []
    bench.broker.at_once["AAA"] = ("99.98", None)
    guard(bench, 3)
    assert [it["decided_at"] >= resumes for it in bench.orders("exit")] == [True]
    assert bench.position()["status"] == "closed"
    bench.clock.at = resumes + timedelta(minutes=5)
    bench.quote("AAA")
    number = bench.recommend(account="tiny")
    bench.dispatch("tiny")
    assert bench.verdict(number, "trading_halt")["passed"]
