"""The map of the code leads to code that exists, and its layers are those that CI holds."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.code_links import broken, links_of, unused_references

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [PAGE, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_each_link_leads_to_a_file_that_defines_what_the_link_names(page: Path) -> None:
    assert broken(page) == []
    assert unused_references(page.read_text(encoding="utf-8")) == set()


def test_a_walk_through_tick_order_and_news_names_code_at_every_step() -> None:
    for walk in ("One tick", "One order", "One news item"):
        section = TEXT.partition(f"\n## {walk}\n")[2].partition("\n## ")[0]
        steps = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
        assert len(steps) >= 6, walk
        assert sum("][" in step or "](" in step for step in steps) >= len(steps) - 1, walk


def test_the_layers_of_the_page_are_those_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (layers,) = (each["layers"] for each in contracts["contracts"] if each["id"] == "layers")
    ordered = [name for layer in layers for name in layer.split(" | ")]
    section = TEXT.partition("\n## Layers\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| \[(\w+)\]", section, re.MULTILINE) == ["functions", *ordered]


def test_the_glossary_is_in_order_and_explains_each_word_once() -> None:
    section = TEXT.partition("\n## Glossary\n")[2]
    words = re.findall(r"^\| ([a-z_ ,]+) \| .{10,} \|$", section, re.MULTILINE)
    assert len(words) == len(set(words)) > 20
    must = {"tick", "lease", "fence", "intent", "verdict", "gate", "tape", "ledger", "cap"}
    assert must <= set(words)
    assert words == sorted(words)


def test_a_link_to_a_missing_file_or_name_is_seen(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("LIMIT = 1\nclass Book:\n    def add(self): ...\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[`add`](code.py) [`Book.add`](code.py) [`LIMIT`][code] [`code.Book`][code]\n"
        "[`code.Shelf`][code] [gone](gone.py#here) [page](page.md) [out](https://a.example)\n\n"
        "[code]: code.py\n[spare]: code.py\n"
    )
    assert broken(page) == [
        "code.py defines no add",
        "gone: there is no gone.py",
        "code.py defines no code.Shelf",
    ]
    assert unused_references(page.read_text()) == {"spare"}


def test_a_reference_without_a_definition_is_seen() -> None:
    with pytest.raises(KeyError):
        links_of("[`send`][nowhere]")
