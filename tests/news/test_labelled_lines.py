"""How well the embedded model does on lines of our own; `pytest -s` prints the figures."""

import pytest

from ops_pipeline.domain.news.items import Label
from ops_pipeline.domain.news.sentiment import sentiment
from tests.news import labelled_lines
from tests.unit import sentiment_lines
from tests.unit.sentiment_lines import LABELS, macro_f1

SECOND = ("HEADLINES", "REPORTS", "POSTS", "LAST")
FIRST = ("HEADLINES", "REPORTS", "POSTS", "HELD_OUT")


def pairs(lines: list[str]) -> list[tuple[Label, Label]]:
    return [(LABELS[line[0]], sentiment(line[2:]).label) for line in lines]


@pytest.mark.parametrize(
    ("name", "least"), [("HEADLINES", 0.9), ("REPORTS", 0.9), ("POSTS", 0.9), ("LAST", 0.65)]
)
def test_macro_f1_on_the_second_set(name: str, least: float) -> None:
    lines = getattr(labelled_lines, name).strip().splitlines()
    reached = macro_f1(pairs(lines))
    print(f"{name}: {len(lines)} lines, macro-F1 {reached:.3f}")  # noqa: T201 - shown by pytest -s
    assert reached >= least


def test_the_two_sets_hold_over_four_hundred_lines_none_of_them_twice() -> None:
    lines = [
        line
        for module, names in ((sentiment_lines, FIRST), (labelled_lines, SECOND))
        for name in names
        for line in getattr(module, name).strip().splitlines()
    ]
    assert len(lines) == len(set(lines)) >= 400
    assert {line[:2] for line in lines} == {"+ ", "- ", "0 "}
