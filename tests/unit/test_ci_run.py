"""What CI runs fails when a step does, and when the tests take longer than they may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

# Stands in for make: writes down what it is asked for, takes or fails as the test says.
_MAKE = """#!/bin/sh
shift
echo "$@" >> "$ASKED"
case "$1" in
    test) sleep "${TEST_S:-0}"; echo "7 passed in 1s"; exit "${TEST_CODE:-0}" ;;
    infra-test) echo "5 passed in 1s"; exit "${INFRA_CODE:-0}" ;;
    e2e) echo "make e2e skipped: it needs root" ;;
    lint) exit "${LINT_CODE:-0}" ;;
esac
"""


class Ci:
    """Runs the script with that make first on PATH."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._asked = folder / "asked"
        (folder / "make").write_text(_MAKE)
        (folder / "make").chmod(0o755)

    def run(self, *arguments: str, **behaviour: str) -> subprocess.CompletedProcess[str]:
        path = f"{self._folder}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [ROOT / ".ci" / "run", *arguments],
            env={**os.environ, "PATH": path, "ASKED": str(self._asked), **behaviour},
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self) -> list[str]:
        return self._asked.read_text().splitlines()


@pytest.fixture
def ci(tmp_path: Path) -> Ci:
    return Ci(tmp_path)


def test_it_sets_up_tests_and_checks_and_ends_with_what_each_runner_said_last(ci: Ci) -> None:
    done = ci.run()
    assert done.returncode == 0
    assert ci.asked() == [
        "setup",
        "test ARGS=--durations=20",
        "lint types contracts",
        "layers ARCH=x86_64",
        "infra-test",
        "e2e",
    ]
    ends = ["7 passed in 1s", "5 passed in 1s", "make e2e skipped: it needs root"]
    assert done.stdout.splitlines()[-3:] == ends


def test_a_failing_test_or_check_is_its_exit_code(ci: Ci) -> None:
    assert ci.run(TEST_CODE="2").returncode == 2
    assert ci.asked()[-1].startswith("test")
    assert ci.run(LINT_CODE="2").returncode == 2
    assert ci.run(INFRA_CODE="2").returncode == 2


def test_tests_that_take_longer_than_they_may_fail(ci: Ci) -> None:
    done = ci.run("0", TEST_S="1.1")
    assert done.returncode == 1
    assert "may take 0 s" in done.stderr


def test_nine_minutes_are_allowed_unless_told_otherwise_and_longer_on_a_slower_machine() -> None:
    assert '"${1:-540}"' in (ROOT / ".ci" / "run").read_text()
    told = subprocess.run(
        [sys.executable, ROOT / "tests" / "support" / "machine.py", "540"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert 540 <= int(told) <= 4 * 540
