"""Fetches a model from the hub, each weights file with the hash that the hub has of it."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops_pipeline.errors import OpsError, SettingsInvalid

FILES = (
    "config.json", "model.safetensors", "pytorch_model.bin", "special_tokens_map.json",
    "tokenizer.json", "tokenizer_config.json", "vocab.txt",
)  # fmt: skip
WEIGHTS = ("model.safetensors", "pytorch_model.bin")


class DownloadFailed(OpsError):
    """The hub did not give the model."""


@dataclass(frozen=True, slots=True)
class Downloaded:
    """The files of a model at one commit; `sha256` are those of its weights by file."""

    commit: str
    sha256: dict[str, str]


def download(repository: str, folder: Path, hub: Any | None = None) -> Downloaded:
    """Fetch what a build needs; of two kinds of weights only the safe one.

    Args:
        hub: The package huggingface_hub; None imports it.

    Raises:
        SettingsInvalid: the package is not installed.
        DownloadFailed: names what the hub said.
    """
    hub = hub or _hub()
    try:
        about = hub.HfApi().model_info(repository, files_metadata=True)
        there = {one.rfilename: one for one in about.siblings if one.rfilename in FILES}
        wanted = [name for name in there if name not in WEIGHTS]
        wanted += [name for name in WEIGHTS if name in there][:1]
        for name in wanted:
            hub.hf_hub_download(repository, name, revision=about.sha, local_dir=folder)
    except (OSError, ValueError) as error:
        raise DownloadFailed(f"{repository}: {type(error).__name__}: {error}") from error
    hashes = {
        name: there[name].lfs["sha256"]
        if isinstance(there[name].lfs, dict)
        else there[name].lfs.sha256
        for name in wanted
        if name in WEIGHTS and there[name].lfs is not None
    }
    return Downloaded(about.sha, hashes)


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise SettingsInvalid(
            "huggingface_hub is not installed: --download needs it; it comes with transformers"
        ) from error
