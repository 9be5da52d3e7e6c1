"""What is adopted was read twice, with nothing of ours settled in between."""

from collections.abc import Callable
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerPosition
from ops_pipeline.domain.legible import Listing
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
