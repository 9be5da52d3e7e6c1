"""The packages that Lambda gets, as the lock pins them and their metadata describes them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

from infra.bundles import ROOT
from infra.layers import NAMES, packages_of

LOCK = ROOT / "requirements.lock"
_VERSION = re.compile(r"==(\S+)")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_ELSEWHERE = re.compile(r"sys_platform == '(win32|emscripten)'")
# What older metadata calls the licences that the layers have, in SPDX's words.
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache Software License v2": "Apache-2.0",
    "BSD 3-Clause License": "BSD-3-Clause",
    "MIT License": "MIT",
}
# Dual licences, of which older metadata has no expression.
_BY_NAME = {"python-dateutil": "Apache-2.0 OR BSD-3-Clause"}


class LicenceUnknown(Exception):
    """A package's metadata names no licence that we know; the message names it."""


@dataclass(frozen=True, slots=True)
class ShippedPackage:
    """One package of a layer.

    Attributes:
        licence: An SPDX expression.
        sha256: Of the files that the lock accepts: a wheel for each platform, and the source.
    """

    name: str
    version: str
    layers: tuple[str, ...]
    licence: str
    sha256: tuple[str, ...]


def shipped(lock: Path = LOCK) -> tuple[ShippedPackage, ...]:
    """The packages of all layers by name; what other systems need is left out.

    Raises:
        LicenceUnknown: one has no licence that we know, or is not installed to be asked.
    """
    text = lock.read_text(encoding="utf-8")
    pins: dict[str, str] = {}
    used: dict[str, list[str]] = {}
    for layer in NAMES:
        for name, block in packages_of(layer, text).items():
            if not _ELSEWHERE.search(block.partition("\n")[0]):
                pins[name] = block
                used.setdefault(name, []).append(layer)
    return tuple(_package(name, pins[name], tuple(used[name])) for name in sorted(pins))


def _package(name: str, block: str, layers: tuple[str, ...]) -> ShippedPackage:
    found = _VERSION.search(block)
    if found is None:
        raise LicenceUnknown(f"{name}: the lock pins no version")
    return ShippedPackage(name, found[1], layers, licence_of(name), tuple(_HASH.findall(block)))


def licence_of(name: str) -> str:
    """A package's licence as SPDX writes it, from its metadata.

    Raises:
        LicenceUnknown: it names none, or one that is not in our table.
    """
    try:
        said = [word for word in _names(name, metadata(name)) if word]
    except PackageNotFoundError:
        raise LicenceUnknown(f"{name} is not installed: run make setup") from None
    known = [_SPDX.get(word, word) for word in said]
    plain = next((word for word in known if re.fullmatch(r"[A-Za-z0-9.+() -]+", word)), None)
    if plain is None or plain == "Dual License":
        raise LicenceUnknown(f"{name}: {said or 'no licence in its metadata'}")
    return plain


def _names(name: str, told: PackageMetadata) -> Iterator[str]:
    """The places where a package says it, the most exact first."""
    fields = told.json
    yield _BY_NAME.get(name, "")
    yield str(fields.get("license_expression", ""))
    # Some have the whole text there.
    yield str(fields.get("license", "")).strip().partition("\n")[0]
    for classifier in fields.get("classifier", []):
        if classifier.startswith("License ::"):
            yield classifier.rpartition(":: ")[2]
