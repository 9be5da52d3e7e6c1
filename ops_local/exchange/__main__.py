"""`python -m ops_local.exchange --recording DIR --store FILE --accounts FILE [--port 0]`."""

import argparse
import sys
from pathlib import Path

from ops_local.exchange import accounts
from ops_local.exchange.exchange import Exchange
from ops_local.exchange.server import serve

_STDIN = "-"


def main() -> None:
    """Print one line of JSON with the url when ready, then serve until stopped.

    With `--accounts -` the accounts are the first line of the standard input, and the
    exchange ends when that input does.
    """
    parser = argparse.ArgumentParser(prog="python -m ops_local.exchange")
    parser.add_argument("--recording", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--accounts", required=True, help="JSON file, or - for the standard input")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args()
    piped = given.accounts == _STDIN
    text = sys.stdin.readline() if piped else Path(given.accounts).read_text(encoding="utf-8")
    exchange = Exchange(given.recording, given.store, accounts.parse(text))
    serve(exchange, port=given.port, lifeline=sys.stdin.fileno() if piped else None)


if __name__ == "__main__":
    main()
