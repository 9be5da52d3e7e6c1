"""Builds the parser from the table of verbs; a verb's own arguments come with its module."""

import argparse
from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any

from ops_local.commandline import target
from ops_local.commandline.command import Command
from ops_local.commandline.verbs import GROUPS, VERBS, Verb

FORMATS = {"json": "print it as JSON", "csv": "print rows as CSV"}


class VerbParser(argparse.ArgumentParser):
    """The parser of one verb, which imports the verb's module when that is called.

    `ops --help` and every other verb leave it alone: importing all of them takes seconds.
    """

    verb: Verb | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self._complete()
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            # Left to the parser above, its usage would be shown, which names no option.
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _complete(self) -> None:
        verb, self.verb = self.verb, None
        if verb is None:
            return
        command = load(verb)
        self.set_defaults(command=command, stack=None, replay=None, database_url=None, json=False)
        command.arguments(self)
        if verb.reaches:
            where = self.add_mutually_exclusive_group()
            for name in verb.reaches:
                metavar, meaning = target.OPTIONS[name]
                where.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=meaning)
        form = self.add_mutually_exclusive_group()
        for name in verb.formats:
            form.add_argument(f"--{name}", action="store_true", help=FORMATS[name])


def build_parser(verbs: Sequence[Verb] = VERBS) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ops", description="Run, ask and look after ops-pipeline on this machine."
    )
    add_verb = parser.add_subparsers(
        title="verbs", metavar="VERB", required=True, parser_class=VerbParser
    ).add_parser
    add_action: dict[str, Callable[..., VerbParser]] = {}
    for verb in verbs:
        group, _, action = verb.name.rpartition(" ")
        if group and group not in add_action:
            actions = add_verb(group, help=GROUPS[group])
            add_action[group] = actions.add_subparsers(
                metavar="ACTION", required=True, parser_class=VerbParser
            ).add_parser
        added = (add_action[group] if group else add_verb)(action, help=verb.help)
        added.verb = verb
    return parser


def load(verb: Verb) -> Command:
    """Import a verb's module and return its command."""
    command = resolve_name(f"ops_local.commands.{verb.command}")
    if not isinstance(command, Command):
        raise TypeError(f"{verb.command} of {verb.name!r} is no Command")
    return command
