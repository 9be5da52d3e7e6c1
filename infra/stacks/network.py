"""A network of two zones: an isolated database, and functions with outbound access only."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from infra.deployment import Deployment, model_objects, retention
from infra.stacks.guards import accept

# The smallest instance costs less in a month than a NAT gateway in four days.
_NAT_CLASS = "t4g.nano"
HTTPS, POSTGRES = 443, 5432

_ENCRYPTED_ROOT = ec2.CfnInstance.BlockDeviceMappingProperty(
    device_name="/dev/xvda",
    ebs=ec2.CfnInstance.EbsProperty(volume_size=8, volume_type="gp3", encrypted=True),
)
_TOKENS = ec2.CfnInstance.MetadataOptionsProperty(
    http_tokens="required", http_put_response_hop_limit=1
)


@dataclass(frozen=True, slots=True)
class Network:
    """Subnets and security groups; `functions` may connect to `database` and to HTTPS servers."""

    vpc: Any
    function_subnets: Any
    database_subnets: Any
    functions: Any
    database: Any


def add_network(scope: Any, deployment: Deployment) -> Network:
    provider = _nat_provider(deployment)
    inside = ec2.SubnetType.PRIVATE_ISOLATED
    outward = inside if deployment.nat == "none" else ec2.SubnetType.PRIVATE_WITH_EGRESS
    vpc = ec2.Vpc(
        scope,
        "Vpc",
        max_azs=2,
        nat_gateways=0 if deployment.nat == "none" else 1,
        nat_gateway_provider=provider,
        ip_addresses=ec2.IpAddresses.cidr("10.42.0.0/20"),
        restrict_default_security_group=True,
        subnet_configuration=[
            ec2.SubnetConfiguration(
                name="public",
                subnet_type=ec2.SubnetType.PUBLIC,
                map_public_ip_on_launch=False,
                cidr_mask=26,
            ),
            ec2.SubnetConfiguration(name="functions", subnet_type=outward, cidr_mask=24),
            ec2.SubnetConfiguration(name="database", subnet_type=inside, cidr_mask=26),
        ],
    )
    _flow_logs(scope, vpc, deployment)
    _door_to_s3(vpc, deployment)
    functions = _group(scope, vpc, "FunctionsGroup", "Functions: out, never in")
    database = _group(scope, vpc, "DatabaseGroup", "Database: from the functions")
    functions.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(HTTPS), "HTTPS")
    functions.add_egress_rule(database, ec2.Port.tcp(POSTGRES), "Postgres")
    database.add_ingress_rule(functions, ec2.Port.tcp(POSTGRES), "Postgres from the functions")
    if deployment.nat == "instance":
        _mind_nat_instance(scope, deployment, provider, functions)
    return Network(
        vpc,
        ec2.SubnetSelection(subnet_group_name="functions"),
        ec2.SubnetSelection(subnet_group_name="database"),
        functions,
        database,
    )


def _group(scope: Any, vpc: Any, name: str, description: str) -> Any:
    return ec2.SecurityGroup(
        scope, name, vpc=vpc, description=description, allow_all_outbound=False
    )


def _flow_logs(scope: Any, vpc: Any, deployment: Deployment) -> None:
    """Who spoke with whom, kept as long as the functions' logs."""
    if not deployment.flow_logs:
        accept(
            vpc,
            "AwsSolutions-VPC7",
            "They cost by the gigabyte, and nothing accepts connections: the context flow_logs.",
        )
        return
    kept = logs.LogGroup(
        scope,
        "FlowLog",
        log_group_name=f"/aws/vpc/{deployment.prefix}",
        retention=getattr(logs.RetentionDays, retention(deployment.log_days)),
        removal_policy=RemovalPolicy.DESTROY,
    )
    vpc.add_flow_log("Flows", destination=ec2.FlowLogDestination.to_cloud_watch_logs(kept))


def _door_to_s3(vpc: Any, deployment: Deployment) -> None:
    """The way to S3 from the functions' subnets, to the files of the model and no others.

    Not from the NAT instance's: it gets its packages from a bucket of Amazon's.
    """
    door = vpc.add_gateway_endpoint(
        "S3",
        service=ec2.GatewayVpcEndpointAwsService.S3,
        subnets=[ec2.SubnetSelection(subnet_group_name="functions")],
    )
    objects = model_objects(deployment)
    door.add_to_policy(
        iam.PolicyStatement(
            effect=iam.Effect.ALLOW if objects else iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["s3:GetObject"] if objects else ["s3:*"],
            resources=list(objects) or ["*"],
        )
    )


def _nat_provider(deployment: Deployment) -> Any:
    if deployment.nat != "instance":
        return ec2.NatProvider.gateway() if deployment.nat == "gateway" else None
    return ec2.NatProvider.instance_v2(
        instance_type=ec2.InstanceType(_NAT_CLASS),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(
            cpu_type=ec2.AmazonLinuxCpuType.ARM_64
        ),
        default_allowed_traffic=ec2.NatTrafficDirection.OUTBOUND_ONLY,
        associate_public_ip_address=True,
        credit_specification=ec2.CpuCredits.STANDARD,
    )


def _mind_nat_instance(scope: Any, deployment: Deployment, provider: Any, functions: Any) -> None:
    """Let the functions' traffic through, and have AWS recover the instance if its host fails."""
    provider.connections.allow_from(functions, ec2.Port.tcp(HTTPS), "From the functions")
    for instance in provider.gateway_instances:
        instance.node.default_child.block_device_mappings = [_ENCRYPTED_ROOT]
        # Its metadata, credentials among them, are given to a session with a token alone.
        instance.node.default_child.metadata_options = _TOKENS
        if deployment.nat_ami:
            instance.node.default_child.add_property_override("ImageId", deployment.nat_ami)
        accept(instance, "AwsSolutions-EC28", "Detailed monitoring costs; the alarm recovers it.")
        accept(instance, "AwsSolutions-EC29", "It has no state and can be replaced.")
        cloudwatch.Alarm(
            scope,
            "NatRecovery",
            alarm_description="The host of the NAT instance failed: AWS starts it elsewhere.",
            metric=cloudwatch.Metric(
                namespace="AWS/EC2",
                metric_name="StatusCheckFailed_System",
                dimensions_map={"InstanceId": instance.instance_id},
                statistic="Maximum",
            ),
            threshold=1,
            evaluation_periods=2,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        ).add_alarm_action(actions.Ec2Action(actions.Ec2InstanceAction.RECOVER))
