"""`make synth` in a fresh clone after its set-up: no network, no login, the same bytes again."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.synth import ROOT

CUT_OFF = ["unshare", "--map-root-user", "--net", "--"]
_REACH = "import socket; socket.create_connection(('127.0.0.1', int({port})), 1)"


@pytest.fixture(scope="module")
def cut_off() -> list[str]:
    """What a command begins with to run without any network, loopback included."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        reach = [sys.executable, "-c", _REACH.format(port=server.getsockname()[1])]
        assert _code(reach) == 0
        if shutil.which(CUT_OFF[0]) is None or _code([*CUT_OFF, "true"]) != 0:
            pytest.skip("this system lets no process leave the network: unshare --net")
        assert _code([*CUT_OFF, *reach]) != 0
    return CUT_OFF


def _code(command: list[str]) -> int:
    return subprocess.run(command, capture_output=True, check=False).returncode


def cloned(into: Path) -> Path:
    """What git tracks and nothing else, set up from the locks: .venv and .venv-infra are ours."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout of git")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not (ROOT / name).is_file():  # deleted, not yet committed
            continue
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    for venv in (".venv", ".venv-infra"):
        (into / venv).symlink_to(ROOT / venv)
    # make compares times: these were installed before.
    for name in ("pyproject.toml", "requirements.lock", "requirements-infra.lock"):
        os.utime(into / name, (0, 0))
    return into


def synthesised(folder: Path, cut_off: Sequence[str] = ()) -> dict[str, bytes]:
    """Run `make synth` in a clone with a bare environment; what it leaves, by its path."""
    clone, home = cloned(folder / "clone"), folder / "home"
    home.mkdir()
    done = subprocess.run(
        [*cut_off, "make", "--no-print-directory", "synth"],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert list(home.iterdir()) == []
    out = clone / "build" / "cdk.out"
    return {
        str(file.relative_to(out)): file.read_bytes() for file in out.rglob("*") if file.is_file()
    }


def different(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The files that only one has, or that differ."""
    return sorted({name for name, _ in one.items() ^ other.items()})


@pytest.fixture(scope="module")
def once(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return synthesised(tmp_path_factory.mktemp("once"))


def test_without_a_login_a_clone_gives_the_same_bytes_wherever_it_lies(
    once: dict[str, bytes], tmp_path: Path
) -> None:
    assert "ops-pipeline.template.json" in once
    assert different(once, synthesised(tmp_path)) == []


def test_cut_off_from_every_network_it_gives_them_too(
    once: dict[str, bytes], cut_off: list[str], tmp_path: Path
) -> None:
    assert different(once, synthesised(tmp_path, cut_off)) == []
