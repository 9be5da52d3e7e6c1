"""Which broker holds an account, where bars come from: names that a later adapter may bring."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from ops_local.database import DatabaseUrls
from ops_pipeline.db import accounts, data_feeds, telemetry
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.errors import ConstraintViolated, SettingsInvalid, StaleData
from ops_pipeline.runtime import registry
from ops_pipeline.runtime.registry import BarVendor
from ops_pipeline.runtime.settings import read_broker_keys
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_market import bars_of, rows, watch
from tests.support.builders_trading import ELEVEN
from tests.support.fakes import FakeMarketData, FixedClock


def set_account(db: Database, name: str, **columns: str) -> None:
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    with db.transaction() as tx:
        tx.execute(
            f"UPDATE accounts SET {changes} WHERE account_name = :name", name=name, **columns
        )


@pytest.fixture
def runtime(database_urls: DatabaseUrls) -> Iterator[Runtime]:
    with closing(Runtime({"DATABASE_URL": database_urls.writer}, FixedClock(ELEVEN))) as runtime:
        yield runtime


@pytest.fixture
def toy_vendor(monkeypatch: pytest.MonkeyPatch) -> str:
    """A bar vendor that only this test knows."""
    monkeypatch.setattr(registry, "_bar_vendors", dict(registry._bar_vendors))
    vendor = BarVendor(
        feed=lambda settings: "toy_tape", build=lambda access: FakeMarketData(FixedClock(ELEVEN))
    )
    registry.register_bar_vendor("toy", vendor)
    return "toy"


def test_the_accounts_that_ship_are_held_by_alpaca(db: Database) -> None:
    with db.transaction() as tx:
        assert {accounts.load(tx, name).broker for name in ("large", "tiny")} == {"alpaca"}


def test_paper_money_is_named_after_the_broker_that_plays_it(db: Database) -> None:
    with pytest.raises(ConstraintViolated, match="accounts_mode_is_its_brokers"):
        set_account(db, "tiny", broker="toy")
    with pytest.raises(ConstraintViolated, match="accounts_mode_is_its_brokers"):
        set_account(db, "tiny", execution_mode="TOY_PAPER")
    set_account(db, "tiny", broker="toy", execution_mode="TOY_PAPER")


@pytest.mark.parametrize("mode", ["SIMULATED", "LIVE"])
def test_the_other_modes_are_any_brokers(db: Database, mode: str) -> None:
    set_account(db, "tiny", broker="toy", execution_mode=mode)


def test_a_broker_that_has_no_adapter_is_refused_by_name(runtime: Runtime) -> None:
    with pytest.raises(SettingsInvalid, match=r"no adapter .* broker toy; known: alpaca"):
        runtime.broker("tiny", "toy")


def test_another_brokers_keys_lie_under_its_own_name() -> None:
    given = {"TOY_TINY_KEY_ID": "k", "TOY_TINY_SECRET_KEY": "s", "TOY_TINY_ACCOUNT_NUMBER": "n"}
    assert read_broker_keys(given, "tiny", "toy").key_id == "k"
    with pytest.raises(SettingsInvalid, match="ALPACA_TINY_KEY_ID is not set"):
        read_broker_keys(given, "tiny")


def test_a_vendors_keys_are_those_of_its_own_first_account(db: Database) -> None:
    set_account(db, "large", broker="toy", execution_mode="TOY_PAPER")
    with db.transaction() as tx:
        assert accounts.names_at(tx) == ["tiny"]
        assert accounts.names_at(tx, "toy") == ["large"]
        with pytest.raises(StaleData, match="no account at third"):
            accounts.names_at(tx, "third")


def test_bars_of_a_feed_that_nobody_registered_are_refused(db: Database) -> None:
    watch(db, "AAA")
    with pytest.raises(ConstraintViolated, match="lane_telemetry_feed_known"):
        _store(db, "toy_tape")
    assert rows(db, "SELECT * FROM lane_telemetry") == []


def test_a_registered_vendors_feed_is_taken_from_its_first_use_on(
    db: Database, database_urls: DatabaseUrls, toy_vendor: str
) -> None:
    watch(db, "AAA")
    variables = {"DATABASE_URL": database_urls.writer, "MARKET_DATA_VENDOR": toy_vendor}
    with closing(Runtime(variables, FixedClock(ELEVEN))) as runtime:
        assert runtime.data_feed == "toy_tape"
        assert isinstance(runtime.market_data, FakeMarketData)
    _store(db, "toy_tape")
    assert [bar["data_feed"] for bar in rows(db, "SELECT data_feed FROM lane_telemetry")] == [
        "toy_tape"
    ]


def test_a_vendor_that_has_no_adapter_is_refused_by_name(database_urls: DatabaseUrls) -> None:
    variables = {"DATABASE_URL": database_urls.writer, "MARKET_DATA_VENDOR": "toy"}
    with (
        closing(Runtime(variables, FixedClock(ELEVEN))) as runtime,
        pytest.raises(SettingsInvalid, match=r"no adapter .* bar vendor toy; known: alpaca"),
    ):
        _ = runtime.data_feed


def test_a_name_that_is_taken_is_not_registered_again(toy_vendor: str) -> None:
    with pytest.raises(SettingsInvalid, match="alpaca is registered already"):
        registry.register_broker("alpaca", registry.broker_named("alpaca"))
    with pytest.raises(SettingsInvalid, match="toy is registered already"):
        registry.register_bar_vendor(toy_vendor, registry.bar_vendor_named(toy_vendor))


def test_a_feed_that_is_known_keeps_its_vendor(db: Database) -> None:
    with db.transaction() as tx:
        data_feeds.ensure(tx, feed="sip", vendor="toy")
    assert rows(db, "SELECT vendor FROM data_feeds WHERE data_feed = 'sip'") == [
        {"vendor": "alpaca"}
    ]


def _store(db: Database, feed: str) -> None:
    with db.transaction() as tx:
        telemetry.stage(tx, bars_of("AAA", ELEVEN, ["10"]))
        telemetry.merge(tx, data_feed=feed, now=ELEVEN + MINUTE)
