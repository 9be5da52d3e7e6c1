"""Halts at the paper exchange: orders rest, quotes stand still, the asset does not tell."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_local.recordings import recording
from ops_local.recordings.halts import RecordedHalt
from ops_local.recordings.recording import InvalidRecording
from tests.contract.paper_street import (
    LARGE,
    ask,
    at,
    look,
    open_exchange,
    own,
    place,
    write_market,
)
from tests.support.exchange_thread import ExchangeThread

SELL_STOP: dict[str, Any] = {
    "side": "sell",
    "type": "stop",
    "stop_price": "10.5",
    "limit_price": None,
}


def quoted_at(exchange: RunningExchange) -> str:
    return str(
        ask(exchange, "GET", "/v2/stocks/quotes/latest?symbols=AAA")[1]["quotes"]["AAA"]["t"]
    )


def test_in_a_halted_symbol_orders_rest_and_fill_once_trading_resumes(
    exchange: RunningExchange,
) -> None:
    exchange.set_halt("AAA", halted=True)
    halted, other = place(exchange), place(exchange, symbol="BBB")
    assert look(exchange, halted)["status"] == "new"
    assert look(exchange, other)["status"] == "filled"
    exchange.set_clock(at("11:00"))
    assert look(exchange, halted)["status"] == "new"
    exchange.set_halt("AAA", halted=False)
    exchange.set_clock(at("11:05"))
    assert look(exchange, halted)["status"] == "filled"


def test_quotes_and_bars_stand_still_and_the_asset_does_not_tell(
    exchange: RunningExchange,
) -> None:
    before = quoted_at(exchange)
    exchange.set_halt("AAA", halted=True)
    exchange.set_clock(at("11:00"))
    assert quoted_at(exchange) == before
    bars = ask(exchange, "GET", f"/v2/stocks/bars?symbols=AAA&timeframe=1Min&start={before}")[1]
    assert bars["bars"] == {}
    asset = ask(exchange, "GET", "/v2/assets/AAA")[1]
    assert (asset["status"], asset["tradable"]) == ("active", True)
    exchange.set_halt("AAA", halted=False)
    exchange.set_clock(at("11:05"))
    assert quoted_at(exchange) > before


def test_no_stop_is_through_a_market_that_stands_still(exchange: RunningExchange) -> None:
    own(exchange, 10)
    exchange.set_halt("AAA", halted=True)
    assert look(exchange, place(exchange, **SELL_STOP))["status"] == "new"


def test_a_halt_survives_a_restart(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:30"))
        exchange.set_halt("AAA", halted=True)
    with open_exchange(tmp_path) as again:
        assert look(again, place(again))["status"] == "new"


@pytest.mark.parametrize(("ticker", "reason"), [("AAA", "LUDP"), ("*", "MWC1")])
def test_a_recording_brings_its_halts(tmp_path: Path, ticker: str, reason: str) -> None:
    folder = write_market(tmp_path / "market")
    halt = RecordedHalt(ticker, at("10:00"), at("11:00"), reason)
    recording.write(replace(recording.load(folder), halts=[halt]))
    assert recording.load(folder).halts == [halt]
    with ExchangeThread(folder, tmp_path / "exchange.sqlite", [LARGE]) as exchange:
        exchange.set_clock(at("10:30"))
        order = place(exchange)
        assert look(exchange, order)["status"] == "new"
        exchange.set_clock(at("11:02"))
        assert look(exchange, order)["status"] == "filled"


@pytest.mark.parametrize(
    "line",
    [
        "ZZZ,2013-10-07T15:00:00Z,,T1",
        "AAA,2013-10-07,,T1",
        "AAA,2013-10-07T15:00:00Z,2013-10-07T14:00:00Z,T1",
        "AAA,2013-10-07T15:00:00Z,,",
        "AAA,2013-10-07T15:00:00Z",
        "*,2013-10-07T15:00:00Z,,T1",
        "AAA,2013-10-07T15:00:00Z,,MWC1",
    ],
)
def test_a_malformed_halt_of_a_recording_is_refused_by_its_line(tmp_path: Path, line: str) -> None:
    folder = tmp_path / "market"
    write_market(folder)
    (folder / "halts.csv").write_text(f"ticker,halted_at,resumed_at,reason\n{line}\n")
    with pytest.raises(InvalidRecording, match=r"halts\.csv, line 2"):
        recording.load(folder)
