"""The synthesised template, made once; skipped where .venv-infra is absent."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.synth import ROOT, VENV, infra_python, synthesise

Template = dict[str, Any]

# What a deployment reads; copied whole, so that a test may change it.
_READ_BY_SYNTH = ("functions", "infra", "layers", "migrations")


@pytest.fixture(scope="session")
def venv() -> Path:
    if not infra_python().exists():
        pytest.skip("no .venv-infra: make infra-test makes it")
    return VENV


@pytest.fixture(scope="session")
def assembly(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `cdk deploy` would send."""
    out = tmp_path_factory.mktemp("synth") / "cdk.out"
    done = synthesise(["--out", str(out)])
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="session")
def template(assembly: Path) -> Template:
    return read_template(assembly)


def read_template(assembly: Path, stack: str = "ops-pipeline") -> Template:
    read: Template = json.loads((assembly / f"{stack}.template.json").read_text())
    return read


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a deployment reads, to change."""
    root = tmp_path / "copy"
    for name in _READ_BY_SYNTH:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, root / name, ignore=ignored)
    if (ROOT / "build" / "layers").exists():
        (root / "build").mkdir()
        (root / "build" / "layers").symlink_to(ROOT / "build" / "layers")
    return root


def of_type(template: Template, kind: str) -> dict[str, Any]:
    """Logical id to properties."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def stages(template: Template) -> dict[str, Any]:
    """The properties of our functions, by stage; CDK's own helper has no name."""
    return {
        properties["FunctionName"].removeprefix("ops-pipeline-").replace("-", "_"): properties
        for properties in of_type(template, "AWS::Lambda::Function").values()
        if "FunctionName" in properties
    }
