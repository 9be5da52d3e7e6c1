"""Assigns sentiment and tickers to each stored news item, the oldest first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import Field

from ops_pipeline.db import news
from ops_pipeline.db.runs import UnitsOfWork
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Classified, WaitingItem
from ops_pipeline.domain.news.reading import LineReading, judged, read
from ops_pipeline.execution.isolation import isolated, what_failed
from ops_pipeline.ports import Classifier, Clock
from ops_pipeline.stages.request import TickRequest, TrialRequest

BATCH = 250
# The rest waits for the next tick: the function's time-out is 25 s, loading the model
# included.
MOST_BATCHES = 40
BUDGET = timedelta(seconds=16)
# The first batch is small, since the model's speed is not known yet: what it takes is stored
# before the function may be stopped. Each later one takes about half of the time left.
_FIRST_ITEMS, FIRST_TOKENS, _SHARE = 8, 600, 0.5
# A model cuts a text at 512 tokens; a token is three letters or more, a little is added.
_MOST_TOKENS, _LETTERS_A_TOKEN, _TOKENS_ADDED = 512, 3, 2
# A text that every working model can classify.
_PLAIN_TEXT = "Profit rises"


class Request(TrialRequest):
    """One tick, or one text to try the model with."""

    trial: str | None = Field(
        default=None,
        min_length=1,
        max_length=2_000,
        description="With dry_run: only classify this text and say what the model made of it.",
    )


@dataclass(frozen=True, slots=True)
class ModelTrial:
    """What the model made of one text: its name and version, the label, and the score, -1 to 1."""

    model: str
    label: str
    score: float


def try_model(text: str, classifier: Classifier) -> ModelTrial:
    """Raises ClassificationFailed."""
    [found] = classifier.classify([text])
    return ModelTrial(classifier.model, found.label, found.score)


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

    Each batch is committed by itself. Its size, in tokens, is what the time left allows at
    the pace so far.
    """
    started = clock.now()
    with db.transaction() as tx:
        index = news.name_index(tx, new_york_day(request.tick))
    outcome, tokens = Outcome(), 0
    # A dry run stores nothing, so it would get the same batch again and again.
    for _ in range(1 if request.dry_run else MOST_BATCHES):
        room = batch_tokens(tokens, clock.now() - started)
        with db.transaction() as tx:
            limit = batch if tokens else min(batch, _FIRST_ITEMS)
            waiting = news.waiting_items(tx, limit=limit) if room != 0 else []
        readings = within([_read(item, index) for item in waiting], room, first=not tokens)
        if not readings:
            break
        tokens += sum(map(tokens_of, readings))
        verdicts = _save(db, _judge(readings, classifier), clock.now())
        outcome = _counted(outcome, verdicts)
    with db.transaction() as tx:
        remaining = news.count_waiting(tx)
    return replace(outcome, remaining=remaining, budget_spent=int(remaining > 0))


def batch_tokens(done: int, spent: timedelta) -> int | None:
    """How many tokens to take next; 0 when no time is left, None when time is no limit.

    Where no time passes, as in a replay, it depends on the count alone.
    """
    if spent >= BUDGET:
        return 0
    if not done:
        return FIRST_TOKENS
    return int(done * ((BUDGET - spent) / spent) * _SHARE) if spent else None


def within(
    readings: Sequence[LineReading], room: int | None, *, first: bool
) -> Sequence[LineReading]:
    """The first readings that have room.

    The first batch has room for one in any case, a later one where all the time that is
    left suffices for it.
    """
    taken = 0
    for count, reading in enumerate(readings):
        taken += tokens_of(reading)
        alone = count == 0 and (first or (room is not None and taken * _SHARE <= room))
        if room is not None and taken > room and not alone:
            return readings[:count]
    return readings


def tokens_of(reading: LineReading) -> int:
    """About how many tokens a model has to read for an item; rather too many than too few."""
    return 1 + sum(
        min(_MOST_TOKENS, len(text) // _LETTERS_A_TOKEN + _TOKENS_ADDED) for text in reading.texts
    )


def judge(
    items: Sequence[WaitingItem], index: NameIndex, classifier: Classifier
) -> list[Classified]:
    """Classify a whole batch in one call of the model.

    Raises:
        ClassificationFailed: the model fails for every text.
    """
    return _judge([_read(item, index) for item in items], classifier)


def _read(item: WaitingItem, index: NameIndex) -> LineReading:
    """An item that can't be read is marked with the reason, so that it holds up no other."""
    found = isolated(lambda: read(item, index))
    if isinstance(found, Exception):
        return LineReading(item, None, f"not readable: {type(found).__name__}", (), None)
    return found


def _judge(readings: Sequence[LineReading], classifier: Classifier) -> list[Classified]:
    """Split a batch that fails in halves, until the text that the model fails on is found."""
    found = isolated(lambda: _verdicts(readings, classifier))
    if isinstance(found, Exception):
        if len(readings) > 1:
            half = len(readings) // 2
            return _judge(readings[:half], classifier) + _judge(readings[half:], classifier)
        # Raises when the model itself fails: then the item is not marked as unclassifiable.
        classifier.classify([_PLAIN_TEXT])
        unread = replace(readings[0], text=None, parts=None, reason=f"the model failed: {found}")
        return [judged(unread, (), classifier.model)]
    return found


def _verdicts(readings: Sequence[LineReading], classifier: Classifier) -> list[Classified]:
    texts = [text for one in readings for text in one.texts]
    found = classifier.classify(texts)
    if len(found) != len(texts):
        raise ValueError(f"{len(found)} answers to {len(texts)} texts")
    answers = iter(found)
    return [
        judged(reading, [next(answers) for _ in reading.texts], classifier.model)
        for reading in readings
    ]


def _save(db: UnitsOfWork, verdicts: list[Classified], now: datetime) -> list[Classified]:
    """Store verdicts; one that the database does not take is stored without its sentiment.

    Returns them as they were stored.
    """
    stored = isolated(lambda: _store(db, verdicts, now))
    if not isinstance(stored, Exception):
        return verdicts
    if len(verdicts) > 1:
        half = len(verdicts) // 2
        return _save(db, verdicts[:half], now) + _save(db, verdicts[half:], now)
    reason = f"not storable: {what_failed(stored)}"
    bare = replace(
        verdicts[0], tickers=(), sentiment=None, reason=reason, mixed=False, ticker_scores=None
    )
    # Raises when it is not about the verdict at all.
    _store(db, [bare], now)
    return [bare]


def _store(db: UnitsOfWork, verdicts: Sequence[Classified], now: datetime) -> None:
    with db.transaction() as tx:
        news.save_classified(tx, verdicts, now)


def _counted(outcome: Outcome, verdicts: Sequence[Classified]) -> Outcome:
    without = sum(verdict.sentiment is None for verdict in verdicts)
    return replace(
        outcome,
        classified=outcome.classified + len(verdicts) - without,
        unclassifiable=outcome.unclassifiable + without,
        mixed=outcome.mixed + sum(verdict.mixed for verdict in verdicts),
    )
