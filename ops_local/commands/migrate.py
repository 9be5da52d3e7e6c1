"""`ops migrate status|up|verify|dry-run`: the runner of the db_migration function, by hand.

Without `--database-url` it works on the database of this machine as the schema's owner.
With `--dir` and `--database-url` it runs any folder on any database, as that very login.
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

from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.connection import Database, target_from_url
from ops_pipeline.db.migrations import LIMITS, Runner
from ops_pipeline.db.roles import Role
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import Settings, read_settings
from ops_pipeline.stages import db_migration

Report = tuple[int, dict[str, Any], list[str]]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb. `args.variables` must hold the environment when `args.run(args)` is called."""
    parser = subparsers.add_parser("migrate", help="bring the database to the newest migration")
    parser.add_argument("verb", nargs="?", choices=sorted(_VERBS), default="up")
    parser.add_argument("--dir", type=Path, metavar="DIR", help="folder of NNNN_name.sql files")
    parser.add_argument(
        "--database-url", metavar="URL", help="another database than this machine's"
    )
    parser.add_argument("--lock-wait", type=float, default=60.0, metavar="SECONDS",
                        help="how long to wait for another run (default 60)")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Return 0 when all is in order, 1 when something is wrong."""
    try:
        settings = read_settings(args.variables)
        folder = args.dir or settings.migrations_dir
        with _owner(args, settings) as database:
            runner = Runner(database, folder, lock_wait_s=args.lock_wait)
            code, facts, lines = _VERBS[args.verb](runner)
            if args.verb == "up" and not args.dir:
                # Our own schema starts with the shipped parameters, as in AWS.
                request = db_migration.Request()
                db_migration.run(request, database=database, folder=folder, clock=WallClock())
    except OpsError as error:
        name = type(error).__name__
        code, facts, lines = 1, {"error": name, "message": str(error)}, [f"{name}: {error}"]
    out = sys.stderr if code and not args.json else sys.stdout
    text = json.dumps(facts, default=_iso) if args.json else "\n".join(lines)
    out.write(f"{text}\n")
    return code


@contextmanager
def _owner(args: argparse.Namespace, settings: Settings) -> Iterator[Database]:
    """The login that migrates: the given one as it is, or the owner, made ready first."""
    url = args.database_url or settings.database_owner_url
    if url and (args.dir or target_from_url(url).user == Role.OWNER):
        with _login(url) as database:
            yield database
        return
    url = url or settings.database_url
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    name = None if url else home.current_database
    with opened(home.folder, url, None, name) as urls, _login(urls.owner) as database:
        yield database


@contextmanager
def _login(url: str) -> Iterator[Database]:
    target = target_from_url(url, name="--database-url")
    database = Database(target, application_name="ops-migrate", limits=LIMITS)
    with closing(database):
        yield database


def _up(runner: Runner) -> Report:
    applied = runner.up()
    lines = [f"applied {row.version} ({row.execution_ms:.0f} ms)" for row in applied]
    return 0, {"applied": [row.version for row in applied]}, lines or ["nothing to apply"]


def _status(runner: Runner) -> Report:
    status = runner.status()
    lines = [f"{row.version}  applied {row.applied_at:%Y-%m-%d %H:%M:%S}" for row in status.applied]
    lines += [f"{version}  pending" for version in status.pending]
    lines += [f"wrong: {problem}" for problem in status.problems]
    return int(bool(status.problems)), asdict(status), lines


def _verify(runner: Runner) -> Report:
    problems = runner.verify()
    return int(bool(problems)), {"problems": problems}, problems or ["all in order"]


def _dry_run(runner: Runner) -> Report:
    plans = runner.dry_run()
    facts = {"pending": [plan.file.version for plan in plans]}
    lines = [
        f"would apply {plan.file.version}: {len(plan.statements)} statements"
        f"{'' if plan.transactional else ', not in a transaction'}"
        for plan in plans
    ]
    return 0, facts, lines or ["nothing to apply"]


_VERBS: dict[str, Callable[[Runner], Report]] = {
    "up": _up,
    "status": _status,
    "verify": _verify,
    "dry-run": _dry_run,
}


def _iso(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
