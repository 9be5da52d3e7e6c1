"""Nothing that a function logs or raises holds a key, a password, an account number or a value."""

import io
import json
import logging
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pg8000.exceptions import DatabaseError

from infra.definitions import load_functions
from ops_local.database import DatabaseUrls, url_for
from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.db.driver.connection import Database, log_message, target_from_url
from ops_pipeline.runtime import log
from ops_pipeline.runtime.wiring import Runtime
from tests.contract.paper_street import LARGE, TINY
from tests.support.fakes import FixedClock
from tests.support.handlers import handler_of
from tests.support.stand_ins import NOW, TICK, exchange_at_tick, in_process, leading_to, prepared

CANARY = "canary-7c1e"
WRONG_NUMBER = "PAcanary99"
FUNCTIONS = load_functions()
BROKER = sorted(
    stage
    for stage, one in FUNCTIONS.items()
    if one.accounts in ("event", "all") and stage != "control"
)
SECRETS = {
    *(account.secret_key for account in (LARGE, TINY)),
    *(account.account_number for account in (LARGE, TINY)),
    *(account.key_id for account in (LARGE, TINY)),
}

# What Postgres says of a failure then holds the row: its detail, and for the second its words.
_TELL_THE_ROW = f"""
CREATE FUNCTION tell_the_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = 'no', DETAIL = '{CANARY} ' || NEW.ticker;
END $$;
CREATE TRIGGER tell_the_row BEFORE INSERT ON lane_features
    FOR EACH ROW EXECUTE FUNCTION tell_the_row();
"""
_TELL_A_VALUE = f"""
CREATE FUNCTION tell_a_value() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.bar_count := CAST('{CANARY}' AS integer);
    RETURN NEW;
END $$;
CREATE TRIGGER tell_a_value BEFORE INSERT ON lane_features
    FOR EACH ROW EXECUTE FUNCTION tell_a_value();
"""


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with exchange_at_tick(tmp_path_factory.mktemp("exchange")) as running:
        yield running


@pytest.fixture
def variables(
    exchange: RunningExchange, database_urls: DatabaseUrls, db: Database
) -> dict[str, str]:
    prepared(db, "AAA", "BBB")
    return leading_to(exchange, database_urls)


def said_by(variables: Mapping[str, str], stage: str, **event: Any) -> str:
    """All that CloudWatch would hold of one call: log, metrics, and an error with its causes."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    runtime = Runtime(variables, FixedClock(NOW), owner="test")
    try:
        with in_process(runtime), log.written_to(written):
            answer = handler_of(stage)(event, None)
        written.write(json.dumps(answer))
    except Exception as error:  # noqa: BLE001 - Lambda logs any, with its causes
        written.write("raised: " + "".join(traceback.format_exception(error)))
    finally:
        logging.getLogger().removeHandler(handler)
    return written.getvalue()


def _event(stage: str) -> dict[str, str]:
    whose = {"account": "large"} if FUNCTIONS[stage].accounts == "event" else {}
    return {"tick": TICK, **whose}


def test_a_good_run_says_nothing_secret(variables: dict[str, str]) -> None:
    for stage in ("telemetry", *BROKER):
        said = said_by(variables, stage, **_event(stage))
        assert '"status": "run"' in said, said
        assert not [secret for secret in SECRETS if secret in said], stage


def test_binding_an_account_says_nothing_secret(variables: dict[str, str]) -> None:
    wrong = {**variables, "ALPACA_LARGE_ACCOUNT_NUMBER": WRONG_NUMBER}
    event = {"action": "bind", "operator": "anna", "reason": "to see", "confirm": True}
    for given in (variables, wrong):
        for number in (None, LARGE.account_number):
            said = said_by(given, "control", **event, account="large", number=number)
            assert '"accounts"' in said, said
            assert not [secret for secret in (*SECRETS, WRONG_NUMBER) if secret in said]


def test_keys_that_the_broker_refuses_are_not_told(variables: dict[str, str]) -> None:
    wrong = {**variables, "ALPACA_LARGE_SECRET_KEY": CANARY, "ALPACA_LARGE_KEY_ID": f"k{CANARY}"}
    for stage in ("telemetry", "reconciler"):
        said = said_by(wrong, stage, **_event(stage))
        assert '"level":"ERROR"' in said, said
        assert CANARY not in said, stage
        assert not [secret for secret in SECRETS if secret in said], stage


def test_neither_number_of_two_swapped_accounts_is_told(variables: dict[str, str]) -> None:
    wrong = {**variables, "ALPACA_LARGE_ACCOUNT_NUMBER": WRONG_NUMBER}
    said = said_by(wrong, "reconciler", tick=TICK)
    assert '"level":"ERROR"' in said, said
    assert "another account" in said
    assert WRONG_NUMBER not in said
    assert not [secret for secret in SECRETS if secret in said]


def test_a_database_login_that_is_refused_or_unreadable_is_not_told(
    variables: dict[str, str],
) -> None:
    own = "DATABASE_MARKET_URL"
    host = target_from_url(variables[own])
    user = host.user
    for url in (
        url_for(variables[own], database=host.database, user=user, password=CANARY),
        f"mysql://{user}:{CANARY}@{host.host}:{host.port}/ops",
        f"postgresql://{user}:{CANARY}@127.0.0.1:1/ops",
    ):
        said = said_by({**variables, own: url}, "features", tick=TICK)
        assert "raised: " in said
        assert CANARY not in said


@pytest.mark.parametrize("made", [_TELL_THE_ROW, _TELL_A_VALUE], ids=["detail", "value"])
def test_a_value_that_postgres_complains_of_is_not_told(
    variables: dict[str, str], owner_db: Database, db: Database, made: str
) -> None:
    assert '"status": "run"' in said_by(variables, "telemetry", tick=TICK)
    with owner_db.transaction() as tx:
        tx.script(made)

    said = said_by(variables, "features", tick=TICK)

    assert "raised: " in said
    assert CANARY not in said
    with db.transaction() as tx:
        (run,) = tx.rows("SELECT status, error_message FROM pipeline_runs WHERE stage = 'features'")
    assert run["status"] == "failed"
    assert CANARY not in run["error_message"]


def test_a_migration_that_fails_tells_no_login(variables: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_fail.sql").write_text("SELECT nothing;\n")
    written = said_by({**variables, "MIGRATIONS_DIR": str(folder)}, "db_migration")
    assert "raised: " in written
    password = str(target_from_url(variables["DATABASE_OWNER_URL"]).password)
    assert password not in written


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SELECT nothing", 'column "nothing" does not exist (42703)'),
        (f"SELECT CAST('{CANARY}' AS integer)", 'syntax for type integer: "…" (22P02)'),
    ],
)
def test_postgres_s_words_stay_but_for_a_value(db: Database, statement: str, words: str) -> None:
    with pytest.raises(DatabaseError) as refused, db.transaction() as tx:
        tx.rows(statement)
    assert log_message(refused.value).endswith(words)
