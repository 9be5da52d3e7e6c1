"""The `ops` command. Exit codes: 0 good, 1 something is wrong, 2 usage."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ops_local.commands import (
    classify,
    compare,
    control,
    cost,
    doctor,
    explain,
    invoke,
    migrate,
    model,
    query,
    replay,
    status,
    tickers,
    up,
)
from ops_pipeline.runtime.settings import environment

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_VERBS = (
    up.add_parser,
    replay.add_parser,
    explain.add_parser,
    compare.add_parser,
    classify.add_parser,
    invoke.add_parser,
    query.add_parser,
    model.add_parser,
    tickers.add_parser,
    migrate.add_parser,
    status.add_parser,
    doctor.add_parser,
    control.add_halt,
    control.add_resume,
    control.add_close,
    cost.add_parser,
)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ops", description="Run, ask and look after ops-pipeline on this machine."
    )
    subparsers = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for add_verb in _VERBS:
        add_verb(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    args = build_parser().parse_args(arguments)
    args.variables = {"MIGRATIONS_DIR": str(_MIGRATIONS), **environment()}
    try:
        code = int(args.run(args))
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads it, `head` say, has enough; at exit Python must not try to write the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
