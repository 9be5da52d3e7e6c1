"""The queue of stored items, worked off by the embedded model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import nan

import pytest

from ops_pipeline.adapters.lexicon_classifier import LexiconClassifier
from ops_pipeline.db import news, tickers
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.db.runs import DryDatabase
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.identity import news_item
from ops_pipeline.domain.news.items import FeedEntry, FeedState, Sentiment, WaitingItem
from ops_pipeline.domain.news.reading import LineReading, read
from ops_pipeline.domain.news.stories import assign_stories
from ops_pipeline.errors import ClassificationFailed
from ops_pipeline.ports import Classifier
from ops_pipeline.stages import classifier
from ops_pipeline.stages.request import TickRequest
from tests.support.fakes import FixedClock

TICK, MINUTE = datetime(2026, 2, 4, 14, 31, tzinfo=UTC), timedelta(minutes=1)
FEED = FeedState("https://wire.example/f", "Wire")


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(TICK + timedelta(seconds=20))


def keep(
    db: Database,
    *titles: str | None,
    summary: str | None = None,
    feed: FeedState = FEED,
    at: datetime = TICK,
) -> None:
    """Store items as rss_ingest does, published a minute before the tick."""
    made = [
        news_item(FeedEntry(f"g{n}", title, None, summary, TICK - timedelta(minutes=1)), feed, at)
        for n, title in enumerate(titles)
    ]
    items = [item for item in made if item is not None]
    with db.transaction() as tx:
        news.insert_items(tx, items, assign_stories(items, []))


def classify(
    db: Database,
    clock: FixedClock,
    *,
    model: Classifier | None = None,
    batch: int = classifier.BATCH,
) -> classifier.Outcome:
    return classifier.run(
        TickRequest(tick=TICK),
        db=db,
        classifier=model or LexiconClassifier(),
        clock=clock,
        batch=batch,
    )


def verdicts(db: Database) -> Sequence[Row]:
    with db.transaction() as tx:
        return tx.rows(
            "SELECT item.title, verdict.* FROM inbound_events_classified AS verdict"
            " JOIN inbound_events_raw AS item ON item.id = raw_event_id"
            ' ORDER BY item.event_uid COLLATE "C"'
        )


def test_each_item_gets_its_label_score_tickers_and_the_models_name(
    db: Database, clock: FixedClock
) -> None:
    keep(db, "Boeing (NYSE: BA) beats quarterly estimates")
    outcome = classify(db, clock)
    assert (outcome.classified, outcome.remaining, outcome.budget_spent) == (1, 0, 0)
    (row,) = verdicts(db)
    assert (row["sentiment_label"], row["tickers"]) == ("positive", ["BA"])
    assert row["sentiment_score"] == pytest.approx(
        row["positive_probability"] - row["negative_probability"]
    )
    assert (row["model"], row["created_at"]) == ("lexicon-4", clock.now())


def test_what_was_classified_is_not_classified_again(db: Database, clock: FixedClock) -> None:
    keep(db, "Boeing beats estimates")
    classify(db, clock)
    before = verdicts(db)
    clock.advance(60)
    assert classify(db, clock).classified == 0
    assert verdicts(db) == before


def test_a_text_that_cannot_be_classified_is_marked_and_never_blocks_the_queue(
    db: Database, clock: FixedClock
) -> None:
    keep(db, "!!! 100%", "株価は上昇した", None, "Intel misses estimates")
    outcome = classify(db, clock)
    assert (outcome.classified, outcome.unclassifiable, outcome.remaining) == (1, 3, 0)
    reasons = {row["title"]: row["reason"] for row in verdicts(db)}
    assert reasons == {
        "!!! 100%": "no words",
        "株価は上昇した": "not in Latin letters",
        None: "no text",
        "Intel misses estimates": None,
    }


def test_an_item_without_a_headline_is_judged_by_its_summary(
    db: Database, clock: FixedClock
) -> None:
    keep(db, None, summary="Nike shares tumble after profit warning")
    classify(db, clock)
    (row,) = verdicts(db)
    assert (row["sentiment_label"], row["tickers"]) == ("negative", ["NKE"])


def test_a_line_that_is_good_for_one_and_bad_for_another_is_marked_mixed(
    db: Database, clock: FixedClock
) -> None:
    keep(db, "Apple rises while Microsoft falls", "Apple and Microsoft rise on strong demand")
    assert classify(db, clock).mixed == 1
    mixed = {row["title"]: row["mixed"] for row in verdicts(db)}
    assert mixed == {
        "Apple rises while Microsoft falls": True,
        "Apple and Microsoft rise on strong demand": False,
    }


@dataclass
class SlowClassifier:
    """A model that takes its time, as a large one does."""

    clock: FixedClock
    seconds_a_batch: float
    model: str = "slow-1"

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        self.clock.advance(self.seconds_a_batch)
        return [Sentiment(0.2, 0.5, 0.3) for _ in texts]


@dataclass
class SlowText(SlowClassifier):
    """One whose time grows with the texts."""

    seconds_a_batch: float = 0
    seconds_a_text: float = 0

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        self.clock.advance(self.seconds_a_text * len(texts))
        return super().classify(texts)


def test_a_feed_that_floods_keeps_no_other_feed_s_news_waiting(
    db: Database, clock: FixedClock
) -> None:
    quiet = FeedState("https://quiet.example/f", "Quiet")
    keep(db, *(f"Boeing wins order number {n}" for n in range(40)))
    keep(db, "Nike profit rises", "Nike raises its outlook", feed=quiet, at=TICK + MINUTE)
    with db.transaction() as tx:
        first = news.waiting_items(tx, limit=4)
    quiet_ones = {item.title for item in first if "Nike" in str(item.title)}
    assert quiet_ones == {"Nike profit rises", "Nike raises its outlook"}


def test_a_backlog_drains_over_ticks_oldest_first(db: Database, clock: FixedClock) -> None:
    keep(db, *(f"Headline number {n}" for n in range(7)))
    model = SlowClassifier(clock, seconds_a_batch=5)
    first = classify(db, clock, model=model, batch=2)
    assert (first.classified, first.remaining, first.budget_spent) == (5, 2, 1)
    second = classify(db, clock, model=model, batch=2)
    assert (second.classified, second.remaining, second.budget_spent) == (2, 0, 0)


@pytest.mark.parametrize(
    ("done", "spent_s", "tokens"),
    [(0, 0, 600), (0, 15, 600), (0, 16, 0), (32, 0, None), (32, 1, 240), (32, 4, 48), (32, 15, 1)],
)
def test_a_batch_has_as_many_tokens_as_the_time_left_allows(
    done: int, spent_s: float, tokens: int | None
) -> None:
    assert classifier.batch_tokens(done, timedelta(seconds=spent_s)) == tokens


def test_a_slow_model_ends_within_its_budget(db: Database, clock: FixedClock) -> None:
    keep(db, *(f"Headline number {n}" for n in range(300)))
    model = SlowText(clock, seconds_a_text=0.2)
    began = clock.now()
    outcome = classify(db, clock, model=model)
    assert clock.now() - began <= classifier.BUDGET
    assert outcome.classified >= 60
    assert (outcome.remaining, outcome.budget_spent) == (300 - outcome.classified, 1)


@dataclass
class SlowTokens(SlowClassifier):
    """A model on a small function: its time grows with what it reads, at most 512 tokens a text."""

    seconds_a_batch: float = 0
    seconds_a_token: float = 0
    batches: list[int] = field(default_factory=list)

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        self.batches.append(len(texts))
        self.clock.advance(
            self.seconds_a_token * sum(min(512, len(text.split()) + 2) for text in texts)
        )
        return super().classify(texts)


def test_full_length_texts_on_a_slow_model_make_progress_in_every_run(
    db: Database, clock: FixedClock
) -> None:
    """32 of them at once would take four minutes; the function is stopped after 25 seconds."""
    keep(db, *(None for _ in range(12)), summary="profit rises again and again " * 60)
    for run in range(1, 4):
        model, began = SlowTokens(clock, seconds_a_token=0.02), clock.now()
        outcome = classify(db, clock, model=model)
        assert outcome.classified >= 2, run
        assert clock.now() - began <= timedelta(seconds=20)
        assert model.batches[0] == 1


def test_short_headlines_are_not_held_up_by_the_small_first_batch(
    db: Database, clock: FixedClock
) -> None:
    keep(db, *(f"Headline number {n}" for n in range(600)))
    model = SlowTokens(clock, seconds_a_token=0.0005)
    assert classify(db, clock, model=model).classified == 600
    assert model.batches[0] == 8


def test_a_dry_run_decides_and_keeps_nothing(db: Database, clock: FixedClock) -> None:
    keep(db, "Boeing beats estimates")
    outcome = classifier.run(
        TickRequest(tick=TICK, dry_run=True),
        db=DryDatabase(db),
        classifier=LexiconClassifier(),
        clock=clock,
    )
    assert (outcome.classified, outcome.remaining) == (1, 1)
    assert verdicts(db) == []


def test_the_signals_see_a_classified_story(db: Database, clock: FixedClock) -> None:
    keep(db, "Tesla raises delivery forecast")
    classify(db, clock)
    with db.transaction() as tx:
        found = news.stories_by_ticker(tx, ["TSLA", "F"], clock.now())
    assert list(found) == ["TSLA"]
    assert found["TSLA"][0].score > 0.3


class Choking(LexiconClassifier):
    """A model that fails on every batch that holds one of these words."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        for text in texts:
            for word in self.words:
                if word in text:
                    raise ClassificationFailed(f"cannot take {word}")
        return super().classify(texts)


def test_a_text_that_the_model_fails_on_is_marked_and_the_others_are_judged(
    db: Database, clock: FixedClock
) -> None:
    keep(db, *(f"Acme profit rises {n} times" for n in range(9)), "Poison for Acme", "Loss widens")

    outcome = classify(db, clock, model=Choking("Poison"))

    assert (outcome.classified, outcome.unclassifiable, outcome.remaining) == (10, 1, 0)
    (marked,) = [row for row in verdicts(db) if row["status"] == "UNCLASSIFIABLE"]
    assert (marked["title"], marked["reason"]) == (
        "Poison for Acme",
        "the model failed: cannot take Poison",
    )


def test_a_model_that_answers_nothing_at_all_fails_the_run_and_marks_nothing(
    db: Database, clock: FixedClock
) -> None:
    keep(db, "Acme profit rises", "Loss widens")
    with pytest.raises(ClassificationFailed):
        classify(db, clock, model=Choking("rises", "widens", "Profit"))
    assert verdicts(db) == []


def test_a_filing_gets_its_company_by_number_and_is_judged_by_its_items(
    db: Database, clock: FixedClock
) -> None:
    with db.transaction() as tx:
        tickers.set_ciks(tx, {"BA": "0000012927"})
    title = "8-K - BOEING CO (0000012927) (Filer)"
    keep(db, title, summary="<b>Filed:</b> Item 2.06: Material Impairments Item 9.01: Exhibits")
    assert classify(db, clock).classified == 1
    (row,) = verdicts(db)
    assert (row["tickers"], row["sentiment_label"]) == (["BA"], "negative")


def test_a_filing_whose_items_take_no_side_is_not_judged(db: Database, clock: FixedClock) -> None:
    keep(db, "8-K - BOEING CO (0000012927) (Filer)", summary="Item 2.02: Results of Operations")
    assert classify(db, clock).unclassifiable == 1
    (row,) = verdicts(db)
    assert row["reason"] == "a filing of form 8-K with items 2.02, which take no side"


def test_an_item_that_cannot_be_read_holds_up_no_other(
    db: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(db, "Boeing beats estimates", "Odd one")

    def odd(item: WaitingItem, index: NameIndex) -> LineReading:
        if item.title == "Odd one":
            raise RecursionError
        return read(item, index)

    monkeypatch.setattr(classifier, "read", odd)
    outcome = classify(db, clock)
    assert (outcome.classified, outcome.unclassifiable, outcome.remaining) == (1, 1, 0)
    assert [row["reason"] for row in verdicts(db) if row["reason"]] == [
        "not readable: RecursionError"
    ]


class Odd(LexiconClassifier):
    """Gives one text probabilities that no table takes, or no answer for it."""

    def __init__(self, answer: Sentiment | None) -> None:
        super().__init__()
        self.answer = answer

    def classify(self, texts: Sequence[str]) -> list[Sentiment]:
        found: list[Sentiment] = []
        for text, sentiment in zip(texts, super().classify(texts), strict=True):
            if "odd" not in text:
                found.append(sentiment)
            elif self.answer is not None:
                found.append(self.answer)
        return found


@pytest.mark.parametrize("answer", [Sentiment(nan, nan, nan), Sentiment(0.9, 0.9, 0.9), None])
def test_a_verdict_that_cannot_be_stored_is_marked_and_the_others_are_kept(
    db: Database, clock: FixedClock, answer: Sentiment | None
) -> None:
    keep(db, "Tesla raises forecast", "An odd line", "Ford cuts forecast")
    outcome = classify(db, clock, model=Odd(answer))
    assert (outcome.classified, outcome.unclassifiable, outcome.remaining) == (2, 1, 0)
    (marked,) = [row for row in verdicts(db) if row["status"] == "UNCLASSIFIABLE"]
    assert marked["reason"]
