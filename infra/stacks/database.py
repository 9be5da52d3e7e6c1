"""Postgres, and for each of the three roles a login with a secret of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from aws_cdk import aws_secretsmanager as secrets

from infra.deployment import Deployment
from infra.stacks.guards import accept
from infra.stacks.network import Network
from ops_pipeline.domain.operations.stage import ROLES, Login

# The major version that the tests run on, see docs/decisions.
POSTGRES_MAJOR = "18"
DATABASE_NAME = "ops"
# Set explicitly, so that the roles' limits and the alarm rest on a known figure: the default of
# a t4g.micro lies somewhere between 80 and 112.
MAX_CONNECTIONS = 100
# A warm function that idles longer reconnects; those of an old deployment go away.
IDLE_SESSION_MS = 900_000
# Files that one session may write to sort and join, KiB: a twentieth of the smallest disk.
TEMP_FILES_KIB = 1_048_576
_NO_ROTATION = "Rotating needs a function of its own; docs/operations.md says how to do it by hand."


@dataclass(frozen=True, slots=True)
class Postgres:
    """The instance, and by role its secret, completed with host and port.

    The console's secret names the replica where there is one.
    """

    instance: Any
    secrets: Mapping[Login, Any]


def secret_name(deployment: Deployment, role: Login) -> str:
    """The name of a group's secret; the migration's is the owner's, as RDS made it."""
    return f"{deployment.prefix}/db/{_kept_as(role)}"


def _kept_as(role: Login) -> str:
    return "owner" if role == "migration" else role


def add_database(scope: Any, deployment: Deployment, network: Network) -> Postgres:
    parameters = _parameters(scope)
    bare = {role: _secret(scope, deployment, role) for role in ROLES}
    instance = rds.DatabaseInstance(
        scope,
        "Database",
        engine=_engine(),
        instance_type=ec2.InstanceType(deployment.database_class),
        credentials=rds.Credentials.from_secret(bare["migration"]),
        database_name=DATABASE_NAME,
        vpc=network.vpc,
        vpc_subnets=network.database_subnets,
        security_groups=[network.database],
        publicly_accessible=False,
        multi_az=False,
        allocated_storage=deployment.storage_gib,
        storage_type=rds.StorageType.GP3,
        storage_encrypted=True,
        backup_retention=Duration.days(7),
        copy_tags_to_snapshot=True,
        delete_automated_backups=False,
        deletion_protection=deployment.deletion_protection,
        removal_policy=RemovalPolicy.SNAPSHOT,
        auto_minor_version_upgrade=True,
        ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
        parameter_group=parameters,
    )
    accept(instance, "AwsSolutions-RDS3", "A second zone doubles the price; backups are kept.")
    accept(
        instance,
        "AwsSolutions-RDS11",
        "Only the functions' security group may connect, on any port.",
    )
    asked = instance
    if deployment.console_replica:
        asked = _replica(scope, deployment, network, instance, parameters)
    return Postgres(instance, _attached(scope, bare, instance, asked))


def _replica(
    scope: Any, deployment: Deployment, network: Network, source: Any, parameters: Any
) -> Any:
    """A copy that follows the instance, for the console alone: what it costs, no stage pays."""
    replica = rds.DatabaseInstanceReadReplica(
        scope,
        "ConsoleReplica",
        source_database_instance=source,
        instance_type=ec2.InstanceType(deployment.database_class),
        vpc=network.vpc,
        vpc_subnets=network.database_subnets,
        security_groups=[network.database],
        publicly_accessible=False,
        storage_type=rds.StorageType.GP3,
        deletion_protection=False,
        removal_policy=RemovalPolicy.DESTROY,
        auto_minor_version_upgrade=True,
        ca_certificate=rds.CaCertificate.RDS_CA_RSA2048_G1,
        parameter_group=parameters,
    )
    accept(replica, "AwsSolutions-RDS2", "A replica is encrypted as what it follows is.")
    accept(replica, "AwsSolutions-RDS3", "Without it the console only waits until it is back.")
    accept(replica, "AwsSolutions-RDS10", "It holds nothing of its own and is made anew.")
    accept(replica, "AwsSolutions-RDS11", "Only the functions' security group may connect.")
    accept(replica, "AwsSolutions-RDS13", "The instance that it follows is backed up.")
    return replica


def _engine() -> Any:
    version = rds.PostgresEngineVersion.of(POSTGRES_MAJOR, POSTGRES_MAJOR)
    return rds.DatabaseInstanceEngine.postgres(version=version)


def _parameters(scope: Any) -> Any:
    return rds.ParameterGroup(
        scope,
        "DatabaseParameters",
        engine=_engine(),
        description="TLS only; sessions that sleep are ended",
        parameters={
            "rds.force_ssl": "1",
            "idle_session_timeout": str(IDLE_SESSION_MS),
            "max_connections": str(MAX_CONNECTIONS),
            "temp_file_limit": str(TEMP_FILES_KIB),
        },
    )


def _secret(scope: Any, deployment: Deployment, role: Login) -> Any:
    secret = secrets.Secret(
        scope,
        f"Login{_kept_as(role).capitalize()}",
        secret_name=secret_name(deployment, role),
        description=f"The database login of the {role}",
        generate_secret_string=secrets.SecretStringGenerator(
            secret_string_template=f'{{"username": "{ROLES[role]}"}}',
            generate_string_key="password",
            exclude_punctuation=True,
            password_length=40,
        ),
        removal_policy=RemovalPolicy.DESTROY,
    )
    accept(secret, "AwsSolutions-SMG4", _NO_ROTATION)
    return secret


def _attached(scope: Any, bare: Mapping[Login, Any], instance: Any, asked: Any) -> dict[Login, Any]:
    """Complete each secret with host, port and database; RDS does so for the owner's.

    Args:
        asked: Whom the console asks.
    """
    return {
        role: secrets.SecretTargetAttachment(
            scope,
            f"Where{role.capitalize()}",
            secret=secret,
            target=asked if role == "reader" else instance,
        )
        if role != "migration"
        else instance.secret
        for role, secret in bare.items()
    }
