"""Which limits an account has, and what each may be at least and at most, in one table.

A limit out of its bounds is a mistake: a zero too many, a sign, a loss above everything invested.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

LimitValue = int | Decimal | None

# Words for "no limit of its own", as typed on a command line or in a file.
_UNSET = ("", "none", "default")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitBounds:
    """What one limit may be.

    Attributes:
        least, most: Both allowed.
        whole: A count, else USD.
        unset: What the limit is while it has no value of its own; "" where it needs one.
    """

    least: int
    most: int
    whole: bool = False
    unset: str = ""

    @property
    def expected(self) -> str:
        kind = "a whole number" if self.whole else "USD"
        return f"{kind} of {self.least:,} to {self.most:,}" + (
            f", or none ({self.unset})" if self.unset else ""
        )


LIMITS: Mapping[str, LimitBounds] = MappingProxyType(
    {
        "max_positions": LimitBounds(least=0, most=100, whole=True),
        "max_exposure": LimitBounds(least=1, most=1_000_000),
        "max_daily_loss": LimitBounds(least=1, most=100_000),
        "max_position_notional": LimitBounds(
            least=1, most=1_000_000, unset="max_exposure / max_positions"
        ),
        "max_order_notional": LimitBounds(least=1, most=1_000_000, unset="max_exposure"),
        "max_orders_per_minute": LimitBounds(least=0, most=100, whole=True),
        "max_orders_per_day": LimitBounds(least=0, most=2_000, whole=True),
        "max_turnover_per_day": LimitBounds(least=1, most=5_000_000, unset="20 times max_exposure"),
    }
)

# The first is at most the second.
_ORDERED = (
    ("max_daily_loss", "max_exposure"),
    ("max_position_notional", "max_exposure"),
    ("max_order_notional", "max_exposure"),
    ("max_orders_per_minute", "max_orders_per_day"),
)

# A new account's, unless it is given others: those of the smaller account that ships.
NEW_LIMITS: Mapping[str, LimitValue] = MappingProxyType(
    {
        "max_positions": 1,
        "max_exposure": Decimal(2000),
        "max_daily_loss": Decimal(100),
        "max_position_notional": None,
        "max_order_notional": None,
        "max_orders_per_minute": 30,
        "max_orders_per_day": 500,
        "max_turnover_per_day": None,
    }
)


def read_limits(given: Mapping[str, object]) -> tuple[dict[str, LimitValue], list[str]]:
    """The limits as numbers, and a sentence on each that is unknown or out of its bounds.

    Args:
        given: By name, as text or numbers; "none" or None takes a limit's own value away.
    """
    found: dict[str, LimitValue] = {}
    wrong = []
    for name, value in given.items():
        bounds = LIMITS.get(name)
        if bounds is None:
            wrong.append(f"{name}: unknown; expected one of {', '.join(LIMITS)}")
            continue
        try:
            found[name] = _read(bounds, value)
        except ValueError:
            wrong.append(f"{name}: expected {bounds.expected}")
    return found, wrong


def out_of_order(limits: Mapping[str, LimitValue]) -> Iterator[str]:
    """A sentence on each limit that contradicts another one of the same account."""
    for low, high in _ORDERED:
        first, second = limits.get(low), limits.get(high)
        if first is not None and second is not None and first > second:
            yield f"{low} is {shown(first)}: it must be at most {high}, which is {shown(second)}"


def shown(value: LimitValue) -> str:
    """A limit as it is typed: without an exponent or needless zeros."""
    if value is None:
        return "none"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _read(bounds: LimitBounds, value: object) -> LimitValue:
    """Raises ValueError where it is not what the limit expects."""
    text = "" if value is None else str(value).strip().casefold()
    if text in _UNSET:
        if not bounds.unset:
            raise ValueError
        return None
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError
    number = Decimal(text)
    if not bounds.least <= number <= bounds.most or (bounds.whole and number != int(number)):
        raise ValueError
    return int(number) if bounds.whole else number
