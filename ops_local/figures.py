"""Formats values for a person: New York times, dollars, percentages, no needless digits."""

import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ops_pipeline.domain.market import NEW_YORK

UNKNOWN = "-"

_GAINS = ("pnl", "P&L")
_DOLLARS = ("price", "notional", "bought", "sold", "exposure", "fees")
_PRICES = ("open", "high", "low", "close")
_ISO_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")


def clock(moment: datetime) -> str:
    """The minute in New York, as 09:31."""
    return moment.astimezone(NEW_YORK).strftime("%H:%M")


def dollars(amount: Decimal | float) -> str:
    """Two decimal places and commas, as 1,234.50; a loss has a minus sign."""
    return f"{amount:,.2f}"


def gain(amount: Decimal | float) -> str:
    """Dollars with their sign, as +39.44."""
    return f"{amount:+,.2f}"


def plain(number: Decimal | float) -> str:
    """At most four decimal places, without trailing zeros."""
    text = f"{number:,.4f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cell(name: str, value: Any) -> str:
    """One value of a table, formatted by its column's name; None (unknown or absent) is `-`."""
    if value is None:
        return UNKNOWN
    if isinstance(value, list | tuple):
        return ", ".join(cell(name, part) for part in value)
    for kind, written in _WRITTEN:
        if isinstance(value, kind):
            return written(value)
    if isinstance(value, Decimal | float):
        return _number(name, value)
    return in_new_york(str(value))


def in_new_york(text: str) -> str:
    """The text with every ISO time in it replaced by New York's minute."""
    return _ISO_MOMENT.sub(lambda found: clock(datetime.fromisoformat(found[0])), text)


def _number(name: str, value: Decimal | float) -> str:
    if any(mark in name for mark in _GAINS):
        return gain(value)
    if name in _PRICES or any(mark in name for mark in _DOLLARS):
        return dollars(value)
    return plain(value)


# In this order, as a bool is an int and a datetime is a date.
_WRITTEN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, lambda value: "yes" if value else "no"),
    (int, lambda value: f"{value:,}"),
    (datetime, clock),
    (date, date.isoformat),
)
