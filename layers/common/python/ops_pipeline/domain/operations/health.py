"""Checks of the pipeline: runs, output, failures, invariants. An empty table is not healthy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType

from ops_pipeline.domain.market import MINUTE, Session
from ops_pipeline.domain.operations import manifest
from ops_pipeline.domain.operations.alerts import AlertKind
from ops_pipeline.domain.operations.invariants import MEANINGS, Breach
from ops_pipeline.domain.operations.stage import (
    AtLeastEvery,
    EveryFewMinutes,
    EveryMinute,
    Hours,
    Output,
    RunScope,
    Severity,
)

EVERYTHING = "*"
PERIODS = 2
FAILURES_OVER = 0.10


@dataclass(frozen=True, slots=True)
class MonitoredStage:
    """A stage that must run every minute; EveryMinute explains the fields."""

    stage: str
    hours: Hours
    scope: RunScope = "everything"
    severity: Severity = "warning"


MONITORED_STAGES = tuple(
    MonitoredStage(stage.name, found.hours, found.scope, found.severity)
    for stage in manifest.STAGES
    if isinstance(found := stage.monitoring, EveryMinute)
)
# For stages whose runs are counted by machine: the machines that start in each of those minutes.
MACHINES = tuple(
    sorted(
        machine.name
        for machine in manifest.MACHINES
        for monitored in MONITORED_STAGES
        if monitored.scope == "machines"
        and monitored.stage in machine.steps
        and machine.starts == manifest.SESSION_MINUTES
    )
)
# The other stages: the longest time between two runs.
LONGEST_GAPS: Mapping[str, timedelta] = MappingProxyType(
    {
        stage.name: stage.monitoring.limit
        for stage in manifest.STAGES
        if isinstance(stage.monitoring, AtLeastEvery)
    }
)
# Compares each account with its broker, which must be as recent as its runs are due.
RECONCILER = manifest.stage_named("reconciler")


def _between_comparisons() -> timedelta:
    duty = RECONCILER.monitoring
    if not isinstance(duty, EveryFewMinutes):
        raise TypeError(f"{RECONCILER.name} must run every few minutes of a session")
    return timedelta(minutes=duty.minutes)


BETWEEN_COMPARISONS = _between_comparisons()
OUTPUTS = tuple(stage.output for stage in manifest.STAGES if stage.output is not None)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `message` is what its alert says."""

    kind: AlertKind
    scope: str
    subject: str
    passed: bool
    severity: Severity
    message: str
    details: Mapping[str, object]


def not_made(name: str, failed: str) -> Finding:
    """A check of the healthcheck's own that raised; `failed` are the words of that."""
    return Finding(
        kind=CHECK_FAILED,
        scope="*",
        subject=name,
        passed=False,
        severity="critical",
        message=f"the check {name} could not be made ({failed}): what it would find is not known",
        details={"error": failed},
    )


@dataclass(frozen=True, slots=True)
class Run:
    """A succeeded run."""

    stage: str
    scope: str
    tick: datetime


@dataclass(frozen=True, slots=True)
class FinalRecommendations:
    """How many of an account's recommendations of the last hour are final, and how many failed."""

    account: str
    total: int
    failed: int


@dataclass(frozen=True, slots=True)
class Streak:
    """How many of an account's newest `limit` trades lost; if all did, its entries are halted."""

    account: str
    lost: int
    limit: int


def ticks_looked_at(tick: datetime) -> tuple[datetime, ...]:
    """The minutes that must have ended by this tick; its own may still be running."""
    return tuple(tick - (number + 1) * MINUTE for number in range(PERIODS))


def silent_stages(
    tick: datetime,
    session: Session | None,
    accounts: Mapping[RunScope, Sequence[str]],
    runs: Iterable[Run],
) -> list[Finding]:
    """For each stage due in all of the last minutes: whether it completed a run in one of them.

    Args:
        accounts: The accounts that may enter ("entry") and that are guarded ("guard").
        runs: The succeeded runs of those minutes, or later ones.
    """
    ticks = ticks_looked_at(tick)
    done = {(run.stage, run.scope) for run in runs if run.tick >= min(ticks)}
    scopes = {"everything": (EVERYTHING,), "machines": MACHINES, **accounts}
    return [
        _stage_finding(monitored, scope, (monitored.stage, scope) in done, ticks)
        for monitored in MONITORED_STAGES
        if monitored.hours == "always" or (session and all(map(session.is_open, ticks)))
        for scope in scopes[monitored.scope]
    ]


def _stage_finding(
    monitored: MonitoredStage, scope: str, passed: bool, ticks: Sequence[datetime]
) -> Finding:
    by_machine = monitored.scope == "machines"
    subject = f"{scope}/{monitored.stage}" if by_machine else monitored.stage
    return Finding(
        kind="stage_silent",
        scope=EVERYTHING if by_machine else scope,
        subject=subject,
        passed=passed,
        severity=monitored.severity,
        message=f"{subject} has not completed a run in the last {PERIODS} minutes",
        details={"ticks": [moment.isoformat() for moment in ticks]},
    )


def overdue_stages(
    tick: datetime,
    newest: Mapping[str, datetime | None],
    limits: Mapping[str, timedelta] = LONGEST_GAPS,
) -> list[Finding]:
    """For each of these stages: whether its last run is recent enough.

    Args:
        newest: The tick of the newest succeeded run by stage; None if it never ran.
        limits: The longest time between two runs, by stage.
    """
    return [_gap_finding(stage, newest.get(stage), tick - limits[stage]) for stage in limits]


def _gap_finding(stage: str, newest: datetime | None, due: datetime) -> Finding:
    missing = (
        "has never completed a run"
        if newest is None
        else f"has not completed a run since {newest:%Y-%m-%d %H:%M} UTC"
    )
    return Finding(
        kind="stage_silent",
        scope=EVERYTHING,
        subject=stage,
        passed=newest is not None and newest >= due,
        severity="warning",
        message=f"{stage} {missing}",
        details={"last": newest.isoformat() if newest else None, "due": due.isoformat()},
    )


def old_comparisons(
    tick: datetime,
    session: Session | None,
    accounts: Iterable[str],
    newest: Mapping[str, datetime],
) -> list[Finding]:
    """For each account, while comparisons are due: whether its last one is recent enough.

    Args:
        accounts: Those that are guarded and have a broker.
        newest: The tick of each account's newest comparison; one never compared is absent.
    """
    due = tuple(tick - (number + 1) * BETWEEN_COMPARISONS for number in range(PERIODS))
    if session is None or not all(map(session.is_open, due)):
        return []
    return [_comparison_finding(name, newest.get(name), min(due)) for name in accounts]


def _comparison_finding(account: str, newest: datetime | None, due: datetime) -> Finding:
    since = "yet" if newest is None else f"since {newest:%Y-%m-%d %H:%M} UTC"
    return Finding(
        kind="stage_silent",
        scope=account,
        subject=RECONCILER.name,
        passed=newest is not None and newest >= due,
        severity="warning",
        message=f"{account} has not been compared with its broker {since}",
        details={"last": newest.isoformat() if newest else None, "due": due.isoformat()},
    )


def unconfigured_accounts(configured: Mapping[str, bool]) -> list[Finding]:
    """For each account that a guard has served: whether it has keys.

    Args:
        configured: What its newest run found.
    """
    return [
        Finding(
            kind="account_not_configured",
            scope=account,
            subject=account,
            passed=has_keys,
            severity="warning",
            message=f"{account} has no keys and does not trade: set them, or switch it off",
            details={},
        )
        for account, has_keys in configured.items()
    ]


def stale_outputs(
    tick: datetime, session: Session | None, newest: Mapping[str, datetime | None]
) -> list[Finding]:
    """For each of these tables that must grow by now: whether its newest minute is recent enough.

    Args:
        newest: The newest minute's start by table; None is an empty table.
    """
    if session is None or not session.is_open(tick):
        return []
    return [
        _output_finding(output, tick, newest[output.table])
        for output in OUTPUTS
        if output.table in newest and tick >= session.opens_at + output.due_after
    ]


def _output_finding(output: Output, tick: datetime, newest: datetime | None) -> Finding:
    table, limit_s = output.table, output.oldest.total_seconds()
    age_s = None if newest is None else (tick - newest).total_seconds()
    state = f"{table} is empty" if age_s is None else f"Newest row of {table} is {age_s:.0f} s old"
    return Finding(
        kind="output_stale",
        scope=EVERYTHING,
        subject=table,
        passed=age_s is not None and age_s <= limit_s,
        severity="warning",
        message=f"{state}; the limit is {limit_s:.0f} s",
        details={"age_s": age_s, "limit_s": limit_s},
    )


# Long enough before the open to do something about it, and after the first attempts.
VOLATILITY_DUE = timedelta(minutes=45)


def volatility_known(
    tick: datetime, session: Session | None, day: date, source: str | None
) -> list[Finding]:
    """From before the open to the close: whether there is a reading that entries can be judged by.

    Args:
        day: The session before this one.
        source: Of that day's reading; None without any.
    """
    if session is None or not session.opens_at - VOLATILITY_DUE <= tick < session.closes_at:
        return []
    return [
        Finding(
            kind="volatility_unknown",
            scope=EVERYTHING,
            subject="vix_history",
            passed=source is not None,
            severity="warning",
            message=(
                f"No reading of the volatility index for {day}, nor of its stand-in: no entry is "
                "allowed until there is one. market_regime asks again every few minutes"
            ),
            details={"day": day.isoformat()},
        )
    ]


def failing_accounts(recommendations: Iterable[FinalRecommendations]) -> list[Finding]:
    """For each account with final recommendations: whether at most a tenth failed."""
    return [
        Finding(
            kind="failure_rate",
            scope=account.account,
            subject="dispatch_recommendations",
            passed=account.failed / account.total <= FAILURES_OVER,
            severity="warning",
            message=f"{account.failed} of {account.total} recommendations failed in the last hour",
            details={"failed": account.failed, "total": account.total, "limit": FAILURES_OVER},
        )
        for account in recommendations
        if account.total
    ]


def losing_streaks(streaks: Iterable[Streak]) -> list[Finding]:
    """For each account: whether its newest trades all lost, so that a gate refuses its entries."""
    return [
        Finding(
            kind="losing_streak",
            scope=streak.account,
            subject=streak.account,
            passed=streak.lost < streak.limit,
            severity="critical",
            message=(
                f"The account's last {streak.limit} trades were losses: "
                "its entries are halted until an operator resumes it"
            ),
            details={"lost": streak.lost, "limit": streak.limit},
        )
        for streak in streaks
    ]


# The classifier takes the items of its own minute; its time budget may leave some for the next.
LONGEST_WAIT = timedelta(minutes=10)


def classifier_backlog(waiting: int) -> Finding:
    """Whether the classifier keeps up.

    Args:
        waiting: News items that have waited longer than LONGEST_WAIT.
    """
    limit_s = LONGEST_WAIT.total_seconds()
    return Finding(
        kind="classifier_backlog",
        scope=EVERYTHING,
        subject="inbound_events_raw",
        passed=waiting == 0,
        severity="warning",
        message=f"{waiting} news items have waited over {limit_s:.0f} s for the classifier",
        details={"waiting": waiting, "limit_s": limit_s},
    )


# How many rows an alert lists; the message counts all of them.
_NAMED = 20
INVARIANT_BROKEN: AlertKind = "invariant_broken"
CHECK_FAILED: AlertKind = "check_failed"


def broken_invariants(
    breaches: Iterable[Breach], alerted: Iterable[tuple[str, str]]
) -> list[Finding]:
    """A finding for each account and invariant that is broken now, or has an open alert.

    Args:
        breaches: Every row that breaks an invariant now.
        alerted: Account and invariant of the alerts that are open.
    """
    rows: dict[tuple[str, str], list[Breach]] = {}
    for breach in breaches:
        rows.setdefault((breach.account, breach.invariant), []).append(breach)
    restored = set(alerted) - set(rows)
    return [
        *(_broken(account, found) for (account, _), found in sorted(rows.items())),
        *(
            Finding(INVARIANT_BROKEN, account, name, True, "critical", "holds again", {})
            for account, name in sorted(restored)
        ),
    ]


def _broken(account: str, breaches: Sequence[Breach]) -> Finding:
    invariant = breaches[0].invariant
    return Finding(
        kind=INVARIANT_BROKEN,
        scope=account,
        subject=invariant,
        passed=False,
        severity="critical",
        message=f"{MEANINGS[invariant]}: {len(breaches)} rows, first {breaches[0].subject}"
        f" ({breaches[0].message})",
        details={"rows": {breach.subject: breach.message for breach in breaches[:_NAMED]}},
    )
