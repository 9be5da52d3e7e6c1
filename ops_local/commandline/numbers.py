"""Numbers of arguments: what is out of range is a usage error before anything is done."""

import argparse
import math


def at_least_one(text: str) -> int:
    """A whole number that fits Postgres's bigint."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, not {text}") from None
    if not 1 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"must be from 1 to {2**63 - 1}, not {text}")
    return number


def positive(text: str) -> float:
    """A finite number above 0."""
    number = _number(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"must be positive, not {text}")
    return number


def not_negative(text: str) -> float:
    """A finite number, 0 or more."""
    number = _number(text)
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"must be 0 or more, not {text}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        # argparse would name the function that reads the argument.
        raise argparse.ArgumentTypeError(f"must be a number, not {text}") from None
