"""`ops model build|verify`: builds a model folder, and compares int8 with fp32."""

import argparse
import sys
from pathlib import Path

from ops_local.commandline.command import Command, VerbCall
from ops_local.model_build import build_model
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier

# With less agreement than this the quantised model is not the same model.
LEAST_AGREEMENT = 0.97


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, help="folder as transformers saves a model")
    parser.add_argument("target", type=Path, help="the model folder to write")
    parser.add_argument(
        "--name", required=True, help="name and version, stored with each classified item"
    )
    parser.add_argument("--fp32", action="store_true", help="do not quantise the weights")


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("int8", type=Path, help="model folder")
    parser.add_argument("fp32", type=Path, help="model folder of the same model, not quantised")
    parser.add_argument("texts", type=Path, help="a file with one text on each line")


def _build(call: VerbCall) -> int:
    source, target = call.args.source, call.args.target
    build_model(source, target, name=call.args.name, quantize=not call.args.fp32)
    model = OnnxClassifier(target).model
    if call.json:
        call.print_json({"model": model, "folder": target})
    else:
        sys.stdout.write(f"{model} is in {target}\n")
    return 0


def _verify(call: VerbCall) -> int:
    """Print the agreement as JSON; return 1 if it is below LEAST_AGREEMENT."""
    args = call.args
    texts = [line for line in args.texts.read_text().splitlines() if line.strip()]
    small, large = (OnnxClassifier(path).classify(texts) for path in (args.int8, args.fp32))
    pairs = list(zip(small, large, strict=True))
    agreement = sum(one.label == other.label for one, other in pairs) / max(1, len(pairs))
    furthest = max((abs(one.score - other.score) for one, other in pairs), default=0.0)
    call.print_json(
        {
            "texts": len(pairs),
            "agreement": round(agreement, 4),
            "largest_difference_of_scores": round(furthest, 4),
            "least_agreement": LEAST_AGREEMENT,
        }
    )
    return 0 if pairs and agreement >= LEAST_AGREEMENT else 1


BUILD = Command(_build, _build_arguments)
VERIFY = Command(_verify, _verify_arguments)
