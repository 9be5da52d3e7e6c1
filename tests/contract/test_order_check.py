"""`ops check --order`: one share far below the market, looked at, cancelled, and nothing left."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.errors import (
    BrokerOutcomeUnknown,
    BrokerUnavailable,
    DatabaseUnavailable,
    InvalidInput,
    SettingsInvalid,
)
from ops_pipeline.ports import Heard
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.operating.order_check import OrderCheck, OrderCheckCommand
from tests.contract.paper_street import LARGE, ask, own, place
from tests.support.builders_market import rows
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, exchange_at_tick, leading_to, prepared

WISH = OrderCheckCommand(
    operator="ann", reason="before the first day", account="large", ticker="BBB", confirm=True
)
PRIVATE = (LARGE.key_id, LARGE.secret_key, LARGE.account_number)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path) as running:
        yield running


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def runtime(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database, clock: FixedClock
) -> Iterator[Runtime]:
    prepared(db, "AAA")
    made = Runtime(leading_to(exchange, database_urls), clock)
    with closing(made), made.serving("control"):
        yield made


@dataclass
class Meddled:
    """A broker of whose calls some are interfered with: `before` and `after` by method's name."""

    broker: AlpacaBroker
    before: dict[str, Callable[[], None]] = field(default_factory=dict)
    after: dict[str, Callable[[], None]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        def called(*given: Any) -> Any:
            self.before.get(name, _nothing)()
            answer = getattr(self.broker, name)(*given)
            self.after.get(name, _nothing)()
            return answer

        return called


def _nothing() -> None:
    """No interference."""


class Killed(BaseException):
    """The process ends here."""


def kill() -> None:
    raise Killed


def fail() -> None:
    raise BrokerUnavailable("no answer in time")


def checked(runtime: Runtime, **meddling: dict[str, Callable[[], None]]) -> OrderCheck:
    """The order check of this runtime, without pauses, its broker meddled with."""
    whole = runtime.order_check

    def opened(account: str, held_at: str, heard: Heard) -> Any:
        broker, private = whole.open_broker(account, held_at, heard)
        return Meddled(broker, **meddling), private  # type: ignore[arg-type]

    return OrderCheck(
        db=whole.db,
        open_broker=opened,
        market_data=whole.market_data,
        calendar=whole.calendar,
        clock=whole.clock,
        rules=whole.rules,
        deployment=whole.deployment,
        address=whole.address,
        wait=lambda _seconds: None,
    )


def orders_there(exchange: RunningExchange) -> list[dict[str, Any]]:
    status, found = ask(exchange, "GET", "/v2/orders?status=all")
    assert status == 200
    return list(found)


def states(done: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["step"], step["state"]) for step in done["steps"]]


def test_an_order_is_placed_looked_at_and_cancelled(
    runtime: Runtime, exchange: RunningExchange, db: Database
) -> None:
    done = checked(runtime).run(WISH)

    assert (done["state"], done["left"]) == ("passed", [])
    assert states(done) == [
        ("send", "good"),
        ("look", "good"),
        ("list", "good"),
        ("cancel", "good"),
        ("list after", "good"),
    ]
    [there] = orders_there(exchange)
    assert (there["status"], there["filled_qty"], there["qty"]) == ("canceled", "0", "1")
    assert there["limit_price"] == "6"
    assert there["client_order_id"] == "main-large-BBB-20131007T143100-check"
    kept = rows(db, "SELECT action, scope FROM operator_actions ORDER BY at, action")
    assert [tuple(row.values()) for row in kept] == [
        ("check_order", "large"),
        ("check_order_ended", "large"),
    ]
    assert rows(db, "SELECT 1 FROM orders") == []


def test_without_a_confirmation_it_says_what_it_would_do_and_sends_nothing(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    done = checked(runtime).run(
        OrderCheckCommand(operator="ann", reason="look", account="large", ticker="BBB")
    )
    assert (done["state"], done["limit"], done["steps"]) == ("can be sent", "6.00", [])
    assert orders_there(exchange) == []


def test_the_transcript_has_no_key_no_number_and_no_money(runtime: Runtime) -> None:
    done = checked(runtime).run(WISH)

    text = json.dumps(done["transcript"])
    assert not [private for private in PRIVATE if private in text]
    assert "100000" not in text.replace('"100000"', "")
    methods = [each["method"] for each in done["transcript"]]
    assert methods.count("POST") == 1
    assert methods.count("DELETE") == 1


REFUSED = {
    "it only simulates": (
        "UPDATE accounts SET execution_mode = 'SIMULATED' WHERE account_name = 'large'",
        "only simulates",
    ),
    "it trades real money": (
        "UPDATE accounts SET execution_mode = 'LIVE' WHERE account_name = 'large'",
        "live trading is not offered in this version",
    ),
    "an operator has halted it": (
        "UPDATE accounts SET operator_halt = 'storm' WHERE account_name = 'large'",
        "halted by operator: storm",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_it_is_refused_where_the_account_may_not_enter(
    runtime: Runtime, exchange: RunningExchange, db: Database, why: str
) -> None:
    statement, words = REFUSED[why]
    with db.transaction() as tx:
        tx.execute(statement)
    with pytest.raises(InvalidInput, match=words):
        checked(runtime).run(WISH)
    assert orders_there(exchange) == []


def test_it_is_refused_while_the_account_has_a_live_order(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    place(exchange, limit_price="9.00")
    with pytest.raises(InvalidInput, match="has live orders at its broker"):
        checked(runtime).run(WISH)
    assert len(orders_there(exchange)) == 1


def test_it_is_refused_in_a_symbol_that_is_held_whose_stop_it_could_cross(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    own(exchange, 3)
    wish = OrderCheckCommand(**{**_fields(WISH), "ticker": "AAA"})
    with pytest.raises(InvalidInput, match="holds AAA: name another symbol"):
        checked(runtime).run(wish)


def test_it_is_refused_while_the_price_is_not_plausible_or_the_exchange_is_closed(
    runtime: Runtime, exchange: RunningExchange, clock: FixedClock
) -> None:
    # The exchange's clock stands still, so the quote is an hour old.
    clock.advance(3600)
    with pytest.raises(InvalidInput, match="not plausible: 3600 s old"):
        checked(runtime).run(WISH)
    clock.advance(8 * 3600)
    with pytest.raises(InvalidInput, match="the exchange is closed"):
        checked(runtime).run(WISH)
    assert orders_there(exchange) == []


KILLS = [
    {"before": {"submit": kill}},
    {"after": {"submit": kill}},
    {"before": {"cancel": kill}},
    {"after": {"cancel": kill}},
]


@pytest.mark.parametrize("at_which", range(len(KILLS)))
def test_after_a_kill_at_any_step_the_next_run_ends_what_was_left(
    runtime: Runtime, exchange: RunningExchange, clock: FixedClock, db: Database, at_which: int
) -> None:
    with pytest.raises(Killed):
        checked(runtime, **KILLS[at_which]).run(WISH)
    clock.advance(61)
    exchange.set_clock(NOW + timedelta(seconds=61))

    done = checked(runtime).run(WISH)

    assert done["leftovers"] == ["main-large-BBB-20131007T143100-check"]
    assert (done["state"], done["left"]) == ("passed", [])
    assert {it["status"] for it in orders_there(exchange)} == {"canceled"}
    again = checked(runtime).run(OrderCheckCommand(**{**_fields(WISH), "confirm": False}))
    assert again["leftovers"] == []


def test_a_kill_between_the_end_and_its_record_is_found_and_recorded(
    runtime: Runtime, exchange: RunningExchange, db: Database
) -> None:
    counted = []

    def second_list() -> None:
        counted.append(1)
        if len(counted) > 3:
            raise Killed

    with pytest.raises(Killed):
        checked(runtime, after={"resting_orders": second_list}).run(WISH)
    done = checked(runtime).run(OrderCheckCommand(**{**_fields(WISH), "confirm": False}))
    assert done["leftovers"] == ["main-large-BBB-20131007T143100-check"]


def test_a_leftover_that_no_row_knows_is_found_in_the_broker_s_list(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    name = "main-large-BBB-20131007T142000-check"
    place(exchange, symbol="BBB", qty="1", limit_price="6.00", client_order_id=name)
    done = checked(runtime).run(WISH)
    assert done["leftovers"] == [name]
    assert (done["state"], done["left"]) == ("passed", [])
    assert {it["status"] for it in orders_there(exchange)} == {"canceled"}


def test_what_was_never_found_blocks_the_next_one_for_a_minute(
    runtime: Runtime, exchange: RunningExchange, clock: FixedClock
) -> None:
    with pytest.raises(Killed):
        checked(runtime, before={"submit": kill}).run(WISH)
    clock.advance(30)

    done = checked(runtime).run(WISH)

    assert done["state"] == "failed"
    assert done["left"] == ["main-large-BBB-20131007T143100-check"]
    assert orders_there(exchange) == []


def test_an_order_that_could_not_be_cancelled_is_said_to_be_left(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    done = checked(runtime, before={"cancel": fail}).run(WISH)

    assert done["state"] == "failed"
    assert done["left"] == ["main-large-BBB-20131007T143100-check"]
    assert ("cancel", "bad") in states(done)
    assert [it["status"] for it in orders_there(exchange)] == ["new"]


def test_a_reply_that_was_lost_is_looked_up_and_cancelled(
    runtime: Runtime, exchange: RunningExchange
) -> None:
    def lost() -> None:
        raise BrokerOutcomeUnknown("the order may have been placed: no answer in time")

    done = checked(runtime, after={"submit": lost}).run(WISH)

    assert (done["state"], done["left"]) == ("failed", [])
    assert states(done)[:2] == [("send", "bad"), ("look", "good")]
    assert [it["status"] for it in orders_there(exchange)] == ["canceled"]


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable("gone"), SettingsInvalid("no keys"), RuntimeError("odd")]
)
def test_nothing_that_a_look_raises_keeps_the_order_from_being_cancelled(
    runtime: Runtime, exchange: RunningExchange, error: Exception
) -> None:
    times = []

    def once() -> None:
        times.append(1)
        if len(times) < 3:
            raise error

    done = checked(runtime, before={"order_by_client_id": once, "cancel": once}).run(WISH)

    assert done["left"] == []
    assert [it["status"] for it in orders_there(exchange)] == ["canceled"]


def _fields(wish: OrderCheckCommand) -> dict[str, Any]:
    return {name: getattr(wish, name) for name in wish.__dataclass_fields__}
