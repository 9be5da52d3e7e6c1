"""`ops close`: says what it closes and asks, has it closed, and waits until it is flat."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.confirmation import confirmed, is_asked
from ops_local.commandline.numbers import positive
from ops_local.commands import control as verbs
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db import close_requests
from ops_pipeline.db.close_requests import HeldOrLive
from ops_pipeline.db.driver.transaction import Transaction
from ops_pipeline.db.operations import operator, overview
from ops_pipeline.domain.market import NEW_YORK, Session, new_york_day
from ops_pipeline.domain.orders import WATCHED_FOR
from ops_pipeline.ports import Clock
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand

# Without --reason: in an emergency nobody has to think of one.
_REASON = "ops close"
_WAIT_S = 600.0
_POLL_S = 5.0
# The position manager runs every minute of a session.
_SILENT_AFTER = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class _Pipeline:
    """Where a close is asked for: a stack, or a database of this machine."""

    read: Callable[[], AbstractContextManager[Transaction]]
    close: Callable[[ControlCommand], dict[str, Any]]
    clock: Clock


def _arguments(parser: argparse.ArgumentParser) -> None:
    verbs.arguments(parser, reason=_REASON)
    parser.add_argument("--ticker", metavar="T", help="only this one; all if omitted")
    parser.add_argument("--yes", action="store_true", help="do not ask before closing")
    parser.add_argument("--wait", action="store_true", help="wait until flat; exit code 3 if not")
    parser.add_argument(
        "--timeout",
        type=positive,
        default=_WAIT_S,
        metavar="SECONDS",
        help=f"with --wait: the longest wait, {_WAIT_S:.0f} if omitted",
    )


def _run(call: VerbCall) -> int:
    """Return 0 once it will be carried out, with --wait once it is; 1 if nothing was there."""
    command = ControlCommand(
        action="close",
        operator=call.operator,
        reason=call.args.reason,
        account=call.args.account,
        ticker=call.args.ticker,
    )
    with _reached(call) as pipeline:
        if not _confirmed(call, command, pipeline):
            sys.stderr.write("Nothing was closed.\n")
            return Exit.WRONG
        done = pipeline.close(command)
        call.tell(done, _lines(done))
        if not (done["closing"] or done["recommendations_cancelled"]):
            sys.stderr.write("nothing to close: the record of it is all that was written\n")
            return Exit.WRONG
        absent = _absent(call, pipeline, done["accounts"])
        sys.stderr.writelines(f"{line}\n" for line in absent)
        if call.args.wait:
            return _wait(call, pipeline, done["requests"])
        return Exit.WRONG if absent else Exit.GOOD


def _lines(done: Mapping[str, Any]) -> Iterator[str]:
    """What a close asks for, by account and symbol."""
    for each in done["closing"]:
        yield f"closing: {each}"
    for name in ("entries", "recommendations"):
        if count := done[f"{name}_cancelled"]:
            yield f"{name} cancelled: {count}"


@contextmanager
def _reached(call: VerbCall) -> Iterator[_Pipeline]:
    target = call.target
    if stack := target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        yield _Pipeline(
            lambda: nullcontext(deployed.TypedStackReader(stack)),
            lambda given: deployed.call(stack, "control", {**asdict(given), "confirm": True}),
            verbs.clock_of(call, None),
        )
        return
    with target.writing("ops-close") as database:
        with database.transaction() as tx:
            call.announce(tx, "acts")
            clock = verbs.clock_of(call, tx)
        yield _Pipeline(
            database.transaction,
            lambda given: control.run(given, db=database, clock=clock),
            clock,
        )


def _confirmed(call: VerbCall, command: ControlCommand, pipeline: _Pipeline) -> bool:
    """Ask on a terminal, where there is something to close; a script has decided."""
    if not is_asked(yes=call.args.yes):
        return True
    request = command.close_request(pipeline.clock.now())
    with pipeline.read() as tx:
        found = close_requests.held_or_live(tx, request, late_since=request.asked_at - WATCHED_FOR)
        waiting = operator.waiting_recommendations(
            tx, account=request.account, ticker=request.ticker
        )
    if not (found or waiting):
        return True
    question = _question(found, waiting, whole=request.ticker is None)
    return confirmed(question, yes=call.args.yes)


def _question(found: Sequence[HeldOrLive], waiting: int, *, whole: bool) -> str:
    """What would be closed, by account and symbol, and how."""
    lines = [
        f"  {it.account_name} {it.symbol}: {it.held} held, {it.orders} live"
        + (f", {it.by_hand} of them placed by hand" if it.by_hand else "")
        for it in found
    ]
    if waiting:
        lines.append(f"  recommendations to buy that wait: {waiting}")
    refused = "in these accounts" if whole else "in these symbols"
    return "\n".join(
        [
            "This would be closed:",
            *lines,
            "The position manager sells what is held and cancels every live order, until all of "
            f"it is flat; until then entries {refused} are refused. Waiting recommendations end.",
            "Close it?",
        ]
    )


def _absent(call: VerbCall, pipeline: _Pipeline, accounts: Sequence[str]) -> list[str]:
    """Why nobody would carry it out now; empty where the position manager runs."""
    place, home = call.target.place("acts"), call.home
    if not accounts:
        return []
    if place.name is not None:
        wanted = place.name if place.kind == "replay" else None
        if home.is_up and home.playing == wanted:
            return []
        return [
            f"nobody is there to carry it out: no `ops up` runs in {home.folder}; "
            "it is done once one does"
        ]
    with pipeline.read() as tx:
        runs = overview.guard_runs(tx, accounts)
    now = pipeline.clock.now()
    absent = _silent(accounts, runs, due=run_due(now))
    if not absent and (opens := next_open(now)) is not None:
        sys.stderr.write(f"The exchange is closed: it is carried out from {opens} on\n")
    return absent


def _silent(accounts: Sequence[str], runs: Mapping[str, datetime], *, due: datetime) -> list[str]:
    """A line for each account whose position manager has not run since `due`."""
    last = {account: runs.get(account) for account in accounts}
    return [
        f"nobody is there to carry it out in {account}: its position manager "
        + (f"last ran at {tick:%Y-%m-%d %H:%M} UTC" if tick else "never ran")
        for account, tick in last.items()
        if tick is None or tick < due
    ]


def run_due(now: datetime) -> datetime:
    """Since when there must have been a run: a little before now, or before the last close."""
    calendar, today = NyseCalendar(), new_york_day(now)
    session = calendar.session(today)
    if session is None or now - _SILENT_AFTER < session.opens_at:
        session = calendar.previous_session(today)
    return min(now, session.closes_at) - _SILENT_AFTER


def next_open(now: datetime) -> str | None:
    """When the next session opens, for a person; None during one."""
    calendar, day = NyseCalendar(), new_york_day(now)
    session: Session | None = None
    while session is None or session.closes_at <= now:
        session, day = calendar.session(day), day + timedelta(days=1)
    if session.is_open(now):
        return None
    return f"{session.opens_at.astimezone(NEW_YORK):%A %Y-%m-%d %H:%M} New York"


def _wait(call: VerbCall, pipeline: _Pipeline, requests: Sequence[str]) -> int:
    """Report what is left whenever it changes; returns 0 once all is flat, 3 if it is not."""
    until = time.monotonic() + call.args.timeout
    told: list[str] = []
    while True:
        with pipeline.read() as tx:
            left = close_requests.left(tx, requests)
        if not left:
            sys.stderr.write("flat, and nothing is live\n")
            return Exit.GOOD
        if left != told:
            sys.stderr.writelines(f"{line}\n" for line in left)
            sys.stderr.flush()
            told = left
        if (remaining := until - time.monotonic()) <= 0:
            sys.stderr.write(f"not flat after {call.args.timeout:g} s; it goes on without this\n")
            return Exit.UNFINISHED
        time.sleep(min(_POLL_S, remaining))


COMMAND = Command(_run, _arguments)
