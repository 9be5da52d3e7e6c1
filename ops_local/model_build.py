"""Builds model folders from a downloaded BERT classifier: ONNX, as fp32 and with int8 weights.

The export needs torch, transformers and onnx. They are not in the lock (a gigabyte for one
command), so they are imported by name and have to be installed by hand.
"""

import importlib
import re
import shutil
from pathlib import Path
from typing import Any

from ops_local.model_download import WEIGHTS
from ops_local.model_tokenizer import tokenizer_of
from ops_pipeline.adapters.model_folder import sha256_of, write_manifest
from ops_pipeline.errors import SettingsInvalid

# The newest opset of the older exporter; the newer exporter can't keep both axes dynamic.
_OPSET = 17
_NEEDED = ("torch", "transformers", "onnx")
# Older ones can be made to run code by a weights file that is a pickle, weights_only or not;
# transformers refuses such files under some of them.
_LEAST_TORCH = (2, 10)
_HOW = "pip install 'torch>=2.10' transformers onnx (torch's CPU build is enough)"


def check_packages() -> None:
    """Say what is missing before any work is done.

    Raises:
        SettingsInvalid: a package is not installed or too old; says what to install.
    """
    for package in _NEEDED:
        _import(package)
    version = str(_import("torch").__version__)
    found = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if found < _LEAST_TORCH:
        raise SettingsInvalid(f"torch {version} is too old to load weights safely: {_HOW}")


def check_source(source: Path, sha256: str | None) -> Path:
    """The weights file that will be loaded; safetensors before a pickle.

    Args:
        sha256: What the weights must hash to; a pickle is not loaded without it.

    Raises:
        SettingsInvalid: a file is missing, or the weights are not what they should be.
    """
    if not (source / "config.json").is_file():
        raise SettingsInvalid(f"{source.name} has no config.json")
    weights = next((source / name for name in WEIGHTS if (source / name).is_file()), None)
    if weights is None:
        raise SettingsInvalid(f"{source.name} has neither {' nor '.join(WEIGHTS)}")
    tokenizer_of(source)
    found = sha256_of(weights) if sha256 or weights.suffix == ".bin" else None
    if sha256 is None and found is not None:
        raise SettingsInvalid(
            f"{weights.name} can run code when it is loaded: give --sha256 with the hash that its "
            f"publisher states; this file has {found}"
        )
    if found != sha256:
        raise SettingsInvalid(f"{weights.name} has the sha256 {found}, not {sha256}")
    return weights


def build_both(source: Path, target: Path, *, name: str, sha256: str | None = None) -> Path:
    """Write `target` with int8 weights and, beside it, the same model as fp32; returns that.

    Raises:
        SettingsInvalid: a package is not installed, or the source is not what it should be.
    """
    fp32 = target.with_name(f"{target.name}-fp32")
    build_model(source, fp32, name=f"{name}-fp32", quantize=False, sha256=sha256)
    target.mkdir(parents=True, exist_ok=True)
    _quantize(fp32 / "model.onnx", target / "model.onnx")
    for file in ("config.json", "tokenizer.json"):
        shutil.copyfile(fp32 / file, target / file)
    write_manifest(target, f"{name}-int8")
    return fp32


def build_model(
    source: Path, target: Path, *, name: str, quantize: bool = True, sha256: str | None = None
) -> None:
    """Write the model folder `target` from a downloaded model in `source`.

    Args:
        source: config.json, weights, and tokenizer.json or vocab.txt with its settings.
        target: Created; its model.onnx is int8, or fp32 if it is not to be quantised.
        name: Stored with each classified item, for example "finbert-1-int8".
        sha256: Of the weights; required for pytorch_model.bin.

    Raises:
        SettingsInvalid: a package is not installed, or the source is not what it should be.
    """
    check_packages()
    weights = check_source(source, sha256)
    target.mkdir(parents=True, exist_ok=True)
    fp32 = target / "model.fp32.onnx"
    export(_import("torch"), _loaded(source, weights).eval(), fp32)
    if quantize:
        _quantize(fp32, target / "model.onnx")
        fp32.unlink()
    else:
        fp32.rename(target / "model.onnx")
    shutil.copyfile(source / "config.json", target / "config.json")
    tokenizer_of(source).save(str(target / "tokenizer.json"))
    write_manifest(target, name)


def _loaded(source: Path, weights: Path) -> Any:
    return _import("transformers").AutoModelForSequenceClassification.from_pretrained(
        source,
        local_files_only=True,
        attn_implementation="eager",
        use_safetensors=weights.suffix == ".safetensors",
    )


def export(torch: Any, model: Any, file: Path) -> None:
    """Export one graph for any number of texts of any length; `model` must be in eval()."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    sample = torch.ones((2, 8), dtype=torch.long)
    with torch.no_grad():
        torch.onnx.export(
            model,
            (sample, sample, torch.zeros_like(sample)),
            str(file),
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes={name: {0: "texts", 1: "tokens"} for name in names}
            | {"logits": {0: "texts"}},
            opset_version=_OPSET,
            dynamo=False,
        )


def _quantize(source: Path, target: Path) -> None:
    _import("ops_pipeline.adapters.onnx_runtime")
    quantization = _import("onnxruntime.quantization")
    quantization.quantize_dynamic(
        str(source), str(target), weight_type=quantization.QuantType.QInt8
    )


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise SettingsInvalid(
            f"{error.name or package} is not installed, which a model is built with: {_HOW}"
        ) from error
