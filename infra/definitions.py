"""The functions and schedules of the manifest, and the state machines of infra/statemachines."""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from infra.schedule import SCHEDULED_TIME, Schedule, parse_cron
from ops_pipeline.domain.market import NEW_YORK
from ops_pipeline.domain.operations.manifest import MACHINES, STAGES
from ops_pipeline.domain.operations.stage import Stage, StartTimes

FOLDER = Path(__file__).parent
ASL_FOLDER = FOLDER / "statemachines"
MACHINE_SUFFIX = ".asl.json"

_TOKEN = re.compile(r"\$\{(\w+)\}")


def load_functions() -> dict[str, Stage]:
    """The stages by name, each of which is a Lambda function."""
    return {stage.name: stage for stage in STAGES}


def load_schedules() -> tuple[Schedule, ...]:
    """The schedules, in the order in which those of one minute run locally."""
    machines = [_schedule("machine", machine.name, machine.starts) for machine in MACHINES]
    functions = [
        _schedule("function", stage.name, stage.starts) for stage in STAGES if stage.starts
    ]
    return (*machines, *functions)


def _schedule(kind: Literal["machine", "function"], target: str, starts: StartTimes) -> Schedule:
    return Schedule(
        kind=kind,
        target=target,
        crons=tuple(parse_cron(expression) for expression in starts.cron),
        input={"tick": SCHEDULED_TIME},
        timezone=NEW_YORK.key,
    )


def load_machines(folder: Path = ASL_FOLDER) -> dict[str, dict[str, Any]]:
    """The state machines by name, with placeholders such as `${RssIngestArn}`."""
    return {
        path.name.removesuffix(MACHINE_SUFFIX): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"*{MACHINE_SUFFIX}"))
    }


def with_arns(machine: Mapping[str, Any], arns: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the machine with each placeholder replaced by its ARN.

    Raises:
        ValueError: a placeholder has no ARN.
    """
    text = json.dumps(machine)
    missing = sorted(set(_TOKEN.findall(text)) - set(arns))
    if missing:
        raise ValueError(f"no function for the tokens {', '.join(missing)}")
    replaced: dict[str, Any] = json.loads(_TOKEN.sub(lambda found: arns[found[1]], text))
    return replaced


@lru_cache(maxsize=1)
def local_arns() -> dict[str, str]:
    """ARNs in which the function is named like the stage, as the local engine expects."""
    prefix = "arn:aws:lambda:us-east-1:000000000000:function:"
    return {function.placeholder: prefix + stage for stage, function in load_functions().items()}
