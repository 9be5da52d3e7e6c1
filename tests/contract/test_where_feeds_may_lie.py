"""A feed, or a redirect of one, leads to public addresses alone, whatever it calls them."""

from collections.abc import Iterator
from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest

from ops_pipeline.adapters.permitted_addresses import ForbiddenAddress, PermittedAddresses
from ops_pipeline.adapters.rss import RssFeed
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.errors import FeedUnavailable, InvalidInput
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.subscribing import subscribe

NEWS = Page(rss(item("News")))


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as running:
        yield running


class Resolver:
    """Gives a name other addresses each time it is asked, as one who rebinds it does."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int) -> list[str]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return answer


LOCAL = (
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "0",
    "localhost",
    "LOCALHOST.",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:0:0:1]",
    "127.0.0.1.",
)


@pytest.mark.parametrize("host", LOCAL)
def test_this_machine_is_not_read_in_any_spelling(server: FeedServer, host: str) -> None:
    server.put("/f", NEWS)
    port = urlsplit(server.root).port
    with pytest.raises(FeedUnavailable):
        RssFeed(connect_s=0.5, total_s=2).fetch(FeedState(f"http://{host}:{port}/f", "Wire"))
    assert server.requests == {}


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - what no connection may go to
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "198.18.0.1",
        "192.0.0.8",
        "192.0.0.192",
        "192.88.99.1",
        "168.63.129.16",
        "3fff::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::1",
        "2001:0:7f00:1::1",
        "2001:db8::1",
        "ff02::1",
        "::127.0.0.1",
        "nonsense",
    ],
)
def test_a_name_that_means_a_private_or_reserved_address_is_refused(address: str) -> None:
    resolver = Resolver([address])
    with pytest.raises(FeedUnavailable, match=r"^\S+ is no public address$"):
        RssFeed(resolve=resolver).fetch(FeedState("https://wire.example/f", "Wire"))
    with pytest.raises(FeedUnavailable, match="no public address"):
        RssFeed(resolve=Resolver(["93.184.216.34", address])).fetch(
            FeedState("http://wire.example/f", "Wire")
        )
    assert resolver.asked == 1


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1"])
def test_public_addresses_are_permitted(address: str) -> None:
    assert PermittedAddresses(resolve=Resolver([address])).of("wire.example", 443) == [address]


def test_a_setting_permits_the_networks_it_names_and_no_other() -> None:
    permitted = PermittedAddresses([ip_network("10.1.2.0/24")])
    assert permitted.permits("10.1.2.3")
    assert permitted.permits("::ffff:10.1.2.3")
    assert not permitted.permits("10.1.3.3")
    with pytest.raises(ForbiddenAddress):
        permitted.of("127.0.0.1", 80)


def test_what_was_resolved_and_checked_is_what_is_connected_to(server: FeedServer) -> None:
    """A second look-up would lead elsewhere: there is none."""
    server.put("/f", NEWS)
    port = urlsplit(server.root).port
    resolver = Resolver(["127.0.0.1"], ["127.0.0.2"])
    feed = local_feed(resolve=resolver)
    state = FeedState(f"http://wire.example:{port}/f", "Wire")
    assert [entry.title for entry in feed.fetch(state).entries] == ["News"]
    assert resolver.asked == 1
    assert server.requests["/f"][0]["host"] == f"wire.example:{port}"


def test_the_next_address_is_tried_where_one_does_not_answer(server: FeedServer) -> None:
    server.put("/f", NEWS)
    port = urlsplit(server.root).port
    feed = local_feed(resolve=Resolver(["127.0.0.3", "127.0.0.1"]))
    assert feed.fetch(FeedState(f"http://wire.example:{port}/f", "Wire")).entries


def test_each_hop_of_a_redirect_is_checked(server: FeedServer) -> None:
    port = urlsplit(server.root).port
    server.put("/f", Page(status=301, headers={"Location": f"http://inner.example:{port}/g"}))
    server.put("/g", NEWS)
    resolver = Resolver(["127.0.0.1"], ["169.254.169.254"])
    with pytest.raises(FeedUnavailable, match=r"169\.254\.169\.254 is no public address"):
        local_feed(resolve=resolver).fetch(FeedState(f"http://w.example:{port}/f", "Wire"))
    assert "/g" not in server.requests


@pytest.mark.parametrize(
    ("location", "why"),
    [
        ("http://user:secret@w.example/g", "login"),
        ("//user@w.example/g", "login"),
        ("http://user:secret@[bad/g", "login"),
        ("file:///etc/passwd", "redirect to"),
        ("gopher://w.example/", "redirect to"),
    ],
)
def test_a_redirect_with_a_login_or_of_another_scheme_is_refused_and_not_repeated(
    server: FeedServer, location: str, why: str
) -> None:
    url = server.put("/f", Page(status=301, headers={"Location": location}))
    with pytest.raises(FeedUnavailable, match=why) as refused:
        local_feed().fetch(FeedState(url, "Wire"))
    assert "secret" not in str(refused.value)


def test_a_remembered_address_that_none_may_lead_to_is_forgotten(server: FeedServer) -> None:
    url = server.put("/f", NEWS)
    for moved_to in (f"http://u:p@{urlsplit(url).netloc}/f", "http://u:p@w.example/"):
        document = local_feed().fetch(FeedState(url, "Wire", moved_to=moved_to))
        assert document.moved_to is None
    secure = FeedState("https://wire.example/f", "Wire", moved_to=url)
    with pytest.raises(FeedUnavailable):
        local_feed(resolve=Resolver(["127.0.0.1"]), connect_s=0.5).fetch(secure)
    assert len(server.requests["/f"]) == 2


def test_an_address_with_a_login_is_neither_fetched_nor_subscribed(db: Database) -> None:
    url = "https://user:secret@wire.example/f"
    with pytest.raises(FeedUnavailable, match="login") as refused:
        RssFeed().fetch(FeedState(url, "Wire"))
    assert "secret" not in str(refused.value)
    with db.transaction() as tx, pytest.raises(InvalidInput, match="login") as unwanted:
        subscribe(tx, url=url, source="Wire")
    assert "secret" not in str(unwanted.value)
