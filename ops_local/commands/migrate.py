"""`ops migrate up|status|verify|dry-run|baseline`: the db_migration function on the command line.

Without `--database-url` it works on this machine's database as the schema's owner.
With `--dir` and `--database-url` it runs any folder on any database, as that login.
With `--stack` it invokes the deployed function, whose files are those of its bundle.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.numbers import not_negative
from ops_local.commandline.target import Purpose, Target
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.files import number_of
from ops_pipeline.db.migrations.runner import LIMITS, Adoption, Runner
from ops_pipeline.db.roles import Role
from ops_pipeline.stages import db_migration

Report = tuple[int, dict[str, Any], list[str]]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("verb", nargs="?", choices=sorted(_VERBS), default="up")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder of NNNN_name.sql files")
    parser.add_argument("--lock-wait", type=not_negative, default=60.0, metavar="SECONDS",
                        help="how long to wait for another run (default 60)")  # fmt: skip
    up = parser.add_argument_group("up")
    up.add_argument("--allow-out-of-order", action="append", default=[], metavar="FILE",
                    help="a file that may run although newer ones did; recorded")  # fmt: skip
    up.add_argument("--auto-no-transaction", action="store_true",
                    help="run files that need autocommit without a transaction")  # fmt: skip
    baseline = parser.add_argument_group("baseline")
    baseline.add_argument("--through", metavar="FILE",
                          help="the newest applied file, without a history")  # fmt: skip
    baseline.add_argument("--not-applied", action="append", default=[], metavar="FILE",
                          help="a file that did not run, whatever was recorded, also by an "
                               "earlier baseline")  # fmt: skip
    baseline.add_argument("--nothing-applied", action="store_true",
                          help="no file ran, although the database holds tables")  # fmt: skip
    baseline.add_argument("--undo", action="store_true",
                          help="take an earlier baseline back")  # fmt: skip
    baseline.add_argument("--ignore", action="append", default=[], metavar="VERSION",
                          help="a recorded version without a file")  # fmt: skip


def run(call: VerbCall) -> int:
    """Return 0 if all is in order, 1 if something is wrong."""
    code, facts, lines = _at_stack(call, call.target.stack) if call.target.stack else _here(call)
    out = sys.stderr if code and not call.json else sys.stdout
    text = json.dumps(facts, default=_iso) if call.json else "\n".join(lines)
    out.write(f"{text}\n")
    return code


def _here(call: VerbCall) -> Report:
    args = call.args
    folder = args.dir or call.settings.migrations_dir
    with _owner(call) as database:
        runner = Runner(
            database,
            folder,
            lock_wait_s=args.lock_wait,
            allow_out_of_order=args.allow_out_of_order,
            auto_no_transaction=args.auto_no_transaction,
        )
        report = _VERBS[args.verb](runner, args)
        if args.verb == "up" and not args.dir:
            # Our own schema starts with the shipped parameters, as in AWS.
            request = db_migration.Request()
            db_migration.run(request, database=database, folder=folder, clock=call.clock)
    return report


def _at_stack(call: VerbCall, stack: str) -> Report:
    args = call.args
    verb = {"up": "migrate", "dry-run": "dry_run"}.get(args.verb, args.verb)
    event = {
        "verb": verb,
        "allow_out_of_order": args.allow_out_of_order,
        "auto_no_transaction": args.auto_no_transaction,
        "through": args.through,
        "not_applied": args.not_applied,
        "ignore": args.ignore,
        "nothing_applied": args.nothing_applied,
        "undo": args.undo,
    }
    outcome = deployed.call(stack, "db_migration", event)
    names = ("applied", "pending", "half_done", "problems")
    lines = [f"{each}  {name.replace('_', ' ')}" for name in names for each in outcome[name]]
    return int(bool(outcome["problems"])), outcome, lines or ["nothing to apply"]


@contextmanager
def _owner(call: VerbCall) -> Iterator[Database]:
    """The login that migrates: the given one unchanged, or the owner, created first if need be."""
    target, args = call.target, call.args
    url = target.database_url or (None if target.replay else call.settings.database_owner_url)
    if url and (args.dir or target_from_url(url).user == Role.OWNER):
        with _login(url) as database:
            yield database
        return
    purpose: Purpose = "sets up" if args.verb in ("up", "baseline") else "tries"
    here = target if url is None else Target({**call.variables, "DATABASE_URL": url})
    if (place := here.place(purpose)).server is None:
        sys.stderr.write(f"{place.title}\n")
    with here.urls(purpose) as urls, _login(urls.owner) as database:
        yield database


@contextmanager
def _login(url: str) -> Iterator[Database]:
    target = target_from_url(url, name="--database-url")
    database = Database(target, application_name="ops-migrate", limits=LIMITS)
    with closing(database):
        yield database


def _up(runner: Runner, _: argparse.Namespace) -> Report:
    applied = runner.up()
    lines = [
        f"applied {row.version} ({row.execution_ms:.0f} ms)" + (f", {row.note}" if row.note else "")
        for row in applied
    ]
    return 0, {"applied": [row.version for row in applied]}, lines or ["nothing to apply"]


def _status(runner: Runner, _: argparse.Namespace) -> Report:
    status = runner.status()
    lines = [
        f"{row.version}  applied {row.applied_at:%Y-%m-%d %H:%M:%S}"
        + (f", {row.note}" if row.note else "")
        for row in status.applied
    ]
    lines += [f"{version}  pending" for version in status.pending]
    lines += [f"half done: {half}" for half in status.half_done]
    lines += [f"wrong: {problem}" for problem in status.problems]
    return int(bool(status.problems)), asdict(status), lines


def _verify(runner: Runner, _: argparse.Namespace) -> Report:
    problems = runner.verify()
    return int(bool(problems)), {"problems": problems}, problems or ["all in order"]


def _dry_run(runner: Runner, _: argparse.Namespace) -> Report:
    plans = runner.dry_run()
    facts = {"pending": [plan.file.version for plan in plans]}
    lines = [
        f"would apply {plan.file.version}: {len(plan.statements)} statements"
        f"{'' if plan.transactional else ', not in a transaction'}"
        f"{f', {plan.note}' if plan.note else ''}"
        for plan in plans
    ]
    return 0, facts, lines or ["nothing to apply"]


def _baseline(runner: Runner, args: argparse.Namespace) -> Report:
    adoption = Adoption(
        through=args.through,
        not_applied=tuple(args.not_applied),
        ignore=tuple(args.ignore),
        nothing_applied=args.nothing_applied,
        undo=args.undo,
    )
    adopted = runner.baseline(adoption)
    applied = [row.version for row in adopted]
    lines = [f"{version}  counts as applied" for version in applied]
    skipped = [] if args.undo else _skipped(runner, applied)
    lines += [f"{version}  does not count as applied: it has no row" for version in skipped]
    return 0, {"applied": applied, "skipped": skipped}, lines or ["no file counts as applied"]


def _skipped(runner: Runner, applied: list[str]) -> list[str]:
    """The files before the newest applied one that do not count as applied."""
    newest = max((number_of(version) or 0 for version in applied), default=0)
    return [each for each in runner.status().pending if (number_of(each) or 0) < newest]


_VERBS: dict[str, Callable[[Runner, argparse.Namespace], Report]] = {
    "up": _up,
    "status": _status,
    "verify": _verify,
    "dry-run": _dry_run,
    "baseline": _baseline,
}


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


COMMAND = Command(run, arguments)
