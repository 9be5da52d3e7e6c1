"""The schedules of the manifest in EventBridge Scheduler, and the queue of failed starts."""

import json
from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs

from infra.definitions import load_schedules
from infra.deployment import Deployment
from infra.stacks.guards import accept, service

# A later tick would decide on the facts of another minute.
OLDEST_EVENT_S = 60


def add_schedules(
    scope: Any,
    deployment: Deployment,
    queue: Any,
    functions: dict[str, Any],
    machines: dict[str, Any],
) -> None:
    """Create the schedules, enabled if the deployment says so; `queue` keeps failed starts."""
    # A group of their own: a role's trust can name a group of schedules, not a schedule.
    group = scheduler.CfnScheduleGroup(scope, "Schedules", name=deployment.prefix)
    role = _role(scope, queue, deployment.prefix)
    for entry in load_schedules():
        is_machine = entry.kind == "machine"
        arn = (
            machines[entry.target].state_machine_arn
            if is_machine
            else functions[entry.target].function_arn
        )
        action = "states:StartExecution" if is_machine else "lambda:InvokeFunction"
        role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[arn]))
        for number, cron in enumerate(entry.crons, start=1):
            how = _target(arn, role, queue, entry.input)
            name = f"{entry.target}-{number}"
            when = (cron.expression, entry.timezone)
            schedule = _schedule(scope, name, deployment, when, how)
            schedule.node.add_dependency(role, group)


def _schedule(
    scope: Any, name: str, deployment: Deployment, when: tuple[str, str], target: Any
) -> Any:
    """Create one schedule; `when` is the expression and its time zone."""
    return scheduler.CfnSchedule(
        scope,
        "Schedule" + "".join(part.capitalize() for part in name.replace("-", "_").split("_")),
        name=deployment.function_name(name),
        group_name=deployment.prefix,
        schedule_expression=when[0],
        schedule_expression_timezone=when[1],
        state="ENABLED" if deployment.schedules_run else "DISABLED",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=target,
    )


def _target(arn: str, role: Any, queue: Any, event: Mapping[str, str]) -> Any:
    properties = scheduler.CfnSchedule
    return properties.TargetProperty(
        arn=arn,
        role_arn=role.role_arn,
        input=json.dumps(dict(event)),
        dead_letter_config=properties.DeadLetterConfigProperty(arn=queue.queue_arn),
        retry_policy=properties.RetryPolicyProperty(
            maximum_retry_attempts=0, maximum_event_age_in_seconds=OLDEST_EVENT_S
        ),
    )


def add_failed_starts(scope: Any, deployment: Deployment) -> Any:
    """The queue of failed starts, and of events on which a started function failed."""
    queue = sqs.Queue(
        scope,
        "FailedStarts",
        queue_name=f"{deployment.prefix}-failed-starts",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    accept(queue, "AwsSolutions-SQS3", "It is a dead-letter queue itself.")
    return queue


def _role(scope: Any, queue: Any, group: str) -> Any:
    role = iam.Role(
        scope,
        "SchedulerRole",
        assumed_by=service(scope, "scheduler", f"schedule-group/{group}"),
        description="What the schedules may start",
    )
    queue.grant_send_messages(role)
    return role
