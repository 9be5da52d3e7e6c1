"""A network of two zones: an isolated database, and functions with outbound access only."""

from dataclasses import dataclass
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_ec2 as ec2

from infra.deployment import Deployment
from infra.stacks.guards import accept

# The smallest instance costs less in a month than a NAT gateway in four days.
_NAT_CLASS = "t4g.nano"

_ENCRYPTED_ROOT = ec2.CfnInstance.BlockDeviceMappingProperty(
    device_name="/dev/xvda",
    ebs=ec2.CfnInstance.EbsProperty(volume_size=8, volume_type="gp3", encrypted=True),
)


@dataclass(frozen=True, slots=True)
class Network:
    """Subnets and security groups; `functions` may connect to `database` and to the internet."""

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
        restrict_default_security_group=False,
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
        gateway_endpoints={
            "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)
        },
    )
    accept(vpc, "AwsSolutions-VPC7", "Flow logs are expensive, and nothing accepts connections.")
    functions = _group(scope, vpc, "FunctionsGroup", "Functions: out, never in", out=True)
    database = _group(scope, vpc, "DatabaseGroup", "Database: from the functions", out=False)
    database.add_ingress_rule(functions, ec2.Port.tcp(5432), "Postgres from the functions")
    if deployment.nat == "instance":
        _mind_nat_instance(scope, deployment, provider, functions)
    return Network(
        vpc,
        ec2.SubnetSelection(subnet_group_name="functions"),
        ec2.SubnetSelection(subnet_group_name="database"),
        functions,
        database,
    )


def _group(scope: Any, vpc: Any, name: str, description: str, *, out: bool) -> Any:
    return ec2.SecurityGroup(scope, name, vpc=vpc, description=description, allow_all_outbound=out)


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
    provider.connections.allow_from(functions, ec2.Port.all_traffic(), "From the functions")
    for instance in provider.gateway_instances:
        instance.node.default_child.block_device_mappings = [_ENCRYPTED_ROOT]
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
