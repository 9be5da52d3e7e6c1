"""What would be deployed, held against the manifest and the state machines."""

import io
import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from infra.cost import load_prices
from infra.definitions import (
    FOLDER,
    load_functions,
    load_machines,
    with_arns,
)
from infra.deployment import Deployment, layers_of
from ops_pipeline.db.roles import CONNECTION_LIMITS, Role
from ops_pipeline.domain.operations.manifest import MACHINES, STAGES
from ops_pipeline.domain.operations.stage import ROLES, Login
from ops_pipeline.runtime import log, metric_names
from ops_pipeline.runtime.settings import Settings, read_settings
from tests.infra.template import (
    Template,
    as_list,
    of_type,
    resources_allowed,
    stages,
    statements_of,
    synthesised,
)
from tests.unit.source_rules import PACKAGE

FUNCTIONS = load_functions()
# No state machine sees them fail.
ON_SCHEDULE = {"discovery", "healthcheck"}
CHANGES = ("AWS::StepFunctions::StateMachine", "AWS::Scheduler::Schedule")


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


def test_each_function_of_the_manifest_is_deployed_with_its_figures(template: Template) -> None:
    deployed = stages(template)
    assert set(deployed) == set(FUNCTIONS)
    for stage, function in FUNCTIONS.items():
        properties = deployed[stage]
        assert properties["FunctionName"] == Deployment().function_name(stage)
        assert properties["Timeout"] == function.timeout_s
        assert properties["MemorySize"] == function.memory_mb
        assert properties["Description"] == function.description
        assert len(properties["Layers"]) == len(layers_of(function, Deployment()))


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


def test_each_variable_that_the_manifest_names_is_set_and_makes_sense(
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
        allowed = resources_allowed(template, role, "lambda:InvokeFunction")
        assert sorted(json.dumps(arn) for arn in allowed) == called
        with_arns(json.loads(definition), dict.fromkeys(named, "arn"))


def test_each_placeholder_stands_for_the_function_of_its_name(template: Template) -> None:
    by_token = {function.placeholder: function for function in FUNCTIONS.values()}
    resources = template["Resources"]
    for properties in of_type(template, "AWS::StepFunctions::StateMachine").values():
        for token, arn in properties["DefinitionSubstitutions"].items():
            name = resources[arn["Fn::GetAtt"][0]]["Properties"]["FunctionName"]
            assert name == Deployment().function_name(by_token[token].name)


def test_schedules_are_those_of_the_manifest_and_off_at_first(template: Template) -> None:
    started = [(one.name, one.starts) for one in (*MACHINES, *STAGES) if one.starts]
    expected = sorted(
        (Deployment().function_name(name), cron) for name, starts in started for cron in starts.cron
    )
    deployed = of_type(template, "AWS::Scheduler::Schedule").values()
    found = sorted((one["Name"].rpartition("-")[0], one["ScheduleExpression"]) for one in deployed)
    assert found == expected
    for one in deployed:
        assert one["ScheduleExpressionTimezone"] == "America/New_York"
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


def test_what_a_schedule_calls_directly_leaves_the_event_that_it_failed_on_in_the_queue(
    template: Template,
) -> None:
    [queue] = of_type(template, "AWS::SQS::Queue")
    arn = {"Fn::GetAtt": [queue, "Arn"]}
    kept = {
        one["FunctionName"]["Ref"]: one["DestinationConfig"]
        for one in of_type(template, "AWS::Lambda::EventInvokeConfig").values()
        if "DestinationConfig" in one
    }
    targets = [
        one["Target"]["Arn"] for one in of_type(template, "AWS::Scheduler::Schedule").values()
    ]
    called = {target["Fn::GetAtt"][0] for target in targets if "Fn::GetAtt" in target}
    assert len(called) == len(ON_SCHEDULE)
    assert kept == {name: {"OnFailure": {"Destination": arn}} for name in called}
    for stage in ON_SCHEDULE:
        role = stages(template)[stage]["Role"]["Fn::GetAtt"][0]
        assert resources_allowed(template, role, "sqs:SendMessage") == [arn]


def test_a_schedule_may_start_what_it_names_and_nothing_else(template: Template) -> None:
    [role] = {
        one["Target"]["RoleArn"]["Fn::GetAtt"][0]
        for one in of_type(template, "AWS::Scheduler::Schedule").values()
    }
    targets = {
        json.dumps(one["Target"]["Arn"])
        for one in of_type(template, "AWS::Scheduler::Schedule").values()
    }
    allowed = resources_allowed(template, role, "states:StartExecution")
    allowed += resources_allowed(template, role, "lambda:InvokeFunction")
    assert {json.dumps(arn) for arn in allowed} == targets


def test_a_function_reads_its_own_secrets_and_no_other(template: Template) -> None:
    for stage, properties in stages(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        secrets = json.dumps(resources_allowed(template, role, "secretsmanager:GetSecretValue"))
        accounts = set(re.findall(r"alpaca/(\w+)-", secrets))
        kind = FUNCTIONS[stage].accounts
        assert accounts == {"none": set(), "data": {"large"}}.get(kind, {"large", "tiny"}), stage
        logins = set(re.findall(r"(News|Market|Trading|Control|Reader|Owner)", secrets))
        every = {"News", "Market", "Trading", "Control", "Reader", "Owner"}
        own = {FUNCTIONS[stage].login.capitalize()}
        assert logins == (every if stage == "db_migration" else own), stage


def test_a_function_may_do_nothing_beyond_logs_secrets_its_queue_and_lambda_s_own_network(
    template: Template,
) -> None:
    for stage, properties in stages(template).items():
        role = properties["Role"]["Fn::GetAtt"][0]
        allowed = {"logs", "secretsmanager", "ec2"}
        if stage in ON_SCHEDULE:
            allowed |= {"sqs"}
        for statement in statements_of(template, role):
            services = {action.partition(":")[0] for action in as_list(statement["Action"])}
            assert services <= allowed, stage
            if "ec2" not in services:
                assert "*" not in as_list(statement["Resource"]), stage


def test_no_other_function_machine_or_schedule_changes_before_the_migration_ran(
    template: Template,
) -> None:
    resources = template["Resources"]
    behind = {
        name for name, one in resources.items() if "Migrate" in as_list(one.get("DependsOn", []))
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
    assert len(secrets) == len(ROLES)
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


def _emitted() -> dict[str, list[set[str]]]:
    """The metrics that the code writes, by name, with the dimensions of each of their sets."""
    written = io.StringIO()
    with log.written_to(written):
        log.count_health([], critical_alerts=0, unknown_orders=0)
        log.count_run("features", failed=False, duration_ms=1)
    found: dict[str, list[set[str]]] = {}
    for line in written.getvalue().splitlines():
        [directive] = json.loads(line)["_aws"]["CloudWatchMetrics"]
        assert directive["Namespace"] == metric_names.NAMESPACE
        for metric in directive["Metrics"]:
            found.setdefault(metric["Name"], []).extend(map(set, directive["Dimensions"]))
    return found


def test_each_alarm_and_graph_of_our_own_metrics_reads_one_that_the_code_writes(
    template: Template,
) -> None:
    emitted = _emitted()
    alarmed = {
        alarm["MetricName"]: {one["Name"]: one["Value"] for one in alarm["Dimensions"]}
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm.get("Namespace") == metric_names.NAMESPACE
    }
    assert set(alarmed) == set(metric_names.OF_HEALTH)
    for name, dimensions in alarmed.items():
        assert set(dimensions) in emitted[name]
        assert dimensions == {"service": metric_names.SERVICE}
    [board] = of_type(template, "AWS::CloudWatch::Dashboard").values()
    text = "".join(part for part in board["DashboardBody"]["Fn::Join"][1] if isinstance(part, str))
    assert set(re.findall(rf'"{metric_names.NAMESPACE}","(\w+)"', text)) == set(alarmed)


def test_what_the_operator_must_hear_of_has_an_alarm(template: Template) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    heard = {re.sub("Alarm[0-9A-F]{8}$", "", name) for name in alarms}
    heard = {name for name in heard if not re.search("[0-9A-F]{8}$", name)}
    assert heard == {
        *("NewsCycle", "TradingCycle", "PositionCycle", "ReconcileCycle", "DailyCycle"),
        "RegimeCycle",
        *("StagesSilent", "OutputsStale", "FailureRateHigh", "UnknownOrders", "InvariantsBroken"),
        *("ClassifierBacklog", "CriticalAlertsOpen", "HealthcheckSilent", "FailedStarts"),
        *("DatabaseStorage", "DatabaseConnections"),
    }
    [budget] = of_type(template, "AWS::Budgets::Budget").values()
    told = [one["Notification"] for one in budget["NotificationsWithSubscribers"]]
    assert {one["NotificationType"] for one in told} == {"ACTUAL", "FORECASTED"}


def test_the_bill_counts_the_alarms_that_there_are(template: Template) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    metrics = [
        one
        for alarm in alarms
        for one in alarm.get("Metrics", [alarm])
        if "MetricStat" in one or "MetricName" in one
    ]
    assert len(metrics) == load_prices()["assumed"]["alarm_metrics"]


def test_saved_queries_ask_for_what_the_log_says(template: Template) -> None:
    """Events and fields that stand in the source; a query on a renamed one would find nothing."""
    source = "\n".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    queries = of_type(template, "AWS::Logs::QueryDefinition").values()
    assert {one["Name"].partition("/")[2] for one in queries} == {"errors", "runs", "orders"}
    groups = {one["LogGroupName"] for one in of_type(template, "AWS::Logs::LogGroup").values()}
    for query in queries:
        text = query["QueryString"]
        for event in re.findall(r'event = "(\w+)"', text):
            assert f'log.happened("{event}"' in source
        for part in re.findall(r"event like /(\w+)/", text):
            assert re.search(rf'(happened|went_wrong)\("{part}_\w+"', source)
        for field in re.findall(r"data\.(\w+)", text):
            assert field == "status" or re.search(rf"[(,] ?{field}=", source), field
        assert set(query["LogGroupNames"]) <= groups
        assert len(query["LogGroupNames"]) == len(FUNCTIONS)


def test_connections_fit_the_database_with_a_deployment_s_doubling(template: Template) -> None:
    [group] = of_type(template, "AWS::RDS::DBParameterGroup").values()
    most = int(group["Parameters"]["max_connections"])
    # Postgres keeps three for superusers, RDS two more for itself; the migration needs two.
    assert sum(CONNECTION_LIMITS.values()) + 3 + 2 + 2 <= most
    assert int(group["Parameters"]["idle_session_timeout"]) == 15 * 60 * 1000
    assert int(group["Parameters"]["temp_file_limit"]) == 1024**2
    [alarm] = [
        one
        for one in of_type(template, "AWS::CloudWatch::Alarm").values()
        if one.get("MetricName") == "DatabaseConnections"
    ]
    assert alarm["Threshold"] == most * 0.6
    # Each function has one warm environment, those of a Map one an account: so many connections.
    accounts = 2
    warm: Counter[Login] = Counter()
    for one in FUNCTIONS.values():
        warm[one.login] += accounts if one.accounts == "event" else 1
    for login in ("news", "market", "trading", "control"):
        assert 2 * warm[login] <= CONNECTION_LIMITS[Role(ROLES[login])]
    assert 2 * warm.total() < alarm["Threshold"]


def test_every_alarm_tells_the_topic(template: Template) -> None:
    [topic] = of_type(template, "AWS::SNS::Topic")
    for name, alarm in of_type(template, "AWS::CloudWatch::Alarm").items():
        if name.startswith("NatRecovery"):
            continue
        assert alarm["AlarmActions"] == [{"Ref": topic}], name
    [budget] = of_type(template, "AWS::Budgets::Budget").values()
    for notification in budget["NotificationsWithSubscribers"]:
        assert notification["Subscribers"] == [
            {"Address": {"Ref": topic}, "SubscriptionType": "SNS"}
        ]
    [policy] = of_type(template, "AWS::SNS::TopicPolicy").values()
    allowed = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    services = {service for one in allowed for service in as_list(one["Principal"]["Service"])}
    assert services == {"cloudwatch.amazonaws.com", "budgets.amazonaws.com"}
    ours = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    for one in allowed:
        assert one["Condition"]["StringEquals"] == ours
        assert one["Condition"]["ArnLike"]["aws:SourceArn"]


def test_a_service_assumes_a_role_for_a_resource_of_this_account_alone(template: Template) -> None:
    """Otherwise a schedule or machine of a stranger's account could be sent with our role."""
    seen = set()
    for name, role in of_type(template, "AWS::IAM::Role").items():
        for one in role["AssumeRolePolicyDocument"]["Statement"]:
            service = one["Principal"]["Service"]
            if service in ("states.amazonaws.com", "scheduler.amazonaws.com"):
                seen.add(service)
                ours = {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
                assert one["Condition"]["StringEquals"] == ours, name
                arn = json.dumps(one["Condition"]["ArnLike"]["aws:SourceArn"])
                assert "ops-pipeline" in arn, name
                assert "*" not in arn, name
    assert len(seen) == 2
    [group] = of_type(template, "AWS::Scheduler::ScheduleGroup").values()
    for schedule in of_type(template, "AWS::Scheduler::Schedule").values():
        assert schedule["GroupName"] == group["Name"]


def test_functions_reach_https_and_the_database_and_nothing_else(template: Template) -> None:
    groups = of_type(template, "AWS::EC2::SecurityGroup")
    [ours] = [name for name in groups if name.startswith("FunctionsGroup")]
    own = [(one["CidrIp"], one["FromPort"], one["ToPort"], one["IpProtocol"])
           for one in groups[ours]["SecurityGroupEgress"]]  # fmt: skip
    assert own == [("0.0.0.0/0", 443, 443, "tcp")]
    named = {
        (json.dumps(one["DestinationSecurityGroupId"]), one["FromPort"], one["ToPort"])
        for one in of_type(template, "AWS::EC2::SecurityGroupEgress").values()
        if one["GroupId"] == {"Fn::GetAtt": [ours, "GroupId"]}
    }
    assert {(first, last) for _, first, last in named} == {(5432, 5432), (443, 443)}
    for rule in of_type(template, "AWS::EC2::SecurityGroupIngress").values():
        assert rule["IpProtocol"] == "tcp"
        assert rule["FromPort"] in (443, 5432)
        assert rule["FromPort"] == rule["ToPort"]


def test_the_default_security_group_is_emptied(template: Template) -> None:
    assert len(of_type(template, "Custom::VpcRestrictDefaultSG")) == 1


def test_the_way_to_s3_leads_nowhere_without_a_model(template: Template) -> None:
    [door] = of_type(template, "AWS::EC2::VPCEndpoint").values()
    [statement] = door["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Deny", "s3:*")
    assert all("functions" in json.dumps(table) for table in door["RouteTableIds"])


def test_the_one_instance_gives_its_metadata_for_a_token_alone(template: Template) -> None:
    [nat] = of_type(template, "AWS::EC2::Instance").values()
    assert nat["MetadataOptions"]["HttpTokens"] == "required"
    assert "AWS::EC2::LaunchTemplate" not in json.dumps(template)


def test_who_commands_and_who_only_asks_have_policies_of_their_own(template: Template) -> None:
    assert _may_call(template) == {
        "ops-pipeline-observer": ["ops-pipeline-db-query"],
        "ops-pipeline-operator": ["ops-pipeline-control"],
    }
    assert not of_type(template, "AWS::Lambda::Alias")
    assert not of_type(template, "AWS::Lambda::Url")


def _may_call(template: Template) -> dict[str, list[str]]:
    """By managed policy, the functions that it lets call; an alias with its name."""
    found: dict[str, list[str]] = {}
    for policy in of_type(template, "AWS::IAM::ManagedPolicy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement["Action"] == "lambda:InvokeFunction"
            called = [_called(template, one) for one in as_list(statement["Resource"])]
            found.setdefault(policy["ManagedPolicyName"], []).extend(called)
    return found


def _called(template: Template, arn: dict[str, Any]) -> str:
    if "Ref" in arn:
        alias = template["Resources"][arn["Ref"]]["Properties"]
        function = template["Resources"][alias["FunctionName"]["Ref"]]["Properties"]
        return f"{function['FunctionName']}:{alias['Name']}"
    return str(template["Resources"][arn["Fn::GetAtt"][0]]["Properties"]["FunctionName"])


def _only_the_console_asks_the_replica(template: Template) -> None:
    instances = of_type(template, "AWS::RDS::DBInstance")
    [replica] = [name for name, one in instances.items() if "SourceDBInstanceIdentifier" in one]
    assert instances[replica]["PubliclyAccessible"] is False
    # CloudFormation refuses them beside a source, which decides them.
    assert not instances[replica].keys() & {"BackupRetentionPeriod", "StorageEncrypted", "DBName"}
    attached = of_type(template, "AWS::SecretsManager::SecretTargetAttachment").values()
    led = [one["SecretId"]["Ref"] for one in attached if one["TargetId"]["Ref"] == replica]
    assert [name.startswith("LoginReader") for name in led] == [True]


def test_what_a_deployment_may_add_for_people_and_for_looking(checkout: Path, venv: Path) -> None:
    model = ("model_s3_uri=s3://models/finbert", f"model_sha256={'a' * 64}")
    wished = ("operators=ann,bob", "audit_trail=true", "flow_logs=true", "console_replica=true")
    people = (*wished, "feed_logins=true", "bar_offset_s=4")
    template = synthesised(checkout, venv, *people, *model)
    _only_the_console_asks_the_replica(template)
    assert _may_call(template) == {
        "ops-pipeline-observer": ["ops-pipeline-db-query"],
        "ops-pipeline-operator-ann": ["ops-pipeline-control:ann"],
        "ops-pipeline-operator-bob": ["ops-pipeline-control:bob"],
    }
    named = {
        stage: one["Environment"]["Variables"].get("FEED_LOGINS_SECRET_ID")
        for stage, one in stages(template).items()
    }
    assert {stage for stage, name in named.items() if name} == {"rss_ingest"}
    offsets = {
        stage: one["Environment"]["Variables"].get("BAR_OFFSET_S")
        for stage, one in stages(template).items()
    }
    assert {stage: said for stage, said in offsets.items() if said} == {"market_clock": "4"}
    [flow] = of_type(template, "AWS::EC2::FlowLog").values()
    assert flow["TrafficType"] == "ALL"
    [trail] = of_type(template, "AWS::CloudTrail::Trail").values()
    assert trail["EnableLogFileValidation"] is True
    [watched] = [one["DataResources"][0]["Values"] for one in trail["EventSelectors"]]
    assert {_called(template, arn) for arn in watched} == {
        *("ops-pipeline-control", "ops-pipeline-db-query", "ops-pipeline-db-migration")
    }
    [door] = of_type(template, "AWS::EC2::VPCEndpoint").values()
    [statement] = door["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "s3:GetObject")
    assert set(statement["Resource"]) == {
        f"arn:aws:s3:::models/finbert/{name}"
        for name in ("config.json", "manifest.json", "model.onnx", "tokenizer.json")
    }
