"""Which securities a line speaks of, and whether it speaks of them alike."""

import pytest

from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Company
from ops_pipeline.domain.news.line_parts import parts_of, speaks_of_all_alike
from ops_pipeline.domain.news.sentiment import sentiment
from ops_pipeline.domain.news.tickers import find_mentions

BOOK = NameIndex(
    [
        Company("AAPL", ("Apple", "Apple Inc", "iPhone maker")),
        Company("AMD", ("Advanced Micro Devices", "AMD")),
        Company("BAC", ("Bank of America", "BofA"), is_broker=True),
        Company("BRK.B", ("Berkshire Hathaway",)),
        Company("F", ("Ford", "Ford Motor")),
        Company("GOOGL", ("Alphabet", "Google")),
        Company("GS", ("Goldman Sachs", "Goldman"), is_broker=True),
        Company("INTC", ("Intel",)),
        Company("JNJ", ("Johnson & Johnson",)),
        Company("MCD", ("McDonald's",)),
        Company("MRK", ("Merck",)),
        Company("MS", ("Morgan Stanley",), is_broker=True),
        Company("MSFT", ("Microsoft",)),
        Company("NDAQ", ("Nasdaq Inc",)),
        Company("ORCL", ("Oracle",)),
        Company("T", ("AT&T",)),
        Company("TGT", ("Target",)),
        Company("V", ("Visa",)),
    ]
)


def tickers(text: str) -> str:
    return " ".join(sorted({mention.ticker for mention in find_mentions(text, BOOK)}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$AAPL breaking out", "AAPL"),
        ("$aapl and $MSFT up", "AAPL MSFT"),
        ("$BRK-B near highs", "BRK.B"),
        ("$ZZZZ is new to us", "ZZZZ"),
        ("Cost of $5 billion, or US$b 5", ""),
        ("$BTC and $ETH rally, $ES_F flat", ""),
        ("Apple (NASDAQ: AAPL) opens store", "AAPL"),
        ("Some Firm (NYSE:ZZZ) prices offering", "ZZZ"),
        ("Berkshire Hathaway (NYSE: BRK/B) buys", "BRK.B"),
        ("Maker (TSX: ZZZ) opens mine", ""),
        ("(NASDAQ: GOOGL, GOOG)", "GOOG GOOGL"),
    ],
)
def test_cashtags_and_exchange_forms_are_evidence(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple opens store", "AAPL"),
        ("APPLE OPENS STORE", "AAPL"),
        ("An apple a day", ""),
        ("AT&T adds lines", "T"),
        ("McDonald's tests menu", "MCD"),
        ("Johnson & Johnson splits", "JNJ"),
        ("Bank of America's profit", "BAC"),
        ("Google parent Alphabet meets", "GOOGL"),
        ("AMD and amd", "AMD"),
        ("the iPhone maker's plan", "AAPL"),
        ("Court throws out claim against Visa", "V"),
        ("Jefferies keeps Oracle at hold", "ORCL"),
        ("Merck KGaA meets", ""),
        ("Apple supplier warns", ""),
        ("Former Microsoft manager joins start-up", ""),
    ],
)
def test_names_count_when_they_are_written_like_names(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple cut at Goldman", "AAPL"),
        ("Apple cut to sell at Goldman Sachs", "AAPL"),
        ("Goldman raises price target on Microsoft", "MSFT"),
        ("Morgan Stanley starts Apple at Overweight", "AAPL"),
        ("Intel upgraded by BofA", "INTC"),
        ("Goldman analyst likes Apple", "AAPL"),
        ("Checks with suppliers point to a decline, Morgan Stanley wrote.", ""),
        ("Goldman Sachs raises its dividend", "GS"),
        ("Goldman Sachs cuts 500 jobs", "GS"),
        ("Profit jumps at Morgan Stanley", "MS"),
    ],
)
def test_a_house_that_rates_others_is_not_what_the_line_is_about(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Analysts raise price target across the sector",
        "H-1B visa rules tighten",
        "New Visa Rules Worry Technology Firms",
        "Oracle of Omaha speaks",
        "Nasdaq closes higher as Dow slips",
        "NYSE to lengthen hours",
        "FDA and SEC chiefs meet the CEO IN MAY",
        "Harrison Ford returns to the screen",
        "ALL EYES ON THE FED",
        "T and F were the letters; V stood alone",
    ],
)
def test_ordinary_words_and_capitals_are_no_tickers(text: str) -> None:
    assert tickers(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Target shares fall", "TGT"),
        ("Ford recalls trucks", "F"),
        ("Ford Motor opens plant", "F"),
        ("Visa (NYSE: V) meets; Visa again", "V"),
    ],
)
def test_an_ordinary_word_is_a_company_beside_a_word_of_the_trade(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("MSFT shares climb", "MSFT"), ("INTC meets", ""), ("NOW shares", ""), ("MSFT STOCK UP", "")],
)
def test_a_bare_symbol_needs_a_word_of_the_trade(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("Apple and Microsoft rise on strong demand", True),
        ("Apple (NASDAQ: AAPL), Microsoft and Intel shares tumble", True),
        ("Apple rises while Microsoft falls", False),
        ("Intel falls, AMD rises", False),
        ("Apple sues Intel", False),
        ("Apple and Microsoft to meet", True),
        ("Microsoft to host event with Intel", True),
    ],
)
def test_a_line_counts_for_all_only_when_it_speaks_of_them_alike(text: str, alike: bool) -> None:
    parts = parts_of(text, find_mentions(text, BOOK))
    assert parts is not None
    clauses = [sentiment(clause) for clause in parts.clauses]
    assert speaks_of_all_alike(parts, sentiment(text), clauses) is alike


def test_a_line_about_one_company_has_no_parts() -> None:
    text = "Apple falls, but Apple sees growth"
    assert parts_of(text, find_mentions(text, BOOK)) is None
