"""The feed server over real HTTP: a recording's news as its feeds showed it at the clock's time."""

import html
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import feedparser
import pytest

from ops_local import synthetic
from ops_local.feeds.odd_answers import ODD_ANSWERS, OddAnswerName
from ops_local.feeds.server import NEWEST, VIX, FeedServer, previous_session_day
from ops_local.recordings.recording import InvalidRecording, RecordedNewsItem, Recording
from ops_pipeline.adapters.feed_parser import parse_feed
from ops_pipeline.adapters.vix import VixCsv
from ops_pipeline.errors import FeedUnavailable
from tests.support.fakes import regular_session
from tests.support.feed_server import LOOPBACK

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TRICKY = "Profit <b>doubles</b> at A&B \u2013 \u201cwow\u201d ]]> \x07 \u2603"


class Clock:
    """Stands where a test puts it."""

    def __init__(self) -> None:
        self.now = OPEN

    def __call__(self) -> datetime:
        return self.now


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def titles(self) -> list[str]:
        return [str(entry.title) for entry in self.parsed.entries]

    @property
    def parsed(self) -> Any:
        return feedparser.parse(self.body, sanitize_html=False)


def connect(server: FeedServer) -> http.client.HTTPConnection:
    """A line to the server as the proxy of its feeds' addresses."""
    parts = urlsplit(server.proxy_url)
    return http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=5)


def get(server: FeedServer, url: str, **headers: str) -> Answer:
    with closing(connect(server)) as line:
        line.request("GET", url, headers={k.replace("_", "-"): v for k, v in headers.items()})
        return Answer(line.getresponse())


def item(feed: str, number: int, **changed: Any) -> RecordedNewsItem:
    at = OPEN + number * MINUTE
    base = RecordedNewsItem(
        feed=feed,
        guid=f"tag:{feed}:{number}",
        title=f"{feed} says {number}",
        link=f"https://www.{feed}.example/{number}?a=1&b=2",
        summary=f"More on <i>{number}</i> & so on",
        published_at=at - MINUTE,
        available_at=at,
    )
    return replace(base, **changed)


def a_recording(folder: Path, news: list[RecordedNewsItem]) -> Recording:
    return Recording(
        folder=folder,
        day=date(2026, 2, 4),
        tickers=("AAA",),
        synthetic=True,
        source="a test",
        vix_previous_close=16.7,
        bars={"AAA": []},
        quotes={"AAA": []},
        news=news,
    )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(tmp_path: Path, clock: Clock) -> Iterator[FeedServer]:
    news = [item(feed, number) for feed in ("one", "three", "two") for number in range(3)]
    with FeedServer(a_recording(tmp_path, news), clock) as running:
        yield running


def test_an_item_is_invisible_before_its_feed_served_it(server: FeedServer, clock: Clock) -> None:
    clock.now = OPEN - MINUTE
    assert get(server, server.feeds["one"]).titles == []
    clock.now = OPEN
    assert get(server, server.feeds["one"]).titles == ["one says 0"]
    clock.now = OPEN + 2 * MINUTE
    assert get(server, server.feeds["one"]).titles == ["one says 2", "one says 1", "one says 0"]


def test_the_feeds_come_in_all_three_formats(server: FeedServer) -> None:
    versions = {name: get(server, url).parsed.version for name, url in server.feeds.items()}
    assert versions == {"one": "rss20", "three": "atom10", "two": "rss10"}


@pytest.mark.parametrize("name", ["one", "three", "two"])
def test_every_format_carries_the_whole_item(server: FeedServer, name: str) -> None:
    entry = get(server, server.feeds[name]).parsed.entries[0]
    assert entry.id == f"tag:{name}:0"
    assert entry.link == f"https://www.{name}.example/0?a=1&b=2"
    assert entry.summary == "More on <i>0</i> & so on"
    moment = entry.get("published_parsed") or entry.updated_parsed
    assert moment[:6] == (2026, 2, 4, 14, 29, 0)


@pytest.mark.parametrize("name", ["one", "three", "two"])
def test_tricky_titles_and_missing_parts_stay_well_formed(
    tmp_path: Path, clock: Clock, name: str
) -> None:
    bare = {"guid": None, "link": None, "summary": None, "published_at": None}
    news = [item(feed, 0, title=TRICKY, **bare) for feed in ("one", "three", "two")]
    with FeedServer(a_recording(tmp_path, news), clock) as server:
        parsed = get(server, server.feeds[name]).parsed
    assert not parsed.bozo
    (entry,) = parsed.entries
    # feedparser escapes a bare "&" in what looks like HTML to it.
    assert html.unescape(entry.title) == TRICKY.replace("\x07", "")
    assert not {"id", "link", "summary", "published", "updated"} & set(entry)


def test_only_the_newest_items_are_kept_on_a_feed(tmp_path: Path, clock: Clock) -> None:
    news = [item("one", -number) for number in range(NEWEST + 5)]
    with FeedServer(a_recording(tmp_path, news), clock) as server:
        titles = get(server, server.feeds["one"]).titles
    assert len(titles) == NEWEST
    assert titles[0] == "one says 0"
    assert titles[-1] == f"one says {1 - NEWEST}"


def test_an_unchanged_feed_answers_304_to_its_etag_and_to_its_time(
    server: FeedServer, clock: Clock
) -> None:
    url = server.feeds["one"]
    first = get(server, url)
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert modified == "Wed, 04 Feb 2026 14:30:00 GMT"
    for condition in ({"If_None_Match": etag}, {"If_Modified_Since": modified}):
        answer = get(server, url, **condition)
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == etag
    clock.now += MINUTE
    for condition in ({"If_None_Match": etag}, {"If_Modified_Since": modified}):
        assert get(server, url, **condition).status == 200


def test_an_etag_outweighs_a_time(server: FeedServer) -> None:
    url = server.feeds["one"]
    modified = get(server, url).headers["Last-Modified"]
    assert get(server, url, If_None_Match='"other"', If_Modified_Since=modified).status == 200


def test_nothing_in_an_answer_depends_on_the_wall_clock(server: FeedServer) -> None:
    answers = [get(server, server.feeds["one"]) for _ in range(2)]
    assert "Date" not in answers[0].headers
    assert answers[0].body == answers[1].body
    assert answers[0].headers.items() == answers[1].headers.items()


@pytest.mark.parametrize("kind", get_args(OddAnswerName))
def test_a_feed_may_answer_with_what_is_no_feed_and_the_others_go_on(
    server: FeedServer, kind: OddAnswerName
) -> None:
    before = get(server, server.feeds["one"])
    server.answer_oddly("one", kind)
    odd = get(server, server.feeds["one"], If_None_Match=before.headers["ETag"])
    assert (odd.status, odd.body) == (ODD_ANSWERS[kind].status, ODD_ANSWERS[kind].body)
    assert get(server, server.feeds["two"]).titles == ["two says 0"]
    server.answer_oddly("one", None)
    assert get(server, server.feeds["one"]).body == before.body


@pytest.mark.parametrize("kind", ["block_page", "empty", "json"])
def test_our_reader_takes_none_of_them_for_a_feed(server: FeedServer, kind: OddAnswerName) -> None:
    server.answer_oddly("one", kind)
    odd, url = get(server, server.feeds["one"]), server.feeds["one"]
    with pytest.raises(FeedUnavailable):
        parse_feed(odd.body, content_type=odd.headers["Content-Type"], url=url, most_entries=NEWEST)


@pytest.mark.parametrize("kind", get_args(OddAnswerName))
def test_a_vix_file_that_fails_until_later_is_read_then(
    server: FeedServer, kind: OddAnswerName
) -> None:
    source = VixCsv(server.vix_url, LOOPBACK)
    server.answer_oddly(VIX, kind)
    with pytest.raises(FeedUnavailable):
        source.readings(regular_session(date(2026, 2, 3)))
    server.answer_oddly(VIX, None)
    assert [reading.close for reading in source.readings(regular_session(date(2026, 2, 3)))] == [
        16.7
    ]


def test_an_unknown_path_is_404(server: FeedServer) -> None:
    assert get(server, server.vix_url + "x").status == 404


def test_a_kept_connection_answers_at_once(server: FeedServer) -> None:
    """Without TCP_NODELAY each answer but the first would take some 40 ms."""
    with closing(connect(server)) as line:
        waits = []
        for _ in range(20):
            started = time.perf_counter()
            line.request("GET", server.feeds["one"])
            assert Answer(line.getresponse()).status == 200
            waits.append(time.perf_counter() - started)
    assert sorted(waits)[10] < 0.02


def test_leaving_the_block_ends_every_thread_though_a_client_stays(
    tmp_path: Path, clock: Clock
) -> None:
    before = set(threading.enumerate())
    with FeedServer(a_recording(tmp_path, [item("one", 0)]), clock) as server:
        line = connect(server)
        line.request("GET", server.feeds["one"])
        assert Answer(line.getresponse()).status == 200
    assert set(threading.enumerate()) <= before
    line.close()


def test_what_a_feed_really_served_is_served_again_byte_for_byte(
    tmp_path: Path, clock: Clock
) -> None:
    folder = tmp_path / "feeds" / "wire"
    folder.mkdir(parents=True)
    (folder / "20260204T143000.xml").write_bytes(b"<rss>first</rss>")
    (folder / "20260204T143100.xml").write_bytes(b"<rss>broken")
    with FeedServer(a_recording(tmp_path, [item("one", 0)]), clock) as server:
        assert set(server.feeds) == {"wire"}
        clock.now = OPEN - MINUTE
        assert get(server, server.feeds["wire"]).status == 503
        clock.now = OPEN + MINUTE / 2
        assert get(server, server.feeds["wire"]).body == b"<rss>first</rss>"
        clock.now = OPEN + MINUTE
        answer = get(server, server.feeds["wire"])
    assert answer.body == b"<rss>broken"
    assert answer.headers["Last-Modified"] == "Wed, 04 Feb 2026 14:31:00 GMT"


def test_a_served_file_without_a_time_in_its_name_is_refused(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "feeds" / "wire").mkdir(parents=True)
    (tmp_path / "feeds" / "wire" / "latest.xml").write_bytes(b"<rss/>")
    with pytest.raises(InvalidRecording, match="20260204T143100"):
        FeedServer(a_recording(tmp_path, []), clock)


def test_the_vix_file_has_the_row_of_the_session_before(server: FeedServer) -> None:
    answer = get(server, server.vix_url)
    assert answer.body.decode().splitlines() == [
        "DATE,OPEN,HIGH,LOW,CLOSE",
        "02/03/2026,16.700000,16.700000,16.700000,16.700000",
    ]
    assert get(server, server.vix_url, If_None_Match=answer.headers["ETag"]).status == 304


def test_an_unknown_vix_is_no_row_at_all(tmp_path: Path, clock: Clock) -> None:
    unknown = replace(a_recording(tmp_path, []), vix_previous_close=None)
    with FeedServer(unknown, clock) as server:
        assert get(server, server.vix_url).body == b"DATE,OPEN,HIGH,LOW,CLOSE\r\n"


@pytest.mark.parametrize(
    ("day", "before"),
    [
        (date(2026, 2, 4), date(2026, 2, 3)),
        (date(2026, 2, 17), date(2026, 2, 13)),  # Presidents' Day and a weekend between
        (date(2026, 1, 2), date(2025, 12, 31)),
        (date(2025, 11, 29), date(2025, 11, 28)),  # closes early, but opens
    ],
)
def test_the_session_before_skips_weekends_and_holidays(day: date, before: date) -> None:
    assert previous_session_day(day) == before


def test_a_generated_day_is_served_whole_in_the_end(tmp_path: Path, clock: Clock) -> None:
    session = synthetic.generate(tmp_path, n_tickers=5)
    seen: set[tuple[str, str]] = set()
    with FeedServer(session, clock) as server:
        assert len(server.feeds) == 5
        for hour in range(9, 26):
            clock.now = datetime(2026, 2, 4, tzinfo=UTC) + timedelta(hours=hour)
            for name, url in server.feeds.items():
                answer = get(server, url)
                assert not answer.parsed.bozo
                seen |= {(name, title) for title in answer.titles}
    assert seen == {(item.feed, item.title) for item in session.news}
