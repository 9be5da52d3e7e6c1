"""Alarms to one topic, a dashboard, saved log queries and a budget."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions

from infra.definitions import load_functions
from infra.deployment import Deployment
from infra.stacks.database import MAX_CONNECTIONS
from infra.stacks.guards import service
from ops_pipeline.runtime import metric_names

# 60 % of the limit: each warm function holds a connection, and a deployment doubles them.
MOST_CONNECTIONS = MAX_CONNECTIONS * 60 // 100
LEAST_FREE_BYTES = 4 * 2**30
# The stages on the dashboard, a graph for each row.
FLOW = (
    ("rss_ingest", "classifier"),
    ("market_clock", "telemetry", "features", "watchlist", "signals"),
    ("dispatcher", "position_manager", "reconciler"),
)
QUERIES = {
    "errors": 'fields @timestamp, event, data.stage, data.error | filter level = "ERROR"',
    "runs": 'fields @timestamp, data.stage, data.status | filter event = "stage_finished"',
    "orders": "fields @timestamp, event, data.account, data.order | filter event like /order/",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """What is monitored; functions and machines by name, `queue` holds failed starts."""

    functions: Mapping[str, Any]
    machines: Mapping[str, Any]
    database: Any
    queue: Any


def add_observability(scope: Any, deployment: Deployment, watched: Watched) -> None:
    topic = _topic(scope, deployment)
    alarms = [
        *(_machine_alarm(scope, name, machine) for name, machine in watched.machines.items()),
        *_health_alarms(scope, watched.functions["healthcheck"]),
        *_database_alarms(scope, watched.database),
        _alarm(
            scope,
            "FailedStarts",
            "A scheduled start or a function that it called failed: its event lies in the queue.",
            watched.queue.metric_approximate_number_of_messages_visible(period=Duration.minutes(5)),
        ),
    ]
    for alarm in alarms:
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))
    _dashboard(scope, deployment, watched, alarms)
    _queries(scope, deployment, watched.functions)
    _budget(scope, deployment, topic)


def _topic(scope: Any, deployment: Deployment) -> Any:
    topic = sns.Topic(scope, "Alarms", topic_name=f"{deployment.prefix}-alarms", enforce_ssl=True)
    for publisher in (
        service(scope, "cloudwatch", "alarm:*"),
        service(scope, "budgets", "*", region=""),
    ):
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"], principals=[publisher], resources=[topic.topic_arn]
            )
        )
    if deployment.alarm_email:
        topic.add_subscription(subscriptions.EmailSubscription(deployment.alarm_email))
    return topic


def _alarm(
    scope: Any,
    name: str,
    description: str,
    metric: Any,
    *,
    above: float = 0,
    periods: int = 1,
) -> Any:
    return cloudwatch.Alarm(
        scope,
        f"{name}Alarm",
        alarm_description=description,
        metric=metric,
        threshold=above,
        evaluation_periods=periods,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
    )


def _machine_alarm(scope: Any, name: str, machine: Any) -> Any:
    """Failures, and the time-outs and throttled starts that nothing else reports."""
    every = Duration.minutes(5)
    metrics = {
        "failed": machine.metric_failed(period=every),
        "late": machine.metric_timed_out(period=every),
        "throttled": machine.metric_throttled(period=every),
    }
    total = cloudwatch.MathExpression(
        expression="failed + late + throttled", using_metrics=metrics, period=every, label=name
    )
    title = "".join(word.capitalize() for word in name.split("_"))
    return _alarm(scope, title, f"{name} failed, timed out or could not start.", total, periods=2)


def _own(name: str) -> Any:
    return cloudwatch.Metric(
        namespace=metric_names.NAMESPACE,
        metric_name=name,
        dimensions_map={"service": metric_names.SERVICE},
        statistic="Maximum",
        period=Duration.minutes(5),
    )


def _health_alarms(scope: Any, healthcheck: Any) -> list[Any]:
    """What the healthcheck finds, and its own absence, which it cannot report."""
    descriptions = {
        "stage_silent": "A stage has not completed a run for too long: see the table alerts.",
        "output_stale": "A stage runs but produces no rows.",
        "failure_rate": "Over 10 % of an account's recommendations failed within the hour.",
        "classifier_backlog": "News items have waited for the classifier for over 10 minutes.",
        "invariant_broken": "Orders, positions or history break an invariant: ops doctor.",
    }
    found = [
        _alarm(scope, name, descriptions[kind], _own(name))
        for kind, name in metric_names.BY_FINDING.items()
    ]
    unknown = _alarm(
        scope,
        metric_names.UNKNOWN_ORDERS,
        "The outcome of an order has been unknown for over 3 minutes.",
        _own(metric_names.UNKNOWN_ORDERS),
    )
    critical = _alarm(
        scope,
        metric_names.CRITICAL_ALERTS,
        "A critical alert is open, money may be at risk: see the table alerts.",
        _own(metric_names.CRITICAL_ALERTS),
    )
    silent = cloudwatch.Alarm(
        scope,
        "HealthcheckSilentAlarm",
        alarm_description="The healthcheck has not run for 15 minutes.",
        metric=healthcheck.metric_invocations(period=Duration.minutes(5)),
        threshold=1,
        evaluation_periods=3,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
    )
    return [*found, unknown, critical, silent]


def _database_alarms(scope: Any, database: Any) -> list[Any]:
    every = Duration.minutes(5)
    storage = cloudwatch.Alarm(
        scope,
        "DatabaseStorageAlarm",
        alarm_description="Less than 4 GiB free on the database's disk.",
        metric=database.metric_free_storage_space(period=every, statistic="Minimum"),
        threshold=LEAST_FREE_BYTES,
        evaluation_periods=3,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
    )
    connections = _alarm(
        scope,
        "DatabaseConnections",
        f"Over 60 % of the {MAX_CONNECTIONS} connections that the database takes.",
        database.metric_database_connections(period=every, statistic="Maximum"),
        above=MOST_CONNECTIONS,
        periods=2,
    )
    return [storage, connections]


def _dashboard(scope: Any, deployment: Deployment, watched: Watched, alarms: list[Any]) -> None:
    functions, database = watched.functions, watched.database
    board = cloudwatch.Dashboard(scope, "Dashboard", dashboard_name=deployment.prefix)
    board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=24))
    board.add_widgets(
        *(
            cloudwatch.GraphWidget(
                title=name,
                left=[machine.metric_succeeded(), machine.metric_failed()],
                width=6,
            )
            for name, machine in watched.machines.items()
        )
    )
    board.add_widgets(
        *(
            cloudwatch.GraphWidget(
                title=" > ".join(stages),
                left=[functions[stage].metric_duration(label=stage) for stage in stages],
                right=[functions[stage].metric_errors(label=f"{stage} errors") for stage in stages],
                width=8,
            )
            for stages in FLOW
        )
    )
    board.add_widgets(
        cloudwatch.GraphWidget(
            title="found by the healthcheck",
            left=[_own(name) for name in metric_names.OF_HEALTH],
            width=24,
        )
    )
    board.add_widgets(
        cloudwatch.GraphWidget(
            title="database",
            left=[database.metric_database_connections()],
            right=[database.metric_cpu_utilization()],
            width=12,
        ),
        cloudwatch.GraphWidget(
            title="free storage", left=[database.metric_free_storage_space()], width=12
        ),
    )


def _queries(scope: Any, deployment: Deployment, functions: Mapping[str, Any]) -> None:
    for name, text in QUERIES.items():
        logs.CfnQueryDefinition(
            scope,
            f"Query{name.capitalize()}",
            name=f"{deployment.prefix}/{name}",
            query_string=f"{text} | sort @timestamp desc | limit 200",
            log_group_names=[
                f"/aws/lambda/{deployment.function_name(stage)}" for stage in load_functions()
            ],
        ).node.add_dependency(*(function.log_group for function in functions.values()))


def _budget(scope: Any, deployment: Deployment, topic: Any) -> None:
    """Notify the topic if a month costs more, or is forecast to."""
    parts = budgets.CfnBudget
    budget = budgets.CfnBudget(
        scope,
        "Budget",
        budget=parts.BudgetDataProperty(
            budget_name=deployment.prefix,
            budget_type="COST",
            time_unit="MONTHLY",
            budget_limit=parts.SpendProperty(amount=deployment.budget_usd, unit="USD"),
        ),
        notifications_with_subscribers=[
            parts.NotificationWithSubscribersProperty(
                notification=parts.NotificationProperty(
                    comparison_operator="GREATER_THAN",
                    notification_type=kind,
                    threshold=100,
                    threshold_type="PERCENTAGE",
                ),
                subscribers=[
                    parts.SubscriberProperty(address=topic.topic_arn, subscription_type="SNS")
                ],
            )
            for kind in ("ACTUAL", "FORECASTED")
        ],
    )
    # Including its policy: creating a budget fails if it may not publish there.
    budget.node.add_dependency(topic)
