"""Reading a synthesised template."""

import json
from pathlib import Path
from typing import Any

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
