"""Which item is which, and which time may be believed."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.news.identity import (
    canonical_link,
    event_uid,
    news_item,
    news_items,
    publication,
)
from ops_pipeline.domain.news.items import FeedEntry, FeedState

FEED, OTHER_FEED = "https://w.example/feed", "https://x.example/feed"
NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


def entry(
    guid: str | None = None,
    title: str | None = None,
    link: str | None = None,
    published_at: datetime | None = None,
) -> FeedEntry:
    return FeedEntry(guid, title, link, None, published_at)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "link",
    [
        "https://wire.example/a/b?id=7",
        "http://www.wire.example/a/b/?id=7",
        "HTTPS://Wire.Example:443/a/b?id=7#part",
        "https://wire.example/a/b?utm_source=rss&id=7&utm_medium=feed&fbclid=x",
        "  https://wire.example/a/b?cmpid=rss&id=7&ref=home ",
        "https://m.wire.example/a/b?id=7",
        "https://amp.wire.example/a/b?id=7",
        "https://wire.example/a/b/amp?id=7",
        "https://wire.example/a/b/amp/?id=7",
        "https://wire.example/amp/a/b?id=7",
        "https://wire.example/a/b?id=7&amp=1",
        "https://www.google.com/amp/s/wire.example/a/b?id=7",
        "https://wire-example.cdn.ampproject.org/c/s/wire.example/a/b/amp?id=7",
    ],
)
def test_one_page_has_one_link_whatever_tracking_it_carries(link: str) -> None:
    assert canonical_link(link) == "https://wire.example/a/b?id=7"


@pytest.mark.parametrize(
    "link", [None, "", "wire.example/a", "mailto:a@b.example", "https://[", "https://a:x/", "/a/b"]
)
def test_what_is_no_web_address_is_no_link(link: str | None) -> None:
    assert canonical_link(link) is None


def test_a_front_page_identifies_no_item() -> None:
    assert canonical_link("https://wire.example/") is None
    assert canonical_link("https://wire.example/?utm_source=rss") is None


def test_pages_that_differ_in_a_real_parameter_stay_apart() -> None:
    assert canonical_link("https://w.example/?p=1") != canonical_link("https://w.example/?p=2")


@given(st.text(max_size=80))
def test_a_canonical_link_is_its_own_canonical_link(text: str) -> None:
    once = canonical_link(f"https://wire.example/{text}")
    assert once is None or canonical_link(once) == once


@pytest.mark.parametrize(
    "guid",
    [
        "https://w.example/?p=17",
        "tag:w.example,2026:17",
        "urn:uuid:7e0c8c2e-6f0c-4c8e-9a54-3d2f6c0f1a11",
        "7e0c8c2e-6f0c-4c8e-9a54-3d2f6c0f1a11",
    ],
)
def test_the_uid_is_the_hash_of_the_guid_before_all_else(guid: str) -> None:
    uid = sha256(f"{FEED}\n{guid}")
    assert event_uid(entry(guid, "T", "https://w.example/a"), FEED) == uid
    assert event_uid(entry(guid, "edited", "https://w.example/b"), FEED) == uid
    # Another feed speaks for itself: it can't make the item a duplicate by giving its guid.
    assert event_uid(entry(guid, "T", "https://w.example/a"), OTHER_FEED) != uid


def test_a_guid_that_is_only_a_number_identifies_within_its_feed() -> None:
    one = event_uid(entry("12345", "Mill burns"), FEED)
    assert one == event_uid(entry("12345", "Mill burns down"), FEED)
    assert one != event_uid(entry("12345", "Bank merges"), OTHER_FEED)


def test_a_guid_that_is_the_front_page_identifies_nothing() -> None:
    by_link = event_uid(entry(None, "T", "https://w.example/a"), FEED)
    assert event_uid(entry("https://w.example/", "T", "https://w.example/a"), FEED) == by_link


def test_a_guid_that_one_document_gives_to_two_stories_identifies_neither() -> None:
    entries = [
        entry("0", "Mill burns", "https://w.example/a"),
        entry("0", "Bank merges", "https://w.example/b"),
        entry("1", "Dam opens", "https://w.example/c"),
    ]
    made = news_items(entries, FeedState(FEED, "W"), NOW)
    assert [item.event_uid for item in made] == [
        sha256(f"{FEED}\nhttps://w.example/a"),
        sha256(f"{FEED}\nhttps://w.example/b"),
        sha256(f"{FEED}\n1"),
    ]


def test_without_a_guid_the_uid_is_the_hash_of_the_link_without_tracking() -> None:
    plain = event_uid(entry(None, "T", "https://w.example/a"), FEED)
    assert plain == sha256(f"{FEED}\nhttps://w.example/a")
    assert event_uid(entry("  ", "T", "https://w.example/a?utm_source=x"), FEED) == plain


def test_without_guid_and_link_the_uid_is_that_of_title_and_time() -> None:
    one = event_uid(entry(None, "T", None, NOW), FEED)
    assert one == event_uid(entry(None, "T", "https://w.example/", NOW), FEED)
    assert one != event_uid(entry(None, "T", None, NOW + timedelta(minutes=1)), FEED)
    assert one != event_uid(entry(None, "U", None, NOW), FEED)


def test_an_entry_without_guid_link_and_title_has_no_uid() -> None:
    assert event_uid(entry(), FEED) is None
    assert news_item(entry(), FeedState("https://w.example/f", "W"), NOW) is None


@pytest.mark.parametrize(
    ("age", "reason"),
    [
        (timedelta(minutes=-10), None),
        (timedelta(minutes=-10, seconds=-1), "future"),
        (timedelta(0), None),
        (timedelta(days=7), None),
        (timedelta(days=7, seconds=1), "too_old"),
    ],
)
def test_a_claimed_time_is_believed_within_bounds_only(age: timedelta, reason: str | None) -> None:
    judged = publication(NOW - age, NOW)
    assert judged.reason == reason
    assert judged.at == (None if reason else NOW - age)
    assert judged.claim == NOW - age


def test_a_missing_time_stays_missing() -> None:
    assert publication(None, NOW).reason == "missing"
    assert publication(None, NOW).at is None
