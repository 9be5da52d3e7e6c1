"""One item of a vendor's list can't be read: it is named, and every other is used."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerOutcomeUnknown, BrokerUnavailable
from tests.contract.alpaca_answers import BUY, FILLS, LIST, ORDERS, START, raw_fill, raw_order
from tests.contract.stub_broker import ACCOUNT_NUMBER, Answer, Stub, serving

POSITIONS = "GET /v2/positions"
ACTIVITIES = "GET /v2/account/activities"
QUOTES, BARS = "GET /v2/stocks/quotes/latest", "GET /v2/stocks/bars"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


def broker(stub: Stub) -> AlpacaBroker:
    return AlpacaBroker(stub.url, "key", "a secret", ACCOUNT_NUMBER)


def data(stub: Stub) -> AlpacaMarketData:
    return AlpacaMarketData(url=stub.url, key_id="key", secret_key="a secret", feed="iex")


def raw_position(**changes: object) -> dict[str, Any]:
    return {
        "symbol": "AAA",
        "side": "long",
        "qty": "3",
        "qty_available": "3",
        "avg_entry_price": "9.5",
        "asset_class": "us_equity",
        **changes,
    }


def raw_cash(**changes: object) -> dict[str, Any]:
    at = "2026-02-04T14:31:00Z"
    return {"id": "c-1", "activity_type": "FEE", "net_amount": "-1", "created_at": at, **changes}


NUL = "A\x00A"
ODD_ITEMS: list[object] = [
    None,
    7,
    "maintenance",
    [],
    {},
    {"symbol": {"a": 1}},
    {"qty": "n/a"},
    {"qty": "1e999999"},
    {"qty": True},
    {"symbol": NUL},
    {"symbol": "A" * 10_000},
    {"id": ["x"], "client_order_id": 9, "symbol": 4},
]
Reading = Callable[[AlpacaBroker], Listing[Any]]
LISTS: list[tuple[str, Callable[..., dict[str, Any]], Reading]] = [
    (POSITIONS, raw_position, lambda ours: ours.positions()),
    (LIST, raw_order, lambda ours: ours.orders_since(START)),
    (FILLS, lambda **c: {**raw_fill(1), **c}, lambda ours: ours.fills_since(START)),
    (ACTIVITIES, raw_cash, lambda ours: ours.cash_activities_since(START)),
]


def spoilt(sound: Callable[..., dict[str, Any]], odd: object) -> object:
    """A sound item with these fields, or what is no item at all."""
    if not isinstance(odd, dict) or not odd:
        return odd
    amount = {"net_amount": odd["qty"]} if "qty" in odd else {}
    return sound(**{"id": "odd", "client_order_id": "odd", **odd, **amount})


@pytest.mark.parametrize("odd", ODD_ITEMS, ids=lambda odd: repr(odd)[:30])
@pytest.mark.parametrize(("line", "sound", "reading"), LISTS, ids=[line for line, *_ in LISTS])
def test_an_item_that_can_not_be_read_costs_no_other(
    stub: Stub,
    line: str,
    sound: Callable[..., dict[str, Any]],
    reading: Reading,
    odd: object,
) -> None:
    item = spoilt(sound, odd)
    stub.script(line, Answer(body=[item, sound()]))
    found = reading(broker(stub))
    if line == ACTIVITIES and isinstance(odd, dict) and "symbol" in odd and "id" not in odd:
        assert (len(found), found.illegible) == (2, ())  # nothing is decided on its symbol
        return
    assert len(found) == 1
    (named,) = found.illegible
    assert named.name
    assert named.reason
    assert len(named.content) <= 2000


def test_an_item_is_named_by_what_of_it_is_legible(stub: Stub) -> None:
    stub.script(LIST, Answer(body=[raw_order(qty="n/a", status="filled"), raw_order(id="b-2")]))
    found = broker(stub).orders_since(START)
    (odd,) = found.illegible
    assert (odd.symbol, odd.client_order_id, odd.broker_order_id) == (
        "AAA",
        BUY.client_order_id,
        "b-1",
    )
    assert (odd.reason, odd.has_ended) == ("qty is no number", True)


def test_neither_credentials_nor_account_numbers_are_kept(stub: Stub) -> None:
    item = raw_position(qty="n/a", account_id="secret-1", api_key="secret-2", note=ACCOUNT_NUMBER)
    stub.script(POSITIONS, Answer(body=[item]))
    (odd,) = broker(stub).positions().illegible
    assert not any(word in odd.content for word in ("secret-1", "secret-2", ACCOUNT_NUMBER))
    assert '"note": "<account>"' in odd.content


def test_the_legs_of_a_combination_have_an_empty_type(stub: Stub) -> None:
    legs = [raw_order(id="l-1", type=""), raw_order(id="l-2", type="", qty="n/a")]
    spread = raw_order(id="s", order_class="mleg", symbol="", side="", type="limit", legs=legs)
    stub.script(LIST, Answer(body=[spread, raw_order(id="b-9")]))
    found = broker(stub).orders_since(START)
    assert [order.broker_order_id for order in found] == ["l-1", "b-9"]
    assert [odd.broker_order_id for odd in found.illegible] == ["l-2"]


@pytest.mark.parametrize("legs", [None, [], "none"])
def test_a_combination_without_legs_is_one_item_that_can_not_be_read(
    stub: Stub, legs: object
) -> None:
    spread = raw_order(order_class="mleg", symbol="", side="", legs=legs)
    stub.script(LIST, Answer(body=[spread]))
    found = broker(stub).orders_since(START)
    assert (len(found), len(found.illegible)) == (0, 1)


def test_pages_are_full_by_raw_items_legible_or_not(stub: Stub) -> None:
    def submitted(second: int) -> str:
        return (START + timedelta(seconds=second)).isoformat()

    orders = [
        raw_order(id=f"b-{n}", client_order_id=f"c-{n}", submitted_at=submitted(n))
        for n in range(502)
    ]
    for n in (3, 499):
        orders[n]["filled_qty"] = "n/a"
    orders[498]["submitted_at"] = orders[498]["created_at"] = "yesterday"
    stub.script(LIST, Answer(body=orders[:500]), Answer(body=orders[499:]))
    found = broker(stub).orders_since(START)
    assert len(found) == 499
    assert [odd.broker_order_id for odd in found.illegible] == ["b-3", "b-498", "b-499"]
    assert stub.queries[-1]["after"] == "2026-02-04T14:38:18.999999Z"


def test_pages_of_activities_go_on_behind_an_illegible_one(stub: Stub) -> None:
    fills: list[Any] = [raw_fill(number) for number in range(130)]
    fills[5] = {**fills[5], "qty": "n/a"}
    fills[98] = {**fills[98], "price": None}
    fills[99] = "maintenance"
    stub.script(FILLS, Answer(body=fills[:100]), Answer(body=fills[98:]))
    found = broker(stub).fills_since(START)
    assert (len(found), len(found.illegible)) == (127, 3)
    assert stub.queries[-1]["page_token"] == fills[98]["id"]


def test_a_whole_page_without_a_legible_time_or_id_is_an_error(stub: Stub) -> None:
    stub.script(LIST, Answer(body=[{"n": n} for n in range(500)]))
    stub.script(FILLS, Answer(body=[{"n": n} for n in range(100)]))
    with pytest.raises(BrokerUnavailable, match="time"):
        broker(stub).orders_since(START)
    with pytest.raises(BrokerUnavailable, match="do not move on"):
        broker(stub).fills_since(START)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_reply_that_nobody_foresaw_leaves_the_order_unknown(stub: Stub, at: str) -> None:
    stub.script(ORDERS, Answer(body=raw_order(submitted_at=at)))
    with pytest.raises(BrokerOutcomeUnknown):
        broker(stub).submit(BUY)


@pytest.mark.parametrize(
    "odd",
    [
        7,
        "n/a",
        {},
        {"bp": "n/a"},
        {"bp": -1},
        {"ap": 10**12},
        {"t": None},
        {"bs": None},
        {"bs": "many"},
        {"bs": True},
        {"bs": "1_0"},
        {"bs": -1},
        {"as": 10**300},
        {"t": 12},
    ],
    ids=lambda odd: str(odd)[:30],
)
def test_one_illegible_quote_unprices_its_own_symbol_alone(stub: Stub, odd: object) -> None:
    sound = {"t": "2026-02-04T14:30:07Z", "bp": 10, "bs": 2, "ap": 10.5, "as": 1}
    names = [f"T{n}" for n in range(33)]
    body: dict[str, Any] = dict.fromkeys(names, sound)
    body["T7"] = {**sound, **odd} if isinstance(odd, dict) and odd else odd
    stub.script(QUOTES, Answer(body={"quotes": body}))
    found = data(stub).quotes(names)
    assert sorted(found) == sorted(set(names) - {"T7"})
    assert [(it.name, it.symbol) for it in found.illegible] == [("T7", "T7")]


@pytest.mark.parametrize(
    "odd",
    [7, None, {}, {"t": "yesterday"}, {"v": None}, {"v": True}, {"v": "1_0"}, {"v": "\u0663"}],
    ids=str,
)
def test_one_illegible_bar_costs_no_other(stub: Stub, odd: object) -> None:
    at = "2026-02-04T14:30:00Z"
    sound = {"t": at, "o": 10.5, "h": 11, "l": 10.25, "c": 10.75, "v": 300}
    bad = {**sound, **odd} if isinstance(odd, dict) and odd else odd
    bars = {"AAA": [sound, bad], "BBB": [sound], "CCC": 7}
    stub.script(BARS, Answer(body={"bars": bars, "next_page_token": None}))
    end = datetime(2026, 2, 4, 15, tzinfo=UTC)
    found = data(stub).bars(list(bars), START, end)
    assert [(bar.ticker, bar.close) for bar in found] == [
        ("AAA", Decimal("10.75")),
        ("BBB", Decimal("10.75")),
    ]
    named = ["CCC"] if bad is None else ["AAA", "CCC"]
    assert [it.symbol for it in found.illegible] == named
