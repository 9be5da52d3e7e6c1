"""Which securities a line speaks of, and whether it speaks of them alike."""

import pytest

from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.company_verdicts import company_scores
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
        ("Berkshire Hathaway (NYSE: BRK B) buys", "BRK.B"),
        ("Some Firm (NYSEAMERICAN: ZZZ) drills", "ZZZ"),
        ("Some Firm (NYSE American: ZZZ) drills", "ZZZ"),
        ("Some Firm (Nasdaq Global Select Market: ZZZ) drills", "ZZZ"),
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
    ("text", "expected"),
    [
        ("Goldman Sachs tops estimates", "GS"),
        ("Goldman Sachs misses analyst estimates", "GS"),
        ("Goldman Sachs cut to underperform at Baird", "GS"),
        ("Morgan Stanley upgraded to buy by Goldman", "MS"),
        ("Goldman Sachs estimates $1 billion charge", "GS"),
        ("Goldman Sachs estimates GDP at 2%", ""),
        ("Apple rallies after Morgan Stanley upgrade", "AAPL"),
        ("Buy Apple, target $242: Goldman", "AAPL"),
    ],
)
def test_a_broker_has_news_of_its_own(text: str, expected: str) -> None:
    assert tickers(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Intel officials say attack is near", ""),
        ("iPhone maker Foxconn posts profit", ""),
        ("iPhone Maker Beats Estimates", "AAPL"),
        ("Apple Hospitality REIT (NYSE: APLE) pays dividend", "APLE"),
        ("Apple Tree Farms Inc (NASDAQ: ZZZZ) grows", "ZZZZ"),
        ("Apple sues rival; Some Maker (NASDAQ: ZZZZ) grows", "AAPL ZZZZ"),
        ("Oracle Financial Services names chief", ""),
        ("Visa requirements ease for tourists", ""),
        ("Apple pie sales rise", ""),
    ],
)
def test_a_name_that_goes_on_is_another_thing(text: str, expected: str) -> None:
    assert tickers(text) == expected


def test_filings_are_found_by_the_number_of_the_company() -> None:
    index = NameIndex(
        [
            Company("BRK.A", (), cik="0001067983"),
            Company("BRK.B", ("Berkshire Hathaway",), cik="0001067983"),
        ]
    )
    found = find_mentions("8-K - SOME HOLDING INC (0001067983) (Filer)", index)
    assert [(mention.ticker, mention.evidence) for mention in found] == [("BRK.B", "cik")]
    assert find_mentions("8-K - OTHER INC (0000000001) (Filer)", index) == ()


def test_a_symbol_of_earlier_days_means_its_successor() -> None:
    index = NameIndex([Company("META", ("Meta",))], {"FB": "META", "A": "B", "B": "A"})
    assert [mention.ticker for mention in find_mentions("$FB up", index)] == ["META"]
    assert [mention.ticker for mention in find_mentions("Firm (NASDAQ: FB) up", index)] == ["META"]
    # A circle of renames ends.
    assert index.today("A") in ("A", "B")


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
    [
        ("MSFT shares climb", "MSFT"),
        ("INTC meets", ""),
        ("NOW shares", ""),
        ("MSFT STOCK UP", ""),
        ("BRK-B shares close higher", "BRK.B"),
        ("AAPL beats estimates", "AAPL"),
        ("MSFT: price target raised", "MSFT"),
        ("GS says sell", "GS"),
        ("MS patients gain hope", ""),
    ],
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apple sues Intel", {"AAPL": 0, "INTC": -1}),
        ("Apple to buy chipmaker Intel for $90 billion", {"AAPL": 0, "INTC": 1}),
        ("Apple overtakes Microsoft", {"AAPL": 1, "MSFT": -1}),
        ("Intel loses to AMD", {"AMD": 1, "INTC": -1}),
        ("Apple beats, Intel misses", {"AAPL": 1, "INTC": -1}),
        ("Apple rises while Microsoft and Intel fall", {"AAPL": 1, "INTC": -1, "MSFT": -1}),
        ("Apple rises, Intel falls, Apple drops", None),
        ("Apple discusses Intel's future", None),
        ("Apple, who once said it sues nobody in the trade, and Intel", None),
    ],
)
def test_companies_have_verdicts_of_their_own_where_the_grammar_is_plain(
    text: str, expected: dict[str, int] | None
) -> None:
    mentions = find_mentions(text, BOOK)
    parts = parts_of(text, mentions)
    assert parts is not None
    scores = company_scores(text, mentions, parts, [sentiment(one) for one in parts.clauses])
    signs = scores and {ticker: (score > 0) - (score < 0) for ticker, score in scores.items()}
    assert signs == expected


def test_a_line_about_one_company_has_no_parts() -> None:
    text = "Apple falls, but Apple sees growth"
    assert parts_of(text, find_mentions(text, BOOK)) is None
