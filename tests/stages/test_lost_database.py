"""The database is lost with positions open: an empty one adopts what the broker has."""

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from decimal import Decimal
from itertools import product

import pytest
from pg8000.exceptions import DatabaseError

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.wire import COMMIT, PipelinedSession
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.legible import IllegibleItem, Listing
from ops_pipeline.errors import BrokerUnavailable, OpsError
from tests.conftest import TEMPLATE
from tests.execution.odd_items import odd
from tests.stages.losing import (
    at_broker,
    entered,
    entries_sent,
    held,
    login,
    moved_to,
    rebuild,
    require_sound,
    resting_stops,
    wish,
)
from tests.support.builders_trading import TradingBench

EMPTY = "rebuilt_empty"


@pytest.fixture
def before(bench: TradingBench) -> TradingBench:
    """AAA and BBB with stops, CCC bought and sold, DDD bought and not yet guarded."""
    for ticker in ("BBB", "CCC", "DDD"):
        bench.quote(ticker)
    for ticker in ("AAA", "BBB", "CCC"):
        bench.buy(ticker)
        bench.next_minute()
        bench.guard()
    bench.broker.at_once["CCC"] = ("99.90", None)
    bench.run("UPDATE active_positions SET exit_requested = 'operator' WHERE ticker = 'CCC'")
    for _ in range(2):
        bench.next_minute()
        bench.guard()
    assert held(bench) == {"AAA": 19, "BBB": 19}
    bench.next_minute()
    bench.buy("DDD")
    return bench


@pytest.fixture
def empty(
    before: TradingBench, database_urls: DatabaseUrls, admin_db: Database
) -> Iterator[TradingBench]:
    """The same street, and a database that has only been migrated."""
    before.db.close()
    local.clone_database(admin_db, TEMPLATE, EMPTY)
    with closing(login(database_urls, EMPTY)) as db:
        yield moved_to(before, db)
    local.drop_database(admin_db, EMPTY)


def test_an_empty_database_enters_nothing_where_the_broker_has_orders_of_ours(
    empty: TradingBench,
) -> None:
    """Nobody has rebuilt it yet: it notices by itself what it lost."""
    sent = entries_sent(empty)
    assert "The broker has test-large-" in entered(empty, "EEE")
    assert entries_sent(empty) == sent
    assert empty.alerts().count("ledger_in_doubt") == 1
    # From then on the guard adopts, and arms what lacks a stop.
    empty.next_minute()
    empty.guard()
    assert held(empty) == {"AAA": 19, "BBB": 19, "DDD": 19}
    assert [symbol for symbol, _ in resting_stops(empty)] == ["AAA", "BBB", "DDD"]


def test_a_rebuild_is_shown_before_it_is_done(empty: TradingBench) -> None:
    shown = rebuild(empty, confirm=False)
    assert {name: row["state"] for name, row in shown.items()} == {
        "large": "can be rebuilt",
        "tiny": "can be rebuilt",
    }
    assert (shown["large"]["positions"], shown["large"]["resting_orders"]) == (3, 2)
    assert held(empty) == {}
    assert empty.rows("SELECT 1 FROM operator_actions") == []
    assert empty.rows("SELECT 1 FROM account_bindings") == []


def test_a_rebuild_adopts_arms_and_enters_nothing_until_an_operator_resumes(
    empty: TradingBench,
) -> None:
    resting, sent = resting_stops(empty), len(empty.broker.submitted)
    done = rebuild(empty)
    assert {name: row["state"] for name, row in done.items()} == {
        "large": "rebuilt",
        "tiny": "rebuilt",
    }
    assert held(empty) == {"AAA": 19, "BBB": 19, "DDD": 19}
    modes = empty.rows("SELECT DISTINCT execution_mode, broker FROM active_positions")
    assert modes == [{"execution_mode": "ALPACA_PAPER", "broker": "alpaca"}]
    assert len(empty.broker.submitted) == sent

    # One tick of the guard: the stops that rest stay, the missing one is armed.
    empty.next_minute()
    empty.guard()
    assert [order.symbol for order in empty.broker.submitted[sent:]] == ["DDD"]
    assert resting_stops(empty) == sorted([*resting, ("DDD", 19)])
    assert "cancel" not in empty.broker.calls[-20:]

    assert "Rebuilt from the broker by ann: the disk died" in entered(empty, "EEE")
    assert done["large"]["agreed"]
    assert wish(empty, "resume")["still_halted"] == {}
    assert "ledger_in_doubt" not in empty.alerts()
    empty.broker.at_once["FFF"] = ("100.00", None)
    assert entered(empty, "FFF") == "EXECUTED"
    empty.next_minute()
    empty.guard()
    empty.clock.advance(240)
    for ticker in list(empty.market.latest):
        empty.quote(ticker)
    empty.guard()
    require_sound(empty)


def test_what_was_bought_and_sold_today_counts_as_before(
    before: TradingBench, empty: TradingBench
) -> None:
    """The limits of the day are the day's, whatever became of the database."""
    rebuild(empty)
    purposes = empty.rows(
        "SELECT purpose, count(*) AS n FROM orders GROUP BY purpose ORDER BY purpose"
    )
    assert {row["purpose"]: row["n"] for row in purposes} == {"entry": 4, "exit": 1, "stop": 3}
    (history,) = empty.rows("SELECT ticker, verified, pnl_dollars FROM position_history")
    assert history == {"ticker": "CCC", "verified": True, "pnl_dollars": Decimal("-1.90")}


class Killed(BaseException):
    """The process is gone; what it had not committed is rolled back."""


class Deaths:
    """Dies at the nth commit: before the server hears of it, or right after."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left, self.after = 0, False
        for name in ("execute", "execute_simple", "execute_unnamed"):
            send = getattr(PipelinedSession, name)
            monkeypatch.setattr(PipelinedSession, name, self._dying(send))

    def at_commit(self, number: int, *, after: bool) -> None:
        self.left, self.after = number, after

    def _dying(self, send: Callable[..., object]) -> Callable[..., object]:
        def counted(session: object, statement: str, *args: object, **options: object) -> object:
            self.left -= statement == COMMIT or bool(options.get("commit", False))
            now = self.left == 0 and (statement == COMMIT or bool(options.get("commit", False)))
            if now and not self.after:
                raise Killed
            answer = send(session, statement, *args, **options)
            if now:
                raise Killed
            return answer

        return counted


def test_a_rebuild_that_dies_at_any_commit_ends_the_same_when_run_again(
    empty: TradingBench,
    database_urls: DatabaseUrls,
    admin_db: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected, deaths, died = None, Deaths(monkeypatch), 0
    for number, after in product(range(30), (False, True)):
        name = f"{EMPTY}_again"
        local.clone_database(admin_db, TEMPLATE, name)
        with closing(login(database_urls, name)) as db:
            bench = moved_to(empty, db)
            deaths.at_commit(number, after=after)
            with suppress(Killed):
                rebuild(bench)
            died += deaths.left <= 0 < number
            deaths.at_commit(0, after=False)
            rebuild(bench)
            expected = expected or _rows_of(bench)
            assert _rows_of(bench) == expected, (number, after)
        local.drop_database(admin_db, name)
        if number and deaths.left > 0:
            break
    assert died >= 10


def _rows_of(bench: TradingBench) -> list[object]:
    """All that a rebuild writes, but for the record of who asked."""
    return [
        bench.rows(f"SELECT * FROM {table} ORDER BY 1, 2")
        for table in ("orders", "fills", "active_positions", "position_events",
                      "position_history", "alerts", "accounts", "account_bindings")
    ]  # fmt: skip


def test_keys_that_open_the_other_account_are_refused_by_the_orders_there(
    empty: TradingBench,
) -> None:
    """Nothing in an empty database says whose keys they are; the broker's orders do."""
    empty.brokers = {"large": empty.brokers["tiny"], "tiny": empty.brokers["large"]}
    done = rebuild(empty)
    assert done["tiny"]["state"] == "refused"
    assert "has orders of large" in done["tiny"]["why"]
    assert empty.rows("SELECT 1 FROM account_bindings WHERE account_name = 'tiny'") == []
    assert done["tiny"]["halted"]


def test_an_account_whose_broker_does_not_answer_keeps_no_other_from_being_rebuilt(
    empty: TradingBench,
) -> None:
    empty.brokers["tiny"].fail("positions", BrokerUnavailable("503"), times=9)
    done = rebuild(empty)
    assert (done["large"]["state"], done["tiny"]["state"]) == ("rebuilt", "refused")
    halted = empty.rows("SELECT ledger_halt IS NOT NULL AS halted FROM accounts")
    assert [row["halted"] for row in halted] == [True, True]
    assert "tiny" in str(wish(empty, "resume")["still_halted"])


@pytest.mark.parametrize(
    "item",
    [
        odd("order", "x", symbol="CCC", client_order_id="c", has_ended=True),
        odd("order", "x", symbol="CCC", client_order_id="c"),
        odd("position", "CCC", symbol="CCC"),
        odd("fill", "f", symbol="CCC"),
    ],
)
def test_a_ledger_does_not_agree_with_lists_that_can_not_be_read_whole(
    empty: TradingBench, item: IllegibleItem
) -> None:
    """It may be a fill or an order of ours; what else there is is adopted and guarded."""
    empty.broker.illegible = [item]
    done = rebuild(empty)["large"]
    assert (done["state"], done["agreed"]) == ("rebuilt", False)
    assert done["illegible"] == (item.kind != "fill")
    assert held(empty) == {"AAA": 19, "BBB": 19, "DDD": 19}
    assert "large" in str(wish(empty, "resume")["still_halted"])
    empty.broker.illegible = []
    empty.next_minute()
    empty.guard()
    assert wish(empty, "resume")["still_halted"] == {}


def test_whose_an_account_is_is_not_concluded_from_orders_that_can_not_be_read(
    empty: TradingBench,
) -> None:
    orders, empty.broker.orders = empty.broker.orders, {}
    empty.broker.illegible = [odd("order", "x")]
    done = rebuild(empty)["large"]
    assert (done["state"], "x can't be read" in done["why"]) == ("refused", True)
    assert done["halted"]
    empty.broker.illegible = [
        odd("order", "x", client_order_id="test-tiny-AAA-20260204T1500-entry-1")
    ]
    assert "has orders of tiny" in rebuild(empty)["large"]["why"]
    # Beside orders that say whose it is, one that does not is only named.
    empty.broker.orders, empty.broker.illegible = orders, [odd("order", "x")]
    assert rebuild(empty)["large"]["state"] == "rebuilt"


def test_the_guard_goes_on_comparing_what_the_rebuild_could_not(empty: TradingBench) -> None:
    empty.broker.fail("fills_since", BrokerUnavailable("503"), times=1)
    assert rebuild(empty)["large"]["state"] == "refused"
    empty.next_minute()
    empty.guard()
    assert held(empty) == at_broker(empty)
    assert len(resting_stops(empty)) == 3


def test_a_resume_before_the_comparison_lets_nothing_in(empty: TradingBench) -> None:
    empty.broker.fail("positions", BrokerUnavailable("503"), times=9)
    rebuild(empty)
    sent = entries_sent(empty)
    assert "large" in str(wish(empty, "resume")["still_halted"])
    assert entered(empty, "EEE").startswith("SKIPPED")
    assert entries_sent(empty) == sent


def test_nobody_ends_the_halt_of_an_uncompared_ledger_by_hand(empty: TradingBench) -> None:
    empty.broker.fail("positions", BrokerUnavailable("503"), times=9)
    rebuild(empty)
    with pytest.raises((DatabaseError, OpsError), match="was not compared"):
        empty.set_account(ledger_halt=None, ledger_compare_from=None)


def test_an_entry_in_flight_is_recognised_and_cancelled_by_the_guard(
    before: TradingBench, database_urls: DatabaseUrls, admin_db: Database
) -> None:
    before.quote("EEE")
    before.recommend("EEE")
    before.dispatch()
    (resting,) = [it for it in before.broker.orders.values() if it.symbol == "EEE"]
    before.broker.fill(resting.client_order_id, "100.00", "7")
    before.db.close()
    local.clone_database(admin_db, TEMPLATE, EMPTY)
    with closing(login(database_urls, EMPTY)) as db:
        after = moved_to(before, db)
        after.next_minute()
        rebuild(after)
        for _ in range(2):
            after.next_minute()
            after.guard()
        assert after.broker.orders[resting.client_order_id].status == "canceled"
        assert held(after)["EEE"] == 7
        after.clock.advance(240)
        require_sound(after)
    local.drop_database(admin_db, EMPTY)


def test_a_position_older_than_the_lists_is_adopted_with_the_stop_that_rests(
    empty: TradingBench,
) -> None:
    """Bought and armed two weeks ago: the order list of the last days has the stop alone."""
    at = empty.clock.at
    empty.clock.at = at - timedelta(days=14)
    empty.broker.hold("OLD", "30", "50.00")
    stop = OrderRequest(
        "test-large-OLD-20260121T1500-stop-3", "OLD", "sell", Decimal(30), "stop", Decimal("48.5")
    )
    empty.broker.submit(stop)
    empty.clock.at = at
    rebuild(empty)
    assert held(empty)["OLD"] == 30
    assert empty.position("OLD")["stop_loss"] == Decimal("48.5")
    empty.quote("OLD", "50.00", "50.02")
    empty.next_minute()
    empty.guard()
    assert ("OLD", 30) in resting_stops(empty)
    assert empty.broker.orders[stop.client_order_id].status == "working"
    # The next one is not a number that the broker may have seen.
    position = empty.position("OLD")["id"]
    with empty.db.transaction() as tx:
        assert orders.next_attempt(tx, position, "stop") == 4


def test_a_stop_that_filled_in_part_is_booked_once(empty: TradingBench) -> None:
    (stop,) = [
        it.client_order_id
        for it in empty.broker.orders.values()
        if it.symbol == "AAA" and it.order_type == "stop"
    ]
    empty.broker.fill(stop, "98.00", "4")
    empty.next_minute()
    rebuild(empty)
    assert held(empty)["AAA"] == 15
    assert held(empty) == at_broker(empty)
    with empty.db.transaction() as tx:
        assert invariants.check(tx, now=empty.clock.now()) == []


def test_a_stop_that_filled_some_minutes_ago_is_booked_though_its_entry_is_not_listed(
    empty: TradingBench,
) -> None:
    """Its position is adopted with what it sold, since that is booked after it."""
    broker = empty.broker
    entry, stop = (it for it in broker.orders.values() if it.symbol == "AAA")
    broker.fill(stop.client_order_id, "98.00", "7")
    for _ in range(2):
        empty.next_minute()
    listed = broker.orders_since
    broker.orders_since = (  # type: ignore[method-assign]
        lambda since: Listing([it for it in listed(since) if it != entry])
    )
    rebuild(empty)
    broker.orders_since = listed  # type: ignore[method-assign]
    assert held(empty)["AAA"] == at_broker(empty)["AAA"] == 12
    for _ in range(6):
        empty.next_minute()
        empty.guard()
    assert held(empty)["AAA"] == 12


def test_an_order_of_another_deployment_or_by_hand_is_not_ours(empty: TradingBench) -> None:
    for name in ("other-large-YYY-20260204T1500-entry-1", "by hand"):
        empty.broker.submit(OrderRequest(name, "YYY", "buy", Decimal(1), "limit", Decimal(10)))
    done = rebuild(empty)
    rows = empty.rows("SELECT client_order_id, purpose FROM orders WHERE symbol = 'YYY'")
    assert {row["purpose"] for row in rows} == {"adopted"}
    assert (done["large"]["agreed"], done["large"]["unsettled"]) == (False, 2)
