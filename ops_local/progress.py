"""Shows a replay's progress: live on a terminal, elsewhere one line every half hour."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops_local.figures import clock
from ops_local.pipeline import Tally

Watch = Callable[[datetime, Tally], None]

# The counts shown, in the order of the pipeline.
_SHOWN = (
    ("news", "rss_ingest", "stored"),
    ("classified", "classifier", "classified"),
    ("bars", "telemetry", "stored"),
    ("features", "features", "rows"),
    ("surges", "features", "surges"),
    ("signals", "signals", "signals"),
    ("orders", "dispatcher", "processed"),
    ("refused", "dispatcher", "skipped"),
    ("exits", "position_manager", "exits_sent"),
)


# Columns whose numbers get wider than their names.
_LEAST = {"bars": 6}


@contextmanager
def shown(console: Console, title: str, first: datetime, last: datetime) -> Iterator[Watch]:
    """Show progress from `first` to `last` each time the yielded function is called."""
    if console.is_terminal:
        with _live(console, title, first, last) as watch:
            yield watch
    else:
        console.print(f"{title}: {clock(first)} to {clock(last)} New York")
        yield _plain(console)


def figures(tally: Tally) -> dict[str, int]:
    """The counts shown, by name."""
    counts = {name: tally.stages[stage].counts[key] for name, stage, key in _SHOWN}
    return {**counts, "failed": sum(stage.failed for stage in tally.stages.values())}


def _plain(console: Console) -> Watch:
    """A heading, then one line of numbers every half hour."""
    headed = False

    def watch(at: datetime, tally: Tally) -> None:
        nonlocal headed
        if at.minute not in (0, 30):
            return
        counted = figures(tally)
        if not headed:
            names = {name: name for name in counted}
            console.print(_line("time", names), highlight=False, soft_wrap=True)
            headed = True
        console.print(_line(clock(at), counted), highlight=False, soft_wrap=True)

    return watch


def _line(first: str, cells: Mapping[str, object]) -> str:
    """Cells right-aligned under their names; eleven fit 80 columns."""
    shown = [f"{cell:>{max(len(name), _LEAST.get(name, 0))}}" for name, cell in cells.items()]
    return " ".join([f"{first:<5}", *shown])


@contextmanager
def _live(console: Console, title: str, first: datetime, last: datetime) -> Iterator[Watch]:
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[at]} New York"),
        TimeElapsedColumn(),
        console=console,
    )
    minutes = (last - first).total_seconds() / 60
    task = progress.add_task(title, total=minutes, at=clock(first))
    with Live(progress, console=console, refresh_per_second=8) as live:

        def watch(at: datetime, tally: Tally) -> None:
            progress.update(task, completed=(at - first).total_seconds() / 60, at=clock(at))
            live.update(Group(progress, _table(tally)))

        yield watch


def _table(tally: Tally) -> Table:
    counted = figures(tally)
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in counted:
        table.add_column(name, justify="right")
    table.add_row(*map(str, counted.values()))
    return table
