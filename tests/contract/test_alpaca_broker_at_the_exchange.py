"""One day at the broker: the adapter at the paper exchange and the broker in memory alike."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_local.exchange.launcher import PaperAccount, RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import AccountMismatch, BrokerOutcomeUnknown, BrokerRejected
from ops_pipeline.ports import Broker
from tests.contract.paper_street import at, open_exchange
from tests.support.fake_broker import FakeBroker
from tests.support.fakes import FixedClock

NOW = at("10:31")
BUY = OrderRequest("large-AAA-1", "AAA", "buy", Decimal(10), "limit", Decimal("10.05"))
RESTING = replace(BUY, client_order_id="large-AAA-2", price=Decimal("9.50"))

# An account a test, so that one exchange serves them all.
ACCOUNTS = [
    PaperAccount(f"account{n}", f"PA-{n}", f"key-{n}", f"secret-{n}", Decimal(100_000))
    for n in range(12)
]


@dataclass(frozen=True)
class Street:
    """A broker with one fresh account of 100,000 USD.

    `trade` lets a marketable order meet the market: in memory nothing fills by itself.
    """

    broker: Broker
    trade: Callable[[OrderRequest], object]


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path_factory.mktemp("exchange"), accounts=ACCOUNTS) as running:
        running.set_clock(NOW)
        yield running


@pytest.fixture(scope="module")
def fresh_accounts() -> Iterator[PaperAccount]:
    return iter(ACCOUNTS)


@pytest.fixture(params=["exchange", "memory"])
def street(request: pytest.FixtureRequest) -> Street:
    if request.param == "memory":
        memory = FakeBroker(FixedClock(NOW))
        return Street(memory, lambda order: memory.fill(order.client_order_id, "10.02"))
    account = next(request.getfixturevalue("fresh_accounts"))
    url = request.getfixturevalue("exchange").url
    return Street(
        AlpacaBroker(url, account.key_id, account.secret_key, account.account_number),
        lambda order: None,
    )


def test_a_bought_share_shows_in_order_fill_position_and_cash(street: Street) -> None:
    ours = street.broker

    placed = ours.submit(BUY)
    street.trade(BUY)

    found = ours.order_by_client_id(BUY.client_order_id)
    assert found is not None
    assert (found.status, found.filled_quantity) == ("filled", Decimal(10))
    assert found.filled_average_price == Decimal("10.02")
    assert found.broker_order_id == placed.broker_order_id
    (fill,) = ours.fills_since(NOW)
    assert (fill.broker_order_id, fill.quantity) == (placed.broker_order_id, Decimal(10))
    (position,) = ours.positions()
    assert position.symbol == "AAA"
    assert position.quantity == position.available == Decimal(10)
    assert ours.account().cash == Decimal(100_000) - fill.quantity * fill.price


def test_an_answer_to_an_order_does_not_tell_its_fill_yet(street: Street) -> None:
    placed = street.broker.submit(BUY)

    assert placed.filled_quantity == 0
    assert placed.client_order_id == BUY.client_order_id


def test_an_order_nobody_placed_is_none(street: Street) -> None:
    assert street.broker.order_by_client_id("nobody-placed-this") is None


def test_an_id_that_was_used_is_an_order_to_look_up(street: Street) -> None:
    street.broker.submit(RESTING)

    with pytest.raises(BrokerOutcomeUnknown, match="placed under this id before"):
        street.broker.submit(RESTING)

    assert len(street.broker.orders_since(NOW)) == 1


def test_a_cancelled_order_ends_and_may_be_cancelled_again(street: Street) -> None:
    resting = street.broker.submit(RESTING)

    street.broker.cancel(resting.broker_order_id)
    street.broker.cancel(resting.broker_order_id)

    found = street.broker.order_by_client_id(RESTING.client_order_id)
    assert found is not None
    assert found.status == "canceled"


def test_selling_what_is_not_held_is_rejected_in_the_brokers_words(street: Street) -> None:
    with pytest.raises(BrokerRejected, match=r"^4\d{7}: "):
        street.broker.submit(replace(BUY, side="sell", price=Decimal("9.90")))


def test_buying_beyond_the_buying_power_is_rejected(street: Street) -> None:
    with pytest.raises(BrokerRejected, match=r"^4\d{7}: insufficient buying power"):
        street.broker.submit(replace(BUY, quantity=Decimal(1_000_000)))


def test_a_resting_stop_holds_the_shares(street: Street) -> None:
    street.broker.submit(BUY)
    street.trade(BUY)

    street.broker.submit(
        OrderRequest("stop-1", "AAA", "sell", Decimal(10), "stop", Decimal("9.80"), "gtc")
    )

    (position,) = street.broker.positions()
    assert (position.quantity, position.available) == (Decimal(10), Decimal(0))
    with pytest.raises(BrokerRejected):
        street.broker.submit(replace(BUY, side="sell", client_order_id="exit-1"))


def test_orders_and_fills_are_listed_from_the_moment_asked_for_on(street: Street) -> None:
    street.broker.submit(BUY)
    street.trade(BUY)

    assert len(street.broker.orders_since(NOW)) == len(street.broker.fills_since(NOW)) == 1
    later = NOW + timedelta(seconds=1)
    assert not street.broker.orders_since(later)
    assert not street.broker.fills_since(later)


def test_keys_of_another_account_are_refused(exchange: RunningExchange) -> None:
    other = ACCOUNTS[-1]
    ours = AlpacaBroker(exchange.url, other.key_id, other.secret_key, "PA-OURS")

    with pytest.raises(AccountMismatch):
        ours.submit(BUY)

    theirs = AlpacaBroker(exchange.url, other.key_id, other.secret_key, other.account_number)
    assert theirs.order_by_client_id(BUY.client_order_id) is None
