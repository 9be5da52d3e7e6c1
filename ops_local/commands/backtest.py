"""`ops backtest RECORDING…`: many recorded days in one process, with one or many parameter sets."""

import argparse
import csv
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ops_local.backtest import plan
from ops_local.backtest.book.tables import Row
from ops_local.backtest.plan import Variant
from ops_local.backtest.results import DayOutcome
from ops_local.backtest.running import CheckKind, RefusedDay, check_all, run_all
from ops_local.commandline.command import Command, VerbCall
from ops_local.commandline.days import day
from ops_local.given_files import json_of
from ops_local.recordings.recording import InvalidRecording
from ops_local.terminal import terminal
from ops_pipeline.domain.performance.results import TradeResult
from ops_pipeline.domain.performance.trades import statistics
from ops_pipeline.errors import InvalidInput

_MOST_SHOWN = 20
_TRAITS = ("exit_rule", "confidence", "sentiment")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recordings",
        nargs="+",
        type=Path,
        metavar="RECORDING",
        help="folder of a recording, or one with recordings below it",
    )
    parser.add_argument("--from", dest="first", type=day, metavar="DAY", help="first day")
    parser.add_argument("--to", dest="last", type=day, metavar="DAY", help="last day")
    parser.add_argument(
        "--params", type=Path, metavar="FILE", help="JSON with the parameters to change"
    )
    parser.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="NAME=VALUE,VALUE",
        help="values to try, such as exits.stop_loss=0.01,0.02; several give all combinations",
    )
    parser.add_argument(
        "--check-lookahead",
        action="store_true",
        help="run each day with other futures: what was decided before has to be the same",
    )
    parser.add_argument(
        "--check-warmup",
        action="store_true",
        help="compute features without the bars before their window: they have to be the same",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes to use")


def _run(call: VerbCall) -> int:
    """Return 0 if every day was played without a failure, else 1."""
    args = call.args
    if not 1 <= args.jobs <= 4 * (os.cpu_count() or 1):
        raise InvalidInput(f"--jobs {args.jobs}: expected 1 to {4 * (os.cpu_count() or 1)}")
    folders = plan.recordings_in(args.recordings, args.first, args.last)
    variants = plan.variants(_changes(args.params), args.sweep)
    asked: dict[CheckKind, bool] = {
        "lookahead": args.check_lookahead,
        "warmup": args.check_warmup,
    }
    if any(asked.values()):
        return _check(call, folders, variants[0], [kind for kind in asked if asked[kind]])
    found = list(run_all(folders, variants, args.jobs))
    outcomes = [it for it in found if isinstance(it, DayOutcome)]
    refused = [it for it in found if isinstance(it, RefusedDay)]
    place = call.home.folder / "backtests" / _name(folders, variants)
    summary = {
        "recordings": len(folders),
        "variants": [_summary(it.label, outcomes) for it in variants],
        "refused": {it.recording: it.reason for it in refused},
        "failures": [f"{it.recording} {why}" for it in outcomes for why in it.failures],
        "folder": str(place),
    }
    _write(place, outcomes, summary)
    _report(call, summary)
    return 1 if refused or summary["failures"] else 0


def _check(
    call: VerbCall, folders: Sequence[Path], variant: Variant, kinds: Sequence[CheckKind]
) -> int:
    """Return 0 if no day knows more than it could, else 1."""
    found = dict(check_all(folders, variant, kinds))
    if call.json:
        call.print_json({"checked": list(kinds), "found": found})
    else:
        console = terminal()
        for recording, apart in found.items():
            console.print(f"{recording}: {'good' if not apart else 'FAILED'}", markup=False)
            for line in apart[:_MOST_SHOWN]:
                console.print(f"  {line}", markup=False)
    return 1 if any(found.values()) else 0


def _changes(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    changes = json_of(file)
    if not isinstance(changes, dict):
        raise InvalidInput(f"--params {file}: expected a JSON object")
    return changes


def _name(folders: Sequence[Path], variants: Sequence[Variant]) -> str:
    """The same days with the same parameters have the same folder."""
    what = json.dumps([[str(it) for it in folders], [str(it) for it in variants]])
    return hashlib.sha256(what.encode()).hexdigest()[:12]


def _summary(label: str, outcomes: Sequence[DayOutcome]) -> dict[str, Any]:
    its = [it for it in outcomes if it.variant == label]
    found = statistics([trade for it in its for trade in it.trades])
    return {
        "variant": label,
        "days": len(its),
        "trades": found.trades,
        "decisions": sum(len(it.decisions) for it in its),
        "gross_usd": str(found.gross),
        "costs_usd": str(found.costs),
        "net_usd": str(found.net),
        "win_rate": found.win_rate.value,
        "profit_factor": found.profit_factor,
        "expectancy_usd": found.expectancy_usd.value,
        "expectancy_usd_standard_error": found.expectancy_usd.standard_error,
    }


def _write(place: Path, outcomes: Sequence[DayOutcome], summary: Mapping[str, Any]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    _table(place / "trades.csv", (_trade(it, trade) for it in outcomes for trade in it.trades))
    _table(place / "decisions.csv", (_with(it, row) for it in outcomes for row in it.decisions))
    _table(place / "fills.csv", (_with(it, row) for it in outcomes for row in it.fills))
    _table(place / "equity.csv", (row for it in outcomes for row in _equity(it)))
    (place / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")


def _with(outcome: DayOutcome, row: Row) -> Row:
    return {"variant": outcome.variant, "day": outcome.day, **row}


def _trade(outcome: DayOutcome, trade: TradeResult) -> Row:
    told = {
        "account": trade.account,
        "ticker": trade.ticker,
        "entered_at": trade.entered_at.isoformat(),
        "exited_at": trade.exited_at.isoformat(),
        "notional_usd": trade.notional,
        "pnl_usd": trade.pnl,
        "costs_usd": trade.costs,
        "net_usd": trade.net,
        "r_multiple": trade.r_multiple,
        "mae_pct": trade.mae_pct,
        "mfe_pct": trade.mfe_pct,
        **{name: trade.trait(name) for name in _TRAITS},
    }
    return _with(outcome, told)


def _equity(outcome: DayOutcome) -> list[Row]:
    return [
        _with(
            outcome,
            {"account": name, "opening_equity_usd": it.opening_equity, "pnl_usd": it.pnl},
        )
        for name, it in outcome.sessions.items()
    ]


def _table(file: Path, rows: Iterable[Row]) -> None:
    each = list(rows)
    with file.open("w", newline="", encoding="utf-8") as target:
        if each:
            writer = csv.DictWriter(target, list(each[0]))
            writer.writeheader()
            writer.writerows(each)


def _report(call: VerbCall, summary: Mapping[str, Any]) -> None:
    if call.json:
        call.print_json(summary)
        return
    console = terminal()
    for it in summary["variants"]:
        name = f"{it['variant']}: " if it["variant"] else ""
        console.print(
            f"{name}{it['days']} days, {it['decisions']} decisions, {it['trades']} trades,"
            f" ${it['net_usd']} net",
            markup=False,
        )
    for recording, reason in summary["refused"].items():
        console.print(f"REFUSED {recording}: {reason}", markup=False)
    for failure in summary["failures"][:_MOST_SHOWN]:
        console.print(f"FAILED {failure}", markup=False)
    console.print(f"\nFiles: {summary['folder']}", markup=False, soft_wrap=True)


COMMAND = Command(_run, _arguments, (InvalidRecording,))
