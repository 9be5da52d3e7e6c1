"""The state machines, each allowed to call only the functions in its definition."""

import json
from typing import Any

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn

from infra.definitions import load_functions, load_machines
from infra.deployment import Deployment
from infra.stacks.guards import accept, service
from ops_pipeline.domain.operations.manifest import MACHINES
from ops_pipeline.domain.operations.stage import Machine


def add_machines(scope: Any, deployment: Deployment, functions: dict[str, Any]) -> dict[str, Any]:
    """The state machines by name."""
    definitions = load_machines()
    return {
        machine.name: _machine(scope, deployment, machine, definitions[machine.name], functions)
        for machine in sorted(MACHINES, key=lambda machine: machine.name)
    }


def _machine(
    scope: Any,
    deployment: Deployment,
    machine: Machine,
    definition: dict[str, Any],
    functions: dict[str, Any],
) -> Any:
    title = "".join(word.capitalize() for word in machine.name.split("_"))
    full_name = deployment.function_name(machine.name)
    text = json.dumps(definition)
    called = {
        function.placeholder: functions[stage]
        for stage, function in load_functions().items()
        if f"${{{function.placeholder}}}" in text
    }
    role = iam.Role(
        scope,
        f"{title}Role",
        assumed_by=service(scope, "states", f"stateMachine:{full_name}"),
        description=f"What {machine.name} may call",
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["lambda:InvokeFunction"],
            resources=[function.function_arn for function in called.values()],
        )
    )
    express = machine.kind == "express"
    built = sfn.StateMachine(
        scope,
        title,
        state_machine_name=full_name,
        state_machine_type=getattr(sfn.StateMachineType, "EXPRESS" if express else "STANDARD"),
        definition_body=sfn.DefinitionBody.from_string(text),
        definition_substitutions={
            token: function.function_arn for token, function in called.items()
        },
        role=role,
        tracing_enabled=deployment.tracing,
        logs=sfn.LogOptions(
            destination=_log_group(scope, title, full_name),
            level=sfn.LogLevel.ALL if not express else sfn.LogLevel.ERROR,
            include_execution_data=True,
        ),
    )
    _accept(built, role)
    return built


def _log_group(scope: Any, title: str, full_name: str) -> Any:
    # With this prefix the account's resource policy for logs cannot outgrow its size limit.
    return logs.LogGroup(
        scope,
        f"{title}Log",
        log_group_name=f"/aws/vendedlogs/states/{full_name}",
        retention=logs.RetentionDays.TWO_WEEKS,
        removal_policy=RemovalPolicy.DESTROY,
    )


def _accept(machine: Any, role: Any) -> None:
    accept(machine, "AwsSolutions-SF1", "Logging every state of every minute costs too much.")
    accept(machine, "AwsSolutions-SF2", "X-Ray is optional: the context value `tracing`.")
    for construct in (machine, role):
        accept(
            construct,
            "AwsSolutions-IAM5[Resource::*]",
            "Log delivery and X-Ray support no resource names.",
        )
