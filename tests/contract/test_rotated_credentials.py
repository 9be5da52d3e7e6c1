"""Keys that change under an adapter that lives: nothing is repeated before the account said its
number again, and a pair of the same account's goes on working."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.errors import AccountMismatch, BrokerUnavailable
from tests.contract.alpaca_answers import (
    BUY,
    FILLS,
    LIST,
    LOOK_UP,
    ORDERS,
    START,
    raw_fill,
    raw_order,
)
from tests.contract.stub_broker import ACCOUNT_NUMBER, Answer, Stub, serving

THEIRS = "PA-SOMEBODY-3"
OLD, NEW, STRANGE = ("old", "a secret"), ("new", "a secret"), ("strange", "a secret")
ACCOUNT, POSITIONS, CANCEL = "GET /v2/account", "GET /v2/positions", "DELETE /v2/orders/b-1"
ACTIVITIES = "GET /v2/account/activities"
ASSET = "GET /v2/assets/AAA"

Call = Callable[[AlpacaBroker], object]
CALLS: dict[str, Call] = {
    POSITIONS: lambda ours: ours.positions(),
    LOOK_UP: lambda ours: ours.order_by_client_id("x"),
    LIST: lambda ours: ours.orders_since(START),
    FILLS: lambda ours: ours.fills_since(START),
    ACTIVITIES: lambda ours: ours.cash_activities_since(START),
    ASSET: lambda ours: ours.is_tradable("AAA"),
    ORDERS: lambda ours: ours.submit(BUY),
    CANCEL: lambda ours: ours.cancel("b-1"),
}
each_call = pytest.mark.parametrize(("request_line", "call"), CALLS.items(), ids=CALLS)


class Secret:
    """The secret that holds the pair; counts how often it was read."""

    def __init__(self, pair: tuple[str, str]) -> None:
        self.pair, self.read = pair, 0

    def __call__(self) -> tuple[str, str]:
        self.read += 1
        return self.pair


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        running.keys = {OLD[0]: ACCOUNT_NUMBER, STRANGE[0]: THEIRS}
        for request in (POSITIONS, LIST, FILLS, ACTIVITIES):
            running.script(request, Answer(body=[]))
        running.script(ASSET, Answer(body={"status": "active", "tradable": True}))
        running.script(LOOK_UP, Answer(body=raw_order()))
        running.script(ORDERS, Answer(body=raw_order()))
        running.script(CANCEL, Answer(204, b""))
        yield running


@pytest.fixture
def secret() -> Secret:
    return Secret(OLD)


@pytest.fixture
def warm(stub: Stub, secret: Secret) -> AlpacaBroker:
    """An adapter that has proven its account and has been at work for a while."""
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER, renew=secret)
    ours.positions()
    return ours


def rotate(stub: Stub, secret: Secret, pair: tuple[str, str], number: str) -> None:
    """The old key ends and the secret holds this one."""
    del stub.keys[OLD[0]]
    stub.keys[pair[0]] = number
    secret.pair = pair


@each_call
def test_another_accounts_pair_in_the_secret_is_used_for_its_number_alone(
    stub: Stub, secret: Secret, warm: AlpacaBroker, request_line: str, call: Call
) -> None:
    rotate(stub, secret, STRANGE, THEIRS)

    with pytest.raises(AccountMismatch) as raised:
        call(warm)

    assert set(stub.requests_by(STRANGE[0])) == {ACCOUNT}
    assert THEIRS not in str(raised.value)


@each_call
def test_what_follows_is_refused_as_well(
    stub: Stub, secret: Secret, warm: AlpacaBroker, request_line: str, call: Call
) -> None:
    rotate(stub, secret, STRANGE, THEIRS)
    with pytest.raises(AccountMismatch):
        warm.positions()

    with pytest.raises(AccountMismatch):
        call(warm)

    assert set(stub.requests_by(STRANGE[0])) == {ACCOUNT}


@each_call
def test_a_new_pair_of_the_same_account_goes_on_after_its_number_is_seen(
    stub: Stub, secret: Secret, warm: AlpacaBroker, request_line: str, call: Call
) -> None:
    rotate(stub, secret, NEW, ACCOUNT_NUMBER)

    call(warm)

    asked = stub.requests_by(NEW[0])
    assert asked[0] == ACCOUNT
    assert asked[-1] == request_line
    assert secret.read == 1
    call(warm)
    assert stub.requests_by(NEW[0]).count(ACCOUNT) == 1


def test_a_pair_that_forbids_instead_of_a_401_is_read_anew_too(
    stub: Stub, secret: Secret, warm: AlpacaBroker
) -> None:
    stub.script(ORDERS, Answer(403, {"message": "forbidden."}), Answer(body=raw_order()))
    stub.keys[NEW[0]] = ACCOUNT_NUMBER
    secret.pair = NEW

    assert warm.submit(BUY).client_order_id == BUY.client_order_id

    assert stub.requests_by(NEW[0]) == [ACCOUNT, ORDERS]


@pytest.mark.parametrize("answer", [Answer(500, {"message": "no"}), Answer(hangs_up=True)])
def test_an_order_is_not_repeated_while_the_account_does_not_say_its_number(
    stub: Stub, secret: Secret, warm: AlpacaBroker, answer: Answer
) -> None:
    stub.keys = {}
    stub.script(ORDERS, Answer(401, {"code": 40110000, "message": "request is not authorized"}))
    stub.script(ACCOUNT, answer)
    secret.pair = NEW

    with pytest.raises(BrokerUnavailable):
        warm.submit(BUY)

    assert stub.asked[ORDERS] == 1
    with pytest.raises(BrokerUnavailable):
        warm.submit(BUY)
    assert stub.asked[ORDERS] == 1


def test_a_secret_put_right_again_is_noticed_by_the_process_that_lives(
    stub: Stub, secret: Secret, warm: AlpacaBroker
) -> None:
    rotate(stub, secret, STRANGE, THEIRS)
    with pytest.raises(AccountMismatch):
        warm.submit(BUY)
    stub.keys[NEW[0]] = ACCOUNT_NUMBER
    secret.pair = NEW

    warm.submit(BUY)

    assert ORDERS not in stub.requests_by(STRANGE[0])


@pytest.mark.parametrize(("number", "outcome"), [(ACCOUNT_NUMBER, "whole"), (THEIRS, "nothing")])
def test_keys_that_change_amid_a_list_give_the_whole_list_or_nothing(
    stub: Stub, secret: Secret, number: str, outcome: str
) -> None:
    fills = [raw_fill(number) for number in range(130)]
    stub.script(FILLS, Answer(body=fills[:100]), Answer(body=fills[100:]))
    pages = stub.next_answer

    def rotating(request: str, key_id: str | None = None) -> Answer:
        answer = pages(request, key_id)
        if request == FILLS and OLD[0] in stub.keys:
            rotate(stub, secret, NEW, number)
        return answer

    stub.next_answer = rotating  # type: ignore[method-assign]  # between two pages
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER, renew=secret)

    if outcome == "nothing":
        with pytest.raises(AccountMismatch):
            ours.fills_since(START)
    else:
        assert [fill.fill_id for fill in ours.fills_since(START)] == [f["id"] for f in fills]
    assert stub.requests_by(NEW[0])[0] == ACCOUNT


def test_an_account_that_is_another_under_the_same_keys_ends_the_binding(
    stub: Stub, warm: AlpacaBroker
) -> None:
    """A paper account that was reset has a new number."""
    stub.keys[OLD[0]] = "PA-RESET-1"
    with pytest.raises(AccountMismatch):
        warm.account()

    with pytest.raises(AccountMismatch):
        warm.submit(BUY)

    assert ORDERS not in stub.asked


def test_market_data_goes_on_with_whatever_pair_it_is_given(stub: Stub, secret: Secret) -> None:
    """Bars are no account's: another's pair reads the same ones, and nothing is ever sent."""
    stub.script("GET /v2/stocks/bars", Answer(body={"bars": {}}))
    data = AlpacaMarketData(
        url=stub.url, key_id=OLD[0], secret_key=OLD[1], feed="iex", renew=secret
    )
    rotate(stub, secret, NEW, ACCOUNT_NUMBER)

    assert data.bars(["AAA"], START, START + timedelta(minutes=5)) == []

    assert stub.requests_by(NEW[0]) == ["GET /v2/stocks/bars"]


class TooLate(Exception):
    """What a caller raises to keep an order back."""


def late_after(calls: int) -> Callable[[], None]:
    """Permits so many times, as if the machine slept after that."""
    asked: list[None] = []

    def before_sending() -> None:
        asked.append(None)
        if len(asked) > calls:
            raise TooLate

    return before_sending


def test_an_order_is_asked_for_again_before_it_is_repeated_with_new_keys(stub: Stub) -> None:
    """Reading the keys and proving the account take time: a suspend there counts too."""
    stub.script(ORDERS, Answer(401, {"code": 40110000, "message": "request is not authorized"}))
    stub.keys[NEW[0]] = ACCOUNT_NUMBER
    secret = Secret(OLD)
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER, renew=secret)
    ours.account()
    secret.pair = NEW
    with pytest.raises(TooLate):
        ours.submit(BUY, late_after(2))
    assert stub.asked[ORDERS] == 1
    assert stub.requests_by(NEW[0]) == [ACCOUNT]


def test_an_order_is_kept_back_while_the_account_is_being_proven(stub: Stub) -> None:
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER)
    with pytest.raises(TooLate):
        ours.submit(BUY, late_after(0))
    assert stub.asked[ACCOUNT] == 1
    assert stub.asked[ORDERS] == 0


def test_an_order_is_kept_back_once_the_connection_stands(stub: Stub) -> None:
    """The last question comes before its body leaves: a request without one is none."""
    stub.script(ORDERS, Answer(body=raw_order()))
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER)
    with pytest.raises(TooLate):
        ours.submit(BUY, late_after(1))
    assert stub.asked[ORDERS] == 0
    ours.positions()
    assert stub.asked[POSITIONS] == 1


def test_an_order_that_has_left_is_never_called_kept_back(stub: Stub) -> None:
    stub.script(ORDERS, Answer(body=raw_order()))
    ours = AlpacaBroker(stub.url, *OLD, ACCOUNT_NUMBER)
    assert ours.submit(BUY, late_after(2)).client_order_id == BUY.client_order_id
    assert stub.asked[ORDERS] == 1
