"""AWS on this machine: MiniStack, mended where it differs from what the stack relies on.

Runs under Lambda's Python with MiniStack installed, as `python emulator.py CONFIG`; CONFIG is
a JSON file (see `Config`). SIGUSR1 switches the enforcement of IAM policies: a deployment
goes without it, since the emulator has no deployment roles to speak of, all that follows with it.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import lambda_runtime
from ministack.services import lambda_svc, rds, ssm
from ministack.services.cloudformation import provisioners

log = logging.getLogger("emulator")


@dataclass(frozen=True)
class Config:
    """What the test tells the emulator.

    Attributes:
        folder: Where layers are unpacked and `variables.json` lies: what functions see of
            their vendors' addresses and of the clock, read anew at each cold start.
        psql: The program, with which the database's owner is made as RDS makes it.
        admin: Of the server behind RDS: host, port, user, password.
        tls_port: Where the server is reached over TLS.
        ami_parameter: The public parameter that names the NAT instance's image.
    """

    folder: Path
    psql: str
    admin: dict[str, str]
    tls_port: int
    ami_parameter: str


def read_config(file: Path) -> Config:
    given = json.loads(file.read_text(encoding="utf-8"))
    return Config(**{**given, "folder": Path(given["folder"])})


# Types without an effect on what runs here: recorded with the attributes that others ask for.
_RECORDED: dict[str, dict[str, str]] = {
    "AWS::EC2::Instance": {"PublicIp": "203.0.113.7", "PrivateIp": "10.42.0.4"},
    "AWS::EC2::SecurityGroupIngress": {},
    "AWS::EC2::SecurityGroupEgress": {},
    "AWS::Budgets::Budget": {},
    "AWS::Logs::QueryDefinition": {},
}


def record_only(kind: str, attributes: dict[str, str]) -> None:
    """Let CloudFormation create, update and delete a type that the emulator lacks."""

    def create(logical_id: str, _: Any, stack_name: str) -> tuple[str, dict[str, str]]:
        log.warning("%s %s is only recorded", kind, logical_id)
        return f"{stack_name}-{logical_id}", dict(attributes)

    def update(physical_id: str, *_: Any, **__: Any) -> tuple[str, dict[str, str]]:
        return physical_id, dict(attributes)

    handlers = {"create": create, "update": update, "delete": lambda *_: None}
    provisioners._RESOURCE_HANDLERS.setdefault(kind, handlers)


def record_alarms_over_expressions() -> None:
    """An alarm over a metric expression is refused by the emulator; AWS takes it."""
    handlers = dict(provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"])

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        if not properties.get("Metrics"):
            return handlers["create"](logical_id, properties, stack_name)
        log.warning("alarm %s is only recorded", logical_id)
        name = f"{stack_name}-{logical_id}"
        return name, {"Arn": f"arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"}

    provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"] = {**handlers, "create": create}


# The master user of RDS: no superuser, the member of a role that may do some of its work.
_OWNER = """
SELECT 'CREATE ROLE rds_superuser NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_superuser') \\gexec
GRANT pg_monitor, pg_signal_backend, pg_checkpoint TO rds_superuser WITH ADMIN OPTION;
SELECT 'CREATE ROLE rds_iam NOLOGIN'
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_iam') \\gexec
CREATE ROLE {user} LOGIN CREATEROLE CREATEDB PASSWORD '{password}' VALID UNTIL 'infinity';
GRANT rds_superuser TO {user} WITH ADMIN OPTION;
CREATE DATABASE {database} OWNER {user};
"""


def put_postgres_behind_rds(config: Config) -> None:
    """Give each database instance its owner and its database on the server of `config`."""
    handlers = dict(provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"])

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        physical_id, _ = handlers["create"](logical_id, properties, stack_name)
        statements = _OWNER.format(
            user=properties["MasterUsername"],
            password=properties["MasterUserPassword"].replace("'", "''"),
            database=properties["DBName"],
        )
        _run_psql(config, statements)
        instance = rds._instances[physical_id]
        instance["Endpoint"].update(Address="127.0.0.1", Port=config.tls_port)
        return physical_id, provisioners._rds_db_instance_attrs(instance)

    provisioners._RESOURCE_HANDLERS["AWS::RDS::DBInstance"] = {**handlers, "create": create}


def _run_psql(config: Config, statements: str) -> None:
    admin = config.admin
    where = ["-h", admin["host"], "-p", admin["port"], "-U", admin["user"], "-d", "postgres"]
    subprocess.run(
        [config.psql, "--no-psqlrc", "-v", "ON_ERROR_STOP=1", *where],
        input=statements,
        text=True,
        check=True,
        env={**os.environ, "PGPASSWORD": admin["password"]},
        stdout=subprocess.DEVNULL,
    )


# What a worker runs as: in a mount namespace of its own, its code at /var/task, and without
# this interpreter's packages, of which Lambda knows nothing.
_AS_LAMBDA = """#!/bin/sh
exec unshare -m --propagation private sh -c \
 'mount --bind "$PWD" /var/task && cd /var/task && exec {python} -S -P "$1"' sh "$1"
"""
_AN_ERROR = '"error": str(e), "trace": traceback.format_exc()'
_ITS_NAME = '"error": str(e), "error_type": type(e).__name__, "trace": traceback.format_exc()'
_CODE_FOLDER = 'code_dir = init["code_dir"]'
_TASK_ROOT = 'code_dir = "/var/task"; os.environ["LAMBDA_TASK_ROOT"] = code_dir'
_BEFORE_IMPORT = "    _ms_install_invoke_depth()\n    try:\n"
# The clock port's one adapter: the session's time instead of the machine's.
_SET_CLOCK = """
def _use_session_clock():
    import datetime
    from ops_pipeline.adapters.clock import WallClock
    def now(self):
        with open(os.environ["SESSION_CLOCK"], encoding="utf-8") as file:
            return datetime.datetime.fromisoformat(file.read())
    WallClock.now = now
"""


def run_as_lambda_does(config: Config) -> None:
    """Start Python workers as Lambda starts functions, with the session's clock."""
    wrapper = config.folder / "python-as-lambda"
    wrapper.write_text(_AS_LAMBDA.format(python=sys.executable), encoding="utf-8")
    wrapper.chmod(0o755)
    Path("/var/task").mkdir(exist_ok=True)
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    for old, new in (
        (_AN_ERROR, _ITS_NAME),
        (_CODE_FOLDER, _TASK_ROOT),
        ("\ndef run():", _SET_CLOCK + "\ndef run():"),
        (_BEFORE_IMPORT, _BEFORE_IMPORT + "        _use_session_clock()\n"),
    ):
        if old not in script:
            raise SystemExit(f"MiniStack's worker no longer has: {old}")
        script = script.replace(old, new)
    found = lambda_runtime._detect_runtime_binary

    def detect(runtime: str) -> tuple[str, str]:
        return (str(wrapper), script) if runtime == "python3.13" else found(runtime)

    lambda_runtime._detect_runtime_binary = detect
    _unpack_layers_once(config)


def _unpack_layers_once(config: Config) -> None:
    """Workers share each layer's folder: unpacking it at each cold start takes seconds."""
    spawn = lambda_runtime.Worker._spawn
    once = threading.Lock()

    def spawn_with(worker: Any) -> Any:
        settings = dict(worker.config)
        if settings.get("Runtime") != "python3.13":
            return spawn(worker)
        with once:
            folders = [_unpacked(config, each) for each in settings.get("Layers", [])]
        variables = dict(settings.get("Environment", {}).get("Variables", {}))
        overrides = json.loads((config.folder / "variables.json").read_text(encoding="utf-8"))
        variables.update(overrides, SESSION_CLOCK=str(config.folder / "clock"))
        variables["_LAMBDA_LAYERS_DIRS"] = os.pathsep.join(map(str, folders))
        worker.config = {**settings, "Layers": [], "Environment": {"Variables": variables}}
        return spawn(worker)

    lambda_runtime.Worker._spawn = spawn_with


def _unpacked(config: Config, layer: Any) -> Path:
    arn = layer if isinstance(layer, str) else layer["Arn"]
    _, name, version = arn.rsplit(":", 2)
    target = config.folder / "layers" / f"{name}-{version}"
    if not target.exists():
        packed = target.with_name(target.name + ".zip")
        packed.parent.mkdir(exist_ok=True)
        packed.write_bytes(lambda_svc._resolve_layer_zip(layer))
        subprocess.run(
            [sys.executable, "-m", "zipfile", "-e", str(packed), str(target)], check=True
        )
        packed.unlink()
    return target


def report_errors_by_class() -> None:
    """`errorType` is the exception's class, by which the state machines tell errors apart."""
    seen = threading.local()
    invoke = lambda_runtime.Worker.invoke

    def invoke_and_look(worker: Any, *args: Any, **kwargs: Any) -> Any:
        result = invoke(worker, *args, **kwargs)
        seen.name = result.get("error_type")
        return result

    lambda_runtime.Worker.invoke = invoke_and_look
    for name in [each for each in dir(lambda_svc) if each.startswith("_execute_function")]:
        setattr(lambda_svc, name, _naming_the_class(getattr(lambda_svc, name), seen))


def _naming_the_class(execute: Any, seen: threading.local) -> Any:
    def execute_and_name(*args: Any, **kwargs: Any) -> Any:
        seen.name = None
        answer = execute(*args, **kwargs)
        body = answer.get("body") if isinstance(answer, dict) else None
        if isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
            body["errorType"] = seen.name or body["errorType"]
        return answer

    return execute_and_name


def switch_enforcement(*_: Any) -> None:
    app.AUTH = not app.AUTH
    log.warning("IAM enforcement is %s", "on" if app.AUTH else "off")


def main() -> None:
    config = read_config(Path(sys.argv.pop()))  # MiniStack reads the others
    for kind, attributes in _RECORDED.items():
        record_only(kind, attributes)
    record_alarms_over_expressions()
    ssm._PUBLIC_AMI_PARAMETERS[config.ami_parameter] = "ami-0c2023a1b2c3d4e5f"
    put_postgres_behind_rds(config)
    run_as_lambda_does(config)
    report_errors_by_class()
    signal.signal(signal.SIGUSR1, switch_enforcement)
    app.main()


if __name__ == "__main__":
    main()
