"""A desk whose database is lost, and what is done then."""

from collections.abc import Callable

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, Row, target_from_url
from ops_pipeline.db.operations import invariants
from ops_pipeline.db.runs import DryDatabase
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.stages import control
from ops_pipeline.stages.account_binding import Binder
from ops_pipeline.stages.control import Action, ControlCommand
from ops_pipeline.stages.rebuilding import RebuildCommand, Rebuilder
from tests.support.builders_trading import TradingBench

Act = Callable[[TradingBench], object]


def login(urls: DatabaseUrls, name: str) -> Database:
    target = target_from_url(local.url_for(urls.writer, database=name))
    return Database(target, application_name="tests")


def moved_to(bench: TradingBench, db: Database) -> TradingBench:
    """The same street at the same moment, on another database."""
    after = TradingBench(db, at=bench.clock.now())
    after.clock, after.market, after.brokers = bench.clock, bench.market, bench.brokers
    # Ids made from the clock would not begin anew either.
    after._ids = bench._ids
    return after


def rebuilder(bench: TradingBench) -> Rebuilder:
    return Rebuilder(
        db=bench.db,
        binder=Binder(
            db=bench.db,
            dry=DryDatabase(bench.db) if isinstance(bench.db, Database) else bench.db,
            open_broker=lambda account, _: bench.brokers[account],
            new_salt=lambda: b"s" * 32,
            clock=bench.clock,
        ),
        gateway=bench.gateway,
        deployment="test",
        clock=bench.clock,
    )


def rebuild(bench: TradingBench, *, confirm: bool = True) -> dict[str, Row]:
    """What came of it, by account."""
    command = RebuildCommand(operator="ann", reason="the disk died", confirm=confirm)
    return {row["account"]: row for row in rebuilder(bench).run(command)["accounts"]}


def wish(bench: TradingBench, action: Action) -> dict[str, object]:
    asked = ControlCommand(action=action, operator="ann", reason="lost the database")
    return control.run(asked, db=bench.db, clock=bench.clock)


def entered(bench: TradingBench, ticker: str) -> str:
    """What became of a fresh idea."""
    bench.quote(ticker)
    number = bench.recommend(ticker)
    bench.dispatch()
    row = bench.recommendation(number)
    return f"{row['status']} {row['failure_reason'] or ''}".strip()


def held(bench: TradingBench) -> dict[str, int]:
    rows = bench.rows("SELECT symbol, quantity FROM active_positions WHERE status <> 'closed'")
    return {row["symbol"]: int(row["quantity"]) for row in rows}


def at_broker(bench: TradingBench) -> dict[str, int]:
    return {it.symbol: int(it.quantity) for it in bench.broker.positions()}


def resting_stops(bench: TradingBench) -> list[tuple[str, int]]:
    """Symbol and quantity of each stop that rests at the broker."""
    return sorted(
        (order.symbol, int(order.quantity - order.filled_quantity))
        for order in bench.broker.orders.values()
        if order.order_type == "stop" and order.status == "working"
    )


def entries_sent(bench: TradingBench) -> list[str]:
    return [order.client_order_id for order in bench.broker.submitted if order.side == "buy"]


def require_sound(bench: TradingBench) -> None:
    """No invariant is broken, no id was sent twice, each position has one stop."""
    now = bench.clock.now()
    with bench.db.transaction() as tx:
        session = bench.calendar.session(new_york_day(now))
        assert invariants.check(tx, now=now, session=session) == []
    sent = [order.client_order_id for order in bench.broker.submitted]
    assert len(sent) == len(set(sent))
    assert held(bench) == at_broker(bench)
    assert resting_stops(bench) == sorted(held(bench).items())
