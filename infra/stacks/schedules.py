"""What schedules.json starts, with EventBridge Scheduler; what could not be started is kept."""

import json
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs

from infra.definitions import FOLDER
from infra.deployment import Deployment
from infra.stacks.guards import accept

# A tick that comes later than this decides on facts of another minute.
OLDEST_EVENT_S = 60


def add_schedules(
    scope: Any, deployment: Deployment, functions: dict[str, Any], machines: dict[str, Any]
) -> Any:
    """The schedules, on only where the deployment says so; returns the queue of failed starts."""
    queue = _queue(scope, deployment)
    role = _role(scope, queue)
    listed = json.loads((FOLDER / "schedules.json").read_text(encoding="utf-8"))
    for entry in listed["schedules"]:
        [(kind, target)] = entry["target"].items()
        arn = (
            machines[target].state_machine_arn
            if kind == "machine"
            else functions[target].function_arn
        )
        action = "states:StartExecution" if kind == "machine" else "lambda:InvokeFunction"
        role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[arn]))
        for number, cron in enumerate(entry["cron"], start=1):
            how = _target(arn, role, queue, entry["input"])
            name = f"{target}-{number}"
            schedule = _schedule(scope, name, deployment, (cron, listed["timezone"]), how)
            schedule.node.add_dependency(role)
    return queue


def _schedule(
    scope: Any, name: str, deployment: Deployment, when: tuple[str, str], target: Any
) -> Any:
    """`when` is the expression and its time zone."""
    return scheduler.CfnSchedule(
        scope,
        "Schedule" + "".join(part.capitalize() for part in name.replace("-", "_").split("_")),
        name=deployment.function_name(name),
        schedule_expression=when[0],
        schedule_expression_timezone=when[1],
        state="ENABLED" if deployment.schedules_run else "DISABLED",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=target,
    )


def _target(arn: str, role: Any, queue: Any, event: dict[str, str]) -> Any:
    properties = scheduler.CfnSchedule
    return properties.TargetProperty(
        arn=arn,
        role_arn=role.role_arn,
        input=json.dumps(event),
        dead_letter_config=properties.DeadLetterConfigProperty(arn=queue.queue_arn),
        retry_policy=properties.RetryPolicyProperty(
            maximum_retry_attempts=0, maximum_event_age_in_seconds=OLDEST_EVENT_S
        ),
    )


def _queue(scope: Any, deployment: Deployment) -> Any:
    queue = sqs.Queue(
        scope,
        "FailedStarts",
        queue_name=f"{deployment.prefix}-failed-starts",
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )
    accept(queue, "AwsSolutions-SQS3", "It is the queue of what failed.")
    return queue


def _role(scope: Any, queue: Any) -> Any:
    role = iam.Role(
        scope,
        "SchedulerRole",
        assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com"),
        description="What the schedules may start",
    )
    queue.grant_send_messages(role)
    return role
