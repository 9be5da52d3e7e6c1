"""What a verb's module hands to the command line, and what it is called with."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from ops_local.commandline.target import Purpose, Target
from ops_local.home import Home, home_of
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.ports import Clock
from ops_pipeline.runtime.settings import Settings, read_settings

if TYPE_CHECKING:
    from ops_local.summary import Part
    from ops_pipeline.db.driver.transaction import Transaction

_UNNAMED = "operator"


class Exit(IntEnum):
    """The exit codes of every verb; 3 only where one was told to wait, and the time is over."""

    GOOD = 0
    WRONG = 1
    USAGE = 2
    UNFINISHED = 3


class UsageError(Exception):
    """The words make no command: exit code 2, as for a word that argparse refuses."""


@dataclass(frozen=True, slots=True)
class VerbCall:
    """One call of a verb: what was typed, and the environment it was typed in."""

    args: argparse.Namespace
    variables: Mapping[str, str]
    clock: Clock = field(default_factory=WallClock)

    @property
    def json(self) -> bool:
        """Whether --json was given: facts for a program instead of text for a person."""
        return bool(self.args.json)

    @property
    def settings(self) -> Settings:
        return read_settings(self.variables)

    @property
    def home(self) -> Home:
        return home_of(self.variables)

    @property
    def target(self) -> Target:
        """The stack or database that --stack, --replay, --database-url and settings choose."""
        args = self.args
        return Target(self.variables, args.stack, args.replay, args.database_url, clock=self.clock)

    @property
    def operator(self) -> str:
        """Who acts: --operator, else the login name."""
        return self.args.operator or self.variables.get("USER") or _UNNAMED

    def announce(self, tx: "Transaction", purpose: Purpose = "reads") -> None:
        """Say first which pipeline this is, its kind and its day; on stderr, beside any output."""
        sys.stderr.write(f"{self.target.heading(tx, purpose)}\n")

    def print_json(self, facts: object) -> None:
        """One line; what JSON has no form for, as text."""
        sys.stdout.write(json.dumps(facts, default=str) + "\n")

    def tell(self, facts: object, lines: Iterable[str]) -> None:
        """Lines for a person, or the facts they say for a program."""
        if self.json:
            self.print_json(facts)
            return
        sys.stdout.writelines(f"{line}\n" for line in lines)

    def print_parts(self, parts: "Sequence[Part]") -> None:
        """Tables for a person, or their rows by title."""
        if self.json:
            self.print_json({part.title: part.rows for part in parts})
            return
        # Imported here (PLC0415): rich takes a third of a short verb's time.
        from ops_local import summary  # noqa: PLC0415
        from ops_local.terminal import terminal  # noqa: PLC0415

        summary.show(terminal(), parts)


def _none(parser: argparse.ArgumentParser) -> None:
    """A verb without arguments of its own."""
    del parser


@dataclass(frozen=True, slots=True)
class Command:
    """A verb's code.

    Attributes:
        run: Does it and returns the exit code.
        arguments: Adds the verb's own arguments; those that the table names are there already.
        expected: Errors that get a sentence instead of a traceback, beside those of every verb
            (OpsError, OSError, text that is not UTF-8).
    """

    run: Callable[[VerbCall], int]
    arguments: Callable[[argparse.ArgumentParser], None] = _none
    expected: tuple[type[Exception], ...] = ()
