"""A release's functions, each started as Lambda starts it, with this machine's servers behind."""

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.definitions import load_functions, load_machines
from infra.layers import NAMES, Interpreter, build, build_runtime
from ops_local.engine.engine import Engine, FunctionFailed
from tests.infra.lambda_host import Answered, Host, started, unpack
from tests.infra.template import Template, of_type, stages

FUNCTIONS = load_functions()
ARCHITECTURE = "x86_64"


@dataclass(frozen=True)
class Runner:
    """The Python that starts functions, and the layers that were built for it."""

    python: Path
    layers: Path


def runner_of_this_python(folder: Path) -> Runner:
    """For where Lambda's Python is absent: the one that runs the tests, from 3.11 on."""
    here = Interpreter("{}.{}".format(*sys.version_info), Path(sys.executable))
    for name in NAMES:
        build(name, ARCHITECTURE, into=folder / name, python=here)
    build_runtime(ARCHITECTURE, into=folder / "runtime", version=here.version)
    return Runner(Path(sys.executable), folder)


@dataclass(frozen=True)
class Lambda:
    """What is needed to start any function of the assembly."""

    runner: Runner
    template: Template
    assembly: Path
    folder: Path
    variables: dict[str, str]

    @contextmanager
    def warm(self, stage: str) -> Iterator[Host]:
        properties = stages(self.template)[stage]
        asset = properties["Code"]["S3Key"].removesuffix(".zip")
        unpacked = Path(tempfile.mkdtemp(dir=self.folder, prefix=stage))
        task = unpacked / "task"
        shutil.copytree(self.assembly / f"asset.{asset}", task)
        layers = [self._layer(name) for name in self._carried(stage)]
        site = unpack(layers, unpacked / "layers")
        folders = [task, site, self.runner.layers / "runtime"]
        named = properties["Environment"]["Variables"]
        variables = {
            **named,
            **self.variables,
            "MIGRATIONS_DIR": str(task / "migrations"),
            "PYTHONPROFILEIMPORTTIME": "1",
        }
        log = self.folder / f"{stage}.log"
        with started(self.runner.python, properties["Handler"], folders, variables, log) as host:
            yield host

    def invoke(self, stage: str, *events: Any) -> list[Answered]:
        with self.warm(stage) as host:
            return [host.invoke(event) for event in events]

    def said(self, stage: str) -> str:
        return (self.folder / f"{stage}.log").read_text()

    def packages(self, stage: str) -> set[str]:
        """What the function has imported by now of what its layers hold."""
        said = self.said(stage)
        imported = re.findall(r"^import time: [ \d]+\|[ \d]+\| +(\w+)", said, re.MULTILINE)
        held = {
            path.name.partition(".")[0]
            for name in self._carried(stage)
            for path in (self._layer(name) / "python").iterdir()
        }
        return set(imported) & held

    def _carried(self, stage: str) -> list[str]:
        """The names of the function's layers, as the template has them."""
        versions = of_type(self.template, "AWS::Lambda::LayerVersion")
        named = [
            versions[one["Ref"]]["LayerName"] for one in stages(self.template)[stage]["Layers"]
        ]
        return [name.removeprefix("ops-pipeline-").partition("-")[0] for name in named]

    def _layer(self, name: str) -> Path:
        if name != "common":
            return self.runner.layers / name
        [key] = {
            version["Content"]["S3Key"]
            for version in of_type(self.template, "AWS::Lambda::LayerVersion").values()
            if version["LayerName"].startswith("ops-pipeline-common")
        }
        return self.assembly / f"asset.{key.removesuffix('.zip')}"


def machines_over(deployed: Lambda) -> Engine:
    """The state machines, each of their calls answered by a bundle."""

    def invoke(stage: str, event: dict[str, Any]) -> Any:
        [answer] = deployed.invoke(stage, event)
        if answer.failed:
            raise FunctionFailed(answer.body["errorType"], answer.body["errorMessage"])
        return answer.body

    return Engine(load_machines(), invoke)
