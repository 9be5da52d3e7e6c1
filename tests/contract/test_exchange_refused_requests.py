"""429, a plan without the feed, an invalid symbol, a 404: what is asked again and what is said."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from ops_local.exchange.launcher import RunningExchange
from ops_pipeline.adapters import alpaca_wire
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.bounds.rate_limit import Pause, retry_after_s
from ops_pipeline.errors import BrokerUnavailable, MarketDataUnavailable
from tests.contract.paper_street import LARGE, at, open_exchange
from tests.contract.stub_broker import ACCOUNT_NUMBER, Answer, Stub, serving

BARS, QUOTES = "GET /v2/stocks/bars", "GET /v2/stocks/quotes/latest"
START = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
END = datetime(2026, 2, 4, 14, 40, tzinfo=UTC)
BAR = {"t": "2026-02-04T14:30:00Z", "o": 10.5, "h": 11, "l": 10.25, "c": 10.75, "v": 300}
BUSY = {"message": "too many requests."}


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path_factory.mktemp("refused"), {}) as running:
        running.set_clock(at("10:31"))
        yield running


@pytest.fixture
def rested(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited; nobody waits for it here."""
    waits: list[float] = []
    clock = [0.0]

    def rest(seconds: float) -> None:
        waits.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(alpaca_wire, "Pause", lambda: Pause(5.0, lambda: clock[0], rest))
    return waits


def data(url: str, feed: Any = "iex") -> AlpacaMarketData:
    return AlpacaMarketData(url=url, key_id=LARGE.key_id, secret_key=LARGE.secret_key, feed=feed)


def bars_of(*tickers: str) -> Answer:
    return Answer(body={"bars": {it: [BAR] for it in tickers}, "next_page_token": None})


def test_a_429_that_says_how_long_is_waited_for_and_asked_again(
    stub: Stub, rested: list[float]
) -> None:
    stub.script(BARS, Answer(429, BUSY, headers={"Retry-After": "2"}), bars_of("AAA"))
    assert len(data(stub.url).bars(["AAA"], START, END)) == 1
    assert rested == [pytest.approx(2.0)]


def test_one_that_lasts_longer_than_the_run_has_is_left_alone_until_it_is_over(
    stub: Stub, rested: list[float]
) -> None:
    stub.script(BARS, Answer(429, BUSY, headers={"Retry-After": "40"}))
    vendor = data(stub.url)
    with pytest.raises(MarketDataUnavailable, match=r"429: too many requests\."):
        vendor.bars(["AAA"], START, END)
    with pytest.raises(MarketDataUnavailable, match="asked to wait for 40 s more"):
        vendor.bars(["AAA"], START, END)
    assert (stub.asked[BARS], rested) == (1, [])


def test_one_that_says_nothing_is_not_asked_again(stub: Stub, rested: list[float]) -> None:
    stub.script(BARS, Answer(429, BUSY))
    with pytest.raises(MarketDataUnavailable, match="429: too many requests"):
        data(stub.url).bars(["AAA"], START, END)
    assert (stub.asked[BARS], rested) == (1, [])


def test_a_broker_s_429_is_waited_for_by_reads_alone(stub: Stub, rested: list[float]) -> None:
    broker = AlpacaBroker(stub.url, "key", "secret", ACCOUNT_NUMBER)
    busy = Answer(429, BUSY, headers={"Retry-After": "3"})
    stub.script("GET /v2/positions", busy, Answer(body=[]))
    assert broker.positions() == []
    assert rested == [pytest.approx(3.0)]


def test_threads_that_ask_side_by_side_wait_together_and_within_one_patience() -> None:
    clock, waits = [0.0], list[float]()
    pause = Pause(5.0, lambda: clock[0], waits.append)
    pause.begin(4)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: pause.passed(), range(8)))
    assert waits == [4.0] * 8
    clock[0] = 4.0
    pause.begin(2)
    assert not pause.passed()
    clock[0] = 60.0
    pause.begin(2)
    assert pause.passed()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "86400"}, 60),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Wed, 04 Feb 2026 14:30:09 GMT"}, 9),
        ({"X-RateLimit-Reset": "1770215412"}, 12),
        ({"X-RateLimit-Reset": "1"}, 0),
        ({"X-RateLimit-Reset": "²"}, None),
        ({}, None),
    ],
)
def test_how_long_an_answer_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    dated = {"Date": "Wed, 04 Feb 2026 14:30:00 GMT", **headers}
    assert retry_after_s(dated) == seconds


def test_a_plan_without_the_feed_is_named_with_the_setting(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "no_subscription"}])
    with pytest.raises(MarketDataUnavailable) as refused:
        data(exchange.url, "sip").quotes(["AAA"])
    said = str(refused.value)
    assert "subscription does not permit querying recent SIP data" in said
    assert "ALPACA_DATA_FEED" in said
    assert "feed sip" in said
    exchange.set_faults([])


def test_one_invalid_symbol_costs_no_other_its_bars_or_quotes(exchange: RunningExchange) -> None:
    exchange.set_faults([{"kind": "invalid_symbol", "symbol": "ZZZ"}])
    vendor = data(exchange.url)
    bars = vendor.bars(["AAA", "BBB", "ZZZ"], at("10:25"), at("10:30"))
    assert {bar.ticker for bar in bars} == {"AAA", "BBB"}
    (odd,) = bars.illegible
    assert (odd.symbol, odd.kind) == ("ZZZ", "bar")
    assert "invalid symbol: ZZZ" in odd.reason
    quotes = vendor.quotes(["AAA", "BBB", "ZZZ"])
    assert set(quotes) == set(quotes.trades) == {"AAA", "BBB"}
    assert [it.symbol for it in quotes.illegible] == ["ZZZ"]
    exchange.set_faults([])


@pytest.mark.parametrize("words", ["invalid symbol", "invalid symbols: something of yours"])
def test_a_refusal_that_names_no_symbol_is_halved_until_it_is_found(
    stub: Stub, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickers = [f"T{chr(65 + number)}" for number in range(20)]

    def answer(request: str, _key: str | None = None) -> Answer:
        asked = stub.sent[-1].query["symbols"].split(",")
        stub.asked[request] += 1
        bad = {"TC", "TR"} & set(asked)
        return Answer(400, {"message": words}) if bad else bars_of(*asked)

    monkeypatch.setattr(stub, "next_answer", answer)
    found = data(stub.url).bars(tickers, START, END)
    assert {bar.ticker for bar in found} == set(tickers) - {"TC", "TR"}
    assert sorted(it.symbol or "" for it in found.illegible) == ["TC", "TR"]
    assert stub.asked[BARS] <= 20


def test_a_404_keeps_the_broker_s_words(stub: Stub) -> None:
    broker = AlpacaBroker(stub.url, "key", "secret", ACCOUNT_NUMBER)
    stub.script("GET /v2/positions", Answer(404, {"code": 40410000, "message": "no such page"}))
    with pytest.raises(BrokerUnavailable, match="no such page"):
        broker.positions()


def test_an_account_that_is_not_there_is_not_taken_for_an_order_that_is_not(
    stub: Stub,
) -> None:
    stub.script("GET /v2/account", Answer(404, {"code": 40410000, "message": "account not found"}))
    broker = AlpacaBroker(stub.url, "key", "secret", ACCOUNT_NUMBER)
    with pytest.raises(BrokerUnavailable, match="account not found"):
        broker.order_by_client_id("ours")


def test_keys_that_another_thread_has_read_anew_are_used(stub: Stub) -> None:
    stub.keys = {"new": ACCOUNT_NUMBER}
    stub.script(BARS, bars_of("AAA"))
    vendor = AlpacaMarketData(
        url=stub.url, key_id="old", secret_key="s", feed="iex", renew=lambda: ("new", "s")
    )
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: vendor.bars(["AAA"], START, END), range(16)))
    assert [len(bars) for bars in found] == [1] * 16
