"""The folder of migrations: names, order and checksums."""

import codecs
import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ops_pipeline.errors import MigrationRefused

# The function that runs them has 256 MB. `COPY ... FROM` an S3 bucket, or a loader, is for more.
MOST_BYTES = 64 * 1024 * 1024

_NAME = re.compile(r"(?P<number>[0-9]{4,})_[^/]+\.sql")
_DIGITS = re.compile(r"\d+")
_DOWN_FILE = re.compile(r"(?P<stem>.+)\.(?:down|undo|rollback|revert)\.sql")
# Ones that are not larger are read once and kept.
_SMALL_BYTES = 128 * 1024
_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One file as it lies in the folder.

    Attributes:
        version: The file's stem, for example 0001_create_runs.
        number: The digits before the first underscore; files run in this order.
        checksum: sha256 of the text with line ends as \\n, hexadecimal.
    """

    version: str
    number: int
    checksum: str
    path: str
    kept: str | None = None

    @property
    def name(self) -> str:
        return f"{self.version}.sql"

    @property
    def text(self) -> str:
        """Its SQL as text; a copy."""
        return self.source().encode("latin-1").decode()

    def source(self) -> str:
        """Its SQL, one character a byte of its UTF-8, line ends as \\n.

        Raises:
            MigrationRefused: a large file, which is read again here, is not the same any more.
        """
        if self.kept is not None:
            return self.kept
        digest = hashlib.sha256()
        pieces = []
        for piece in _pieces(self.path):
            digest.update(piece)
            pieces.append(piece.decode("latin-1"))
        if digest.hexdigest() != self.checksum:
            raise MigrationRefused(f"{self.name} was changed while it was being read")
        return "".join(pieces)


def number_of(version: str) -> int | None:
    """The leading number of a version, or None when it has none."""
    before = version.partition("_")[0]
    if before.isascii() and before.isdigit():
        return int(before)
    digits = _DIGITS.match(version)
    return int(digits.group()) if digits else None


def read_folder(folder: Path) -> list[MigrationFile]:
    """The folder's migrations in their order; other kinds of files are ignored.

    So are subfolders, and the down files that some runners keep beside the migration
    (NNNN_name.down.sql).

    Raises:
        MigrationRefused: no such folder, no file in it, a malformed name, two files with
            one number, a down file alone, or a file that is not UTF-8 or too large. Names
            the files.
    """
    if not folder.is_dir():
        raise MigrationRefused(f"{folder} is not a folder")
    with os.scandir(folder) as entries:
        names = {
            entry.name
            for entry in entries
            if entry.name.lower().endswith(".sql")
            and not entry.name.startswith(".")
            and not entry.is_dir()
        }
    files = [_read(folder, name) for name in names if not _is_down_file(name, names)]
    if not files:
        raise MigrationRefused(f"{folder} holds no migration (NNNN_name.sql)")
    by_number: dict[int, list[str]] = defaultdict(list)
    for file in files:
        by_number[file.number].append(file.name)
    doubles = [", ".join(sorted(names)) for names in by_number.values() if len(names) > 1]
    if doubles:
        raise MigrationRefused(f"several files with one number: {'; '.join(sorted(doubles))}")
    return sorted(files, key=lambda file: file.number)


def _is_down_file(name: str, names: Collection[str]) -> bool:
    """Whether the file undoes another one of the folder."""
    down = _DOWN_FILE.fullmatch(name)
    if down is None:
        return False
    if not {f"{down['stem']}.sql", f"{down['stem']}.up.sql"} & set(names):
        raise MigrationRefused(f"{name} undoes a migration that is not in the folder")
    return True


def _read(folder: Path, name: str) -> MigrationFile:
    named = _NAME.fullmatch(name)
    if named is None:
        raise MigrationRefused(f"{name} is not named NNNN_name.sql")
    path = f"{folder}{os.sep}{name}"
    version, number = name.removesuffix(".sql"), int(named["number"])
    try:
        whole = _small(path)
        if whole is None:
            checksum, kept = _checked_in_pieces(name, path), None
        else:
            _check_piece(name, whole)
            whole.decode()
            checksum, kept = hashlib.sha256(whole).hexdigest(), whole.decode("latin-1")
    except OSError as error:
        raise MigrationRefused(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error.start) from error
    return MigrationFile(version, number, checksum, path, kept)


def _small(path: str) -> bytes | None:
    """A small file's bytes as `_pieces` gives them; None for a larger one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        read = os.read(descriptor, _SMALL_BYTES)
        while more := os.read(descriptor, _SMALL_BYTES - len(read) + 1):
            read += more
            if len(read) > _SMALL_BYTES:
                return None
    finally:
        os.close(descriptor)
    return read.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")


def _checked_in_pieces(name: str, path: str) -> str:
    """The checksum of a file that is not kept in memory, once it has been seen to be text."""
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    size = 0
    try:
        for piece in _pieces(path):
            size += len(piece)
            if size > MOST_BYTES:
                raise MigrationRefused(
                    f"{name} is larger than {MOST_BYTES // 1024**2} MB, the most that the runner "
                    f"takes: split it, or load its rows by other means"
                )
            decoder.decode(piece)
            _check_piece(name, piece)
            digest.update(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise _not_utf8(name, size - len(error.object) + error.start) from error
    return digest.hexdigest()


def _check_piece(name: str, piece: bytes) -> None:
    if b"\0" in piece:
        raise MigrationRefused(f"{name} holds a NUL character")


def _not_utf8(name: str, byte: int) -> MigrationRefused:
    return MigrationRefused(f"{name} is not UTF-8 at byte {byte}")


def _pieces(path: str) -> Iterator[bytes]:
    """The file's bytes without a byte order mark, with line ends as \\n."""
    with open(path, "rb") as file:  # noqa: PTH123 - the path is text, for a thousand of them
        piece = file.read(_CHUNK).removeprefix(codecs.BOM_UTF8)
        while piece:
            more = file.read(_CHUNK)
            if more and piece.endswith(b"\r"):
                # It may belong to a line end that continues in the next piece.
                piece, more = piece[:-1], b"\r" + more
            yield piece.replace(b"\r\n", b"\n")
            piece = more
