"""Reading a synthesised template."""

import json
from pathlib import Path
from typing import Any

from infra.synth import synthesise

Template = dict[str, Any]


def read_template(assembly: Path, stack: str = "ops-pipeline") -> Template:
    read: Template = json.loads((assembly / f"{stack}.template.json").read_text())
    return read


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


def statements_of(template: Template, role: str) -> list[dict[str, Any]]:
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def resources_allowed(template: Template, role: str, action: str) -> list[Any]:
    return [
        resource
        for statement in statements_of(template, role)
        if statement["Effect"] == "Allow" and action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    ]


def synthesised(checkout: Path, venv: Path, *context: str, stack: str = "ops-pipeline") -> Template:
    out = checkout / "cdk.out"
    options = [part for value in context for part in ("-c", value)]
    done = synthesise(["--out", str(out), *options], root=checkout, venv=venv)
    assert done.returncode == 0, done.stderr[-3000:]
    return read_template(out, stack)


def migration_version(template: Template) -> str:
    version: str = template["Resources"]["Migrate"]["Properties"]["HandlerArn"]["Ref"]
    return version
