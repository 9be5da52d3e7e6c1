"""Written times: the right instant, or none with the reason; never a wrong one."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ops_pipeline.adapters.feed_parser import parse_feed
from ops_pipeline.domain.news.items import FeedEntry
from ops_pipeline.domain.news.time_zones import TimeProblem
from ops_pipeline.domain.news.written_times import read_time

JULY = datetime(2026, 7, 8, 13, 58, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Wed, 08 Jul 2026 13:58:00 GMT",
        "Wed, 8 Jul 26 13:58 UT",
        "Wed,08 Jul 2026 13:58:00 +0000",
        "08 Jul 2026 13:58:00 -0000",
        "Wed, 08 Jul 2026 13:58:00 +0000 (UTC)",
        "Wednesday, 08-Jul-26 13:58:00 GMT",
        "Wed, 08 Jul 2026 09:58:00 EDT",
        "Wed, 08 Jul 2026 19:28:00 +0530",
        "Wed, 08 Jul 2026 01:58:00 PM GMT",
        "Wed, 08 Jul 2026 6:58 a.m. PDT",
        "July 8, 2026 9:58 AM ET",
        "Jul 8th, 2026 at 9:58 am EDT",
        "Wed Jul  8 13:58:00 UTC 2026",
        "Wed Jul 08 2026 19:28:00 GMT+0530 (India Standard Time)",
        "2026-07-08T13:58:00Z",
        "2026-07-08t13:58z",
        "2026-07-08T13:58:00.000+00:00",
        "20260708T135800Z",
        "2026-W28-3T13:58:00Z",
        "2026-07-08 13:58:00 UTC",
        "2026-07-08 15:58:00 +0200",
        "2026-07-08 1:58 PM GMT",
        "2026-07-08T09:58:00 EDT",
        "2026-07-08T09:58:00-04:00[America/New_York]",
        "2026-07-08T09:58:00 America/New_York",
        "2026/07/08 13:58:00 +0000",
        "08.07.2026 15:58 CEST",
        "Mi, 08. Juli 2026 15:58:00 MESZ",
        "mié, 08 jul 2026 15:58:00 +0200",
        "8 de julio de 2026 15:58 CEST",
        "mer., 08 juil. 2026 15:58:00 +0200",
        "qua, 08 jul 2026 10:58:00 -0300",
        "ons, 08 juli 2026 15:58:00 +0200",
    ],
)
def test_what_can_mean_one_instant_only_is_read(text: str) -> None:
    assert read_time(text).at == JULY, text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("2026-07-08", "date_only"),
        ("Wed, 08 Jul 2026", "date_only"),
        ("Wed, 08 Jul 2026 13:58:00", "no_zone"),
        ("2026-07-08T13:58:00", "no_zone"),
        ("Wed Jul  8 13:58:00 2026", "no_zone"),
        ("Wed, 08 Jul 2026 13:58:00 IST", "unknown_zone"),
        ("Wed, 08 Jul 2026 13:58:00 Middle/Earth", "unknown_zone"),
        ("Sun, 01 Nov 2026 01:30:00 ET", "ambiguous"),
        ("Sun, 08 Mar 2026 02:30:00 America/New_York", "ambiguous"),
        ("07/08/2026 13:58:00 GMT", "unreadable"),
        ("Thu, 08 Jul 2026 13:58:00 GMT", "unreadable"),
        ("Wed, 08 Jul 2026 13:58:00 PM GMT", "unreadable"),
        ("Wed, 08 Jul 2026 0:58 AM GMT", "unreadable"),
        ("Wed, 08 Jul 2026 24:58:00 GMT", "unreadable"),
        ("Tue, 30 Feb 2027 13:58:00 GMT", "unreadable"),
        ("Wed, 08 Jul 2026 13:58:00 +9999", "unreadable"),
        ("Wed, 08 Jul 2026 13:58:00 +0510", "unreadable"),
        ("Wed, 08 Jul 2026 13:58:00 +99999999999999", "unreadable"),
        ("2026-07-08T13:58:00+15:00", "unreadable"),
        ("0001-01-01T00:00:00+14:00", "unreadable"),
        ("9999-12-31T23:59:60-12:00", "unreadable"),
        ("1783519080", "unreadable"),
        ("yesterday at 13:58 GMT", "unreadable"),
        ("Wed, 08 Lis 2026 13:58:00 GMT", "unreadable"),
        ("13:58 GMT", "unreadable"),
        ("", "unreadable"),
        ("Wed, 08 Jul 2026 13:58:00 GMT" + " " * 500, "unreadable"),
    ],
)
def test_what_may_mean_several_instants_or_none_says_why(text: str, problem: TimeProblem) -> None:
    read = read_time(text)
    assert (read.at, read.problem) == (None, problem)


def test_standard_time_of_the_us_written_in_summer_is_local_time_and_says_so() -> None:
    summer, winter = (read_time(f"{day} 2026 13:58 EST") for day in ("8 Jul", "8 Jan"))
    assert (summer.at, summer.note) == (datetime(2026, 7, 8, 17, 58, tzinfo=UTC), "summer_time")
    assert (winter.at, winter.note) == (datetime(2026, 1, 8, 18, 58, tzinfo=UTC), None)
    # In the hour that comes twice the letters are what tells the two apart.
    assert read_time("1 Nov 2026 01:30 EST").at == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert read_time("1 Nov 2026 01:30 EDT").at == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)


def test_a_leap_second_belongs_to_the_next_minute() -> None:
    assert read_time("2016-12-31 23:59:60 UTC").at == datetime(2017, 1, 1, tzinfo=UTC)


ENGLISH_MONTHS = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
]  # fmt: skip
ENGLISH_DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
# How a zone is written, and what it means by itself: an offset or the clocks of a place.
ZONES: dict[str, timezone | ZoneInfo] = {
    "Z": UTC, "UT": UTC, "UTC": UTC, "GMT": UTC, "+0000": UTC, "-0000": UTC,
    **{f"{sign}{hours:02}{colon}{minutes:02}": timezone(
        (1 if sign == "+" else -1) * timedelta(hours=hours, minutes=minutes))
        for sign in "+-" for hours in (1, 4, 5, 9, 11) for minutes in (0, 30, 45)
        for colon in ("", ":")},
    "GMT+0530": timezone(timedelta(hours=5, minutes=30)), "UTC-4": timezone(-timedelta(hours=4)),
    "EDT": timezone(-timedelta(hours=4)), "CDT": timezone(-timedelta(hours=5)),
    "PDT": timezone(-timedelta(hours=7)), "CEST": timezone(timedelta(hours=2)),
    "CET": timezone(timedelta(hours=1)), "BST": timezone(timedelta(hours=1)),
    "ET": ZoneInfo("America/New_York"), "PT": ZoneInfo("America/Los_Angeles"),
    "EST": ZoneInfo("America/New_York"), "PST": ZoneInfo("America/Los_Angeles"),
    "CST": ZoneInfo("America/Chicago"), "MST": ZoneInfo("America/Denver"),
    "Europe/Berlin": ZoneInfo("Europe/Berlin"), "Asia/Kolkata": ZoneInfo("Asia/Kolkata"),
    # No instant may come of these, whatever else is written.
    "IST": UTC, "JST": UTC, "AEST": UTC, "": UTC, "EDTX": UTC, "A": UTC,
}  # fmt: skip
NEVER = {"IST", "JST", "AEST", "", "EDTX", "A"}


def _half_day(at: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M:%S} {'AM' if at.hour < 12 else 'PM'}"


def _name(at: datetime) -> str:
    return f"{ENGLISH_DAYS[at.weekday()]}, {at.day:02} {ENGLISH_MONTHS[at.month - 1]} {at.year}"


FORMS: dict[str, Callable[[datetime, str], str]] = {
    "rfc 5322": lambda at, zone: f"{_name(at)} {at:%H:%M:%S} {zone}",
    "without a weekday": lambda at, zone: f"{_name(at)[5:]} {at:%H:%M:%S} {zone}",
    "without seconds": lambda at, zone: f"{_name(at)} {at:%H:%M} {zone}",
    "two digits": lambda at, zone: f"{_name(at)[:-4]}{at:%y} {at:%H:%M:%S} {zone}",
    "half days": lambda at, zone: f"{_name(at)} {_half_day(at)} {zone}",
    "iso": lambda at, zone: f"{at:%Y-%m-%dT%H:%M:%S}{zone}",
    "iso with a fraction": lambda at, zone: f"{at:%Y-%m-%dT%H:%M:%S}.000{zone}",
    "iso with a blank": lambda at, zone: f"{at:%Y-%m-%d %H:%M:%S} {zone}",
    "iso in half days": lambda at, zone: f"{at:%Y-%m-%d} {_half_day(at)} {zone}",
    "american": lambda at, zone: (
        f"{ENGLISH_MONTHS[at.month - 1]} {at.day}, {at.year} {_half_day(at)} {zone}"
    ),
    "asctime": lambda at, zone: (
        f"{ENGLISH_DAYS[at.weekday()]} {ENGLISH_MONTHS[at.month - 1]} {at.day:2} "
        f"{at:%H:%M:%S} {zone} {at.year}"
    ),
    "slashes": lambda at, zone: f"{at:%m/%d/%Y %H:%M:%S} {zone}",
    "date only": lambda at, zone: f"{at:%Y-%m-%d}",
    "no year": lambda at, zone: f"{at.day} {ENGLISH_MONTHS[at.month - 1]} {at:%H:%M:%S} {zone}",
    "time only": lambda at, zone: f"{at:%H:%M:%S} {zone}",
    "rfc 850": lambda at, zone: (
        f"{ENGLISH_DAYS[at.weekday()]}, {at:%d}-{ENGLISH_MONTHS[at.month - 1]}-{at:%y} "
        f"{at:%H:%M:%S} {zone}"
    ),
}
TAGS = {
    "pubDate": "<rss version='2.0'><channel><item><title>A</title><pubDate>{}</pubDate></item>"
    "</channel></rss>",
    "dc:date": "<rss version='2.0' xmlns:dc='http://purl.org/dc/elements/1.1/'><channel><item>"
    "<title>A</title><dc:date>{}</dc:date></item></channel></rss>",
    "published": "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>A</title><published>{}"
    "</published></entry></feed>",
    "updated": "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>A</title><updated>{}"
    "</updated></entry></feed>",
}  # fmt: skip
walls = st.datetimes(datetime(2000, 1, 1), datetime(2049, 12, 31)).map(  # noqa: DTZ001 - a wall clock
    lambda at: at.replace(microsecond=0)
)


@given(walls, st.sampled_from(sorted(ZONES)), st.sampled_from(sorted(FORMS)))
@example(datetime(2026, 7, 8, 13, 58), "EST", "rfc 5322")  # noqa: DTZ001 - a wall clock
@example(datetime(2026, 11, 1, 1, 30), "ET", "rfc 5322")  # noqa: DTZ001 - a wall clock
def test_a_written_time_is_right_or_none_and_never_wrong(
    wall: datetime, zone: str, form: str
) -> None:
    text = FORMS[form](wall, zone)
    read = read_time(text).at
    if read is None:
        return
    assert zone not in NEVER, text
    assert read.replace(microsecond=0) in _meant(wall, zone, form), text


def _meant(wall: datetime, zone: str, form: str) -> set[datetime]:
    """The instant by another way: the offset that Python's own database gives the place."""
    assert form not in ("slashes", "date only", "no year", "time only")
    at = wall.replace(second=0) if form == "without seconds" else wall
    found = {at.replace(tzinfo=ZONES[zone]).astimezone(UTC)}
    if zone in ("EST", "CST", "MST", "PST") and len(_offsets(at, ZONES[zone])) > 1:
        # The letters tell the second of the two hours, and the hour that spring leaves out.
        found = {(at - min(_offsets(at, ZONES[zone]))).replace(tzinfo=UTC)}
    return found


def _offsets(at: datetime, zone: timezone | ZoneInfo) -> set[timedelta]:
    local = at.replace(tzinfo=zone)
    offsets = {local.utcoffset(), local.replace(fold=1).utcoffset()}
    return {offset for offset in offsets if offset is not None}


def entries(body: bytes) -> tuple[FeedEntry, ...]:
    return parse_feed(body, content_type=None, url="http://w.example/", most_entries=9).entries


@pytest.mark.parametrize("tag", sorted(TAGS))
@pytest.mark.parametrize("form", ["rfc 5322", "iso", "half days", "iso with a blank", "american"])
@pytest.mark.parametrize("zone", ["GMT", "EST", "EDT", "CET", "+05:30"])
def test_the_common_forms_are_read_in_every_tag(tag: str, form: str, zone: str) -> None:
    wall = JULY.replace(tzinfo=None)
    body = TAGS[tag].format(FORMS[form](wall, zone)).encode()
    (entry,) = entries(body)
    assert entry.published_at in _meant(wall, zone, form)


def test_a_json_feed_s_time_is_read_by_the_same_rules() -> None:
    document = {"version": "https://jsonfeed.org/version/1.1", "items": [
        {"id": "1", "title": "A", "date_published": "2026-07-08T13:58:00"},
        {"id": "2", "title": "B", "date_published": "2026-07-08T09:58:00-04:00"},
    ]}  # fmt: skip
    first, second = entries(json.dumps(document).encode())
    assert (first.published_at, first.time_problem) == (None, "no_zone")
    assert second.published_at == JULY


def test_an_unreadable_publication_is_not_replaced_by_an_update() -> None:
    body = TAGS["published"].format(
        "soon</published><updated>2026-07-08T13:58:00Z</updated><published>soon"
    )
    (entry,) = entries(body.encode())
    assert (entry.published_at, entry.time_problem) == (None, "unreadable")
