"""Size and start time of each function: `python -m infra.weigh [ARCHITECTURE]`.

The size is that of what would be deployed: the asset with its layers, for the classifier
including the layer for a trained model. A start imports the handler and the adapters that its
first call needs, in an isolated interpreter of Lambda's version; the time is processor time, the
minimum of three. Needs `make layers`; start times need layers for this machine's architecture
and such an interpreter.
"""

import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from infra import bundles
from infra.definitions import load_functions
from infra.layers import PYTHON, UNZIPPED_LIMIT_BYTES, python_of_lambda
from ops_pipeline.domain.operations.stage import Stage
from ops_pipeline.stages.classifier import BUDGET

# Processor seconds of a start: twice the measured ones. Without bytecode it takes longer.
# Lambda ends the init phase after ten seconds.
BUDGET_S = 1.3
BUDGET_BROKER_S = 1.6
_TIMES = 3
# A BERT-base as int8: 520 MB at worst with batches of 2,048 tokens, 881 MB were seen without that
# bound. It loads in 1.4 s on two cores; a function of 1,024 MB has a good half of one.
MODEL_MB, MODEL_LOAD_S = 900, 6
_MEASURE = """
import sys, time
began = time.process_time()
for name in sys.argv[1:]:
    __import__(name)
print(time.process_time() - began, *sorted({name.partition(".")[0] for name in sys.modules}))
"""


@dataclass(frozen=True, slots=True)
class Weighed:
    """One function; `import_s` is None if no interpreter here can run its layers."""

    stage: str
    unzipped: int
    import_s: float | None
    budget_s: float
    packages: frozenset[str]


def model_problems(function: Stage) -> list[str]:
    """Why a trained model of BERT-base's size would not run in a function; empty if it would."""
    if "inference" not in function.layers:
        return []
    found = []
    if function.memory_mb < MODEL_MB:
        found.append(f"{function.name}: {function.memory_mb} MB, a BERT-base needs {MODEL_MB}")
    least_s = MODEL_LOAD_S + BUDGET.total_seconds()
    if function.timeout_s < least_s:
        found.append(
            f"{function.name}: {function.timeout_s} s, loading and a run take {least_s:.0f}"
        )
    return found


def modules_of(function: Stage) -> tuple[str, ...]:
    """The modules that a start of the function imports."""
    adapters = ["secrets", "clock", *function.adapters]
    if function.accounts != "none":
        adapters += ["alpaca_broker", "alpaca_data"]
    return (
        function.handler.removesuffix(".lambda_handler"),
        *(f"ops_pipeline.adapters.{name}" for name in adapters),
    )


def weigh(
    function: Stage, layers: Path, python: Path | None, staging: Path, times: int = _TIMES
) -> Weighed:
    """Lay the function out as it is deployed, measure it, and start it `times` times.

    The common layer must already be in `staging`.

    Args:
        layers: The folder with the other layers.
        python: An interpreter that can run them; None does not measure starts.
    """
    task = bundles.stage_function(function.name, staging)
    carried = [
        staging / "common" if name == "common" else layers / name for name in function.layers
    ]
    unzipped = sum(_weight(folder) for folder in (task, *carried))
    budget_s = BUDGET_S if function.accounts == "none" else BUDGET_BROKER_S
    if python is None:
        return Weighed(function.name, unzipped, None, budget_s, frozenset())
    folders = [task, *(layer / "python" for layer in carried)]
    runs = [_start(python, folders, modules_of(function)) for _ in range(times)]
    return Weighed(function.name, unzipped, min(took for took, _ in runs), budget_s, runs[0][1])


def _start(
    python: Path, folders: Iterable[Path], modules: Iterable[str]
) -> tuple[float, frozenset[str]]:
    variables = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": ":".join(map(str, folders)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(  # noqa: S603 - our own arguments
        [str(python), "-S", "-P", "-c", _MEASURE, *modules],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    took, *packages = done.stdout.split()
    return float(took), frozenset(packages)


def _weight(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def weigh_all(architecture: str) -> list[Weighed]:
    layers = bundles.LAYERS / architecture
    python = python_of_lambda() if architecture == platform.machine() else None
    with tempfile.TemporaryDirectory() as folder:
        staging = Path(folder)
        bundles.stage_common(staging)
        return [weigh(one, layers, python, staging) for one in load_functions().values()]


def main(architecture: str = "x86_64") -> int:
    """Print the table; return 1 if something exceeds its limit."""
    table = weigh_all(architecture)
    sys.stdout.write(f"{'function':18}{'MiB':>7}{'of 250':>8}{'import s':>10}{'budget s':>10}\n")
    for one in table:
        took = "-" if one.import_s is None else f"{one.import_s:.2f}"
        sys.stdout.write(
            f"{one.stage:18}{one.unzipped / 2**20:7.1f}{one.unzipped / UNZIPPED_LIMIT_BYTES:8.0%}"
            f"{took:>10}{one.budget_s:10.1f}\n"
        )
    if python_of_lambda() is None:
        sys.stdout.write(f"no python{PYTHON} at hand: starts are not measured\n")
    problems = [why for one in load_functions().values() for why in model_problems(one)]
    sys.stdout.write("".join(f"{why}\n" for why in problems))
    fits = not problems and all(
        one.unzipped <= UNZIPPED_LIMIT_BYTES and (one.import_s or 0) <= one.budget_s
        for one in table
    )
    return 0 if fits else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
