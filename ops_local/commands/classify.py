"""`ops classify FILE`: label, score and tickers of each line, as the pipeline would store them."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from ops_local.database import opened
from ops_local.home import DEFAULT, Home
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import news
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Classified, Company, WaitingItem
from ops_pipeline.errors import OpsError
from ops_pipeline.ports import Classifier
from ops_pipeline.runtime.settings import read_settings
from ops_pipeline.runtime.wiring import Runtime
from ops_pipeline.stages.classifier import judge

# Large enough for a model to sort by length, small enough for a pipe to see answers soon.
_BATCH = 256


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb. `args.variables` must hold the environment when `args.run(args)` is called."""
    parser = subparsers.add_parser("classify", help="judge texts, one a line")
    parser.add_argument("file", metavar="FILE", help="a text file, or - for standard input")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print one JSON object a line; return 0, or 1 when the file or the model can't be used."""
    try:
        with ExitStack() as stack:
            lines = stack.enter_context(_opened(args.file))
            classifier = Runtime(args.variables, WallClock()).classifier
            index = NameIndex(_companies(args))
            for line in answers(lines, index, classifier):
                sys.stdout.write(line + "\n")
    except BrokenPipeError:
        # `head` has seen enough; what Python would still flush has nowhere to go.
        sys.stderr.close()
    except (OpsError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def answers(lines: Iterable[str], index: NameIndex, classifier: Classifier) -> Iterator[str]:
    """One JSON object for each line, in order; an empty line has one too."""
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


def _companies(args: argparse.Namespace) -> list[Company]:
    """The names to look for, from the database that the pipeline would use."""
    settings = read_settings(args.variables)
    if settings.database_reader_url:
        return _companies_at(settings.database_reader_url)
    home = Home(Path(args.variables.get("OPS_HOME", DEFAULT)))
    name = None if settings.database_url else home.current_database
    with opened(home.folder, settings.database_url, settings.migrations_dir, name) as urls:
        return _companies_at(urls.reader)


def _companies_at(url: str) -> list[Company]:
    database = Database(target_from_url(url), application_name="ops-classify")
    with closing(database), database.transaction() as tx:
        return news.companies(tx)


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
