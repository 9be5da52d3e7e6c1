"""News in figures: the embedded model, names, feeds fetched and stored, and ONNX beside torch.

    python -m tests.benchmarks.bench_news

The last part runs only where torch, transformers and onnx are installed, which are in no
lock; it makes a BERT-base of random weights, so it says nothing about accuracy.
"""

import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from string import ascii_lowercase

import feedparser

from ops_pipeline.adapters.feed_parser import parse_feed
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.adapters.rss import RssFeed
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import Company
from ops_pipeline.domain.news.sentiment import sentiment
from ops_pipeline.domain.news.tickers import find_mentions
from ops_pipeline.stages import rss_ingest
from ops_pipeline.stages.request import TickRequest
from tests.benchmarks.measuring import made_tickers, memory_mb, migrated, server
from tests.news import labelled_lines
from tests.support.fakes import FixedClock
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.subscribing import subscribe

LINES = [
    line[2:]
    for name in ("HEADLINES", "REPORTS", "POSTS", "LAST")
    for line in getattr(labelled_lines, name).strip().splitlines()
]


FEEDS, ROUNDS, ENTRIES = 500, 2, 30
BATCHES = (1, 16, 64)
MODULE = "tests.benchmarks.bench_news"
TICK = datetime(2026, 2, 4, 15, 30, tzinfo=UTC)


def say(what: str, figure: float, unit: str) -> None:
    sys.stdout.write(f"{what:<44} {figure:10,.1f} {unit}\n")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def core_seconds(work: Callable[[], object]) -> float:
    """Time on the processor, so that a busy machine does not blur one thread's work."""
    began = time.process_time()
    work()
    return time.process_time() - began


def embedded_model() -> None:
    texts = LINES * 40
    taken = core_seconds(lambda: [sentiment(text) for text in texts])
    say("embedded model, one core", len(texts) / taken, "headlines/s")


def parsing() -> None:
    body = rss(*(item(line, guid=str(n), summary=line * 4) for n, line in enumerate(LINES[:30])))
    count = 100
    ours = core_seconds(
        lambda: [
            parse_feed(body, content_type=None, url="http://w.example/", most_entries=500)
            for _ in range(count)
        ]
    )
    bare = core_seconds(lambda: [feedparser.parse(BytesIO(body)) for _ in range(count)])
    say("documents of 30 entries parsed", 60 * count / ours, "a minute")
    say("the same by bare feedparser", 60 * count / bare, "a minute")


def names() -> None:
    """Ten thousand made-up names of one to three words, over lines that have none of them."""
    chance = random.Random(1)
    words = [
        "".join(chance.choices(ascii_lowercase, k=chance.randint(3, 9))).title()
        for _ in range(8_000)
    ]
    book = NameIndex(
        Company(ticker, (" ".join(chance.sample(words, chance.randint(1, 3))),))
        for ticker in made_tickers(10_000)
    )
    texts = LINES * 40
    taken = core_seconds(lambda: [find_mentions(text, book) for text in texts])
    say("10,000 names looked for, one core", len(texts) / taken, "headlines/s")


def documents(round_number: int) -> list[bytes]:
    """As many feeds, each with entries of its own: nothing in them was seen before."""
    return [
        rss(
            *(
                item(
                    f"{LINES[entry]} {feed} {entry} {round_number}",
                    guid=f"{round_number}-{feed}-{entry}",
                    summary=LINES[entry] * 4,
                    published=(TICK - timedelta(minutes=entry)).strftime(
                        "%a, %d %b %Y %H:%M:%S GMT"
                    ),
                )
                for entry in range(ENTRIES)
            )
        )
        for feed in range(FEEDS)
    ]


def ingest() -> None:
    """Feeds over HTTP into Postgres, by the stage itself, until all are stored."""
    with server() as url, migrated(url, "news") as urls, feed_server() as serving:
        db = Database(target_from_url(urls.writer), application_name="bench")
        with closing(db):
            feed = local_feed()
            for number in range(ROUNDS):
                _ingest_round(db, feed, serving, number)


def _ingest_round(db: Database, feed: RssFeed, serving: FeedServer, number: int) -> None:
    for at, body in enumerate(documents(number)):
        where = serving.put(f"/{at}", Page(body))
        with db.transaction() as tx:
            subscribe(tx, url=where, source=f"feed {at}")
    clock = FixedClock(TICK + timedelta(minutes=number))
    began, stored, runs, core = time.perf_counter(), 0, 0, time.process_time()
    while stored < FEEDS * ENTRIES and runs < 20:
        # What one run's budget did not reach is first in the next.
        found = rss_ingest.run(TickRequest(tick=clock.now()), db=db, feed=feed, clock=clock)
        stored, runs = stored + found.stored, runs + 1
        clock.advance(60)
    taken, used = time.perf_counter() - began, time.process_time() - core
    say(f"round {number + 1}: feeds fetched, parsed, stored", 60 * FEEDS / taken, "a minute")
    say("  this process's time a feed", 1000 * used / FEEDS, f"ms; {runs} runs of the stage")
    say("  memory after it", memory_mb(), f"MB; {stored} items stored")


def bert() -> None:
    """int8 on onnxruntime and fp32 on torch, each in a process of its own."""
    if not all(map(importlib.util.find_spec, ("torch", "transformers", "onnx"))):
        sys.stdout.write("ONNX beside torch: skipped, torch, transformers or onnx is missing\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        subprocess.run([sys.executable, "-m", MODULE, "make", source, target], check=True)
        ours, theirs = (_measured("onnx", target), _measured("torch", source))
    for what, unit in (
        ("load", "s"),
        ("peak", "MB"),
        *((f"batch {n}", "headlines/s") for n in BATCHES),
    ):
        say(f"ONNX int8 of BERT-base, {what}", ours[what], unit)
        say(f"  torch fp32 with transformers, {what}", theirs[what], unit)
        ratio = ours[what] / theirs[what] if "batch" in what else theirs[what] / ours[what]
        say("  better by", ratio, "times")
    say("ONNX int8, peak with texts of full length", ours["full_length_peak"], "MB")


def _measured(which: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", MODULE, which, str(folder)]
    told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found


def make_bert(source: Path, target: Path) -> None:
    """A BERT-base of random weights as transformers saves it, and the same as int8 ONNX."""
    import torch  # noqa: PLC0415 - only where it is installed
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415 - as torch

    from ops_local.model_build import build_model  # noqa: PLC0415 - beside what it needs
    from tests.news.make_tiny_model import LABELS, make_tokenizer  # noqa: PLC0415 - as torch

    torch.manual_seed(1)
    BertForSequenceClassification(BertConfig(id2label=LABELS)).eval().save_pretrained(source)
    make_tokenizer().save(str(source / "tokenizer.json"))
    build_model(source, target, name="random-1-int8")


def run_onnx(folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    classifier = OnnxClassifier(folder)
    classifier.classify(["profit rises"])
    found = {"load": time.perf_counter() - began, **_rates(classifier.classify)}
    # What the function's memory must hold at worst: a batch of texts of full length.
    classifier.classify(["profit rises of the shares loss falls " * 100] * 16)
    return {**found, "full_length_peak": memory_mb("VmHWM")}


def run_torch(folder: Path) -> dict[str, float]:
    began = time.perf_counter()
    import torch  # noqa: PLC0415 - importing it is a part of loading
    from tokenizers import Tokenizer  # noqa: PLC0415 - as torch
    from transformers import BertForSequenceClassification  # noqa: PLC0415 - as torch

    torch.set_num_threads(2)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    network = BertForSequenceClassification.from_pretrained(folder).eval()

    def classify(batch: list[str]) -> object:
        encoded = tokenizer.encode_batch(batch)
        with torch.inference_mode():
            return network(
                input_ids=torch.tensor([one.ids for one in encoded]),
                attention_mask=torch.tensor([one.attention_mask for one in encoded]),
            )

    classify(["profit rises"])
    return {"load": time.perf_counter() - began, **_rates(classify)}


def _rates(classify: Callable[[list[str]], object]) -> dict[str, float]:
    """Headlines of 20 words a second at each batch, the best of three; then the peak memory."""
    texts = ["profit rises of the shares loss falls sales cut raised " * 2] * max(BATCHES)
    found = {}
    for size in BATCHES:
        batches = [texts[at : at + size] for at in range(0, min(len(texts), 16 * size), size)]
        taken = min(seconds(lambda: [classify(one) for one in batches]) for _ in range(3))  # noqa: B023 - at once
        found[f"batch {size}"] = sum(map(len, batches)) / taken
    return {**found, "peak": memory_mb("VmHWM")}


PARTS: dict[str, Callable[[Path], dict[str, float]]] = {"onnx": run_onnx, "torch": run_torch}


def main(arguments: list[str]) -> None:
    """Everything; or, in a process of its own, one part of the last comparison."""
    if arguments[:1] == ["make"]:
        make_bert(Path(arguments[1]), Path(arguments[2]))
    elif arguments:
        sys.stdout.write(json.dumps(PARTS[arguments[0]](Path(arguments[1]))) + "\n")
    else:
        for part in (embedded_model, names, parsing, ingest, bert):
            part()


if __name__ == "__main__":
    main(sys.argv[1:])
