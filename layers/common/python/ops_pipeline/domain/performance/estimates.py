"""A figure with its standard error, so that no mean is read without its doubt."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure measured on `count` observations; None is unknown, never zero."""

    value: float | None
    standard_error: float | None
    count: int


def mean(values: Iterable[float]) -> Estimate:
    """The sample mean and its standard error, s / sqrt(n) with n - 1 degrees of freedom."""
    seen = list(values)
    count = len(seen)
    if count == 0:
        return Estimate(None, None, 0)
    centre = math.fsum(seen) / count
    if count == 1:
        return Estimate(centre, None, 1)
    return Estimate(centre, deviation(seen) / math.sqrt(count), count)


def share(hits: int, count: int) -> Estimate:
    """A share of hits with Wilson's standard error, which is not zero where all or none hit.

    Half the width of Wilson's score interval at one standard deviation (Wilson, 1927,
    Probable inference, JASA 22).
    """
    if count == 0:
        return Estimate(None, None, 0)
    rate = hits / count
    inner = rate * (1 - rate) / count + 1 / (4 * count * count)
    return Estimate(rate, math.sqrt(inner) / (1 + 1 / count), count)


def deviation(values: list[float]) -> float:
    """The sample's standard deviation with n - 1 degrees of freedom; needs two values."""
    centre = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))
