"""What every broker's adapter does: Alpaca's at the paper exchange, the toy one, and the stand-in.

A new adapter gets a fixture below and its name in BROKERS; docs/extending.md walks through one.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import cast

import pytest

from examples.toy_broker import ToyBroker
from examples.toy_desk import ToyDesk
from ops_local.exchange.launcher import PaperAccount, RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.one_number import OneNumber
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
    """A broker with one fresh account of 100,000 USD, where AAA is quoted 10.00 x 10.02.

    Attributes:
        trade: Lets a marketable order meet the market: in memory nothing fills by itself.
        no_shares, no_money: How it words its refusals.
        stranger: The same account by an adapter that is bound to another number.
    """

    broker: Broker
    trade: Callable[[OrderRequest], object]
    no_shares: str
    no_money: str
    stranger: Broker | None = None


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path_factory.mktemp("exchange"), accounts=ACCOUNTS) as running:
        running.set_clock(NOW)
        yield running


@pytest.fixture(scope="module")
def fresh_accounts() -> Iterator[PaperAccount]:
    return iter(ACCOUNTS)


@pytest.fixture
def alpaca(exchange: RunningExchange, fresh_accounts: Iterator[PaperAccount]) -> Street:
    account = next(fresh_accounts)
    keys = (exchange.url, account.key_id, account.secret_key)
    return Street(
        AlpacaBroker(*keys, account.account_number),
        trade=lambda order: None,
        no_shares=r"^4\d{7}: ",
        no_money=r"^4\d{7}: insufficient buying power",
        stranger=AlpacaBroker(*keys, "PA-OURS"),
    )


@pytest.fixture
def toy() -> Street:
    desk = ToyDesk(lambda: NOW)
    desk.quote("AAA", "10.00", "10.02")
    return Street(
        ToyBroker(desk, OneNumber(desk.number)),
        trade=lambda order: None,
        no_shares="not enough shares",
        no_money="not enough money",
        stranger=ToyBroker(desk, OneNumber("TOY-OURS")),
    )


@pytest.fixture
def memory() -> Street:
    broker = FakeBroker(FixedClock(NOW))
    return Street(
        broker,
        trade=lambda order: broker.fill(order.client_order_id, "10.02"),
        no_shares=r"^4\d{7}: ",
        no_money=r"^4\d{7}: insufficient buying power",
    )


BROKERS = ["alpaca", "toy", "memory"]


@pytest.fixture(params=BROKERS)
def street(request: pytest.FixtureRequest) -> Street:
    return cast("Street", request.getfixturevalue(request.param))


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


def test_an_order_is_kept_back_by_what_is_asked_before_it_is_sent(street: Street) -> None:
    class TooLate(Exception):
        pass

    def before_sending() -> None:
        raise TooLate

    with pytest.raises(TooLate):
        street.broker.submit(BUY, before_sending)
    assert street.broker.order_by_client_id(BUY.client_order_id) is None


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


def test_what_rests_is_listed_until_it_ends(street: Street) -> None:
    resting = street.broker.submit(RESTING)
    listed = street.broker.resting_orders()
    assert [order.client_order_id for order in listed] == [RESTING.client_order_id]

    street.broker.cancel(resting.broker_order_id)

    assert street.broker.resting_orders() == []


def test_a_cancelled_order_ends_and_may_be_cancelled_again(street: Street) -> None:
    resting = street.broker.submit(RESTING)

    street.broker.cancel(resting.broker_order_id)
    street.broker.cancel(resting.broker_order_id)

    found = street.broker.order_by_client_id(RESTING.client_order_id)
    assert found is not None
    assert found.status == "canceled"


def test_selling_what_is_not_held_is_rejected_in_the_brokers_words(street: Street) -> None:
    with pytest.raises(BrokerRejected, match=street.no_shares):
        street.broker.submit(replace(BUY, side="sell", price=Decimal("9.90")))


def test_buying_beyond_the_buying_power_is_rejected(street: Street) -> None:
    with pytest.raises(BrokerRejected, match=street.no_money):
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


def test_another_account_than_the_bound_one_is_refused_before_anything_is_sent(
    street: Street,
) -> None:
    if street.stranger is None:
        pytest.skip("the stand-in has no binding")
    refused = street.stranger
    for call in (lambda: refused.submit(BUY), refused.positions, refused.account):
        with pytest.raises(AccountMismatch):
            call()

    assert street.broker.order_by_client_id(BUY.client_order_id) is None
