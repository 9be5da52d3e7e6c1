"""Faults of single orders, and what a person or the venue does to an order, at the exchange."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from tests.contract.paper_street import (
    LARGE,
    TINY,
    Minute,
    ask,
    at,
    look,
    open_exchange,
    own,
    place,
)
from tests.contract.published import TRADING, complaints, require_published

RESTING: dict[str, Any] = {"limit_price": "9"}


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path) as running:
        running.set_clock(at("10:31"))
        yield running


def filled(exchange: RunningExchange, order_id: str) -> tuple[str, str]:
    seen = look(exchange, order_id)
    return seen["status"], seen["filled_qty"]


def held(exchange: RunningExchange, symbol: str = "AAA") -> str:
    status, answer = ask(exchange, "GET", f"/v2/positions/{symbol}")
    return str(answer["qty"]) if status == 200 else "none"


def executions(exchange: RunningExchange, order_id: str) -> list[dict[str, Any]]:
    status, found = ask(exchange, "GET", "/v2/account/activities/FILL?direction=asc")
    assert status == 200
    return [fill for fill in found if fill["order_id"] == order_id]


def test_an_order_is_overfilled_by_one_share(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "overfill", "side": "buy", "times": 1}])
    bought, after = place(exchange), place(exchange, symbol="BBB")
    assert filled(exchange, bought) == ("filled", "11")
    assert filled(exchange, after) == ("filled", "10")
    assert held(exchange) == "11"
    (fill,) = executions(exchange, bought)
    assert (fill["qty"], fill["cum_qty"], fill["leaves_qty"]) == ("11", "11", "0")
    assert exchange.faults_injected() == {"overfill": 1}


def test_a_sale_is_overfilled_only_where_the_account_holds_a_further_share(
    exchange: RunningExchange,
) -> None:
    own(exchange, 12)
    exchange.set_faults([{"kind": "overfill"}])
    assert filled(exchange, place(exchange, side="sell", limit_price="9.9")) == ("filled", "11")
    assert filled(exchange, place(exchange, side="sell", limit_price="9.9", qty="1")) == (
        "filled",
        "1",
    )
    assert held(exchange) == "none"


def test_a_fill_is_told_two_minutes_after_the_order_was_cancelled(
    exchange: RunningExchange,
) -> None:
    require_published()
    exchange.set_faults([{"kind": "late_fill", "symbol": "AAA"}])
    resting = place(exchange, **RESTING)
    assert ask(exchange, "DELETE", f"/v2/orders/{resting}")[0] == 204
    exchange.set_clock(at("10:33") - timedelta(seconds=1))
    assert (filled(exchange, resting), held(exchange)) == (("canceled", "0"), "none")
    exchange.set_clock(at("10:33"))
    assert (filled(exchange, resting), held(exchange)) == (("canceled", "10"), "10")
    (fill,) = executions(exchange, resting)
    assert (fill["price"], fill["transaction_time"]) == ("9", "2013-10-07T14:33:00Z")
    assert complaints(TRADING, "Order", look(exchange, resting)) == []
    assert complaints(TRADING, "TradingActivities", fill) == []


def test_a_fill_is_told_after_the_order_expired_also_in_one_long_step(
    exchange: RunningExchange,
) -> None:
    exchange.set_faults([{"kind": "late_fill"}])
    resting = place(exchange, **RESTING)
    exchange.set_clock(at("18:00"))
    assert filled(exchange, resting) == ("expired", "10")
    assert executions(exchange, resting)[0]["transaction_time"] == "2013-10-07T20:02:00Z"


def test_a_fill_is_told_after_the_venue_rejected_the_order(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "late_fill"}, {"kind": "rejected_by_venue"}])
    rejected = place(exchange)
    assert filled(exchange, rejected) == ("rejected", "0")
    exchange.set_clock(at("10:33"))
    assert filled(exchange, rejected) == ("rejected", "10")


def test_a_late_fill_of_a_sale_sells_at_most_what_is_held(exchange: RunningExchange) -> None:
    own(exchange, 10)
    exchange.set_faults([{"kind": "late_fill"}])
    resting = place(exchange, side="sell", limit_price="11")
    exchange.end_order("large", resting, "canceled")
    place(exchange, side="sell", limit_price="9.9", qty="7")
    exchange.set_clock(at("10:33"))
    assert filled(exchange, resting) == ("canceled", "3")
    assert held(exchange) == "none"


def test_an_accepted_order_is_rejected_by_its_venue(exchange: RunningExchange) -> None:
    require_published()
    exchange.set_faults([{"kind": "rejected_by_venue", "times": 1}])
    rejected = look(exchange, place(exchange))
    assert (rejected["status"], rejected["filled_qty"]) == ("rejected", "0")
    assert rejected["failed_at"] == "2013-10-07T14:31:00Z"
    assert complaints(TRADING, "Order", rejected) == []
    assert Decimal(ask(exchange, "GET", "/v2/account")[1]["buying_power"]) == 200_000


def test_an_order_that_rested_vanishes(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "vanishes", "times": 1}])
    lost = place(exchange, **RESTING, client_order_id="lost")
    assert look(exchange, lost)["status"] == "new"
    exchange.set_clock(at("10:33"))
    for path in (f"/{lost}", ":by_client_order_id?client_order_id=lost"):
        assert ask(exchange, "GET", f"/v2/orders{path}")[0] == 404
    assert ask(exchange, "DELETE", f"/v2/orders/{lost}")[0] == 404
    assert ask(exchange, "GET", "/v2/orders?status=all") == (200, [])
    again = place(exchange, **RESTING, client_order_id="lost")
    assert again != lost
    assert [row["order_id"] for row in exchange.tables()["vanished_orders"]] == [lost]


def test_an_order_that_was_filled_does_not_vanish(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "vanishes"}])
    bought = place(exchange)
    exchange.set_clock(at("10:40"))
    assert filled(exchange, bought) == ("filled", "10")


def test_the_faults_of_an_order_survive_a_restart(tmp_path: Path) -> None:
    with open_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        exchange.set_faults([{"kind": "vanishes"}])
        lost = place(exchange, **RESTING)
    with open_exchange(tmp_path) as again:
        again.set_clock(at("10:40"))
        assert ask(again, "GET", f"/v2/orders/{lost}")[0] == 404


def test_one_long_step_leaves_what_many_short_ones_do(tmp_path: Path) -> None:
    rules = [{"kind": "late_fill"}, {"kind": "vanishes", "symbol": "BBB"}, {"kind": "overfill"}]
    tables = []
    for name, minutes in (("short", 1), ("long", 500)):
        (tmp_path / name).mkdir()
        with open_exchange(tmp_path / name) as exchange:
            exchange.set_clock(at("10:31"))
            exchange.set_faults(rules)
            place(exchange, qty="250")
            place(exchange, symbol="BBB", **RESTING)
            exchange.end_order("large", place(exchange, **RESTING), "canceled")
            while exchange.now() < at("18:00"):
                exchange.set_clock(exchange.now() + timedelta(minutes=minutes))
            tables.append({**exchange.tables(), "clock": []})
    assert tables[0] == tables[1]
    assert len(tables[0]["vanished_orders"]) == 1


def test_a_person_places_an_order_without_the_account_s_keys(exchange: RunningExchange) -> None:
    require_published()
    exchange.set_faults([{"kind": "overfill"}])
    placed = exchange.place_order(
        "large", symbol="AAA", qty="5", side="buy", type="market", time_in_force="day"
    )
    seen = look(exchange, placed["id"])
    assert (seen["status"], seen["filled_qty"]) == ("filled", "5")
    assert complaints(TRADING, "Order", seen) == []
    assert held(exchange) == "5"
    assert ask(exchange, "GET", "/v2/orders?status=all", account=TINY) == (200, [])


def test_a_person_s_resting_sale_holds_the_shares_and_can_be_cancelled(
    exchange: RunningExchange,
) -> None:
    own(exchange, 10)
    sale = exchange.place_order(
        "large", symbol="AAA", qty="10", side="sell", type="limit", limit_price="12",
        time_in_force="gtc", client_order_id="by hand",
    )  # fmt: skip
    assert ask(exchange, "GET", "/v2/positions/AAA")[1]["qty_available"] == "0"
    assert exchange.end_order("large", "by hand", "canceled")["id"] == sale["id"]
    assert ask(exchange, "GET", "/v2/positions/AAA")[1]["qty_available"] == "10"


@pytest.mark.parametrize("status", ["canceled", "expired", "rejected"])
def test_the_venue_ends_an_order_and_fills_it_afterwards(
    exchange: RunningExchange, status: Any
) -> None:
    require_published()
    resting = place(exchange, **RESTING)
    ended = exchange.end_order("large", resting, status)
    assert (ended["status"], complaints(TRADING, "Order", ended)) == (status, [])
    told = exchange.fill_order("large", resting, 4, "8.95")
    assert (told["status"], told["filled_qty"], told["filled_avg_price"]) == (status, "4", "8.95")
    assert held(exchange) == "4"
    with pytest.raises(ExchangeFailed, match="order is already in"):
        exchange.end_order("large", resting, "canceled")


def test_a_filled_order_is_filled_once_more(exchange: RunningExchange) -> None:
    bought = place(exchange)
    told = exchange.fill_order("large", bought, 1)
    assert (told["status"], told["filled_qty"]) == ("filled", "11")


@pytest.mark.parametrize("late", [4, 10])
def test_a_resting_sale_of_what_a_late_fill_sold_is_canceled(tmp_path: Path, late: int) -> None:
    """Nothing is sold short, and the clock goes on."""
    rise = {("AAA", f"10:{minute}"): Minute("12.00", "12.02") for minute in range(40, 50)}
    with open_exchange(tmp_path, rise) as exchange:
        exchange.set_clock(at("10:31"))
        place(exchange)
        first = place(exchange, side="sell", limit_price="12.00")
        exchange.end_order("large", first, "canceled")
        second = place(exchange, side="sell", limit_price="12.00")
        exchange.fill_order("large", first, late, "10.00")
        exchange.set_clock(at("10:45"))
        told = look(exchange, second)
        assert (told["status"], told["filled_qty"]) == ("canceled", str(10 - late))
        assert ask(exchange, "GET", "/v2/positions/AAA")[0] == 404


def test_an_order_is_forgotten_by_hand_unless_it_has_fills(exchange: RunningExchange) -> None:
    resting, bought = place(exchange, **RESTING), place(exchange)
    exchange.forget_order("large", resting)
    assert ask(exchange, "GET", f"/v2/orders/{resting}")[0] == 404
    with pytest.raises(ExchangeFailed, match="fills can't vanish"):
        exchange.forget_order("large", bought)


def test_what_can_not_be_done_to_an_order_is_refused(exchange: RunningExchange) -> None:
    resting = place(exchange, **RESTING)
    before = exchange.tables()
    wrongs: tuple[Callable[[], object], ...] = (
        lambda: exchange.end_order("large", resting, "filled"),  # type: ignore[arg-type]
        lambda: exchange.end_order("tiny", resting, "canceled"),
        lambda: exchange.end_order("nobody", resting, "canceled"),
        lambda: exchange.fill_order("large", resting, 0),
        lambda: exchange.fill_order("large", "unknown", 1),
        lambda: exchange.place_order("large", symbol="AAA", qty="1", side="buy"),
    )
    for wrong in wrongs:
        with pytest.raises(ExchangeFailed):
            wrong()
    assert exchange.tables() == before
    assert LARGE.secret_key not in str(before)
