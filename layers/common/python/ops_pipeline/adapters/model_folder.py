"""A model folder: model, tokenizer and config, and a manifest with their hashes."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops_pipeline.errors import SettingsInvalid

FILES = ("model.onnx", "tokenizer.json", "config.json")
LABELS = frozenset({"positive", "neutral", "negative"})
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder whose files match its manifest.

    `name` is stored in each row that the model classified; `labels` are in the order of the
    model's outputs.
    """

    path: Path
    name: str
    labels: tuple[str, ...]


def open_model_folder(path: Path) -> ModelFolder:
    """Check every file's hash, and the labels' order against the model's own config.

    Raises:
        SettingsInvalid: the message has the file and what is wrong with it.
    """
    manifest = _read_json(path / MANIFEST)
    hashes = manifest.get("sha256")
    if not isinstance(hashes, dict) or not isinstance(manifest.get("name"), str):
        raise SettingsInvalid(f"MODEL_DIR: {MANIFEST} has no name or no sha256")
    for name in FILES:
        if not (path / name).is_file():
            raise SettingsInvalid(f"MODEL_DIR: {name} is missing")
        if hashes.get(name) != sha256_of(path / name):
            raise SettingsInvalid(f"MODEL_DIR: {name} is not the file that {MANIFEST} names")
    labels = config_labels(_read_json(path / "config.json"))
    if manifest.get("labels") != list(labels):
        raise SettingsInvalid(
            f"MODEL_DIR: {MANIFEST} has labels {manifest.get('labels')}, config.json {list(labels)}"
        )
    return ModelFolder(path, manifest["name"], labels)


def write_manifest(path: Path, name: str) -> None:
    """Write a manifest for the files as they are now."""
    manifest = {
        "name": name,
        "labels": config_labels(_read_json(path / "config.json")),
        "sha256": {file: sha256_of(path / file) for file in FILES},
    }
    (path / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def config_labels(config: dict[str, Any]) -> tuple[str, ...]:
    """The labels in the order of the outputs, which differs between mirrors of one model."""
    named = config.get("id2label")
    if not isinstance(named, dict) or set(named) != {"0", "1", "2"}:
        raise SettingsInvalid("MODEL_DIR: config.json has no id2label of three labels")
    labels = tuple(str(named[str(place)]).casefold() for place in range(3))
    if set(labels) != LABELS:
        raise SettingsInvalid(f"MODEL_DIR: config.json has labels {list(labels)}")
    return labels


def sha256_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _read_json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except OSError as error:
        raise SettingsInvalid(f"MODEL_DIR: {file.name} is missing") from error
    except ValueError as error:
        raise SettingsInvalid(f"MODEL_DIR: {file.name} is no JSON") from error
    if not isinstance(found, dict):
        raise SettingsInvalid(f"MODEL_DIR: {file.name} is no JSON object")
    return found
