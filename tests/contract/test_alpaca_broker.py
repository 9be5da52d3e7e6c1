"""What the adapter makes of every way in which a broker answers, or does not."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.adapters import alpaca_wire
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from tests.contract.alpaca_answers import (
    BUY,
    FILLS,
    LIST,
    LOOK_UP,
    ORDERS,
    START,
    raw_fill,
    raw_order,
)
from tests.contract.stub_broker import ACCOUNT, ACCOUNT_NUMBER, Answer, Stub, serving


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


def broker(stub: Stub, *, account_number: str = ACCOUNT_NUMBER) -> AlpacaBroker:
    return AlpacaBroker(stub.url, "key", "a secret", account_number)


def test_an_order_is_sent_as_text_and_marked_as_opening_or_closing(stub: Stub) -> None:
    stub.script(ORDERS, Answer(body=raw_order()))

    broker(stub).submit(BUY)

    assert stub.bodies[-1] == {
        "symbol": "AAA",
        "qty": "10",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "client_order_id": BUY.client_order_id,
        "position_intent": "buy_to_open",
        "limit_price": "10.05",
    }
    stop = replace(BUY, side="sell", order_type="stop", quantity=Decimal("1E+2"))
    broker(stub).submit(stop)
    assert stub.bodies[-1]["position_intent"] == "sell_to_close"
    assert (stub.bodies[-1]["stop_price"], stub.bodies[-1]["qty"]) == ("10.05", "100")
    assert "limit_price" not in stub.bodies[-1]


def test_an_order_is_read_with_exact_figures_and_utc_times(stub: Stub) -> None:
    filled = raw_order(filled_qty="4", filled_avg_price="10.0125", status="partially_filled")
    stub.script(ORDERS, Answer(body=filled))

    order = broker(stub).submit(BUY)

    assert order.filled_average_price == Decimal("10.0125")
    assert (order.quantity, order.filled_quantity) == (Decimal(10), Decimal(4))
    assert order.submitted_at == datetime(2026, 2, 4, 14, 31, 0, 123456, tzinfo=UTC)
    assert (order.status, order.raw_status) == ("working", "partially_filled")


@pytest.mark.parametrize("status", [504, 500, 502, 408])
def test_a_server_error_leaves_the_order_unknown_after_a_single_post(
    stub: Stub, status: int
) -> None:
    stub.script(ORDERS, Answer(status, {"code": 50410000, "message": "gateway timeout"}))

    with pytest.raises(BrokerOutcomeUnknown, match="gateway timeout"):
        broker(stub).submit(BUY)

    assert stub.asked[ORDERS] == 1


def test_too_many_requests_means_the_order_was_not_taken(stub: Stub) -> None:
    stub.script(ORDERS, Answer(429, {"message": "too many requests."}))

    with pytest.raises(BrokerUnavailable, match="too many requests"):
        broker(stub).submit(BUY)

    assert stub.asked[ORDERS] == 1


@pytest.mark.parametrize(
    ("status", "body", "error", "words"),
    [
        (403, {"code": 40310000, "message": "insufficient buying power"}, BrokerRejected, "power"),
        (422, {"code": 42210000, "message": "invalid limit price"}, BrokerRejected, "42210000"),
        (404, {"code": 40410000, "message": "asset not found"}, BrokerRejected, "asset"),
        (
            422,
            {"code": 40010001, "message": "client_order_id must be unique"},
            BrokerOutcomeUnknown,
            "placed under this id before",
        ),
        *(
            (status, {"code": code, "message": words}, BrokerOutcomeUnknown, "under this id before")
            for status, code, words in (
                (422, 42210000, "client order id already exists"),
                (422, 40010001, "Duplicate client_order_id"),
                (400, 40010001, "ClientOrderID has already been used"),
                (422, 40010001, "duplicate order"),
                (422, 42210000, "an order with this client order ID exists"),
                (409, 40910000, "conflict"),
            )
        ),
        (422, {"code": 42210000, "message": "client_order_id is too long"}, BrokerRejected, "long"),
        (
            401,
            {"code": 40110000, "message": "request is not authorized"},
            BrokerUnavailable,
            "not auth",
        ),
        (403, {"message": "forbidden."}, BrokerUnavailable, "forbidden"),
        (422, b'{"code": 40010001, "mess', BrokerOutcomeUnknown, "legible"),
        (400, b"<html>bad gateway</html>", BrokerOutcomeUnknown, "legible"),
    ],
)
def test_a_refused_order_is_named_for_what_the_caller_can_do(
    stub: Stub, status: int, body: object, error: type[OpsError], words: str
) -> None:
    stub.script(ORDERS, Answer(status, body))

    with pytest.raises(OpsError, match=words) as raised:
        broker(stub).submit(BUY)

    assert type(raised.value) is error


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=raw_order(), cut=40),
        Answer(hangs_up=True),
        Answer(body=b""),
        Answer(body=b'{"id": "b-1", '),
        Answer(body=raw_order(filled_qty="NaN")),
        Answer(body=raw_order(side="sideways")),
        Answer(body=raw_order(submitted_at="2026-02-04T14:31:00")),
        Answer(body=raw_order(client_order_id="somebody-elses")),
        Answer(body=[raw_order()]),
        Answer(302, b""),
    ],
    ids=[
        "cut short",
        "hung up",
        "empty",
        "half a JSON",
        "no number",
        "odd side",
        "naive time",
        "another order",
        "a list",
        "redirected",
    ],
)
def test_an_illegible_answer_to_an_order_leaves_it_unknown(stub: Stub, answer: Answer) -> None:
    stub.script(ORDERS, answer)

    with pytest.raises(BrokerOutcomeUnknown):
        broker(stub).submit(BUY)

    assert stub.asked[ORDERS] == 1


def test_an_order_without_an_answer_in_time_is_unknown(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_wire, "READ_TIMEOUT_S", 0.2)
    stub.script(ORDERS, Answer(hangs=True))

    with pytest.raises(BrokerOutcomeUnknown, match="in time"):
        broker(stub).submit(BUY)

    assert stub.asked[ORDERS] == 1


def test_an_order_that_found_no_server_was_not_taken() -> None:
    with serving() as stub:
        stub.script("GET /v2/account", Answer(body=ACCOUNT, closes=True))
        ours = broker(stub)
        ours.account()

    with pytest.raises(BrokerUnavailable, match="not sent"):
        ours.submit(BUY)


Reading = Callable[[AlpacaBroker], object]
READINGS: list[tuple[str, Reading]] = [
    ("GET /v2/account", lambda ours: ours.account()),
    ("GET /v2/positions", lambda ours: ours.positions()),
    (LOOK_UP, lambda ours: ours.order_by_client_id("x")),
    (LIST, lambda ours: ours.orders_since(START)),
    (LIST, lambda ours: ours.resting_orders()),
    (FILLS, lambda ours: ours.fills_since(START)),
]
BAD_ANSWERS = {
    "keys refused": Answer(403, {"message": "forbidden."}),
    "not authorized": Answer(401, {"code": 40110000, "message": "request is not authorized"}),
    "too many": Answer(429, {"message": "too many requests."}),
    "broken": Answer(500, {"code": 50010000, "message": "internal server error occurred"}),
    "gone": Answer(404, b"<html>no such page</html>"),
    "cut short": Answer(body=[ACCOUNT, ACCOUNT], cut=20),
    "half a JSON": Answer(body=b'[{"id":'),
    "another kind": Answer(body="maintenance"),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
@pytest.mark.parametrize(("request_line", "reading"), READINGS, ids=[line for line, _ in READINGS])
def test_an_error_is_never_an_empty_list(
    stub: Stub, request_line: str, reading: Reading, answer: Answer
) -> None:
    stub.script(request_line, answer)

    with pytest.raises(BrokerUnavailable) as raised:
        reading(broker(stub))

    assert type(raised.value) is BrokerUnavailable


def test_a_read_without_an_answer_in_time_is_unavailable(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_wire, "READ_TIMEOUT_S", 0.2)
    stub.script("GET /v2/positions", Answer(hangs=True))

    with pytest.raises(BrokerUnavailable, match="in time"):
        broker(stub).positions()


def test_a_read_whose_connection_was_dead_is_asked_once_more(stub: Stub) -> None:
    stub.script("GET /v2/positions", Answer(hangs_up=True), Answer(body=[]))

    assert broker(stub).positions() == []
    assert stub.asked["GET /v2/positions"] == 2


def test_an_order_nobody_placed_is_none_by_the_brokers_own_404_only(stub: Stub) -> None:
    stub.script(LOOK_UP, Answer(404, {"code": 40410000, "message": "order not found for x"}))

    assert broker(stub).order_by_client_id("x") is None
    assert stub.queries[-1] == {"client_order_id": "x"}


@pytest.mark.parametrize(
    "call",
    [*(reading for _, reading in READINGS), lambda o: o.submit(BUY), lambda o: o.cancel("b-1")],
)
def test_another_account_than_the_bound_one_is_refused_before_anything_is_asked(
    stub: Stub, call: Reading
) -> None:
    with pytest.raises(AccountMismatch) as raised:
        call(broker(stub, account_number="PA-OURS-1"))

    assert set(stub.asked) == {"GET /v2/account"}
    assert ACCOUNT_NUMBER not in str(raised.value)
    assert "PA-OURS-1" not in str(raised.value)


def test_the_account_number_stays_out_of_the_brokers_words(stub: Stub) -> None:
    words = f"account {ACCOUNT_NUMBER} is restricted"
    stub.script(ORDERS, Answer(403, {"code": 40310000, "message": words}))

    with pytest.raises(BrokerRejected, match="<account> is restricted"):
        broker(stub).submit(BUY)


def test_an_account_without_options_has_none_and_says_so(stub: Stub) -> None:
    account = broker(stub).account()

    assert (account.options_trading_level, account.options_buying_power) == (0, Decimal(0))
    assert account.cash == Decimal("1000.5")
    assert account.no_shorting


def test_an_account_that_could_short_is_asked_for_its_setting(stub: Stub) -> None:
    stub.script("GET /v2/account", Answer(body={**ACCOUNT, "shorting_enabled": True}))
    stub.script("GET /v2/account/configurations", Answer(body={"no_shorting": False}))

    assert not broker(stub).account().no_shorting


def test_an_account_that_is_blocked_in_any_way_is_blocked_and_says_what_to_do(stub: Stub) -> None:
    stub.script("GET /v2/account", Answer(body={**ACCOUNT, "trade_suspended_by_user": True}))

    account = broker(stub).account()
    assert account.trading_blocked
    assert account.why_blocked == (
        "trading is suspended in its own settings: switch that off there"
    )


@pytest.mark.parametrize("status", ["FROBNICATED", None, 7])
def test_a_status_that_nobody_knows_blocks_and_everything_else_is_read(
    stub: Stub, status: object
) -> None:
    stub.script("GET /v2/account", Answer(body={**ACCOUNT, "status": status}))

    account = broker(stub).account()
    assert (account.trading_blocked, account.cash) == (True, Decimal("1000.5"))
    assert "no status that is known here" in (account.why_blocked or "")


def test_an_account_of_paper_money_alone_trades(stub: Stub) -> None:
    stub.script("GET /v2/account", Answer(body={**ACCOUNT, "status": "PAPER_ONLY"}))

    account = broker(stub).account()
    assert (account.trading_blocked, account.why_blocked) == (False, None)


def test_a_missing_figure_is_not_zero(stub: Stub) -> None:
    stub.script("GET /v2/account", Answer(body={**ACCOUNT, "equity": None}))

    with pytest.raises(BrokerUnavailable, match="equity"):
        broker(stub).account()


def test_a_short_position_counts_below_zero(stub: Stub) -> None:
    position = {
        "symbol": "AAA",
        "side": "short",
        "qty": "-3",
        "qty_available": "-2",
        "asset_class": "us_equity",
    }
    stub.script("GET /v2/positions", Answer(body=[{**position, "avg_entry_price": "9.5"}]))

    (held,) = broker(stub).positions()

    assert (held.quantity, held.available) == (Decimal(-3), Decimal(-2))


def test_words_we_do_not_know_do_not_spoil_a_list_of_orders(stub: Stub) -> None:
    orders = [
        raw_order(id="b-1", status="frobnicated", order_class="quantum", type="peg"),
        raw_order(id="b-2", qty=None, notional="500", filled_qty="3.25"),
        raw_order(id="b-3", order_class="mleg", symbol="", side=None, legs=[raw_order(id="b-4")]),
    ]
    stub.script(LIST, Answer(body=orders))

    found = broker(stub).orders_since(START)

    assert [(order.broker_order_id, order.status, order.raw_status) for order in found] == [
        ("b-1", "unknown", "frobnicated"),
        ("b-2", "working", "new"),
        ("b-4", "working", "new"),
    ]
    assert found[1].quantity == Decimal("3.25")


def test_all_orders_are_read_page_by_page_with_none_lost_at_a_shared_instant(stub: Stub) -> None:
    def submitted(second: int) -> str:
        return (START + timedelta(seconds=second)).isoformat()

    instants = [*range(498), 498, 498, 498, 499, 500]
    orders = [
        raw_order(id=f"b-{n}", client_order_id=f"c-{n}", submitted_at=submitted(second))
        for n, second in enumerate(instants)
    ]
    stub.script(LIST, Answer(body=orders[:500]), Answer(body=orders[498:]))

    found = broker(stub).orders_since(START)

    assert [order.client_order_id for order in found] == [f"c-{n}" for n in range(503)]
    first, second = stub.queries[-2:]
    assert (first["status"], first["direction"], first["limit"]) == ("all", "asc", "500")
    assert first["after"] == "2026-02-04T14:29:59.999999Z"
    assert second["after"] == "2026-02-04T14:38:17.999999Z"


def test_resting_orders_are_asked_for_whatever_their_age(stub: Stub) -> None:
    orders = [
        raw_order(id=f"b-{n}", submitted_at=(START + timedelta(seconds=n)).isoformat())
        for n in range(501)
    ]
    stub.script(LIST, Answer(body=orders[:500]), Answer(body=orders[499:]))

    found = broker(stub).resting_orders()

    assert len(found) == 501
    first, second = stub.queries[-2:]
    assert (first["status"], first.get("after")) == ("open", None)
    assert (second["status"], second["after"]) == ("open", "2026-02-04T14:38:18.999999Z")


@pytest.mark.parametrize("price", ["0", "0.00", "-1.5"])
def test_an_average_price_that_can_not_be_is_none_at_all(stub: Stub, price: str) -> None:
    """What filled is then booked at the price of its fills."""
    stub.script(LIST, Answer(body=[raw_order(filled_qty="3", filled_avg_price=price)]))

    (order,) = broker(stub).orders_since(START)

    assert (order.filled_quantity, order.filled_average_price) == (Decimal(3), None)


def test_pages_that_do_not_move_on_are_an_error_not_a_loop(stub: Stub) -> None:
    same = [raw_order(id=f"b-{n}") for n in range(500)]
    stub.script(LIST, Answer(body=same))

    with pytest.raises(BrokerUnavailable):
        broker(stub).orders_since(START)

    assert stub.asked[LIST] == 2


def test_fills_are_read_page_by_page_to_the_end(stub: Stub) -> None:
    fills = [raw_fill(number) for number in range(130)]
    stub.script(FILLS, Answer(body=fills[:100]), Answer(body=fills[100:]))

    found = broker(stub).fills_since(START)

    assert [fill.fill_id for fill in found] == [fill["id"] for fill in fills]
    assert [fill.side for fill in found[:2]] == ["sell", "buy"]
    assert stub.queries[-1]["page_token"] == fills[99]["id"]


@pytest.mark.parametrize(
    "answer", [Answer(204, b""), Answer(422, {"code": 42210000, "message": "already filled"})]
)
def test_a_cancel_is_asked_for_and_its_outcome_left_to_the_orders_status(
    stub: Stub, answer: Answer
) -> None:
    stub.script("DELETE /v2/orders/b-1", answer)

    broker(stub).cancel("b-1")

    assert stub.asked["DELETE /v2/orders/b-1"] == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404, {"code": 40410000, "message": "order not found"}),
        Answer(500, {"message": "no"}),
        Answer(hangs_up=True),
    ],
)
def test_a_cancel_that_was_not_heard_is_unavailable(stub: Stub, answer: Answer) -> None:
    stub.script("DELETE /v2/orders/b-1", answer)

    with pytest.raises(BrokerUnavailable, match="cancel"):
        broker(stub).cancel("b-1")


def test_keys_that_were_changed_are_read_again_and_the_order_is_sent_once_more(stub: Stub) -> None:
    refused = Answer(401, {"code": 40110000, "message": "request is not authorized"})
    stub.script(ORDERS, refused, Answer(body=raw_order()))
    pairs = [("key", "a secret"), ("key 2", "another")]
    renewed = AlpacaBroker(stub.url, *pairs[0], ACCOUNT_NUMBER, renew=lambda: pairs[1])

    assert renewed.submit(BUY).client_order_id == BUY.client_order_id

    assert stub.asked[ORDERS] == 2


def test_keys_that_are_still_the_same_are_not_tried_again(stub: Stub) -> None:
    stub.script(ORDERS, Answer(401, {"code": 40110000, "message": "request is not authorized"}))
    unchanged = AlpacaBroker(
        stub.url, "key", "a secret", ACCOUNT_NUMBER, renew=lambda: ("key", "a secret")
    )

    with pytest.raises(BrokerUnavailable):
        unchanged.submit(BUY)

    assert stub.asked[ORDERS] == 1
