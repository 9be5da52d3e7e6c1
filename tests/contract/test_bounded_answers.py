"""Answers of broker, market data and volatility index: within bounds of size, depth and sense."""

import gzip
import json
import math
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from ops_pipeline.adapters import alpaca_wire
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.adapters.alpaca_wire import NoAnswer, RequestRefused, Wire
from ops_pipeline.adapters.bounds.bounded_answers import MOST_DEPTH, ExcessiveAnswer, bounded_json
from ops_pipeline.adapters.vix import VixCsv
from ops_pipeline.errors import FeedUnavailable, MarketDataUnavailable
from tests.contract.stub_broker import Answer, serving
from tests.support.fakes import regular_session
from tests.support.feed_server import LOOPBACK, FeedServer, Page, feed_server

LAST = regular_session(date(2026, 2, 3))
GZIP = {"Content-Encoding": "gzip"}
OVER = alpaca_wire.MOST_BYTES + 1


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def asked(server: FeedServer, page: Page) -> object:
    server.put("/v2/thing", page)
    return Wire(server.root, "key", "secret").ask("GET", "/thing", {})


EXCESSIVE = {
    "large": Page(json.dumps("a" * OVER).encode()),
    "unpacked": Page(gzip.compress(json.dumps("a" * 50 * OVER).encode()), headers=GZIP),
    "packed_twice": Page(
        gzip.compress(gzip.compress(b"a" * 50 * OVER)),
        headers={"Content-Encoding": "gzip, gzip"},
    ),
    "nothing_in_many_packets": Page(gzip.compress(b"") * (OVER // 20 + 1), headers=GZIP),
    "deep": Page(b"[" * 500_000),
    "deep_and_closed": Page(b"[" * 900 + b"]" * 900),
    "deep_objects": Page(b'{"a":' * 100 + b"1" + b"}" * 100),
    "damaged_packing": Page(b"no gzip at all", headers=GZIP),
    "damaged_deflate": Page(
        zlib.compress(bytes(range(256)))[:-200], headers={"Content-Encoding": "deflate"}
    ),
    "another_text": Page(b"<html>busy</html>"),
    "no_utf_8": Page(b'"\xff"'),
}


@pytest.mark.parametrize("name", EXCESSIVE)
def test_an_answer_out_of_bounds_is_no_answer_soon_and_of_a_known_kind(
    server: FeedServer, name: str
) -> None:
    began = time.process_time()
    with pytest.raises(NoAnswer):
        asked(server, EXCESSIVE[name])
    assert time.process_time() - began < 3


@pytest.mark.parametrize("name", ["large", "unpacked", "deep", "another_text"])
def test_a_refusal_out_of_bounds_is_a_refusal_without_words_or_no_answer(
    server: FeedServer, name: str
) -> None:
    page = EXCESSIVE[name]
    with pytest.raises((RequestRefused, NoAnswer)):
        asked(server, Page(page.body, status=422, headers=page.headers))


def test_an_answer_that_drips_for_ever_is_left(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_wire, "ANSWER_TIME_S", 0.3)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="took over"):
        asked(server, Page(b" " * 2_000, drip_s=0.02))
    assert time.monotonic() - began < 5


def test_headers_that_drip_for_ever_are_left(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_wire, "ANSWER_TIME_S", 0.3)
    began = time.monotonic()
    with pytest.raises(NoAnswer, match="took over"):
        asked(server, Page(b"{}", drip_headers_s=0.02))
    assert time.monotonic() - began < 3


def test_what_honest_servers_send_is_read_packed_or_not(server: FeedServer) -> None:
    assert asked(server, Page(b"")) is None
    assert asked(server, Page(b'{"a": [1]}')) == {"a": [1]}
    assert asked(server, Page(gzip.compress(b'{"a": [1]}'), headers=GZIP)) == {"a": [1]}


def test_deep_bars_are_market_data_that_is_not_there() -> None:
    with serving() as stub:
        stub.script("GET /v2/stocks/bars", Answer(body=b"[" * 100_000))
        data = AlpacaMarketData(url=stub.url, key_id="k", secret_key="s", feed="iex")
        start = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
        with pytest.raises(MarketDataUnavailable):
            data.bars(["AAPL"], start, start.replace(hour=15))


def test_the_bound_of_depth_is_exact() -> None:
    inside, over = (b"[" * n + b"]" * n for n in (MOST_DEPTH, MOST_DEPTH + 1))
    assert bounded_json(inside) is not None
    with pytest.raises(ExcessiveAnswer):
        bounded_json(over)


HEADER = b"DATE,OPEN,HIGH,LOW,CLOSE\n"


@pytest.mark.parametrize(
    "body",
    [
        HEADER + b"02/03/2026,17,19,16,0.01\n",
        HEADER + b"02/03/2026,17,19,16,4.99\n",
        HEADER + b"02/03/2026,17,19,16,201\n",
        HEADER + b"02/03/2026,17,19,16,inf\n",
        HEADER + b"02/03/2026,17,19,16,18.2\n02/03/2026,17,19,16,41\n",
        HEADER + b"02/03/2026,17,19,16," + b"1" * 200_000 + b"\n",
        HEADER + b"02/03/2026,17,19,16,18.2\n" * 200_000,
        b"DATE,CLOSE\n02/03/2026,18.2\n" + b"\0" * 10,
    ],
    ids=[
        "next_to_nothing",
        "too_low",
        "too_high",
        "endless",
        "twice",
        "long_field",
        "large",
        "nul",
    ],
)
def test_a_volatility_that_cannot_be_is_refused_with_all_of_its_file(
    server: FeedServer, body: bytes
) -> None:
    url = server.put("/vix.csv", Page(body))
    with pytest.raises(FeedUnavailable, match="VIX"):
        VixCsv(url, LOOPBACK).readings(LAST)


def test_a_packed_volatility_file_without_end_is_refused(server: FeedServer) -> None:
    url = server.put("/vix.csv", Page(gzip.compress(b"a" * 500_000_000, 1), headers=GZIP))
    with pytest.raises(FeedUnavailable, match="bytes"):
        VixCsv(url, LOOPBACK).readings(LAST)


def test_a_number_longer_than_any_costs_its_own_item_alone() -> None:
    """Python reads no integer of over 4,300 digits: the whole answer would be lost."""
    found = bounded_json(b'{"large": %b, "small": 7}' % (b"9" * 5_000))
    assert found["small"] == 7
    assert not math.isfinite(found["large"])
