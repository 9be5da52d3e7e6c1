"""AWS cron expressions, and the minutes at which they start something.

The six fields are minutes, hours, day of month, month, day of week, year. One of the
two day fields must be `?`. Supported are `*`, `?`, numbers, names, ranges, lists and
steps; `L`, `W` and `#` are refused by name. Expressions are evaluated in the schedule's
time zone as EventBridge Scheduler does it: a wall-clock minute that the spring change
skips does not occur, and one that the autumn change repeats starts things the first
time only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


class CronInvalid(ValueError):
    """The expression is not one that both EventBridge Scheduler and this parser support."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_MINUTES = _Field("minutes", 0, 59)
_HOURS = _Field("hours", 0, 23)
_DAY_OF_MONTH = _Field("day of month", 1, 31)
_MONTH = _Field("month", 1, 12, _MONTHS)
_DAY_OF_WEEK = _Field("day of week", 1, 7, _DAYS)
_YEAR = _Field("year", 1970, 2199)


@dataclass(frozen=True, slots=True)
class Cron:
    """An expression and the values of each field; days of the week count from Sunday = 1."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    days_of_month: frozenset[int]
    months: frozenset[int]
    days_of_week: frozenset[int]
    years: frozenset[int]

    def matches(self, local: datetime) -> bool:
        """Whether the expression includes this wall-clock minute."""
        return (
            local.minute in self.minutes
            and local.hour in self.hours
            and local.isoweekday() % 7 + 1 in self.days_of_week
            and local.day in self.days_of_month
            and local.month in self.months
            and local.year in self.years
        )


def parse_cron(expression: str) -> Cron:
    """Parse an expression such as `cron(0/5 * * * ? *)`.

    Raises:
        CronInvalid: the message names the field and what is wrong with it.
    """
    text = expression.strip()
    if not (text.startswith("cron(") and text.endswith(")")):
        raise CronInvalid(f"{expression!r} must look like cron(...)")
    parts = text[len("cron(") : -1].split()
    if len(parts) != 6:
        raise CronInvalid(f"{expression!r} has {len(parts)} fields, six are due")
    minutes, hours, day_of_month, month, day_of_week, year = parts
    if (day_of_month == "?") == (day_of_week == "?"):
        raise CronInvalid(f"{expression!r}: exactly one of the two day fields must be ?")
    return Cron(
        expression=text,
        minutes=_values(_MINUTES, minutes),
        hours=_values(_HOURS, hours),
        days_of_month=_day_values(_DAY_OF_MONTH, day_of_month),
        months=_values(_MONTH, month),
        days_of_week=_day_values(_DAY_OF_WEEK, day_of_week),
        years=_values(_YEAR, year),
    )


def _day_values(field: _Field, text: str) -> frozenset[int]:
    return _values(field, "*" if text == "?" else text)


def _values(field: _Field, text: str) -> frozenset[int]:
    return frozenset(value for item in text.split(",") for value in _item(field, item))


def _item(field: _Field, item: str) -> range:
    """One member of a list: `*`, `5`, `MON-FRI`, `0/5`, `*/5`, `10-30/5`."""
    span, slash, step_text = item.partition("/")
    step = _step(field, step_text) if slash else 1
    if span == "*":
        first, last = field.first, field.last
    else:
        start, dash, end = span.partition("-")
        first = _number(field, start)
        open_end = field.last if slash else first
        last = _number(field, end) if dash else open_end
    if last < first:
        raise CronInvalid(f"{field.name}: the range {item!r} runs backwards")
    return range(first, last + 1, step)


def _step(field: _Field, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise CronInvalid(f"{field.name}: {text!r} is no step")
    return int(text)


def _number(field: _Field, text: str) -> int:
    upper = text.upper()
    if upper in field.names:
        return field.names.index(upper) + field.first
    if text.isascii() and text.isdigit():
        if field.first <= int(text) <= field.last:
            return int(text)
        raise CronInvalid(f"{field.name}: {text} is not within {field.first}-{field.last}")
    for sign in ("L", "W", "#", "?"):
        if sign in upper:
            raise CronInvalid(f"{field.name}: {sign} in {text!r} is not supported here")
    raise CronInvalid(f"{field.name}: {text!r} is not understood")


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is started at which minutes; `input` is the event, with a placeholder for the tick."""

    kind: Literal["machine", "function"]
    target: str
    crons: tuple[Cron, ...]
    input: Mapping[str, str]
    timezone: str

    def fires_at(self, moment: datetime) -> bool:
        """Whether the schedule starts something at this whole minute."""
        local = moment.astimezone(ZoneInfo(self.timezone))
        return local.fold == 0 and any(cron.matches(local) for cron in self.crons)

    def event(self, at: datetime) -> dict[str, str]:
        """The event of one tick, with its time in EventBridge Scheduler's format."""
        tick = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            key: tick if value == SCHEDULED_TIME else value for key, value in self.input.items()
        }


@dataclass(frozen=True, slots=True)
class Tick:
    """One start. `at` is UTC; `order` is the schedule's position among those of its minute."""

    at: datetime
    target: str
    order: int
    kind: Literal["machine", "function"]
    event: Mapping[str, str]


def ticks(schedules: Sequence[Schedule], start: datetime, end: datetime) -> Iterator[Tick]:
    """The starts with start <= at < end, by time, and within a minute in the given order.

    Args:
        start: Aware; rounded up to a whole minute.
        end: Aware; may be far away, since starts are computed one by one.

    Raises:
        ValueError: a bound has no time zone.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("a schedule needs bounds with a time zone")
    at = start.astimezone(UTC).replace(second=0, microsecond=0)
    if at < start:
        at += MINUTE
    while at < end:
        for order, schedule in enumerate(schedules):
            if schedule.fires_at(at):
                yield Tick(at, schedule.target, order, schedule.kind, schedule.event(at))
        at += MINUTE
