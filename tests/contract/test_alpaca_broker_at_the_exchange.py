"""The adapter against the paper exchange: what a day at the broker looks like through it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_local.exchange.launcher import Account, RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import AccountMismatch, BrokerOutcomeUnknown, BrokerRejected
from tests.contract.paper_street import at, open_exchange

BUY = OrderRequest("large-AAA-1", "AAA", "buy", Decimal(10), "limit", Decimal("10.05"))
RESTING = replace(BUY, client_order_id="large-AAA-2", price=Decimal("9.50"))

# An account a test, so that one exchange serves them all.
ACCOUNTS = [
    Account(f"account{n}", f"PA-{n}", f"key-{n}", f"secret-{n}", Decimal(100_000)) for n in range(9)
]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path_factory.mktemp("exchange"), accounts=ACCOUNTS) as running:
        running.set_clock(at("10:31"))
        yield running


def broker(exchange: RunningExchange, number: int) -> AlpacaBroker:
    account = ACCOUNTS[number]
    return AlpacaBroker(exchange.url, account.key_id, account.secret_key, account.account_number)


def test_a_bought_share_shows_in_order_fill_position_and_cash(exchange: RunningExchange) -> None:
    ours = broker(exchange, 0)

    placed = ours.submit(BUY)

    found = ours.order_by_client_id(BUY.client_order_id)
    assert found is not None
    assert (found.status, found.filled_quantity) == ("filled", Decimal(10))
    assert found.broker_order_id == placed.broker_order_id
    (fill,) = ours.fills_since(at("10:31"))
    assert (fill.broker_order_id, fill.quantity) == (placed.broker_order_id, Decimal(10))
    (position,) = ours.positions()
    assert position.symbol == "AAA"
    assert position.quantity == position.available == Decimal(10)
    assert ours.account().cash == Decimal(100_000) - fill.quantity * fill.price


def test_an_order_nobody_placed_is_none(exchange: RunningExchange) -> None:
    assert broker(exchange, 1).order_by_client_id("nobody-placed-this") is None


def test_an_id_that_was_used_is_an_order_to_look_up(exchange: RunningExchange) -> None:
    ours = broker(exchange, 2)
    ours.submit(RESTING)

    with pytest.raises(BrokerOutcomeUnknown, match="placed under this id before"):
        ours.submit(RESTING)

    assert len(ours.orders_since(at("10:30"))) == 1


def test_a_cancelled_order_ends_and_may_be_cancelled_again(exchange: RunningExchange) -> None:
    ours = broker(exchange, 3)
    resting = ours.submit(RESTING)

    ours.cancel(resting.broker_order_id)
    ours.cancel(resting.broker_order_id)

    found = ours.order_by_client_id(RESTING.client_order_id)
    assert found is not None
    assert found.status == "canceled"


def test_selling_what_is_not_held_is_rejected_in_the_brokers_words(
    exchange: RunningExchange,
) -> None:
    sale = replace(BUY, side="sell", price=Decimal("9.90"))

    with pytest.raises(BrokerRejected, match=r"^4\d{7}: "):
        broker(exchange, 4).submit(sale)


def test_buying_beyond_the_buying_power_is_rejected(exchange: RunningExchange) -> None:
    with pytest.raises(BrokerRejected, match="insufficient buying power"):
        broker(exchange, 5).submit(replace(BUY, quantity=Decimal(1_000_000)))


def test_a_resting_stop_holds_the_shares(exchange: RunningExchange) -> None:
    ours = broker(exchange, 6)
    ours.submit(BUY)

    ours.submit(OrderRequest("stop-1", "AAA", "sell", Decimal(10), "stop", Decimal("9.80"), "gtc"))

    (position,) = ours.positions()
    assert (position.quantity, position.available) == (Decimal(10), Decimal(0))


def test_orders_and_fills_are_listed_from_the_moment_asked_for_on(
    exchange: RunningExchange,
) -> None:
    ours = broker(exchange, 7)
    ours.submit(BUY)

    now = exchange.now()
    assert len(ours.orders_since(now)) == len(ours.fills_since(now)) == 1
    later = now + timedelta(seconds=1)
    assert not ours.orders_since(later)
    assert not ours.fills_since(later)


def test_keys_of_another_account_are_refused(exchange: RunningExchange) -> None:
    other = ACCOUNTS[8]
    ours = AlpacaBroker(exchange.url, other.key_id, other.secret_key, "PA-OURS")

    with pytest.raises(AccountMismatch):
        ours.submit(BUY)

    assert broker(exchange, 8).orders_since(at("09:30")) == []
