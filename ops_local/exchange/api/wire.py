"""Figures and moments as Alpaca writes them, and as its clients send them."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from ops_local.exchange.refusals import bad_query
from ops_pipeline.domain.market import NEW_YORK

_PLACES = Decimal("0.000000001")


def number(value: Decimal | int) -> str:
    """A figure without exponent or idle zeros, to at most nine places."""
    text = format(Decimal(value).quantize(_PLACES, ROUND_HALF_EVEN), "f").rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def optional_number(value: Decimal | None) -> str | None:
    return None if value is None else number(value)


def moment(value: datetime) -> str:
    """RFC 3339 in UTC, with a fraction only where there is one."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def optional_moment(value: datetime | None) -> str | None:
    return None if value is None else moment(value)


def new_york_moment(value: datetime) -> str:
    """RFC 3339 with New York's offset, as Alpaca's market clock has it."""
    return value.astimezone(NEW_YORK).isoformat()


def read_moment(text: str, name: str) -> datetime:
    """A moment in a query: RFC 3339, or a date meaning its midnight in New York.

    Raises:
        Refused: it is neither, or names no offset from UTC.
    """
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_query(f"invalid {name}: {text!r}") from error
    if len(text) == len("2013-10-07"):
        return value.replace(tzinfo=NEW_YORK).astimezone(UTC)
    if value.tzinfo is None:
        raise bad_query(f"invalid {name}: {text!r} names no offset from UTC")
    return value.astimezone(UTC)
