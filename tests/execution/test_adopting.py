"""What is adopted was read twice, with nothing of ours settled in between."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import BrokerPosition, OrderRequest
from ops_pipeline.domain.legible import Listing
from ops_pipeline.errors import BrokerOutcomeUnknown, BrokerUnavailable
from ops_pipeline.execution import order_sync
from tests.support.builders_trading import TradingBench


def during_the_read(bench: TradingBench, act: Callable[[], object]) -> None:
    """Let something happen once, after the first list of positions was read."""
    broker, read = bench.broker, bench.broker.positions
    left = [act]

    def positions() -> Listing[BrokerPosition]:
        found = read()
        while left:
            left.pop()()
        return found

    broker.positions = positions  # type: ignore[method-assign]  # restored with the bench


def after_the_read(bench: TradingBench, act: Callable[[], object]) -> None:
    """Let something happen once, after the last list was read and before the unit of work."""
    broker, positions = bench.broker, bench.broker.positions
    left = [act]
    reads = []

    def read() -> Listing[BrokerPosition]:
        found = positions()
        reads.append(found)
        if len(reads) == 2 and left:
            left.pop()()
        return found

    broker.positions = read  # type: ignore[method-assign]  # restored with the bench


def sell_by_the_guard(bench: TradingBench) -> None:
    """The stop fills, and the guard books it."""
    bench.broker.fill(str(bench.order("stop")["client_order_id"]), "98.00")
    gateway = bench.gateway()
    order_sync.sync(gateway.ctx, bench.db, gateway)


def open_positions(bench: TradingBench) -> list[Decimal]:
    found = bench.rows("SELECT quantity FROM active_positions WHERE status <> 'closed'")
    return [row["quantity"] for row in found]


def test_shares_that_the_guard_sold_between_the_two_reads_are_not_adopted(
    held: TradingBench,
) -> None:
    held.next_minute()
    during_the_read(held, lambda: sell_by_the_guard(held))
    held.reconcile()
    assert open_positions(held) == []
    held.next_minute()
    held.reconcile()
    assert open_positions(held) == []


def test_shares_that_the_guard_sold_before_the_unit_of_work_are_not_adopted(
    held: TradingBench,
) -> None:
    held.next_minute()
    after_the_read(held, lambda: sell_by_the_guard(held))
    held.reconcile()
    assert open_positions(held) == []


def test_shares_that_come_between_the_two_reads_are_adopted_by_the_next_run(
    bench: TradingBench,
) -> None:
    during_the_read(bench, lambda: bench.broker.hold("AAA", "5", "100.00"))
    bench.reconcile()
    assert open_positions(bench) == []
    bench.next_minute()
    bench.reconcile()
    assert open_positions(bench) == [5]


def lagging(bench: TradingBench) -> None:
    """Let the broker's positions stay as they are now, until `catch_up`."""
    stale = bench.broker.positions()
    bench.broker.positions = lambda: stale  # type: ignore[method-assign]


def catch_up(bench: TradingBench) -> None:
    del bench.broker.positions


def later(bench: TradingBench, minutes: int) -> None:
    for _ in range(minutes):
        bench.next_minute()


@pytest.mark.parametrize("lag_minutes", [1, 2, 5, 9])
def test_shares_that_a_stale_list_shows_after_their_sale_are_never_adopted(
    held: TradingBench, lag_minutes: int
) -> None:
    """Two readings, and two runs, agree on a list that lags by minutes."""
    held.next_minute()
    lagging(held)
    sell_by_the_guard(held)
    for _ in range(lag_minutes):
        held.next_minute()
        held.reconcile()
        assert open_positions(held) == []
    catch_up(held)
    held.next_minute()
    held.reconcile()
    assert open_positions(held) == []
    assert "position_unknown_to_us" not in held.alerts()
    assert held.rows("SELECT books_halt FROM accounts WHERE account_name = 'large'") == [
        {"books_halt": None}
    ]


def test_shares_of_a_symbol_that_rested_are_adopted_by_the_first_run(held: TradingBench) -> None:
    """They are guarded at once: nothing of ours can have been them."""
    sell_by_the_guard(held)
    later(held, 11)
    held.broker.hold("AAA", "5", "100.00")
    held.reconcile()
    assert open_positions(held) == [5]


def test_a_sale_in_part_that_a_stale_list_does_not_show_is_not_taken_back(
    held: TradingBench,
) -> None:
    held.next_minute()
    lagging(held)
    held.broker.fill(str(held.order("stop")["client_order_id"]), "98.00", "9")
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    gateway = held.gateway()
    order_sync.sync(gateway.ctx, held.db, gateway)
    assert open_positions(held) == [10]
    held.reconcile()
    held.clock.advance(61)
    held.reconcile()
    assert open_positions(held) == [10]
    catch_up(held)
    later(held, 1)
    held.reconcile()
    assert open_positions(held) == [10]


def bought_by_hand(bench: TradingBench) -> None:
    order = OrderRequest("mine", "YYY", "buy", Decimal(5), "limit", Decimal(10))
    bench.broker.submit(order)
    bench.broker.fill("mine", "10.00")
    bench.clock.advance(1)


def test_an_order_seen_in_positions_before_the_order_list_is_booked_once(
    bench: TradingBench,
) -> None:
    bought_by_hand(bench)
    listed = bench.broker.orders_since
    bench.broker.orders_since = lambda since: Listing(listed(since)[:0])  # type: ignore[method-assign]
    bench.reconcile()
    assert open_positions(bench) == [5]

    bench.broker.orders_since = listed  # type: ignore[method-assign]
    for _ in range(3):
        bench.next_minute()
        bench.reconcile()
        assert open_positions(bench) == [5]
    assert (bench.order("adopted")["status"], bench.order("adopted")["filled_qty"]) == ("filled", 5)
    assert len(bench.rows("SELECT 1 FROM fills")) == 1
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []


def test_an_order_seen_in_the_order_list_before_positions_is_booked_once(
    bench: TradingBench,
) -> None:
    lagging(bench)
    bought_by_hand(bench)
    bench.reconcile()
    assert open_positions(bench) == [5]
    catch_up(bench)
    for _ in range(3):
        bench.next_minute()
        bench.reconcile()
        assert open_positions(bench) == [5]


def test_what_is_bought_after_an_adoption_is_added(bench: TradingBench) -> None:
    bench.broker.hold("YYY", "5", "10.00")
    bench.reconcile()
    bench.next_minute()
    bought_by_hand(bench)
    bench.reconcile()
    assert open_positions(bench) == [10]


def test_an_entry_given_up_and_adopted_by_its_position_is_booked_once(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    bench.broker.fill(name, "100.00")
    hidden = dict(bench.broker.orders)
    bench.broker.orders.clear()
    for _ in range(2):
        bench.next_minute(AAA=("109.98", "110.00"))
        bench.recover()
    assert bench.order()["status"] == "not_placed"
    later(bench, 11)
    bench.reconcile()
    assert open_positions(bench) == [19]

    bench.broker.orders.update(hidden)
    bench.next_minute()
    bench.guard()
    assert bench.order()["status"] == "filled"
    assert open_positions(bench) == [19]
    assert len(bench.rows("SELECT 1 FROM dispatch_executions")) == 1
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []


def hide(bench: TradingBench, name: str) -> Callable[[], None]:
    """Keep an order and its fills out of the lists until the returned function is called."""
    broker, hidden = bench.broker, bench.broker.orders[name]
    orders, fills = broker.orders_since, broker.fills_since
    broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in orders(since) if it.client_order_id != name])
    )
    broker.fills_since = (  # type: ignore[method-assign]
        lambda since: Listing(
            [it for it in fills(since) if it.broker_order_id != hidden.broker_order_id]
        )
    )

    def show() -> None:
        broker.orders_since, broker.fills_since = orders, fills  # type: ignore[method-assign]

    return show


def guarded(bench: TradingBench, minutes: int) -> None:
    for _ in range(minutes):
        later(bench, 1)
        bench.guard()
        bench.reconcile()


def test_the_rest_of_an_entry_seen_in_positions_first_is_booked_once(bench: TradingBench) -> None:
    """Some of it was booked and sold before the rest filled, after its end."""
    bench.recommend()
    bench.dispatch()
    name = str(bench.order()["client_order_id"])
    bench.broker.fill(name, "100.00", "3")
    bench.broker.end(name, "canceled")
    guarded(bench, 1)
    bench.broker.fill(str(bench.order("stop")["client_order_id"]), "98.00")
    guarded(bench, 1)
    assert open_positions(bench) == []
    bench.broker.fill_late(name, "100.00", "10")
    show = hide(bench, name)
    guarded(bench, 13)
    assert open_positions(bench) == [10]
    show()
    guarded(bench, 3)
    assert open_positions(bench) == [10]
    assert bench.order()["filled_qty"] == 13
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []


@pytest.mark.parametrize("then", ["nothing is held", "others are held"])
def test_what_was_adopted_and_sold_is_not_bought_again(bench: TradingBench, then: str) -> None:
    """The list of orders tells of the purchase only once its shares are gone."""
    bench.broker.trade_by_hand("mine", "AAA", "buy", "15")
    show = hide(bench, "mine")
    guarded(bench, 2)
    assert open_positions(bench) == [15]
    bench.broker.fill(str(bench.order("stop")["client_order_id"]), "98.00")
    guarded(bench, 1)
    held = [6] if then == "others are held" else []
    if held:
        bench.broker.trade_by_hand("others", "AAA", "buy", "6")
        guarded(bench, 1)
    assert open_positions(bench) == held
    show()
    guarded(bench, 3)
    assert open_positions(bench) == held
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []


def test_a_purchase_and_a_sale_that_the_list_showed_the_rest_of_are_booked_once(
    bench: TradingBench,
) -> None:
    """15 bought and 5 sold by hand: the list of positions showed 10 before both orders."""
    bench.broker.trade_by_hand("bought", "AAA", "buy", "15")
    bench.broker.trade_by_hand("sold", "AAA", "sell", "5")
    bench.clock.advance(61)
    shown = [hide(bench, name) for name in ("bought", "sold")]
    guarded(bench, 2)
    assert open_positions(bench) == [10]
    for show in reversed(shown):
        show()
    guarded(bench, 3)
    assert open_positions(bench) == [10]
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now()) == []


def test_a_sale_by_hand_seen_in_positions_before_the_order_list_is_booked_once(
    held: TradingBench,
) -> None:
    held.broker.end(str(held.order("stop")["client_order_id"]), "canceled")
    held.next_minute()
    held.broker.submit(OrderRequest("mine", "AAA", "sell", Decimal(5), "limit", Decimal(100)))
    held.broker.fill("mine", "100.00")
    listed = held.broker.orders_since
    held.broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in listed(since) if it.client_order_id != "mine"])
    )
    for _ in range(4):
        later(held, 1)
        held.reconcile()
    assert open_positions(held) == [14]

    held.broker.orders_since = listed  # type: ignore[method-assign]
    for _ in range(3):
        later(held, 1)
        held.reconcile()
        assert open_positions(held) == [14]
    assert held.order("adopted")["filled_qty"] == 5
    with held.db.transaction() as tx:
        assert invariants.check(tx, now=held.clock.now()) == []


def test_an_order_that_cannot_be_looked_up_keeps_no_other_from_being_settled(
    bench: TradingBench,
) -> None:
    bench.quote("BBB")
    for ticker in ("AAA", "BBB"):
        bench.recommend(ticker)
        bench.dispatch()
    first, second = bench.orders("entry")
    bench.broker.fill(str(second["client_order_id"]), "100.00")
    listed = bench.broker.orders_since
    bench.broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in listed(since) if it.symbol != first["symbol"]])
    )
    bench.broker.fail("order_by_client_id", BrokerUnavailable("500"), times=9)
    gateway = bench.gateway()
    synced = order_sync.sync(gateway.ctx, bench.db, gateway)
    assert [order["status"] for order in bench.orders("entry")] == ["accepted", "filled"]
    assert len(synced.failures) == 1
