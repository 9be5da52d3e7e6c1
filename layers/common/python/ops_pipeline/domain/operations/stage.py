"""The types of the manifest: a stage and a state machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

Layer = Literal["common", "vendor", "broker", "inference"]
KeysOf = Literal["none", "data", "event", "all"]
# The groups that log in; each has a role in the database and may do what docs/logins.md says.
Login = Literal["news", "market", "trading", "control", "migration", "reader"]
ROLES: Mapping[Login, str] = MappingProxyType(
    {
        "news": "ops_pipeline_news",
        "market": "ops_pipeline_market",
        "trading": "ops_pipeline_trading",
        "control": "ops_pipeline_control",
        "migration": "ops_pipeline_owner",
        "reader": "ops_pipeline_reader",
    }
)
SchemaNeed = Literal["current", "any"]
Hours = Literal["always", "session"]
RunScope = Literal["everything", "machines", "entry", "guard"]
AccountScope = Literal["entry", "guard"]
Severity = Literal["warning", "critical"]


@dataclass(frozen=True, slots=True)
class StartTimes:
    """When EventBridge Scheduler starts something, in New York time.

    Attributes:
        cron: AWS cron expressions; a minute in several of them starts it once.
        described: The same in words, for example "08:30 and 16:20 on weekdays".
    """

    cron: tuple[str, ...]
    described: str


@dataclass(frozen=True, slots=True)
class EveryMinute:
    """Must complete a run in each minute; two minutes without one open an alert.

    Attributes:
        hours: All minutes, or those of a session.
        scope: Whether it runs once for everything, for each machine, or for each account that
            may enter ("entry") or is guarded ("guard").
        severity: critical if positions are unguarded without it.
    """

    hours: Hours
    scope: RunScope = "everything"
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class EveryFewMinutes:
    """Must serve each account every so many minutes of a session; two misses open an alert.

    Attributes:
        minutes: From one start to the next.
        scope: Whether each account that may enter ("entry") or is guarded ("guard").
        severity: critical if positions are unguarded without it.
    """

    minutes: int
    scope: AccountScope
    severity: Severity = "warning"


@dataclass(frozen=True, slots=True)
class AtLeastEvery:
    """Must complete a run within this time of the last one, weekends and holidays included."""

    limit: timedelta


@dataclass(frozen=True, slots=True)
class NotMonitored:
    """Not checked by the healthcheck, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Output:
    """A table that must grow in a session, starting `due_after` the open.

    Attributes:
        oldest: How old its newest row may be.
        moment: The column that says so.
    """

    table: str
    due_after: timedelta
    oldest: timedelta = timedelta(minutes=4)
    moment: str = "ts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage: its function, what calls it, and what it must do.

    Attributes:
        name: As in pipeline_runs; also the name of its folder in functions.
        description: One sentence, for the Lambda console and docs/stages.md.
        timeout_s: Of the function, and of the Task that calls it in a state machine.
        layers: Its Lambda layers.
        accounts: Whose broker keys it gets: "none", "data" (one account's, to read market
            data), "event" (the account that its event names) or "all".
        login: The group whose database login it has. No default: whoever adds a stage decides
            what it may write.
        env: Its environment variables, except those of every function.
        adapters: The adapters its first call uses besides clock, secrets and broker; they are
            imported at the cold start.
        schema: "current" refuses to run on a database that lacks a migration.
        retried_errors: Its own errors that a state machine may retry.
        starts: Its schedule, if no state machine calls it.
        on_demand: What calls it, if it has no schedule either.
        monitoring: How often it must run, or why that is not checked.
        output: What it must produce.
        rows_in: The field of its result that counts incoming rows; None if it has none.
        rows_out: The field that counts outgoing rows.
    """

    name: str
    description: str
    timeout_s: int
    login: Login
    memory_mb: int = 256
    layers: tuple[Layer, ...] = ("common", "vendor")
    accounts: KeysOf = "none"
    env: tuple[str, ...] = ("DB_SECRET_ID",)
    adapters: tuple[str, ...] = ()
    schema: SchemaNeed = "current"
    retried_errors: tuple[str, ...] = ()
    starts: StartTimes | None = None
    on_demand: str | None = None
    monitoring: EveryMinute | EveryFewMinutes | AtLeastEvery | NotMonitored
    output: Output | None = None
    rows_in: str | None = None
    rows_out: str | None = None

    @property
    def serves(self) -> AccountScope | None:
        """The accounts it must serve one by one; None if a run serves everything."""
        match self.monitoring:
            case EveryMinute(scope="entry" | "guard" as scope) | EveryFewMinutes(scope=scope):
                return scope
            case _:
                return None

    @property
    def touches_the_broker(self) -> bool:
        """Whether it may send, cancel or settle orders."""
        return self.accounts in ("event", "all")

    @property
    def handler(self) -> str:
        return f"functions.{self.name}.handler.lambda_handler"

    @property
    def state(self) -> str:
        """The name of its state in a state machine: RssIngest for rss_ingest."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def placeholder(self) -> str:
        """The placeholder of the function's ARN in the state machines: RssIngestArn."""
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
