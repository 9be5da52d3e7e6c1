"""The types of the manifest: what is known about a stage and about a state machine."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

Layer = Literal["common", "vendor", "broker", "inference"]
KeysOf = Literal["none", "data", "event", "all"]
Login = Literal["owner", "writer", "reader"]
SchemaNeed = Literal["current", "any"]
Hours = Literal["always", "session"]
RunScope = Literal["everything", "machines", "entry", "guard"]
Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class StartTimes:
    """When EventBridge Scheduler starts something, in New York time.

    Attributes:
        cron: AWS cron expressions; a minute that several of them name starts it once.
        described: The same for a reader, for example "08:30 and 16:20 on weekdays".
    """

    cron: tuple[str, ...]
    described: str


@dataclass(frozen=True, slots=True)
class EveryMinute:
    """Must complete a run in each minute; two minutes without one open an alert.

    Attributes:
        hours: All minutes, or those of a session.
        scope: What the runs are counted by: not at all, by machine, or by account that
            enters or is guarded.
        severity: critical where positions are unguarded without it.
    """

    hours: Hours
    scope: RunScope = "everything"
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class AtLeastEvery:
    """Must complete a run within this time of the last one, weekends and holidays included."""

    limit: timedelta


@dataclass(frozen=True, slots=True)
class NotMonitored:
    """The healthcheck does not look at this stage, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """A table that must grow every minute, from so long after the open on."""

    table: str
    due_after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: its function, who starts it, and what it owes.

    Attributes:
        name: As in pipeline_runs, and of the folder in functions/ with its handler.
        description: One sentence, for the Lambda console and docs/stages.md.
        timeout_s: Of the function, and of the task that calls it in a state machine.
        layers: The Lambda layers it carries.
        accounts: Whose broker keys it gets: "none", "data" (one account's, to read market
            data), "event" (the account that its event names) or "all".
        login: The database login it works under.
        env: The variables it is given; what every function has is not listed.
        adapters: What its first call imports besides the clock, the secrets and the broker.
        schema: "current" refuses to run on a database that lacks a migration.
        retried_errors: Errors of its own that a state machine may retry.
        starts: The schedule of a stage that no state machine calls.
        on_demand: Who calls a stage that has no schedule either.
        monitoring: How often it must run, or why nobody checks.
        output: What it must produce.
        rows_in: The count in its result that says what came in; None where none does.
        rows_out: The count that says what went out.
    """

    name: str
    description: str
    timeout_s: int
    memory_mb: int = 256
    layers: tuple[Layer, ...] = ("common", "vendor")
    accounts: KeysOf = "none"
    login: Login = "writer"
    env: tuple[str, ...] = ("DB_SECRET_ID",)
    adapters: tuple[str, ...] = ()
    schema: SchemaNeed = "current"
    retried_errors: tuple[str, ...] = ()
    starts: StartTimes | None = None
    on_demand: str | None = None
    monitoring: EveryMinute | AtLeastEvery | NotMonitored
    output: Output | None = None
    rows_in: str | None = None
    rows_out: str | None = None

    @property
    def handler(self) -> str:
        return f"functions.{self.name}.handler.lambda_handler"

    @property
    def state(self) -> str:
        """Its state in a state machine: rss_ingest is RssIngest."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def placeholder(self) -> str:
        """What stands for the function's ARN in the state machines: RssIngestArn."""
        return f"{self.state}Arn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """One state machine.

    Attributes:
        steps: The stages it calls, in order.
        timeout_s: Longer than its longest path; an Express machine ends at 300 s.
        kind: "standard" keeps its history in the console and is billed by transition.
        after_failure: Whether the steps after a failed one still run.
    """

    name: str
    comment: str
    starts: StartTimes
    steps: tuple[str, ...]
    timeout_s: int
    kind: Literal["express", "standard"] = "express"
    after_failure: Literal["stop", "go_on"] = "stop"
