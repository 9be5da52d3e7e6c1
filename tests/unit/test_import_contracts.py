"""The import contracts hold, and each of them notices when it is broken."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("layers/common/python/ops_pipeline")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

# Contract, a file that is there, and the import that it must not have.
BREACHES = [
    ("layers", PACKAGE / "domain/gates.py", "import ops_pipeline.db.orders"),
    ("layers", PACKAGE / "errors.py", "import ops_pipeline.domain.ids"),
    ("layers", PACKAGE / "db/orders.py", "import ops_pipeline.execution.context"),
    ("layers", PACKAGE / "execution/entry.py", "import ops_pipeline.adapters.rss"),
    ("layers", PACKAGE / "adapters/rss.py", "import ops_pipeline.stages.request"),
    ("layers", PACKAGE / "execution/entry.py", "import ops_pipeline.runtime.settings"),
    ("layers", PACKAGE / "helpers.py", "import json"),
    ("tables", PACKAGE / "db/driver/wire.py", "import ops_pipeline.db.migrations.runner"),
    ("tables", PACKAGE / "db/migrations/runner.py", "import ops_pipeline.db.console.console"),
    ("decisions", PACKAGE / "execution/decisions/booking.py", "import ops_pipeline.db.orders"),
    ("deployed", PACKAGE / "runtime/wiring.py", "import ops_local.database"),
    ("deployed", Path("functions/report/handler.py"), "import infra.definitions"),
    ("package", PACKAGE / "runtime/wiring.py", "import functions.report.handler"),
    ("local", Path("infra/definitions.py"), "import ops_local.database"),
    ("functions", Path("functions/report/handler.py"), "import functions.signals.handler"),
    ("domain", PACKAGE / "domain/gates.py", "import pydantic"),
    ("domain", PACKAGE / "domain/gates.py", "import ops_pipeline.errors"),
    ("adapters", PACKAGE / "adapters/rss.py", "import ops_pipeline.db.news"),
    ("wiring", PACKAGE / "runtime/entrypoint.py", "import ops_pipeline.adapters.clock"),
    ("wiring", Path("functions/report/handler.py"), "import ops_pipeline.adapters.clock"),
    ("exchange", Path("ops_local/exchange/tape.py"), "import ops_local.database"),
    ("exchange", Path("ops_local/exchange/api/wire.py"), "import ops_pipeline.db.orders"),
    ("exchange", Path("ops_local/exchange/margin.py"), "import ops_pipeline.errors"),
    ("exchange", Path("ops_local/exchange/server.py"), "import infra.schedule"),
    ("vendors", PACKAGE / "execution/entry.py", "import alpaca.trading"),
    ("vendors", PACKAGE / "db/features.py", "import pandas"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources without anything that git does not know."""
    place = tmp_path_factory.mktemp("house")
    for part in (PACKAGE, Path("functions"), Path("infra"), Path("ops_local")):
        shutil.copytree(
            ROOT / part, place / part, ignore=shutil.ignore_patterns("__pycache__", "cdk.out")
        )
    shutil.copy(ROOT / "pyproject.toml", place)
    return place


def _lint(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Hold a folder to its contracts; what lies there goes before what is installed."""
    path = os.pathsep.join([str(folder), str(folder / PACKAGE.parent)])
    return subprocess.run(
        [str(LINT_IMPORTS), "--no-logo", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_nobody_imports_what_he_must_not_know(copy: Path) -> None:
    answer = _lint(copy)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("contract", "file", "line"), BREACHES, ids=[f"{c}: {f.stem}: {b}" for c, f, b in BREACHES]
)
def test_a_forbidden_import_breaks_its_contract(
    copy: Path, contract: str, file: Path, line: str
) -> None:
    changed = copy / file
    before = changed.read_text() if changed.exists() else None
    changed.write_text(f"{before or ''}\n{line}\n")
    try:
        answer = _lint(copy, "--contract", contract)
    finally:
        if before is None:
            changed.unlink()
        else:
            changed.write_text(before)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "0 kept, 1 broken" in answer.stdout, answer.stdout


def test_every_contract_is_seen_to_break() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    assert {contract for contract, _, _ in BREACHES} == {row["id"] for row in settings["contracts"]}
