"""`ops replay RECORDING` and `ops demo`: a whole day through the pipeline."""

import argparse
import errno
import threading
from pathlib import Path
from typing import Any

from rich.console import Console

from ops_local import day_summary, page, summary
from ops_local.commandline.command import Command, VerbCall
from ops_local.exchange.launcher import ExchangeFailed
from ops_local.given_files import json_of
from ops_local.home import Home
from ops_local.interrupts import stopped_by_signals
from ops_local.looks import is_known, not_known
from ops_local.progress import shown
from ops_local.recordings import recording as recordings
from ops_local.replay import Interrupted, Replayed, ReplayPlan, replay
from ops_local.replay_environment import Watch
from ops_local.summary import Part
from ops_local.synthetic import DEFAULT_DAY, DEFAULT_SEED, generate
from ops_local.terminal import terminal
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.execution.isolation import isolated


def _replay_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recording", type=Path, metavar="RECORDING", help="folder of the recording")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="JSON with the parameters to change"
    )
    _database_argument(parser)


def _database_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database-url", metavar="URL", help="an empty database instead of the embedded one"
    )


def _demo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED, help="seed of the session")
    _database_argument(parser)
    parser.set_defaults(params=None)


def _replay(call: VerbCall) -> int:
    """Return 0 if every stage succeeded at every tick, 1 if something failed or is not known."""
    return _run(call, recordings.load(call.args.recording), _console(call))


def _demo(call: VerbCall) -> int:
    """Generate the session of a seed (once) and replay it."""
    console = _console(call)
    return _run(call, generated(call.home, console, seed=call.args.seed), console)


def generated(home: Home, console: Console, seed: int = DEFAULT_SEED) -> recordings.Recording:
    """The session of that seed; generated if it does not exist yet."""
    folder = home.recording(f"generated-{DEFAULT_DAY}-seed-{seed}")
    if not (folder / "session.json").exists():
        console.print(f"Generating a session of {DEFAULT_DAY} from seed {seed}")
        generate(folder, seed=seed, day=DEFAULT_DAY)
    return recordings.load(folder)


def _console(call: VerbCall) -> Console:
    return terminal(stderr=call.json)


def _run(call: VerbCall, recording: recordings.Recording, console: Console) -> int:
    plan = ReplayPlan(
        recording=recording,
        home=call.home,
        migrations=call.settings.migrations_dir,
        overlay=_overlay(call.args.params),
        # Not that of DATABASE_URL: the live pipeline's feeds and parameters are in it.
        database_url=call.args.database_url,
    )
    kind = "Synthetic session" if recording.synthetic else "Recorded session"
    console.print(f"{kind} of {recording.day}, {len(recording.tickers)} tickers")
    console.print(f"  {recording.source}", markup=False)
    with (
        stopped_by_signals() as stop,
        shown(console, f"Replaying {recording.day}", *plan.bounds) as watch,
    ):
        done = _replayed(plan, watch, stop)
    _report(call, console, plan, done)
    return 1 if done.tally.failures or not is_known(done.result) else 0


def _replayed(
    plan: ReplayPlan, watch: Watch, stop: threading.Event
) -> Replayed[list[summary.Part]]:
    """Replay the plan until its end or until `stop` is set."""
    try:
        return replay(
            plan,
            watch,
            after=lambda urls: write_page(plan, urls.reader),
            pace=lambda _minute: not stop.is_set(),
        )
    except (Interrupted, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.ENOSPC:
            raise
        raise Interrupted(f"{error}; the same command goes on from there") from error


def write_page(plan: ReplayPlan, reader_url: str) -> list[summary.Part]:
    """Write the page and return the summary's tables; a page that cannot be made is one more."""
    recording, file = plan.recording, page_of(plan)
    session = page.PageSession(recording.day, recording.synthetic, recording.source)
    file.unlink(missing_ok=True)
    made = isolated(lambda: page.write(file, reader_url, session), passing=(OSError,))
    parts = read_summary(reader_url)
    return [*parts, Part("Page", [not_known(made)])] if isinstance(made, Exception) else parts


def page_of(plan: ReplayPlan) -> Path:
    """The file of a replay's page."""
    return plan.home.replay(plan.name) / "report.html"


def read_summary(reader_url: str) -> list[summary.Part]:
    """The summary's tables, read with the reader's login."""
    database = Database(target_from_url(reader_url), application_name="ops-summary")
    with database.transaction() as tx:
        parts = day_summary.read(tx)
    database.close()
    return parts


def _report(
    call: VerbCall, console: Console, plan: ReplayPlan, done: Replayed[list[summary.Part]]
) -> None:
    if call.json:
        body: dict[str, Any] = {part.title: part.rows for part in done.result}
        body["page"] = str(page_of(plan)) if page_of(plan).exists() else None
        call.print_json({**body, "failures": [str(failure) for failure in done.tally.failures]})
        return
    summary.show(console, done.result)
    for failure in done.tally.failures[:20]:
        console.print(f"FAILED {failure}", markup=False)
    if page_of(plan).exists():
        console.print(f"\nPage: {page_of(plan)}", markup=False, soft_wrap=True)
    if call.args.database_url is None:
        console.print(f"Next: ops explain, ops query, ops compare (this replay is {plan.name})")
        if not call.target.means(plan.name):
            console.print(f"with --replay {plan.name}: without it they speak to the live pipeline")


def _overlay(file: Path | None) -> dict[str, Any] | None:
    if file is None:
        return None
    overlay = json_of(file)
    if not isinstance(overlay, dict):
        raise recordings.InvalidRecording(f"--params {file}: expected a JSON object")
    return overlay


# Errors that may end a replay, beside those of every verb.
EXPECTED = (recordings.InvalidRecording, ExchangeFailed, Interrupted)
REPLAY = Command(_replay, _replay_arguments, EXPECTED)
DEMO = Command(_demo, _demo_arguments, EXPECTED)
