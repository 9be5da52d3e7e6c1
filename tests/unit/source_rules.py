"""Reads our own source as a tree: which banned names does a file use, and where?"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "layers" / "common" / "python" / "ops_pipeline"

# A replayed day gives the same rows only where nothing asks the machine for these.
NOW = (
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.gmtime",
    "time.localtime",
)
CHANCE = ("uuid.uuid1", "uuid.uuid4", "random", "numpy.random", "secrets", "os.urandom")
ENVIRONMENT = ("os.environ", "os.environb", "os.getenv")
# The same questions, asked of the server.
CLOCK_IN_SQL = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|setseed"
    r"|gen_random_uuid|uuidv[47]|uuid_generate_v\d\w*|nextval)\s*\(|'now'|\bcurrent_(timestamp|date"
    r"|time)\b|\blocaltime(stamp)?\b|\b(small|big)?serial\b|\bas\s+identity\b|\bcreate\s+sequence\b",
    re.IGNORECASE,
)
# These give the same row of numbers for the same seed, and nothing without one.
_SEEDED = ("random.Random", "numpy.random.default_rng", "numpy.random.PCG64")
_HARMLESS = ("numpy.random.Generator",)


def python_files(*folders: Path) -> list[Path]:
    """The files below the folders, but for those of installed packages of Node's."""
    found = (file for folder in folders for file in folder.rglob("*.py"))
    return sorted(file for file in found if "node_modules" not in file.parts)


def banned_names(source: str, banned: tuple[str, ...]) -> list[str]:
    """Return `line: name` for each use of a banned name, however it was imported.

    A name that is banned bans what is in it: "random" bans random.shuffle. A generator
    that is given its seed is fine.
    """
    nodes = list(ast.walk(ast.parse(source)))
    imported = _imported_names(nodes)
    seeded = {id(node.func) for node in nodes if isinstance(node, ast.Call) and node.args}
    inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    annotations = {id(part) for note in _annotations(nodes) for part in ast.walk(note)}
    found = []
    for node in nodes:
        if not isinstance(node, (ast.Name, ast.Attribute)) or id(node) in inner:
            continue
        name = _dotted(node, imported)
        if name is None or name in _HARMLESS or not _within(name, banned):
            continue
        if name in _SEEDED and (id(node) in seeded or id(node) in annotations):
            continue
        found.append(f"{node.lineno}: {name}")
    return found


def _imported_names(nodes: Iterable[ast.AST]) -> dict[str, str]:
    names = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.expr, imported: dict[str, str]) -> str | None:
    """The full name of `np.random.rand`, or None when it does not begin with an import."""
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        before = _dotted(node.value, imported)
        return None if before is None else f"{before}.{node.attr}"
    return None


def _annotations(nodes: Iterable[ast.AST]) -> Iterator[ast.expr]:
    for node in nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns is not None:
            yield node.returns


def _within(name: str, banned: tuple[str, ...]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in banned)


def imported_modules(source: str) -> set[str]:
    """Every module that a file imports, inside functions too; relative ones begin with a dot."""
    modules = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add("." * node.level + (node.module or ""))
    return modules


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string that is more than prose: docstrings are left out."""
    nodes = list(ast.walk(ast.parse(source)))
    prose = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def code_lines(source: str) -> int:
    """Lines with code in them: no blank ones, comments or docstrings."""
    tree = ast.parse(source)
    prose: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in prose
        for number, line in enumerate(source.splitlines(), start=1)
    )
