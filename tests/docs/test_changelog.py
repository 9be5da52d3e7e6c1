"""The changelog keeps to the headings of Keep a Changelog."""

import re

from tests.conftest import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
VERSION = re.compile(r"\[Unreleased\]|\[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d")


def _versions() -> list[tuple[str, str]]:
    """Heading and body of each version, newest first."""
    parts = re.split(r"^## (.*)$", CHANGELOG, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def test_the_newest_version_is_the_unreleased_one_and_others_have_a_number_and_a_day() -> None:
    headings = [heading for heading, _ in _versions()]
    assert headings[0] == "[Unreleased]"
    assert headings.count("[Unreleased]") == 1
    assert [heading for heading in headings if VERSION.fullmatch(heading) is None] == []


def test_changes_are_grouped_by_kind_in_the_usual_order_each_kind_once() -> None:
    for heading, body in _versions():
        kinds = re.findall(r"^### (.*)$", body, re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds], heading


def test_every_kind_says_something() -> None:
    for heading, body in _versions():
        for kind in re.split(r"^### ", body, flags=re.MULTILINE)[1:]:
            assert re.search(r"^- \S", kind, re.MULTILINE), f"{heading}: {kind.splitlines()[0]}"


def test_the_changes_of_a_kind_are_one_list_without_gaps() -> None:
    for heading, body in _versions():
        for kind in re.split(r"^### ", body, flags=re.MULTILINE)[1:]:
            name, _, changes = kind.partition("\n")
            assert "\n\n- " not in changes.strip(), f"{heading}: {name}"
