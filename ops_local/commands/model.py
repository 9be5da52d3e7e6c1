"""`ops model build|verify`: make a model folder, and see what int8 costs it."""

import argparse
import json
import sys
from pathlib import Path

from ops_local.model_build import build_model
from ops_pipeline.adapters.onnx_classifier import OnnxClassifier
from ops_pipeline.errors import OpsError

# Below this share of equal labels a quantised model is another model.
LEAST_AGREEMENT = 0.97


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = subparsers.add_parser("model", help="build or verify a model folder")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    build = actions.add_parser("build", help="export a downloaded BERT classifier as int8 ONNX")
    build.add_argument("source", type=Path, help="folder as transformers saves a model")
    build.add_argument("target", type=Path, help="the model folder to write")
    build.add_argument("--name", required=True, help="what rows will say, with its version")
    build.add_argument("--fp32", action="store_true", help="leave the weights as they are")
    build.set_defaults(run=_build)
    verify = actions.add_parser("verify", help="compare an int8 model with its fp32 on a file")
    verify.add_argument("int8", type=Path, help="model folder")
    verify.add_argument("fp32", type=Path, help="model folder of the same model, not quantised")
    verify.add_argument("texts", type=Path, help="one text a line")
    verify.set_defaults(run=_verify)


def _build(args: argparse.Namespace) -> int:
    try:
        build_model(args.source, args.target, name=args.name, quantize=not args.fp32)
        model = OnnxClassifier(args.target).model
    except (OpsError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(f"{model} is in {args.target}\n")
    return 0


def _verify(args: argparse.Namespace) -> int:
    """Print the agreement as JSON; return 1 when it is under LEAST_AGREEMENT."""
    try:
        texts = [line for line in args.texts.read_text().splitlines() if line.strip()]
        small, large = (OnnxClassifier(path).classify(texts) for path in (args.int8, args.fp32))
    except (OpsError, OSError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    pairs = list(zip(small, large, strict=True))
    agreement = sum(one.label == other.label for one, other in pairs) / max(1, len(pairs))
    furthest = max((abs(one.score - other.score) for one, other in pairs), default=0.0)
    facts = {
        "texts": len(pairs),
        "agreement": round(agreement, 4),
        "largest_difference_of_scores": round(furthest, 4),
        "least_agreement": LEAST_AGREEMENT,
    }
    sys.stdout.write(json.dumps(facts) + "\n")
    return 0 if pairs and agreement >= LEAST_AGREEMENT else 1
