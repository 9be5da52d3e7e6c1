"""`python -m infra.new_stage NAME`: a use case, its function with events, its entry, its test."""

import keyword
import re
import sys
from pathlib import Path
from string import Template

from ops_pipeline.domain.operations.manifest import MACHINES, STAGES

ROOT = Path(__file__).parents[2]
PACKAGE = Path("layers/common/python/ops_pipeline")
MANIFEST = PACKAGE / "domain" / "operations" / "manifest.py"
MARK = "    # make new-stage writes its entry above this line.\n"

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 30
# A tick of that day's schedule, an hour after the close.
_TICK = "2026-02-04T22:00:00Z"
_EVENTS = {
    "now.json": "{}\n",
    "tick.json": f'{{"tick": "{_TICK}"}}\n',
    "dry_run.json": f'{{"tick": "{_TICK}", "dry_run": true}}\n',
}


class NameRefused(ValueError):
    """A stage cannot have this name; the message says why."""


def check(name: str, root: Path = ROOT) -> None:
    """Refuse a name that is invalid or taken.

    Raises:
        NameRefused: says why.
    """
    if not re.fullmatch(r"[a-z]+(_[a-z]+)*", name) or len(name) > _LONGEST:
        raise NameRefused(
            f"{name!r} must be small letters and single underscores, {_LONGEST} at most"
        )
    if keyword.iskeyword(name):
        raise NameRefused(f"{name!r} is a word of Python's own")
    if name in {one.name for one in (*STAGES, *MACHINES)}:
        raise NameRefused(f"{name!r} stands in the manifest already")
    if there := [str(path) for path in skeleton(name) if (root / path).exists()]:
        raise NameRefused(f"{name!r} is taken: {', '.join(there)}")


def skeleton(name: str) -> dict[Path, str]:
    """The texts of the new files, by path in the repository."""
    function = Path("functions") / name
    return {
        function / "__init__.py": "",
        function / "handler.py": _filled("handler.py.txt", name),
        **{function / "events" / file: text for file, text in _EVENTS.items()},
        PACKAGE / "stages" / f"{name}.py": _filled("stage.py.txt", name),
        Path("tests/stages") / f"test_{name}.py": _filled("test.py.txt", name),
    }


def with_entry(manifest: str, name: str) -> str:
    """The manifest's text with the stage's entry.

    Raises:
        ValueError: the line that says where is gone.
    """
    if manifest.count(MARK) != 1:
        raise ValueError(f"{MANIFEST} lacks the line {MARK.strip()!r}")
    return manifest.replace(MARK, _filled("entry.py.txt", name) + MARK)


def _filled(template: str, name: str) -> str:
    return Template((_TEMPLATES / template).read_text(encoding="utf-8")).substitute(name=name)


def write(name: str, root: Path = ROOT) -> list[Path]:
    """Write the skeleton and the entry; returns the changed files.

    Raises:
        NameRefused: nothing was written.
    """
    check(name, root)
    manifest = with_entry((root / MANIFEST).read_text(encoding="utf-8"), name)
    files = {**skeleton(name), MANIFEST: manifest}
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(files)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not arguments[0]:
        sys.stderr.write("which stage? make new-stage NAME=earnings_dates\n")
        return 2
    try:
        files = write(arguments[0])
    except NameRefused as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write("".join(f"{path}\n" for path in files))
    sys.stdout.write(
        "It starts on weekdays at 17:00. To have a state machine call it, remove `starts` from\n"
        "its entry, add its name to the machine's steps, and run make asl docs.\n"
        f"Its test: .venv/bin/pytest -q tests/stages/test_{arguments[0]}.py\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
