"""`ops classify FILE`: the label, score and tickers that the pipeline would store for each line."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from ops_local.commandline.command import Command, VerbCall
from ops_pipeline.db import news
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Classified, WaitingItem
from ops_pipeline.ports import Classifier
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.classifier import judge

# Large enough for a model to sort by length, small enough for a pipe to get output soon.
_BATCH = 256


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a text file, or - for standard input")


def run(call: VerbCall) -> int:
    """Print a JSON object for each line; company names come from the pipeline's database."""
    try:
        with ExitStack() as stack:
            lines = stack.enter_context(_opened(call.args.file))
            classifier = Runtime(call.variables, call.clock).classifier
            migrations = call.settings.migrations_dir
            with call.target.reading("ops-classify", "tries", migrations) as tx:
                index = news.name_index(tx)
            for line in answers(lines, index, classifier):
                sys.stdout.write(line + "\n")
    except BrokenPipeError:
        # The reader (`head`, for example) has closed the pipe; Python must not flush the rest.
        sys.stderr.close()
    return 0


def answers(lines: Iterable[str], index: NameIndex, classifier: Classifier) -> Iterator[str]:
    """One JSON object for each line, in order, also for empty lines."""
    texts = iter(lines)
    while batch := [line.rstrip("\r\n") for line in islice(texts, _BATCH)]:
        items = [_item(text) for text in batch]
        for verdict in judge(items, index, classifier):
            yield json.dumps(_facts(verdict), ensure_ascii=False)


def _opened(name: str) -> TextIO:
    if name == "-":
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]  # it is a TextIOWrapper
        return sys.stdin
    return Path(name).open(encoding="utf-8", errors="replace")


def _item(text: str) -> WaitingItem:
    nobody = stable_uuid("line", "")
    return WaitingItem(nobody, "", nobody, None, text, None)


def _facts(verdict: Classified) -> dict[str, Any]:
    sentiment = verdict.sentiment
    return {
        "label": sentiment and sentiment.label,
        "score": sentiment and round(sentiment.score, 6),
        "probabilities": sentiment
        and {
            "positive": sentiment.positive,
            "neutral": sentiment.neutral,
            "negative": sentiment.negative,
        },
        "tickers": list(verdict.tickers),
        "mixed": verdict.mixed,
        "model": verdict.model,
        "reason": verdict.reason,
    }


COMMAND = Command(run, arguments)
