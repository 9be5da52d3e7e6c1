"""The volatility index's CSV, whole or refused."""

from collections.abc import Iterator
from datetime import date

import pytest

from ops_pipeline.adapters.vix import VixCsv
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading
from tests.contract.stub_broker import Answer, Stub, serving
from tests.support.fakes import regular_session
from tests.support.feed_server import LOOPBACK

HEADER = b"DATE,OPEN,HIGH,LOW,CLOSE\n"
LAST = regular_session(date(2026, 2, 3))
PATH = "/VIX_History.csv"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


def readings(stub: Stub, answer: Answer) -> list[VixReading]:
    stub.script(f"GET {PATH}", answer)
    return VixCsv(stub.url + PATH, LOOPBACK).readings(LAST)


@pytest.mark.parametrize("lines", [b"02/03/2026,17,19,16,18.2\n", b"2026-02-03,17,19,16,18.2\n"])
def test_a_day_is_read_the_american_way_and_the_iso_way(stub: Stub, lines: bytes) -> None:
    assert readings(stub, Answer(body=HEADER + lines)) == [VixReading(date(2026, 2, 3), 18.2)]


def test_readings_come_oldest_first(stub: Stub) -> None:
    lines = b"02/03/2026,1,1,1,18.2\n12/31/2025,1,1,1,14.5\n"
    days = [reading.day for reading in readings(stub, Answer(body=HEADER + lines))]
    assert days == [date(2025, 12, 31), date(2026, 2, 3)]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, b"busy"),
        Answer(200, b"<html>moved</html>\n<p>here</p>"),
        Answer(200, HEADER + b"02/03/2026,17,19,16,n/a\n"),
        Answer(200, HEADER + b"31/12/2025,17,19,16,18.2\n"),
        Answer(200, HEADER + b"02/03/2026,17\n"),
        Answer(200, HEADER + b"02/03/2026,17,19,16,0\n"),
        Answer(200, HEADER + b"02/03/2026,17,19,16,nan\n"),
        Answer(200, HEADER + b"02/03/2026,17,19,16,18.2\n", cut=30),
        Answer(200, b"\xff\xfe"),
        Answer(hangs_up=True),
    ],
    ids=lambda answer: str(answer.body)[-24:],
)
def test_half_a_history_never_passes_for_the_whole(stub: Stub, answer: Answer) -> None:
    with pytest.raises(FeedUnavailable):
        readings(stub, answer)
