"""Each fault of the paper exchange, as the adapter at the other end of the wire sees it."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops_local.exchange.faults.kinds import KINDS
from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from ops_pipeline.adapters import alpaca_wire
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
    OpsError,
)
from tests.contract.paper_street import LARGE, ask, at

ORDER = "POST /v2/orders"
READS = ("not_heard", "reply_lost", "too_many_requests", "server_error", "malformed", "truncated")


@pytest.fixture
def broker(exchange: RunningExchange) -> AlpacaBroker:
    """Bound already, so that a fault spoils what the test asks for."""
    bound = AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)
    bound.account()
    return bound


def buy(broker: AlpacaBroker, name: str = "one", quantity: int = 10) -> None:
    price = Decimal("10.05")
    broker.submit(OrderRequest(name, "AAA", "buy", Decimal(quantity), "limit", price))


def early() -> datetime:
    return at("09:30")


@pytest.mark.parametrize("kind", READS)
def test_a_read_that_fails_is_an_error_and_never_empty(
    exchange: RunningExchange, broker: AlpacaBroker, kind: str
) -> None:
    buy(broker)
    exchange.set_faults([{"kind": kind}])
    for read in (
        broker.positions,
        lambda: broker.orders_since(early()),
        lambda: broker.fills_since(early()),
        lambda: broker.order_by_client_id("one"),
    ):
        with pytest.raises(BrokerUnavailable):
            read()
    exchange.set_faults()
    assert len(broker.positions()) == 1


@pytest.mark.parametrize(
    ("kind", "error", "placed"),
    [
        ("not_heard", BrokerOutcomeUnknown, False),
        ("reply_lost", BrokerOutcomeUnknown, True),
        ("malformed", BrokerOutcomeUnknown, True),
        ("truncated", BrokerOutcomeUnknown, True),
        ("server_error", BrokerOutcomeUnknown, False),
        ("too_many_requests", BrokerUnavailable, False),
        ("halted_stock", BrokerRejected, False),
    ],
)
def test_what_an_order_without_an_answer_may_have_done_is_named(
    exchange: RunningExchange,
    broker: AlpacaBroker,
    kind: str,
    error: type[OpsError],
    placed: bool,
) -> None:
    exchange.set_faults([{"kind": kind, "requests": ORDER, "times": 1}])
    with pytest.raises(error):
        buy(broker)
    assert (broker.order_by_client_id("one") is not None) is placed
    assert exchange.faults_injected() == {kind: 1}


def test_an_answer_slower_than_the_time_out_leaves_the_outcome_unknown(
    exchange: RunningExchange, broker: AlpacaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_wire, "READ_TIMEOUT_S", 0.5)
    exchange.set_faults([{"kind": "slow", "requests": ORDER, "times": 1, "seconds": 1.5}])
    with pytest.raises(BrokerOutcomeUnknown):
        buy(broker)
    assert broker.order_by_client_id("one") is not None


def test_fills_come_twice_backwards_and_late(
    exchange: RunningExchange, broker: AlpacaBroker
) -> None:
    buy(broker, "one", 10)
    exchange.set_clock(at("10:32"))
    buy(broker, "two", 20)
    exchange.set_faults([{"kind": "duplicate_fills"}])
    assert len(ask(exchange, "GET", "/v2/account/activities/FILL")[1]) == 4
    assert [fill.quantity for fill in broker.fills_since(early())] == [10, 20]
    exchange.set_faults([{"kind": "unordered_fills"}])
    assert [fill.quantity for fill in broker.fills_since(early())] == [20, 10]
    exchange.set_faults([{"kind": "late_fills"}])
    assert broker.fills_since(early()) == []
    exchange.set_clock(at("10:34") + timedelta(seconds=1))
    assert [fill.quantity for fill in broker.fills_since(early())] == [10, 20]


def test_an_accepted_order_is_not_listed_for_a_while(
    exchange: RunningExchange, broker: AlpacaBroker
) -> None:
    buy(broker)
    exchange.set_faults([{"kind": "not_listed"}])
    assert broker.orders_since(early()) == []
    assert broker.order_by_client_id("one") is None
    exchange.set_clock(at("10:34"))
    assert broker.order_by_client_id("one") is not None
    assert len(broker.orders_since(early())) == 1


def test_positions_are_empty_by_error(exchange: RunningExchange, broker: AlpacaBroker) -> None:
    buy(broker)
    exchange.set_faults([{"kind": "no_positions", "times": 1}])
    assert broker.positions() == []
    assert len(broker.positions()) == 1


def test_the_keys_open_somebody_else_s_account(
    exchange: RunningExchange, broker: AlpacaBroker
) -> None:
    exchange.set_faults([{"kind": "wrong_account"}])
    with pytest.raises(AccountMismatch):
        broker.account()
    with pytest.raises(AccountMismatch):
        broker.positions()


def test_there_is_no_buying_power(exchange: RunningExchange, broker: AlpacaBroker) -> None:
    exchange.set_faults([{"kind": "no_buying_power"}])
    assert broker.account().buying_power == 1


def test_its_clock_is_minutes_ahead(exchange: RunningExchange, broker: AlpacaBroker) -> None:
    buy(broker)
    exchange.set_faults([{"kind": "clock_skew"}])
    found = broker.order_by_client_id("one")
    assert found is not None
    assert found.submitted_at == at("10:34")


@pytest.mark.parametrize(
    ("kind", "usable", "age_min"),
    [("stale_quote", True, 10), ("crossed_quote", False, 0), ("zero_quote", False, 0)],
)
def test_quotes_are_stale_crossed_or_empty(
    exchange: RunningExchange, kind: str, usable: bool, age_min: int
) -> None:
    market = AlpacaMarketData(
        url=exchange.url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed="iex"
    )
    healthy = market.quotes(["AAA"])["AAA"]
    exchange.set_faults([{"kind": kind}])
    quote = market.quotes(["AAA"])["AAA"]
    assert quote.usable is usable
    assert healthy.ts - quote.ts == timedelta(minutes=age_min)


def test_the_same_seed_spoils_the_same_requests(
    exchange: RunningExchange, broker: AlpacaBroker
) -> None:
    def outcomes(seed: int) -> list[bool]:
        exchange.set_faults([{"kind": "no_positions", "rate": 0.5}], seed=seed)
        return [broker.positions() == [] for _ in range(20)]

    buy(broker)
    assert outcomes(1) == outcomes(1) != outcomes(2)


@pytest.mark.parametrize(
    "rule",
    [{"kind": "gremlins"}, {}, {"kind": "slow", "often": 3}],
)
def test_a_rule_that_names_no_fault_is_refused(
    exchange: RunningExchange, rule: dict[str, Any]
) -> None:
    with pytest.raises(ExchangeFailed, match="faults: a rule"):
        exchange.set_faults([rule])


def test_every_kind_of_fault_stands_in_a_test_of_this_folder() -> None:
    files = Path(__file__).parent.glob("test_exchange_*.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [kind for kind in KINDS if f'"{kind}"' not in text] == []
