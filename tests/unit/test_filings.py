"""SEC's filings: the items decide whether one is judged."""

import pytest

from ops_pipeline.domain.news.filings import filing_of
from ops_pipeline.domain.news.sentiment import sentiment

TITLE = "8-K - SOME COMPANY INC (0001067983) (Filer)"


@pytest.mark.parametrize(
    ("items", "judged"),
    [
        ("Item 1.03: Bankruptcy or Receivership Item 9.01: Exhibits", True),
        ("Item 4.02: Non-Reliance on Previously Issued Financial Statements", True),
        ("Item 2.04: Triggering Events", True),
        ("Item 2.06: Material Impairments", True),
        ("Item 1.05: Material Cybersecurity Incidents", True),
        ("Item 2.02: Results of Operations Item 9.01: Exhibits", False),
        ("Item 3.01: Notice of Delisting", False),
        ("Item 5.02: Departure of Directors", False),
        ("", False),
        (None, False),
    ],
)
def test_the_items_of_a_filing_decide_whether_it_is_judged(items: str | None, judged: bool) -> None:
    filing = filing_of(TITLE, items)
    assert filing is not None
    assert (filing.text is not None, filing.reason is None) == (judged, judged)
    assert filing.text is None or sentiment(filing.text).label == "negative"


def test_other_forms_are_not_judged_and_headlines_are_no_filings() -> None:
    other = filing_of("10-Q - SOME COMPANY INC (0001067983) (Filer)", "Item 1.03 Bankruptcy")
    assert other is not None
    assert other.text is None
    assert other.reason == "a filing of form 10-Q with items 1.03, which take no side"
    assert filing_of("Company files for bankruptcy", "Item 1.03") is None
    assert filing_of(None, None) is None
