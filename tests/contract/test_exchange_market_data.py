"""Bars, quotes and snapshots of the paper exchange, through the real alpaca-py client."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.domain.market import MINUTE
from tests.contract.paper_street import (
    Minute,
    TimeFrame,
    ask,
    at,
    data_requests,
    market_data,
    open_exchange,
)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """At 10:31; AAA traded before the open, and moved at 10:15."""
    changes = {
        ("AAA", "08:00"): Minute(bid="9.90", ask="9.99", volume=7),
        ("AAA", "10:15"): Minute(bid="10.40", ask="10.41"),
    }
    with open_exchange(tmp_path_factory.mktemp("data"), changes) as running:
        running.set_clock(at("10:31"))
        yield running


def _bars(exchange: RunningExchange, *symbols: str, **wanted: object) -> dict[str, list[Any]]:
    request = data_requests.StockBarsRequest(
        symbol_or_symbols=list(symbols), timeframe=TimeFrame.Minute, **wanted
    )
    return dict(market_data(exchange).get_stock_bars(request).data)


def test_bars_start_with_the_day_and_end_with_the_last_finished_minute(
    exchange: RunningExchange,
) -> None:
    bars = _bars(exchange, "AAA")["AAA"]

    assert (bars[0].timestamp, bars[0].volume) == (at("08:00"), 7)
    assert bars[-1].timestamp == at("10:30")
    assert len(bars) == 1 + 61


def test_bars_are_cut_by_start_and_end_both_included(exchange: RunningExchange) -> None:
    bars = _bars(exchange, "AAA", "BBB", start=at("10:14"), end=at("10:15"))

    assert [bar.timestamp for bar in bars["BBB"]] == [at("10:14"), at("10:15")]
    assert [bar.close for bar in bars["AAA"]] == [10.0, 10.4]


def test_pages_of_bars_join_without_gap_or_repetition(exchange: RunningExchange) -> None:
    found: list[tuple[str, str]] = []
    token = ""
    pages = 0
    while token is not None:
        path = "/v2/stocks/bars?symbols=BBB,AAA&timeframe=1Min&limit=50"
        _, page = ask(exchange, "GET", path + (f"&page_token={token}" if token else ""))
        found += [(symbol, bar["t"]) for symbol, bars in page["bars"].items() for bar in bars]
        token = page["next_page_token"]
        pages += 1

    assert pages == 3
    assert len(set(found)) == len(found) == 62 + 61
    assert found == sorted(found)


def test_a_limit_keeps_the_oldest_or_the_newest_bars(exchange: RunningExchange) -> None:
    oldest = _bars(exchange, "BBB", limit=2)
    newest = _bars(exchange, "BBB", limit=2, sort="desc")

    assert [bar.timestamp for bar in oldest["BBB"]] == [at("09:30"), at("09:31")]
    assert [bar.timestamp for bar in newest["BBB"]] == [at("10:30"), at("10:29")]


def test_unknown_symbols_are_left_out(exchange: RunningExchange) -> None:
    assert set(_bars(exchange, "AAA", "ZZZ")) == {"AAA"}
    request = data_requests.StockLatestQuoteRequest(symbol_or_symbols=["AAA", "ZZZ"])
    assert set(market_data(exchange).get_stock_latest_quote(request)) == {"AAA"}


def test_the_latest_quote_is_dated_when_its_minute_ended(exchange: RunningExchange) -> None:
    request = data_requests.StockLatestQuoteRequest(symbol_or_symbols="AAA")
    quote = market_data(exchange).get_stock_latest_quote(request)["AAA"]

    assert quote.timestamp == at("10:30") + MINUTE
    assert (quote.bid_price, quote.bid_size) == (10.0, 100)
    assert (quote.ask_price, quote.ask_size) == (10.02, 100)


def test_a_snapshot_has_the_session_so_far_as_its_day(exchange: RunningExchange) -> None:
    request = data_requests.StockSnapshotRequest(symbol_or_symbols="AAA")
    snapshot = market_data(exchange).get_stock_snapshot(request)["AAA"]

    day = snapshot.daily_bar
    assert (day.open, day.high, day.low, day.close) == (10.0, 10.4, 10.0, 10.0)
    assert (day.volume, day.timestamp) == (61 * 500, at("00:00"))
    assert snapshot.minute_bar.timestamp == at("10:30")


def test_assets_are_the_recordings_tickers(exchange: RunningExchange) -> None:
    _, assets = ask(exchange, "GET", "/v2/assets")

    assert [asset["symbol"] for asset in assets] == ["AAA", "BBB"]
    assert ask(exchange, "GET", f"/v2/assets/{assets[0]['id']}")[1] == assets[0]
    assert ask(exchange, "GET", "/v2/assets?status=inactive")[1] == []


def test_there_is_no_news_yet(exchange: RunningExchange) -> None:
    assert ask(exchange, "GET", "/v1beta1/news")[1] == {"news": [], "next_page_token": None}


def test_time_ahead_of_the_clock_is_empty(exchange: RunningExchange) -> None:
    start = at("10:31")
    assert _bars(exchange, "AAA", start=start, end=start + timedelta(hours=5)) == {}
