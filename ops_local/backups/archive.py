"""The file of a backup: a zip of the dump and of a manifest that says what must be in it."""

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from ops_pipeline.errors import InvalidInput

_DUMP, _MANIFEST = "database.dump", "manifest.json"
_FORMAT = 1
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        taken_at: The moment of its snapshot.
        migrations: Applied versions, in order.
        rows: By table.
        sha256: Of the dump.
    """

    taken_at: datetime
    database: str
    postgres: str
    migrations: tuple[str, ...]
    rows: Mapping[str, int]
    sha256: str = ""
    size_bytes: int = 0
    format: int = _FORMAT


class Unreadable(InvalidInput):
    """The file is no backup, or not all of one."""


def write(file: IO[bytes], dump: IO[bytes], manifest: Manifest) -> Manifest:
    """Write the dump as it comes, then the manifest with its checksum; returns that."""
    digest, size = hashlib.sha256(), 0
    # The dump is compressed already.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(_DUMP, "w", force_zip64=True) as entry:
            while piece := dump.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                entry.write(piece)
        facts = {**asdict(manifest), "sha256": digest.hexdigest(), "size_bytes": size}
        archive.writestr(_MANIFEST, json.dumps(facts, default=str, indent=1))
    return _manifest(facts)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Manifest, IO[bytes]]]:
    """The manifest of a whole file and its dump, checked before anything is restored from it.

    Raises Unreadable for a file that is cut off, changed, or no backup.
    """
    manifest = _proven(path)
    with zipfile.ZipFile(path) as archive, archive.open(_DUMP) as dump:
        yield manifest, dump


def require_backup(path: Path) -> None:
    """A first look, before a server is started for it; raises Unreadable as `opened` does."""
    with _named_faults(path), zipfile.ZipFile(path) as archive:
        _manifest(json.loads(archive.read(_MANIFEST)))


@contextmanager
def _named_faults(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{path} is no backup, or not all of one: {error}") from None


def _proven(path: Path) -> Manifest:
    """The manifest of a file whose dump is the one that it was written for."""
    with _named_faults(path), zipfile.ZipFile(path) as archive:
        manifest = _manifest(json.loads(archive.read(_MANIFEST)))
        with archive.open(_DUMP) as dump:
            digest = hashlib.file_digest(dump, "sha256").hexdigest()  # type: ignore[arg-type]
    if manifest.format != _FORMAT:
        raise Unreadable(f"{path} is a backup of format {manifest.format}, not {_FORMAT}")
    if digest != manifest.sha256:
        raise Unreadable(f"{path}: the dump is not the one that was written")
    return manifest


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that gets its name once it is whole; readable by its owner alone.

    Raises InvalidInput when there is a file of that name: it is never overwritten.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename, a link refuses a name that was taken meanwhile.
        os.link(partial, path)
    except FileExistsError:
        raise InvalidInput(f"{path} exists: name another file") from None
    finally:
        partial.unlink(missing_ok=True)


def _manifest(facts: dict[str, object]) -> Manifest:
    return Manifest(
        **{  # type: ignore[arg-type]  # a wrong type is a KeyError or ValueError later
            **facts,
            "taken_at": datetime.fromisoformat(str(facts["taken_at"])),
            "migrations": tuple(facts["migrations"]),  # type: ignore[arg-type]
        }
    )
