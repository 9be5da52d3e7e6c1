"""What contributors are told to type exists, and the README leads to every page."""

import re
import shlex
from pathlib import Path

import pytest

from ops_local.cli import build_parser
from tests.conftest import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()
PAGES = (ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md")
COMMANDS = [
    line
    for page in PAGES
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_for_contributors_is_one_that_exists(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "make":
        assert re.search(rf"^{arguments[0]}:.*## ", MAKEFILE, re.MULTILINE)
    elif program == ".venv/bin/ops":
        build_parser().parse_args(arguments)
    else:
        assert program in (".venv/bin/pytest", ".venv/bin/python")
        files = [word for word in arguments if "/" in word]
        assert files
        assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_test_that_a_contributor_is_told_to_choose_is_there() -> None:
    (command,) = [line for line in COMMANDS if " -k " in line]
    _, _, file, _, word = shlex.split(command)
    assert re.search(rf"^def test_\w*{word}", (ROOT / file).read_text(), re.MULTILINE)


def test_every_folder_of_tests_is_explained() -> None:
    page = PAGES[0].read_text()
    folders = {file.parent.name for file in (ROOT / "tests").glob("*/test_*.py")}
    assert [name for name in sorted(folders) if f"](tests/{name})" not in page] == []


def _linked(page: Path) -> set[Path]:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    return {(page.parent / link).resolve() for link in links}


def test_the_readme_leads_to_every_page() -> None:
    pages = {*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")}
    reached = _linked(ROOT / "README.md")
    for page in sorted(reached & {ROOT / "docs" / "decisions" / "README.md", *pages}):
        reached |= _linked(page)
    assert [page.name for page in sorted(pages - {ROOT / "README.md"} - reached)] == []
