"""`ops check --order`: asks, has the order placed and cancelled, and says loudly what is left."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ops_local.checking import transcripts
from ops_local.checking.asking import Ask
from ops_local.commandline.command import Exit, VerbCall
from ops_local.commandline.confirmation import confirmed

_BY_HAND = """
AN ORDER OF THIS CHECK MAY STILL REST AT THE BROKER: {names}
  Run the same command again: it looks for it and cancels it first.
  By hand: on the broker's page, under Orders, cancel the order to buy 1 {ticker} whose client
  order id is the one above. It is bid far below the market and ends with the trading day.
"""
_UNKNOWN = (
    "What became of the order is not known: run the same command again, which looks for it.\n"
)


def run(call: VerbCall, ask: Ask) -> int:
    """Return 0 if every step was as it should be and nothing is left, else 1."""
    event = {
        "action": "check_order",
        "account": call.args.order,
        "ticker": call.args.ticker,
        "operator": call.operator,
        "reason": call.args.reason,
    }
    if not confirmed(_question(ask("control", event)), yes=call.args.yes):
        sys.stderr.write("Nothing was sent.\n")
        return Exit.WRONG
    try:
        report = ask("control", {**event, "confirm": True})
    except BaseException:
        # Ctrl-C included: from here on an order may be there.
        sys.stderr.write(_UNKNOWN)
        raise
    return _told(call, report)


def _question(planned: Mapping[str, Any]) -> str:
    lines = [
        f"This would buy 1 {planned['ticker']} at {planned['limit']}, far below the market, in"
        f" {planned['account']},",
        "look at the order, and cancel it.",
    ]
    if planned["leftovers"]:
        lines.insert(0, f"Left by an earlier check, cancelled first: {planned['leftovers']}")
    return "\n".join([*lines, "Send it?"])


def _told(call: VerbCall, report: Mapping[str, Any]) -> int:
    kept = _kept(call, report)
    if call.json:
        shown = {name: value for name, value in report.items() if name != "transcript"}
        call.print_json({**shown, "file": str(kept) if kept else None})
    else:
        for step in report["steps"]:
            mark = "ok  " if step["state"] == "good" else "BAD "
            sys.stdout.write(f"{mark}   {step['step']}: {step['found']}\n")
    if kept:
        sys.stderr.write(f"Transcript: {kept}\n")
    if report["left"]:
        names = ", ".join(report["left"])
        sys.stderr.write(_BY_HAND.format(names=names, ticker=report["ticker"]))
    good = report["state"] == "passed" and not report["left"]
    return Exit.GOOD if good else Exit.WRONG


def _kept(call: VerbCall, report: Mapping[str, Any]) -> Path | None:
    """Write the transcript; that it can't be written changes nothing of what was done."""
    now = call.clock.now()
    file = call.args.transcript or transcripts.place_for(call.home, report["account"], now)
    try:
        transcripts.write(file, report, now)
    except OSError as error:
        sys.stderr.write(f"The transcript is not written: {error}\n")
        return None
    return Path(file)
