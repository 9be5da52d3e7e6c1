"""The CDK app: `python -m infra.app`, or through cdk.json by the CDK command line.

Needs neither credentials nor network. Context values (-c name=value) choose what
deployment.py lists; the stack belongs to the account and region it is deployed to.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from aws_cdk import Annotations, App, Stack, Tags, Validations
from cdk_nag import AwsSolutionsChecks

from infra import bundles
from infra.deployment import read_deployment, require_same_accounts
from infra.stacks.database import add_database
from infra.stacks.functions import StackResources, add_functions
from infra.stacks.machines import add_machines
from infra.stacks.network import add_network
from infra.stacks.observability import Watched, add_observability
from infra.stacks.operators import add_operators
from infra.stacks.schedules import add_failed_starts, add_schedules

OUT = bundles.ROOT / "build" / "cdk.out"
STAGING = bundles.ROOT / "build" / "staging"
# Set in code: only the CDK command line reads cdk.json.
FLAGS = {
    "@aws-cdk/aws-lambda:recognizeLayerVersion": True,
    "@aws-cdk/aws-lambda:recognizeVersionProps": True,
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/core:checkSecretUsage": True,
    "@aws-cdk/core:target-partitions": ["aws"],
    "aws:cdk:enable-path-metadata": False,
    "aws:cdk:version-reporting": False,
    "aws:cdk:disable-stack-trace": True,
    # They contain the temporary folder of the run, so that no two assemblies would be equal.
    "aws:cdk:disable-creation-stack-traces": True,
}


def build(context: dict[str, Any], out: Path | None = None, staging: Path = STAGING) -> App:
    """The app with its one stack; if `out` is None the CDK command line chooses the folder."""
    app = App(context={**FLAGS, **context}, outdir=str(out) if out else None)
    deployment = read_deployment(app.node.try_get_context)
    require_same_accounts(deployment, bundles.ROOT / "ops.toml")
    stack = Stack(app, deployment.prefix, description="ops-pipeline: news in, paper orders out")
    Tags.of(stack).add("application", deployment.prefix)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    if not bundles.CERTIFICATES.exists():
        Annotations.of(stack).add_error("the database's certificates are missing: make certs")
    network = add_network(stack, deployment)
    postgres = add_database(stack, deployment, network)
    failed_starts = add_failed_starts(stack, deployment)
    resources = StackResources(deployment, network, postgres, failed_starts, staging)
    functions = add_functions(stack, resources)
    machines = add_machines(stack, deployment, functions)
    add_schedules(stack, deployment, failed_starts, functions, machines)
    add_operators(stack, deployment, functions)
    watched = Watched(functions, machines, postgres.instance, failed_starts)
    add_observability(stack, deployment, watched)
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app, verbose=True, write_suppressions_to_cloud_formation=True)
    )
    return app


def main(arguments: list[str]) -> None:
    """Synthesise; `--out FOLDER` and `-c name=value` work as in the CDK command line."""
    context: dict[str, Any] = {}
    out: Path | None = None
    for option, value in zip(arguments[::2], arguments[1::2], strict=True):
        if option == "--out":
            out = Path(value).absolute()
        elif option == "-c":
            name, _, text = value.partition("=")
            context[name] = text
        else:
            raise SystemExit(f"unknown option {option}")
    staging = out.with_name(f"{out.name}.staging") if out else STAGING
    assembly = build(context, out, staging).synth()
    json.dump({"assembly": assembly.directory}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
