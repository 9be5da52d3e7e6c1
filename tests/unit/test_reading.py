"""What the classifier is asked about an item, and what its answers come to."""

import pytest

from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Company, Sentiment, WaitingItem
from ops_pipeline.domain.news.reading import judged, read

BOOK = NameIndex([Company("NKE", ("Nike",)), Company("INTC", ("Intel",))])
GOOD = Sentiment(positive=0.7, neutral=0.2, negative=0.1)
BAD = Sentiment(positive=0.1, neutral=0.2, negative=0.7)


def waiting(title: str | None, summary: str | None = None) -> WaitingItem:
    return WaitingItem(stable_uuid("item"), "uid", stable_uuid("story"), None, title, summary)


def test_the_summary_names_the_company_when_it_speaks_of_one_alone() -> None:
    assert read(waiting("Shoe sales soar", "Nike sold more. Nike said so."), BOOK).tickers == (
        "NKE",
    )
    assert read(waiting("Sales soar", "Nike and Intel sold more."), BOOK).tickers == ()
    assert read(waiting("Intel meets", "Nike was there."), BOOK).tickers == ("INTC",)


@pytest.mark.parametrize(
    ("title", "summary", "text", "reason"),
    [
        ("Nike meets", "Other words", "Nike meets", None),
        (None, "Nike meets", "Nike meets", None),
        (None, None, None, "no text"),
        ("+++ 12:30 +++", "Nike meets", None, "no words"),
        ("\u041f\u0440\u0438\u0431\u044b\u043b\u044c", None, None, "not in Latin letters"),
    ],
)
def test_the_headline_is_asked_about_or_the_reason_is_kept(
    title: str | None, summary: str | None, text: str | None, reason: str | None
) -> None:
    reading = read(waiting(title, summary), BOOK)
    assert (reading.text, reading.reason) == (text, reason)
    assert len(reading.texts) == (text is not None)


def test_a_line_of_several_is_asked_about_part_by_part() -> None:
    reading = read(waiting("Nike rises while Intel falls"), BOOK)
    assert reading.texts == ("Nike rises while Intel falls", "Nike rises while", "Intel falls")
    assert judged(reading, [GOOD, GOOD, BAD], "m").mixed
    verdict = judged(reading, [GOOD, GOOD, GOOD], "m")
    assert (verdict.mixed, verdict.sentiment, verdict.tickers) == (False, GOOD, ("INTC", "NKE"))


def test_the_house_that_rates_is_not_what_a_rating_is_about() -> None:
    book = NameIndex([Company("UBS", ("UBS",), is_broker=True)])
    rating = waiting("Lens maker's price target cut to $40", "Demand is slow, UBS said.")
    assert read(rating, book).tickers == ()
    assert read(waiting("Bank names new chair", "UBS said so."), book).tickers == ("UBS",)
