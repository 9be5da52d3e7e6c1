"""`ops doctor`: checks the database, and asks each account's broker. Exit code 0 if all is well."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.target import has_keys
from ops_local.commands.status import late_parts
from ops_local.looks import Look, alone, looked
from ops_local.pipeline import Pipeline
from ops_local.summary import Part
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import accounts, parameters, schema
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.operations import comparisons, invariants, overview
from ops_pipeline.db.runs import EVERYTHING
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.health import Finding
from ops_pipeline.domain.operations.invariants import MEANINGS, Breach
from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.execution.isolation import in_words, isolated, isolated_in, what_failed
from ops_pipeline.runtime import log, wiring
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.healthcheck import examine_halts, examine_news

BROKER = "Differences from the broker"
_NOT_ASKED = (
    "The broker was not asked: no account's keys are set for a live pipeline or a stack;"
    " what its last comparison found is shown.\n"
)

Ask = Callable[[Mapping[str, object]], Mapping[str, Any]]


def run(call: VerbCall) -> int:
    """Return 0 if nothing is wrong, else 1; each part lists only what is wrong."""
    target = call.target
    with target.reading("ops-doctor") as tx:
        current = not schema.missing_versions(tx)
        if current:
            call.announce(tx)
        parts = examine(tx, lambda: target.present(tx))
        parts += late_parts(target, tx) if current else []
        names = _names(tx, target.present(tx)) if current else []
        known = alone(tx, lambda: _last_found(tx, target.present(tx))) if current else []
    if current:
        parts.append(Part(BROKER, _differing(call, names, known)))
    call.print_parts(parts)
    return 1 if any(part.rows for part in parts) else 0


def examine(tx: Transaction, present: Callable[[], datetime]) -> list[Part]:
    """What is wrong, by part; a database that lacks migrations is not checked further."""
    missing = [{"version": version} for version in schema.missing_versions(tx)]
    if missing:
        return [Part("Missing migrations", missing)]
    now = present()
    looks: list[tuple[str, Look]] = [
        ("Broken invariants", lambda: _broken(tx, now)),
        ("News", lambda: [_row(it) for it in _news_and_halts(tx, now) if not it.passed]),
        ("Parameters that cannot be used", lambda: _unusable_parameters(tx)),
        ("Last runs that failed", lambda: overview.failed_runs(tx)),
        ("Orders of unknown outcome", lambda: overview.unknown_orders(tx)),
        ("Open alerts", lambda: overview.open_alerts(tx)),
        ("Logins that somebody altered", lambda: overview.altered_logins(tx)),
    ]
    return [Part("Missing migrations", []), *looked(tx, looks)]


def _news_and_halts(tx: Transaction, now: datetime) -> list[Finding]:
    return [*examine_news(tx, now), *examine_halts(tx, now)]


def _broken(tx: Transaction, now: datetime) -> list[Row]:
    session = NyseCalendar().session(new_york_day(now))
    breaches: list[Breach] = []
    for name, look in invariants.of_rows(tx, now=now, session=session):
        found = isolated_in(tx, look)
        if isinstance(found, Exception):
            found = [Breach(name, EVERYTHING, "", f"not known: {what_failed(found)}")]
        breaches += found
    return [
        {**asdict(breach), "meaning": MEANINGS[breach.invariant]} for breach in sorted(breaches)
    ]


def _row(finding: Finding) -> Row:
    return {"finding": finding.kind, "subject": finding.subject, "message": finding.message}


def _unusable_parameters(tx: Transaction) -> list[Row]:
    """What is wrong with the version in force: entries are refused then."""
    if parameters.source_in_force(tx) is None:
        return []
    try:
        parameters.load_active(tx)
    except SettingsInvalid as error:
        return [{"why": str(error)}]
    return []


def _last_found(tx: Transaction, present: datetime) -> list[Row]:
    return [
        {"account": account, "difference": f"{it.invariant} {it.subject}: {it.message}"}
        for account, comparison in comparisons.newest(tx, until=present).items()
        for it in comparison.listed
    ]


def _names(tx: Transaction, present: datetime) -> list[str] | Exception:
    return isolated_in(tx, lambda: accounts.compared_accounts(tx, present))


def _differing(call: VerbCall, names: Sequence[str] | Exception, known: list[Row]) -> list[Row]:
    """What differs from the broker's books; that it cannot be told is a row as well."""
    found = names if isinstance(names, Exception) else isolated(lambda: _asked(call, names, known))
    if isinstance(found, Exception):
        return [*known, {"account": EVERYTHING, "difference": f"not known: {what_failed(found)}"}]
    return found


def _asked(call: VerbCall, names: Sequence[str], known: list[Row]) -> list[Row]:
    """What differs now; what was found last where the broker cannot be asked from here."""
    if stack := call.target.stack:
        return _compared(names, lambda event: deployed.call(stack, "reconciler", event))
    if call.target.place().kind != "live" or not has_keys(call.variables):
        sys.stderr.write(_NOT_ASKED if names else "")
        return known
    with _here(call) as ask:
        return _compared(names, ask)


@contextmanager
def _here(call: VerbCall) -> Iterator[Ask]:
    """Calls the reconciler in this process, on the live pipeline's database; its log is dropped."""
    with _logins(call) as logins, log.written_to(io.StringIO()):
        runtime = Runtime({**call.variables, **logins}, call.clock, owner="console")
        wiring.use(runtime)
        try:
            yield partial(Pipeline().invoke, "reconciler")
        finally:
            runtime.close()
            wiring.use(None)


@contextmanager
def _logins(call: VerbCall) -> Iterator[Mapping[str, str]]:
    """What the environment lacks: nothing where it names a database, whose login suffices."""
    if call.settings.database_url:
        yield {}
        return
    with call.target.urls() as urls:
        yield urls.variables()


def _compared(names: Sequence[str], ask: Ask) -> list[Row]:
    """A dry run for each account: it asks the broker, compares and stores nothing."""
    return [
        {"account": name, "difference": difference}
        for name in names
        for difference in _differences(name, ask)
    ]


def _differences(name: str, ask: Ask) -> list[str]:
    try:
        answer = ask({"account": name, "dry_run": True})
        without = ["not configured: it has no keys"] * answer["not_configured"]
        return [*without, *answer["breaches"]]
    except Exception as error:  # noqa: BLE001 - as in AWS; an account that was not compared is not well
        return [f"could not be compared: {in_words(error)}"]


COMMAND = Command(run)
