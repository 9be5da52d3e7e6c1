"""Corporate actions at the paper exchange, as published and as the adapter reads them."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.corporate.alpaca_actions import AlpacaCorporateActions
from ops_pipeline.errors import MarketDataUnavailable
from tests.contract.paper_street import LARGE, MONDAY, ask, at, look, open_exchange, own, place
from tests.contract.published import DATA, complaints, require_published
from tests.contract.stub_broker import Answer, serving
from tests.support.stand_ins import NOWHERE

TUESDAY = MONDAY + timedelta(days=1)
RATES = {"old_rate": "1", "new_rate": "2"}
PATH = "/v1/corporate-actions?start=2013-10-01&end=2013-12-31"
EVERY: list[tuple[str, dict[str, str]]] = [
    ("forward_split", RATES),
    ("reverse_split", {"old_rate": "10", "new_rate": "1"}),
    ("stock_dividend", {"cash": "0.05"}),
    ("cash_dividend", {"cash": "0.24", "payable_date": "2013-10-25"}),
    ("name_change", {"new_symbol": "CCC"}),
    ("cash_merger", {"cash": "12.5"}),
    ("stock_merger", {**RATES, "new_symbol": "CCC"}),
    ("stock_and_cash_merger", {**RATES, "new_symbol": "CCC", "cash": "3"}),
    ("spin_off", {**RATES, "new_symbol": "CCC"}),
    ("worthless_removal", {}),
]


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    """19 AAA at 10.02, bought at 10:31, with a stop that rests good till cancelled."""
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        own(running, 19)
        yield running


def stop(exchange: RunningExchange) -> str:
    terms: dict[str, Any] = {"side": "sell", "type": "stop", "time_in_force": "gtc"}
    return place(exchange, qty="19", stop_price="9.00", limit_price=None, **terms)


def over_night(exchange: RunningExchange) -> None:
    exchange.set_clock(at("09:25", TUESDAY))


def feed(url: str) -> AlpacaCorporateActions:
    return AlpacaCorporateActions(url=url, key_id=LARGE.key_id, secret_key=LARGE.secret_key)


def positions(exchange: RunningExchange) -> dict[str, tuple[str, str]]:
    _, answer = ask(exchange, "GET", "/v2/positions")
    return {it["symbol"]: (it["qty"], it["avg_entry_price"]) for it in answer}


def activities(exchange: RunningExchange) -> list[tuple[str, str]]:
    _, answer = ask(exchange, "GET", "/v2/account/activities?category=non_trade_activity")
    return [(it["activity_type"], it["net_amount"]) for it in answer]


@pytest.mark.parametrize(("kind", "terms"), EVERY)
def test_each_kind_is_listed_as_published_and_read_by_the_adapter(
    exchange: RunningExchange, kind: str, terms: dict[str, str]
) -> None:
    require_published()
    exchange.add_corporate_action(kind, "AAA", TUESDAY.isoformat(), **terms)
    status, answer = ask(exchange, "GET", f"{PATH}&symbols=AAA")
    assert status == 200
    assert complaints(DATA, "corporate_actions_resp", answer) == []
    (action,) = feed(exchange.url).announced(["AAA"], MONDAY, MONDAY + timedelta(days=60))
    assert (action.kind, action.symbol, action.effective_on) == (kind, "AAA", TUESDAY)
    assert action.is_understood == (kind != "worthless_removal")
    if kind in ("forward_split", "stock_merger", "stock_and_cash_merger"):
        assert action.ratio == 2


def test_pages_follow_one_another_and_filters_leave_out(exchange: RunningExchange) -> None:
    for day in range(1, 6):
        ex_date = (MONDAY + timedelta(days=day)).isoformat()
        exchange.add_corporate_action("cash_dividend", "BBB", ex_date, cash="0.1")
    exchange.add_corporate_action("name_change", "AAA", TUESDAY.isoformat(), new_symbol="CCC")
    found, token, pages = [], "", 0
    while pages < 9:
        _, answer = ask(exchange, "GET", f"{PATH}&symbols=BBB&limit=2{token}")
        found += answer["corporate_actions"].get("cash_dividends", [])
        pages += 1
        if answer["next_page_token"] is None:
            break
        token = f"&page_token={answer['next_page_token']}"
    assert (len(found), pages) == (5, 3)
    _, named = ask(exchange, "GET", f"{PATH}&types=name_change")
    assert list(named["corporate_actions"]) == ["name_changes"]
    _, one = ask(exchange, "GET", f"{PATH}&ids={found[0]['id']}")
    assert len(one["corporate_actions"]["cash_dividends"]) == 1
    assert ask(exchange, "GET", f"{PATH}&start=2013-13-01")[0] == 400


@pytest.mark.parametrize(
    ("behaviour", "status", "terms"),
    [
        ("canceled", "canceled", ("19", "9")),
        ("adjusted", "new", ("38", "4.5")),
        ("left", "new", ("19", "9")),
    ],
)
def test_a_split_over_night_doubles_the_shares_and_does_what_is_set_to_the_stop(
    exchange: RunningExchange, behaviour: str, status: str, terms: tuple[str, str]
) -> None:
    exchange.set_behaviour("gtc_over_split", behaviour)
    order = stop(exchange)
    exchange.add_corporate_action("forward_split", "AAA", TUESDAY.isoformat(), **RATES)
    exchange.set_clock(at("16:30"))
    assert positions(exchange) == {"AAA": ("19", "10.02")}
    over_night(exchange)
    assert positions(exchange) == {"AAA": ("38", "5.01")}
    told = look(exchange, order)
    assert (told["status"], (told["qty"], told["stop_price"])) == (status, terms)
    assert activities(exchange) == [("SPLIT", "0")]
    over_night(exchange)
    assert activities(exchange) == [("SPLIT", "0")]


def test_what_is_over_whole_shares_is_paid_at_the_last_price(exchange: RunningExchange) -> None:
    terms = {"old_rate": "10", "new_rate": "1"}
    exchange.add_corporate_action("reverse_split", "AAA", TUESDAY.isoformat(), **terms)
    over_night(exchange)
    assert positions(exchange) == {"AAA": ("1", "100.2")}
    assert activities(exchange) == [("SPLIT", "90")]


def test_a_dividend_is_owed_to_who_held_and_paid_on_its_day(exchange: RunningExchange) -> None:
    paid_on = MONDAY + timedelta(days=3)
    exchange.add_corporate_action(
        "cash_dividend", "AAA", TUESDAY.isoformat(), cash="0.5", payable_date=paid_on.isoformat()
    )
    over_night(exchange)
    assert activities(exchange) == []
    exchange.set_clock(at("09:25", paid_on))
    assert activities(exchange) == [("DIV", "9.5")]


@pytest.mark.parametrize(
    ("kind", "terms", "left", "paid"),
    [
        ("name_change", {"new_symbol": "CCC"}, {"CCC": ("19", "10.02")}, ("NC", "0")),
        ("cash_merger", {"cash": "12"}, {}, ("MA", "228")),
        ("stock_merger", {**RATES, "new_symbol": "CCC"}, {"CCC": ("38", "5.01")}, ("MA", "0")),
        ("stock_dividend", {"cash": "1"}, {"AAA": ("38", "5.01")}, ("DIV", "0")),
        (
            "spin_off",
            {"old_rate": "1", "new_rate": "1", "new_symbol": "CCC"},
            {"AAA": ("19", "9.018"), "CCC": ("19", "1.002")},
            ("SPIN", "0"),
        ),
    ],
)
def test_each_kind_changes_what_is_held(
    exchange: RunningExchange, kind: str, terms: Any, left: object, paid: tuple[str, str]
) -> None:
    exchange.add_corporate_action(kind, "AAA", TUESDAY.isoformat(), **terms)
    over_night(exchange)
    assert positions(exchange) == left
    assert activities(exchange) == [paid]


def test_an_action_may_be_listed_and_never_booked_or_booked_and_never_listed(
    exchange: RunningExchange,
) -> None:
    day = TUESDAY.isoformat()
    exchange.add_corporate_action("forward_split", "AAA", day, **RATES, processed=False)
    over_night(exchange)
    assert positions(exchange) == {"AAA": ("19", "10.02")}
    later = (MONDAY + timedelta(days=2)).isoformat()
    exchange.add_corporate_action("forward_split", "AAA", later, **RATES, listed=False)
    exchange.set_clock(at("09:25", MONDAY + timedelta(days=2)))
    assert positions(exchange) == {"AAA": ("38", "5.01")}
    found = feed(exchange.url).announced(["AAA"], MONDAY, MONDAY + timedelta(days=9))
    assert [it.effective_on for it in found] == [TUESDAY]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "made up"},
        {"new_rate": "none"},
        {"ex_date": "tomorrow"},
        {"nobody": "knows"},
        {"symbol": ""},
    ],
)
def test_what_makes_no_sense_is_refused(exchange: RunningExchange, changes: Any) -> None:
    asked = {"kind": "forward_split", "symbol": "AAA", "ex_date": "2013-10-08", **RATES, **changes}
    with pytest.raises(ExchangeFailed, match="action:"):
        exchange._request("POST", "/control/corporate-actions", asked)


def test_the_broker_tells_of_it_as_of_no_gain(exchange: RunningExchange) -> None:
    exchange.add_corporate_action("forward_split", "AAA", TUESDAY.isoformat(), **RATES)
    over_night(exchange)
    broker = AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)
    (booked,) = broker.cash_activities_since(at("09:30"))
    assert (booked.kind, booked.raw_kind, booked.symbol) == ("split", "SPLIT", "AAA")


def test_nothing_is_read_where_nobody_answers() -> None:
    with pytest.raises(MarketDataUnavailable):
        feed(NOWHERE).announced(["AAA"], MONDAY, TUESDAY)


SPLIT = {
    "id": "s1",
    "symbol": "AAA",
    "old_rate": 1,
    "new_rate": 2,
    "ex_date": "2013-10-08",
    "process_date": "2013-10-08",
}


@pytest.mark.parametrize(
    ("section", "item", "reason"),
    [
        ("forward_splits", {**SPLIT, "new_rate": "two"}, "new_rate is no number"),
        ("forward_splits", {**SPLIT, "old_rate": 0}, "old_rate is not above 0"),
        ("forward_splits", {**SPLIT, "old_rate": None}, "old_rate is missing"),
        ("cash_dividends", {**SPLIT, "rate": 1, "currency": "CAD"}, "rate is in CAD"),
        ("unit_splits", {**SPLIT, "old_symbol": "AAA"}, "is not decided here"),
        ("forward_splits", {**SPLIT, "ex_date": "0000-00-00"}, "ex_date is no day"),
        ("cash_dividends", {**SPLIT, "rate": 1, "ex_date": None}, "ex_date is no day"),
        ("cash_mergers", {**SPLIT, "rate": 1, "effective_date": "soon"}, "effective_date is no"),
        ("forward_splits", {**SPLIT, "old_rate": "1e-300"}, "no plausible ratio"),
        ("reverse_splits", {**SPLIT, "old_rate": 2_000_001}, "no plausible ratio"),
        ("reverse_splits", {**SPLIT, "new_symbol": 7}, "new_symbol is not legible"),
        ("reverse_splits", {**SPLIT, "new_symbol": "B\x00"}, "new_symbol is not legible"),
        ("frobs", SPLIT, "frobs are not known here"),
    ],
)
def test_what_is_not_understood_keeps_its_symbol_and_says_why(
    section: str, item: dict[str, object], reason: str
) -> None:
    page = {"corporate_actions": {section: [item]}, "next_page_token": None}
    with serving() as stub:
        stub.script("GET /v1/corporate-actions", Answer(body=page))
        (action,) = feed(stub.url).announced(["AAA"], MONDAY, TUESDAY)
    assert (action.symbol, action.is_understood) == ("AAA", False)
    assert reason in str(action.reason)


def test_an_empty_new_symbol_is_none() -> None:
    for empty in ("", None):
        item = {**SPLIT, "new_symbol": empty}
        page = {"corporate_actions": {"reverse_splits": [item]}, "next_page_token": None}
        with serving() as stub:
            stub.script("GET /v1/corporate-actions", Answer(body=page))
            (action,) = feed(stub.url).announced(["AAA"], MONDAY, TUESDAY)
        assert (action.new_symbol, action.is_understood) == (None, True)


@pytest.mark.parametrize(
    "item", [7, None, {"id": "x"}, {**SPLIT, "id": 3}, {**SPLIT, "symbol": ""}]
)
def test_what_names_no_security_is_illegible_and_costs_no_other_its_place(item: object) -> None:
    page = {"corporate_actions": {"forward_splits": [item, SPLIT]}, "next_page_token": None}
    with serving() as stub:
        stub.script("GET /v1/corporate-actions", Answer(body=page))
        found = feed(stub.url).announced(["AAA"], MONDAY, TUESDAY)
    assert [it.ratio for it in found] == [Decimal(2)]
    assert len(found.illegible) == 1


@pytest.mark.parametrize(
    "page",
    [
        [],
        {"next_page_token": None},
        {"corporate_actions": []},
        {"corporate_actions": {}, "next_page_token": "same"},
    ],
)
def test_an_answer_that_is_not_what_was_asked_for_is_none(page: object) -> None:
    with serving() as stub:
        stub.script("GET /v1/corporate-actions", Answer(body=page))
        with pytest.raises(MarketDataUnavailable):
            feed(stub.url).announced(["AAA"], MONDAY, TUESDAY)
