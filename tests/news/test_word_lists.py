"""The word lists: files that say what they hold, each phrase in one place, in every bundle."""

import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from infra.bundles import stage_common
from ops_pipeline.domain.news import lexicon
from ops_pipeline.domain.news.word_lists import FOLDER, word_lists

FILES = sorted(file.stem for file in FOLDER.glob("*.txt"))
# Each of these groups is read as one vocabulary: the later role would silently win.
VOCABULARIES = [("direction", "judgement"), ("traders",)]
# Parts that phrases of traders are put together from.
PARTS = {"crowds down", "crowds up", "links", "fates"}


@pytest.mark.parametrize("file", FILES)
def test_a_file_begins_by_saying_what_it_holds(file: str) -> None:
    header = [line for line in (FOLDER / f"{file}.txt").read_text().splitlines()[:3] if line]
    assert all(line.startswith("#") for line in header)
    assert any(line.startswith("# Written for this project; read by ") for line in header)


@pytest.mark.parametrize("file", FILES)
def test_each_list_is_sorted_and_holds_no_phrase_twice(file: str) -> None:
    lines = (FOLDER / f"{file}.txt").read_text().splitlines()
    phrases = [line for line in lines if not line.startswith("#")]
    # Lists are parted by empty lines.
    for filled, group in groupby(phrases, key=bool):
        if filled:
            name, *words = group
            assert name.startswith("["), name
            assert words == sorted(set(words)), name
            assert words, name


@pytest.mark.parametrize("files", VOCABULARIES)
def test_no_phrase_has_two_roles(files: tuple[str, ...]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        for role, phrases in word_lists(file).items():
            for phrase in phrases if role not in PARTS else ():
                assert phrase not in seen, (phrase, role, seen[phrase])
                seen[phrase] = role


def test_every_trait_is_one_of_a_metric_or_a_judgement() -> None:
    for trait, phrases in word_lists("traits").items():
        for phrase in phrases:
            assert lexicon.FORMS[phrase].kind in ("metric", "judgement"), (trait, phrase)


@pytest.mark.parametrize("text", ["up\n[rises]\n", "[rises]\nup\n\n[rises]\ndown\n"])
def test_a_file_of_another_form_is_refused(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd.txt").write_text(text)
    monkeypatch.setattr("ops_pipeline.domain.news.word_lists.FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"odd\.txt"):
        word_lists("odd")


def test_the_layer_carries_the_lists_and_judges_with_them(tmp_path: Path) -> None:
    layer = stage_common(tmp_path) / "python"
    code = (
        "from ops_pipeline.domain.news import sentiment, word_lists\n"
        "print(word_lists.FOLDER, sentiment.sentiment('Profit rises').label)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(layer)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == f"{layer / 'ops_pipeline/domain/news/words'} positive\n"
