"""`ops classify` as it is typed: lines in, JSON lines out."""

import io
import json
from pathlib import Path

import pytest

from ops_local.cli import main
from ops_local.commands.classify import answers
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.lexicon_classifier import LexiconClassifier
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Company

LINES = "Nike shares jump after strong quarter\n\nNike rises while Intel falls\r\n100 %\n"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, database_urls: DatabaseUrls) -> None:
    monkeypatch.setenv("DATABASE_READER_URL", database_urls.reader)


def printed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_line_of_a_file_gets_one_line_of_json(
    environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "lines.txt"
    file.write_bytes(LINES.encode())
    assert main(["classify", str(file)]) == 0
    good, empty, two, figures = printed(capsys)
    assert (good["label"], good["tickers"], good["mixed"]) == ("positive", ["NKE"], False)
    assert good["model"] == LexiconClassifier().model
    assert set(good["probabilities"]) == {"positive", "neutral", "negative"}  # type: ignore[call-overload] # a dict
    assert (empty["label"], empty["reason"]) == (None, "no text")
    assert (two["tickers"], two["mixed"]) == (["INTC", "NKE"], True)
    assert (figures["score"], figures["reason"]) == (None, "no words")


def test_standard_input_is_read_as_well(
    environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = io.BytesIO(b"Nike beats estimates\nBroken \xff\xfe letters fall\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(raw))
    assert main(["classify", "-"]) == 0
    assert [answer["label"] for answer in printed(capsys)] == ["positive", "negative"]


def test_a_file_that_is_not_there_is_named(
    environment: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", str(tmp_path / "none.txt")]) == 1
    assert "none.txt" in capsys.readouterr().err


def test_answers_keep_the_order_over_many_batches() -> None:
    book = NameIndex([Company("NKE", ("Nike",))])
    lines = [f"Nike sells {n} shoes" if n % 2 else f"Rain on day {n}" for n in range(1000)]
    found = [json.loads(line)["tickers"] for line in answers(lines, book, LexiconClassifier())]
    assert found == [["NKE"] if n % 2 else [] for n in range(1000)]
