"""What the links of a page say about the code: files, and names defined in them.

A link whose text is one name in backticks (`send`, `Broker.submit`, `signals.run`) promises
that its file defines that name; any other link promises only that its target exists.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_INLINE = re.compile(r"\[([^]]+)\]\(([^)#\s]+)[^)]*\)")
_BY_REFERENCE = re.compile(r"\[([^]]+)\]\[([^]]+)\]")
_REFERENCE = re.compile(r"^\[([^]]+)\]: (\S+)$", re.MULTILINE)
_NAME = re.compile(r"`(\w+(?:\.\w+)*)`")


@dataclass(frozen=True, slots=True)
class Link:
    text: str
    target: str

    @property
    def symbol(self) -> str | None:
        found = _NAME.fullmatch(self.text)
        return found[1] if found and self.target.endswith(".py") else None


def links_of(page: str) -> list[Link]:
    """Every link of a page to a file here; one by a reference that is missing raises KeyError."""
    references = dict(_REFERENCE.findall(page))
    inline = [Link(text, target) for text, target in _INLINE.findall(page)]
    referring = [Link(text, references[key]) for text, key in _BY_REFERENCE.findall(page)]
    return [link for link in [*inline, *referring] if "://" not in link.target]


def unused_references(page: str) -> set[str]:
    return set(dict(_REFERENCE.findall(page))) - {key for _, key in _BY_REFERENCE.findall(page)}


def broken(page: Path) -> list[str]:
    """What each bad link promises in vain."""
    found = []
    for link in links_of(page.read_text(encoding="utf-8")):
        file = page.parent / link.target
        if not file.exists():
            found.append(f"{link.text}: there is no {link.target}")
        elif link.symbol is not None and not _defines(file, link.symbol):
            found.append(f"{link.target} defines no {link.symbol}")
    return found


def _defines(file: Path, symbol: str) -> bool:
    """Whether the file defines it; `stages.run` and `run` are both found as `run`."""
    names = set(_names(ast.parse(file.read_text(encoding="utf-8"))))
    module, _, rest = symbol.partition(".")
    return symbol in names or (module == file.stem and (not rest or rest in names))


def _names(tree: ast.Module) -> Iterator[str]:
    """Functions, classes, methods and constants of a module."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name, body=body):
                yield name
                yield from (f"{name}.{it.name}" for it in body if isinstance(it, ast.FunctionDef))
            case ast.Assign(targets=targets):
                yield from (it.id for it in targets if isinstance(it, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name
