"""Market data that no honest vendor sends: endless pages, names of strangers, times without a zone.

What is odd in an answer costs its own item, and no more requests than a plan has.
"""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.bounds.rate_limit import retry_after_s
from ops_pipeline.errors import MarketDataUnavailable
from tests.contract.stub_broker import Answer, Stub, serving

BARS, QUOTES = "GET /v2/stocks/bars", "GET /v2/stocks/quotes/latest"
TRADES = "GET /v2/stocks/trades/latest"
START = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
END = START + timedelta(minutes=10)
BAR = {"t": "2026-02-04T14:30:00Z", "o": 10.5, "h": 11, "l": 10.25, "c": 10.75, "v": 300}
QUOTE = {"t": "2026-02-04T14:31:00Z", "bp": 10, "bs": 1, "ap": 10.02, "as": 1}
TRADE = {"t": "2026-02-04T14:31:00Z", "p": 10.01}
# Words of refusals that are symbols too.
NAMES = ["S", "FOR", "A", "AA", "ZZ", "ZZZ", "ZZZZ", "IS", "FOUND"]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


@pytest.fixture
def in_new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose own clock is not on UTC."""
    with monkeypatch.context() as there:
        there.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


def data(url: str, **options: Any) -> AlpacaMarketData:
    return AlpacaMarketData(url=url, key_id="key", secret_key="secret", feed="iex", **options)


def page(token: str | None = None, **bars: Any) -> Answer:
    return Answer(body={"bars": bars, "next_page_token": token})


def bars_of(*tickers: str) -> Answer:
    return Answer(body={"bars": {it: [BAR] for it in tickers}, "next_page_token": None})


def refusing(stub: Stub, invalid: set[str], answer: Answer) -> Any:
    """A server that refuses each request for one of these symbols in these words."""

    def next_answer(request: str, _key: str | None = None) -> Answer:
        stub.asked[request] += 1
        asked = stub.sent[-1].query["symbols"].split(",")
        return answer if invalid & set(asked) else bars_of(*asked)

    return next_answer


def test_a_page_that_leads_to_itself_is_noticed_at_once(stub: Stub) -> None:
    stub.script(BARS, page("again", AAA=[BAR]))
    with pytest.raises(MarketDataUnavailable, match="the pages do not move on"):
        data(stub.url).bars(["AAA"], START, END)
    assert stub.asked[BARS] == 2


def test_pages_without_end_are_given_up_within_a_share_of_the_plan(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def next_answer(request: str, _key: str | None = None) -> Answer:
        stub.asked[request] += 1
        return page(f"page {stub.asked[request]}")

    monkeypatch.setattr(stub, "next_answer", next_answer)
    with pytest.raises(MarketDataUnavailable, match="pages"):
        data(stub.url).bars(["AAA"], START, END)
    assert stub.asked[BARS] <= 12


def test_many_bars_may_have_many_pages(stub: Stub) -> None:
    pages = [page(f"page {number}", AAA=[BAR]) for number in range(30)]
    stub.script(BARS, *pages, page(AAA=[BAR]))
    tickers = [f"T{number}" for number in range(200)]
    assert len(data(stub.url).bars(["AAA", *tickers], END - timedelta(days=10), END)) == 32


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize(
    "words",
    [
        "invalid symbol: ZZZ",
        "invalid symbol(s): ZZZ",
        "invalid symbol for request: ZZZ",
        "invalid symbol ZZZ found",
        "one invalid symbol among A, S",
        "Invalid Symbol: 'zzz'.",
    ],
)
def test_a_word_of_the_refusal_is_not_taken_for_the_symbol_that_is_invalid(
    stub: Stub, status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = Answer(status, {"message": words})
    monkeypatch.setattr(stub, "next_answer", refusing(stub, {"ZZZ"}, refusal))
    found = data(stub.url).bars(NAMES, START, END)
    assert [it.symbol for it in found.illegible] == ["ZZZ"]
    assert {bar.ticker for bar in found} == set(NAMES) - {"ZZZ"}


def test_where_every_symbol_is_refused_the_search_ends_within_a_share_of_the_plan(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickers = [f"T{number}" for number in range(200)]
    refusal = Answer(400, {"message": "invalid symbol"})
    monkeypatch.setattr(stub, "next_answer", refusing(stub, set(tickers), refusal))
    with pytest.raises(MarketDataUnavailable, match="invalid symbol"):
        data(stub.url).bars(tickers, START, END)
    assert stub.asked[BARS] <= 64


@pytest.mark.usefixtures("in_new_york")
def test_a_time_without_a_zone_is_illegible_and_not_read_as_the_machine_s(stub: Stub) -> None:
    unzoned = {**BAR, "t": "2026-02-04T09:30:00"}
    stub.script(BARS, page(AAA=[unzoned, {**BAR, "t": "2026-02-04T14:31:00Z"}]))
    found = data(stub.url).bars(["AAA"], START, END)
    assert [bar.ts.minute for bar in found] == [31]
    assert [it.symbol for it in found.illegible] == ["AAA"]
    stub.script(QUOTES, Answer(body={"quotes": {"A": {**QUOTE, "t": "2026-02-04T09:31:00"}}}))
    with pytest.raises(MarketDataUnavailable, match="nothing is legible"):
        data(stub.url).quotes(["A"])


@pytest.mark.usefixtures("in_new_york")
def test_a_date_without_a_zone_in_a_header_is_utc() -> None:
    headers = {
        "Retry-After": "Wed, 04 Feb 2026 14:30:09 -0000",
        "Date": "Wed, 04 Feb 2026 14:30:00 GMT",
    }
    assert retry_after_s(headers) == 9


def test_quotes_of_what_nobody_asked_for_are_left_out_and_not_asked_about(stub: Stub) -> None:
    told = {"A": QUOTE, "B,C": QUOTE, "X\x00": QUOTE, "\ud800": QUOTE}
    stub.script(QUOTES, Answer(body={"quotes": told}))
    stub.script(TRADES, Answer(body={"trades": dict.fromkeys(told, TRADE)}))
    found = data(stub.url).quotes(["A"])
    assert (list(found), list(found.trades)) == (["A"], ["A"])
    assert stub.queries[-1]["symbols"] == "A"


def test_bars_under_a_name_that_no_column_takes_are_illegible(stub: Stub) -> None:
    stub.script(BARS, bars_of("AAA", "X\x00", "\ud800"))
    found = data(stub.url).bars(["AAA"], START, END)
    assert [bar.ticker for bar in found] == ["AAA"]
    assert [it.symbol for it in found.illegible] == [None, None]


def test_a_trade_at_a_price_beyond_all_bounds_is_none(stub: Stub) -> None:
    stub.script(QUOTES, Answer(body={"quotes": {"A": QUOTE}}))
    stub.script(TRADES, Answer(body={"trades": {"A": {**TRADE, "p": 1e300}}}))
    assert dict(data(stub.url).quotes(["A"]).trades) == {}


def test_a_plan_without_the_feed_is_no_reason_to_read_the_keys_anew(stub: Stub) -> None:
    read: list[str] = []

    def renew() -> tuple[str, str]:
        read.append("again")
        return "key", "secret"

    words = "subscription does not permit querying recent SIP data"
    stub.script(BARS, Answer(403, {"message": words}))
    vendor = data(stub.url, renew=renew)
    with pytest.raises(MarketDataUnavailable, match="ALPACA_DATA_FEED"):
        vendor.bars(["AAA"], START, END)
    assert read == []


def test_keys_that_are_refused_name_the_setting_that_chose_them(stub: Stub) -> None:
    stub.keys = {"another": "PA-OTHER"}
    with pytest.raises(MarketDataUnavailable, match="DATA_ACCOUNT"):
        data(stub.url).quotes(["AAA"])
