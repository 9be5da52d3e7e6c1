"""`ops recordings`: what recordings there are, how whole they are, and what of them is modelled."""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ops_local.commandline.command import Command, Exit, VerbCall
from ops_local.recordings import catalogue
from ops_local.recordings.catalogue import Entry
from ops_local.summary import Part
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.db.driver.connection import Row
from ops_pipeline.errors import InvalidInput


def arguments(parser: argparse.ArgumentParser) -> None:
    where = "a recording, or a folder of some; the state folder's if omitted"
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help=where)


def run(call: VerbCall) -> int:
    """Return 0, or 1 if one of them could not be read or is of a day without a session."""
    calendar = NyseCalendar()
    folders = _folders(call)
    found = catalogue.catalogue(folders, calendar)
    screen = Console(stderr=True)
    shown = track(
        found,
        f"reading {len(folders)} recordings",
        total=len(folders),
        console=screen,
        transient=True,
        disable=not screen.is_terminal,
    )
    entries = list(shown)
    missing = [asdict(stretch) for stretch in catalogue.missing(entries, calendar)]
    if call.json:
        call.print_json({"recordings": [asdict(it) for it in entries], "missing": missing})
    else:
        between = [Part("Missing between them", missing)] if missing else []
        call.print_parts([*_parts(entries), *between])
    return Exit.WRONG if any(entry.problem for entry in entries) else Exit.GOOD


def _folders(call: VerbCall) -> list[Path]:
    """Every recording that was asked for.

    Raises:
        InvalidInput: a folder that was named holds none, or nothing was named and there is none.
    """
    places: Sequence[Path] = call.args.folders
    if not places:
        here = call.home.folder / "recordings"
        found = catalogue.folders_in(here)
        if not found:
            raise InvalidInput(f"there are no recordings in {here}; name a folder of some")
        return found
    by_place = {place: catalogue.folders_in(place) for place in places}
    for place, inside in by_place.items():
        if not inside:
            raise InvalidInput(f"{place}: no session.json in it or below it: no recording")
    return list(dict.fromkeys(folder for inside in by_place.values() for folder in inside))


def _parts(entries: Sequence[Entry]) -> list[Part]:
    parts = [Part("Recordings", [_row(entry) for entry in entries if entry.day is not None])]
    wrong = [
        {"folder": str(entry.folder), "problem": entry.problem}
        for entry in entries
        if entry.problem
    ]
    silent = [
        {"day": entry.day, "tickers without a bar": entry.silent}
        for entry in entries
        if entry.silent
    ]
    parts += [Part("Without a bar in the session", silent)] if silent else []
    return parts + ([Part("Not usable", wrong)] if wrong else [])


def _row(entry: Entry) -> Row:
    unit = " (lots)" if entry.sizes == "round_lots" else ""
    return {
        "day": entry.day,
        "kind": entry.kind,
        "tickers": entry.tickers,
        "coverage": _percent(entry.coverage),
        "gaps": entry.gaps,
        "longest": entry.longest_gap,
        "quotes": f"{entry.quotes}{unit}",
        "news": entry.news,
        "vix": entry.vix,
    }


def _percent(share: float | None) -> str:
    """Rounded down: 100.0% has no gap."""
    return "-" if share is None else f"{math.floor(share * 1_000) / 10:.1f}%"


COMMAND = Command(run, arguments)
