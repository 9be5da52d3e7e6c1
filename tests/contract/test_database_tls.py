"""The database is reached over TLS that is checked, by a login from a secret, or not at all."""

import json
import socket
import ssl
import threading
import time
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


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names off loopback that lead to this machine, as a hosts file would."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        local = {"db.example.com": "127.0.0.1", "gone.example.com": "127.0.0.1"}
        return resolve(local.get(host, host), *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)


def _one_by_url(target: ConnectionTarget) -> object:
    with closing(Database(target, application_name="tests")) as database:
        return database.read("SELECT 1 AS one")


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("query", "shows", "told"),
    [
        ("", "ours", "certificate verify failed"),
        ("?sslrootcert={ours}", "ours", None),
        ("?sslrootcert={ours}", "another host's", "certificate verify failed"),
        ("?sslmode=verify-ca&sslrootcert={ours}", "another host's", None),
        ("?sslmode=verify-ca&sslrootcert={ours}", "theirs", "certificate verify failed"),
        ("?sslmode=require&sslrootcert={ours}", "theirs", "certificate verify failed"),
        ("?sslmode=require", "theirs", None),
        ("?sslmode=require", "none", "offers no TLS"),
        ("?sslmode=verify-full&sslrootcert={ours}", "none", "offers no TLS"),
        ("?sslrootcert=nowhere.pem", "ours", "sslrootcert: nowhere.pem cannot be read"),
    ],
)
def test_a_url_s_sslmode_is_kept(
    ours: Authority,
    writer: ConnectionTarget,
    tmp_path: Path,
    *,
    query: str,
    shows: str,
    told: str | None,
) -> None:
    signed_by = authority(tmp_path / "theirs") if shows == "theirs" else ours
    name = "127.0.0.2" if shows == "another host's" else "db.example.com"
    context = None if shows == "none" else signed_by.server(tmp_path, name)
    with tls_front((writer.host, writer.port), context) as port:
        target = _elsewhere(writer, port, query.format(ours=ours.certificate))
        if told is None:
            assert _one_by_url(target) == [{"one": 1}]
            return
        with pytest.raises(OpsError, match=told) as refused:
            _one_by_url(target)
        assert str(writer.password) not in str(refused.value)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("mode", ["prefer", "disable"])
def test_a_server_without_tls_takes_the_login_of_who_says_so(
    writer: ConnectionTarget, mode: str
) -> None:
    assert _one_by_url(_elsewhere(writer, writer.port, f"?sslmode={mode}")) == [{"one": 1}]


def _elsewhere(writer: ConnectionTarget, port: int, query: str) -> ConnectionTarget:
    login = f"{writer.user}:{writer.password}"
    return target_from_url(f"postgresql://{login}@db.example.com:{port}/{writer.database}{query}")


@pytest.mark.parametrize("method", [3, 5])
@pytest.mark.parametrize("sslmode", ["prefer", "disable"])
def test_a_password_is_never_told_in_clear_or_as_md5(method: int, sslmode: str) -> None:
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def ask_for_it() -> None:
            client, _ = listener.accept()
            with client:
                if sslmode == "prefer":
                    heard.append(client.recv(8))
                    client.sendall(b"N")
                heard.append(client.recv(4096))
                salt = b"salt" if method == 5 else b""
                request = method.to_bytes(4, "big") + salt
                client.sendall(b"R" + (4 + len(request)).to_bytes(4, "big") + request)
                while piece := client.recv(4096):
                    heard.append(piece)

        asking = threading.Thread(target=ask_for_it)
        asking.start()
        port = listener.getsockname()[1]
        target = target_from_url(f"postgresql://me:hush@127.0.0.1:{port}/d?sslmode={sslmode}")
        with pytest.raises(SettingsInvalid, match=r"asks for the password (in clear|as MD5)"):
            _one_by_url(target)
        asking.join()
    assert b"hush" not in b"".join(heard)
    assert not any(piece.startswith(b"p") for piece in heard)


def test_a_server_that_wants_a_password_where_there_is_none_is_named(
    writer: ConnectionTarget,
) -> None:
    with pytest.raises(SettingsInvalid, match="asks for a password, and there is none"):
        _one_by_url(replace(writer, password=None))


@pytest.mark.usefixtures("elsewhere")
def test_the_next_host_is_tried_where_one_takes_no_connection(writer: ConnectionTarget) -> None:
    login = f"postgresql://{writer.user}:{writer.password}@"
    hosts = f"gone.example.com:1,127.0.0.1:{writer.port}"
    assert _one_by_url(target_from_url(f"{login}{hosts}/{writer.database}")) == [{"one": 1}]


def test_a_refused_login_is_not_tried_elsewhere(writer: ConnectionTarget) -> None:
    hosts = f"127.0.0.1:{writer.port},127.0.0.1:1"
    url = f"postgresql://{writer.user}:wrong@{hosts}/{writer.database}"
    with pytest.raises(SettingsInvalid, match="password authentication failed"):
        _one_by_url(target_from_url(url))


def test_a_host_that_never_answers_is_given_up_after_its_time(writer: ConnectionTarget) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hosts = f"127.0.0.1:{silent.getsockname()[1]},127.0.0.1:{writer.port}"
        url = f"postgresql://{writer.user}:{writer.password}@{hosts}/{writer.database}"
        started = time.monotonic()
        assert _one_by_url(target_from_url(f"{url}?connect_timeout=1")) == [{"one": 1}]
        assert time.monotonic() - started < 10


def test_options_and_name_reach_the_server(writer: ConnectionTarget) -> None:
    url = f"postgresql://{writer.user}:{writer.password}@127.0.0.1:{writer.port}/{writer.database}"
    query = "options=-c%20geqo%3Doff%20-c%20statement_timeout%3D0&application_name=mine"
    database = Database(target_from_url(f"{url}?{query}"), application_name="tests")
    with closing(database):
        assert database.read(
            "SELECT current_setting('geqo') AS geqo, current_setting('application_name') AS name,"
            " current_setting('statement_timeout') AS limit"
        ) == [{"geqo": "off", "name": "mine", "limit": "30s"}]


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
