"""News in figures: the embedded model, bare parsing beside ours, and ONNX int8 beside torch.

    python -m tests.benchmarks.bench_news

The last part runs only where torch, transformers and onnx are installed, which are in no
lock; it makes a BERT-base of random weights, so it says nothing about accuracy.
"""

import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import feedparser

from ops_pipeline.adapters.feed_parser import parse_feed
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.domain.sentiment import sentiment
from tests.feed_server import item, rss
from tests.news import labelled_lines

LINES = [
    line[2:]
    for name in ("HEADLINES", "REPORTS", "POSTS", "LAST")
    for line in getattr(labelled_lines, name).strip().splitlines()
]


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


def bert() -> None:
    if not all(map(importlib.util.find_spec, ("torch", "transformers", "onnx"))):
        sys.stdout.write("ONNX beside torch: skipped, torch, transformers or onnx is missing\n")
        return
    import torch  # noqa: PLC0415 - only where it is installed
    from transformers import BertConfig, BertForSequenceClassification  # noqa: PLC0415 - as torch

    from ops_local.model_build import build_model  # noqa: PLC0415 - beside what it needs
    from tests.news.make_tiny_model import LABELS, make_tokenizer  # noqa: PLC0415 - as torch

    torch.manual_seed(1)
    torch.set_num_threads(2)
    tokenizer = make_tokenizer()
    network = BertForSequenceClassification(BertConfig(id2label=LABELS)).eval()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        network.save_pretrained(source)
        tokenizer.save(str(source / "tokenizer.json"))
        build_model(source, target, name="random-1-int8")
        loading = seconds(lambda: OnnxClassifier(target))
        say("ONNX int8 of BERT-base, load", loading, "s")
        classifier = OnnxClassifier(target)
    tokenizer.enable_padding()

    def by_torch(batch: list[str]) -> object:
        encoded = tokenizer.encode_batch(batch)
        with torch.inference_mode():
            return network(
                input_ids=torch.tensor([one.ids for one in encoded]),
                attention_mask=torch.tensor([one.attention_mask for one in encoded]),
            )

    words = ["profit rises of the shares loss falls sales cut raised " * 2] * 64
    for size in (1, 16, 64):
        batches = [words[at : at + size] for at in range(0, 64 if size > 1 else 16, size)]
        texts = sum(map(len, batches))
        ours = texts / seconds(lambda: [classifier.classify(one) for one in batches])  # noqa: B023 - run at once
        theirs = texts / seconds(lambda: [by_torch(one) for one in batches])  # noqa: B023 - run at once
        say(f"ONNX int8 at batch {size}", ours, "headlines/s")
        say(f"torch fp32 at batch {size}", theirs, f"headlines/s; ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    embedded_model()
    parsing()
    bert()
