"""`make new-stage` in a copy of the repository: the skeleton's own tests and the house's pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.new_stage.__main__ import MANIFEST, NameRefused, check, with_entry, write
from tests.conftest import ROOT

NAME = "earnings_dates"
# What `make check` says of one stage more, as far as it is about stages.
HOUSE = (
    "tests/unit/test_manifest.py",
    "tests/statemachines/test_generated.py",
    "tests/docs/test_stages_page.py",
    "tests/stages/test_handler_contract.py",
)
FOLDERS = [
    it.name for it in ROOT.iterdir() if it.is_dir() and it.name[0] != "." and it.name != "build"
]
FILES = ("Makefile", "README.md", "pyproject.toml", "requirements.lock")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with one stage more, by the command that a person types."""
    folder = tmp_path_factory.mktemp("copy")
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name,
            folder / name,
            ignore=shutil.ignore_patterns("__pycache__", "cdk.out", "node_modules"),
        )
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    (folder / ".venv").symlink_to(sys.prefix)
    # -o: the environment is not made anew, however old it looks.
    done = run(folder, "make", "-o", ".venv/ready", "new-stage", f"NAME={NAME}")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command there; the copy's modules go before the installed ones."""
    path = os.pathsep.join([str(folder), str(folder / "layers" / "common" / "python")])
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def passes(folder: Path, *arguments: str) -> str:
    options = ("-q", "-n", "0", "-p", "no:cacheprovider")
    done = run(folder, sys.executable, "-m", "pytest", *options, *arguments)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_the_skeleton_s_test_runs_and_passes(copy: Path) -> None:
    assert "2 passed" in passes(copy, f"tests/stages/test_{NAME}.py")


def test_the_tests_about_stages_pass_with_one_more(copy: Path) -> None:
    said = passes(copy, "-vv", *HOUSE, "-k", f"{NAME} or test_generated or test_stages_page")
    # Its entry, its handler's contract: both were really looked at.
    assert len(re.findall(rf"{NAME}.*\] PASSED", said)) >= 10


def test_what_was_written_is_formatted_and_lints(copy: Path) -> None:
    ruff = str(Path(sys.executable).with_name("ruff"))
    for rule in (("format", "--check"), ("check",)):
        done = run(copy, ruff, *rule, "functions", "infra", "layers", "tests/stages")
        assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_what_was_written_is_typed(copy: Path) -> None:
    mypy = str(Path(sys.executable).with_name("mypy"))
    done = run(copy, mypy, "--cache-dir", os.devnull)
    assert done.returncode == 0, done.stdout


def test_the_stage_is_in_the_page_in_the_picture_and_can_be_invoked(copy: Path) -> None:
    assert f"| {NAME} | Say in one sentence" in (copy / "docs" / "stages.md").read_text()
    assert f'{NAME}["{NAME}, 17:00"]' in (copy / "README.md").read_text()
    listed = "from infra.definitions import load_functions as f, load_schedules as s\n"
    listed += f"assert '{NAME}' in f() and '{NAME}' in [one.target for one in s()]"
    assert run(copy, sys.executable, "-c", listed).returncode == 0


@pytest.mark.parametrize(
    "name",
    ["", "Earnings", "earnings2", "_earnings", "earnings__dates", "../dates", "a" * 31, "import",
     "request", "signals", "news_cycle"],
)  # fmt: skip
def test_a_name_that_a_stage_can_not_have_is_refused_and_nothing_is_written(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(NameRefused):
        check(name)
    with pytest.raises(NameRefused):
        write(name, ROOT)


def test_a_manifest_without_the_mark_is_refused() -> None:
    text = (ROOT / MANIFEST).read_text()
    assert f'name="{NAME}"' in with_entry(text, NAME)
    with pytest.raises(ValueError, match="lacks the line"):
        with_entry(text.replace("make new-stage writes", ""), NAME)
