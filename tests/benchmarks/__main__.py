"""Runs every bench of this folder, each in a process of its own: `make bench`."""

import subprocess
import sys
import time
from pathlib import Path


def main(wanted: list[str]) -> int:
    """Run the named benches, all without names; 1 when one of them failed."""
    names = wanted or sorted(file.stem for file in Path(__file__).parent.glob("bench_*.py"))
    failed = []
    for name in names:
        started = time.perf_counter()
        print(f"== {name.removeprefix('bench_')}", flush=True)  # noqa: T201 - what it is for
        command = [sys.executable, "-m", f"tests.benchmarks.{name}"]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
        print(f"   took {time.perf_counter() - started:.0f} s", flush=True)  # noqa: T201 - as above
    if failed:
        print(f"failed: {', '.join(failed)}")  # noqa: T201 - as above
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
