"""Conditions of accounts and assets, behaviours and rotated keys, at the exchange."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.conditions import BEHAVIOURS, TRADING_STATUSES
from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from ops_local.exchange.market.sessions import session_of
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.alpaca_indices import AlpacaVix
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.market import NEW_YORK
from ops_pipeline.errors import BrokerRejected, FeedUnavailable
from ops_pipeline.ports import VixReading
from tests.contract.paper_street import (
    LARGE,
    TINY,
    Minute,
    ask,
    at,
    look,
    open_exchange,
    order,
    own,
    place,
)
from tests.contract.published import TRADING, complaints, published_words, require_published

NOT_AUTHORIZED = (403, "account is not authorized to trade")
SELL_STOP: dict[str, Any] = {"side": "sell", "type": "stop", "limit_price": None}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        yield running


def placing(exchange: RunningExchange, **changes: object) -> tuple[int, str]:
    """Status and message of an order."""
    status, answer = ask(exchange, "POST", "/v2/orders", order(**changes))
    return status, str(answer.get("message", ""))


def account(exchange: RunningExchange) -> dict[str, Any]:
    return dict(ask(exchange, "GET", "/v2/account")[1])


def test_each_published_status_is_shown_and_only_two_of_them_trade(
    exchange: RunningExchange,
) -> None:
    require_published()
    for status in published_words("AccountStatus"):
        exchange.set_account("large", status=status)
        shown = account(exchange)
        assert (shown["status"], complaints(TRADING, "Account", shown)) == (status, [])
        accepted = placing(exchange)[0] == 200
        assert accepted is (status in TRADING_STATUSES), status


def test_a_status_that_nobody_published_does_not_trade(exchange: RunningExchange) -> None:
    exchange.set_account("large", status="AML_REVIEW")
    assert account(exchange)["status"] == "AML_REVIEW"
    assert placing(exchange) == NOT_AUTHORIZED


@pytest.mark.parametrize("flag", ["trading_blocked", "account_blocked"])
def test_a_blocked_account_places_no_order_and_can_be_released(
    exchange: RunningExchange, flag: str
) -> None:
    require_published()
    exchange.set_account("large", **{flag: True})
    shown = account(exchange)
    assert (shown[flag], complaints(TRADING, "Account", shown)) == (True, [])
    assert placing(exchange) == NOT_AUTHORIZED
    assert ask(exchange, "POST", "/v2/orders", order(), account=TINY)[0] == 200
    exchange.set_account("large", **{flag: False})
    assert placing(exchange)[0] == 200


def test_a_blocked_account_cancels_nothing_and_one_blocked_for_trading_does(
    exchange: RunningExchange,
) -> None:
    resting = place(exchange, limit_price="9")
    exchange.set_account("large", account_blocked=True)
    assert ask(exchange, "DELETE", f"/v2/orders/{resting}")[0] == 403
    exchange.set_account("large", account_blocked=False, trading_blocked=True)
    assert ask(exchange, "DELETE", f"/v2/orders/{resting}")[0] == 204


def test_trading_that_the_user_suspended_refuses_orders_in_other_words(
    exchange: RunningExchange,
) -> None:
    exchange.set_account("large", trade_suspended_by_user=True)
    assert placing(exchange) == (403, "new orders are rejected by user request")
    assert ask(exchange, "GET", "/v2/account/configurations")[1]["suspend_trade"] is True


def test_options_level_and_shorting_are_what_was_set(exchange: RunningExchange) -> None:
    require_published()
    exchange.set_account("large", options_trading_level=0, no_shorting=False)
    assert (account(exchange)["options_trading_level"], account(exchange)["shorting_enabled"]) == (
        0,
        True,
    )
    configured = ask(exchange, "GET", "/v2/account/configurations")[1]
    assert configured["no_shorting"] is False
    assert complaints(TRADING, "AccountConfigurations", configured) == []
    exchange.set_account("large", no_shorting=None)
    assert ask(exchange, "GET", "/v2/account/configurations")[1]["no_shorting"] is True


@pytest.mark.parametrize("condition", [{"status": "inactive"}, {"tradable": False}])
def test_an_asset_that_is_not_tradable_refuses_orders_and_fills_none(
    exchange: RunningExchange, condition: dict[str, Any]
) -> None:
    require_published()
    own(exchange, 10)
    waiting = place(exchange, limit_price="11", side="sell")
    exchange.set_asset("AAA", **condition)
    shown = ask(exchange, "GET", "/v2/assets/AAA")[1]
    assert (shown["tradable"], complaints(TRADING, "Assets", shown)) == (False, [])
    status, message = placing(exchange, side="sell", limit_price="9")
    assert (status, message.startswith("asset AAA is not ")) == (422, True)
    assert placing(exchange, symbol="BBB")[0] == 200
    ask(exchange, "PATCH", f"/v2/orders/{waiting}", {"limit_price": "9"})
    exchange.set_clock(at("10:33"))
    assert look(exchange, waiting)["status"] == "new"
    exchange.set_asset("AAA", status="active", tradable=True)
    assert placing(exchange, side="sell", qty="1", symbol="BBB", limit_price="9")[0] == 200


def test_a_resting_order_waits_while_its_asset_is_not_tradable(exchange: RunningExchange) -> None:
    waiting = place(exchange, qty="250")
    exchange.set_asset("AAA", tradable=False)
    exchange.set_clock(at("10:40"))
    assert look(exchange, waiting)["filled_qty"] == "100"
    exchange.set_asset("AAA", tradable=True)
    exchange.set_clock(at("10:42"))
    assert look(exchange, waiting)["status"] == "filled"


def test_an_inactive_asset_is_listed_as_inactive_only(exchange: RunningExchange) -> None:
    exchange.set_asset("AAA", status="inactive")

    def listed(status: str) -> list[str]:
        return [it["symbol"] for it in ask(exchange, "GET", f"/v2/assets?status={status}")[1]]

    assert (listed("active"), listed("inactive")) == (["BBB"], ["AAA"])


def test_a_stop_through_the_market_triggers_at_once_where_that_is_set(
    exchange: RunningExchange,
) -> None:
    own(exchange, 10)
    exchange.set_behaviour("stop_through_market", "trigger")
    assert look(exchange, place(exchange, **SELL_STOP, stop_price="10.5"))["status"] == "filled"


@pytest.mark.parametrize(
    ("side", "through", "fine"), [("sell", "10", "9.99"), ("buy", "10.02", "10.03")]
)
def test_a_stop_through_the_market_is_refused_in_alpaca_s_words(
    exchange: RunningExchange, side: str, through: str, fine: str
) -> None:
    if side == "sell":
        own(exchange, 10)
    stop = {**SELL_STOP, "side": side}
    word = "less" if side == "sell" else "greater"
    told = f"stop price must be {word} than current price"
    assert placing(exchange, **stop, stop_price=through) == (422, told)
    assert look(exchange, place(exchange, **stop, stop_price=fine))["status"] == "new"


def test_our_adapter_takes_that_refusal_for_a_no(exchange: RunningExchange) -> None:
    own(exchange, 10)
    broker = AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)
    stop = OrderRequest(
        client_order_id="ours",
        symbol="AAA",
        side="sell",
        quantity=Decimal(10),
        order_type="stop",
        price=Decimal("10.5"),
        time_in_force="gtc",
    )
    with pytest.raises(BrokerRejected, match="stop price must be less than current price"):
        broker.submit(stop)
    assert broker.order_by_client_id("ours") is None


def test_a_stop_through_the_market_is_accepted_and_then_rejected_where_that_is_set(
    exchange: RunningExchange,
) -> None:
    own(exchange, 10)
    exchange.set_behaviour("stop_through_market", "reject")
    rejected = look(exchange, place(exchange, **SELL_STOP, stop_price="10.5"))
    assert (rejected["status"], rejected["filled_qty"]) == ("rejected", "0")
    assert ask(exchange, "GET", "/v2/positions/AAA")[1]["qty_available"] == "10"


def test_activities_are_filtered_by_order_where_that_is_honoured(
    exchange: RunningExchange,
) -> None:
    first, second = place(exchange), place(exchange, symbol="BBB")
    exchange.add_activity("large", "FEE", "-1")

    def orders(path: str) -> list[str]:
        found = ask(exchange, "GET", f"/v2/account/activities{path}")[1]
        return sorted(it.get("order_id", "none") for it in found)

    assert orders(f"?order_id={first}") == sorted([first, second, "none"])
    exchange.set_behaviour("activities_order_id", "honoured")
    assert orders(f"?order_id={first}") == [first]
    assert orders(f"/FILL?order_id={second}") == [second]
    assert orders("?order_id=unknown") == []


def test_a_repeated_id_is_refused_in_another_wording_where_that_is_set(
    exchange: RunningExchange,
) -> None:
    place(exchange, client_order_id="once")
    assert placing(exchange, client_order_id="once")[1] == "client_order_id must be unique"
    exchange.set_behaviour("duplicate_client_order_id", "already_exists")
    assert placing(exchange, client_order_id="once") == (422, "client order id already exists")


def test_a_free_plan_shows_what_all_venues_did_after_a_while(exchange: RunningExchange) -> None:
    refused = (403, {"message": "subscription does not permit querying recent SIP data"})

    def shown(route: str, feed: str = "sip", more: str = "") -> tuple[int, Any]:
        return ask(exchange, "GET", f"/v2/stocks/{route}?symbols=AAA&feed={feed}{more}")

    assert shown("quotes/latest")[0] == 200
    exchange.set_behaviour("sip_feed", "delayed")
    for route in ("quotes/latest", "trades/latest", "bars/latest", "snapshots"):
        assert shown(route) == refused
        assert shown(route, "iex")[0] == 200
    assert shown("bars", more="&timeframe=1Min&end=2013-10-07T14:17:00Z") == refused
    status, answer = shown("bars", more="&timeframe=1Min&limit=1&sort=desc")
    assert (status, answer["bars"]["AAA"][0]["t"]) == (200, "2013-10-07T14:15:00Z")


def test_indices_are_refused_or_the_one_before_the_day_is_served(exchange: RunningExchange) -> None:
    def vix(more: str = "", symbols: str = "VIX") -> tuple[int, Any]:
        return ask(exchange, "GET", f"/v1beta1/indices/values?symbols={symbols}{more}")

    no_plan = {"message": "subscription does not permit querying index data"}
    assert vix() == (403, no_plan)
    assert ask(exchange, "GET", "/v1beta1/indices/latest/values?symbols=VIX") == (403, no_plan)
    exchange.set_behaviour("indices", "served")
    value = {"t": "2013-10-04T20:15:00Z", "v": 16.7}
    assert vix() == (200, {"values": {"VIX": [value]}, "next_page_token": None})
    assert vix(symbols="SPX,VIX")[1]["values"] == {"VIX": [value]}
    assert vix(symbols="SPX")[1]["values"] == {}
    assert vix(symbols="")[0] == 400
    assert vix("&end=2013-10-04T20:14:00Z")[1]["values"] == {}
    assert vix("&start=2013-10-04T20:16:00Z")[1]["values"] == {}
    latest = ask(exchange, "GET", "/v1beta1/indices/latest/values?symbols=VIX")
    assert latest == (200, {"values": {"VIX": value}})


def test_the_pipelines_own_client_reads_the_index_there(exchange: RunningExchange) -> None:
    index = AlpacaVix(url=exchange.url, key_id=LARGE.key_id, secret_key=LARGE.secret_key)
    last = session_of(date(2013, 10, 4))
    assert last is not None
    with pytest.raises(FeedUnavailable, match="does not permit querying index data"):
        index.readings(last)
    exchange.set_behaviour("indices", "served")
    assert index.readings(last) == [VixReading(last.day, 16.7)]


def test_rotated_keys_open_another_account_and_the_old_ones_nothing(
    exchange: RunningExchange,
) -> None:
    exchange.rotate_keys("large", "key-new", "secret-new", opens="tiny")
    rotated = replace(LARGE, key_id="key-new", secret_key="secret-new")
    assert ask(exchange, "GET", "/v2/account")[0] == 401
    assert ask(exchange, "GET", "/v2/account", account=rotated)[1]["account_number"] == "PA-TINY"
    assert ask(exchange, "GET", "/v2/account", account=TINY)[0] == 200
    exchange.rotate_keys("large", "key-newer", "secret-new")
    assert ask(exchange, "GET", "/v2/account", account=rotated)[0] == 401
    newer = replace(rotated, key_id="key-newer")
    assert ask(exchange, "GET", "/v2/account", account=newer)[1]["account_number"] == "PA-LARGE"


def test_the_same_keys_may_come_to_open_another_account(exchange: RunningExchange) -> None:
    exchange.rotate_keys("large", LARGE.key_id, LARGE.secret_key, opens="tiny")
    assert account(exchange)["account_number"] == "PA-TINY"


def test_conditions_and_behaviours_survive_a_restart_and_rotated_keys_do_not(
    tmp_path: Path,
) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_account("large", status="ACCOUNT_UPDATED")
        exchange.set_behaviour("stop_through_market", "reject")
        exchange.rotate_keys("large", "key-new", "secret-new")
        before = exchange.tables()
    with open_exchange(tmp_path) as again:
        assert again.tables() == before
        assert account(again)["status"] == "ACCOUNT_UPDATED"


def test_what_can_not_be_set_is_refused(exchange: RunningExchange) -> None:
    before = exchange.tables()
    wrongs: tuple[Callable[[], object], ...] = (
        lambda: exchange.set_account("nobody", status="ACTIVE"),
        lambda: exchange.set_account("large", status=""),
        lambda: exchange.set_account("large", mood="bad"),
        lambda: exchange.set_account("large", trading_blocked="yes"),
        lambda: exchange.set_account("large", options_trading_level=9),
        lambda: exchange.set_account("large", options_trading_level=True),
        lambda: exchange.set_asset("ZZZ", tradable=False),
        lambda: exchange.set_asset("AAA", tradable="no"),
        lambda: exchange.set_asset("AAA", status="gone"),
        lambda: exchange.set_behaviour("stop_through_market", "explode"),
        lambda: exchange.set_behaviour("mood", "bad"),  # type: ignore[arg-type]
        lambda: exchange.rotate_keys("nobody", "k", "s"),
        lambda: exchange.rotate_keys("large", TINY.key_id, "s"),
        lambda: exchange.rotate_keys("large", "", "s"),
        lambda: exchange.rotate_keys("large", "k", "s", opens="nobody"),
    )
    for wrong in wrongs:
        with pytest.raises(ExchangeFailed, match="422"):
            wrong()
    assert exchange.tables() == before
    assert account(exchange)["account_number"] == "PA-LARGE"


def test_each_value_of_a_behaviour_stands_in_a_test_that_sets_it() -> None:
    files = sorted(Path(__file__).parent.glob("test_exchange_*.py"))
    texts = [file.read_text(encoding="utf-8") for file in files]
    for name, (_, *others) in BEHAVIOURS.items():
        setting = [text for text in texts if f'set_behaviour("{name}", ' in text]
        for value in others:
            assert any(f'"{value}"' in text for text in setting), (name, value)


def served(exchange: RunningExchange, *, until: str) -> dict[str, int]:
    """Volume by minute of what the vendor serves of AAA's last five minutes."""
    vendor = AlpacaMarketData(
        url=exchange.url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed="iex"
    )
    bars = vendor.bars(["AAA"], at("10:25"), at(until))
    return {f"{bar.ts.astimezone(NEW_YORK):%H:%M}": bar.volume for bar in bars}


def test_a_minute_may_be_published_a_few_seconds_late(exchange: RunningExchange) -> None:
    assert "10:30" in served(exchange, until="10:31")
    exchange.set_behaviour("bar_publication", "late")
    assert "10:30" not in served(exchange, until="10:31")
    assert "10:29" in served(exchange, until="10:31")
    exchange.set_clock(at("10:31") + timedelta(seconds=2.9))
    assert "10:30" not in served(exchange, until="10:31")
    exchange.set_clock(at("10:31") + timedelta(seconds=6))
    assert "10:30" in served(exchange, until="10:31")


def test_a_late_minute_may_be_recalculated_half_a_minute_later(exchange: RunningExchange) -> None:
    whole = served(exchange, until="10:31")["10:30"]
    exchange.set_behaviour("bar_publication", "late_and_recalculated")
    exchange.set_clock(at("10:31") + timedelta(seconds=6))
    first = served(exchange, until="10:31")
    assert first["10:30"] == whole - whole // 10
    assert first["10:29"] == whole
    exchange.set_clock(at("10:31") + timedelta(seconds=30))
    assert served(exchange, until="10:31")["10:30"] == whole


def test_one_venue_sees_a_thin_and_gappy_share_of_the_volume_and_the_same_each_time(
    tmp_path: Path,
) -> None:
    quiet = {("AAA", f"10:{minute:02}"): Minute(volume=900) for minute in range(31)}
    with open_exchange(tmp_path, quiet) as exchange:
        exchange.set_clock(at("10:31"))
        vendor = AlpacaMarketData(
            url=exchange.url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed="iex"
        )
        whole = vendor.bars(["AAA"], at("10:00"), at("10:31"))
        exchange.set_behaviour("venue", "one_venue")
        thin = vendor.bars(["AAA"], at("10:00"), at("10:31"))
        again = vendor.bars(["AAA"], at("10:00"), at("10:31"))
    assert thin == again
    assert 0 < len(thin) < len(whole) == 31
    assert {bar.volume for bar in thin} == {round(900 / 40)}
