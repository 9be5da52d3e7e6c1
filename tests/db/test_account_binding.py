"""The broker's account that each account of ours is bound to, whatever its keys say."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest
from pg8000.exceptions import DatabaseError

from ops_local.database import DatabaseUrls
from ops_local.exchange.accounts import key_variables
from ops_local.exchange.launcher import PaperAccount, RunningExchange
from ops_pipeline.db import accounts, bindings
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.binding import number_mark
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.errors import AccountMismatch, ConstraintViolated
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.alpaca_answers import raw_order
from tests.contract.paper_street import LARGE, TINY
from tests.contract.stub_broker import ACCOUNT_NUMBER, Answer, Stub, serving
from tests.support.builders_market import rows
from tests.support.builders_trading import TradingBench
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, exchange_at_tick, leading_to

BUY = OrderRequest("large-AAA-1", "AAA", "buy", Decimal(10), "limit", Decimal("10.05"))
SALT = b"s" * 32
ORDERS = "POST /v2/orders"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def variables(exchange: RunningExchange, database_urls: DatabaseUrls) -> dict[str, str]:
    return leading_to(exchange, database_urls)


@pytest.fixture
def runtime(variables: dict[str, str]) -> Iterator[Runtime]:
    """A process that lives; what a test changes in `variables` it reads with its next keys."""
    with closing(Runtime(variables, FixedClock(NOW))) as runtime:
        yield runtime


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        running.script(ORDERS, Answer(body=raw_order(client_order_id=BUY.client_order_id)))
        yield running


def bind(db: Database, name: str, number: str, *, salt: bytes = SALT) -> bool:
    with db.transaction() as tx:
        account = accounts.load(tx, name)
        return bindings.bind(tx, account, number, new_salt=lambda: salt, by="test", now=NOW)


def bind_both(db: Database) -> None:
    for paper in (LARGE, TINY):
        bind(db, paper.name, paper.account_number)


def halt(db: Database, name: str) -> None:
    with db.transaction() as tx:
        tx.execute("UPDATE accounts SET operator_halt = 'moving' WHERE account_name = :n", n=name)


def keys_of(owner: str, whose: PaperAccount) -> dict[str, str]:
    """The variables of one account with the keys and the number of another."""
    return key_variables([replace(whose, name=owner)])


def orders_at(exchange: RunningExchange) -> int:
    return len(exchange.tables()["orders"])


# What trades, and what does not.


def test_an_account_that_is_bound_trades(
    db: Database, runtime: Runtime, exchange: RunningExchange
) -> None:
    bind_both(db)
    before = orders_at(exchange)
    assert runtime.broker("large").submit(BUY).client_order_id == BUY.client_order_id
    assert orders_at(exchange) == before + 1


def test_an_unbound_account_is_refused_and_the_verb_is_named(
    db: Database, runtime: Runtime, exchange: RunningExchange
) -> None:
    bind(db, "tiny", TINY.account_number)
    before = orders_at(exchange)
    with pytest.raises(AccountMismatch, match="`ops accounts bind --account large`"):
        runtime.broker("large").submit(BUY)
    assert orders_at(exchange) == before
    assert runtime.broker("tiny").positions() == []


def test_each_active_account_that_is_unbound_is_told_at_the_start(db: Database) -> None:
    bind(db, "tiny", TINY.account_number)
    with db.transaction() as tx:
        assert [words.partition(" ")[0] for words in bindings.unbound(tx)] == ["large"]
        tx.execute("UPDATE accounts SET execution_mode = 'SIMULATED' WHERE account_name = 'large'")
        assert bindings.unbound(tx) == []


def test_secrets_that_were_swapped_whole_are_refused(
    db: Database, runtime: Runtime, variables: dict[str, str], exchange: RunningExchange
) -> None:
    bind_both(db)
    variables.update({**keys_of("large", TINY), **keys_of("tiny", LARGE)})
    before = orders_at(exchange)
    for name in ("large", "tiny"):
        with pytest.raises(AccountMismatch, match="another account"):
            runtime.broker(name).submit(BUY)
        with pytest.raises(AccountMismatch, match="another account"):
            runtime.broker(name).positions()
    assert orders_at(exchange) == before


def test_two_accounts_with_the_keys_of_one_are_refused_but_for_the_one(
    db: Database, runtime: Runtime, variables: dict[str, str]
) -> None:
    bind_both(db)
    variables.update(keys_of("tiny", LARGE))
    assert runtime.broker("large").account().account_number == LARGE.account_number
    with pytest.raises(AccountMismatch, match="another account"):
        runtime.broker("tiny").account()


def test_the_number_beside_the_keys_must_be_the_accounts_too(
    db: Database, runtime: Runtime, variables: dict[str, str]
) -> None:
    bind_both(db)
    variables["ALPACA_LARGE_ACCOUNT_NUMBER"] = TINY.account_number
    with pytest.raises(AccountMismatch, match="the number beside them"):
        runtime.broker("large").positions()


def test_keys_put_right_are_used_by_the_process_that_was_refused(
    db: Database, runtime: Runtime, variables: dict[str, str]
) -> None:
    bind_both(db)
    variables.update(keys_of("large", TINY))
    with pytest.raises(AccountMismatch):
        runtime.broker("large").positions()
    variables.update(keys_of("large", LARGE))
    assert runtime.broker("large").account().account_number == LARGE.account_number


def test_an_account_added_later_is_unbound_and_the_others_trade_on(
    db: Database, runtime: Runtime, variables: dict[str, str]
) -> None:
    bind_both(db)
    with db.transaction() as tx:
        tx.execute(
            "INSERT INTO accounts (account_name, execution_mode, active, allowed_actions,"
            " max_positions, max_exposure, max_daily_loss, fractional_shares)"
            " SELECT 'third', execution_mode, active, allowed_actions, max_positions,"
            " max_exposure, max_daily_loss, fractional_shares FROM accounts"
            " WHERE account_name = 'tiny'"
        )
    variables.update(keys_of("third", TINY))
    with pytest.raises(AccountMismatch, match="third is not bound"):
        runtime.broker("third").positions()
    with pytest.raises(AccountMismatch, match="tiny is bound to that account"):
        bind(db, "third", TINY.account_number)
    assert runtime.broker("tiny").positions() == []


def test_an_account_moved_to_another_broker_is_not_bound_there(
    db: Database, owner_db: Database, runtime: Runtime
) -> None:
    bind_both(db)
    number = LARGE.account_number
    assert number_mark(SALT, "alpaca", number) != number_mark(SALT, "toy", number)
    stored = bindings.find(db, "large")
    assert stored is not None
    assert stored.fits("alpaca", number)
    assert not stored.fits("toy", number)


# Keys exchanged under a process that lives.


@pytest.fixture
def warm(stub: Stub, variables: dict[str, str], db: Database, runtime: Runtime) -> Runtime:
    """A process that has traded for `large` at the stub, which knows one key so far."""
    stub.keys = {LARGE.key_id: ACCOUNT_NUMBER}
    variables["ALPACA_TRADING_URL"] = stub.url
    variables["ALPACA_LARGE_ACCOUNT_NUMBER"] = ACCOUNT_NUMBER
    bind(db, "large", ACCOUNT_NUMBER)
    runtime.broker("large").submit(BUY)
    return runtime


def rotate(stub: Stub, variables: dict[str, str], number: str) -> None:
    """The old key ends; the new one opens this number, which stands beside it."""
    stub.keys = {"new": number}
    variables["ALPACA_LARGE_KEY_ID"] = "new"
    variables["ALPACA_LARGE_ACCOUNT_NUMBER"] = number


def test_a_new_pair_of_the_same_account_goes_on_in_the_process_that_lives(
    warm: Runtime, stub: Stub, variables: dict[str, str]
) -> None:
    rotate(stub, variables, ACCOUNT_NUMBER)
    warm.broker("large").submit(BUY)
    assert stub.requests_by("new") == ["GET /v2/account", ORDERS]


def test_keys_and_number_of_another_account_in_the_secret_send_nothing(
    warm: Runtime, stub: Stub, variables: dict[str, str]
) -> None:
    rotate(stub, variables, "PA-SOMEBODY-3")
    for _ in range(2):
        with pytest.raises(AccountMismatch):
            warm.broker("large").submit(BUY)
    assert set(stub.requests_by("new")) == {"GET /v2/account"}


# A binding that changes under a process that lives.


def test_a_broker_that_was_kept_is_dropped_when_its_account_is_bound_anew(
    warm: Runtime, stub: Stub, variables: dict[str, str], db: Database
) -> None:
    kept = warm.broker("large")
    assert warm.broker("large") is kept
    halt(db, "large")
    assert bind(db, "large", "PA-NEXT-1")

    with pytest.raises(AccountMismatch):
        warm.broker("large").submit(BUY)
    assert stub.asked[ORDERS] == 1

    rotate(stub, variables, "PA-NEXT-1")
    warm.broker("large").submit(BUY)
    assert stub.requests_by("new")[-1] == ORDERS


def test_a_binding_taken_away_is_noticed_by_the_process_that_lives(
    warm: Runtime, stub: Stub, db: Database, owner_db: Database
) -> None:
    halt(db, "large")
    with owner_db.transaction() as tx:
        tx.execute("DELETE FROM account_bindings")
    with pytest.raises(AccountMismatch, match="not bound"):
        warm.broker("large").submit(BUY)
    assert stub.asked[ORDERS] == 1


# What the database holds.


def test_a_number_that_another_account_has_is_refused_by_name(db: Database) -> None:
    bind_both(db)
    halt(db, "large")
    with pytest.raises(AccountMismatch, match="large: tiny is bound to that account at alpaca"):
        bind(db, "large", TINY.account_number)
    with pytest.raises(ConstraintViolated) as refused, db.transaction() as tx:
        tx.execute(
            "UPDATE account_bindings SET number_mark = (SELECT number_mark FROM account_bindings"
            " WHERE account_name = 'tiny') WHERE account_name = 'large'"
        )
    assert refused.value.constraint == "account_bindings_one_account_each"


def test_binding_to_the_same_number_again_changes_nothing(db: Database) -> None:
    assert bind(db, "large", LARGE.account_number)
    before = rows(db, "SELECT * FROM account_bindings")
    assert not bind(db, "large", LARGE.account_number)
    assert rows(db, "SELECT * FROM account_bindings") == before


@pytest.mark.parametrize("in_use", ["not halted", "a position", "a live order"])
def test_an_account_keeps_its_number_while_it_is_in_use(db: Database, in_use: str) -> None:
    bench = TradingBench(db)
    bind(db, "large", "PA-OLD")
    if in_use == "a position":
        bench.buy()
        bench.next_minute()
        for order in list(bench.broker.orders.values()):
            bench.broker.end(order.client_order_id, "canceled")
    elif in_use == "a live order":
        bench.recommend()
        bench.dispatch()
    if in_use != "not halted":
        halt(db, "large")

    with pytest.raises(ConstraintViolated, match="keeps its number while it is in use") as refused:
        bind(db, "large", "PA-NEW")

    assert refused.value.constraint == "account_bindings_change_at_rest"
    assert bindings.find(db, "large") == bindings.StoredMark(
        number_mark(SALT, "alpaca", "PA-OLD"), SALT
    )


def test_an_account_at_rest_takes_another_number(db: Database) -> None:
    bind(db, "large", "PA-OLD")
    halt(db, "large")
    assert bind(db, "large", "PA-NEW")
    stored = bindings.find(db, "large")
    assert stored is not None
    assert stored.fits("alpaca", "PA-NEW")


def test_the_salt_stays_as_long_as_a_mark_was_made_with_it(
    db: Database, owner_db: Database
) -> None:
    bind(db, "large", "PA-1")
    with pytest.raises(ConstraintViolated), owner_db.transaction() as tx:
        tx.execute("DELETE FROM binding_salt")
    with pytest.raises(ConstraintViolated), owner_db.transaction() as tx:
        tx.execute("INSERT INTO binding_salt (only_row, salt) VALUES (false, :salt)", salt=SALT)


def test_without_a_salt_every_account_is_unbound(db: Database, runtime: Runtime) -> None:
    assert rows(db, "SELECT 1 FROM binding_salt") == []
    with pytest.raises(AccountMismatch, match="large is not bound"):
        runtime.broker("large").positions()


def test_a_salt_too_short_to_hide_a_number_is_refused(db: Database) -> None:
    with pytest.raises(ConstraintViolated):
        bind(db, "large", "PA-1", salt=b"short")


@pytest.mark.parametrize("statement", ["UPDATE binding_salt SET salt = salt || salt",
                                       "DELETE FROM binding_salt",
                                       "DELETE FROM account_bindings"])  # fmt: skip
def test_the_stages_login_can_neither_change_the_salt_nor_unbind(
    db: Database, statement: str
) -> None:
    bind(db, "large", "PA-1")
    with pytest.raises(DatabaseError, match="permission denied"), db.transaction() as tx:
        tx.execute(statement)


def test_the_readers_login_sees_the_marks_and_not_the_salt(
    db: Database, database_urls: DatabaseUrls
) -> None:
    bind(db, "large", "PA-1")
    with closing(Database(target_from_url(database_urls.reader), application_name="t")) as reader:
        (bound,) = reader.read("SELECT account_name, number_mark FROM account_bindings")
        assert "PA-1" not in bound["number_mark"]
        with pytest.raises(DatabaseError, match="permission denied"):
            reader.read("SELECT salt FROM binding_salt")


def test_first_bindings_at_once_share_one_salt_and_one_number_has_one_account(
    db: Database, database_urls: DatabaseUrls
) -> None:
    def first(name: str, number: str, salt: bytes) -> bool | str:
        login = Database(target_from_url(database_urls.writer), application_name="binder")
        try:
            with closing(login), login.transaction() as tx:
                account = accounts.load(tx, name)
                return bindings.bind(tx, account, number, new_salt=lambda: salt, by="t", now=NOW)
        except (AccountMismatch, ConstraintViolated) as error:
            return type(error).__name__

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(
            pool.map(first, ("large", "tiny"), ("PA-1", "PA-1"), (b"a" * 32, b"b" * 32))
        )
    assert outcomes.count(True) == 1
    assert len(rows(db, "SELECT 1 FROM binding_salt")) == 1
    (bound,) = rows(db, "SELECT account_name FROM account_bindings")
    stored = bindings.find(db, bound["account_name"])
    assert stored is not None
    assert stored.fits("alpaca", "PA-1")
