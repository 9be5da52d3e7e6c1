"""Who may command and who may only ask: managed policies, and a trail of who did.

Nothing is attached to anybody here: an administrator attaches a policy to a person's role.
"""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from infra.deployment import Deployment
from infra.stacks.guards import accept

ASKS, COMMANDS = "db_query", "control"
# Who called them is a person, or something that acts like one.
AUDITED = (ASKS, COMMANDS, "db_migration")
_TRAIL_DAYS = 400


def add_operators(scope: Any, deployment: Deployment, functions: Mapping[str, Any]) -> None:
    """A policy for those who ask, and for those who command: one, or one for each person."""
    _policy(scope, deployment, "observer", [functions[ASKS].function_arn])
    control = functions[COMMANDS]
    if not deployment.operators:
        _policy(scope, deployment, "operator", [control.function_arn])
    for person in deployment.operators:
        _policy(scope, deployment, f"operator-{person}", [_own_alias(scope, person, control)])
    if deployment.audit_trail:
        _trail(scope, deployment, [functions[stage] for stage in AUDITED])


def _own_alias(scope: Any, person: str, control: Any) -> str:
    """The ARN of a name for control that this person's policy alone allows.

    A call does not tell a function who called it, but it does tell by which name.
    """
    alias = lambda_.Alias(
        scope, f"Control{person.capitalize()}", alias_name=person, version=control.current_version
    )
    return str(alias.function_arn)


def _policy(scope: Any, deployment: Deployment, name: str, functions: list[str]) -> None:
    iam.ManagedPolicy(
        scope,
        "Policy" + "".join(part.capitalize() for part in name.split("-")),
        managed_policy_name=f"{deployment.prefix}-{name}",
        description=f"Who may act as {name} of {deployment.prefix}",
        statements=[iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=functions)],
    )


def _trail(scope: Any, deployment: Deployment, functions: list[Any]) -> None:
    """Each call of these functions with its caller, by the request's id that our rows have."""
    bucket = s3.Bucket(
        scope,
        "AuditBucket",
        encryption=s3.BucketEncryption.S3_MANAGED,
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        enforce_ssl=True,
        versioned=True,
        lifecycle_rules=[
            s3.LifecycleRule(
                expiration=Duration.days(_TRAIL_DAYS),
                noncurrent_version_expiration=Duration.days(_TRAIL_DAYS),
            )
        ],
        removal_policy=RemovalPolicy.RETAIN,
    )
    accept(bucket, "AwsSolutions-S1", "It is a log itself; who reads it, CloudTrail says.")
    trail = cloudtrail.Trail(
        scope,
        "Audit",
        trail_name=deployment.prefix,
        bucket=bucket,
        management_events=cloudtrail.ReadWriteType.NONE,
        is_multi_region_trail=False,
        include_global_service_events=False,
    )
    trail.add_lambda_event_selector(functions, include_management_events=False)
