"""Each guard of the threat model is a file or a test that exists, and each attacker is named."""

from dataclasses import dataclass

import pytest

from tests.conftest import ROOT
from tests.docs.code_links import links_of

PAGE = ROOT / "docs" / "threat-model.md"


@dataclass(frozen=True)
class Threat:
    asset: str
    attacker: str
    guard: str
    left: str


def _threats() -> list[Threat]:
    table = PAGE.read_text(encoding="utf-8").partition("| asset | attacker |")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    return [Threat(*(cell.strip() for cell in row.strip("|").split(" | "))) for row in rows]


@pytest.mark.parametrize("threat", _threats(), ids=lambda one: f"{one.asset}, {one.attacker}")
def test_a_guard_names_files_that_exist_and_something_is_said_of_what_is_left(
    threat: Threat,
) -> None:
    links = links_of(threat.guard)
    assert links
    for link in links:
        file = PAGE.parent / link.target
        assert file.exists(), link.target
        if link.symbol is not None:
            assert link.symbol in file.read_text(encoding="utf-8") or link.symbol == file.stem
    assert len(threat.left) > 5


def test_the_table_is_whole_and_security_points_to_it() -> None:
    assert len(_threats()) >= 20
    assert "docs/threat-model.md" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")
