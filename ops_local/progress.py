"""How far a replay is: live on a terminal, one plain line every half hour elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from ops_local.pipeline import Tally
from ops_pipeline.domain.market import NEW_YORK

Watch = Callable[[datetime, Tally], None]

# What a person wants to see move, from left to right through the pipeline.
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


@contextmanager
def shown(console: Console, title: str, first: datetime, last: datetime) -> Iterator[Watch]:
    """Show a day going by from `first` to `last` as the given function is called."""
    if console.is_terminal:
        with _live(console, title, first, last) as watch:
            yield watch
    else:
        console.print(f"{title}: {_clock(first)} to {_clock(last)} New York")
        yield _plain(console)


def figures(tally: Tally) -> dict[str, int]:
    """The counts that are shown, by name."""
    counts = {name: tally.stages[stage].counts[key] for name, stage, key in _SHOWN}
    return {**counts, "failed": sum(stage.failed for stage in tally.stages.values())}


def _plain(console: Console) -> Watch:
    def watch(at: datetime, tally: Tally) -> None:
        if at.minute in (0, 30):
            line = "  ".join(f"{name} {count}" for name, count in figures(tally).items())
            console.print(f"{_clock(at)}  {line}", highlight=False)

    return watch


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
    task = progress.add_task(title, total=minutes, at=_clock(first))
    with Live(progress, console=console, refresh_per_second=8) as live:

        def watch(at: datetime, tally: Tally) -> None:
            progress.update(task, completed=(at - first).total_seconds() / 60, at=_clock(at))
            live.update(Group(progress, _table(tally)))

        yield watch


def _table(tally: Tally) -> Table:
    counted = figures(tally)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in counted:
        table.add_column(name, justify="right")
    table.add_row(*map(str, counted.values()))
    return table


def _clock(moment: datetime) -> str:
    return moment.astimezone(NEW_YORK).strftime("%H:%M")
