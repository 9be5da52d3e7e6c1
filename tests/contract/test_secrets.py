"""The adapter against moto's Secrets Manager, and what is read again when it is refused."""

import json
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from moto import mock_aws

from ops_pipeline.adapters.secrets import SecretsManager
from ops_pipeline.errors import SettingsInvalid

CANARY = "canary-5f1d"
LOGIN = {
    "engine": "postgres",
    "host": "db.example.com",
    "port": 5432,
    "dbname": "ops",
    "username": "ops_pipeline_writer",
    "password": CANARY,
}
KEYS = {"key_id": "id", "secret_key": CANARY, "account_number": "PA1"}


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        yield boto3.client("secretsmanager", region_name="us-east-1")


def test_a_login_is_read_as_rds_wrote_it(client: Any) -> None:
    client.create_secret(Name="ops-pipeline/db", SecretString=json.dumps(LOGIN))
    login = SecretsManager(client).database_login("ops-pipeline/db")
    assert (login.host, login.port, login.database) == ("db.example.com", 5432, "ops")
    assert (login.user, login.password) == ("ops_pipeline_writer", CANARY)


def test_an_account_s_keys_are_read(client: Any) -> None:
    client.create_secret(Name="ops-pipeline/alpaca/large", SecretString=json.dumps(KEYS))
    keys = SecretsManager(client).account_keys("ops-pipeline/alpaca/large")
    assert keys is not None
    assert (keys.key_id, keys.secret_key, keys.account_number) == ("id", CANARY, "PA1")


def test_a_changed_secret_is_seen_at_the_next_call(client: Any) -> None:
    client.create_secret(Name="ops-pipeline/db", SecretString=json.dumps(LOGIN))
    secrets = SecretsManager(client)
    before = secrets.database_login("ops-pipeline/db").password
    changed = json.dumps({**LOGIN, "password": "another"})
    client.put_secret_value(SecretId="ops-pipeline/db", SecretString=changed)
    assert (before, secrets.database_login("ops-pipeline/db").password) == (CANARY, "another")


def test_a_missing_secret_is_named(client: Any) -> None:
    with pytest.raises(SettingsInvalid, match=r"ops-pipeline/db.*ResourceNotFound"):
        SecretsManager(client).database_login("ops-pipeline/db")


def test_an_account_without_a_secret_has_no_keys(client: Any) -> None:
    assert SecretsManager(client).account_keys("ops-pipeline/alpaca/tiny") is None


@pytest.mark.parametrize(
    "held",
    [
        f"not JSON {CANARY}",
        f'["{CANARY}"]',
        json.dumps({**LOGIN, "host": ""}),
        json.dumps({**LOGIN, "port": f"x{CANARY}"}),
        json.dumps({key: value for key, value in LOGIN.items() if key != "dbname"}),
    ],
)
def test_an_odd_secret_is_refused_and_its_content_stays_in_it(client: Any, held: str) -> None:
    client.create_secret(Name="odd", SecretString=held)
    with pytest.raises(SettingsInvalid) as caught:
        SecretsManager(client).database_login("odd")
    assert "odd" in str(caught.value)
    assert CANARY not in str(caught.value)
    error = caught.value
    assert error.__suppress_context__ or error.__context__ is None


def test_what_was_read_shows_in_no_repr(client: Any) -> None:
    client.create_secret(Name="a", SecretString=json.dumps({**LOGIN, **KEYS}))
    secrets = SecretsManager(client)
    assert CANARY not in repr(secrets.database_login("a"))
    assert CANARY not in repr(secrets.account_keys("a"))
