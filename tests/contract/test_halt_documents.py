"""Nasdaq's and NYSE's lists of halts: Eastern wall clocks, each item alone, nothing guessed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.adapters.market_state.halt_documents import parse_nasdaq, parse_nyse
from ops_pipeline.domain.market_state.trading_halts import HaltList, HaltNotice, is_market_wide
from ops_pipeline.errors import FeedUnavailable
from tests.support.halt_pages import HEADER, HaltRow, nasdaq, nyse

Parse = Callable[[bytes], HaltList]
PageOf = Callable[[Sequence[HaltRow]], bytes]
HALTED = datetime(2026, 2, 4, 14, 31, 5, tzinfo=UTC)
RESUMES = datetime(2026, 2, 4, 14, 45, tzinfo=UTC)
PARSERS = pytest.mark.parametrize(
    ("parse", "page"), [(parse_nasdaq, nasdaq), (parse_nyse, nyse)], ids=["nasdaq", "nyse"]
)


@PARSERS
def test_a_wall_clock_is_eastern_in_winter_and_in_summer(parse: Parse, page: PageOf) -> None:
    found = parse(page([HaltRow(), HaltRow("BBB", day="07/06/2026")]))
    assert found == HaltList(
        (
            HaltNotice("AAA", "T1", HALTED),
            HaltNotice("BBB", "T1", datetime(2026, 7, 6, 13, 31, 5, tzinfo=UTC)),
        )
    )


@PARSERS
def test_a_resumption_of_trading_is_taken(parse: Parse, page: PageOf) -> None:
    row = HaltRow(resumption_day="02/04/2026", resumption_time="09:45:00")
    assert parse(page([row])).notices == (HaltNotice("AAA", "T1", HALTED, RESUMES),)


def test_a_resumption_of_quotes_alone_is_none() -> None:
    row = HaltRow(resumption_day="02/04/2026", quotes_from="09:40:00")
    assert parse_nasdaq(nasdaq([row])).notices[0].resumed_at is None


@PARSERS
@pytest.mark.parametrize("written", ["later", "25:99:00", "9.45"])
def test_a_resumption_that_is_not_understood_has_not_happened(
    parse: Parse, page: PageOf, written: str
) -> None:
    row = HaltRow(resumption_day="02/04/2026", resumption_time=written)
    assert parse(page([row])).notices == (HaltNotice("AAA", "T1", HALTED),)


@PARSERS
@pytest.mark.parametrize(
    "odd",
    [
        HaltRow("<b>"),
        HaltRow(""),
        HaltRow("NOT A SYMBOL AT ALL"),
        HaltRow(day="2026/02/04"),
        HaltRow(day=""),
        HaltRow(time="09:31:05Z"),
        HaltRow(day="11/01/2026", time="01:30:00"),
        HaltRow(day="03/08/2026", time="02:30:00"),
    ],
    ids=lambda row: f"{row.ticker[:3]} {row.day} {row.time}",
)
def test_an_odd_item_is_named_and_costs_no_other_its_place(
    parse: Parse, page: PageOf, odd: HaltRow
) -> None:
    if odd.ticker == "<b>":
        odd = HaltRow("&lt;b&gt;" if page is nasdaq else "<b>")
    found = parse(page([HaltRow("BBB"), odd, HaltRow("CCC")]))
    assert [it.ticker for it in found.notices] == ["BBB", "CCC"]
    assert len(found.illegible) == 1
    assert not found.complete


@PARSERS
def test_an_unknown_reason_is_kept_in_its_words(parse: Parse, page: PageOf) -> None:
    assert parse(page([HaltRow(reason="Z99 of tomorrow")])).notices[0].reason == "Z99 of tomorrow"
    assert parse(page([HaltRow(reason="")])).notices[0].reason == "no reason given"


@PARSERS
def test_a_class_of_shares_is_written_as_at_the_broker(parse: Parse, page: PageOf) -> None:
    written = ["BRK B", "BRK/B", "brk-b", "BRK.B"]
    assert {it.ticker for it in parse(page([HaltRow(it) for it in written])).notices} == {"BRK.B"}


@PARSERS
def test_an_empty_list_is_complete(parse: Parse, page: PageOf) -> None:
    assert parse(page([])) == HaltList(())


@pytest.mark.parametrize("parse", [parse_nasdaq, parse_nyse])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b" \n",
        b"<html><head><title>Denied</title></head></html>",
        b'{"results": []}',
        b"<rss><channel><title>News</title><item><title>x</title></item></channel></rss>",
        b"<rss><channel>",
        b"a,b\n1,2\n",
        b"\xff\xfe\x00",
        b'<!DOCTYPE rss [<!ENTITY a "b">]><rss>&a;</rss>',
    ],
)
def test_what_is_no_list_of_halts_is_unavailable(parse: Parse, answer: bytes) -> None:
    with pytest.raises(FeedUnavailable):
        parse(answer)


def test_fewer_items_than_announced_are_no_complete_list() -> None:
    assert not parse_nasdaq(nasdaq([HaltRow()], announced=2)).complete
    assert parse_nasdaq(nasdaq([HaltRow()], announced=1)).complete


def test_columns_are_found_by_their_names() -> None:
    turned = "Reason,Symbol,Halt Time,Halt Date,NYSE Resume Time,Resume Date\n"
    page = turned + "News Pending,AAA,09:31:05,2026-02-04,09:45:00,2026-02-04\n"
    assert parse_nyse(page.encode()).notices == (
        HaltNotice("AAA", "News Pending", HALTED, RESUMES),
    )


def test_a_row_of_another_length_is_named() -> None:
    page = nyse([HaltRow()]) + b"02/04/2026,09:31:05,BBB\r\n"
    assert [it.ticker for it in parse_nyse(page).notices] == ["AAA"]
    assert len(parse_nyse(page).illegible) == 1


def test_a_column_too_few_is_another_document() -> None:
    with pytest.raises(FeedUnavailable, match="ticker"):
        parse_nyse(nyse([], header=HEADER.replace("Symbol", "Sign")))


@PARSERS
def test_a_flood_is_cut_and_not_taken_for_complete(
    parse: Parse, page: PageOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops_pipeline.adapters.market_state.halt_documents.MOST_ITEMS", 3)
    found = parse(page([HaltRow() for _ in range(10)]))
    assert len(found.notices) == 3
    assert not found.complete


@pytest.mark.parametrize(
    ("reason", "wide"),
    [
        ("MWC1", True),
        ("MWCQ", True),
        ("Market-Wide Circuit Breaker Level 2", True),
        ("LUDP", False),
    ],
)
def test_the_circuit_breaker_of_the_whole_market_is_known(reason: str, wide: bool) -> None:
    assert is_market_wide(reason) is wide


@given(st.binary(max_size=300), st.sampled_from([parse_nasdaq, parse_nyse]))
def test_any_bytes_are_a_list_or_unavailable(body: bytes, parse: Parse) -> None:
    for prefix in (b"", HEADER.encode() + b"\n", nasdaq([])[:-20]):
        with suppress(FeedUnavailable):
            assert isinstance(parse(prefix + body), HaltList)
