"""What would be deployed, held against functions.json, schedules.json and the machines."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from infra.definitions import (
    FOLDER,
    load_functions,
    load_machines,
    with_arns,
)
from ops_pipeline.runtime.settings import Settings, read_settings
from tests.infra.conftest import Template, of_type, stages

FUNCTIONS = load_functions()
CHANGES = ("AWS::StepFunctions::StateMachine", "AWS::Scheduler::Schedule")


def _statements(template: Template, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _allowed(template: Template, role: str, action: str) -> list[Any]:
    return [
        resource
        for statement in _statements(template, role)
        if statement["Effect"] == "Allow" and action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
    ]


def test_cfn_lint_finds_nothing(assembly: Path, venv: Path) -> None:
    # W3005: CDK writes dependencies that follow from references a second time.
    command = [str(venv / "bin" / "cfn-lint"), "--ignore-checks", "W3005", "--"]
    template = assembly / "ops-pipeline.template.json"
    done = subprocess.run([*command, str(template)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:3000]


def test_each_accepted_finding_has_a_reason(template: Template) -> None:
    accepted = [
        rule
        for resource in template["Resources"].values()
        for rule in resource.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", [])
    ]
    assert accepted
    assert all(len(rule["reason"]) > 20 for rule in accepted)


def test_each_function_of_functions_json_is_deployed_with_its_figures(template: Template) -> None:
    deployed = stages(template)
    assert set(deployed) == set(FUNCTIONS)
    for stage, function in FUNCTIONS.items():
        properties = deployed[stage]
        assert properties["FunctionName"] == function.deployed_name
        assert properties["Timeout"] == function.timeout_s
        assert properties["MemorySize"] == function.memory_mb
        assert properties["Description"] == function.description
        assert len(properties["Layers"]) == len(function.layers)


def test_each_handler_exists_in_its_asset(template: Template, assembly: Path) -> None:
    for stage, properties in stages(template).items():
        module = properties["Handler"].rpartition(".")[0].replace(".", "/")
        asset = properties["Code"]["S3Key"].removesuffix(".zip")
        folder = assembly / f"asset.{asset}"
        assert (folder / f"{module}.py").is_file(), stage
        others = {path.name for path in (folder / "functions").iterdir() if path.is_dir()}
        assert others == {stage}


def test_the_migrations_lie_in_the_asset_of_db_migration_alone(
    template: Template, assembly: Path
) -> None:
    for stage, properties in stages(template).items():
        asset = properties["Code"]["S3Key"].removesuffix(".zip")
        found = sorted(path.name for path in (assembly / f"asset.{asset}").glob("migrations/*"))
        expected = sorted(path.name for path in (FOLDER.parent / "migrations").glob("*.sql"))
        assert found == (expected if stage == "db_migration" else []), stage


def test_each_variable_that_functions_json_names_is_set_and_makes_sense(
    template: Template,
) -> None:
    for stage, function in FUNCTIONS.items():
        variables = stages(template)[stage]["Environment"]["Variables"]
        assert set(function.env) <= set(variables), stage
        assert ("ALPACA_SECRET_PREFIX" in variables) == (function.accounts != "none")
        settings = read_settings(variables)
        assert settings.db_secret_id
        assert settings.db_ca_file is not None


def test_addresses_are_those_that_the_settings_default_to(template: Template) -> None:
    for properties in stages(template).values():
        settings = read_settings(properties["Environment"]["Variables"])
        assert settings.trading_url == Settings().trading_url
        assert settings.data_url == Settings().data_url
        assert settings.vix_url == Settings().vix_url


def test_each_task_of_a_machine_calls_a_function_that_its_role_may_call(
    template: Template,
) -> None:
    machines = of_type(template, "AWS::StepFunctions::StateMachine")
    assert len(machines) == len(load_machines())
    for properties in machines.values():
        definition = properties["DefinitionString"]
        named = set(re.findall(r"\$\{(\w+)\}", definition))
        given = properties["DefinitionSubstitutions"]
        assert named == set(given)
        role = properties["RoleArn"]["Fn::GetAtt"][0]
        called = sorted(json.dumps(arn) for arn in given.values())
        allowed = _allowed(template, role, "lambda:InvokeFunction")
        assert sorted(json.dumps(arn) for arn in allowed) == called
        with_arns(json.loads(definition), dict.fromkeys(named, "arn"))


def test_each_placeholder_stands_for_the_function_of_its_name(template: Template) -> None:
    by_token = {function.placeholder: function for function in FUNCTIONS.values()}
    resources = template["Resources"]
    for properties in of_type(template, "AWS::StepFunctions::StateMachine").values():
        for token, arn in properties["DefinitionSubstitutions"].items():
            name = resources[arn["Fn::GetAtt"][0]]["Properties"]["FunctionName"]
            assert name == by_token[token].deployed_name


def test_schedules_are_those_of_schedules_json_and_off_at_first(template: Template) -> None:
    listed = json.loads((FOLDER / "schedules.json").read_text())
    expected = sorted(
        (f"ops-pipeline-{next(iter(one['target'].values())).replace('_', '-')}", cron)
        for one in listed["schedules"]
        for cron in one["cron"]
    )
    deployed = of_type(template, "AWS::Scheduler::Schedule").values()
    found = sorted((one["Name"].rpartition("-")[0], one["ScheduleExpression"]) for one in deployed)
    assert found == expected
    for one in deployed:
        assert one["ScheduleExpressionTimezone"] == listed["timezone"]
        assert one["State"] == "DISABLED"
        assert json.loads(one["Target"]["Input"]) == {"tick": "<aws.scheduler.scheduled-time>"}


def test_an_old_tick_is_never_tried_again(template: Template) -> None:
    for one in of_type(template, "AWS::Scheduler::Schedule").values():
        assert one["Target"]["RetryPolicy"] == {
            "MaximumEventAgeInSeconds": 60,
            "MaximumRetryAttempts": 0,
        }
        assert one["Target"]["DeadLetterConfig"]
    for one in of_type(template, "AWS::Lambda::EventInvokeConfig").values():
        assert one["MaximumRetryAttempts"] == 0


def test_a_schedule_may_start_what_it_names_and_nothing_else(template: Template) -> None:
    [role] = {
        one["Target"]["RoleArn"]["Fn::GetAtt"][0]
        for one in of_type(template, "AWS::Scheduler::Schedule").values()
    }
    targets = {
        json.dumps(one["Target"]["Arn"])
        for one in of_type(template, "AWS::Scheduler::Schedule").values()
    }
    allowed = _allowed(template, role, "states:StartExecution")
    allowed += _allowed(template, role, "lambda:InvokeFunction")
    assert {json.dumps(arn) for arn in allowed} == targets


def test_a_function_reads_its_own_secrets_and_no_other(template: Template) -> None:
    for stage, properties in stages(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        secrets = json.dumps(_allowed(template, role, "secretsmanager:GetSecretValue"))
        accounts = set(re.findall(r"alpaca/(\w+)-", secrets))
        kind = FUNCTIONS[stage].accounts
        assert accounts == {"none": set(), "data": {"large"}}.get(kind, {"large", "tiny"}), stage
        logins = set(re.findall(r"(Writer|Reader|Owner)", secrets))
        expected = {"db_query": {"Reader"}, "db_migration": {"Owner", "Reader", "Writer"}}
        assert logins == expected.get(stage, {"Writer"}), stage


def test_a_function_may_do_nothing_beyond_logs_secrets_and_lambda_s_own_network(
    template: Template,
) -> None:
    for stage, properties in stages(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        for statement in _statements(template, role):
            services = {action.partition(":")[0] for action in _listed(statement["Action"])}
            assert services <= {"logs", "secretsmanager", "ec2"}, stage
            if "ec2" not in services:
                assert "*" not in _listed(statement["Resource"]), stage


def test_no_other_function_machine_or_schedule_changes_before_the_migration_ran(
    template: Template,
) -> None:
    resources = template["Resources"]
    behind = {
        name for name, one in resources.items() if "Migrate" in _listed(one.get("DependsOn", []))
    }
    functions = {
        name
        for name, one in of_type(template, "AWS::Lambda::Function").items()
        if "FunctionName" in one and one["FunctionName"] != "ops-pipeline-db-migration"
    }
    assert functions <= behind
    for kind in CHANGES:
        for name in of_type(template, kind):
            assert _reaches(resources, name, functions), name


def _reaches(resources: dict[str, Any], name: str, functions: set[str]) -> bool:
    seen, waiting = set[str](), [name]
    while waiting:
        here = waiting.pop()
        if here in functions:
            return True
        if here in seen or here not in resources:
            continue
        seen.add(here)
        text = json.dumps(resources[here])
        waiting += re.findall(r'"Ref": "(\w+)"', text)
        waiting += re.findall(r'"Fn::GetAtt": \["(\w+)"', text)
    return False


def test_the_migration_has_the_time_that_its_function_has(template: Template) -> None:
    trigger = template["Resources"]["Migrate"]["Properties"]
    assert int(trigger["Timeout"]) > FUNCTIONS["db_migration"].timeout_s * 1000


def test_the_database_is_shut_in_encrypted_and_kept(template: Template) -> None:
    [resource] = [
        one for one in template["Resources"].values() if one["Type"] == "AWS::RDS::DBInstance"
    ]
    database = resource["Properties"]
    assert resource["DeletionPolicy"] == "Snapshot"
    assert database["PubliclyAccessible"] is False
    assert database["StorageEncrypted"] is True
    assert database["BackupRetentionPeriod"] == 7
    assert database["DeletionProtection"] is True
    [parameters] = of_type(template, "AWS::RDS::DBParameterGroup").values()
    assert parameters["Parameters"]["rds.force_ssl"] == "1"


def test_no_secret_s_value_stands_in_the_template(template: Template) -> None:
    secrets = of_type(template, "AWS::SecretsManager::Secret").values()
    assert len(secrets) == 3
    assert all("SecretString" not in one and "GenerateSecretString" in one for one in secrets)
    # Only the database itself is given a password, by a reference that AWS resolves.
    resolving = {
        resource["Type"]
        for resource in template["Resources"].values()
        if "{{resolve:" in json.dumps(resource)
    }
    assert resolving == {"AWS::RDS::DBInstance"}


def test_nobody_from_outside_gets_in(template: Template) -> None:
    for group in of_type(template, "AWS::EC2::SecurityGroup").values():
        for rule in group.get("SecurityGroupIngress", []):
            assert rule.get("CidrIp") != "0.0.0.0/0", group


def test_every_alarm_tells_the_topic(template: Template) -> None:
    [topic] = of_type(template, "AWS::SNS::Topic")
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        if name.startswith("NatRecovery"):
            continue
        assert alarm["AlarmActions"] == [{"Ref": topic}], name
