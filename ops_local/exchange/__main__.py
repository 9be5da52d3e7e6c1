"""Command line of the paper exchange: `python -m ops_local.exchange --help`."""

import argparse
import secrets
import sqlite3
import sys
import textwrap
from pathlib import Path

from ops_local.exchange import accounts
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.faults.kinds import KINDS
from ops_local.exchange.server import serve

_STDIN = "-"
_DESCRIPTION = """\
Serve a paper broker and its market data over one recorded day, in Alpaca's API, on
127.0.0.1. When ready it prints one line of JSON:
{"url": "http://127.0.0.1:PORT", "control_token": "TOKEN"}.

The clock starts at midnight in New York of the recorded day and moves only through the
control API:
  curl -H 'Authorization: Bearer TOKEN' -X POST URL/control/clock \\
    -d '{"now": "2013-10-07T14:31:00Z"}'
"""
_ACCOUNTS = """\
JSON file with a list of accounts, each {"name", "account_number", "key_id", "secret_key",
"cash"}; or - to read it from the first line of the standard input and to stop when that
is closed
"""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m ops_local.exchange",
        description=_DESCRIPTION,
        epilog=_faults_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--recording", type=Path, required=True, metavar="DIR", help="folder of the recorded day"
    )
    parser.add_argument(
        "--store",
        type=Path,
        required=True,
        metavar="FILE",
        help="SQLite file of orders, fills and positions; created if missing",
    )
    parser.add_argument("--accounts", required=True, metavar="FILE", help=_ACCOUNTS)
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on; 0, the default, picks a free one"
    )
    return parser


def main() -> None:
    """Serve until stopped, or until the standard input ends where it gave the accounts."""
    args = build_parser().parse_args()
    piped = args.accounts == _STDIN
    try:
        exchange = Exchange(args.recording, args.store, _accounts(args.accounts))
    except (OSError, ValueError, sqlite3.Error) as error:
        sys.exit(f"the exchange cannot start: {error}")
    serve(
        exchange,
        port=args.port,
        parent_pipe=sys.stdin.fileno() if piped else None,
        control_token=secrets.token_urlsafe(24),
    )


def _accounts(file: str) -> list[accounts.PaperAccount]:
    """Read the accounts; raises OSError or ValueError, which never shows a secret."""
    text = sys.stdin.readline() if file == _STDIN else Path(file).read_text(encoding="utf-8")
    try:
        return accounts.parse(text)
    except (TypeError, LookupError, ArithmeticError) as error:
        raise ValueError(f"an account needs the fields that --help lists: {error!r}") from error


def _faults_help() -> str:
    """The kinds of fault, one a line."""
    lines = [
        textwrap.fill(f"  {kind:<20}{fault.effect}", width=92, subsequent_indent=" " * 22)
        for kind, fault in KINDS.items()
    ]
    return "\n".join(["faults, injected by POST URL/control/faults:", *lines])


if __name__ == "__main__":
    main()
