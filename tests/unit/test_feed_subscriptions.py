"""The list of feeds: what is taken, what a wish changes, when a feed is asked."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ops_local.feeds.lists import read_list
from ops_local.feeds.starter import starter_feeds
from ops_pipeline.domain.feeds.polling import NO_PACE, HostPace, is_due, starts
from ops_pipeline.domain.feeds.subscriptions import (
    FeedSpec,
    StoredFeed,
    plan_additions,
    plan_exactly,
    plan_switch,
    problem_with,
    problem_with_contact,
)
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.domain.news.sites import site_of
from ops_pipeline.errors import InvalidInput

WIRE = FeedSpec("https://wire.example/f", "Wire")
SEC = FeedSpec("https://www.sec.gov/f", "SEC")
CONTACT = "Example Fund ops@fund.example"
TICK = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
AGENCIES = {"sec.gov", "federalreserve.gov", "bls.gov", "bea.gov", "fda.gov"}


def known(*specs: FeedSpec, removed: bool = False) -> dict[str, StoredFeed]:
    return {spec.url: StoredFeed(spec, removed) for spec in specs}


def test_the_starter_switches_on_public_domain_alone_and_says_the_terms_of_all() -> None:
    feeds = starter_feeds()
    on = {site_of(feed.url) for feed in feeds if feed.active}
    assert on == AGENCIES
    assert all(feed.terms and problem_with(feed, CONTACT) is None for feed in feeds)
    assert len({feed.url for feed in feeds}) == len(feeds) > len(on) + 5


def test_a_feed_of_sec_needs_somebody_to_write_to_and_an_offered_one_does_not_yet() -> None:
    assert "feeds.contact" in str(problem_with(SEC, None))
    assert problem_with(SEC, CONTACT) is None
    assert problem_with(replace(SEC, active=False), None) is None


@pytest.mark.parametrize(
    "odd",
    [
        replace(WIRE, url="ftp://wire.example/f"),
        replace(WIRE, url="https:///f"),
        replace(WIRE, url="https://me:pw@wire.example/f"),
        replace(WIRE, url="https://wire.example/a\nb"),
        replace(WIRE, url="https://wire.example/" + "a" * 2_000),
        replace(WIRE, source=" "),
        replace(WIRE, poll_every_s=59),
        replace(WIRE, max_age_h=0),
        replace(WIRE, terms="a\nb"),
    ],
    ids=lambda odd: odd.url[:30],
)
def test_what_is_no_feed_is_told_why(odd: FeedSpec) -> None:
    assert problem_with(odd, CONTACT)


@pytest.mark.parametrize(
    "contact", ["", "me", "a@b", "Fund ops@fund.example\r\nX: y", "ä@b.example"]
)
def test_a_contact_is_a_mail_address_that_a_header_may_hold(contact: str) -> None:
    assert problem_with_contact(contact)
    assert problem_with_contact(CONTACT) is None
    assert problem_with_contact("ops@fund.example") is None


def test_a_wish_that_stands_already_changes_nothing() -> None:
    assert plan_additions(known(WIRE), [WIRE]) == []
    assert plan_switch(known(WIRE), [WIRE.url], "on") == []
    assert plan_exactly(known(WIRE), [WIRE]) == []


def test_a_change_says_what_was() -> None:
    (change,) = plan_additions(known(WIRE), [replace(WIRE, poll_every_s=300)])
    assert (change.change, change.changed) == ("change", {"poll_every_s": (60, 300)})


def test_a_list_removes_what_it_does_not_name_and_the_starter_leaves_what_is_known() -> None:
    other = FeedSpec("https://other.example/f", "Other")
    planned = plan_exactly(known(WIRE), [other])
    assert [(it.change, it.spec.source) for it in planned] == [("add", "Other"), ("remove", "Wire")]
    assert plan_additions(known(replace(WIRE, active=False)), [WIRE], only_new=True) == []
    assert plan_additions(known(WIRE, removed=True), [WIRE], only_new=True) == []
    assert [it.change for it in plan_additions(known(WIRE, removed=True), [WIRE])] == ["add"]


def state(poll_every_s: int, fetched_ago_s: float | None) -> FeedState:
    last = None if fetched_ago_s is None else TICK - timedelta(seconds=fetched_ago_s)
    return FeedState("https://a.example/f", "A", poll_every_s=poll_every_s, last_fetched_at=last)


def test_a_feed_is_asked_as_often_as_it_wants_and_a_little_later_at_most() -> None:
    assert is_due(state(600, None), TICK)
    assert is_due(state(60, 0), TICK), "a run that died is repeated"
    assert is_due(state(60, 57), TICK)
    assert not is_due(state(600, 500), TICK)
    assert is_due(state(600, 600 + 60), TICK)


def test_feeds_that_were_added_together_drift_apart() -> None:
    feeds = [replace(state(6_000, 6_200), url=f"https://a.example/{n}") for n in range(20)]
    assert {is_due(each, TICK) for each in feeds} == {True, False}


def test_requests_to_one_host_are_apart_and_another_host_does_not_wait() -> None:
    due = [FeedState(f"https://{host}.example/{n}", "A") for n in range(3) for host in "ab"]
    found = starts(due, TICK, HostPace(1.0, 0.5))
    for host in (0, 1):
        first, second, third = found[host::2]
        assert 0 <= first <= 0.5
        assert (second - first, third - second) == pytest.approx((1.0, 1.0))
    assert found == starts(due, TICK, HostPace(1.0, 0.5))
    assert set(starts(due, TICK, NO_PACE)) == {0.0}


OPML = """<?xml version="1.0"?><opml version="2.0"><body><outline text="Markets">
<outline type="rss" text="Wire" title="The Wire" xmlUrl="https://wire.example/f"/>
<outline text="no feed"/></outline><outline text="B" XMLURL="https://b.example/f"/></body></opml>"""


def test_an_opml_file_names_the_feeds_of_all_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "feeds.opml"
    file.write_text(OPML)
    found = read_list(file)
    assert [(it.source, it.url) for it in found.feeds] == [
        ("The Wire", "https://wire.example/f"),
        ("B", "https://b.example/f"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "<html><body>sign in</body></html>",
        "not xml",
        "<opml><body></body></opml>",
        '<!DOCTYPE opml [<!ENTITY a "b">]><opml><outline xmlUrl="&a;"/></opml>',
    ],
    ids=["page", "text", "empty", "entity"],
)
def test_what_is_no_list_of_feeds_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "feeds.opml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=r"feeds\.opml"):
        read_list(file)


def test_one_bad_line_of_a_csv_costs_no_other_its_place(tmp_path: Path) -> None:
    file = tmp_path / "feeds.csv"
    file.write_text(
        "url,source,active,poll_every_s,terms\n"
        "https://a.example/f,A,no,300,personal use\n"
        "https://b.example/f,B,maybe,,\n"
        "https://c.example/f,C,,soon,\n"
        "https://d.example/f,D,,,\n"
    )
    found = read_list(file)
    assert found.feeds == [
        FeedSpec("https://a.example/f", "A", False, 300, terms="personal use"),
        FeedSpec("https://d.example/f", "D"),
    ]
    assert list(found.skipped) == ["line 3", "line 4"]
