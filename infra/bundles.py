"""Lays out each function's asset: a folder with its own code and nothing else."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
CERTIFICATES = ROOT / "infra" / "certs" / "rds.pem"
LAYERS = ROOT / "build" / "layers"
# Where Lambda unpacks a function's asset.
TASK_ROOT = "/var/task"
CA_FILE = f"{TASK_ROOT}/rds.pem"
MIGRATIONS_DIR = f"{TASK_ROOT}/migrations"

_NOT_OURS = shutil.ignore_patterns("__pycache__", "*.pyc", "events")


def stage_function(stage: str, folder: Path) -> Path:
    """Lay out one function's asset anew and return its folder.

    The migrations are part of db_migration's, so that a new file makes a new version of that
    function, which then runs. `rds.pem` is absent until `make certs` has fetched it.
    """
    target = folder / stage
    shutil.rmtree(target, ignore_errors=True)
    package = target / "functions"
    shutil.copytree(ROOT / "functions" / stage, package / stage, ignore=_NOT_OURS)
    shutil.copy(ROOT / "functions" / "__init__.py", package)
    if stage == "db_migration":
        shutil.copytree(ROOT / "migrations", target / "migrations", ignore=_NOT_OURS)
    if CERTIFICATES.exists():
        shutil.copy(CERTIFICATES, target / "rds.pem")
    return target


def stage_common(folder: Path) -> Path:
    """Lay out the layer that contains the package."""
    target = folder / "common"
    shutil.rmtree(target, ignore_errors=True)
    source = ROOT / "layers" / "common" / "python" / "ops_pipeline"
    shutil.copytree(source, target / "python" / "ops_pipeline", ignore=_NOT_OURS)
    return target


def built_layer(name: str, architecture: str) -> Path:
    """Where `make layers` puts a layer; the folder may not exist yet."""
    return LAYERS / architecture / name
