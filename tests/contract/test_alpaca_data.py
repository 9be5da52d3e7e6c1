"""The market data adapter against the paper exchange, and against answers no exchange gives."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.domain.bars import fault
from ops_pipeline.domain.market import MINUTE, Bar, Quote, Trade
from ops_pipeline.errors import MarketDataUnavailable
from tests.contract.paper_street import LARGE, Minute, at, open_exchange
from tests.contract.stub_broker import Answer, Stub, serving

BARS, QUOTES = "GET /v2/stocks/bars", "GET /v2/stocks/quotes/latest"
TRADES = "GET /v2/stocks/trades/latest"
START = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
END = START + timedelta(minutes=10)


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """At 10:31; AAA traded before the open, and moved at 10:15."""
    changes = {
        ("AAA", "08:00"): Minute(bid="9.90", ask="9.99", volume=7),
        ("AAA", "10:15"): Minute(bid="10.40", ask="10.41"),
        ("BBB", "10:30"): Minute(bid="0", ask="10.02"),
    }
    with open_exchange(tmp_path_factory.mktemp("data"), changes) as running:
        running.set_clock(at("10:31"))
        yield running


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


def adapter(url: str) -> AlpacaMarketData:
    return AlpacaMarketData(url=url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed="iex")


def item(**changes: Any) -> dict[str, Any]:
    """A bar as Alpaca writes it."""
    bar = {"t": "2026-02-04T14:30:00Z", "o": 10.5, "h": 11, "l": 10.25, "c": 10.75, "v": 300}
    return {**bar, "n": 3, "vw": 10.6, **changes}


def page(token: str | None = None, **bars: Any) -> Answer:
    return Answer(body={"bars": bars, "next_page_token": token})


def test_bars_come_with_start_included_and_end_excluded(exchange: RunningExchange) -> None:
    found = adapter(exchange.url).bars(["AAA", "BBB"], at("10:14"), at("10:16"))
    assert [(bar.ticker, bar.ts, bar.close) for bar in found] == [
        ("AAA", at("10:14"), Decimal("10.0")),
        ("AAA", at("10:15"), Decimal("10.4")),
        ("BBB", at("10:14"), Decimal("10.0")),
        ("BBB", at("10:15"), Decimal("10.0")),
    ]


def test_the_pre_market_is_part_of_the_day(exchange: RunningExchange) -> None:
    first = adapter(exchange.url).bars(["AAA"], at("04:00"), at("10:31"))[0]
    price = Decimal("9.9")
    assert first == Bar("AAA", at("08:00"), price, price, price, price, 7)


def test_a_minute_nobody_has_seen_yet_is_not_there(exchange: RunningExchange) -> None:
    found = adapter(exchange.url).bars(["AAA"], at("10:30"), at("11:00"))
    assert [bar.ts for bar in found] == [at("10:30")]


def test_quotes_come_with_both_sides_and_an_empty_side_is_zero(exchange: RunningExchange) -> None:
    found = adapter(exchange.url).quotes(["AAA", "BBB", "ZZZ"])
    assert sorted(found) == ["AAA", "BBB"]
    assert (found["AAA"].bid, found["AAA"].ask) == (Decimal("10.0"), Decimal("10.02"))
    assert found["AAA"].usable
    assert (found["BBB"].bid, found["BBB"].usable) == (Decimal(0), False)


def test_the_last_trade_comes_beside_the_quote(exchange: RunningExchange) -> None:
    found = adapter(exchange.url).quotes(["AAA", "ZZZ"])
    assert dict(found.trades) == {"AAA": Trade("AAA", at("10:31"), Decimal("10.0"))}
    assert found.trades_error is None


def test_a_trade_that_was_taken_back_is_none(stub: Stub) -> None:
    quoted = {"t": "2026-02-04T14:31:00Z", "bp": 10, "bs": 1, "ap": 10.02, "as": 1}
    told = {"t": "2026-02-04T14:31:00Z", "p": 10.01}
    stub.script(QUOTES, Answer(body={"quotes": dict.fromkeys("ABCDE", quoted)}))
    trades = {
        "A": told,
        "B": {**told, "u": "canceled"},
        "C": {**told, "p": "n/a"},
        "D": None,
        "E": {**told, "t": "soon"},
    }
    stub.script(TRADES, Answer(body={"trades": trades}))
    found = adapter(stub.url).quotes(list("ABCDE"))
    assert (len(found), list(found.trades)) == (5, ["A"])


def test_quotes_are_read_without_trades_where_those_cannot_be(stub: Stub) -> None:
    quoted = {"t": "2026-02-04T14:31:00Z", "bp": 10, "bs": 1, "ap": 10.02, "as": 1}
    stub.script(QUOTES, Answer(body={"quotes": {"A": quoted}}))
    stub.script(TRADES, Answer(403, {"message": "not in your plan"}))
    found = adapter(stub.url).quotes(["A"])
    assert (list(found), dict(found.trades)) == (["A"], {})
    assert "not in your plan" in str(found.trades_error)


def test_wrong_keys_are_an_error_and_not_an_empty_market(exchange: RunningExchange) -> None:
    stranger = AlpacaMarketData(url=exchange.url, key_id="x", secret_key="y", feed="iex")
    with pytest.raises(MarketDataUnavailable):
        stranger.bars(["AAA"], at("10:00"), at("10:30"))


def test_pages_are_followed_to_the_last(stub: Stub) -> None:
    later = item(t="2026-02-04T14:31:00Z")
    stub.script(BARS, page("next", AAA=[item()]), page(AAA=[later], BBB=[item()]))
    found = adapter(stub.url).bars(["AAA", "BBB"], START, END)
    assert [(bar.ticker, bar.ts) for bar in found] == [
        ("AAA", START),
        ("AAA", START + MINUTE),
        ("BBB", START),
    ]
    assert [query.get("page_token") for query in stub.queries] == [None, "next"]


def test_the_question_names_feed_adjustment_and_an_end_that_excludes_the_next_minute(
    stub: Stub,
) -> None:
    stub.script(BARS, page())
    assert adapter(stub.url).bars(["AAA", "BBB"], START, END) == []
    assert stub.queries == [
        {
            "symbols": "AAA,BBB",
            "timeframe": "1Min",
            "start": "2026-02-04T14:30:00Z",
            "end": "2026-02-04T14:39:59Z",
            "limit": "10000",
            "adjustment": "raw",
            "feed": "iex",
        }
    ]


def test_many_tickers_are_asked_for_in_several_requests(stub: Stub) -> None:
    stub.script(BARS, page())
    tickers = [f"T{number}" for number in range(450)]
    adapter(stub.url).bars(tickers, START, END)
    asked = [query["symbols"].split(",") for query in stub.queries]
    assert [ticker for symbols in asked for ticker in symbols] == tickers
    assert len(asked) == 3


def test_nothing_is_asked_for_no_ticker_and_for_no_time(stub: Stub) -> None:
    assert adapter(stub.url).bars([], START, END) == []
    assert adapter(stub.url).bars(["AAA"], START, START) == []
    assert adapter(stub.url).quotes([]) == {}
    assert stub.asked.total() == 0


def test_prices_keep_their_decimals(stub: Stub) -> None:
    stub.script(BARS, page(AAA=[item(o=645.57, h=645.57, l=0.0001, c=92.42)]))
    (bar,) = adapter(stub.url).bars(["AAA"], START, END)
    assert (bar.open, bar.low, bar.close) == (
        Decimal("645.57"),
        Decimal("0.0001"),
        Decimal("92.42"),
    )


def test_a_price_that_is_no_number_spoils_its_own_bar_alone(stub: Stub) -> None:
    stub.script(BARS, page(AAA=[item(c=None), item(t="2026-02-04T14:31:00Z")]))
    spoilt, sound = adapter(stub.url).bars(["AAA"], START, END)
    assert (fault(spoilt), fault(sound)) == ("a price is no number", None)


def test_times_to_the_nanosecond_are_read(stub: Stub) -> None:
    quote = {"t": "2026-02-04T14:30:07.286587431Z", "bp": 10, "bs": 2, "ap": 10.5, "as": 1}
    stub.script(QUOTES, Answer(body={"quotes": {"AAA": quote, "BBB": None}}))
    seen = datetime(2026, 2, 4, 14, 30, 7, 286587, tzinfo=UTC)
    assert adapter(stub.url).quotes(["AAA", "BBB"]) == {
        "AAA": Quote("AAA", seen, Decimal(10), 2, Decimal("10.5"), 1)
    }


@pytest.mark.parametrize(
    "answer",
    [
        Answer(429, {"message": "too many requests"}),
        Answer(500, b"<html>oops</html>"),
        Answer(200, b"<html>hello</html>"),
        Answer(200, b""),
        Answer(200, ["a list"]),
        Answer(200, {"message": "no such thing"}),
        Answer(200, {"bars": ["a list"]}),
        Answer(200, {"bars": {"AAA": 7}}),
        Answer(200, {"bars": {"AAA": [{"t": "2026-02-04T14:30:00Z"}]}}),
        Answer(200, {"bars": {"AAA": [item(t="yesterday")]}}),
        Answer(200, {"bars": {"AAA": [item(v=None)]}}),
        Answer(200, {"bars": {"AAA": [item()]}, "next_page_token": None}, cut=20),
        Answer(hangs_up=True),
    ],
    ids=lambda answer: str(answer.body)[:40],
)
def test_an_answer_that_cannot_be_read_is_an_error_and_never_an_empty_market(
    stub: Stub, answer: Answer
) -> None:
    stub.script(BARS, answer)
    with pytest.raises(MarketDataUnavailable):
        adapter(stub.url).bars(["AAA"], START, END)


def test_a_refusal_is_told_in_alpacas_words_and_not_tried_again(stub: Stub) -> None:
    stub.script(BARS, Answer(429, {"message": "too many requests"}))
    with pytest.raises(MarketDataUnavailable, match="too many requests"):
        adapter(stub.url).bars(["AAA"], START, END)
    assert stub.asked[BARS] == 1


def test_a_connection_that_died_meanwhile_is_opened_again(stub: Stub) -> None:
    stub.script(BARS, page(AAA=[item()]), Answer(hangs_up=True), page(AAA=[item()]))
    market = adapter(stub.url)
    assert len(market.bars(["AAA"], START, END)) == 1
    assert len(market.bars(["AAA"], START, END)) == 1


def test_a_server_that_is_not_there_is_an_error() -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(MarketDataUnavailable):
        adapter(url).bars(["AAA"], START, END)
