"""The folder of migrations: names, order, checksums, and what each file will run."""

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from ops_pipeline.db.sql_lexer import SqlUnreadable, Statement, split
from ops_pipeline.errors import MigrationRefused

_NAME = re.compile(r"(?P<number>\d{4,})_[^/]+\.sql")
_DIRECTIVE = re.compile(r"--\s*migrate:\s*(?P<word>.*?)\s*$")
_NO_TRANSACTION = "no-transaction"
_OPENS = {("BEGIN",), ("BEGIN", "WORK"), ("BEGIN", "TRANSACTION"), ("START", "TRANSACTION")}
_CLOSES = {
    (verb, *noise) for verb in ("COMMIT", "END") for noise in ((), ("WORK",), ("TRANSACTION",))
}
_TRANSACTION_VERBS = {
    "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MigrationFile:
    """One file as it lies in the folder.

    Attributes:
        version: The file's stem, for example 0001_create_runs.
        number: The digits before the first underscore; the order of the files.
        checksum: sha256 of the text with line ends as \\n, hexadecimal.
    """

    version: str
    number: int
    checksum: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.version}.sql"


@dataclass(frozen=True, slots=True)
class Plan:
    """What running a file means."""

    file: MigrationFile
    statements: tuple[Statement, ...]
    transactional: bool


def number_of(version: str) -> int | None:
    """The leading number of a version, or None when it has none."""
    digits = re.match(r"\d+", version)
    return int(digits.group()) if digits else None


def read_folder(folder: Path) -> list[MigrationFile]:
    """Return the folder's migrations in their order; other kinds of files are left alone.

    Raises:
        MigrationRefused: no such folder, no file in it, a name out of form, two files
            with one number, or a file that is not UTF-8. Names the files.
    """
    if not folder.is_dir():
        raise MigrationRefused(f"{folder} is not a folder")
    paths = [path for path in folder.iterdir() if path.suffix.lower() == ".sql"]
    files = [_read(path) for path in paths if not path.name.startswith(".")]
    if not files:
        raise MigrationRefused(f"{folder} holds no migration (NNNN_name.sql)")
    by_number: dict[int, list[str]] = defaultdict(list)
    for file in files:
        by_number[file.number].append(file.name)
    doubles = [", ".join(sorted(names)) for names in by_number.values() if len(names) > 1]
    if doubles:
        raise MigrationRefused(f"several files with one number: {'; '.join(sorted(doubles))}")
    return sorted(files, key=lambda file: file.number)


def plan(file: MigrationFile) -> Plan:
    """Cut a file into what will be sent, its own outer BEGIN ... COMMIT left out.

    Raises:
        MigrationRefused: names file, line and the command that a migration may not hold.
    """
    transactional = _is_transactional(file)
    try:
        statements = split(file.text)
    except SqlUnreadable as error:
        raise MigrationRefused(f"{file.name} {error}") from error
    if transactional and _is_wrapped(statements):
        statements = statements[1:-1]
    for statement in statements:
        reason = _reason_to_refuse(statement)
        if reason:
            raise MigrationRefused(f"{file.name} line {statement.line}: {reason}")
    return Plan(file, tuple(statements), transactional)


def _read(path: Path) -> MigrationFile:
    named = _NAME.fullmatch(path.name)
    if named is None:
        raise MigrationRefused(f"{path.name} is not named NNNN_name.sql")
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MigrationRefused(f"{path.name} is not UTF-8 at byte {error.start}") from error
    if "\0" in text:
        raise MigrationRefused(f"{path.name} holds a NUL character")
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return MigrationFile(path.stem, int(named["number"]), checksum, text)


def _is_transactional(file: MigrationFile) -> bool:
    directive = _DIRECTIVE.match(file.text.split("\n", 1)[0])
    if directive is None:
        return True
    if directive["word"] != _NO_TRANSACTION:
        raise MigrationRefused(
            f"{file.name} line 1: unknown directive {directive['word']!r}; "
            f"there is only '-- migrate: {_NO_TRANSACTION}'"
        )
    return False


def _is_wrapped(statements: list[Statement]) -> bool:
    return len(statements) > 1 and statements[0].words in _OPENS and statements[-1].words in _CLOSES


def _reason_to_refuse(statement: Statement) -> str | None:
    words = statement.words
    verb = words[0] if words else ""
    if verb in _TRANSACTION_VERBS or words[:2] == ("PREPARE", "TRANSACTION"):
        return (
            f"{verb} is the runner's business; only an outer BEGIN ... COMMIT may stand in a file"
        )
    if verb == "COPY" and ("STDIN" in words or "STDOUT" in words):
        return "COPY from or to the client cannot run in a migration; use INSERT"
    return None
