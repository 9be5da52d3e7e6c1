"""The feed adapter against a real server on loopback, kind and unkind."""

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Thread

import pytest

from ops_pipeline.adapters import feed_bounds
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.errors import FeedUnavailable
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.halt_pages import nyse

STAMP = "Wed, 04 Feb 2026 09:30:00 -0500"


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


def state(url: str, **known: str) -> FeedState:
    return FeedState(url=url, source="Wire", **known)  # type: ignore[arg-type] # validators only


def test_an_item_comes_with_its_guid_link_texts_and_utc_time(server: FeedServer) -> None:
    body = rss(
        item(
            "Boeing wins order",
            guid="b-1",
            link="https://wire.example/b/1",
            published=STAMP,
            summary="A large one.",
        )
    )
    (entry,) = local_feed().fetch(state(server.put("/f", Page(body)))).entries
    assert (entry.guid, entry.link) == ("b-1", "https://wire.example/b/1")
    assert (entry.title, entry.summary) == ("Boeing wins order", "A large one.")
    assert entry.published_at == datetime(2026, 2, 4, 14, 30, tzinfo=UTC)


def test_what_a_feed_does_not_say_is_none_and_not_invented(server: FeedServer) -> None:
    body = rss(item("Only a title", published="sometime last week"), item(guid="only-a-guid"))
    first, second = local_feed().fetch(state(server.put("/f", Page(body)))).entries
    assert (first.guid, first.link, first.published_at) == (None, None, None)
    assert (second.guid, second.title, second.summary) == ("only-a-guid", None, None)


def test_an_atom_feed_is_read_like_any_other(server: FeedServer) -> None:
    body = b"""<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Wire</title>
    <entry><id>urn:x:1</id><title>Intel cuts outlook</title><link href="https://wire.example/i"/>
    <updated>2026-02-04T14:30:00Z</updated></entry></feed>"""
    (entry,) = local_feed().fetch(state(server.put("/f", Page(body)))).entries
    assert (entry.guid, entry.title) == ("urn:x:1", "Intel cuts outlook")
    assert entry.published_at == datetime(2026, 2, 4, 14, 30, tzinfo=UTC)


def test_a_feed_that_did_not_change_costs_a_304_and_no_entries(server: FeedServer) -> None:
    url = server.put("/f", Page(rss(item("News", guid="1")), etag='"v1"'))
    feed = local_feed()
    first = feed.fetch(state(url))
    assert (first.etag, first.not_modified, len(first.entries)) == ('"v1"', False, 1)
    again = feed.fetch(state(url, etag='"v1"', last_modified="Wed, 04 Feb 2026 14:00:00 GMT"))
    assert (again.not_modified, again.entries) == (True, ())
    asked = server.requests["/f"][1]
    assert asked["if-none-match"] == '"v1"'
    assert asked["if-modified-since"] == "Wed, 04 Feb 2026 14:00:00 GMT"


def test_a_compressed_answer_is_read(server: FeedServer) -> None:
    page = Page(gzip.compress(rss(item("News", guid="1"))), headers={"Content-Encoding": "gzip"})
    assert len(local_feed().fetch(state(server.put("/f", page))).entries) == 1


def test_a_redirect_is_followed(server: FeedServer) -> None:
    server.put("/new", Page(rss(item("News", guid="1"))))
    url = server.put("/old", Page(status=301, headers={"Location": "/new"}))
    assert len(local_feed().fetch(state(url)).entries) == 1


def test_a_feed_that_moved_for_good_is_asked_at_its_new_address_from_then_on(
    server: FeedServer,
) -> None:
    server.put("/new", Page(rss(item("News", guid="1"))))
    url = server.put("/old", Page(status=301, headers={"Location": "/new"}))
    first = local_feed().fetch(state(url))
    assert first.moved_to == server.root + "/new"
    again = local_feed().fetch(state(url, moved_to=first.moved_to))
    assert (again.moved_to, len(again.entries)) == (first.moved_to, 1)
    assert len(server.requests["/old"]) == 1


def test_a_redirect_for_the_moment_is_not_remembered(server: FeedServer) -> None:
    server.put("/new", Page(rss(item("News", guid="1"))))
    server.put("/b", Page(status=301, headers={"Location": "/new"}))
    url = server.put("/a", Page(status=302, headers={"Location": "/b"}))
    assert local_feed().fetch(state(url)).moved_to is None


@pytest.mark.parametrize(
    ("location", "why"),
    [("/loop", "over 5 redirects"), ("file:///etc/hosts", "redirect to"), ("", "without")],
)
def test_a_redirect_that_leads_nowhere_is_unavailable(
    server: FeedServer, location: str, why: str
) -> None:
    url = server.put("/loop", Page(status=301, headers={"Location": location}))
    with pytest.raises(FeedUnavailable, match=why):
        local_feed().fetch(state(url))


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (503, {"Retry-After": "120"}, 120),
        (503, {"Retry-After": "soon"}, None),
        (503, {}, None),
        (429, {"Retry-After": "1200"}, 1200),
    ],
)
def test_a_server_s_wish_to_be_left_alone_is_passed_on(
    server: FeedServer, status: int, headers: dict[str, str], seconds: int | None
) -> None:
    url = server.put("/f", Page(status=status, headers=headers))
    with pytest.raises(FeedUnavailable) as refused:
        local_feed().fetch(state(url))
    assert refused.value.retry_after_s == seconds


@pytest.mark.parametrize("status", [403, 429])
@pytest.mark.parametrize("headers", [{}, {"Retry-After": "5"}])
def test_a_server_that_had_enough_of_us_is_left_alone_for_ten_minutes(
    server: FeedServer, status: int, headers: dict[str, str]
) -> None:
    with pytest.raises(FeedUnavailable) as refused:
        local_feed().fetch(state(server.put("/f", Page(status=status, headers=headers))))
    assert refused.value.retry_after_s == 600


def test_a_server_learns_whom_to_write_to_and_sec_is_not_asked_without(server: FeedServer) -> None:
    url = server.put("/f", Page(rss(item("News", guid="1"))))
    local_feed().fetch(FeedState(url=url, source="Wire", contact="Example Fund ops@fund.example"))
    local_feed().fetch(FeedState(url=url, source="Wire"))
    agents = [asked["user-agent"] for asked in server.requests["/f"]]
    assert agents == [
        "ops-pipeline/0.1 Example Fund ops@fund.example",
        "ops-pipeline/0.1 (news reader)",
    ]
    with pytest.raises(FeedUnavailable, match=r"not asked: .*feeds\.contact"):
        local_feed().fetch(state("https://www.sec.gov/news/pressreleases.rss"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b" \r\n ", "it is empty"),
        (b"[]", "JSON of another kind"),
        (b'{"message": "ok"}', "JSON of another kind"),
        (b"<!DOCTYPE html><html><title>Your Request Blocked</title></html>", "Request Blocked"),
        (
            b'<?xml version="1.0"?>\n<!-- edge --> <!doctype HTML PUBLIC "-//W3C"> '
            b'<html lang="en"><body><item><title>Sign in</title></item></body></html>',
            "a web page",
        ),
    ],
    ids=["empty", "blank", "list", "object", "block page", "page with an item"],
)
def test_status_200_with_what_is_no_feed_is_a_failure_with_its_reason(
    server: FeedServer, body: bytes, reason: str
) -> None:
    with pytest.raises(FeedUnavailable, match=reason):
        local_feed().fetch(state(server.put("/f", Page(body))))


@pytest.mark.parametrize(
    "written",
    [
        "2026-02-04T14:30:00",
        "Wed, 04 Feb 2026 20:00:00 IST",
        "2026-02-04",
        "1770215400",
        "Wed, 45 Feb 2026 14:30:00 GMT",
    ],
)
def test_a_time_whose_zone_or_day_is_unknown_is_no_time(server: FeedServer, written: str) -> None:
    page = Page(rss(item("News", guid="1", published=written)))
    (entry,) = local_feed().fetch(state(server.put("/f", page))).entries
    assert entry.published_at is None


@pytest.mark.parametrize(
    "written",
    [
        "2026-02-04T14:30:00Z",
        "2026-02-04T20:00:00+05:30",
        "Wed, 04 Feb 2026 09:30:00 EST",
        "Wed, 04 Feb 2026 14:30:00 +0000",
    ],
)
def test_a_time_with_its_zone_is_that_moment(server: FeedServer, written: str) -> None:
    page = Page(rss(item("News", guid="1", published=written)))
    (entry,) = local_feed().fetch(state(server.put("/f", page))).entries
    assert entry.published_at == datetime(2026, 2, 4, 14, 30, tzinfo=UTC)


def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(server: FeedServer) -> None:
    page = Page(gzip.compress(b" " * 30_000_000), headers={"Content-Encoding": "gzip"})
    with pytest.raises(FeedUnavailable, match="over 3145728 bytes"):
        local_feed().fetch(state(server.put("/f", page)))


def test_a_list_of_halts_may_be_larger_than_a_feed_and_has_its_bound_too(
    server: FeedServer,
) -> None:
    blank = b" " * 5_000
    url, feed = server.put("/f", Page(nyse([]) + blank)), local_feed(most_bytes=4_000)
    assert feed.fetch(state(url, kind="nyse_halts")).halts is not None
    with pytest.raises(FeedUnavailable, match="over 4000 bytes"):
        feed.fetch(state(url))
    with pytest.raises(FeedUnavailable, match="over 2000 bytes"):
        local_feed(most_halt_bytes=2_000).fetch(state(url, kind="nyse_halts"))


def test_only_the_first_entries_of_an_endless_list_are_read(server: FeedServer) -> None:
    body = rss(*(item(f"News number {n}", guid=str(n)) for n in range(30)))
    document = local_feed(most_entries=20).fetch(state(server.put("/f", Page(body))))
    assert [entry.guid for entry in document.entries] == [str(n) for n in range(20)]


@pytest.mark.parametrize("oldest_first", [True, False])
def test_of_a_long_list_the_newest_entries_are_kept_and_the_rest_is_counted(
    server: FeedServer, oldest_first: bool
) -> None:
    minutes = sorted(range(600), reverse=not oldest_first)
    items = [
        item(f"News number {m}", guid=str(m), published=f"{m // 60:02}:{m % 60:02}".join(_DAY))
        for m in minutes
    ]
    document = local_feed(most_entries=500).fetch(state(server.put("/f", Page(rss(*items)))))
    kept = [entry.guid for entry in document.entries]
    assert kept == [str(m) for m in minutes if m >= 100]
    assert document.cut == 100


def test_entries_without_a_time_are_the_first_to_go(server: FeedServer) -> None:
    items = [item("No time", guid="none"), *(_dated(m) for m in range(3)), item("Nor here")]
    document = local_feed(most_entries=4).fetch(state(server.put("/f", Page(rss(*items)))))
    assert [entry.guid for entry in document.entries] == ["none", "0", "1", "2"]
    assert document.cut == 1


def test_the_limit_of_tags_cuts_the_oldest_items_as_well(
    server: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_bounds, "_MOST_TAGS", 100)
    items = [_dated(m) for m in range(40)]
    document = local_feed().fetch(state(server.put("/f", Page(rss(*items)))))
    kept = [int(entry.guid or "") for entry in document.entries]
    assert kept == list(range(40 - len(kept), 40))
    assert 5 <= len(kept) < 40
    assert document.cut == 40 - len(kept)


_DAY = ("Wed, 04 Feb 2026 ", ":00 GMT")


def _dated(minute: int) -> str:
    return item(f"News {minute}", guid=str(minute), published=f"00:{minute:02}".join(_DAY))


def test_a_server_that_drips_is_left_when_the_time_is_up(server: FeedServer) -> None:
    url = server.put("/f", Page(rss(item("News", guid="1")), drip_s=0.05))
    began = time.monotonic()
    with pytest.raises(FeedUnavailable, match=r"took over 0\.3 s"):
        local_feed(total_s=0.3).fetch(state(url))
    assert time.monotonic() - began < 2


@contextmanager
def dripping(*answers: bytes, drip: bytes) -> Iterator[int]:
    """A port that sends one answer after each request, and behind the last drips for ever."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listening.accept()
                with connection:
                    for answer in answers:
                        connection.recv(65_536)
                        connection.sendall(answer)
                    while True:
                        connection.sendall(drip)
                        time.sleep(0.05)

        Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def test_a_kept_connection_that_drips_its_next_headers_is_left() -> None:
    """A connection that is used again is not connected again."""
    body = rss(item("News", guid="1"))
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    with dripping(whole, b"HTTP/1.1 200 OK\r\nX: ", drip=b"a") as port:
        feed = local_feed(total_s=0.5)
        kept = state(f"http://127.0.0.1:{port}/f")
        assert len(feed.fetch(kept).entries) == 1
        began = time.monotonic()
        with pytest.raises(FeedUnavailable, match=r"took over 0\.5 s"):
            feed.fetch(kept)
    assert time.monotonic() - began < 2


def test_a_server_that_drips_its_handshake_is_left() -> None:
    hello = b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb"
    with dripping(hello, drip=b"\0") as port:
        began = time.monotonic()
        with pytest.raises(FeedUnavailable, match=r"took over 0\.5 s"):
            local_feed(total_s=0.5).fetch(state(f"https://127.0.0.1:{port}/f"))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_another_status_is_an_unavailable_feed_not_an_empty_one(
    server: FeedServer, status: int
) -> None:
    page = Page(rss(item("Not to be read", guid="1")), status=status)
    with pytest.raises(FeedUnavailable, match=str(status)):
        local_feed().fetch(state(server.put("/f", page)))


@pytest.mark.parametrize("body", [b"", b"<html><body>Log in</body></html>", b'{"a": 1}', b"\0\1"])
def test_an_answer_that_is_no_feed_is_unavailable(server: FeedServer, body: bytes) -> None:
    with pytest.raises(FeedUnavailable, match="no feed"):
        local_feed().fetch(state(server.put("/f", Page(body))))


def test_an_answer_that_breaks_off_is_unavailable(server: FeedServer) -> None:
    page = Page(rss(item("News", guid="1")), declared_bytes=10_000)
    with pytest.raises(FeedUnavailable):
        local_feed().fetch(state(server.put("/f", page)))


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with feed_server() as server:
        url = server.root + "/f"
    with pytest.raises(FeedUnavailable, match=r"^no connection: Connection refused$"):
        local_feed().fetch(state(url))


def test_a_name_that_nobody_knows_is_said_in_words() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    feed = local_feed(resolve=resolve)
    with pytest.raises(FeedUnavailable, match=r"^no connection: Name or service not known$"):
        feed.fetch(FeedState("https://wire.example/f", "Wire"))


def test_entities_that_multiply_or_reach_outside_are_not_expanded(server: FeedServer) -> None:
    server.put("/secret", Page(b"SECRET"))
    bomb = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    body = (
        '<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY e0 "ha">'
        f'{bomb}<!ENTITY out SYSTEM "{server.root}/secret">'
        '<!ENTITY file SYSTEM "file:///etc/passwd">]>'
        '<rss version="2.0"><channel><title>x</title><item><guid>1</guid>'
        "<title>a &e9; b &out; c &file; d</title></item></channel></rss>"
    ).encode()
    began = time.monotonic()
    (entry,) = local_feed().fetch(state(server.put("/f", Page(body)))).entries
    assert time.monotonic() - began < 5
    assert len(entry.title or "") < 200
    assert "SECRET" not in (entry.title or "")
    assert "root" not in (entry.title or "")
    assert "/secret" not in server.requests
