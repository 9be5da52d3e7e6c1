"""Builds a model folder from a downloaded BERT classifier: ONNX with int8 weights.

The export needs torch, transformers and onnx. They are not in the lock (a gigabyte for one
command), so they are imported by name and have to be installed by hand.
"""

import importlib
import shutil
from pathlib import Path
from typing import Any

from ops_pipeline.adapters.model_folder import write_manifest
from ops_pipeline.errors import SettingsInvalid

# The newest opset of the older exporter; the newer exporter can't keep both axes dynamic.
_OPSET = 17
_NEEDED = ("torch", "transformers", "onnx")


def build_model(source: Path, target: Path, *, name: str, quantize: bool = True) -> None:
    """Write the model folder `target` from a downloaded model in `source`.

    Args:
        source: config.json, tokenizer.json and weights, as transformers saves them.
        target: Created; its model.onnx is int8, or fp32 if it is not to be quantised.
        name: Stored with each classified item, for example "finbert-1-int8".

    Raises:
        SettingsInvalid: a package is not installed, or the source lacks a file.
    """
    torch, transformers = (_import(package) for package in _NEEDED[:2])
    _import("onnx")
    for file in ("config.json", "tokenizer.json"):
        if not (source / file).is_file():
            raise SettingsInvalid(f"{source.name} has no {file}")
    target.mkdir(parents=True, exist_ok=True)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        source, local_files_only=True, attn_implementation="eager"
    )
    fp32 = target / "model.fp32.onnx"
    export(torch, model.eval(), fp32)
    if quantize:
        _quantize(fp32, target / "model.onnx")
        fp32.unlink()
    else:
        fp32.rename(target / "model.onnx")
    for file in ("config.json", "tokenizer.json"):
        shutil.copyfile(source / file, target / file)
    write_manifest(target, name)


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
    quantization = _import("onnxruntime.quantization")
    quantization.quantize_dynamic(
        str(source), str(target), weight_type=quantization.QuantType.QInt8
    )


def _import(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise SettingsInvalid(
            f"{error.name or package} is not installed: a model is built with "
            f"{', '.join(_NEEDED)}, which nothing else here needs"
        ) from error
