"""What each function carries: a folder with its own code and nothing else."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
CERTIFICATES = ROOT / "infra" / "certs" / "rds.pem"
LAYERS = ROOT / "build" / "layers"
# As Lambda unpacks a function's asset.
TASK_ROOT = "/var/task"
CA_FILE = f"{TASK_ROOT}/rds.pem"
MIGRATIONS_DIR = f"{TASK_ROOT}/migrations"

_NOT_OURS = shutil.ignore_patterns("__pycache__", "*.pyc", "events")


def stage_function(stage: str, folder: Path) -> Path:
    """Lay out one function's asset anew and return its folder.

    The migrations lie in db_migration's own, so that a new file is a new version of that
    function, and runs. `rds.pem` is absent until `make certs` fetched it.
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
    """Lay out the layer with the package itself."""
    target = folder / "common"
    shutil.rmtree(target, ignore_errors=True)
    source = ROOT / "layers" / "common" / "python" / "ops_pipeline"
    shutil.copytree(source, target / "python" / "ops_pipeline", ignore=_NOT_OURS)
    return target


def built_layer(name: str, architecture: str) -> Path:
    """Where `make layers` puts a layer; the folder may not be there yet."""
    return LAYERS / architecture / name
