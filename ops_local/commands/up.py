"""`ops up`: runs the schedules on the wall clock, on paper accounts."""

import argparse
import fcntl
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from time import monotonic

from rich.console import Console

from ops_local import live, summary
from ops_local.commandline.command import Command, UsageError, VerbCall
from ops_local.commands.replay import EXPECTED, generated, read_summary
from ops_local.home import Home
from ops_local.progress import shown
from ops_local.replay import Interrupted, ReplayPlan, replay
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.runtime import log

_SESSION = "Keys of an account are set: trading on Alpaca's paper API"
_PLAYED = "No keys are set: the paper exchange plays a generated session"


class AlreadyUp(RuntimeError):
    """Another `ops up` is using this state folder."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        metavar="N",
        help="play the generated session N times as fast (without keys only)",
    )


def run(call: VerbCall) -> int:
    """Return 0 after a clean stop, 1 if something failed or another one is running."""
    if call.args.speed <= 0:
        raise UsageError("--speed must be positive")
    console = Console(stderr=call.json, highlight=False)
    stop = threading.Event()
    with _only_one(call.home), _stopped_by_signals(stop):
        return _trade(call, console, stop) if _with_keys(call) else _play(call, console, stop)


def _with_keys(call: VerbCall) -> bool:
    return any(name.startswith("ALPACA_") and name.endswith("_KEY_ID") for name in call.variables)


def _play(call: VerbCall, console: Console, stop: threading.Event) -> int:
    """Play the generated session at the given speed; if stopped, it resumes next time."""
    speed = call.args.speed
    console.print(f"{_PLAYED}, {speed:g} times as fast. Ctrl-C stops it.")
    migrations = call.settings.migrations_dir
    plan = ReplayPlan(generated(call.home, console), call.home, migrations, paced=True)
    try:
        with shown(console, f"Playing {plan.recording.day}", *plan.bounds) as watch:
            done = replay(plan, watch, lambda urls: read_summary(urls.reader), _pace(speed, stop))
    except Interrupted as error:
        console.print(f"Stopped cleanly: {error}. `ops up` goes on from there.")
        return 0
    if call.json:
        call.print_parts(done.result)
    else:
        summary.show(console, done.result)
    return 1 if done.tally.failures else 0


def _trade(call: VerbCall, console: Console, stop: threading.Event) -> int:
    """Run against Alpaca's paper API until a signal arrives."""
    if call.args.speed != 1.0:
        raise UsageError("--speed: the wall clock has one speed; leave it out where keys are set")
    console.print(f"{_SESSION}. Ctrl-C stops it.")
    clock = WallClock()
    folder = call.home.replay("up")
    with (
        call.target.urls(call.settings.migrations_dir) as urls,
        (folder / "pipeline.log").open("a", encoding="utf-8") as written,
        log.written_to(written),
    ):
        owner = Database(target_from_url(urls.owner), application_name="ops-up")
        with owner.transaction() as tx:
            default_parameters.ensure(tx, now=clock.now())
        owner.close()
        variables = {**call.variables, **urls.variables()}
        day = new_york_day(clock.now())
        bounds = (new_york_time(day, 8, 25), new_york_time(day, 16, 25))
        with shown(console, "Trading on paper", *bounds) as watch:
            tally = live.run(variables, clock, wait=_wait(stop), watch=watch)
    console.print("Stopped cleanly.")
    for failure in tally.failures[-20:]:
        console.print(f"FAILED {failure}", markup=False)
    if call.json:
        call.print_json({"failures": [str(failure) for failure in tally.failures]})
    return 0


def _wait(stop: threading.Event) -> Callable[[float], bool]:
    return lambda seconds: stop.wait(max(seconds, 0))


def _pace(speed: float, stop: threading.Event) -> Callable[[datetime], bool]:
    """Delay each minute so that the session runs at the given speed."""
    began: list[tuple[float, datetime]] = []

    def pace(minute: datetime) -> bool:
        if not began:
            began.append((monotonic(), minute))
        started_s, first = began[0]
        due_s = started_s + (minute - first) / timedelta(seconds=1) / speed
        return not stop.wait(max(0.0, due_s - monotonic()))

    return pace


@contextmanager
def _only_one(home: Home) -> Iterator[None]:
    """Hold the folder's lock; the kernel releases it however the process ends."""
    home.folder.mkdir(parents=True, exist_ok=True)
    with (home.folder / "up.lock").open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyUp(f"ops up runs already in {home.folder}: stop that one first") from None
        yield


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the run after the current minute."""
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMAND = Command(run, arguments, (*EXPECTED, AlreadyUp))
