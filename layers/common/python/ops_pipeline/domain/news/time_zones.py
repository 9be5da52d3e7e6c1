"""The zones that a written time may name, and the instant of a wall clock in one of them."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

# "date_only": a day without a time; "ambiguous": a local time that the clock shows twice or
# never; "unreadable": no known form, or parts that contradict each other.
TimeProblem = Literal["unreadable", "date_only", "no_zone", "unknown_zone", "ambiguous"]
# "summer_time": standard time was written in summer ("EST" in July); read as local time.
TimeNote = Literal["summer_time"]


@dataclass(frozen=True, slots=True)
class WrittenTime:
    """What a written time means: an instant in UTC, or the problem that leaves none."""

    at: datetime | None
    problem: TimeProblem | None = None
    note: TimeNote | None = None


_OFFSET = re.compile(r"(?:utc|gmt)?([+-])(\d\d?):?(\d\d)?")
_WESTMOST, _EASTMOST = -12 * 60, 14 * 60


def _hours(offset: float) -> timezone:
    return timezone(timedelta(hours=offset))


# Zones with one meaning in the news of the US and Europe; IST has three, so it has none here.
_FIXED: dict[str, tzinfo] = {
    **dict.fromkeys(("z", "ut", "utc", "gmt", "wet"), UTC),
    **dict.fromkeys(("bst", "west", "cet", "mez"), _hours(1)),
    **dict.fromkeys(("cest", "mesz", "eet"), _hours(2)),
    **dict.fromkeys(("eest", "msk"), _hours(3)),
    "edt": _hours(-4), "cdt": _hours(-5), "mdt": _hours(-6), "pdt": _hours(-7),
    "akdt": _hours(-8), "hst": _hours(-10),
}  # fmt: skip
# Standard time of the US, which many write all the year round: in summer it is read as local.
_STANDARD = {
    "est": (-5, "America/New_York"), "cst": (-6, "America/Chicago"),
    "mst": (-7, "America/Denver"), "pst": (-8, "America/Los_Angeles"),
    "akst": (-9, "America/Anchorage"),
}  # fmt: skip
_LOCAL = {
    "et": "America/New_York", "ct": "America/Chicago", "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}  # fmt: skip


def in_zone(wall: datetime, zone: str) -> WrittenTime:
    """The instant of a wall clock in a zone as written, in small letters.

    Raises:
        OverflowError: the instant is outside the calendar.
    """
    offset = _OFFSET.fullmatch(zone)
    if offset is not None:
        return _at_offset(wall, offset)
    if zone in _FIXED:
        return WrittenTime(wall.replace(tzinfo=_FIXED[zone]).astimezone(UTC))
    if zone in _STANDARD:
        return _in_standard_time(wall, *_STANDARD[zone])
    place = _LOCAL.get(zone) or (zone if "/" in zone else "")
    if not place or _zone(place) is None:
        return WrittenTime(None, "unknown_zone")
    local = _local(wall, place)
    return WrittenTime(None, "ambiguous") if local is None else WrittenTime(local.astimezone(UTC))


def _at_offset(wall: datetime, written: re.Match[str]) -> WrittenTime:
    minutes = int(written[2]) * 60 + int(written[3] or 0)
    away = timedelta(minutes=-minutes if written[1] == "-" else minutes)
    if not is_offset(away) or int(written[3] or 0) > 59:
        return WrittenTime(None, "unreadable")
    return WrittenTime((wall - away).replace(tzinfo=UTC))


def _in_standard_time(wall: datetime, hours: int, place: str) -> WrittenTime:
    """Taken literally in winter; in summer as the local time that was meant."""
    local = _local(wall, place)
    if local is not None and local.dst():
        return WrittenTime(local.astimezone(UTC), note="summer_time")
    return WrittenTime(wall.replace(tzinfo=_hours(hours)).astimezone(UTC))


def is_offset(away: timedelta) -> bool:
    """Whether some place on earth is so far from Greenwich: in quarters of an hour."""
    minutes = away.total_seconds() / 60
    return _WESTMOST <= minutes <= _EASTMOST and minutes % 15 == 0


def _local(wall: datetime, place: str) -> datetime | None:
    """The local time; None for one that the clocks of the place show twice or never."""
    local = wall.replace(tzinfo=_zone(place))
    return local if local.utcoffset() == local.replace(fold=1).utcoffset() else None


@lru_cache(maxsize=256)
def _zone(place: str) -> ZoneInfo | None:
    # Names are compared in small letters; the database writes them "America/New_York".
    name = re.sub(r"[a-z]+", lambda part: part[0].capitalize(), place.casefold())
    for small in ("_Of_", "_Au_", "_Es_"):
        name = name.replace(small, small.lower())
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        return None
