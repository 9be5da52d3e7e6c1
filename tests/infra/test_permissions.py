"""Each function is granted what it asks AWS for, and nothing that it does not.

Every function runs with the environment of the template, its logins and keys in moto's
Secrets Manager, and a botocore session that writes down what is asked for.
"""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # ships no types
import pytest
from moto import mock_aws

from infra.definitions import load_functions
from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.exchange.launcher import RunningExchange
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.roles import Role
from ops_pipeline.runtime.wiring import Runtime
from tests.conftest import MIGRATIONS
from tests.contract.paper_street import LARGE, TINY
from tests.infra.template import (
    Template,
    as_list,
    of_type,
    resources_allowed,
    stages,
    statements_of,
)
from tests.support.fakes import FixedClock
from tests.support.handlers import events_of, handler_of
from tests.support.stand_ins import NOW, NOWHERE, TICK, in_process, prepared
from tests.support.tls_front import authority, tls_front

FUNCTIONS = load_functions()
# What Lambda itself does for a function: log, place it in the network, keep a failed event.
LAMBDA_S = {"logs", "ec2", "sqs"}
# Actions by what botocore calls them.
ACTIONS = {("secretsmanager", "GetSecretValue"): "secretsmanager:GetSecretValue"}


@dataclass
class Asked:
    """What one function asked AWS for: action and the name of what it is about."""

    calls: set[tuple[str, str]]

    def record(self, params: dict[str, Any], model: Any, **_: object) -> None:
        service = model.service_model.service_name
        action = ACTIONS.get((service, model.name), f"{service}:{model.name}")
        self.calls.add((action, str(params.get("SecretId", "*"))))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        boto3.setup_default_session()
        recorder = Asked(set())
        boto3.DEFAULT_SESSION.events.register("before-parameter-build.*.*", recorder.record)
        yield recorder
        boto3.DEFAULT_SESSION = None


@pytest.fixture
def secrets(asked: Asked, database_urls: DatabaseUrls, tmp_path: Path) -> Iterator[Path]:
    """The secrets as a deployment and its operator made them; the certificates to check by."""
    ours = authority(tmp_path / "ours")
    writer = target_from_url(database_urls.writer)
    with tls_front((writer.host, writer.port), ours.server(tmp_path, "127.0.0.1")) as port:
        manager = boto3.client("secretsmanager")
        for name in ("news", "market", "trading", "control", "reader", "owner"):
            login = target_from_url(getattr(database_urls, name))
            held = {"host": "127.0.0.1", "port": port, "dbname": login.database,
                    "username": login.user, "password": login.password}  # fmt: skip
            manager.create_secret(Name=f"ops-pipeline/db/{name}", SecretString=json.dumps(held))
        for account in (LARGE, TINY):
            keys = {"key_id": account.key_id, "secret_key": account.secret_key,
                    "account_number": account.account_number}  # fmt: skip
            manager.create_secret(
                Name=f"ops-pipeline/alpaca/{account.name}", SecretString=json.dumps(keys)
            )
        yield ours.certificate


@pytest.fixture
def as_on_rds(admin_db: Database, postgres: EmbeddedPostgres) -> Iterator[None]:
    """The owner is RDS's first login, which made the others: it may set their passwords."""
    others = ", ".join(role for role in Role if role is not Role.OWNER)
    with admin_db.transaction() as tx:
        tx.execute("ALTER ROLE ops_pipeline_owner CREATEROLE")
        tx.execute(f"GRANT {others} TO ops_pipeline_owner WITH ADMIN OPTION")
    yield
    with admin_db.transaction() as tx:
        # Roles are the whole server's: other tests need them as they were.
        tx.execute("ALTER ROLE ops_pipeline_owner NOCREATEROLE")
        tx.execute(f"REVOKE {others} FROM ops_pipeline_owner")
        for role in others.split(", "):
            tx.execute(f"ALTER ROLE {role} CONNECTION LIMIT -1")
    # The migration closed the writer's login.
    local.ensure_roles(postgres.url)


@pytest.fixture
def market(database_urls: DatabaseUrls) -> None:
    with closing(Database(target_from_url(database_urls.writer), application_name="t")) as db:
        prepared(db, "AAA", "BBB")


_HERE = {"tick": TICK, "ticker": "AAA"}


def _events(stage: str) -> list[dict[str, Any]]:
    events = [
        # A minute and a symbol that the small market has.
        {**event, **{name: value for name, value in _HERE.items() if name in event}}
        for event in events_of(stage).values()
    ]
    if FUNCTIONS[stage].accounts != "event":
        return events
    return [{"tick": TICK, "account": account} for account in ("large", "tiny")]


@pytest.mark.usefixtures("as_on_rds", "market")
def test_each_function_is_granted_what_it_asks_for_and_no_more(
    template: Template,
    asked: Asked,
    secrets: Path,
    exchange: RunningExchange,
) -> None:
    for stage, properties in stages(template).items():
        asked.calls.clear()
        runtime = Runtime(
            {
                **properties["Environment"]["Variables"],
                "ALPACA_TRADING_URL": exchange.url,
                "ALPACA_DATA_URL": exchange.url,
                "VIX_URL": f"{NOWHERE}/vix.csv",
                "DB_CA_FILE": str(secrets),
                **({"MIGRATIONS_DIR": str(MIGRATIONS)} if stage == "db_migration" else {}),
            },
            FixedClock(NOW),
            owner=stage,
        )
        with in_process(runtime):
            for event in _events(stage):
                handler_of(stage)(event, None)
        role = properties["Role"]["Fn::GetAtt"][0]
        assert asked.calls == _granted(template, role), stage


def _granted(template: Template, role: str) -> set[tuple[str, str]]:
    return {
        (action, _name(template, resource))
        for statement in statements_of(template, role)
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        if action.partition(":")[0] not in LAMBDA_S
        for resource in resources_allowed(template, role, action)
    }


def _name(template: Template, resource: Any) -> str:
    """The secret that a statement's resource is about."""
    if "Ref" in resource:
        one = template["Resources"][resource["Ref"]]
        if one["Type"] == "AWS::SecretsManager::SecretTargetAttachment":
            one = template["Resources"][one["Properties"]["SecretId"]["Ref"]]
        return str(one["Properties"]["Name"])
    found = re.search(r"secret:([\w/-]+)-\?{6}", json.dumps(resource))
    assert found, resource
    return found[1]


def test_every_secret_is_one_that_a_function_reads(template: Template) -> None:
    read = set()
    for properties in stages(template).values():
        role = properties["Role"]["Fn::GetAtt"][0]
        read |= {name for _, name in _granted(template, role)}
    made = {one["Name"] for one in of_type(template, "AWS::SecretsManager::Secret").values()}
    assert made <= read
