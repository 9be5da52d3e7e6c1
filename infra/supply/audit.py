"""Compares the locks with a database of vulnerabilities: `python -m infra.supply.audit LOCK...`.

Exit codes: 0 nothing is known against what is locked, 1 something is, 3 some or all of it was
not compared, because no database was reachable or it did not know the package: that is not the
same as nothing found.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.bundles import ROOT

VENV = ROOT / ".venv-audit"
CLEAN, VULNERABLE, UNREACHABLE = 0, 1, 3
# PyPI's own, and the one that it is fed from.
SERVICES = ("pypi", "osv")
_TIMEOUT_S = 600


def audit(lock: Path, command: Sequence[str]) -> tuple[int, list[str]]:
    """Ask one database after the other about a lock; the exit code and what to say."""
    said = []
    for service in SERVICES:
        packages, why = _ask(service, lock, command)
        compared = [one for one in packages if "skip_reason" not in one]
        # pip-audit says "no known vulnerabilities" of packages that the database did not answer.
        if compared:
            return _judged(lock, service, packages, compared)
        said.append(f"{service}: {why}")
    return UNREACHABLE, [f"{lock.name}: no database was reachable, nothing was compared", *said]


def _judged(
    lock: Path, service: str, packages: list[dict[str, Any]], compared: list[dict[str, Any]]
) -> tuple[int, list[str]]:
    known = _findings(compared)
    skipped = [one["name"] for one in packages if one not in compared]
    lines = [*known, f"{lock.name}: {len(compared)} packages compared with {service}"]
    if skipped:
        lines.append(f"{lock.name}: not compared: {', '.join(skipped)}")
    if known:
        return VULNERABLE, lines
    return UNREACHABLE if skipped else CLEAN, lines


def _ask(service: str, lock: Path, command: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """What one database says of each package; none where it does not answer, and why."""
    options = ["-s", service, "-r", str(lock), "-f", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            [*command, *options, "--disable-pip", "--require-hashes"],
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_S,
        )
        return list(json.loads(done.stdout)["dependencies"]), "it knows none of the packages"
    except subprocess.TimeoutExpired:
        return [], f"no answer in {_TIMEOUT_S} s"
    except (ValueError, KeyError, TypeError):
        return [], (done.stderr.strip().splitlines() or ["no answer"])[-1]


def _findings(packages: list[dict[str, Any]]) -> list[str]:
    return [
        f"{one['name']} {one['version']}: {known['id']}, mended in "
        f"{', '.join(known['fix_versions']) or 'no version'}"
        for one in packages
        for known in one["vulns"]
    ]


def main(arguments: list[str], command: Sequence[str] = ()) -> int:
    """The worst of what is found about the locks named."""
    asked = command or [str(VENV / "bin" / "python"), "-m", "pip_audit"]
    codes = []
    for name in arguments:
        code, said = audit(Path(name), asked)
        codes.append(code)
        sys.stdout.writelines(f"{line}\n" for line in said)
    return VULNERABLE if VULNERABLE in codes else max(codes, default=CLEAN)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
