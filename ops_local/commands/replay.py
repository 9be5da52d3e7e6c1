"""`ops replay RECORDING` and `ops demo`: a whole day through the pipeline."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

from ops_local import page, summary
from ops_local.exchange.launcher import ExchangeFailed
from ops_local.home import DEFAULT, Home
from ops_local.progress import shown
from ops_local.recordings import recording as recordings
from ops_local.replay import Interrupted, Replayed, ReplayPlan, replay
from ops_local.synthetic import DEFAULT_DAY, DEFAULT_SEED, generate
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import OpsError
from ops_pipeline.runtime.settings import read_settings


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both verbs. `args.variables` must hold the environment when they run."""
    parser = subparsers.add_parser("replay", help="run a recorded day through the pipeline")
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="folder of the recording")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="JSON with parameters that differ"
    )
    parser.add_argument(
        "--database-url", metavar="URL", help="an empty database instead of the embedded one"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.set_defaults(run=run_replay)
    demo = subparsers.add_parser("demo", help="generate a session and replay it")
    demo.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the session")
    demo.add_argument("--json", action="store_true", help="print the summary as JSON")
    demo.set_defaults(run=run_demo, params=None, database_url=None)


def run_replay(args: argparse.Namespace) -> int:
    """Return 0 when every stage ran at every tick, 1 when something failed."""
    console = Console(stderr=args.json, highlight=False)
    try:
        return _run(args, recordings.load(args.recording), console)
    except (OpsError, recordings.InvalidRecording, ExchangeFailed, Interrupted) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


def run_demo(args: argparse.Namespace) -> int:
    """Generate the session of a seed (once) and replay it."""
    console = Console(stderr=args.json, highlight=False)
    try:
        return _run(args, generated(_home(args), console, seed=args.seed), console)
    except (OpsError, recordings.InvalidRecording, ExchangeFailed, Interrupted) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1


def generated(home: Home, console: Console, seed: int = DEFAULT_SEED) -> recordings.Recording:
    """The session of that seed, generated unless it is there already."""
    folder = home.recording(f"generated-{DEFAULT_DAY}-seed-{seed}")
    if not (folder / "session.json").exists():
        console.print(f"Generating a session of {DEFAULT_DAY} from seed {seed}")
        generate(folder, seed=seed, day=DEFAULT_DAY)
    return recordings.load(folder)


def _run(args: argparse.Namespace, recording: recordings.Recording, console: Console) -> int:
    settings = read_settings(args.variables)
    plan = ReplayPlan(
        recording=recording,
        home=_home(args),
        migrations=settings.migrations_dir,
        overlay=_overlay(args.params),
        database_url=args.database_url or settings.database_url,
    )
    kind = "Synthetic session" if recording.synthetic else "Recorded session"
    console.print(f"{kind} of {recording.day}, {len(recording.tickers)} tickers")
    console.print(f"  {recording.source}", markup=False)
    with shown(console, f"Replaying {recording.day}", *plan.bounds) as watch:
        done = replay(plan, watch, after=lambda urls: look_back(plan, urls.reader))
    _report(args, console, plan, done)
    return 1 if done.tally.failures else 0


def look_back(plan: ReplayPlan, reader_url: str) -> list[summary.Part]:
    """Write the page, and return the tables that stand on it too."""
    recording = plan.recording
    session = page.PageSession(recording.day, recording.synthetic, recording.source)
    page.write(page_of(plan), reader_url, session)
    return read_summary(reader_url)


def page_of(plan: ReplayPlan) -> Path:
    """Where a replay's page lies."""
    return plan.home.replay(plan.name) / "report.html"


def read_summary(reader_url: str) -> list[summary.Part]:
    """The summary's tables, read as the reader."""
    database = Database(target_from_url(reader_url), application_name="ops-summary")
    with database.transaction() as tx:
        parts = summary.read(tx)
    database.close()
    return parts


def _report(
    args: argparse.Namespace, console: Console, plan: ReplayPlan, done: Replayed[list[summary.Part]]
) -> None:
    if args.json:
        body: dict[str, Any] = {part.title: part.rows for part in done.result}
        body["page"] = str(page_of(plan))
        sys.stdout.write(
            json.dumps(
                {**body, "failures": [str(failure) for failure in done.tally.failures]}, default=str
            )
            + "\n"
        )
        return
    summary.show(console, done.result)
    for failure in done.tally.failures[:20]:
        console.print(f"FAILED {failure}", markup=False)
    console.print(f"\nSee it: {page_of(plan)}", markup=False, soft_wrap=True)
    if args.database_url is None:
        console.print(f"Ask it: ops explain, ops query, ops compare (this is {plan.name})")


def _overlay(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise recordings.InvalidRecording(f"--params {file}: {error}") from error


def _home(args: argparse.Namespace) -> Home:
    return Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
