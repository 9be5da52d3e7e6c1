"""Decisions are numbered, and the index lists every one of them under its own title."""

import re

from tests.conftest import ROOT

FOLDER = ROOT / "docs" / "decisions"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


def test_decisions_have_a_number_of_their_own_and_say_it() -> None:
    # Numbers are given out before the decisions are written, so that some may be missing.
    numbers = [int(file.name[:4]) for file in PAGES]
    assert len(set(numbers)) == len(numbers) > 0
    for number, file in zip(numbers, PAGES, strict=True):
        assert file.read_text().startswith(f"# {number}. "), file.name


def test_the_index_lists_each_decision_once_in_order_with_its_title() -> None:
    index = (FOLDER / "README.md").read_text()
    rows = re.findall(r"^\| (\d+) \| \[(.*)\]\((.*)\) \| (.+) \|$", index, re.MULTILINE)
    listed = [(f"# {number}. {title}", link) for number, title, link, _ in rows]
    assert listed == [(page.read_text().partition("\n")[0], page.name) for page in PAGES]


def test_nothing_else_lies_between_the_decisions() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {page.name for page in PAGES} | {"README.md"}
