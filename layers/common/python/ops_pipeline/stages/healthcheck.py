"""Checks runs, output, failures and invariants; opens and resolves their alerts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ops_pipeline.db import accounts, regime
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.market_state import trading_halts
from ops_pipeline.db.operations import alerts, comparisons, health, invariants, news_health
from ops_pipeline.db.runs import EVERYTHING, UnitsOfWork
from ops_pipeline.domain.feeds.kinds import lists_halts
from ops_pipeline.domain.market import Session, new_york_day
from ops_pipeline.domain.operations.alerts import Alert, AlertKey
from ops_pipeline.domain.operations.halt_health import HALT_KINDS, halt_findings
from ops_pipeline.domain.operations.health import (
    BETWEEN_COMPARISONS,
    CHECK_FAILED,
    INVARIANT_BROKEN,
    LONGEST_GAPS,
    LONGEST_WAIT,
    PERIODS,
    Finding,
    broken_invariants,
    classifier_backlog,
    failing_accounts,
    losing_streaks,
    not_made,
    old_comparisons,
    overdue_stages,
    silent_stages,
    stale_outputs,
    ticks_looked_at,
    unconfigured_accounts,
    volatility_known,
)
from ops_pipeline.domain.operations.invariants import Breach
from ops_pipeline.domain.operations.news_health import (
    FEED_KINDS,
    NEWS_TABLE,
    ended,
    news_findings,
)
from ops_pipeline.domain.operations.refusals import blocked_entries
from ops_pipeline.domain.operations.stage import RunScope
from ops_pipeline.execution.isolation import isolated_in, what_failed
from ops_pipeline.ports import Calendar, Clock
from ops_pipeline.stages.request import TickRequest

_FAILURES_WITHIN = timedelta(hours=1)
_QUIET_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many checks were made, which failed, and what happened to their alerts."""

    checked: int
    unwell: list[str]
    alerts_opened: int
    alerts_resolved: int
    critical_alerts_open: int
    orders_unknown: int


# A check and its name. What it raises is a finding too, and the others are made.
_Check = tuple[str, Callable[[], Iterable[Finding]]]


def run(request: TickRequest, *, db: UnitsOfWork, calendar: Calendar, clock: Clock) -> Outcome:
    with db.transaction() as tx:
        findings = [
            finding
            for name, check in _checks(tx, request, calendar, clock)
            for finding in _alone(tx, name, check)
        ]
        opened = sum(_open(tx, finding, clock) for finding in findings if not finding.passed)
        resolved = sum(_resolve(tx, finding, clock) for finding in findings if finding.passed)
        resolved += _resolve_made_again(tx, findings, clock)
        resolved += _resolve_recovered(tx, request, clock)
        return Outcome(
            checked=len(findings),
            unwell=[f"{f.kind} {f.scope} {f.subject}" for f in findings if not f.passed],
            alerts_opened=opened,
            alerts_resolved=resolved,
            critical_alerts_open=health.critical_alerts(tx),
            orders_unknown=health.unknown_orders(
                tx, before=clock.now() - invariants.SETTLED_WITHIN
            ),
        )


def _alone(tx: Transaction, name: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What a check finds, or that it could not be made."""
    found = isolated_in(tx, lambda: list(check()))
    if isinstance(found, Exception):
        yield not_made(name, what_failed(found))
    else:
        yield from found


def _checks(
    tx: Transaction, request: TickRequest, calendar: Calendar, clock: Clock
) -> Iterator[_Check]:
    tick = request.tick
    if health.was_running(tx, tick=min(ticks_looked_at(tick))):
        yield from _of_the_runs(tx, request, calendar)
    yield "losing_streaks", lambda: losing_streaks(health.streaks(tx))
    yield "invariants", lambda: _invariants(tx, request, calendar, clock)


def _invariants(
    tx: Transaction, request: TickRequest, calendar: Calendar, clock: Clock
) -> Iterator[Finding]:
    """What the rows say, and what the newest comparison of each account with its broker found.

    A difference stands until a later comparison no longer finds it. An invariant that could
    not be looked at resolves none of its alerts.
    """
    session = calendar.session(new_york_day(clock.now()))
    breaches: list[Breach] = []
    failed = set()
    for name, look in invariants.of_rows(tx, now=clock.now(), session=session):
        found = isolated_in(tx, look)
        if isinstance(found, Exception):
            failed.add(name)
            yield not_made(name, what_failed(found))
        else:
            breaches += found
    for comparison in comparisons.newest(tx, until=request.tick).values():
        breaches += comparison.listed
    told = alerts.open_of_kind(tx, INVARIANT_BROKEN)
    yield from broken_invariants(breaches, [it for it in told if it[1] not in failed])


def _of_the_runs(tx: Transaction, request: TickRequest, calendar: Calendar) -> list[_Check]:
    """Checks of a pipeline that has been running for as long as they look back."""
    tick = request.tick
    session = calendar.session(new_york_day(tick))
    return [
        ("silent_stages", lambda: _silent(tx, tick, session)),
        ("overdue_stages", lambda: _overdue(tx, request)),
        ("comparisons", lambda: _uncompared(tx, request, session)),
        ("configured_accounts", lambda: unconfigured_accounts(_configured(tx, tick))),
        ("outputs", lambda: _stale(tx, tick, session)),
        ("news", lambda: _news(tx, tick)),
        ("halts", lambda: _halts(tx, tick)),
        ("volatility", lambda: _volatility(tx, tick, session, calendar)),
        ("classifier_backlog", lambda: [_backlog(tx, tick)]),
        (
            "failing_accounts",
            lambda: failing_accounts(
                health.final_recommendations(tx, since=tick - _FAILURES_WITHIN)
            ),
        ),
        (
            "refused_entries",
            lambda: blocked_entries(health.refused_entries(tx, since=tick - _FAILURES_WITHIN)),
        ),
    ]


def _silent(tx: Transaction, tick: datetime, session: Session | None) -> list[Finding]:
    served: dict[RunScope, list[str]] = {
        "entry": accounts.entry_accounts(tx),
        "guard": accounts.guard_accounts(tx, tick),
    }
    runs = health.succeeded_runs(tx, since=min(ticks_looked_at(tick)))
    return silent_stages(tick, session, served, runs)


def _configured(tx: Transaction, tick: datetime) -> dict[str, bool]:
    return health.configured_accounts(tx, until=tick)


def _stale(tx: Transaction, tick: datetime, session: Session | None) -> list[Finding]:
    newest = health.newest_minutes(tx, until=tick)
    if all(lists_halts(feed.kind) for feed in news_health.feeds_on(tx)):
        # One alert says it.
        del newest[NEWS_TABLE]
    return stale_outputs(tick, session, newest)


def _backlog(tx: Transaction, tick: datetime) -> Finding:
    return classifier_backlog(health.waiting_items(tx, before=tick - LONGEST_WAIT))


def examine_news(tx: Transaction, tick: datetime) -> list[Finding]:
    """Whether there are feeds, and each check of one that fails, as of that moment."""
    return news_findings(
        tick,
        news_health.feeds_on(tx),
        news_health.feed_times(tx, until=tick),
        news_health.ticker_shares(tx, until=tick),
    )


def _news(tx: Transaction, tick: datetime) -> list[Finding]:
    """These and, passed, what open alerts tell of feeds that are well or off by now."""
    found = examine_news(tx, tick)
    failed = {(it.kind, it.scope, it.subject) for it in found}
    told = [(kind, *alert) for kind in FEED_KINDS for alert in alerts.open_of_kind(tx, kind)]
    return [*found, *(ended(*alert) for alert in told if alert not in failed)]


def examine_halts(tx: Transaction, tick: datetime) -> list[Finding]:
    """What is halted of what is watched or held, and lists of halts that are not read."""
    halts = trading_halts.of_concern(tx, now=tick)
    return halt_findings(tick, news_health.feeds_on(tx), halts)


def _halts(tx: Transaction, tick: datetime) -> list[Finding]:
    """These and, passed, what open alerts tell of halts that have ended and lists that are read."""
    found = examine_halts(tx, tick)
    failed = {(it.kind, it.scope, it.subject) for it in found}
    told = [(kind, *alert) for kind in HALT_KINDS for alert in alerts.open_of_kind(tx, kind)]
    return [*found, *(ended(*alert) for alert in told if alert not in failed)]


def _volatility(
    tx: Transaction, tick: datetime, session: Session | None, calendar: Calendar
) -> list[Finding]:
    day = calendar.previous_session(new_york_day(tick)).day
    return volatility_known(tick, session, day, regime.source_of(tx, day))


def _overdue(tx: Transaction, request: TickRequest) -> list[Finding]:
    """Stages without a recent run; one younger than its limit may not have had its first run."""
    began = {
        limit: health.was_running(tx, tick=request.tick - limit)
        for limit in set(LONGEST_GAPS.values())
    }
    limits = {stage: limit for stage, limit in LONGEST_GAPS.items() if began[limit]}
    if not limits:
        return []
    newest = health.newest_runs(tx, list(limits), until=request.tick)
    return overdue_stages(request.tick, newest, limits)


def _uncompared(tx: Transaction, request: TickRequest, session: Session | None) -> list[Finding]:
    """Accounts without a recent comparison; a pipeline that just began owes none yet."""
    tick = request.tick
    if not health.was_running(tx, tick=tick - PERIODS * BETWEEN_COMPARISONS):
        return []
    known = comparisons.newest(tx, until=tick)
    newest = {account: comparison.tick for account, comparison in known.items()}
    configured = _configured(tx, tick)
    owed = [it for it in accounts.compared_accounts(tx, tick) if configured.get(it, True)]
    return old_comparisons(tick, session, owed, newest)


def _open(tx: Transaction, finding: Finding, clock: Clock) -> bool:
    alert = Alert(
        kind=finding.kind,
        scope=finding.scope,
        subject=finding.subject,
        severity=finding.severity,
        message=finding.message,
        details=finding.details,
    )
    return alerts.open_alert(tx, alert, now=clock.now())


def _resolve(tx: Transaction, finding: Finding, clock: Clock) -> bool:
    return alerts.resolve_alert(
        tx, AlertKey(finding.kind, finding.scope, finding.subject), now=clock.now()
    )


def _resolve_made_again(tx: Transaction, findings: Sequence[Finding], clock: Clock) -> int:
    """Of the checks that could not be made, those that could this time."""
    failed = {finding.subject for finding in findings if finding.kind == CHECK_FAILED}
    told = [it for it in alerts.open_of_kind(tx, CHECK_FAILED) if it[1] not in failed]
    return sum(
        alerts.resolve_alert(tx, AlertKey(CHECK_FAILED, *alert), now=clock.now()) for alert in told
    )


def _resolve_recovered(tx: Transaction, request: TickRequest, clock: Clock) -> int:
    quiet_since = request.tick - _QUIET_FOR
    keys = [
        AlertKey("stage_failed", EVERYTHING, subject)
        for subject in health.recovered_states(tx, quiet_since=quiet_since)
    ]
    keys += [
        AlertKey("item_illegible", EVERYTHING, subject)
        for subject in health.unasked_quotes(tx, opened_before=quiet_since)
    ]
    return sum(alerts.resolve_alert(tx, key, now=clock.now()) for key in keys)
