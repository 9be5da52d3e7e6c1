"""Ranges of New York days that a verb looks at."""

import argparse
from datetime import date, datetime, timedelta

from ops_local.commandline.command import UsageError
from ops_pipeline.domain.market import new_york_day, new_york_time


def day(text: str) -> date:
    """A day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a day as YYYY-MM-DD, not {text}") from None


def range_arguments(parser: argparse.ArgumentParser, *, days: int) -> None:
    earlier = f"first day in New York; {days} before the last if omitted"
    parser.add_argument("--from", dest="first", type=day, metavar="DAY", help=earlier)
    present = "last day; the present one if omitted"
    parser.add_argument("--to", dest="last", type=day, metavar="DAY", help=present)


def moments(args: argparse.Namespace, present: datetime, *, days: int) -> tuple[datetime, datetime]:
    """The range from the first day's midnight in New York to the one after the last.

    Raises:
        UsageError: the last day is before the first.
    """
    last: date = args.last or new_york_day(present)
    first: date = args.first or last - timedelta(days=days)
    if last < first:
        raise UsageError(f"the first day, {first}, is after the last, {last}")
    return new_york_time(first, 0), new_york_time(last + timedelta(days=1), 0)
