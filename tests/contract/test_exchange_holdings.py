"""Holdings from before the first day, and in other asset classes, at the exchange."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from tests.contract.paper_street import (
    MONDAY,
    Minute,
    ask,
    at,
    look,
    open_exchange,
    order,
    own,
    place,
)
from tests.contract.published import TRADING, complaints, require_published

TUESDAY = MONDAY + timedelta(days=1)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """Over a day on which AAA opens at 10 and rises to 11 at 10:30."""
    rise = {("AAA", "10:30"): Minute(bid="11.00", ask="11.02")}
    with open_exchange(tmp_path, rise) as running:
        yield running


def account(exchange: RunningExchange) -> dict[str, Decimal]:
    shown = ask(exchange, "GET", "/v2/account")[1]
    return {
        name: Decimal(shown[name])
        for name in ("cash", "equity", "last_equity", "buying_power", "long_market_value")
    }


def position(exchange: RunningExchange, symbol: str) -> dict[str, Any]:
    status, answer = ask(exchange, "GET", f"/v2/positions/{symbol}")
    assert status == 200, answer
    return dict(answer)


def test_shares_from_before_are_a_position_that_was_not_opened_today(
    exchange: RunningExchange,
) -> None:
    require_published()
    exchange.add_holding("large", "AAA", "100", "8")
    exchange.set_clock(at("10:31"))
    held = position(exchange, "AAA")
    assert complaints(TRADING, "Position", held) == []
    assert (held["qty"], held["avg_entry_price"], held["cost_basis"]) == ("100", "8", "800")
    assert (held["unrealized_pl"], held["unrealized_intraday_pl"]) == ("300", "100")
    assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])
    assert ask(exchange, "GET", "/v2/account/activities") == (200, [])


def test_they_count_in_equity_in_last_equity_and_in_buying_power(
    exchange: RunningExchange,
) -> None:
    before = account(exchange)
    exchange.add_holding("large", "AAA", "100", "8")
    exchange.set_clock(at("10:31"))
    after = account(exchange)
    assert after["cash"] == before["cash"]
    assert after["equity"] - before["equity"] == 1_100
    assert after["last_equity"] - before["last_equity"] == 1_000
    assert after["buying_power"] - before["buying_power"] == 1_100


def test_they_stay_in_last_equity_when_they_are_sold(exchange: RunningExchange) -> None:
    exchange.add_holding("large", "AAA", "100", "8")
    exchange.set_clock(at("10:31"))
    sold = place(exchange, side="sell", qty="100", limit_price="10.9")
    assert look(exchange, sold)["filled_avg_price"] == "11"
    assert account(exchange)["last_equity"] == 101_000
    assert account(exchange)["equity"] == 101_100


def test_the_close_of_the_first_day_takes_their_place(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.add_holding("large", "AAA", "100", "8")
        exchange.set_clock(at("18:00"))
    with open_exchange(tmp_path, day=TUESDAY) as exchange:
        exchange.set_clock(at("09:31", TUESDAY))
        assert account(exchange)["last_equity"] == account(exchange)["equity"] == 101_000
        # Entered on the second morning, held since before it.
        exchange.add_holding("large", "BBB", "10", "8")
        assert account(exchange)["last_equity"] == account(exchange)["equity"] == 101_100


def test_shares_of_a_company_without_quotes_are_kept_at_cost_and_can_be_ordered(
    exchange: RunningExchange,
) -> None:
    exchange.add_holding("large", "OLD", "7", "20.5", bought_on="2011-03-01")
    exchange.set_clock(at("10:31"))
    assert position(exchange, "OLD")["market_value"] == "143.5"
    assert ask(exchange, "GET", "/v2/assets/OLD")[1]["tradable"] is True
    resting = place(exchange, symbol="OLD", side="sell", qty="7", limit_price="20")
    assert look(exchange, resting)["status"] == "new"


def test_what_is_bought_on_top_joins_the_position(exchange: RunningExchange) -> None:
    exchange.add_holding("large", "AAA", "10", "8")
    exchange.set_clock(at("10:00"))
    own(exchange, 10)
    held = position(exchange, "AAA")
    assert (held["qty"], held["avg_entry_price"]) == ("20", "9.01")


@pytest.mark.parametrize(
    ("symbol", "asset_class", "qty"),
    [("BTCUSD", "crypto", "0.0125"), ("AAA131220C00010000", "us_option", "2")],
)
def test_other_asset_classes_are_shown_and_valued_and_not_traded(
    exchange: RunningExchange, symbol: str, asset_class: str, qty: str
) -> None:
    require_published()
    exchange.add_holding("large", symbol, qty, "40", asset_class=asset_class)
    exchange.set_clock(at("10:31"))
    (held,) = ask(exchange, "GET", "/v2/positions")[1]
    assert complaints(TRADING, "Position", held) == []
    assert (held["asset_class"], held["qty"]) == (asset_class, qty)
    assert account(exchange)["equity"] == account(exchange)["last_equity"]
    assert account(exchange)["long_market_value"] == Decimal(qty) * 40
    assert account(exchange)["buying_power"] == 200_000
    status, answer = ask(exchange, "POST", "/v2/orders", order(symbol=symbol, qty="1"))
    assert (status, answer["message"]) == (422, f'asset "{symbol}" not found')


def test_they_outlive_a_restart(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.add_holding("large", "AAA", "100", "8")
        before = exchange.tables()
    with open_exchange(tmp_path) as again:
        assert again.tables() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"account": "nobody"},
        {"qty": "0.5"},
        {"qty": "-1"},
        {"price": "much"},
        {"asset_class": "art"},
        {"bought_on": "long ago"},
        {"symbol": ""},
        {"colour": "red"},
    ],
)
def test_what_is_no_holding_is_refused(exchange: RunningExchange, changes: dict[str, str]) -> None:
    before = exchange.tables()
    holding = {"account": "large", "symbol": "AAA", "qty": "1", "price": "1", **changes}
    with pytest.raises(ExchangeFailed, match="holding: "):
        exchange.add_holding(**holding)
    assert exchange.tables() == before


def test_the_same_holding_is_added_once(exchange: RunningExchange) -> None:
    exchange.add_holding("large", "AAA", "1", "1")
    with pytest.raises(ExchangeFailed, match="transferred already"):
        exchange.add_holding("large", "AAA", "1", "1")
    assert position(exchange, "AAA")["qty"] == "1"
