"""The app, deployed into an emulated AWS account, plays a session and obeys its operator.

`make e2e` runs this; docs/operations.md says what it proves and what only AWS can.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.synth import ROOT
from ops_local.comparison.databases import compared, reading
from ops_local.database import url_for
from ops_local.recordings import recording as recordings
from ops_local.recordings.recording import Recording
from ops_local.synthetic import generate
from tests.e2e.cloud import ACCOUNT, REGION, STACK, Cloud, CommandFailed, cloud, why_not_here
from tests.e2e.session import MORNING, DeployedSession, deployed_session, replayed_session

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

# What a deployment can't have in common with a replay: who ran a stage, and how long it took.
# Each database has a salt of its own, and here a person binds the accounts.
_OF_THE_DATABASE = {"account_bindings", "binding_salt", "operator_actions"}
_OF_THE_RUN = {
    "pipeline_runs": {"owner", "lease_expires_at"},
    "first_looks": {"number_mark"},  # the account's number under that salt
}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """An account with the toolkit stack and the two trading accounts' keys, nothing deployed."""
    why_not = why_not_here()
    if why_not is not None:
        pytest.skip(why_not)
    with cloud(tmp_path_factory.mktemp("cloud"), MORNING) as started:
        started.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", "--app", "")
        for name in ("large", "tiny"):
            keys = {
                "key_id": f"replay-{name}",
                "secret_key": "replay",
                "account_number": f"PAPER-{name.upper()}",
            }
            started.aws(
                "secretsmanager",
                "create-secret",
                "--name",
                f"{STACK}/alpaca/{name}",
                "--secret-string",
                json.dumps(keys),
            )
        yield started


@pytest.fixture(scope="module")
def stack(account: Cloud) -> Cloud:
    """Deployed; from here on every call is held to its role's policies."""
    account.deploy()
    account.enforce_policies(True)
    return account


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("session")
    generate(folder)
    return recordings.load(folder)


@pytest.fixture(scope="module")
def session(stack: Cloud, recording: Recording) -> Iterator[DeployedSession]:
    """The ten minutes, played."""
    with deployed_session(stack, recording, url_for(stack.admin_url, database="ops")) as started:
        started.play()
        yield started


def test_every_migration_was_applied_by_the_owner_over_verified_tls(stack: Cloud) -> None:
    said = json.loads(stack.ops("migrate", "status", "--json"))
    files = sorted(file.stem for file in (ROOT / "migrations").glob("*.sql"))
    assert said["pending"] == []
    assert sorted(said["applied"]) == files


def test_the_console_answers_what_the_lambda_console_sends(stack: Cloud) -> None:
    event, answer = stack.folder / "event.json", stack.folder / "answer.json"
    event.write_text('{"sql": "SELECT current_user AS login, 1 AS one;"}')
    stack.aws(
        "lambda",
        "invoke",
        "--function-name",
        f"{STACK}-db-query",
        "--payload",
        f"fileb://{event}",
        str(answer),
    )
    told = json.loads(answer.read_text())
    assert told["statusCode"] == 200
    assert json.loads(told["body"])["rows"] == [{"login": "ops_pipeline_reader", "one": 1}]


def test_the_deployed_minutes_leave_the_rows_of_the_local_replay(
    session: DeployedSession, recording: Recording, tmp_path: Path
) -> None:
    assert session.failures == []
    deployed = url_for(session.cloud.admin_url, database="ops")
    with (
        replayed_session(tmp_path, recording, ROOT / "migrations") as local,
        reading(deployed) as a,
        reading(local) as b,
    ):
        different = [
            each
            for each in compared(a, b)
            if each.table not in _OF_THE_DATABASE
            if each.kind != "differs" or set(each.columns) - _OF_THE_RUN.get(each.table, set())
        ]
        bought = b.rows("SELECT DISTINCT account_name FROM orders WHERE status = 'filled'")
    assert len(bought) == 2, "both accounts bought: there is something to compare"
    assert [str(each) for each in different[:20]] == []


def test_the_operator_s_verbs_reach_the_deployed_stack(session: DeployedSession) -> None:
    stack = session.cloud
    # The session's day is long past: every run is overdue, and the verbs say so.
    assert "position_manager" in stack.ops("status", code=1)
    found = json.loads(stack.ops("query", "SELECT count(*) AS n FROM orders", "--json"))
    assert found
    stack.ops("halt", "--account", "tiny", "--reason", "e2e")
    assert "e2e" in stack.ops("status", code=1)
    stack.ops("resume", "--account", "tiny", "--reason", "e2e is over")
    stack.ops("invoke", "market_clock", "--event", "{}")
    assert "Overdue runs" in stack.ops("doctor", code=1)


def test_what_sets_a_deployment_up_reaches_the_deployed_stack(
    session: DeployedSession, tmp_path: Path
) -> None:
    stack = session.cloud
    why = ("--reason", "e2e")
    assert "tiny" in stack.ops("accounts", "list", "--json")
    assert "http" in stack.ops("feeds", "list", "--json")
    assert "KO" in stack.ops("tickers", "list", "--json")
    assert "max_exposure" in stack.ops("config", "--json")
    stack.ops("accounts", "limits", "tiny", "max_orders_per_day=400", *why)
    stack.ops("accounts", "limits", "tiny", "max_orders_per_day=400", *why, code=1)
    stack.ops("accounts", "switch", "tiny", "off", *why)
    stack.ops("accounts", "switch", "tiny", "on", *why)
    stack.ops("feeds", "add", "https://feeds.example/e2e", "--source", "e2e", *why)
    stack.ops("feeds", "pause", "https://feeds.example/e2e", *why)
    stack.ops("tickers", "add", "ZZZZ", "--name", "Zeta", *why)
    stack.ops("tickers", "remove", "ZZZZ", *why)

    file = tmp_path / "ops.toml"
    stack.ops("init", "--file", str(file))
    assert "nothing to do" not in stack.ops("apply", "--plan", "--file", str(file))
    stack.ops("apply", "--yes", "--file", str(file), *why)
    assert "othing to do" in stack.ops("apply", "--yes", "--file", str(file), *why)

    assert '"bad"' not in stack.ops("check", "--json")


def test_a_role_that_loses_a_statement_is_denied(session: DeployedSession) -> None:
    """By the emulator's enforcement, as AWS's: of a function that no minute has warmed up."""
    stack = session.cloud
    stack.forbid_secrets("discovery")
    with pytest.raises(CommandFailed, match="AccessDenied"):
        stack.ops("invoke", "discovery", "--event", '{"tick": "2026-02-04T21:15:00Z"}')
