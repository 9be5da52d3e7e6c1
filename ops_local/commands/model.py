"""`ops model build|verify`: builds model folders, and compares int8 with fp32."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops_local.commandline.command import Command, VerbCall
from ops_local.given_files import text_of
from ops_local.model_build import build_both, check_packages
from ops_local.model_download import download
from ops_local.model_quality import (
    LEAST_AGREEMENT,
    Agreement,
    agreement,
    labelled_lines,
    scores_by_style,
)
from ops_pipeline.adapters.model_folder import MANIFEST, sha256_of
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="folder with the downloaded files of a model")
    parser.add_argument(
        "target", type=Path, help="the int8 model folder to write; fp32 goes to TARGET-fp32"
    )
    parser.add_argument(
        "--name", required=True, help="name and version, stored with each classified item"
    )
    parser.add_argument(
        "--sha256", help="of the weights; required for pytorch_model.bin, which is a pickle"
    )
    parser.add_argument(
        "--download", metavar="REPOSITORY", help="fetch it from the hub into SOURCE first"
    )


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("int8", type=Path, help="model folder")
    parser.add_argument("fp32", type=Path, help="model folder of the same model, not quantised")
    parser.add_argument("texts", type=Path, help="a file with one text on each line")


def _build(call: VerbCall) -> int:
    """Build, verify and judge both models; return 1 if int8 is not the same model."""
    args = call.args
    check_packages()
    sha256 = args.sha256
    if args.download:
        sha256 = next(iter(download(args.download, args.source).sha256.values()), sha256)
    folder = build_both(args.source, args.target, name=args.name, sha256=sha256)
    small, large = OnnxClassifier(args.target), OnnxClassifier(folder)
    lines = labelled_lines()
    texts = [text for labelled in lines.values() for _, text in labelled]
    agreed = agreement(small.classify(texts), large.classify(texts))
    facts = {
        "model": small.model,
        "folder": str(args.target),
        "fp32": str(folder),
        **_agreement_facts(agreed),
        "macro_f1": _rounded(scores_by_style(small, lines)),
        "macro_f1_of_fp32": _rounded(scores_by_style(large, lines)),
        "manifest_sha256": sha256_of(args.target / MANIFEST),
    }
    if call.json:
        call.print_json(facts)
    else:
        _say(facts, sys.stdout.write)
    return 0 if agreed.is_enough else 1


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {style: round(score, 3) for style, score in scores.items()}


def _agreement_facts(found: Agreement) -> dict[str, Any]:
    return {
        "texts": found.texts,
        "agreement": round(found.share, 4),
        "largest_difference_of_scores": round(found.furthest, 4),
        "least_agreement": LEAST_AGREEMENT,
    }


def _say(facts: dict[str, Any], write: Callable[[str], Any]) -> None:
    write(f"{facts['model']} is in {facts['folder']}, the same as fp32 in {facts['fp32']}\n")
    write(
        f"int8 and fp32 agree on {facts['agreement']:.1%} of {facts['texts']} lines "
        f"(at least {facts['least_agreement']:.0%} is needed)\n"
    )
    for style, score in facts["macro_f1"].items():
        other = facts["macro_f1_of_fp32"][style]
        write(f"macro-F1 on {style}: {score:.3f} (fp32 {other:.3f})\n")
    write(f"On this machine: MODEL_DIR={facts['folder']}\n")
    write(
        f"For a stack: aws s3 cp --recursive {facts['folder']} s3://BUCKET/PREFIX, then deploy "
        f"with -c model_s3_uri=s3://BUCKET/PREFIX -c model_sha256={facts['manifest_sha256']}\n"
    )


def _verify(call: VerbCall) -> int:
    """Print the agreement as JSON; return 1 if it is below LEAST_AGREEMENT."""
    args = call.args
    texts = [line for line in text_of(args.texts).splitlines() if line.strip()]
    small, large = (OnnxClassifier(path).classify(texts) for path in (args.int8, args.fp32))
    found = agreement(small, large)
    call.print_json(_agreement_facts(found))
    return 0 if found.is_enough else 1


BUILD = Command(_build, _build_arguments)
VERIFY = Command(_verify, _verify_arguments)
