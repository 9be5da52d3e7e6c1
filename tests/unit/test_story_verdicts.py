"""What a story says, from the items of its sources."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.news.sites import RECORDING_HOST, site_of, source_of
from ops_pipeline.domain.news.story_verdicts import StoryItem, story_of

NOW = datetime(2026, 2, 4, 15, 30, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=120)
STORY = UUID(int=7)


def told(minutes_ago: float, score: float | None = 0.8, **changes: object) -> StoryItem:
    at = NOW - timedelta(minutes=minutes_ago)
    made = StoryItem(
        raw_event_id=UUID(int=int(minutes_ago * 60)),
        story_id=STORY,
        feed_url="https://feeds.wire.example/f",
        source_site="wire.example",
        link_site="wire.example",
        correction=False,
        fetched_at=at,
        published_at=at,
        published_claim=at,
        tickers=("NKE",),
        judged=True,
        score=score,
        ticker_scores={},
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # of their fields


def copied(minutes_ago: float, score: float | None = 0.8, **changes: object) -> StoryItem:
    """The same story by an aggregator that links to the wire's page."""
    changes = {"feed_url": "https://agg.example/f", "source_site": "agg.example", **changes}
    return told(minutes_ago, score, **changes)


def test_the_first_source_gives_score_and_age_and_others_are_named() -> None:
    story = story_of([told(30, 0.8), copied(20, 0.3)], "NKE", SINCE)
    assert story is not None
    assert (story.score, story.published_at) == (0.8, NOW - timedelta(minutes=30))
    assert story.sources == ("agg.example", "wire.example")
    assert story.source == "wire.example"
    assert story.version == 1


@pytest.mark.parametrize(("other", "counts"), [(-0.3, False), (-0.01, True), (0.0, True)])
def test_opposite_signs_make_a_story_mixed(other: float, counts: bool) -> None:
    assert (story_of([told(30, 0.8), copied(20, other)], "NKE", SINCE) is not None) is counts


def test_the_publisher_s_correction_replaces_copies_that_link_to_it() -> None:
    correction = told(5, -0.8, correction=True)
    story = story_of([told(30, 0.8), copied(20, 0.8), correction], "NKE", SINCE)
    assert story is not None
    assert (story.score, story.version) == (-0.8, 2)
    assert story.published_at == NOW - timedelta(minutes=30)


def test_an_aggregator_corrects_its_own_copy_alone() -> None:
    correction = copied(5, 0.9, correction=True)
    story = story_of([told(30, 0.8), copied(20, -0.8), correction], "NKE", SINCE)
    assert story is not None
    assert story.score == 0.8


def test_a_correction_that_was_not_judged_yet_replaces_nothing() -> None:
    correction = told(5, None, correction=True, judged=False, tickers=())
    story = story_of([told(30, 0.8), correction], "NKE", SINCE)
    assert story is not None
    assert story.score == 0.8


@given(
    st.lists(
        st.tuples(
            st.floats(0, 60 * 24 * 40),
            st.sampled_from([-0.9, 0.0, 0.9]),
            st.booleans(),
            st.booleans(),
        ),
        max_size=5,
    )
)
def test_strangers_add_voices_and_never_erase_turn_or_age(
    other_feeds: list[tuple[float, float, bool, bool]],
) -> None:
    honest = told(30, 0.8)
    items = [
        copied(
            29 - at,
            score,
            feed_url=f"https://s{at}.example/f",
            source_site=f"s{at}.example",
            published_at=None if undated else NOW - timedelta(minutes=claim),
            published_claim=NOW - timedelta(minutes=claim),
            correction=correction,
        )
        for at, (claim, score, correction, undated) in enumerate(other_feeds)
    ]
    story = story_of([honest, *items], "NKE", SINCE)
    if story is None:
        assert any(item.score_of("NKE") == -0.9 for item in items)
    else:
        assert (story.score, story.published_at) == (0.8, honest.published_at)


@pytest.mark.parametrize(
    ("address", "site"),
    [
        ("https://feeds.reuters.example/x", "reuters.example"),
        ("https://www.bbc.co.uk/news", "bbc.co.uk"),
        ("https://news.com.au/x", "news.com.au"),
        ("https://FEEDS.Reuters.example./x", "reuters.example"),
        ("https://a.b.news.kobe.jp/x", "b.news.kobe.jp"),
        ("https://alice.github.io/f", "alice.github.io"),
        ("https://xn--bcher-kva.example/f", "xn--bcher-kva.example"),
        ("https://feeds.b\u00fccher.example/f", "xn--bcher-kva.example"),
        ("https://co.uk/f", None),
        (f"https://{'a.' * 500}example/f", None),
        (f"https://{'b' * 64}.example/f", None),
        ("http://127.0.0.1:8000/f", None),
        ("http://[::1]/f", None),
        ("http://localhost/f", None),
        ("http://[bad/f", None),
        ("no address", None),
        (None, None),
    ],
)
def test_a_site_is_the_domain_that_somebody_registered(
    address: str | None, site: str | None
) -> None:
    assert site_of(address) == site


def test_a_feed_without_a_domain_is_known_by_its_address() -> None:
    assert source_of("http://127.0.0.1:8000/f", "Wire") == "http://127.0.0.1:8000/f"


@pytest.mark.parametrize("url", ["http://localhost/f", "http://[::1]:8000/f", "no address"])
def test_feeds_of_this_machine_are_known_by_their_addresses(url: str) -> None:
    assert source_of(url, "Wire") == url


@pytest.mark.parametrize("host", ["192.0.2.7", "[2001:db8::7]", "co.uk", "s3.amazonaws.com"])
def test_feeds_of_one_host_without_a_domain_are_one_source(host: str) -> None:
    """One owner's number would else be as many sources as it has paths and ports."""
    feeds = (f"http://{host}/a", f"https://{host}:8443/b?c", f"http://{host.upper()}/c")
    assert {source_of(url, url) for url in feeds} == {host.strip("[]")}


def test_feeds_of_one_registered_domain_are_one_source_whatever_they_call_themselves() -> None:
    feeds = ("https://a.wire.example/f", "https://b.wire.example/g", "https://wire.example./h")
    assert {source_of(url, url) for url in feeds} == {"wire.example"}


def test_a_recording_s_feeds_go_by_the_names_they_were_recorded_under() -> None:
    root = f"http://{RECORDING_HOST}/feeds"
    assert source_of(f"{root}/a.xml", "harborwire") == "harborwire"
    assert source_of(f"{root}/b.xml", "tapewatch") == "tapewatch"
