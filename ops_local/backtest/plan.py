"""Which days are backtested with which parameters."""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ops_local.recordings.catalogue import folders_in
from ops_pipeline.db.parameters import overlay
from ops_pipeline.domain.parameters import Parameters
from ops_pipeline.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Variant:
    """One set of parameters; `label` says what of it was swept, "" where nothing was."""

    label: str
    rules: Parameters


def recordings_in(places: Iterable[Path], first: date | None, last: date | None) -> list[Path]:
    """The folders of recordings in or below these places, by day, from the first to the last.

    Raises:
        InvalidInput: a place holds none, or no day is left.
    """
    found: dict[Path, date] = {}
    for place in places:
        below = folders_in(place)
        if not below:
            raise InvalidInput(f"{place}: no recording is there (a folder with session.json)")
        found |= {folder: _day_of(folder) for folder in below}
    wanted = {
        folder: day
        for folder, day in found.items()
        if (first is None or day >= first) and (last is None or day <= last)
    }
    if not wanted:
        raise InvalidInput(f"none of {len(found)} recordings lies between --from and --to")
    return sorted(wanted, key=lambda folder: (wanted[folder], str(folder)))


def _day_of(folder: Path) -> date:
    try:
        facts = json.loads((folder / "session.json").read_text(encoding="utf-8"))
        return date.fromisoformat(facts["date"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{folder}/session.json: expected JSON with a date") from error


def variants(changes: Mapping[str, Any], sweeps: Sequence[str]) -> list[Variant]:
    """Every combination of what is swept, over the parameters of a file.

    Args:
        changes: As of --params.
        sweeps: Such as "exits.stop_loss=0.01,0.02".

    Raises:
        InvalidInput: one is no such text, names no parameter, or has a value out of its bounds.
    """
    base = overlay(Parameters(), changes)
    axes = [_axis(text) for text in sweeps]
    found = []
    for chosen in itertools.product(*axes):
        rules = base
        for path, value in chosen:
            rules = overlay(rules, _nested(path, value))
        found.append(Variant(", ".join(f"{path}={value}" for path, value in chosen), rules))
    return found


def _axis(text: str) -> list[tuple[str, Any]]:
    path, equals, values = text.partition("=")
    if not equals or not path or not values:
        raise InvalidInput(f"--sweep {text}: expected section.name=value,value")
    return [(path, _value(value)) for value in values.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _nested(path: str, value: Any) -> dict[str, Any]:
    first, dot, rest = path.partition(".")
    return {first: _nested(rest, value) if dot else value}
