"""Give each stored news item its sentiment and its tickers, the longest waiting first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ops_pipeline.db import news
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.company_names import NameBook
from ops_pipeline.domain.news import Classified, WaitingItem
from ops_pipeline.domain.reading import judged, read
from ops_pipeline.ports import Classifier, Clock
from ops_pipeline.stages.request import TickRequest

BATCH = 250
# What is left waits for the next tick: a backlog must never outlast the function.
MOST_BATCHES = 40
BUDGET = timedelta(seconds=25)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one run; `budget_spent` is 1 when items were left for lack of time."""

    classified: int = 0
    unclassifiable: int = 0
    mixed: int = 0
    remaining: int = 0
    budget_spent: int = 0


def run(
    request: TickRequest,
    *,
    db: UnitsOfWork,
    classifier: Classifier,
    clock: Clock,
    batch: int = BATCH,
) -> Outcome:
    """Work through the queue until it is empty or the budget is spent.

    Each batch is one unit of work of its own: what is done stays done.
    """
    started = clock.now()
    with db.transaction() as tx:
        book = NameBook(news.companies(tx))
    outcome = Outcome()
    # A dry run keeps nothing, so the same batch would come back for ever.
    for _ in range(1 if request.dry_run else MOST_BATCHES):
        with db.transaction() as tx:
            waiting = news.waiting_items(tx, limit=batch)
        if not waiting or clock.now() - started >= BUDGET:
            break
        verdicts = judge(waiting, book, classifier)
        with db.transaction() as tx:
            news.save_classified(tx, verdicts, clock.now())
        outcome = _counted(outcome, verdicts)
    with db.transaction() as tx:
        remaining = news.count_waiting(tx)
    return replace(outcome, remaining=remaining, budget_spent=int(remaining > 0))


def judge(items: Sequence[WaitingItem], book: NameBook, classifier: Classifier) -> list[Classified]:
    """Ask the model once for a whole batch, and read its answers item by item."""
    readings = [read(item, book) for item in items]
    answers = iter(classifier.classify([text for one in readings for text in one.texts]))
    return [
        judged(reading, [next(answers) for _ in reading.texts], classifier.model)
        for reading in readings
    ]


def _counted(outcome: Outcome, verdicts: Sequence[Classified]) -> Outcome:
    without = sum(verdict.sentiment is None for verdict in verdicts)
    return replace(
        outcome,
        classified=outcome.classified + len(verdicts) - without,
        unclassifiable=outcome.unclassifiable + without,
        mixed=outcome.mixed + sum(verdict.mixed for verdict in verdicts),
    )
