"""Orders: limits, ids, statuses, and when a broker's order is ours."""

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.domain import orders
from ops_pipeline.domain.broker import BrokerOrder, BrokerStatus, OrderRequest, Side
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.market import Quote, new_york_time
from ops_pipeline.domain.orders import LIVE, Order, OwnOrderId, Status
from ops_pipeline.domain.simulation import simulate

NOW = datetime(2026, 2, 4, 16, 0, 30, tzinfo=UTC)
ORDER = Order(
    client_order_id="test-large-AAA-20260204T1600-entry-1",
    account_name="large",
    execution_mode="ALPACA_PAPER",
    broker="alpaca",
    purpose="entry",
    recommendation_id=1,
    position_id=None,
    attempt=1,
    ticker="AAA",
    symbol="AAA",
    instrument_type="STOCK",
    multiplier=1,
    side="buy",
    quantity=Decimal(10),
    order_type="limit",
    price=Decimal("100.10"),
    reason="signal",
    decided_at=NOW,
    tick=NOW,
    parameter_version=1,
)
FOUND = BrokerOrder(
    broker_order_id="b-1",
    client_order_id=ORDER.client_order_id,
    symbol="AAA",
    side="buy",
    order_type="limit",
    quantity=Decimal("10.0"),
    filled_quantity=Decimal(0),
    filled_average_price=None,
    status="working",
    raw_status="new",
    submitted_at=NOW,
    updated_at=NOW,
)


@pytest.mark.parametrize(
    ("side", "far_side", "slippage", "limit"),
    [
        ("buy", "100.00", 0.001, "100.10"),
        ("buy", "33.33", 0.001, "33.37"),  # 33.36333
        ("buy", "0.5000", 0.001, "0.5005"),
        ("buy", "0.33333", 0.001, "0.3337"),  # 0.33366333
        ("sell", "100.00", 0.002, "99.80"),
        ("sell", "33.33", 0.002, "33.26"),  # 33.26334
        ("sell", "0.5000", 0.002, "0.4990"),
    ],
)
def test_a_marketable_limit_lies_a_little_beyond_the_far_side(
    side: Side, far_side: str, slippage: float, limit: str
) -> None:
    assert orders.marketable_limit(side, Decimal(far_side), slippage) == Decimal(limit)


@given(price=st.decimals("0.01", 5_000, places=4), slippage=st.floats(0, 0.05))
def test_a_limit_never_falls_short_of_the_far_side_and_lies_on_the_step(
    price: Decimal, slippage: float
) -> None:
    buy = orders.marketable_limit("buy", price, slippage)
    sell = orders.marketable_limit("sell", price, slippage)
    assert sell <= price <= buy
    for limit in (buy, sell):
        assert limit % orders.price_step(limit) == 0


def test_a_stop_is_rounded_down_to_the_step() -> None:
    assert orders.stop_price(Decimal("98.0490")) == Decimal("98.04")
    assert orders.stop_price(Decimal("0.98765")) == Decimal("0.9876")


def test_units_are_rounded_down() -> None:
    assert orders.whole_units(Decimal("9.99"), fractional=False) == 9
    assert orders.whole_units(Decimal("0.1234567"), fractional=True) == Decimal("0.123456")


def identity(**changes: object) -> str:
    values = {
        "deployment": "main",
        "account": "large",
        "symbol": "AAA",
        "tick": NOW.replace(second=0),
        "purpose": "entry",
        "attempt": 1,
    }
    return orders.client_order_id(**{**values, **changes})  # type: ignore[arg-type] # by name


def test_the_same_decision_has_the_same_id_whatever_the_zone() -> None:
    new_york = timezone(timedelta(hours=-5))
    assert identity() == "main-large-AAA-20260204T1600-entry-1"
    assert identity(tick=NOW.astimezone(new_york)) == identity()


def test_an_id_has_the_minute_of_utc_wherever_the_machine_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = identity()
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "America/New_York")
        time.tzset()
        assert identity() == here
    time.tzset()


def test_every_part_of_the_decision_makes_another_id() -> None:
    later = NOW + timedelta(minutes=1)
    others = [
        identity(**{name: value})
        for name, value in {
            "deployment": "other",
            "account": "tiny",
            "symbol": "BBB",
            "tick": later,
            "purpose": "exit",
            "attempt": 2,
        }.items()
    ]
    assert len({identity(), *others}) == 7


def test_an_id_fits_what_the_broker_takes() -> None:
    longest = identity(
        deployment="d" * 12, account="a" * 50, symbol="SPXW260220C05000000", attempt=100
    )
    assert len(longest) <= 128


@pytest.mark.parametrize(
    ("theirs", "filled", "ours"),
    [
        ("new", 0, "accepted"),
        ("pending_new", 0, "accepted"),
        ("accepted", 0, "accepted"),
        ("held", 0, "accepted"),
        ("pending_cancel", 0, "accepted"),
        ("pending_cancel", 3, "partially_filled"),
        ("partially_filled", 3, "partially_filled"),
        ("filled", 10, "filled"),
        ("new", 10, "filled"),
        ("canceled", 0, "canceled"),
        ("canceled", 3, "canceled"),
        ("replaced", 0, "canceled"),
        ("expired", 0, "expired"),
        ("rejected", 0, "rejected"),
        ("a new word", 0, None),
        ("filled", 3, None),
    ],
)
def test_the_brokers_words_become_ours(theirs: str, filled: int, ours: str | None) -> None:
    status = alpaca_words.order_status(theirs)
    found = replace(FOUND, status=status, raw_status=theirs, filled_quantity=Decimal(filled))
    assert orders.status_of(found) == ours


def after(status: Status, told: Status, *, knew: int = 0, filled: int = 0) -> Status:
    acknowledged = None if status in ("intended", "unknown", "not_placed") else "b-1"
    order = replace(ORDER, status=status, broker_order_id=acknowledged, filled_qty=Decimal(knew))
    return orders.status_after(order, told, Decimal(max(knew, filled)))


@pytest.mark.parametrize(
    ("status", "told", "filled", "expected"),
    [
        ("intended", "accepted", 0, "accepted"),
        ("unknown", "partially_filled", 4, "partially_filled"),
        ("accepted", "filled", 10, "filled"),
        ("accepted", "canceled", 4, "canceled"),
        ("not_placed", "accepted", 0, "accepted"),
        ("not_placed", "filled", 10, "filled"),
        ("canceled", "accepted", 0, "canceled"),
        ("canceled", "canceled", 4, "canceled"),
        ("canceled", "filled", 10, "filled"),
        ("expired", "canceled", 0, "expired"),
    ],
)
def test_what_the_broker_tells_moves_an_order_on(
    status: Status, told: Status, filled: int, expected: Status
) -> None:
    assert after(status, told, filled=filled) == expected


TOLD: tuple[Status, ...] = ("accepted", "partially_filled", "filled", "canceled", "expired")


@given(st.sampled_from(TOLD), st.integers(0, 9), st.integers(0, 10))
def test_an_ended_order_never_lives_again_by_what_is_told(
    told: Status, knew: int, filled: int
) -> None:
    ended_states: tuple[Status, ...] = ("canceled", "expired")
    for ended in ended_states:
        assert after(ended, told, knew=knew, filled=filled) not in LIVE


def test_an_older_answer_does_not_hide_a_partial_fill() -> None:
    assert after("partially_filled", "accepted", knew=4) == "partially_filled"


def test_an_order_agrees_with_itself_and_a_clock_a_little_off() -> None:
    assert orders.disagreement(ORDER, FOUND) is None
    late = replace(FOUND, submitted_at=NOW + timedelta(minutes=10))
    assert orders.disagreement(ORDER, late) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"symbol": "BBB"}, "symbol: ours AAA, the broker's BBB"),
        ({"side": "sell"}, "side: ours buy, the broker's sell"),
        ({"quantity": Decimal(11)}, "quantity: ours 10, the broker's 11"),
        (
            {"submitted_at": NOW - timedelta(minutes=11)},
            "time: ours 16:00:30, the broker's 15:49:30",
        ),
    ],
)
def test_what_a_look_up_finds_must_agree(change: dict[str, object], why: str) -> None:
    found = replace(FOUND, **change)  # type: ignore[arg-type] # fields by name
    assert orders.disagreement(ORDER, found) == why


def test_what_is_sent_is_what_was_committed() -> None:
    sent = ORDER.request()
    assert (sent.client_order_id, sent.symbol, sent.side) == (ORDER.client_order_id, "AAA", "buy")
    assert (sent.quantity, sent.order_type, sent.price) == (Decimal(10), "limit", Decimal("100.10"))


@pytest.mark.parametrize(
    ("side", "bid", "ask", "limit", "price"),
    [
        ("buy", "99.98", "100.00", "100.10", "100.00"),
        ("buy", "100.10", "100.20", "100.10", None),
        ("sell", "99.98", "100.00", "99.90", "99.98"),
        ("sell", "99.80", "100.00", "99.90", None),
    ],
)
def test_a_simulation_fills_at_the_far_side_or_not_at_all(
    side: Side, bid: str, ask: str, limit: str, price: str | None
) -> None:
    order = replace(ORDER, side=side, price=Decimal(limit))
    quote = Quote("AAA", NOW, Decimal(bid), 1, Decimal(ask), 1)
    found, fills = simulate(order, quote, NOW)
    assert found.broker_order_id.startswith("sim-")
    if price is None:
        assert (found.status, found.filled_quantity) == ("canceled", Decimal(0))
        assert fills == []
    else:
        (fill,) = fills
        assert (fill.price, fill.quantity, found.status) == (Decimal(price), Decimal(10), "filled")


def test_live_and_ended_are_all_the_states_there_are() -> None:
    ended = {"filled", "canceled", "expired", "rejected", "not_placed"}
    for status, filled in product(LIVE | ended, (0, 4)):
        order = replace(ORDER, status=status, filled_qty=Decimal(filled))  # type: ignore[arg-type] # all of them
        assert order.live == (status not in ended)
        assert order.remaining == 10 - filled


def test_an_order_begins_as_an_intent_of_which_nothing_is_known() -> None:
    assert (ORDER.status, ORDER.time_in_force) == ("intended", "day")
    assert (ORDER.reserved_notional, ORDER.filled_qty) == (Decimal(0), Decimal(0))
    assert ORDER.live
    assert not ORDER.simulated
    assert replace(ORDER, execution_mode="SIMULATED").simulated


def test_each_term_of_the_order_is_sent() -> None:
    """A market order has no price; a stop rests good till cancelled."""
    stop = replace(ORDER, side="sell", order_type="stop", time_in_force="gtc")
    assert stop.request() == OrderRequest(
        client_order_id=ORDER.client_order_id,
        symbol="AAA",
        side="sell",
        quantity=Decimal(10),
        order_type="stop",
        price=Decimal("100.10"),
        time_in_force="gtc",
    )


def test_what_is_unsettled_is_live() -> None:
    assert sorted(orders.UNSETTLED) == ["intended", "unknown"]
    assert orders.UNSETTLED < LIVE


@pytest.mark.parametrize(
    ("theirs", "quantity", "filled", "may_fill"),
    [
        ("working", 10, 0, True),
        ("working", 10, 9, True),
        ("working", 10, 10, False),
        ("unknown", 10, 0, True),
        ("unknown", 10, 10, False),
        ("canceled", 10, 3, False),
        ("expired", 10, 0, False),
        ("rejected", 10, 0, False),
        # In dollars: without a quantity until it is filled.
        ("working", 0, 0, True),
        ("unknown", 0, 0, True),
        ("filled", 0, 0, False),
        ("canceled", 0, 0, False),
    ],
)
def test_an_order_may_fill_until_its_end_is_certain(
    theirs: BrokerStatus, quantity: int, filled: int, may_fill: bool
) -> None:
    found = replace(
        FOUND, status=theirs, quantity=Decimal(quantity), filled_quantity=Decimal(filled)
    )
    assert orders.may_still_fill(found) is may_fill


@pytest.mark.parametrize(
    ("theirs", "filled", "ours"),
    [("working", 1, "partially_filled"), ("working", 11, "filled"), ("rejected", 11, "filled")],
)
def test_the_filled_quantity_outweighs_the_word(
    theirs: BrokerStatus, filled: int, ours: str
) -> None:
    assert orders.status_of(replace(FOUND, status=theirs, filled_quantity=Decimal(filled))) == ours


@pytest.mark.parametrize(
    ("known_at_broker", "status", "told", "filled", "expected"),
    [
        # Refused or given up, and never acknowledged: what turns up is believed.
        (False, "rejected", "accepted", 0, "accepted"),
        (False, "rejected", "accepted", 1, "partially_filled"),
        (False, "rejected", "canceled", 0, "canceled"),
        (False, "not_placed", "partially_filled", 0, "accepted"),
        # Acknowledged and ended: it stays ended, unless all of it filled.
        (True, "rejected", "accepted", 1, "rejected"),
        (True, "canceled", "partially_filled", 9, "canceled"),
        (True, "canceled", "canceled", 11, "filled"),
        # Live: the report decides.
        (True, "accepted", "rejected", 0, "rejected"),
        (True, "partially_filled", "accepted", 1, "partially_filled"),
        (True, "accepted", "unknown", 0, "accepted"),
    ],
)
def test_an_end_is_taken_back_only_if_the_broker_had_never_acknowledged_the_order(
    known_at_broker: bool, status: Status, told: Status, filled: int, expected: Status
) -> None:
    order = replace(ORDER, status=status, broker_order_id="b-1" if known_at_broker else None)
    assert orders.status_after(order, told, Decimal(filled)) == expected


GONE = replace(ORDER, status="canceled", broker_order_id="b-1", missed_at=NOW)


@pytest.mark.parametrize(
    "changes", [{"status": "rejected"}, {"broker_order_id": None}, {"missed_at": None}]
)
def test_an_order_vanished_where_its_broker_showed_it_no_more(changes: dict[str, Any]) -> None:
    assert GONE.vanished is True
    assert replace(GONE, **changes).vanished is False
    # One that is there again is followed again; its end, told late, changes nothing.
    assert orders.status_after(GONE, "accepted", Decimal(0)) == "accepted"
    assert orders.status_after(GONE, "expired", Decimal(0)) == "canceled"


def test_an_order_fills_covers_and_shorts_nothing_unless_it_says_so() -> None:
    amounts = {ORDER.reserved_notional, ORDER.filled_qty, ORDER.covered_qty, ORDER.shorted_qty}
    assert amounts == {Decimal(0)}


def test_an_adopted_order_has_whatever_quantity_the_broker_says() -> None:
    adopted = replace(ORDER, purpose="adopted", quantity=Decimal(3))
    assert orders.other_terms(adopted, FOUND) is None
    assert orders.other_terms(replace(adopted, symbol="BBB"), FOUND) is not None


def test_another_order_of_the_broker_under_our_id_is_another_order() -> None:
    known = replace(ORDER, broker_order_id="b-2")
    assert orders.other_terms(known, FOUND) == "id: ours b-2, the broker's b-1"
    assert orders.other_terms(replace(ORDER, broker_order_id="b-1"), FOUND) is None
    assert orders.disagreement(known, FOUND) == "id: ours b-2, the broker's b-1"


@pytest.mark.parametrize(
    ("price", "step"), [("1", "0.01"), ("1.005", "0.01"), ("0.9999", "0.0001"), ("500", "0.01")]
)
def test_the_step_of_a_price_changes_at_a_dollar(price: str, step: str) -> None:
    assert orders.price_step(Decimal(price)) == Decimal(step)


def test_fills_are_watched_for_longer_than_orders_and_both_over_a_long_weekend() -> None:
    """From the close before Good Friday to that of the Monday after it; and five sessions."""
    over_easter = new_york_time(date(2026, 4, 6), 16) - new_york_time(date(2026, 4, 2), 16)
    assert over_easter <= orders.WATCHED_FOR < orders.FILLS_WATCHED_FOR
    five_sessions = new_york_time(date(2026, 4, 9), 16) - new_york_time(date(2026, 4, 1), 16)
    assert five_sessions <= orders.FILLS_WATCHED_FOR


def own(text: str) -> OwnOrderId | None:
    return orders.read_client_order_id(text, deployment="main", account="large")


def test_an_id_of_ours_says_what_it_was_made_of() -> None:
    tick = NOW.replace(second=0)
    assert own(identity()) == OwnOrderId("AAA", tick, "entry", 1)
    assert own(identity(symbol="BRK-B", purpose="stop", attempt=12)) == OwnOrderId(
        "BRK-B", tick, "stop", 12
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "by-hand-1",
        "AAA-20260204T1600-entry-1",
        "other-large-AAA-20260204T1600-entry-1",
        "main-tiny-AAA-20260204T1600-entry-1",
        "main-large--20260204T1600-entry-1",
        "main-large-AAA-20260204T1600-adopted-1",
        "main-large-AAA-20260204T1600-entry-0",
        "main-large-AAA-20260204T1600-entry-1-1",
        "main-large-AAA-20261304T1600-entry-1",
        "x-main-large-AAA-20260204T1600-entry-1",
    ],
)
def test_an_id_of_somebody_else_says_nothing(text: str) -> None:
    assert own(text) is None


def test_an_order_may_be_an_illegible_item_by_its_ids_and_else_by_its_symbol() -> None:
    known = replace(ORDER, broker_order_id="b-1")
    item = IllegibleItem(kind="order", name="x", reason="odd", content="{}")
    assert orders.may_be_listed(known, [item])
    assert not orders.may_be_listed(known, [])
    ours = {"client_order_id": ORDER.client_order_id, "broker_order_id": "b-1", "symbol": "AAA"}
    for name, value in ours.items():
        other = replace(item, **{name: "another"})  # type: ignore[arg-type] # by name
        assert not orders.may_be_listed(known, [other])
        same = replace(item, **{name: value})  # type: ignore[arg-type] # by name
        assert orders.may_be_listed(known, [other, same])


@pytest.mark.parametrize(
    ("side", "limit", "anchor", "room", "within"),
    [
        ("buy", "102", "100", 0.01, "101.00"),
        ("buy", "100.50", "100", 0.01, "100.50"),
        ("buy", "130.13", "99.99", 0.015, "101.48"),  # 101.48985: never above
        ("sell", "98", "100", 0.01, "99.00"),
        ("sell", "99.50", "100", 0.01, "99.50"),
        ("sell", "59.88", "100.01", 0.015, "98.51"),  # 98.50985: never below
        ("buy", "0.9", "0.50003", 0.02, "0.51"),  # below a dollar by hundredths of a cent
        ("sell", "0.4", "0.50003", 0.02, "0.4901"),
    ],
)
def test_a_limit_is_at_most_a_fraction_worse_than_the_last_trade(
    side: Side, limit: str, anchor: str, room: float, within: str
) -> None:
    found = orders.within_collar(side, Decimal(limit), Decimal(anchor), room)
    assert found == Decimal(within)


@pytest.mark.parametrize(
    ("text", "own"),
    [
        ("main-large-AAA-20260204T1600-entry-1", True),
        ("another-deployment-tiny-BRK.B-20260204T1600-stop-12", True),
        ("main-large-AAA-20260204T1600-close-1", False),
        ("by hand", False),
        ("", False),
    ],
)
def test_an_id_of_some_deployment_of_ours_is_known_by_its_form(text: str, own: bool) -> None:
    assert orders.is_own_kind(text) is own


def test_an_order_covers_reserves_and_has_filled_nothing_unless_it_says_so() -> None:
    assert {ORDER.covered_qty, ORDER.reserved_notional, ORDER.filled_qty} == {Decimal(0)}
