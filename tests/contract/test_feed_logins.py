"""A feed's login goes to its own host in a header, and is kept nowhere else."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from ops_pipeline.adapters.feed_logins import FeedLogins
from ops_pipeline.adapters.rss import RssFeed
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.errors import FeedUnavailable, SettingsInvalid
from ops_pipeline.runtime.wiring import Runtime
from tests.support.fakes import FixedClock
from tests.support.feed_server import LOOPBACK, FeedServer, Page, feed_server, item, rss

LOGIN = "Bearer s3cret-of-the-wire"
NOON = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
NEWS = Page(rss(item("News")))


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


@pytest.fixture
def other() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


class Kept:
    """Where the logins are kept; counts how often they are read."""

    def __init__(self, **logins: str) -> None:
        self.logins, self.reads = logins, 0

    def __call__(self) -> str:
        self.reads += 1
        return json.dumps(self.logins)


def reader(kept: Kept) -> RssFeed:
    return RssFeed(networks=LOOPBACK, logins=FeedLogins(kept))


def sent(server: FeedServer, path: str) -> list[str | None]:
    return [headers.get("authorization") for headers in server.requests.get(path, [])]


def test_a_feed_s_own_host_gets_its_login_and_no_other(
    server: FeedServer, other: FeedServer
) -> None:
    feed = reader(Kept(**{server.root: LOGIN}))
    for each in (server, other):
        feed.fetch(FeedState(each.put("/f", NEWS), "Wire"))
    assert sent(server, "/f") == [LOGIN]
    assert sent(other, "/f") == [None]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_takes_the_login_to_no_other_host(
    server: FeedServer, other: FeedServer, status: int
) -> None:
    moved = server.put("/f", Page(status=status, headers={"Location": "/g"}))
    server.put("/g", Page(status=status, headers={"Location": other.put("/h", NEWS)}))
    document = reader(Kept(**{server.root: LOGIN})).fetch(FeedState(moved, "Wire"))
    assert sent(server, "/f") == sent(server, "/g") == [LOGIN]
    assert sent(other, "/h") == [None]
    assert LOGIN not in repr(document)


def test_another_feed_s_redirect_does_not_use_it(server: FeedServer, other: FeedServer) -> None:
    """Else a stranger reads with our login, and its news are stored as the stranger's."""
    paid = server.put("/paid", NEWS)
    lead = other.put("/f", Page(status=301, headers={"Location": paid}))
    feed = reader(Kept(**{server.root: LOGIN}))
    document = feed.fetch(FeedState(lead, "Stranger"))
    feed.fetch(FeedState(lead, "Stranger", moved_to=document.moved_to))
    assert sent(server, "/paid") == [None, None]


@pytest.mark.parametrize(
    "page",
    [
        Page(status=301, headers={"Location": "/g?as=s3cret-of-the-wire"}),
        Page(NEWS.body, etag='"s3cret-of-the-wire"'),
        Page(NEWS.body, headers={"Last-Modified": LOGIN}),
        Page(rss(item("You sent Bearer s3cret-of-the-wire"))),
    ],
)
def test_an_answer_that_repeats_the_login_is_not_kept(server: FeedServer, page: Page) -> None:
    state = FeedState(server.put("/f", page), "Wire")
    with pytest.raises(FeedUnavailable, match="repeats the feed's login") as failed:
        reader(Kept(**{server.root: LOGIN})).fetch(state)
    assert "s3cret" not in str(failed.value)


def test_a_login_that_was_refused_is_read_anew(server: FeedServer) -> None:
    kept = Kept(**{server.root: "Bearer of-yesterday"})
    feed = reader(kept)
    state = FeedState(server.put("/f", Page(status=401)), "Wire")
    kept.logins = {server.root: LOGIN}
    with pytest.raises(FeedUnavailable, match="answered 401"):
        feed.fetch(state)
    server.put("/f", NEWS)
    feed.fetch(state)
    assert sent(server, "/f") == ["Bearer of-yesterday", LOGIN]
    assert kept.reads == 2


@pytest.mark.parametrize(
    "kept",
    [
        "Bearer s3cret-of-the-wire",
        '["Bearer s3cret-of-the-wire"]',
        '{"http://wire.example": "Bearer s3cret-of-the-wire"}',
        '{"https://user@wire.example": "Bearer s3cret-of-the-wire"}',
        '{"https://wire.example/f": "Bearer s3cret-of-the-wire"}',
        '{"wire.example": "Bearer s3cret-of-the-wire"}',
        '{"https://wire.example": "Bearer s3cret\\r\\nHost: x"}',
        '{"https://wire.example": {"token": "s3cret-of-the-wire"}}',
        '{"https://wire.example": "Bearer s3c"}',
    ],
)
def test_what_is_no_login_stops_the_stage_and_is_not_printed(kept: str) -> None:
    runtime = Runtime({"FEED_LOGINS": kept}, FixedClock(NOON))
    with closing(runtime), pytest.raises(SettingsInvalid, match="logins of feeds") as refused:
        _ = runtime.feed
    assert "s3c" not in f"{refused.value!r} {runtime.settings!r}"


def test_the_spelling_of_a_host_does_not_matter() -> None:
    logins = FeedLogins(lambda: json.dumps({"https://Wire.Example": LOGIN}))
    assert logins.of("https://wire.example:443/f", "https://WIRE.example./f") == LOGIN
    assert logins.of("https://wire.example/f", "https://wire.example:8443/f") is None
    assert logins.of("https://wire.example/f", "http://wire.example/f") is None
    assert LOGIN not in repr(logins)


def test_the_login_comes_from_the_secret_too(server: FeedServer) -> None:
    class Secrets:
        def text(self, secret_id: str) -> str:
            return json.dumps({server.root: LOGIN}) if secret_id.endswith("/feeds") else ""

    variables = {"FEED_LOGINS_SECRET_ID": "ops/feeds", "FEED_ALLOWED_NETWORKS": "127.0.0.0/8"}
    runtime = Runtime(variables, FixedClock(NOON))
    runtime.__dict__["secrets"] = Secrets()
    with closing(runtime):
        runtime.feed.fetch(FeedState(server.put("/f", NEWS), "Wire"))
    assert sent(server, "/f") == [LOGIN]
