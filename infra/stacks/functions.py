"""The functions of the manifest: code, layers, environment, a role each, and the migration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import Annotations, ArnFormat, Duration, RemovalPolicy, Size, triggers
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_logs as logs

from infra import bundles
from infra.definitions import load_functions
from infra.deployment import (
    Deployment,
    has_feed_logins,
    has_model,
    layers_of,
    model_objects,
    retention,
)
from infra.stacks.database import Postgres, secret_name
from infra.stacks.guards import accept
from infra.stacks.network import Network
from ops_pipeline.domain.operations.stage import ROLES, Stage

MIGRATION = "db_migration"
PAPER_API = "https://paper-api.alpaca.markets"
DATA_API = "https://data.alpaca.markets"
VIX_FILE = "https://cdn.cboe.com/api/global/us_indices/daily_prices/VIX_History.csv"
# Lambda needs these to attach a function to the network; our own code is denied them.
_NETWORK_ACTIONS = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
]
_LARGEST_SPARE_S = 60
_CDK_NAME = {"arm64": "ARM_64", "x86_64": "X86_64"}


@dataclass(frozen=True, slots=True)
class StackResources:
    """What every function is built from; `failed_starts` is a queue, `staging` a folder."""

    deployment: Deployment
    network: Network
    postgres: Postgres
    failed_starts: Any
    staging: Path


def add_functions(scope: Any, resources: StackResources) -> dict[str, Any]:
    """The Lambda functions by stage name; the migration runs before any of them changes."""
    listed = load_functions()
    layer = _layers(scope, resources)
    built = {stage: _function(scope, resources, listed[stage], layer) for stage in listed}
    migration = built[MIGRATION]
    triggers.Trigger(
        scope,
        "Migrate",
        handler=migration,
        timeout=Duration.seconds(listed[MIGRATION].timeout_s + _LARGEST_SPARE_S),
        invocation_type=triggers.InvocationType.REQUEST_RESPONSE,
        execute_after=[resources.postgres.instance, *resources.postgres.secrets.values()],
        execute_before=[built[stage] for stage in built if stage != MIGRATION],
    )
    return built


def environment(function: Stage, deployment: Deployment) -> dict[str, str]:
    """The environment variables of one function; secrets are given by name only."""
    known: Mapping[str, str] = {
        "DB_SECRET_ID": secret_name(deployment, function.login),
        **{f"DB_{role.upper()}_SECRET_ID": secret_name(deployment, role) for role in ROLES},
        "MIGRATIONS_DIR": bundles.MIGRATIONS_DIR,
        "OPS_DEPLOYMENT": deployment.stage,
        "DEPLOYED_ACCOUNTS": ",".join(deployment.accounts),
        "MARKET_DATA_VENDOR": deployment.market_data_vendor,
        "ALPACA_DATA_FEED": deployment.data_feed,
        "BAR_OFFSET_S": str(deployment.bar_offset_s),
        "ALPACA_DATA_URL": DATA_API,
        "ALPACA_TRADING_URL": PAPER_API,
        "VIX_URL": VIX_FILE,
    }
    variables = {name: known[name] for name in function.env}
    if function.accounts != "none":
        variables["ALPACA_SECRET_PREFIX"] = alpaca_prefix(deployment)
        variables["DATA_ACCOUNT"] = deployment.reads_data
    if has_feed_logins(function, deployment):
        variables["FEED_LOGINS_SECRET_ID"] = feed_logins_name(deployment)
    if has_model(function, deployment):
        variables["MODEL_S3_URI"] = deployment.model_s3_uri
        variables["MODEL_SHA256"] = deployment.model_sha256
    return {**variables, "DB_CA_FILE": bundles.CA_FILE, "POWERTOOLS_LOG_LEVEL": "INFO"}


def alpaca_prefix(deployment: Deployment) -> str:
    return f"{deployment.prefix}/alpaca"


def feed_logins_name(deployment: Deployment) -> str:
    return f"{deployment.prefix}/feeds"


def accounts_of(function: Stage, deployment: Deployment) -> tuple[str, ...]:
    """The accounts whose keys a function may read; market data uses data_account's."""
    if function.accounts == "none":
        return ()
    return (deployment.reads_data,) if function.accounts == "data" else deployment.accounts


def _architecture(function: Stage, deployment: Deployment) -> str:
    classifier = "inference" in function.layers
    return deployment.classifier_architecture if classifier else deployment.architecture


def _function(
    scope: Any, resources: StackResources, function: Stage, layer: Callable[[str, str], Any]
) -> Any:
    deployment = resources.deployment
    name = deployment.function_name(function.name)
    title = function.state
    log_group = logs.LogGroup(
        scope,
        f"{title}Log",
        log_group_name=f"/aws/lambda/{name}",
        retention=getattr(logs.RetentionDays, retention(deployment.log_days)),
        removal_policy=RemovalPolicy.DESTROY,
    )
    architecture = _architecture(function, deployment)
    built = lambda_.Function(
        scope,
        title,
        function_name=name,
        description=function.description,
        runtime=lambda_.Runtime.PYTHON_3_13,
        architecture=getattr(lambda_.Architecture, _CDK_NAME[architecture]),
        handler=function.handler,
        code=lambda_.Code.from_asset(str(bundles.stage_function(function.name, resources.staging))),
        layers=[layer(each, architecture) for each in layers_of(function, deployment)],
        environment=environment(function, deployment),
        timeout=Duration.seconds(function.timeout_s),
        memory_size=function.memory_mb,
        ephemeral_storage_size=Size.mebibytes(512),
        role=_role(scope, resources, function, log_group),
        log_group=log_group,
        vpc=resources.network.vpc,
        vpc_subnets=resources.network.function_subnets,
        security_groups=[resources.network.functions],
        retry_attempts=0,
        max_event_age=Duration.seconds(60),
        on_failure=_on_failure(resources, function),
        reserved_concurrent_executions=deployment.reserved_concurrency or None,
        tracing=lambda_.Tracing.ACTIVE if deployment.tracing else lambda_.Tracing.DISABLED,
    )
    accept(built, "AwsSolutions-L1", "The lock's wheels and CI are for 3.13.")
    return built


def _on_failure(resources: StackResources, function: Stage) -> Any:
    """Where an event goes that failed: no state machine sees a scheduled function fail."""
    return destinations.SqsDestination(resources.failed_starts) if function.starts else None


def _role(scope: Any, resources: StackResources, function: Stage, log_group: Any) -> Any:
    """A role for this function's secrets and log, and for Lambda to attach it to the network."""
    title = function.state
    role = iam.Role(
        scope,
        f"{title}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"What {function.name} may do",
    )
    log_group.grant_write(role)
    own = f"arn:aws:lambda:*:*:function:{resources.deployment.function_name(function.name)}"
    role.add_to_policy(iam.PolicyStatement(actions=_NETWORK_ACTIONS, resources=["*"]))
    role.add_to_policy(
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            actions=_NETWORK_ACTIONS,
            resources=["*"],
            conditions={"ArnLike": {"lambda:SourceFunctionArn": own}},
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["secretsmanager:GetSecretValue"],
            resources=_secret_arns(scope, resources, function),
        )
    )
    if has_model(function, resources.deployment):
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=list(model_objects(resources.deployment))
            )
        )
    if resources.deployment.tracing:
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"], resources=["*"]
            )
        )
    accept(
        role,
        "AwsSolutions-IAM5[Resource::*]",
        "Network interfaces have no names in advance; a Deny keeps our own code from them.",
    )
    return role


def _secret_arns(scope: Any, resources: StackResources, function: Stage) -> list[str]:
    roles = [function.login]
    if function.name == MIGRATION:
        roles = list(ROLES)
    stored = [resources.postgres.secrets[role].secret_arn for role in roles]
    prefix = alpaca_prefix(resources.deployment)
    named = [f"{prefix}/{account}" for account in accounts_of(function, resources.deployment)]
    if has_feed_logins(function, resources.deployment):
        named.append(feed_logins_name(resources.deployment))
    # Secrets Manager appends six characters that are unknown in advance.
    by_name = [
        scope.format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{name}-??????",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for name in named
    ]
    return stored + by_name


def _layers(scope: Any, resources: StackResources) -> Callable[[str, str], Any]:
    """A function that returns a layer version, created at its first use."""
    made: dict[tuple[str, str], Any] = {}

    def layer(name: str, architecture: str) -> Any:
        key = (name, "" if name == "common" else architecture)
        if key not in made:
            made[key] = _layer(scope, resources, name, architecture)
        return made[key]

    return layer


def _layer(scope: Any, resources: StackResources, name: str, architecture: str) -> Any:
    if name == "common":
        folder, both = bundles.stage_common(resources.staging), ["ARM_64", "X86_64"]
    else:
        folder, both = bundles.built_layer(name, architecture), [_CDK_NAME[architecture]]
    if not folder.exists():
        Annotations.of(scope).add_error(f"layer {name} ({architecture}) is missing: make layers")
        folder = resources.staging / "absent"
        folder.mkdir(exist_ok=True)
    title = name.capitalize() + ("" if name == "common" else architecture.replace("_", "").upper())
    return lambda_.LayerVersion(
        scope,
        f"Layer{title}",
        layer_version_name=f"{resources.deployment.prefix}-{name}-{architecture.replace('_', '-')}",
        description=f"ops-pipeline: {name}",
        code=lambda_.Code.from_asset(str(folder)),
        compatible_architectures=[getattr(lambda_.Architecture, each) for each in both],
        compatible_runtimes=[lambda_.Runtime.PYTHON_3_13],
    )
