"""`ops model build` on the file layout of the real download.

What needs torch runs where `pip install 'torch>=2.10' transformers onnx` was done; they are
in no lock, so elsewhere those tests are skipped and say so.
"""

import hashlib
import importlib.util
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer

from ops_local import model_build
from ops_local.cli import main
from ops_local.model_build import build_both, check_source
from ops_local.model_download import DownloadFailed, download
from ops_local.model_quality import agreement, labelled_lines, macro_f1
from ops_local.model_tokenizer import tokenizer_of
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.domain.news.items import Sentiment
from ops_pipeline.errors import SettingsInvalid
from tests.news.finbert_layout import FILES, write_model, write_tokenizer_files

PAGE = Path(__file__).resolve().parents[2] / "docs" / "news.md"
MISSING = [p for p in ("torch", "transformers", "onnx") if importlib.util.find_spec(p) is None]
needs_torch = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed: in no lock, a gigabyte"
)
# torch's exporter warns of its successor, which can't keep both axes dynamic.
exports = pytest.mark.filterwarnings("ignore")


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "finbert"
    folder.mkdir()
    write_tokenizer_files(folder)
    (folder / "config.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"not loaded")
    return folder


def test_a_vocabulary_becomes_a_tokenizer_that_puts_cls_and_sep_around_a_text(source: Path) -> None:
    tokens = tokenizer_of(source).encode("PROFIT rises, zz\u00e9!").tokens
    assert tokens == [
        "[CLS]", "profit", "rises", "[UNK]", "z", "##z", "##e", "[UNK]", "[SEP]"
    ]  # fmt: skip


def test_settings_of_the_download_are_followed(source: Path) -> None:
    (source / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    (source / "special_tokens_map.json").write_text(json.dumps({"sep_token": {"content": "[UNK]"}}))
    assert tokenizer_of(source).encode("PROFIT").tokens == ["[CLS]", "[UNK]", "[UNK]"]


def test_a_tokenizer_json_goes_before_the_vocabulary(source: Path) -> None:
    made = tokenizer_of(source)
    (source / "vocab.txt").unlink()
    made.save(str(source / "tokenizer.json"))
    assert isinstance(tokenizer_of(source), Tokenizer)


@pytest.mark.parametrize(
    ("spoil", "sha", "why"),
    [
        (lambda f: (f / "config.json").unlink(), None, "no config.json"),
        (lambda f: (f / "vocab.txt").unlink(), None, "neither tokenizer.json nor vocab.txt"),
        (lambda f: (f / "vocab.txt").write_text("a\nb\n"), None, r"vocab.txt has no \[UNK\]"),
        (lambda f: (f / "pytorch_model.bin").unlink(), None, "neither model.safetensors nor"),
        (lambda f: None, None, "give --sha256"),
        (lambda f: None, "0" * 64, "not 0000"),
    ],
)
def test_what_is_missing_or_unproven_is_refused_before_anything_is_loaded(
    source: Path, spoil: Any, sha: str | None, why: str
) -> None:
    spoil(source)
    with pytest.raises(SettingsInvalid, match=why):
        check_source(source, sha)


def test_safe_weights_go_before_a_pickle_and_need_no_hash(source: Path) -> None:
    assert check_source(source, sha256(source / "pytorch_model.bin")).name == "pytorch_model.bin"
    (source / "model.safetensors").write_bytes(b"not loaded")
    assert check_source(source, None).name == "model.safetensors"


def test_a_torch_that_loads_pickles_unsafely_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def installed(package: str) -> ModuleType:
        made = ModuleType(package)
        made.__version__ = "2.9.1+cpu"  # type: ignore[attr-defined]
        return made

    monkeypatch.setattr(model_build, "_import", installed)
    with pytest.raises(SettingsInvalid, match=r"torch 2\.9\.1\+cpu is too old.*torch>=2\.10"):
        model_build.check_packages()


@dataclass
class Hub:
    """huggingface_hub as far as a download uses it; serves the files of a folder."""

    served: Path
    fetched: list[str] = field(default_factory=list)

    def HfApi(self) -> "Hub":  # noqa: N802 - the hub's name
        return self

    def model_info(self, repository: str, *, files_metadata: bool) -> Any:
        if repository != "some/model":
            raise OSError("404 not found")
        files = [
            SimpleNamespace(
                rfilename=file.name,
                lfs={"sha256": sha256(file)}
                if file.stat().st_size and "model" in file.name
                else None,
            )
            for file in sorted(self.served.iterdir())
        ]
        return SimpleNamespace(sha="c0ffee", siblings=files)

    def hf_hub_download(
        self, repository: str, name: str, *, revision: str, local_dir: Path
    ) -> None:
        assert revision == "c0ffee"
        self.fetched.append(name)
        shutil.copy(self.served / name, local_dir / name)


def test_a_download_takes_one_commit_and_the_hash_that_the_hub_has(
    source: Path, tmp_path: Path
) -> None:
    (source / "README.md").write_text("not needed")
    hub, folder = Hub(source), tmp_path / "got"
    folder.mkdir()
    found = download("some/model", folder, hub)
    assert found.commit == "c0ffee"
    assert found.sha256 == {"pytorch_model.bin": sha256(source / "pytorch_model.bin")}
    assert sorted(hub.fetched) == sorted(FILES)
    (source / "model.safetensors").write_bytes(b"safe")
    hub.fetched.clear()
    assert list(download("some/model", folder, hub).sha256) == ["model.safetensors"]
    assert "pytorch_model.bin" not in hub.fetched


def test_a_hub_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="404 not found"):
        download("no/model", tmp_path, Hub(tmp_path))


def test_agreement_and_macro_f1_count_what_they_say() -> None:
    up, down = Sentiment(0.8, 0.1, 0.1), Sentiment(0.1, 0.1, 0.8)
    found = agreement([up, up, down, down], [up, up, down, up])
    assert (found.texts, found.share, found.is_enough) == (4, 0.75, False)
    assert found.furthest == pytest.approx(1.4)
    assert agreement([], []).is_enough is False
    assert (
        macro_f1([("positive", "positive"), ("negative", "negative"), ("neutral", "neutral")]) == 1
    )
    assert macro_f1([("positive", "negative")]) == 0
    assert {style: len(lines) > 80 for style, lines in labelled_lines().items()} == dict.fromkeys(
        ("headlines", "posts", "reports", "wires"), True
    )


@needs_torch
@exports
def test_a_download_becomes_two_models_that_say_the_same(tmp_path: Path) -> None:
    source = tmp_path / "finbert"
    source.mkdir()
    write_model(source)
    assert sorted(file.name for file in source.iterdir()) == sorted(FILES)
    target = tmp_path / "models" / "finbert-1"
    fp32 = build_both(source, target, name="finbert-1", sha256=sha256(source / "pytorch_model.bin"))
    small, large = OnnxClassifier(target), OnnxClassifier(fp32)
    assert (small.model, large.model) == ("finbert-1-int8", "finbert-1-fp32")
    texts = ["profit rises", "loss falls", "the shares of " * 30]
    for one, other, torch_s in zip(
        small.classify(texts), large.classify(texts), by_torch(source, texts), strict=True
    ):
        assert one.score == pytest.approx(other.score, abs=0.05)
        assert other.score == pytest.approx(torch_s.score, abs=1e-4)


def by_torch(source: Path, texts: Sequence[str]) -> list[Sentiment]:
    """The same by torch and transformers' own tokenizer: what the export must equal."""
    import torch  # noqa: PLC0415 - only where it is installed
    from transformers import (  # noqa: PLC0415 - as torch
        AutoModelForSequenceClassification,
        AutoTokenizer,
    )

    tokenizer = AutoTokenizer.from_pretrained(source)
    network = AutoModelForSequenceClassification.from_pretrained(source).eval()
    found = []
    for text in texts:
        with torch.inference_mode():
            given = tokenizer(text, return_tensors="pt", truncation=True, max_length=512)
            up, down, level = torch.softmax(network(**given).logits[0], -1).tolist()
        found.append(Sentiment(positive=up, neutral=level, negative=down))
    return found


@needs_torch
@exports
def test_the_recipe_of_the_page_builds_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands of docs/news.md, with the hand-made model in the download's place."""
    recipe = PAGE.read_text().split("### Recipe")[1].split("\n## ")[0]
    (command,) = re.findall(r"`ops (model build [^`]*sha256[^`]*)`", recipe)
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "finbert"
    source.mkdir()
    write_model(source)
    command = command.replace("HASH", sha256(source / "pytorch_model.bin"))
    code = main(command.split())
    said = capsys.readouterr().out
    share = float(re.search(r"agree on ([\d.]+)%", said)[1])  # type: ignore[index]
    assert code == (0 if share >= 97 else 1)
    for style in ("headlines", "posts", "reports", "wires"):
        assert f"macro-F1 on {style}: " in said
    assert "MODEL_DIR=models/finbert-1" in said
    assert sha256(tmp_path / "models/finbert-1/manifest.json") in said
    assert OnnxClassifier(tmp_path / "models/finbert-1").model == "finbert-1-int8"
    assert OnnxClassifier(tmp_path / "models/finbert-1-fp32").model == "finbert-1-fp32"
