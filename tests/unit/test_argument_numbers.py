"""A number that is none, or out of range, is refused in words for whoever typed it."""

import argparse
from collections.abc import Callable

import pytest

from ops_local.cli import build_parser
from ops_local.commandline.numbers import at_least_one, not_negative, positive


@pytest.mark.parametrize(
    ("read", "text", "complaint"),
    [
        (at_least_one, "abc", "must be a whole number, not abc"),
        (at_least_one, "1.5", "must be a whole number, not 1.5"),
        (at_least_one, "0", "must be from 1"),
        (at_least_one, str(2**63), "must be from 1"),
        (positive, "fast", "must be a number, not fast"),
        (positive, "0", "must be positive"),
        (positive, "nan", "must be positive"),
        (not_negative, "late", "must be a number, not late"),
        (not_negative, "-1", "must be 0 or more"),
        (not_negative, "inf", "must be 0 or more"),
    ],
)
def test_what_is_no_such_number_is_refused(
    read: Callable[[str], float], text: str, complaint: str
) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=complaint):
        read(text)


def test_the_refusal_names_the_argument_and_no_function_of_ours(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["explain", "abc"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "argument RECOMMENDATION: must be a whole number, not abc" in said
    assert "at_least_one" not in said
