"""Postgres's `numeric` arithmetic: exact sums and products, quotients of its own scale."""

from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal

# More digits than any product of columns has.
_EXACT = Context(prec=1000)
_SIGNIFICANT_DIGITS = 16
# Postgres keeps numbers as digits of base 10000.
_DIGITS = 4
NONE = Decimal(0)


def total(values: Iterable[Decimal]) -> Decimal:
    """Their exact sum."""
    found = NONE
    for value in values:
        found = _EXACT.add(found, value)
    return found


def product(*values: Decimal | int) -> Decimal:
    """Their exact product."""
    found = Decimal(1)
    for value in values:
        found = _EXACT.multiply(found, Decimal(value))
    return found


def less(value: Decimal, other: Decimal) -> Decimal:
    """Their exact difference."""
    return _EXACT.subtract(value, other)


def quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The quotient with as many decimals as Postgres gives it.

    Source: select_div_scale() in src/backend/utils/adt/numeric.c: at least 16 significant digits
    by an estimate from the first digits of base 10000, and no fewer decimals than either number.
    """
    weight, first = _leading(dividend)
    other_weight, other_first = _leading(divisor)
    estimate = weight - other_weight - (first <= other_first)
    scale = max(
        _SIGNIFICANT_DIGITS - estimate * _DIGITS, _decimals(dividend), _decimals(divisor), 0
    )
    exact = _EXACT.divide(dividend, divisor)
    return exact.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP, _EXACT)


def _leading(number: Decimal) -> tuple[int, int]:
    """Weight and value of the first digit of base 10000 that is not 0."""
    if not number:
        return 0, 0
    weight = number.adjusted() // _DIGITS
    return weight, int(_EXACT.scaleb(abs(number), -_DIGITS * weight))


def _decimals(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
