"""One odd item among sound ones, and quotes that mislead: what the exchange's answers then say."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from tests.contract.paper_street import TINY, ask, at, open_exchange, order, own, place
from tests.contract.published import DATA, TRADING, complaints, published_example, require_published

Rule = dict[str, Any]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """Ten AAA and ten BBB were bought, and a BBB order rests."""
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        own(running, 10)
        place(running, symbol="BBB")
        place(running, symbol="BBB", limit_price="9")
        yield running


def read(exchange: RunningExchange, path: str, *rules: Rule) -> Any:
    """The answer with these faults and no others."""
    exchange.set_faults(rules)
    status, answer = ask(exchange, "GET", path)
    exchange.set_faults()
    assert status == 200, answer
    return answer


def changed(exchange: RunningExchange, path: str, rule: Rule) -> list[int]:
    """Which items of a list the fault changes."""
    sound, odd = read(exchange, path), read(exchange, path, rule)
    assert len(sound) == len(odd)
    return [place for place, item in enumerate(odd) if item != sound[place]]


ORDERS, POSITIONS = "/v2/orders?status=all", "/v2/positions"
FILLS = "/v2/account/activities/FILL"
QUOTES = "/v2/stocks/quotes/latest?symbols=AAA,BBB"
BARS = "/v2/stocks/bars?symbols=AAA,BBB&timeframe=1Min"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (ORDERS, "unknown_status"),
        (ORDERS, "empty_order_type"),
        (ORDERS, "illegible_order"),
        (POSITIONS, "illegible_position"),
        (FILLS, "illegible_activity"),
        (ORDERS, "wrong_quantity"),
    ],
)
def test_one_item_of_a_list_is_odd_and_the_others_are_sound(
    exchange: RunningExchange, path: str, kind: str
) -> None:
    assert changed(exchange, path, {"kind": kind}) == [0]
    of_aaa = [n for n, it in enumerate(read(exchange, path)) if it["symbol"] == "AAA"]
    assert changed(exchange, path, {"kind": kind, "symbol": "AAA"}) == of_aaa
    assert changed(exchange, path, {"kind": kind, "symbol": "ZZZ"}) == []


@pytest.mark.parametrize("word", ["pending_review", "invented_word"])
def test_an_order_has_a_status_that_is_not_published(exchange: RunningExchange, word: str) -> None:
    require_published()
    odd = read(exchange, ORDERS, {"kind": "unknown_status", "status": word})[0]
    assert odd["status"] == word
    (complaint,) = complaints(TRADING, "Order", odd)
    assert complaint.startswith("['status']")


def test_a_published_status_is_shown_too(exchange: RunningExchange) -> None:
    require_published()
    odd = read(exchange, ORDERS, {"kind": "unknown_status", "status": "suspended"})[0]
    assert (odd["status"], complaints(TRADING, "Order", odd)) == ("suspended", [])


def test_the_single_order_is_odd_as_well(exchange: RunningExchange) -> None:
    first = read(exchange, ORDERS)[0]
    path = f"/v2/orders/{first['id']}"
    assert read(exchange, path, {"kind": "unknown_status"})["status"] == "pending_review"
    assert read(exchange, path, {"kind": "empty_order_type"})["type"] == ""
    by_client_id = f"/v2/orders:by_client_order_id?client_order_id={first['client_order_id']}"
    assert read(exchange, by_client_id, {"kind": "illegible_order"})["filled_qty"] == "n/a"


def test_the_reply_to_an_order_is_odd_as_well(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "wrong_quantity", "requests": "POST .*"}])
    status, placed = ask(exchange, "POST", "/v2/orders", order(symbol="BBB"))
    assert (status, placed["qty"]) == (200, "20")
    assert read(exchange, f"/v2/orders/{placed['id']}")["qty"] == "10"


def test_an_amount_is_illegible_where_there_is_no_price(exchange: RunningExchange) -> None:
    exchange.add_activity("large", "FEE", "-1")
    path = "/v2/account/activities?category=non_trade_activity"
    assert read(exchange, path, {"kind": "illegible_activity"})[0]["net_amount"] == "n/a"


def test_an_option_spread_is_listed_whose_legs_have_no_type(exchange: RunningExchange) -> None:
    require_published()
    listed = read(exchange, ORDERS, {"kind": "multi_leg_order"})
    spread = listed[0]
    assert listed[1:] == read(exchange, ORDERS)
    assert (spread["order_class"], spread["symbol"], spread["side"]) == ("mleg", "", "")
    assert [leg["type"] for leg in spread["legs"]] == ["", ""]
    own_example = published_example("MultilegOptionsOrderResponse")
    # Alpaca's schema refuses in ours only what it refuses in Alpaca's own example.
    assert _refused_fields(spread) <= _refused_fields(own_example) != set()


def _refused_fields(odd: dict[str, Any]) -> set[str]:
    return {complaint.split("'")[1] for complaint in complaints(TRADING, "Order", odd)}


def test_a_filled_order_has_no_average_price(exchange: RunningExchange) -> None:
    require_published()
    for odd in read(exchange, ORDERS, {"kind": "no_average_price"}):
        assert odd["filled_avg_price"] is None
        assert complaints(TRADING, "Order", odd) == []
    prices = [
        (it["symbol"], it["filled_avg_price"])
        for it in read(exchange, ORDERS, {"kind": "no_average_price", "symbol": "AAA"})
        if it["status"] == "filled"
    ]
    assert prices == [("BBB", "10.02"), ("AAA", None)]


def quotes(exchange: RunningExchange, *rules: Rule) -> dict[str, tuple[object, object]]:
    found = read(exchange, QUOTES, *rules)["quotes"]
    return {name: (quote["bp"], quote["ap"]) for name, quote in found.items()}


@pytest.mark.parametrize(
    ("rule", "aaa"),
    [
        ({"kind": "wide_quote"}, (6.0, 10.02)),
        ({"kind": "wide_quote", "bid_factor": 0.001}, (0.01, 10.02)),
        ({"kind": "wide_quote", "bid_factor": 1, "ask_factor": 1.5}, (10.0, 15.03)),
        ({"kind": "crossed_quote"}, (11.02, 10.0)),
        ({"kind": "zero_quote"}, (0.0, 10.02)),
        ({"kind": "illegible_quote"}, ("n/a", "n/a")),
    ],
)
def test_a_quote_of_one_symbol_misleads(
    exchange: RunningExchange, rule: Rule, aaa: tuple[object, object]
) -> None:
    assert quotes(exchange, {**rule, "symbol": "AAA"}) == {"AAA": aaa, "BBB": (10.0, 10.02)}
    both = quotes(exchange, rule)
    assert both["AAA"] == aaa
    assert (both["BBB"] == aaa) is (rule["kind"] != "illegible_quote")


@pytest.mark.parametrize(
    ("path", "kind", "as_published"),
    [
        *((QUOTES, kind, True) for kind in ("wide_quote", "crossed_quote", "zero_quote")),
        *((QUOTES, kind, True) for kind in ("stale_quote", "frozen_quote", "no_quote")),
        (QUOTES, "illegible_quote", False),
        (BARS, "illegible_bar", False),
    ],
)
def test_what_misleads_is_as_published_and_what_is_illegible_is_not(
    exchange: RunningExchange, path: str, kind: str, as_published: bool
) -> None:
    require_published()
    schema = "stock_latest_quotes_resp" if path == QUOTES else "stock_bars_resp"
    found = complaints(DATA, schema, read(exchange, path, {"kind": kind}))
    assert (found == []) is as_published


def test_quotes_are_missing(exchange: RunningExchange) -> None:
    assert list(quotes(exchange, {"kind": "no_quote", "symbol": "AAA"})) == ["BBB"]
    assert quotes(exchange, {"kind": "no_quote"}) == {}


def test_orders_fill_at_the_market_while_one_venue_quotes_wide(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "wide_quote"}, {"kind": "no_quote"}])
    sold = place(exchange, side="sell", limit_price="9.9")
    assert ask(exchange, "GET", f"/v2/orders/{sold}")[1]["filled_avg_price"] == "10"


def test_quotes_stand_still_for_ten_minutes_and_grow_old(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "frozen_quote", "symbol": "AAA", "minutes": 10}])

    def ages() -> dict[str, timedelta]:
        found = ask(exchange, "GET", QUOTES)[1]["quotes"]
        when = {name: at("10:31").fromisoformat(quote["t"]) for name, quote in found.items()}
        return {name: exchange.now() - moment for name, moment in when.items()}

    assert ages() == {"AAA": timedelta(0), "BBB": timedelta(0)}
    exchange.set_clock(at("10:40"))
    assert ages() == {"AAA": timedelta(minutes=9), "BBB": timedelta(0)}
    exchange.set_clock(at("10:41"))
    assert ages() == {"AAA": timedelta(0), "BBB": timedelta(0)}


def test_a_rule_holds_for_its_minutes_by_the_exchange_s_clock(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "no_quote", "minutes": 10}])
    exchange.set_clock(at("10:41") - timedelta(seconds=1))
    assert ask(exchange, "GET", QUOTES)[1]["quotes"] == {}
    exchange.set_clock(at("10:41"))
    assert set(ask(exchange, "GET", QUOTES)[1]["quotes"]) == {"AAA", "BBB"}


def test_one_bar_is_illegible(exchange: RunningExchange) -> None:
    sound, odd = read(exchange, BARS)["bars"], read(exchange, BARS, {"kind": "illegible_bar"})
    assert odd["bars"]["AAA"][-1] == {**sound["AAA"][-1], "c": "n/a"}
    assert odd["bars"]["AAA"][:-1] == sound["AAA"][:-1]
    assert odd["bars"]["BBB"] == sound["BBB"]


def test_only_one_account_is_down(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "server_error", "account": "large"}])
    assert ask(exchange, "GET", "/v2/account")[0] == 503
    assert ask(exchange, "GET", "/v2/account", account=TINY)[0] == 200


def test_a_fault_is_not_injected_where_it_makes_no_sense(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "wide_quote", "requests": ".*"}])
    assert ask(exchange, "GET", "/v2/account")[0] == 200
    assert exchange.faults_injected() == {}


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "server_error", "symbol": "AAA"},
        {"kind": "no_quote", "side": "buy"},
        {"kind": "overfill", "side": "sideways"},
        {"kind": "slow", "seconds": "long"},
        {"kind": "slow", "requests": "("},
        {"kind": "no_quote", "minutes": []},
    ],
)
def test_a_rule_with_a_field_that_its_kind_does_not_have_is_refused(
    exchange: RunningExchange, rule: Rule
) -> None:
    with pytest.raises(ExchangeFailed, match="faults: a rule of"):
        exchange.set_faults([rule])
