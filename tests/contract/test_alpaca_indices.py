"""The volatility index from Alpaca: one session's close, or a refusal that says why."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from ops_pipeline.adapters.alpaca_indices import AlpacaVix
from ops_pipeline.errors import FeedUnavailable
from ops_pipeline.ports import VixReading
from tests.contract.published import DATA, complaints, require_published
from tests.contract.stub_broker import Answer, Stub, serving
from tests.support.fakes import regular_session

LAST = regular_session(date(2026, 2, 3))
ROUTE = "GET /v1beta1/indices/values"


@pytest.fixture
def stub() -> Iterator[Stub]:
    with serving() as running:
        yield running


def value(minutes: float, level: Any, *, next_page_token: str | None = None) -> Answer:
    """One value, so many minutes after the close of stocks."""
    at = (LAST.closes_at + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    values = {"VIX": [{"t": at, "v": level}]}
    return Answer(body={"values": values, "next_page_token": next_page_token})


def asked(stub: Stub, *answers: Answer, renew: Any = None) -> list[VixReading]:
    stub.script(ROUTE, *answers)
    index = AlpacaVix(url=stub.url, key_id="key", secret_key="secret", renew=renew)
    return index.readings(LAST)


def test_the_last_value_before_the_index_ends_is_the_close_of_that_session(stub: Stub) -> None:
    assert asked(stub, value(14.9, 18.45)) == [VixReading(LAST.day, 18.45)]
    (query,) = stub.queries
    assert query == {
        "symbols": "VIX",
        "start": "2026-02-03T20:45:00Z",
        "end": "2026-02-03T21:15:00Z",
        "limit": "1",
        "sort": "desc",
    }


def test_the_answer_of_this_test_is_one_that_the_published_api_gives() -> None:
    require_published()
    assert complaints(DATA, "index_values_resp", value(14.9, 18.45).body) == []


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(403, {"message": "your plan has no indices"}), "your plan has no indices"),
        (Answer(404, {"message": "Not Found"}), "Not Found"),
        (Answer(429, {"message": "too many requests"}), "too many"),
        (Answer(500, b"oops"), "without legible words"),
        (Answer(body={"values": {}, "next_page_token": None}), "has no value"),
        (Answer(body={"values": {"VIX": []}, "next_page_token": None}), "has no value"),
        (Answer(body=[]), "has no value"),
        (value(14.9, "18.45"), "not legible"),
        (value(14.9, True), "not legible"),
        (value(14.9, 0.01), "out of all bounds"),
        (value(14.9, 900), "out of all bounds"),
        (value(-16, 18.45), "is of 2026-02-03 20:44"),
        (value(24 * 60, 18.45), "is of 2026-02-04"),
        (Answer(hangs_up=True), "Alpaca"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_is_no_close_of_that_session_is_refused_by_name(
    stub: Stub, answer: Answer, why: str
) -> None:
    with pytest.raises(FeedUnavailable, match=why):
        asked(stub, answer)


def test_refused_keys_are_read_again_once(stub: Stub) -> None:
    refused = Answer(401, {"message": "request is not authorized"})
    fresh = value(14.9, 18.45)
    assert asked(stub, refused, fresh, renew=lambda: ("new", "pair"))[0].close == 18.45
    with pytest.raises(FeedUnavailable, match="not authorized"):
        asked(stub, refused, renew=lambda: ("key", "secret"))
