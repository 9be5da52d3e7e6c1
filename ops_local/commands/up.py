"""`ops up`: runs the schedules on the wall clock, on paper accounts."""

import argparse
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import TextIO, cast

from rich.console import Console

from ops_local import summary
from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.numbers import positive
from ops_local.commandline.target import Place, has_keys
from ops_local.commands.replay import EXPECTED, generated, read_summary
from ops_local.database import DatabaseUrls
from ops_local.home import AlreadyUp, Home
from ops_local.interrupts import stopped_by_signals
from ops_local.live import loop, start_checks
from ops_local.live.events import EventLines
from ops_local.live.log_file import KEPT, RotatedLog
from ops_local.live.loop import Wall
from ops_local.looks import is_known
from ops_local.pipeline import Tally
from ops_local.progress import shown
from ops_local.replay import Interrupted, ReplayPlan, replay
from ops_local.terminal import terminal
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.ports import Clock
from ops_pipeline.runtime import log
from ops_pipeline.runtime.wiring import Runtime

_SESSION = "Keys of an account are set: trading on paper at"
_PLAYED = "No keys are set: the paper exchange plays a generated session"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed",
        type=positive,
        default=1.0,
        metavar="N",
        help="play the generated session N times as fast (without keys only)",
    )


def run(call: VerbCall) -> int:
    """Return 0 after a clean stop, 1 if something failed or another one is running."""
    console = terminal(stderr=call.json)
    with call.home.up() as playing, stopped_by_signals() as stop:
        if has_keys(call.variables):
            return trade(call, console, loop.WallUntil(call.clock, stop))
        return _play(call, console, stop, playing)


def _play(
    call: VerbCall, console: Console, stop: threading.Event, playing: Callable[[str], None]
) -> int:
    """Play the generated session at the given speed; if stopped, it resumes next time."""
    speed = call.args.speed
    console.print(f"{_PLAYED}, {speed:g} times as fast. Ctrl-C stops it.")
    migrations = call.settings.migrations_dir
    plan = ReplayPlan(generated(call.home, console), call.home, migrations, paced=True)
    playing(plan.name)
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
    for failure in done.tally.failures[-20:]:
        console.print(f"FAILED {failure}", markup=False, soft_wrap=True)
    return 1 if done.tally.failures or not is_known(done.result) else 0


def trade(call: VerbCall, console: Console, wall: Wall) -> int:
    """Run against the broker's paper API until the wall's end; 1 if anything failed meanwhile."""
    if call.args.speed != 1.0:
        raise UsageError("--speed: the wall clock has one speed; leave it out where keys are set")
    place = call.target.place("sets up")
    at = call.settings.trading_url.host
    console.print(f"{place.title}. {_SESSION} {at}. Ctrl-C stops it.", markup=False, soft_wrap=True)
    with _logging(call.home, console):
        tally = _live(call, console, place, wall)
    console.print(f"Stopped. {tally.failed_ever or 'No'} failures.", highlight=False)
    if call.json:
        call.print_json({"failures": [str(failure) for failure in tally.failures]})
    return Exit.WRONG if tally.failed_ever else Exit.GOOD


@contextmanager
def _logging(home: Home, console: Console) -> Iterator[None]:
    """Write the functions' log into the state folder, and say where that is."""
    file = home.live / "pipeline.log"
    console.print(f"Log: {file}, {KEPT} older ones beside it", markup=False, soft_wrap=True)
    with closing(RotatedLog(file)) as stream, log.written_to(cast("TextIO", stream)):
        yield
    if stream.lost:
        console.print(f"{stream.lost} lines of the log could not be written", highlight=False)


def _live(call: VerbCall, console: Console, place: Place, wall: Wall) -> Tally:
    def say(line: str) -> None:
        """Whoever read it may have gone: that stops no worker."""
        with suppress(OSError, ValueError):
            console.print(line, markup=False, highlight=False, soft_wrap=True)

    tally = Tally(told=lambda failure: say(f"FAILED {failure}"))
    with call.target.urls("sets up", call.settings.migrations_dir) as urls:
        call.home.make_live(place.address)
        _ensure_parameters(urls, wall)
        variables = {**call.variables, **urls.variables()}
        _check(variables, wall, call.home.folder, say, tally)
        day = new_york_day(wall.now())
        bounds = (new_york_time(day, 8, 25), new_york_time(day, 16, 25))
        reader = Database(target_from_url(urls.reader), application_name="ops-up", read_only=True)
        events = EventLines(reader, wall.now(), say)
        with closing(reader), shown(console, "Trading on paper", *bounds) as watch:

            def look(minute: datetime, sofar: Tally) -> None:
                watch(minute, sofar)
                events.look(wall.now())

            return loop.run(variables, wall, watch=look, tally=tally)


def _ensure_parameters(urls: DatabaseUrls, clock: Clock) -> None:
    owner = Database(target_from_url(urls.owner), application_name="ops-up")
    with closing(owner), owner.transaction() as tx:
        default_parameters.ensure(tx, now=clock.now())


def _check(
    variables: Mapping[str, str],
    clock: Clock,
    folder: Path,
    say: Callable[[str], None],
    tally: Tally,
) -> None:
    """Say what each start check found.

    Raises:
        SettingsInvalid: with that no run could do anything.
    """
    fatal = []
    with closing(Runtime(variables, clock)) as runtime:
        for check in start_checks.run_all(runtime, folder):
            say(str(check))
            if check.verdict == "failed":
                tally.failed_ever += 1
            if check.verdict == "fatal":
                fatal.append(f"{check.subject}: {check.found}")
    if fatal:
        raise SettingsInvalid("; ".join(fatal))


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


COMMAND = Command(run, arguments, (*EXPECTED, AlreadyUp))
