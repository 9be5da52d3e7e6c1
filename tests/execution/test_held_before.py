"""What an account held before its first run is left alone, and is none of its limits and losses."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.legible import IllegibleItem
from ops_pipeline.domain.operations.invariants import BrokerRecords
from ops_pipeline.errors import BrokerUnavailable, CapExceeded
from tests.support.builders_trading import TradingBench

ENTRY = "test-large-{}-20260204T1430-entry-1"
STOP = "test-large-{}-20260204T1431-stop-1"


@pytest.fixture
def fresh(db: Database) -> TradingBench:
    """An account that has never run."""
    return TradingBench(db, looked=False)


@pytest.fixture
def owner(fresh: TradingBench) -> TradingBench:
    """It holds 400 OLD, bought at 50 and at 30 since long, and has run once."""
    held_long(fresh)
    minute(fresh)
    return fresh


def held_long(bench: TradingBench) -> None:
    bench.broker.hold("OLD", "400", "50")
    bench.broker.marks["OLD"] = bench.broker.closes["OLD"] = Decimal(30)
    bench.broker.last_equity = bench.broker.cash + 12_000


def minute(bench: TradingBench, count: int = 1) -> None:
    """Minutes of guard and reconciler."""
    for _ in range(count):
        bench.next_minute()
        bench.guard()
        bench.reconcile("large")


def external(bench: TradingBench) -> dict[str, object]:
    found = bench.rows("SELECT symbol, quantity FROM external_holdings WHERE quantity <> 0")
    return {row["symbol"]: row["quantity"] for row in found}


def ours(bench: TradingBench) -> dict[str, object]:
    found = bench.rows("SELECT symbol, quantity FROM active_positions WHERE status <> 'closed'")
    return {row["symbol"]: row["quantity"] for row in found}


def halted(bench: TradingBench) -> str | None:
    (row,) = bench.rows("SELECT books_halt FROM accounts WHERE account_name = 'large'")
    return None if row["books_halt"] is None else str(row["books_halt"])


def latched(bench: TradingBench) -> bool:
    (row,) = bench.rows("SELECT kill_switch_day FROM accounts WHERE account_name = 'large'")
    return row["kill_switch_day"] is not None


def breaches(bench: TradingBench) -> list[object]:
    broker = bench.broker
    records = BrokerRecords(
        orders=list(broker.orders.values()), positions=broker.positions(), fills=broker.fills
    )
    with bench.db.transaction() as tx:
        found = invariants.check(tx, now=bench.clock.now(), broker={"large": records})
    return list(found)


def by_hand(bench: TradingBench, side: str, quantity: str, price: str, symbol: str = "OLD") -> None:
    """A person orders, and it fills."""
    name = f"hand-{side}-{len(bench.broker.orders)}"
    bench.broker.submit(
        OrderRequest(name, symbol, side, Decimal(quantity), "limit", Decimal(price))  # type: ignore[arg-type]  # a side
    )
    bench.broker.fill(name, price)


def test_what_was_there_before_is_not_sold_and_latches_nothing(fresh: TradingBench) -> None:
    """It has lost $8,000 since it was bought, and $400 more today; the limit is $500."""
    held_long(fresh)
    fresh.quote("OLD", "28.99", "29.01")
    fresh.broker.marks["OLD"] = Decimal(29)
    minute(fresh, 3)
    assert fresh.broker.submitted == []
    assert (ours(fresh), external(fresh)) == ({}, {"OLD": 400})
    assert (fresh.alerts(), halted(fresh), latched(fresh), breaches(fresh)) == ([], None, False, [])


def test_the_dispatcher_finds_out_before_it_enters(fresh: TradingBench) -> None:
    held_long(fresh)
    fresh.recommend()
    fresh.dispatch()
    assert external(fresh) == {"OLD": 400}
    assert fresh.order()["symbol"] == "AAA"


def test_it_takes_neither_a_slot_nor_exposure(owner: TradingBench) -> None:
    owner.set_account(max_positions=1)
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "max_positions")["reason"] == "Positions 0/1"
    assert owner.verdict(number, "max_exposure")["passed"]
    assert owner.order()["status"] == "accepted"


def test_its_symbol_is_not_traded(owner: TradingBench) -> None:
    owner.quote("OLD", "29.99", "30.01")
    number = owner.recommend("OLD")
    owner.dispatch()
    assert not owner.broker.submitted
    assert owner.verdict(number, "external_holding") == {
        "passed": False,
        "reason": "OLD was held before the first run",
        "observed": "OLD",
        "limit": "not held before",
    }


def test_the_database_refuses_an_entry_in_it_whatever_the_code_says(owner: TradingBench) -> None:
    owner.recommend()
    owner.dispatch()
    with pytest.raises(CapExceeded, match="held before the first run"):
        owner.run(
            """
            INSERT INTO orders SELECT (o).* FROM (
                SELECT jsonb_populate_record(o, '{"client_order_id": "raw", "symbol": "OLD",
                    "ticker": "OLD", "status": "intended", "broker_order_id": null,
                    "attempt": 2, "acknowledged_at": null}') AS o FROM orders AS o) AS x
            """
        )


def test_nothing_is_entered_before_it_is_known_what_was_there(fresh: TradingBench) -> None:
    held_long(fresh)
    fresh.broker.fail("positions", BrokerUnavailable("503"), times=9)
    number = fresh.recommend()
    fresh.dispatch()
    reason = fresh.verdict(number, "external_holding")["reason"]
    assert reason == "What was held before the first run unknown: refused"
    assert not fresh.broker.submitted


def test_nothing_is_adopted_before_it_is_known_what_was_there(fresh: TradingBench) -> None:
    held_long(fresh)
    fresh.broker.illegible = [
        IllegibleItem(kind="order", name="odd", reason="odd", content="{}", has_ended=True)
    ]
    minute(fresh, 2)
    assert (ours(fresh), external(fresh)) == ({}, {})
    fresh.broker.illegible = []
    minute(fresh)
    assert (ours(fresh), external(fresh)) == ({}, {"OLD": 400})


@pytest.mark.parametrize("loss", [600, 450])
def test_its_change_of_the_day_is_none_of_the_daily_loss(owner: TradingBench, loss: int) -> None:
    """It rises by $2,000 while the account loses something else, which must not be hidden."""
    owner.broker.marks["OLD"] = Decimal(35)
    owner.broker.cash -= loss
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "daily_loss")["observed"] in (
        loss,
        float(loss),
        str(loss),
        f"{loss}.0",
    )
    assert owner.verdict(number, "daily_loss")["passed"] == (loss < 500)


def test_its_fall_latches_nothing_while_something_of_ours_is_guarded(owner: TradingBench) -> None:
    owner.buy()
    owner.broker.marks["OLD"] = Decimal(20)
    minute(owner, 4)
    assert not latched(owner)
    owner.broker.cash -= 600
    minute(owner, 2)
    assert latched(owner)


def test_what_its_owner_sells_of_it_is_followed_down(owner: TradingBench) -> None:
    owner.broker.marks["OLD"] = Decimal(28)
    by_hand(owner, "sell", "150", "28")
    minute(owner)
    assert external(owner) == {"OLD": 400}
    minute(owner, 2)
    assert external(owner) == {"OLD": 250}
    (event,) = owner.rows("SELECT * FROM external_holding_events WHERE kind = 'reduced'")
    assert (event["quantity_before"], event["quantity"], event["price"]) == (400, 250, 28)
    assert event["day_change"] == -300
    assert (ours(owner), owner.alerts(), halted(owner), breaches(owner)) == ({}, [], None, [])
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "daily_loss")["reason"] == "Daily loss $0 under $500"


def test_while_a_sale_of_it_is_not_followed_yet_the_loss_is_unknown_and_latches_nothing(
    owner: TradingBench,
) -> None:
    owner.broker.marks["OLD"] = Decimal(20)
    by_hand(owner, "sell", "400", "20")
    number = owner.recommend()
    owner.dispatch()
    assert owner.verdict(number, "daily_loss")["reason"] == "Daily loss unknown: refused"
    minute(owner, 3)
    assert (external(owner), latched(owner)) == ({}, False)


def test_a_list_that_lacks_it_once_or_for_a_while_never_makes_it_ours(owner: TradingBench) -> None:
    """The row ends when two looks lack it; what is there again is a person's to decide."""
    held = owner.broker._holdings.pop("OLD")
    minute(owner)
    owner.broker._holdings["OLD"] = held
    minute(owner)
    assert external(owner) == {"OLD": 400}
    owner.broker._holdings.pop("OLD")
    minute(owner, 4)
    assert external(owner) == {}
    owner.broker._holdings["OLD"] = held
    minute(owner, 4)
    assert ours(owner) == {}
    assert not owner.broker.submitted
    assert owner.alerts() == ["position_unknown_to_us"]
    assert (halted(owner) or "").startswith("OLD: we hold 0, the broker says 400")


def test_shares_of_a_split_are_not_taken_for_a_purchase(owner: TradingBench) -> None:
    owner.broker.hold("OLD", "2800", "7.14")
    minute(owner, 4)
    assert (ours(owner), external(owner)) == ({}, {"OLD": 400})
    assert halted(owner) is not None


def test_what_is_bought_by_hand_on_top_counts_in_the_limits(owner: TradingBench) -> None:
    owner.quote("OLD", "29.99", "30.01")
    by_hand(owner, "buy", "10", "30")
    minute(owner, 2)
    assert (ours(owner), external(owner)) == ({"OLD": 10}, {"OLD": 400})
    owner.set_account(max_positions=1)
    number = owner.recommend()
    owner.dispatch()
    assert not owner.verdict(number, "max_positions")["passed"]
    assert breaches(owner) == []


def test_what_is_bought_on_top_and_not_booked_yet_counts_as_well(owner: TradingBench) -> None:
    owner.set_account(max_positions=1, max_exposure=1000)
    by_hand(owner, "buy", "10", "30")
    number = owner.recommend()
    owner.dispatch()
    assert not owner.verdict(number, "max_positions")["passed"]


def test_a_sale_by_hand_is_of_what_was_there_before_first(owner: TradingBench) -> None:
    owner.quote("OLD", "29.99", "30.01")
    by_hand(owner, "buy", "10", "30")
    minute(owner, 2)
    by_hand_quantity = "390"
    by_hand(owner, "sell", by_hand_quantity, "30")
    minute(owner, 4)
    assert (ours(owner), external(owner)) == ({"OLD": 10}, {"OLD": 10})
    assert owner.alerts() == []


def test_orders_by_hand_that_made_it_are_not_booked_a_second_time(fresh: TradingBench) -> None:
    """Bought yesterday, by an order that the broker still lists."""
    by_hand(fresh, "buy", "100", "30", "NEW")
    fresh.clock.advance(3600)
    minute(fresh, 3)
    assert (ours(fresh), external(fresh)) == ({}, {"NEW": 100})
    assert (fresh.alerts(), halted(fresh), breaches(fresh)) == ([], None, [])


def own_order(bench: TradingBench, name: str, side: str, quantity: str, price: str) -> None:
    """An order of ours at the broker, whose row a lost database had."""
    symbol = name.split("-")[2]
    kind = "stop" if "-stop-" in name else "limit"
    bench.broker.submit(
        OrderRequest(name, symbol, side, Decimal(quantity), kind, Decimal(price), "gtc")  # type: ignore[arg-type]  # words
    )


def lose_the_database(bench: TradingBench, days: int) -> None:
    """19 AAA of ours with their stop, and 400 OLD; the orders are that old."""
    held_long(bench)
    own_order(bench, ENTRY.format("AAA"), "buy", "19", "100")
    bench.broker.fill(ENTRY.format("AAA"), "100")
    own_order(bench, STOP.format("AAA"), "sell", "19", "98")
    for name, order in bench.broker.orders.items():
        then = order.submitted_at - timedelta(days=days)
        bench.broker.orders[name] = replace(order, submitted_at=then, updated_at=then)


@pytest.mark.parametrize("days", [0, 3, 12])
def test_an_empty_ledger_after_a_lost_database_makes_none_of_our_positions_external(
    fresh: TradingBench, days: int
) -> None:
    lose_the_database(fresh, days)
    fresh.clock.advance(900)
    minute(fresh, 3)
    assert (ours(fresh), external(fresh)) == ({"AAA": 19}, {"OLD": 400})


def test_more_of_a_symbol_than_our_lost_orders_bought_is_left_alone(fresh: TradingBench) -> None:
    lose_the_database(fresh, 1)
    fresh.broker.hold("AAA", "29", "99")
    fresh.clock.advance(900)
    minute(fresh, 3)
    assert (ours(fresh), external(fresh)) == ({"AAA": 19}, {"AAA": 10, "OLD": 400})


def test_crypto_is_never_taken_for_stock_and_takes_no_slot(bench: TradingBench) -> None:
    """Bought by hand long after the first run; its price falls."""
    bench.broker.hold("BTCUSD", "2", "40000", "crypto")
    bench.broker.marks["BTCUSD"] = Decimal(39_000)
    bench.broker.last_equity = bench.broker.cash + 80_000
    bench.set_account(max_positions=1)
    minute(bench, 3)
    assert (ours(bench), bench.alerts(), halted(bench), breaches(bench)) == ({}, [], None, [])
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "daily_loss")["reason"] == "Daily loss $0 under $500"
    assert bench.order()["status"] == "accepted"


def test_an_order_for_crypto_is_not_booked_as_stock(bench: TradingBench) -> None:
    by_hand(bench, "buy", "1", "300", "ETH/USD")
    order = bench.broker.orders["hand-buy-0"]
    bench.broker.orders["hand-buy-0"] = replace(order, asset_class="crypto")
    bench.broker._holdings.pop("ETH/USD")
    bench.broker.hold("ETHUSD", "1", "300", "crypto")
    minute(bench, 3)
    assert (bench.orders(), ours(bench)) == ([], {})
    assert (bench.alerts(), halted(bench), breaches(bench)) == ([], None, [])
