"""The database is reached over TLS that is checked, by a login from a secret, or not at all."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from moto import mock_aws

from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import ConnectionTarget, Database, target_from_url
from ops_pipeline.errors import DatabaseUnavailable, OpsError, SettingsInvalid
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock
from tests.support.tls_front import Authority, authority, tls_front

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
SECRET = "ops-pipeline/db"  # noqa: S105 - the secret's name


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield boto3.client("secretsmanager")


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return authority(tmp_path / "ours")


@pytest.fixture
def writer(database_urls: DatabaseUrls) -> ConnectionTarget:
    return target_from_url(database_urls.writer)


def store(aws: Any, login: ConnectionTarget, port: int, **changes: object) -> None:
    held = {
        "host": "127.0.0.1",
        "port": port,
        "dbname": login.database,
        "username": login.user,
        "password": login.password,
        **changes,
    }
    text = json.dumps(held)
    try:
        aws.create_secret(Name=SECRET, SecretString=text)
    except aws.exceptions.ResourceExistsException:
        aws.put_secret_value(SecretId=SECRET, SecretString=text)


def ask(ca: Path) -> object:
    runtime = Runtime({"DB_SECRET_ID": SECRET, "DB_CA_FILE": str(ca)}, FixedClock(NOW))
    with closing(runtime), runtime.database.transaction() as tx:
        return (tx.one("SELECT current_user::text AS who") or {}).get("who")


def test_the_login_of_the_secret_gets_in_over_tls(
    aws: Any, ours: Authority, writer: ConnectionTarget, tmp_path: Path
) -> None:
    context = ours.server(tmp_path, "127.0.0.1")
    with tls_front((writer.host, writer.port), context) as port:
        store(aws, writer, port)
        assert ask(ours.certificate) == writer.user


def test_a_server_whose_certificate_somebody_else_signed_is_refused(
    aws: Any, ours: Authority, writer: ConnectionTarget, tmp_path: Path
) -> None:
    context = authority(tmp_path / "theirs").server(tmp_path, "127.0.0.1")
    with tls_front((writer.host, writer.port), context) as port:
        store(aws, writer, port)
        with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
            ask(ours.certificate)


def test_a_certificate_for_another_host_is_refused(
    aws: Any, ours: Authority, writer: ConnectionTarget, tmp_path: Path
) -> None:
    context = ours.server(tmp_path, "127.0.0.2")
    with tls_front((writer.host, writer.port), context) as port:
        store(aws, writer, port)
        with pytest.raises(DatabaseUnavailable, match="certificate verify failed"):
            ask(ours.certificate)


def test_a_server_without_tls_is_never_told_the_password(
    aws: Any, ours: Authority, writer: ConnectionTarget
) -> None:
    with tls_front((writer.host, writer.port), None) as port:
        store(aws, writer, port)
        with pytest.raises(OpsError) as refused:
            ask(ours.certificate)
    assert "SSL" in str(refused.value)
    assert str(writer.password) not in str(refused.value)


def test_a_secret_is_never_used_without_certificates(aws: Any, writer: ConnectionTarget) -> None:
    store(aws, writer, writer.port)
    with pytest.raises(SettingsInvalid, match="DB_CA_FILE"):
        ask(Path("nowhere.pem"))


def test_a_password_changed_in_the_secret_is_read_once_more_when_the_old_one_is_refused(
    aws: Any, ours: Authority, writer: ConnectionTarget, tmp_path: Path
) -> None:
    context = ours.server(tmp_path, "127.0.0.1")
    with tls_front((writer.host, writer.port), context) as port:
        store(aws, writer, port, password="old")
        variables = {"DB_SECRET_ID": SECRET, "DB_CA_FILE": str(ours.certificate)}
        runtime = Runtime(variables, FixedClock(NOW))
        with closing(runtime):
            database: Database = runtime.database
            with pytest.raises(SettingsInvalid, match="password"), database.transaction():
                pass
            store(aws, writer, port)
            with database.transaction() as tx:
                assert tx.one("SELECT 1 AS one") == {"one": 1}


def test_a_login_by_url_takes_tls_where_the_server_offers_it(
    ours: Authority, writer: ConnectionTarget, tmp_path: Path
) -> None:
    context = ours.server(tmp_path, "127.0.0.1")
    with (
        tls_front((writer.host, writer.port), context) as port,
        closing(Database(replace(writer, port=port), application_name="tests")) as database,
    ):
        with database.transaction() as tx:
            assert tx.one("SELECT 1 AS one") == {"one": 1}
        assert isinstance(database.session()._usock, ssl.SSLSocket)


def test_a_server_that_hangs_up_instead_of_an_answer_is_unavailable(
    writer: ConnectionTarget,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        target = replace(writer, port=listener.getsockname()[1])
        database = Database(target, application_name="tests")
        with pytest.raises(DatabaseUnavailable), closing(database), database.transaction():
            pass
        hanging_up.join()
