"""The folder of migrations: names, order and checksums."""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ops_pipeline.errors import MigrationRefused

_NAME = re.compile(r"(?P<number>[0-9]{4,})_[^/]+\.sql")
_DOWN_FILE = re.compile(r"(?P<stem>.+)\.(?:down|undo|rollback|revert)\.sql")


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
    text: str

    @property
    def name(self) -> str:
        return f"{self.version}.sql"


def number_of(version: str) -> int | None:
    """The leading number of a version, or None when it has none."""
    digits = re.match(r"\d+", version)
    return int(digits.group()) if digits else None


def read_folder(folder: Path) -> list[MigrationFile]:
    """The folder's migrations in their order; other kinds of files are ignored.

    So are subfolders, and the down files that some runners keep beside the migration
    (NNNN_name.down.sql).

    Raises:
        MigrationRefused: no such folder, no file in it, a malformed name, two files with
            one number, a down file alone, or a file that is not UTF-8. Names the files.
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
    try:
        with open(os.path.join(folder, name), "rb") as file:  # noqa: PTH118, PTH123 - a thousand of them
            text = file.read().decode("utf-8-sig").replace("\r\n", "\n")
    except OSError as error:
        raise MigrationRefused(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MigrationRefused(f"{name} is not UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise MigrationRefused(f"{name} holds a NUL character")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return MigrationFile(name.removesuffix(".sql"), int(named["number"]), checksum, text)
