"""Assigns sentiment and tickers to each stored news item, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from ops_pipeline.db import news
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Classified, WaitingItem
from ops_pipeline.domain.news.reading import LineReading, judged, read
from ops_pipeline.errors import ClassificationFailed
from ops_pipeline.ports import Classifier, Clock
from ops_pipeline.stages.request import TickRequest

BATCH = 250
# The rest waits for the next tick: the function's time-out is 25 s, loading the model
# included.
MOST_BATCHES = 40
BUDGET = timedelta(seconds=16)
# The first batch is small, since the model's speed is not known yet; each later one takes
# about half of the time left.
_FIRST, _SHARE = 32, 0.5
# A text that every working model can classify.
_PLAIN_TEXT = "Profit rises"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one run; `budget_spent` is 1 when the time ran out before the queue was empty."""

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

    Each batch is committed by itself. Its size is what the time left allows at the pace
    so far.
    """
    started = clock.now()
    with db.transaction() as tx:
        index = news.name_index(tx, new_york_day(request.tick))
    outcome = Outcome()
    # A dry run stores nothing, so it would get the same batch again and again.
    for _ in range(1 if request.dry_run else MOST_BATCHES):
        done = outcome.classified + outcome.unclassifiable
        size = batch_size(done, clock.now() - started, most=batch)
        with db.transaction() as tx:
            waiting = news.waiting_items(tx, limit=size) if size else []
        if not waiting:
            break
        verdicts = judge(waiting, index, classifier)
        with db.transaction() as tx:
            news.save_classified(tx, verdicts, clock.now())
        outcome = _counted(outcome, verdicts)
    with db.transaction() as tx:
        remaining = news.count_waiting(tx)
    return replace(outcome, remaining=remaining, budget_spent=int(remaining > 0))


def batch_size(done: int, spent: timedelta, *, most: int) -> int:
    """How many items to take next; 0 when the time left is too short.

    Where no time passes, as in a replay, it depends on the count alone.
    """
    if not done:
        return min(_FIRST, most) if spent < BUDGET else 0
    if not spent:
        return most
    return min(most, int(done * ((BUDGET - spent) / spent) * _SHARE)) if spent < BUDGET else 0


def judge(
    items: Sequence[WaitingItem], index: NameIndex, classifier: Classifier
) -> list[Classified]:
    """Classify a whole batch in one call of the model.

    Raises:
        ClassificationFailed: the model fails for every text.
    """
    return _judge([read(item, index) for item in items], classifier)


def _judge(readings: Sequence[LineReading], classifier: Classifier) -> list[Classified]:
    """Split a batch that fails in halves, until the text that the model fails on is found."""
    try:
        answers = iter(classifier.classify([text for one in readings for text in one.texts]))
    except ClassificationFailed as error:
        if len(readings) > 1:
            half = len(readings) // 2
            return _judge(readings[:half], classifier) + _judge(readings[half:], classifier)
        # Raises when the model itself fails: then the item is not marked as unclassifiable.
        classifier.classify([_PLAIN_TEXT])
        unread = replace(readings[0], text=None, parts=None, reason=f"the model failed: {error}")
        return [judged(unread, (), classifier.model)]
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
