"""Numbers and timestamps in the form that Alpaca and its clients use."""

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from ops_local.exchange.refusals import bad_query
from ops_pipeline.domain.market import NEW_YORK

_PLACES = Decimal("0.000000001")


def decimal_text(value: Decimal | int) -> str:
    """A number without exponent or trailing zeros, to at most nine places."""
    text = format(Decimal(value).quantize(_PLACES, ROUND_HALF_EVEN), "f").rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def optional_decimal_text(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def timestamp(value: datetime) -> str:
    """RFC 3339 in UTC; a fraction of a second only where there is one."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def optional_timestamp(value: datetime | None) -> str | None:
    return None if value is None else timestamp(value)


def new_york_timestamp(value: datetime) -> str:
    """RFC 3339 with New York's offset, as in Alpaca's market clock."""
    return value.astimezone(NEW_YORK).isoformat()


def parse_timestamp(text: str, name: str) -> datetime:
    """A time in a query: RFC 3339, or a date, which means its midnight in New York.

    Raises:
        ApiRefusal: it is neither, or has no UTC offset.
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
