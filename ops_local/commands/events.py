"""`ops events`: dates around which entries may be refused, from a CSV, and a list of them."""

import argparse
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from ops_local import deployed
from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.commandline.numbers import at_least_one
from ops_local.commandline.target import Purpose
from ops_local.commands.control import clock_of
from ops_local.given_files import csv_rows
from ops_local.summary import Part
from ops_pipeline.db.market_state import event_dates
from ops_pipeline.domain.market_state.event_dates import EVENT_KINDS, EventDate, problem_with
from ops_pipeline.domain.news.written_times import read_time
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages.operating import event_setup
from ops_pipeline.stages.operating.event_setup import EventsChange, EventsCommand

COLUMNS = ("ticker", "kind", "at", "source")


def read_events(path: Path) -> list[EventDate]:
    """The events of a CSV with these columns; a time names its zone, as in 16:05 ET.

    Raises:
        InvalidInput: names the line and what is wrong with it; nothing of the file is used.
    """
    rows = csv_rows(path, columns=COLUMNS, required=COLUMNS)
    found = [_event(f"{path.name}, line {line}", row) for line, row in rows]
    if not found:
        raise InvalidInput(f"{path.name}: it names no event")
    return found


def _event(place: str, row: dict[str, str | None]) -> EventDate:
    text = {name: (row.get(name) or "").strip() for name in COLUMNS}
    kind = next((it for it in EVENT_KINDS if it == text["kind"].casefold()), None)
    if kind is None:
        raise InvalidInput(f"{place}: {text['kind']!r} is none of {', '.join(EVENT_KINDS)}")
    written = read_time(text["at"])
    if written.at is None:
        raise InvalidInput(f"{place}: {text['at']!r} is no moment: {written.problem}")
    event = EventDate(text["ticker"].upper(), kind, written.at, text["source"])
    if (problem := problem_with(event)) is not None:
        raise InvalidInput(f"{place}: {problem}")
    return event


def _file_arguments(verb: str) -> Callable[[argparse.ArgumentParser], None]:
    def arguments(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="CSV with ticker (or *), kind, at and source")
        parser.add_argument(
            "--reason", default=f"ops events {verb}", help="why; recorded in operator_actions"
        )
        parser.add_argument("--operator", metavar="NAME", help="who; the login name if omitted")

    return arguments


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ticker", nargs="?", help="of this one alone; * is the whole market")
    parser.add_argument("--most", type=at_least_one, default=100, metavar="N", help="default 100")


def _change(change: EventsChange) -> Callable[[VerbCall], int]:
    def run(call: VerbCall) -> int:
        """Record the change with its reason; 1 where nothing changed."""
        command = EventsCommand(
            change=change,
            operator=call.operator,
            reason=call.args.reason,
            events=read_events(call.args.file),
        )
        done = _done(call, command)
        count = f"{done['changed']} of {done['events']} dates"
        call.tell(done, [f"{_SAID[change]}: {count}"] if done["changed"] else [])
        if done["changed"]:
            return Exit.GOOD
        sys.stderr.write("nothing changed\n")
        return Exit.WRONG

    return run


def _done(call: VerbCall, command: EventsCommand) -> dict[str, Any]:
    target = call.target
    if target.stack:
        sys.stderr.write(f"{target.place('acts').title}\n")
        events = [asdict(it) | {"at": it.at.isoformat()} for it in command.events]
        who = {"operator": command.operator, "reason": command.reason}
        changes = {"change": command.change, "events": events}
        return deployed.call(
            target.stack, "control", {"action": "events", **who, "events": changes}
        )
    purpose: Purpose = "sets up" if command.change == "add" else "acts"
    with target.writing("ops-events", purpose, _migrations(call)) as database:
        with database.transaction() as tx:
            call.announce(tx, purpose)
            clock = clock_of(call, tx)
        return event_setup.run(command, db=database, clock=clock)


def _list(call: VerbCall) -> int:
    """Those to come, and those of the last day."""
    ticker = call.args.ticker and call.args.ticker.upper()
    with call.target.reading("ops-events") as tx:
        call.announce(tx)
        since = call.target.present(tx) - timedelta(days=1)
        rows = event_dates.every(tx, since=since, ticker=ticker, most=call.args.most)
    if call.json:
        call.print_json(rows)
    else:
        call.print_parts([Part("Events", list(rows))])
    return Exit.GOOD


def _migrations(call: VerbCall) -> Path | None:
    """On the user's own server only `ops migrate` changes the schema."""
    return None if call.settings.database_url else call.settings.migrations_dir


_SAID = {"add": "added", "remove": "removed"}
IMPORT = Command(_change("add"), _file_arguments("import"))
REMOVE = Command(_change("remove"), _file_arguments("remove"))
LIST = Command(_list, _list_arguments)
