"""The `ops` command. Exit codes: 0 good, 1 something is wrong, 2 usage, 3 waited in vain."""

import errno
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from ops_local.commandline.command import Command, Exit, UsageError, VerbCall
from ops_local.commandline.parser import build_parser
from ops_local.visible import shown
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.errors import OpsError, SettingsInvalid
from ops_pipeline.ports import Clock
from ops_pipeline.runtime.settings import environment

__all__ = ["build_parser", "main"]

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
# How Python keeps bytes of a command that are no UTF-8: no database takes them.
_SURROGATES = re.compile("[\ud800-\udfff]")
# Postgres stops where it cannot write another segment of its log.
LEAST_FREE_BYTES = 16 * 2**20
# A person can mend these without reading code, so they get a sentence and no traceback.
_EXPECTED = (OpsError, OSError, UnicodeDecodeError)


def main(
    arguments: Sequence[str] | None = None,
    variables: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> int:
    """Run one verb and return its exit code.

    Args:
        arguments: The words after `ops`; this process's if left out.
        variables: The environment; this process's if left out.
        clock: What time it is; the wall's if left out.
    """
    with (
        redirect_stdout(shown(sys.stdout)),
        redirect_stderr(shown(sys.stderr)),
        _private_files(),
    ):
        return _run(arguments, variables, clock or WallClock())


@contextmanager
def _private_files() -> Iterator[None]:
    """What a verb writes, books and backups, is for whoever runs it alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _run(arguments: Sequence[str] | None, variables: Mapping[str, str] | None, clock: Clock) -> int:
    # An unwritable log would print a traceback for each line; what ends the run says why.
    logging.raiseExceptions = False
    words = sys.argv[1:] if arguments is None else arguments
    if any(_SURROGATES.search(word) for word in words):
        sys.stderr.write("ops: a word of the command is no UTF-8\n")
        return Exit.USAGE
    args = build_parser().parse_args(words)
    given = environment() if variables is None else variables
    command: Command = args.command
    expected: tuple[type[Exception], ...] = (*_EXPECTED, *command.expected)
    call = VerbCall(args, {"MIGRATIONS_DIR": str(_MIGRATIONS), **given}, clock)
    try:
        code = command.run(call)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads it, `head` say, has enough.
        _write_no_more()
        return Exit.WRONG
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted\n")
        return Exit.WRONG
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return Exit.USAGE
    except expected as error:
        return _failed(call, error)
    return code


def _failed(call: VerbCall, error: Exception) -> int:
    """Report an expected error: a line on stderr, and with --json an object on stdout."""
    name, message = type(error).__name__, _in_words(error)
    if isinstance(error, OSError) and (place := _unusable(call, error)) is not None:
        name = SettingsInvalid.__name__
        message = (
            f"the state folder {place} cannot be used ({error.strerror}: {error.filename}): "
            "set OPS_HOME to a folder that you may write"
        )
    if (full := _full_disk(call)) is not None:
        message = f"{message} (the disk of {full} is full)"
    sys.stderr.write(f"ops: {message}\n")
    try:
        if call.json:
            call.print_json({"error": name, "message": message})
        sys.stdout.flush()
    except OSError:
        _write_no_more()
    return Exit.WRONG


def _in_words(error: Exception) -> str:
    """An error of ours is a sentence already; Python's own names a file last, and its class."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"


def _write_no_more() -> None:
    """At exit Python must not try to write what is left to a pipe or disk that takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unusable(call: VerbCall, error: OSError) -> Path | None:
    """The state folder, if what could not be opened or made lies in it or is itself."""
    try:
        folder = call.home.folder
    except (OpsError, OSError):
        return None
    given = error.filename
    if not isinstance(given, str) or error.errno == errno.ENOSPC:
        return None
    inside = Path(given).resolve().is_relative_to(folder.resolve())
    # A file that is missing in a folder that works is the verb's own matter.
    missing = error.errno == errno.ENOENT and folder.is_dir() and _has_disk(folder)
    return folder if inside and not missing else None


def _has_disk(folder: Path) -> bool:
    """False in /proc and its like, which hold no files and have nothing free."""
    return shutil.disk_usage(folder).total > 0


def _full_disk(call: VerbCall) -> Path | None:
    """The state folder, if its disk has no room left for Postgres to go on."""
    try:
        folder = call.home.folder
        free = shutil.disk_usage(folder).free
        return folder if _has_disk(folder) and free < LEAST_FREE_BYTES else None
    except (OpsError, OSError):
        return None


if __name__ == "__main__":
    sys.exit(main())
