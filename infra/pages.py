"""Writes docs/stages.md and the machines in the README's picture, from the manifest.

`python -m infra.pages`, a part of `make docs`.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

from ops_pipeline.domain.operations.manifest import MACHINES, STAGES
from ops_pipeline.domain.operations.stage import (
    AtLeastEvery,
    EveryFewMinutes,
    EveryMinute,
    Machine,
    NotMonitored,
    Severity,
    Stage,
)

ROOT = Path(__file__).parent.parent
STAGE_PAGE = ROOT / "docs" / "stages.md"
README = ROOT / "README.md"
_BEGIN, _END = "  %% begin: written by make docs\n", "  %% end\n"

_INTRO = """# Stages and state machines

Written by `make docs` from the manifest in `ops_pipeline/domain/operations/manifest.py`. Times
are those of New York.

A stage is one Lambda function, named `ops-pipeline-<stage>` with hyphens. It is called by a state
machine, by a schedule of its own, or on demand. What starts by itself is monitored: the
healthcheck opens an alert `stage_silent` or `output_stale` when a stage does not do what this
page says.
"""
NOTHING = "-"
_KEYS = {
    "none": NOTHING,
    "data": "one account's, to read",
    "event": "its event's account",
    "all": "all",
}
_SCOPES = {
    "everything": "",
    "machines": ", by machine",
    "entry": ", for each account that may enter",
    "guard": ", for each account that is guarded",
}


def stage_page() -> str:
    """The text of docs/stages.md."""
    parts = [
        _INTRO,
        "## State machines\n",
        *_table(
            ("machine", "when", "steps", "time-out", "kind", "after a failure"),
            map(_of_machine, MACHINES),
        ),
        "\n## What each stage does\n",
        *_table(
            ("stage", "what it does", "called by", "must run", "must produce"),
            map(_duties, STAGES),
        ),
        "\n## What each function gets\n",
        *_table(
            ("stage", "time-out", "memory", "layers", "broker keys", "login", "schema"),
            map(_means, STAGES),
        ),
    ]
    return "\n".join(parts) + "\n"


def _of_machine(machine: Machine) -> tuple[str, ...]:
    stops = machine.after_failure == "stop"
    return (
        machine.name,
        machine.starts.described,
        " → ".join(machine.steps),
        f"{machine.timeout_s} s",
        machine.kind,
        "stops" if stops else "goes on, fails at its end",
    )


def _duties(stage: Stage) -> tuple[str, ...]:
    callers, monitoring, output = _callers(stage), _monitoring(stage), _output(stage)
    return (stage.name, stage.description, callers, monitoring, output)


def _means(stage: Stage) -> tuple[str, ...]:
    layers, keys = ", ".join(stage.layers), _KEYS[stage.accounts]
    size = (f"{stage.timeout_s} s", f"{stage.memory_mb} MB")
    return (stage.name, *size, layers, keys, stage.login, stage.schema)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    columns = tuple(head)
    yield _row(columns)
    yield _row("---" for _ in columns).replace(" ", "")
    yield from map(_row, rows)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _callers(stage: Stage) -> str:
    machines = [machine.name for machine in MACHINES if stage.name in machine.steps]
    scheduled = [f"its schedule, {stage.starts.described}"] if stage.starts else []
    return ", ".join([*machines, *scheduled, *([stage.on_demand] if stage.on_demand else [])])


def _monitoring(stage: Stage) -> str:
    match stage.monitoring:
        case EveryMinute(hours, scope, severity):
            minutes = "every minute" + (" of a session" if hours == "session" else "")
            return minutes + _SCOPES[scope] + _stressed(severity)
        case EveryFewMinutes(minutes=count, scope=scope, severity=severity):
            return f"every {count} minutes of a session{_SCOPES[scope]}{_stressed(severity)}"
        case AtLeastEvery(limit):
            return f"every {limit // timedelta(hours=1)} hours at least"
        case NotMonitored(reason):
            return f"not monitored. {reason}"


def _stressed(severity: Severity) -> str:
    return " (critical)" if severity == "critical" else ""


def _output(stage: Stage) -> str:
    if stage.output is None:
        return NOTHING
    minutes = stage.output.due_after // timedelta(minutes=1)
    oldest = stage.output.oldest // timedelta(minutes=1)
    since = f"from {minutes} minutes after the open"
    return f"rows in {stage.output.table}, {since}, the newest under {oldest} minutes old"


def picture() -> str:
    """The lines of the README's picture that show which stages run together, and when."""
    lines: list[str] = []
    # Express first: those that run every minute.
    for machine in sorted(MACHINES, key=lambda machine: machine.kind):
        title = f"{machine.name}, {machine.starts.described}"
        lines += _subgraph(machine.name, title, _edges(machine))
    alone = [
        f'{stage.name}["{stage.name}, {stage.starts.described}"]'
        for stage in STAGES
        if stage.starts
    ]
    lines += _subgraph("alone", "on schedules of their own", alone)
    return "".join(line + "\n" for line in lines)


def _edges(machine: Machine) -> list[str]:
    """An arrow from each step to the next; a stage of several machines has a node in each."""
    shared = [step for one in MACHINES for step in one.steps]
    nodes = [
        f"{machine.name}_{step}[{step}]" if shared.count(step) > 1 else step
        for step in machine.steps
    ]
    return [f"{one} --> {following}" for one, following in pairwise(nodes)] or nodes


def _subgraph(name: str, title: str, body: list[str]) -> list[str]:
    return [f"  subgraph {name} [{title}]", *(f"    {line}" for line in body), "  end"]


def with_picture(readme: str) -> str:
    """The README with an up-to-date picture.

    Raises:
        ValueError: the marks around the picture's lines are missing.
    """
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError("the README has no marks for the picture")
    return before + begin + picture() + end + after


def main() -> None:
    STAGE_PAGE.write_text(stage_page(), encoding="utf-8")
    README.write_text(with_picture(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
