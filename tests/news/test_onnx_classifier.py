"""The ONNX adapter over a tiny random BERT: see make_tiny_model.py beside this file."""

import json
import shutil
from pathlib import Path

import pytest

from ops_local.cli import main
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.adapters.model_folder import write_manifest
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.errors import ClassificationFailed, SettingsInvalid
from ops_pipeline.runtime.wiring import Runtime

TINY = Path(__file__).resolve().parent / "tiny_model"
INT8 = TINY.parent / "tiny_model_int8"
TEXTS = [
    "Profit rises and sales beat",
    "Loss",
    "",
    "The shares of a company in Oslo falls " * 200,
    "\u682a\u4fa1\u306f\u4e0a\u6607\u3057\u305f",
    *(f"Sales {'rises ' * count}and loss falls" for count in range(40)),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copied = tmp_path / "model"
    shutil.copytree(TINY, copied)
    return copied


def changed(file: Path, **values: object) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def test_any_text_gets_probabilities_that_sum_to_one_in_the_order_asked() -> None:
    classifier = OnnxClassifier(TINY)
    together = classifier.classify(TEXTS)
    assert len(together) == len(TEXTS)
    for answer in together:
        assert answer.positive + answer.neutral + answer.negative == pytest.approx(1, abs=1e-6)
    assert len({answer.score for answer in together}) > 10


def test_a_text_is_judged_the_same_alone_and_among_longer_ones() -> None:
    classifier = OnnxClassifier(TINY)
    alone = [classifier.classify([text])[0].score for text in TEXTS]
    together = [answer.score for answer in classifier.classify(TEXTS)]
    assert together == pytest.approx(alone, abs=1e-4)


def test_an_int8_model_is_read_like_any_other() -> None:
    classifier = OnnxClassifier(INT8)
    assert classifier.model == "tiny-1-int8"
    assert classifier.classify(TEXTS) == classifier.classify(TEXTS)


def test_a_text_is_cut_at_512_tokens() -> None:
    classifier = OnnxClassifier(TINY)
    cut, longer = classifier.classify(["profit " * 510, "profit " * 510 + "loss " * 900])
    assert cut.score == pytest.approx(longer.score, abs=1e-4)


def test_the_labels_are_read_in_the_order_of_the_config(folder: Path) -> None:
    before = OnnxClassifier(folder).classify(TEXTS[:2])
    changed(folder / "config.json", id2label={"0": "Negative", "1": "Positive", "2": "Neutral"})
    write_manifest(folder, "turned-1")
    turned = OnnxClassifier(folder)
    after = turned.classify(TEXTS[:2])
    assert turned.model == "turned-1"
    assert [answer.positive for answer in after] == [answer.negative for answer in before]


def test_a_label_order_that_differs_from_the_config_is_refused(folder: Path) -> None:
    changed(folder / "manifest.json", labels=["negative", "positive", "neutral"])
    with pytest.raises(SettingsInvalid, match=r"labels .* config\.json"):
        OnnxClassifier(folder)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "config.json"])
def test_a_file_that_was_changed_or_is_missing_is_refused_by_name(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(SettingsInvalid, match=f"{name} is not the file"):
        OnnxClassifier(folder)
    (folder / name).unlink()
    with pytest.raises(SettingsInvalid, match=f"{name} is missing"):
        OnnxClassifier(folder)


@pytest.mark.parametrize(
    ("text", "why"), [(None, "missing"), ("{", "no JSON"), ("[]", "no JSON object"), ("{}", "name")]
)
def test_a_manifest_that_vouches_for_nothing_is_refused(
    folder: Path, text: str | None, why: str
) -> None:
    (folder / "manifest.json").unlink()
    if text is not None:
        (folder / "manifest.json").write_text(text)
    with pytest.raises(SettingsInvalid, match=why):
        OnnxClassifier(folder)


def test_labels_that_are_not_the_three_are_refused(folder: Path) -> None:
    changed(folder / "config.json", id2label={"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"})
    with pytest.raises(SettingsInvalid, match="label_0"):
        write_manifest(folder, "odd-1")


def test_a_tokenizer_that_omits_its_marks_is_refused(folder: Path) -> None:
    changed(folder / "tokenizer.json", post_processor=None)
    write_manifest(folder, "bare-1")
    with pytest.raises(SettingsInvalid, match=r"\[CLS\] and \[SEP\]"):
        OnnxClassifier(folder)


def test_the_wiring_takes_the_model_of_the_setting_and_else_the_embedded_one() -> None:
    assert Runtime({"MODEL_DIR": str(TINY)}, WallClock()).classifier.model == "tiny-1"
    assert Runtime({}, WallClock()).classifier.model.startswith("lexicon-")


def test_verify_prints_how_often_two_models_agree(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(TEXTS))
    assert main(["model", "verify", str(TINY), str(TINY), str(texts)]) == 0
    assert json.loads(capsys.readouterr().out)["agreement"] == 1
    changed(folder / "config.json", id2label={"0": "negative", "1": "positive", "2": "neutral"})
    write_manifest(folder, "turned-1")
    assert main(["model", "verify", str(TINY), str(folder), str(texts)]) == 1
    assert json.loads(capsys.readouterr().out)["agreement"] < 0.97


def test_a_run_of_the_graph_that_fails_is_told_as_a_failed_classification() -> None:
    classifier = OnnxClassifier(TINY)
    # No word of this number is in the model: its embedding has no such row.
    classifier._pad_id = 10**6
    with pytest.raises(ClassificationFailed):
        classifier.classify(TEXTS)
