"""Incident 16: configuration fell back in silence to a default account, mode or threshold."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ops_local.database import DatabaseUrls
from ops_pipeline.db import parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import ConstraintViolated, InvalidInput, OpsError, SettingsInvalid
from ops_pipeline.runtime import wiring
from ops_pipeline.runtime.settings import Settings, read_broker_keys, read_settings
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock
from tests.support.handlers import FUNCTIONS, events_of, handler_of, model_of

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
ODD = {
    "DATABASE_URL": "mysql://somebody:hunter2@db/ops",
    "OPS_DEPLOYMENT": "Main deployment",
    "MARKET_DATA_VENDOR": "Some vendor",
    "DATA_ACCOUNT": "Some account",
    "DEPLOYED_ACCOUNTS": "Some account",
    "ALPACA_DATA_FEED": "sipp",
    "ALPACA_TRADING_URL": "paper",
    "ALPACA_DATA_URL": "ftp://data",
    "VIX_URL": "not a URL",
    "FEED_PROXY_URL": "proxy:3128",
    "FEED_HOST_INTERVAL_S": "often",
    "FEED_ALLOWED_NETWORKS": "0.0.0.0/0",
    "MODEL_S3_URI": "https://models/finbert",
    "MODEL_SHA256": "0123abcd",
    "BROKER_READ_AFTER_WRITE": "perhaps",
    "BAR_OFFSET_S": "later",
}
KEYS = {
    "ALPACA_LARGE_KEY_ID": "an id",
    "ALPACA_LARGE_SECRET_KEY": "a secret",
    "ALPACA_LARGE_ACCOUNT_NUMBER": "PA1",
}


def event_of(name: str) -> dict[str, Any]:
    event = next(iter(events_of(name).values()))
    return {**event, "tick": NOW.isoformat()} if "tick" in event else event


@pytest.fixture
def using() -> Iterator[type[Runtime]]:
    """Closes what a test put in force."""
    yield Runtime
    wiring.current().close()
    wiring.use(None)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS)))
def test_no_function_starts_without_its_database_and_it_says_which_setting_is_missing(
    name: str, using: type[Runtime]
) -> None:
    wiring.use(using({}, FixedClock(NOW)))

    with pytest.raises(SettingsInvalid, match=r"^DATABASE_(READER_)?URL is not set$"):
        handler_of(name)(event_of(name), None)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_setting_stops_the_stage_with_its_name_and_without_its_value(
    name: str, using: type[Runtime], database_urls: DatabaseUrls
) -> None:
    good = {"DATABASE_URL": database_urls.writer}
    wiring.use(using({**good, name: ODD[name]}, FixedClock(NOW)))

    with pytest.raises(SettingsInvalid, match=name) as raised:
        handler_of("signals")(event_of("signals"), None)

    assert ODD[name] not in str(raised.value)


def test_every_setting_with_a_form_is_among_them() -> None:
    # A secret's form is judged by the one function that may read it.
    any_text = (str, str | None, Path, Path | None, SecretStr | None)
    formed = {
        field.alias
        for field in Settings.model_fields.values()
        if field.metadata or field.annotation not in any_text
    }
    assert formed | {"DATABASE_URL"} == set(ODD)


@pytest.mark.parametrize("missing", KEYS)
def test_an_account_without_a_key_or_its_number_is_not_traded(missing: str) -> None:
    given = {name: value for name, value in KEYS.items() if name != missing}

    with pytest.raises(SettingsInvalid, match=f"^{missing} is not set$"):
        read_broker_keys(given, "large")


def test_one_account_s_keys_never_stand_in_for_another_s() -> None:
    with pytest.raises(SettingsInvalid, match="ALPACA_TINY_KEY_ID is not set"):
        read_broker_keys(KEYS, "tiny")


@pytest.mark.parametrize("name", ["dispatcher", "position_manager"])
def test_an_account_is_named_or_nothing_is_done(name: str, using: type[Runtime]) -> None:
    wiring.use(using({}, FixedClock(NOW)))
    field = model_of(name).model_fields["account"]

    assert field.is_required()
    with pytest.raises(InvalidInput, match="account: Field required"):
        handler_of(name)({"tick": NOW.isoformat()}, None)


@pytest.mark.parametrize("name", ["dispatcher", "position_manager"])
def test_an_account_that_does_not_exist_is_refused_by_name(
    name: str, using: type[Runtime], database_urls: DatabaseUrls, db: Database
) -> None:
    with db.transaction() as tx:
        parameters.activate(tx, Parameters(), source="default", now=NOW)
    wiring.use(using({"DATABASE_URL": database_urls.writer, **KEYS}, FixedClock(NOW)))

    with pytest.raises(OpsError, match=r"(?i)nobody"):
        handler_of(name)({"tick": NOW.isoformat(), "account": "nobody"}, None)


def test_without_figures_in_force_no_stage_decides_by_the_shipped_ones(
    using: type[Runtime], database_urls: DatabaseUrls
) -> None:
    wiring.use(using({"DATABASE_URL": database_urls.writer}, FixedClock(NOW)))

    with pytest.raises(SettingsInvalid, match="no active version"):
        handler_of("signals")(event_of("signals"), None)


def test_figures_that_no_rule_knows_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"gates\.min_confidense is unknown"):
        parameters.overlay(Parameters(), {"gates": {"min_confidense": 0.1}})


def test_stored_figures_that_do_not_fit_stop_the_stage(
    using: type[Runtime], database_urls: DatabaseUrls, db: Database
) -> None:
    with db.transaction() as tx:
        parameters.activate(tx, Parameters(), source="default", now=NOW)
        tx.execute("UPDATE parameter_versions SET parameters = '{\"gates\": 7}'")
    wiring.use(using({"DATABASE_URL": database_urls.writer}, FixedClock(NOW)))

    with pytest.raises(SettingsInvalid, match="parameter version 1: gates"):
        handler_of("signals")(event_of("signals"), None)


@pytest.mark.parametrize("column", ["account_name", "execution_mode", "max_exposure", "active"])
def test_the_database_makes_up_no_account_mode_or_limit(
    database_urls: DatabaseUrls, column: str
) -> None:
    values = {
        "account_name": "'third'", "execution_mode": "'SIMULATED'", "active": "true",
        "allowed_actions": "'{}'", "max_positions": "1", "max_exposure": "1",
        "max_daily_loss": "1", "fractional_shares": "false",
    }  # fmt: skip
    given = {name: value for name, value in values.items() if name != column}
    sql = f"INSERT INTO accounts ({', '.join(given)}) VALUES ({', '.join(given.values())})"
    owner = Database(target_from_url(database_urls.owner), application_name="tests")
    with (
        closing(owner),
        pytest.raises(ConstraintViolated, match=column),
        owner.transaction() as tx,
    ):
        tx.execute(sql)


def test_an_execution_mode_that_is_none_is_refused(db: Database) -> None:
    with pytest.raises(ConstraintViolated), db.transaction() as tx:
        tx.execute("UPDATE accounts SET execution_mode = 'PAPER'")


@pytest.mark.parametrize(
    "url",
    [
        None,
        "https://paper-api.alpaca.markets",
        "https://API.Alpaca.Markets:443/",
        "http://paper-api.alpaca.markets./v2",
        "https://somebody@broker-api.sandbox.alpaca.markets",
    ],
)
def test_no_miss_counts_as_proof_at_the_real_broker(url: str | None) -> None:
    where = {} if url is None else {"ALPACA_TRADING_URL": url}
    with pytest.raises(SettingsInvalid, match="BROKER_READ_AFTER_WRITE"):
        read_settings({"BROKER_READ_AFTER_WRITE": "true", **where})
    assert not read_settings(where).broker_read_after_write


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://notalpaca.markets.test"])
def test_at_an_exchange_of_ones_own_a_miss_may_count(url: str) -> None:
    given = {"BROKER_READ_AFTER_WRITE": "true", "ALPACA_TRADING_URL": url}
    assert read_settings(given).broker_read_after_write


def test_settings_that_are_good_are_taken_as_they_are() -> None:
    settings = read_settings({"ALPACA_DATA_FEED": "sip", "OPS_DEPLOYMENT": "west2"})
    assert (settings.data_feed, settings.deployment) == ("sip", "west2")
