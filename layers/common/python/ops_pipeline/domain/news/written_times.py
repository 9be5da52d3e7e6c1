"""The instant that a written time means, or the reason why it means none.

Read are RFC 822, 2822 and 5322, ISO 8601 and RFC 3339, and the variants of feeds that can
mean one instant only. What could mean two (07/08/2026, IST, the hour that comes twice in
autumn) has no instant: a wrong time would make old news new. Nothing depends on the wall
clock or on the machine's locale.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ops_pipeline.domain.news.time_zones import TimeProblem, WrittenTime, in_zone, is_offset
from ops_pipeline.domain.news.word_lists import word_lists

LONGEST = 100

_CLOCK = (
    r"(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"(?: ?(?P<half>[ap])\.?m\b\.?)?"
)
_ZONE = (
    r"(?P<zone>[+-]\d\d:?\d\d|[+-]\d\d|(?:utc|gmt)[+-]\d\d?(?::?\d\d)?|[a-z]{1,5}|"
    r"\[?[a-z]+/[a-z_]+(?:/[a-z_]+)?\]?)"
)
_TIME = rf"(?:,?(?: | at | um | à | kl\.? )?{_CLOCK}(?: ?{_ZONE})?)?"
_WORD = r"[^\W\d_]+(?:-feira)?"
_WEEKDAY = rf"(?:(?P<weekday>{_WORD})\.?(?:, ?| ))?"
_DAY, _MONTH, _YEAR = r"(?P<day>\d{1,2})", rf"(?P<month>{_WORD})\.?", r"(?P<year>\d{4}|\d\d)"
# Full matches, in small letters, white space as single blanks, without a comment at the end.
_FORMS = tuple(
    re.compile(form)
    for form in (
        # RFC 5322 and its kin: "Wed, 8 Jul 2026 13:58:00 GMT", "8. Juli 2026", "8-Jul-26".
        rf"{_WEEKDAY}{_DAY}\.?(?:-| |/| de )(?:de )?{_MONTH}(?:-| |/| de ){_YEAR}{_TIME}",
        # "July 8, 2026 1:58 PM EDT", "Wed Jul 08 2026 13:58:00 GMT+0530".
        rf"{_WEEKDAY}{_MONTH} {_DAY}(?:st|nd|rd|th)?,? (?P<year>\d{{4}}){_TIME}",
        # asctime and date: "Wed Jul  8 13:58:00 UTC 2026".
        rf"{_WEEKDAY}{_MONTH} {_DAY} {_CLOCK}(?: {_ZONE})? (?P<year>\d{{4}})",
        # ISO 8601 and what looks like it; the year first leaves no doubt about the month.
        rf"(?P<year>\d{{4}})-(?P<month>\d\d)-(?P<day>\d\d)(?:[t ]+{_CLOCK}(?: ?{_ZONE})?)?",
        rf"(?P<year>\d{{4}})/(?P<month>\d\d?)/(?P<day>\d\d?){_TIME}",
        # With points the day comes first wherever dates are written so.
        rf"(?P<day>\d\d?)\.(?P<month>\d\d?)\.(?P<year>\d{{4}}){_TIME}",
    )
)
_ISO = re.compile(
    r"\d{4}-?(?:\d\d-?\d\d|w\d\d-?\d)t"
    r"\d\d(?::?\d\d(?::?\d\d(?:[.,]\d+)?)?)?(?:z|[+-]\d\d(?::?\d\d)?)?"
)
_COMMENT = re.compile(r" ?\([^()]*\)$")
_RFC_9557 = re.compile(r"([z\d])\[[a-z_+/-]+\]$")


def _names(kind: str) -> dict[str, frozenset[int]]:
    found: dict[str, set[int]] = {}
    for name, words in word_lists("calendar").items():
        of_kind, number = name.split()
        for word in words if of_kind == kind else ():
            found.setdefault(word, set()).add(int(number))
    return {word: frozenset(numbers) for word, numbers in found.items()}


_MONTHS, _WEEKDAYS = _names("month"), _names("weekday")


def read_time(text: str) -> WrittenTime:
    """The instant that a text means; `problem` says why there is none."""
    if len(text) > 4 * LONGEST:
        return _none("unreadable")
    plain = " ".join(text.split()).casefold()
    if _ISO.fullmatch(plain):
        return _iso(plain)
    plain = _RFC_9557.sub(r"\1", _COMMENT.sub("", plain))
    for form in _FORMS:
        found = form.fullmatch(plain)
        if found is not None:
            return _instant(found.groupdict())
    return _none("unreadable")


def _none(problem: TimeProblem) -> WrittenTime:
    return WrittenTime(None, problem)


def _iso(text: str) -> WrittenTime:
    """ISO 8601 as the standard library reads it."""
    try:
        moment = datetime.fromisoformat(text.upper())
        if moment.tzinfo is None:
            return _none("no_zone")
        if not is_offset(moment.utcoffset() or timedelta()):
            return _none("unreadable")
        return WrittenTime(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        return _none("unreadable")


def _instant(parts: Mapping[str, str | None]) -> WrittenTime:
    wall = _wall_clock(parts)
    if wall is None:
        return _none("unreadable")
    if parts["hour"] is None:
        return _none("date_only")
    zone = parts["zone"]
    if zone is None:
        return _none("no_zone")
    try:
        return in_zone(wall, zone.strip("[]"))
    except OverflowError:
        return _none("unreadable")


def _wall_clock(parts: Mapping[str, str | None]) -> datetime | None:
    """The date and time as written, without a zone; None when they contradict themselves."""
    month, hour = _month(parts["month"] or ""), _hour(parts)
    if month is None or hour is None:
        return None
    # A leap second counts as the first of the next minute.
    second = int(parts["second"] or 0)
    fraction = int((parts["fraction"] or "0").ljust(6, "0")[:6])
    try:
        wall = datetime(  # noqa: DTZ001 - the zone is found separately
            _year(parts["year"] or ""), month, int(parts["day"] or 0),
            hour, int(parts["minute"] or 0), min(second, 59), fraction,
        )  # fmt: skip
    except ValueError:
        return None
    if second > 60 or not _is_weekday(parts.get("weekday"), wall):
        return None
    return wall + timedelta(seconds=1) if second == 60 else wall


def _month(written: str) -> int | None:
    if written.isdecimal():
        return int(written)
    numbers = _MONTHS.get(written, frozenset())
    return next(iter(numbers)) if len(numbers) == 1 else None


def _year(written: str) -> int:
    """Two digits as RFC 5322 reads them."""
    year = int(written)
    return year if len(written) == 4 else year + (2000 if year < 50 else 1900)


def _hour(parts: Mapping[str, str | None]) -> int | None:
    """The hour of 24; None for 13 PM and the like."""
    hour, half = int(parts["hour"] or 0), parts["half"]
    if half is None:
        return hour
    return hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else None


def _is_weekday(written: str | None, wall: datetime) -> bool:
    return written is None or wall.weekday() in _WEEKDAYS.get(written, frozenset())
