"""The machines, functions and schedules, as the JSON files beside this module state them."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from infra.schedule import Schedule, parse_cron

FOLDER = Path(__file__).parent
MACHINES = FOLDER / "statemachines"
MACHINE_SUFFIX = ".asl.json"
FUNCTION_PREFIX = "ops-pipeline-"

_TOKEN = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function.

    `accounts` says whose broker keys it gets: "none", "data" (one account's, to read
    market data), "event" (the account that its event names) or "all".
    """

    stage: str
    timeout_s: int
    memory_mb: int
    layers: tuple[str, ...]
    accounts: Literal["none", "data", "event", "all"]
    env: tuple[str, ...]
    description: str

    @property
    def deployed_name(self) -> str:
        return FUNCTION_PREFIX + self.stage.replace("_", "-")

    @property
    def placeholder(self) -> str:
        """What stands for this function's ARN in the state machines: RssIngestArn."""
        return "".join(word.capitalize() for word in self.stage.split("_")) + "Arn"


def load_functions(path: Path = FOLDER / "functions.json") -> dict[str, Function]:
    """The functions by stage name."""
    listed = json.loads(path.read_text(encoding="utf-8"))["functions"]
    return {
        stage: Function(
            stage=stage,
            timeout_s=facts["timeout_s"],
            memory_mb=facts["memory_mb"],
            layers=tuple(facts["layers"]),
            accounts=facts["accounts"],
            env=tuple(facts["env"]),
            description=facts["description"],
        )
        for stage, facts in listed.items()
    }


def load_schedules(path: Path = FOLDER / "schedules.json") -> tuple[Schedule, ...]:
    """The schedules, in the order in which those of one minute run on one machine."""
    listed = json.loads(path.read_text(encoding="utf-8"))
    return tuple(
        Schedule(
            kind=kind,
            target=target,
            crons=tuple(parse_cron(expression) for expression in facts["cron"]),
            input=facts["input"],
            timezone=listed["timezone"],
        )
        for facts in listed["schedules"]
        for kind, target in facts["target"].items()
    )


def load_machines(folder: Path = MACHINES) -> dict[str, dict[str, Any]]:
    """The state machines by name, with `${RssIngestArn}` and the like still in place."""
    return {
        path.name.removesuffix(MACHINE_SUFFIX): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"*{MACHINE_SUFFIX}"))
    }


def with_arns(machine: Mapping[str, Any], arns: Mapping[str, str]) -> dict[str, Any]:
    """A copy of the machine with each `${Token}` replaced by its ARN.

    Raises:
        ValueError: a token has no ARN.
    """
    text = json.dumps(machine)
    missing = sorted(set(_TOKEN.findall(text)) - set(arns))
    if missing:
        raise ValueError(f"no function for the tokens {', '.join(missing)}")
    replaced: dict[str, Any] = json.loads(_TOKEN.sub(lambda found: arns[found[1]], text))
    return replaced


@lru_cache(maxsize=1)
def local_arns() -> dict[str, str]:
    """ARNs whose function name is the stage's own, as the local engine calls it."""
    prefix = "arn:aws:lambda:us-east-1:000000000000:function:"
    return {function.placeholder: prefix + stage for stage, function in load_functions().items()}
