"""Writes docs/first-run.md: a newcomer's first commands with what they really print.

`python -m tests.docs.first_run` runs them in a state folder of their own and rewrites the page.
"""

import os
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "first-run.md"
_WIDTH, _TOO_LONG = 110, 120


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence, the command it leads to, and the exit code that is right."""

    says: str
    command: str
    code: int = 0


STEPS = (
    Step(
        "`make demo` sets up `.venv` the first time (not shown), then generates a session and "
        "takes it through the pipeline. On a terminal the day goes by live; this is what a log "
        "shows.",
        "make --no-print-directory demo",
    ),
    Step("What does it look like now?", ".venv/bin/ops status"),
    Step(
        "Questions are asked in SQL, as the reader, of the replay that ran last.",
        '.venv/bin/ops query --csv "SELECT ticker, exit_reason, pnl_dollars FROM position_history '
        'ORDER BY exit_time, ticker"',
    ),
    Step("One trade, from its headlines to its result.", ".venv/bin/ops explain"),
    Step(
        "The same day compared with itself; with other parameters it would list what differs.",
        ".venv/bin/ops compare generated_20260204 generated_20260204",
    ),
    Step(
        "A single function, called as the Lambda console would; its error is Lambda's.",
        '.venv/bin/ops invoke market_clock --event \'{"key1": "value1"}\' 2>/dev/null',
        code=1,
    ),
)

_HEAD = """# A first run

What a newcomer types and sees, in a fresh clone. The page is written by
`python -m tests.docs.first_run`, and a test runs the commands again and compares.
The session is synthetic; its profits mean nothing.
"""


def render(home: Path) -> str:
    """Run every step and return the page; a wrong exit code raises RuntimeError."""
    # So that what the page leaves out, the set-up, is over before anything is shown.
    printed(Step("", "make setup"), home)
    parts = [_HEAD]
    for step in STEPS:
        shown = printed(step, home).replace(str(home), ".ops").rstrip()
        lines = "\n".join(_folded(line.rstrip()) for line in shown.splitlines())
        says = textwrap.fill(step.says, _WIDTH)
        parts.append(f"{says}\n\n```console\n$ {_folded(step.command)}\n{lines}\n```\n")
    return "\n".join(parts)


def _folded(line: str) -> str:
    """A line that is too long for the page, with its rest indented below it."""
    if len(line) < _TOO_LONG:
        return line
    return textwrap.fill(
        line, _WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def printed(step: Step, home: Path) -> str:
    """Run one command as a shell would, with output that is no terminal's."""
    done = subprocess.run(
        ["/bin/sh", "-c", step.command],
        cwd=ROOT,
        env={**os.environ, "OPS_HOME": str(home), "COLUMNS": "80"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != step.code:
        raise RuntimeError(f"{step.command}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="ops-first-run-") as folder:
        Path(folder).chmod(0o755)  # as root, Postgres runs as nobody
        PAGE.write_text(render(Path(folder)), encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.relative_to(ROOT)}\n")
