"""From a register's titles to names that news uses, and to which security each belongs."""

import pytest

from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Company
from ops_pipeline.domain.news.security_import import (
    ImportPlan,
    ListedSecurity,
    Security,
    plan_import,
)
from ops_pipeline.domain.news.security_names import is_broker_name, shorter_name, spoken_name
from ops_pipeline.domain.news.tickers import find_mentions


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Apple Inc.", "Apple"),
        ("NVIDIA CORP", "Nvidia"),
        ("BANK OF AMERICA CORP /DE/", "Bank of America"),
        ("JPMORGAN CHASE & CO", "Jpmorgan Chase"),
        ("ELI LILLY & Co", "Eli Lilly"),
        ("CVS HEALTH Corp", "CVS Health"),
        ("AT&T INC.", "AT&T"),
        ("3M CO", "3M"),
        ("Amazon.com, Inc.", "Amazon.com"),
        ("The Cigna Group", "Cigna"),
        ("McDONALD'S CORP", "McDONALD'S"),
        ("SPDR S&P 500 ETF TRUST", "SPDR S&P 500 ETF"),
        ("TAIWAN SEMICONDUCTOR MANUFACTURING CO LTD", "Taiwan Semiconductor Manufacturing"),
        ("Trust Co", "Trust"),
        ("Inc", "Inc"),
    ],
)
def test_a_title_becomes_what_news_writes(title: str, name: str) -> None:
    assert spoken_name(title) == name


def test_a_last_word_that_speech_leaves_out_gives_a_shorter_name() -> None:
    assert shorter_name("Uber Technologies") == "Uber"
    assert shorter_name("Bank of America") is None
    assert shorter_name("Technologies") is None


def test_houses_are_known_by_whole_words() -> None:
    assert [is_broker_name(name) for name in ("Morgan Stanley", "UBS")] == [True, True]
    assert [is_broker_name(name) for name in ("Morgan Stanleyville", "Ubster")] == [False, False]


def by_ticker(plan: ImportPlan) -> dict[str, Security]:
    return {one.ticker: one for one in plan.securities}


def test_a_name_belongs_to_the_first_security_of_its_company() -> None:
    listed = [
        ListedSecurity("GOOGL", "Alphabet Inc.", "1"),
        ListedSecurity("GOOG", "Alphabet Inc.", "1"),
        ListedSecurity("BRK-B", "BERKSHIRE HATHAWAY INC", "2"),
        ListedSecurity("BRK-A", "BERKSHIRE HATHAWAY INC", "2"),
    ]
    found = by_ticker(plan_import(listed, []))
    assert {ticker: one.name for ticker, one in found.items()} == {
        "GOOGL": "Alphabet",
        "GOOG": "GOOG",
        "BRK.B": "Berkshire Hathaway",
        "BRK.A": "BRK.A",
    }


def test_a_name_that_two_companies_share_means_neither() -> None:
    listed = [
        ListedSecurity("FBKA", "First Bank", "1"),
        ListedSecurity("FBKB", "FIRST BANK CORP", "2"),
    ]
    assert [one.name for one in plan_import(listed, []).securities] == ["FBKA", "FBKB"]


def test_what_somebody_entered_stays_and_what_nobody_named_is_named() -> None:
    known = [
        Security("GOOGL", "Alphabet", ("Google",), "NASDAQ"),
        Security("UBER", "UBER", name_needs_context=True),
    ]
    listed = [
        ListedSecurity("GOOGL", "Alphabet Inc.", "1"),
        ListedSecurity("GOOG", "Alphabet Inc.", "1"),
        ListedSecurity("UBER", "Uber Technologies, Inc", "3"),
        ListedSecurity("GGLE", "GOOGLE FAN CLUB INC", "4"),
    ]
    plan = plan_import(listed, known)
    found = by_ticker(plan)
    assert set(found) == {"GOOG", "UBER", "GGLE"}
    assert (found["GOOG"].name, found["UBER"].name, found["UBER"].aliases) == (
        "GOOG",
        "Uber Technologies",
        ("Uber",),
    )
    assert plan.skipped == {"known already": 1}


def test_a_short_name_that_begins_other_names_is_none() -> None:
    listed = [
        ListedSecurity("GENB", "General Brands Inc", "1"),
        ListedSecurity("GENM", "General Makers Inc", "2"),
    ]
    assert by_ticker(plan_import(listed, []))["GENB"].aliases == ()


def test_preferred_shares_warrants_units_and_odd_symbols_are_left_out() -> None:
    listed = [
        ListedSecurity("JPM-PC", "JPMORGAN CHASE & CO", "1"),
        ListedSecurity("XYZ-WT", "Xyz Corp", "2"),
        ListedSecurity("XYZ-UN", "Xyz Corp", "2"),
        ListedSecurity("TOOLONGX", "Long Corp", "3"),
        ListedSecurity("XYZ", "Xyz Corp", "2"),
        ListedSecurity("xyz", "Xyz Corp", "2"),
        ListedSecurity("NONE", " ", "4"),
    ]
    plan = plan_import(listed, [])
    assert [one.ticker for one in plan.securities] == ["XYZ"]
    assert plan.skipped == {
        "listed twice": 1,
        "no usable symbol or name": 2,
        "preferred, warrant, unit or right": 3,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Root shares climb", "ROOT"),
        ("Root Inc posts profit", "ROOT"),
        ("Root of the problem lies in Rome", ""),
        ("Money is the Root", ""),
        ("Life Time opens gym", "LTH"),
        ("Nomura cuts Root Inc to reduce", "ROOT"),
        ("Root cut at Nomura", "ROOT"),
        ("Root, Life Time shares climb", "LTH"),
    ],
)
def test_an_imported_name_of_one_word_counts_beside_a_word_of_the_trade(
    text: str, expected: str
) -> None:
    plan = plan_import(
        [
            ListedSecurity("ROOT", "Root, Inc.", "1"),
            ListedSecurity("LTH", "Life Time Group Holdings, Inc.", "2"),
            ListedSecurity("NMR", "NOMURA HOLDINGS INC", "3"),
        ],
        [],
    )
    book = NameIndex(
        Company(one.ticker, (one.name, *one.aliases), one.is_broker, one.name_needs_context)
        for one in plan.securities
    )
    found = sorted({mention.ticker for mention in find_mentions(text, book)})
    assert " ".join(found) == expected
