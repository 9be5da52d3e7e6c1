"""Deletes rows past their table's retention period, in small batches and bounded time."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from ops_pipeline.db.operations import retention
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.operations.retention import KEPT_DAYS, oldest_kept
from ops_pipeline.ports import Clock
from ops_pipeline.stages.request import TickRequest

BATCH = 5_000
# The rest waits for the next run: a backlog must not outlast the function.
MOST_BATCHES = 100
BUDGET = timedelta(seconds=8)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows deleted, by table with any; `budget_spent` is 1 if old rows remain."""

    deleted: dict[str, int]
    budget_spent: int


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    clock: Clock,
    batch: int = BATCH,
    most_batches: int = MOST_BATCHES,
) -> Outcome:
    """Delete the oldest rows of each table, one batch of each in turn, until none is old.

    Age is counted from the tick's New York day, so a replayed day deletes none of its own rows.
    Each batch is one unit of work: deleted rows stay deleted whatever happens to the next.
    """
    started = clock.now()
    deleted: Counter[str] = Counter()
    unfinished = list(KEPT_DAYS)
    # A dry run is rolled back, so the same batch would be found for ever.
    rounds = 1 if request.dry_run else most_batches
    for _ in range(rounds):
        for table in list(unfinished):
            if clock.now() - started >= BUDGET:
                return _outcome(deleted, finished=False)
            with db.transaction() as tx:
                gone = retention.delete_before(
                    tx, table, oldest_kept(table, request.tick), most=batch
                )
            deleted[table] += gone
            if gone < batch:
                unfinished.remove(table)
        if not unfinished:
            break
    return _outcome(deleted, finished=not unfinished)


def _outcome(deleted: Counter[str], *, finished: bool) -> Outcome:
    return Outcome(
        deleted={table: count for table, count in sorted(deleted.items()) if count},
        budget_spent=int(not finished),
    )
