"""Cash, equity, buying power, positions and executions as the paper exchange books them."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops_local.exchange.launcher import RunningExchange
from tests.contract.paper_street import (
    LARGE,
    MONDAY,
    TINY,
    Minute,
    ask,
    at,
    open_exchange,
    own,
    place,
    trading,
)


def _figures(exchange: RunningExchange, *names: str, tiny: bool = False) -> tuple[Any, ...]:
    account = trading(exchange, TINY if tiny else LARGE).get_account()
    return tuple(Decimal(getattr(account, name)) for name in names)


def _activities(exchange: RunningExchange, query: str = "") -> list[dict[str, Any]]:
    status, answer = ask(exchange, "GET", f"/v2/account/activities/FILL{query}")
    assert status == 200, answer
    return list(answer)


def test_a_purchase_turns_cash_into_shares_at_the_last_close(exchange: RunningExchange) -> None:
    own(exchange, 100)

    cash, value, equity = _figures(exchange, "cash", "long_market_value", "equity")

    assert (cash, value, equity) == (Decimal(98998), Decimal(1000), Decimal(99998))


def test_margin_doubles_the_equity_that_nothing_binds(exchange: RunningExchange) -> None:
    own(exchange, 100)
    place(exchange, symbol="BBB", qty="10", limit_price="9")

    names = ("buying_power", "options_buying_power", "non_marginable_buying_power")

    # 2 x 99,998 less 1,000 of shares and 90 reserved; options are paid in full.
    assert _figures(exchange, *names) == (Decimal(198906), Decimal(99453), Decimal(98908))


def test_under_two_thousand_dollars_only_cash_buys(exchange: RunningExchange) -> None:
    own(exchange, 50, account=TINY)

    names = ("multiplier", "buying_power", "options_buying_power", "cash")
    assert _figures(exchange, *names, tiny=True) == (1, 999, 999, 999)


def test_the_average_price_follows_purchases_and_not_sales(tmp_path: Path) -> None:
    rise = {("AAA", "10:31"): Minute(bid="10.30", ask="10.32")}
    with open_exchange(tmp_path, rise) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 20)
        exchange.set_clock(at("10:32"))
        place(exchange, qty="10", limit_price="11")
        place(exchange, qty="15", side="sell", limit_price="10")

        position = trading(exchange).get_open_position("AAA")

        assert (position.qty, position.avg_entry_price) == ("15", "10.12")
        assert (position.cost_basis, position.market_value) == ("151.8", "154.5")
        assert (position.current_price, position.unrealized_pl) == ("10.3", "2.7")
        assert _figures(exchange, "cash") == (Decimal("99850.90"),)


def test_a_bar_of_no_price_leaves_the_mark_where_it_was(tmp_path: Path) -> None:
    broken = {
        ("AAA", "10:31"): Minute(bid="10.30", ask="10.32"),
        ("AAA", "10:32"): Minute(bid="0", ask="0"),
    }
    with open_exchange(tmp_path, broken) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        exchange.set_clock(at("10:33"))

        assert trading(exchange).get_open_position("AAA").current_price == "10.3"


def test_an_open_sale_lowers_what_is_available_of_a_position(exchange: RunningExchange) -> None:
    own(exchange, 10)
    place(exchange, side="sell", qty="7", limit_price="11")

    position = trading(exchange).get_open_position("AAA")

    assert (position.qty, position.qty_available) == ("10", "3")


def test_a_position_that_was_sold_is_gone(exchange: RunningExchange) -> None:
    own(exchange, 10)
    place(exchange, side="sell", limit_price="10")

    assert trading(exchange).get_all_positions() == []
    assert _figures(exchange, "cash", "equity") == (Decimal("99999.80"), Decimal("99999.80"))


def test_accounts_never_mix(exchange: RunningExchange) -> None:
    own(exchange, 10, account=TINY)

    assert _figures(exchange, "cash") == (100_000,)
    assert trading(exchange).get_all_positions() == []
    assert _activities(exchange) == []
    assert [p.symbol for p in trading(exchange, TINY).get_all_positions()] == ["AAA"]


def test_accounts_say_that_they_do_not_sell_short(exchange: RunningExchange) -> None:
    assert trading(exchange).get_account_configurations().no_shorting is True
    assert trading(exchange).get_account().shorting_enabled is False


def test_every_partial_fill_is_an_activity(exchange: RunningExchange) -> None:
    large = place(exchange, qty="150")
    exchange.set_clock(at("10:32"))

    second, first = _activities(exchange)

    assert {first["order_id"], second["order_id"]} == {large}
    assert (first["type"], first["qty"], first["leaves_qty"]) == ("partial_fill", "100", "50")
    assert (second["type"], second["qty"], second["cum_qty"]) == ("fill", "50", "150")
    assert first["id"].startswith("20131007143100000::")
    assert second["transaction_time"] == "2013-10-07T14:32:00Z"


def test_activities_are_paged_by_the_last_id_seen(exchange: RunningExchange) -> None:
    for _ in range(5):
        place(exchange)

    everything = [activity["id"] for activity in _activities(exchange, "?direction=asc")]
    paged: list[str] = []
    token = ""
    while page := _activities(exchange, f"?direction=asc&page_size=2&page_token={token}"):
        paged += [activity["id"] for activity in page]
        token = paged[-1]

    assert len(set(everything)) == 5
    assert paged == everything
    assert [activity["id"] for activity in _activities(exchange)] == everything[::-1]


def test_activities_are_found_by_time_and_type(exchange: RunningExchange) -> None:
    place(exchange)
    exchange.set_clock(at("10:32"))
    later = place(exchange)

    after = _activities(exchange, "?after=2013-10-07T14:31:00Z&until=2013-10-07T14:33:00Z")
    assert [activity["order_id"] for activity in after] == [later]
    assert len(_activities(exchange, "?date=2013-10-07")) == 2
    assert _activities(exchange, "?date=2013-10-08") == []
    assert ask(exchange, "GET", "/v2/account/activities?activity_types=DIV")[1] == []
    assert len(ask(exchange, "GET", "/v2/account/activities?activity_types=FILL,DIV")[1]) == 2


def test_fills_orders_positions_and_cash_agree_over_a_busy_day(exchange: RunningExchange) -> None:
    for minute in range(32, 52):
        exchange.set_clock(at(f"10:{minute}"))
        place(exchange, qty=str(minute * 3), limit_price="10.02")
        if minute % 4 == 0:
            trading(exchange).cancel_orders()
            place(exchange, qty=str(minute), side="sell", limit_price="9.99")
            trading(exchange).cancel_orders()
    books = exchange.tables()

    signs = {"buy": 1, "sell": -1}
    shares = sum(signs[fill["side"]] * fill["qty"] for fill in books["fills"])
    paid = sum(signs[f["side"]] * f["qty"] * Decimal(f["price"]) for f in books["fills"])
    of_orders = sum(signs[order["side"]] * order["filled_qty"] for order in books["orders"])
    large = next(a for a in books["accounts"] if a["name"] == "large")

    assert shares == of_orders == books["positions"][0]["qty"] > 0
    assert Decimal(large["cash"]) == LARGE.cash - paid


def test_last_equity_is_as_of_four_in_the_afternoon_of_a_half_day_too(tmp_path: Path) -> None:
    """So says Alpaca: what is deposited between its close at 13:00 and then is in it."""
    day = date(2025, 11, 28)
    with open_exchange(tmp_path, day=day, closes="13:00") as exchange:
        exchange.set_clock(at("14:00", day))
        exchange.add_activity("large", "CSD", "1000")
        exchange.set_clock(at("16:30", day))
        exchange.add_activity("large", "CSD", "500")
        exchange.set_clock(at("00:00", day + timedelta(days=1)))
        assert _figures(exchange, "equity", "last_equity") == (101_500, 101_000)


def test_last_equity_is_that_of_the_session_before(tmp_path: Path) -> None:
    rise = {("AAA", "15:59"): Minute(bid="12.00", ask="12.02")}
    with open_exchange(tmp_path, rise) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 100)
        exchange.set_clock(at("23:59"))
        assert _figures(exchange, "equity", "last_equity") == (100_198, 100_000)

        exchange.set_clock(at("00:00", MONDAY + timedelta(days=1)))
        assert _figures(exchange, "equity", "last_equity") == (100_198, 100_198)
        position = trading(exchange).get_open_position("AAA")
        assert (position.lastday_price, position.unrealized_intraday_pl) == ("12", "0")
        assert position.unrealized_pl == "198"
