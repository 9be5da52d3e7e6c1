"""Which stages reach which SQL constant, read from the source: who calls whom by name.

A call is followed into the caller's own module and the modules that it imports. A method is
followed by its name alone, so rather too many statements are found than too few.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from ops_pipeline.domain.operations.manifest import STAGES
from tests.conftest import ROOT

_PACKAGE = ROOT / "layers" / "common" / "python" / "ops_pipeline"
# A module of the package and a name in it.
Place = tuple[str, str]


@dataclass
class _Module:
    """What a module defines, with the names that each definition speaks of, and its imports."""

    defined: dict[str, list[ast.AST]] = field(default_factory=lambda: defaultdict(list))
    imported: dict[str, Place] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)


def users() -> dict[Place, set[str]]:
    """The stages by the db module and name of what they reach."""
    modules = {
        ".".join(file.relative_to(_PACKAGE).with_suffix("").parts): _read(file.read_text())
        for file in _PACKAGE.rglob("*.py")
    }
    found: dict[Place, set[str]] = defaultdict(set)
    # What wraps each stage takes its run and ends it.
    around = [("db.runs", name) for name in modules["db.runs"].defined]
    for stage in STAGES:
        for module, name in _reached(modules, (f"stages.{stage.name}", "run"), *around):
            if module.startswith("db."):
                found[module.removeprefix("db."), name].add(stage.name)
    return found


def _read(text: str) -> _Module:
    tree, module = ast.parse(text), _Module()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                module.defined[name].append(node)
            case ast.ImportFrom(module=str(imported)) if imported.startswith("ops_pipeline"):
                _note(module, imported.removeprefix("ops_pipeline").removeprefix("."), node.names)
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]):
                module.defined[name].append(statement)
    return module


def _note(module: _Module, base: str, names: list[ast.alias]) -> None:
    for alias in names:
        module.imported[alias.asname or alias.name] = (base, alias.name)
        module.modules[alias.asname or alias.name] = f"{base}.{alias.name}".strip(".")


def _reached(modules: dict[str, _Module], *starts: Place) -> set[Place]:
    seen: set[Place] = set()
    waiting = [*starts]
    while waiting:
        place = waiting.pop()
        if place not in seen and place[0] in modules and place[1] in modules[place[0]].defined:
            seen.add(place)
            waiting += _spoken_of(modules, place)
    return seen


def _spoken_of(modules: dict[str, _Module], place: Place) -> Iterator[Place]:
    here = modules[place[0]]
    for definition in here.defined[place[1]]:
        for node in ast.walk(definition):
            match node:
                case ast.Name(id=name):
                    yield (place[0], name)
                    yield here.imported.get(name, place)
                case ast.Attribute(value=ast.Name(id=of), attr=name) if (
                    here.modules.get(of) in modules
                ):
                    yield (here.modules[of], name)
                case ast.Attribute(attr=name):
                    yield (place[0], name)
                    yield from ((base, name) for base, _ in here.imported.values())
