"""Numbers of arguments: what is out of range is a usage error before anything is done."""

import argparse
import math


def at_least_one(text: str) -> int:
    """A whole number that fits Postgres's bigint."""
    number = int(text)
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be from 1 to {2**63 - 1}, not {text}")
    return number


def positive(text: str) -> float:
    """A finite number above 0."""
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"must be positive, not {text}")
    return number


def not_negative(text: str) -> float:
    """A finite number, 0 or more."""
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number
