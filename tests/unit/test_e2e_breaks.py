"""What `make e2e-breaks` breaks is still there to be broken."""

from pathlib import Path

import pytest

from infra.synth import ROOT
from tests.e2e.breaks import BREAKS, Break


@pytest.mark.parametrize("name", BREAKS)
def test_a_break_changes_what_is_deployed(name: str, tmp_path: Path) -> None:
    each = BREAKS[name]
    copy = tmp_path / each.file
    copy.parent.mkdir(parents=True)
    copy.write_bytes((ROOT / each.file).read_bytes())
    each.apply(tmp_path)
    assert copy.read_bytes() != (ROOT / each.file).read_bytes()


def test_a_break_whose_text_is_gone_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    with pytest.raises(LookupError, match="has no 'gone'"):
        Break("file", "gone", "new").apply(tmp_path)
