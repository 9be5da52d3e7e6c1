"""Every small change of a module that a good test must notice, compiled."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from types import CodeType
from typing import Any

_LONGEST_CONTEXT = 70

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
# They raise or say the same for None: that would be noticed by whatever test calls them.
_NEVER_NONE = frozenset(
    {"Decimal", "float", "frozenset", "len", "list", "max", "min", "sorted", "str", "sum", "fsum"}
)
# Names that are easily mistaken for each other.
_PAIRS = (
    ("min", "max"),
    ("any", "all"),
    ("bid", "ask"),
    ("opens_at", "closes_at"),
    ("minutes", "seconds"),
    ("ROUND_FLOOR", "ROUND_CEILING"),
    ("ROUND_DOWN", "ROUND_UP"),
)
_SWAPPED = {one: other for pair in _PAIRS for one, other in (pair, pair[::-1])}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one module.

    Attributes:
        name: Function and change, the same as long as neither is edited.
        line: Where it is in the file now.
        code: Of the whole module.
        function: In whose body the change is, with its class; None if it is read while the
            module is loaded, such as a constant, a default or what a decorator gets.
    """

    name: str
    line: int
    code: CodeType
    function: str | None


@dataclass(frozen=True, slots=True)
class _Change:
    """What takes a node's place, and how that is told where the new node does not show it."""

    node: ast.AST
    told: str | None = None


@dataclass(frozen=True, slots=True)
class _Site:
    """A node, where it hangs in the tree, and the function or class it belongs to.

    Attributes:
        within: The names that lead to it from the module on.
        body_of: The function whose body it is in, None outside of all.
    """

    node: Any
    parent: ast.AST
    field: str
    index: int | None
    within: str
    body_of: str | None

    def put(self, node: object) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def mutants(source: str, path: str) -> Iterator[Mutant]:
    """Every mutant of a source, in the order of its lines; `path` is shown in tracebacks."""
    tree = ast.parse(source)
    named: Counter[str] = Counter()
    for site in _sites(tree, "", None):
        for told, code in _made(tree, site, path):
            name = f"{site.within or 'module'}: {told}"
            named[name] += 1
            again = f" ({named[name]})" if named[name] > 1 else ""
            yield Mutant(name + again, site.node.lineno, code, site.body_of)


def _made(tree: ast.Module, site: _Site, path: str) -> Iterator[tuple[str, CodeType]]:
    """What is changed, and the tree's code with each change, which is taken back."""
    changes = list(_changes(site))
    if not changes:
        return
    context = site.parent if _is_short_expression(site.parent) else site.node
    before = _shown(context)
    for change in changes:
        changed = ast.fix_missing_locations(ast.copy_location(change.node, site.node))
        site.put(changed)
        after = change.told or _shown(changed if context is site.node else context)
        code = compile(tree, path, "exec")
        site.put(site.node)
        yield f"{before} -> {after}", code


def _is_short_expression(node: ast.AST) -> bool:
    shown = (ast.expr, ast.keyword)
    return isinstance(node, shown) and len(ast.unparse(node)) <= _LONGEST_CONTEXT


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.Pass):
        return "nothing"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 2 * _LONGEST_CONTEXT else f"{text[: 2 * _LONGEST_CONTEXT]} …"


def _sites(node: ast.AST, within: str, body_of: str | None) -> Iterator[_Site]:
    """Every node whose change changes what the module does: no annotations, no documentation."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns", "format_spec"):
            continue
        inside = body_of
        if isinstance(node, ast.FunctionDef) and field == "body":
            inside = body_of or within
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _says_nothing(child):
                continue
            yield _Site(child, node, field, index, within, inside)
            yield from _sites(child, _inside(child, within), inside)


def _inside(node: ast.AST, within: str) -> str:
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        return within
    return f"{within}.{node.name}" if within else node.name


def _says_nothing(node: ast.AST) -> bool:
    """Docstrings, imports, names of types, what only mypy reads, and how a dataclass is made."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom() | ast.Assert():
            return True
        case ast.Assign(value=ast.Subscript(value=ast.Name(id="Literal" | "Callable" | "dict"))):
            return True
        case ast.Call(func=ast.Name(id="dataclass")):
            return True
    return False


def _changes(site: _Site) -> Iterator[_Change]:
    for kind, changes in _KINDS:
        if isinstance(site.node, kind):
            yield from changes(site)


def _compared(site: _Site) -> Iterator[_Change]:
    for index, operator in enumerate(site.node.ops):
        yield _Change(_with(site.node, "ops", index, _COMPARISONS[type(operator)]()))


def _joined(site: _Site) -> Iterator[_Change]:
    """`and` for `or`, and each part left out."""
    other = ast.Or() if isinstance(site.node.op, ast.And) else ast.And()
    yield _Change(ast.BoolOp(op=other, values=site.node.values))
    for index in range(len(site.node.values)):
        rest = _without(site.node, "values", index)
        yield _Change(rest if len(rest.values) > 1 else rest.values[0])


def _computed(site: _Site) -> Iterator[_Change]:
    if other := _ARITHMETIC.get(type(site.node.op)):
        yield _Change(ast.BinOp(left=site.node.left, op=other(), right=site.node.right))


def _signed(site: _Site) -> Iterator[_Change]:
    yield _Change(site.node.operand)


def _constant(site: _Site) -> Iterator[_Change]:
    value = site.node.value
    if isinstance(site.parent, ast.JoinedStr):
        return  # the whole text is changed at once
    if isinstance(value, bool):
        yield _Change(ast.Constant(not value))
    elif isinstance(value, int | float):
        yield _Change(ast.Constant(value + 1))
    elif isinstance(value, str):
        yield _Change(ast.Constant(_other_text(value)))


def _other_text(text: str) -> str:
    """Ten times the number, with its point moved too: the step of a rounding is one."""
    try:
        return str(Decimal(text).scaleb(1))
    except InvalidOperation:
        return "mutant"


def _text(site: _Site) -> Iterator[_Change]:
    yield _Change(ast.Constant("mutant"))


def _called(site: _Site) -> Iterator[_Change]:
    """Each argument None; each keyword left out, but of a class, where most of them must be."""
    call = site.node
    called = ast.unparse(call.func).rpartition(".")[2]
    for index, argument in enumerate(() if called in _NEVER_NONE else call.args):
        if not _is_none(argument) and not isinstance(argument, ast.Starred | ast.GeneratorExp):
            yield _Change(_with(call, "args", index, ast.Constant(None)))
    for index, keyword in enumerate(call.keywords):
        if keyword.arg is not None and not _is_none(keyword.value):
            none = ast.keyword(arg=keyword.arg, value=ast.Constant(None))
            yield _Change(_with(call, "keywords", index, none), _shown(none))
        if not called[:1].isupper():
            yield _Change(_without(call, "keywords", index), f"without {_shown(keyword)}")


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _renamed(site: _Site) -> Iterator[_Change]:
    for field in ("id", "attr", "arg"):
        other = _SWAPPED.get(getattr(site.node, field, None) or "")
        if other is not None and not isinstance(site.node, ast.arg):
            changed = copy(site.node)
            setattr(changed, field, other)
            yield _Change(changed)


def _elements(site: _Site) -> Iterator[_Change]:
    if isinstance(getattr(site.node, "ctx", None), ast.Store):
        return
    if isinstance(site.parent, ast.Assign) and isinstance(site.parent.targets[0], ast.Tuple):
        return  # one value for each name
    for index, element in enumerate(site.node.elts):
        yield _Change(_without(site.node, "elts", index), f"without {_shown(element)}")


def _entries(site: _Site) -> Iterator[_Change]:
    for index, key in enumerate(site.node.keys):
        rest = _without(_without(site.node, "keys", index), "values", index)
        yield _Change(rest, f"without {_shown(key or site.node.values[index])}")


def _condition(site: _Site) -> Iterator[_Change]:
    """What decides a branch turned round; a comparison and a `not` are turned where they stand."""
    decides = site.field in ("test", "ifs")
    if decides and not isinstance(site.node, ast.Compare | ast.UnaryOp):
        yield _Change(ast.UnaryOp(op=ast.Not(), operand=site.node))


def _returned(site: _Site) -> Iterator[_Change]:
    if site.node.value is not None and not isinstance(site.node.value, ast.Constant):
        yield _Change(ast.Return(value=ast.Constant(None)))


def _left_out(site: _Site) -> Iterator[_Change]:
    """A statement left out, where the module still makes sense without it."""
    match site.node:
        case ast.Expr() | ast.AugAssign() | ast.Raise() | ast.If(orelse=[]):
            yield _Change(ast.Pass())
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            if any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(value)):
                yield _Change(ast.Pass())
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield _Change(ast.Pass())


_KINDS: tuple[tuple[type[ast.AST], Callable[[_Site], Iterator[_Change]]], ...] = (
    (ast.Compare, _compared),
    (ast.BoolOp, _joined),
    (ast.BinOp, _computed),
    (ast.UnaryOp, _signed),
    (ast.Constant, _constant),
    (ast.JoinedStr, _text),
    (ast.Call, _called),
    (ast.AST, _renamed),
    (ast.Set, _elements),
    (ast.List, _elements),
    (ast.Tuple, _elements),
    (ast.Dict, _entries),
    (ast.expr, _condition),
    (ast.Return, _returned),
    (ast.stmt, _left_out),
)


def _with(node: Any, field: str, index: int, part: ast.AST) -> Any:
    changed, parts = copy(node), list(getattr(node, field))
    parts[index] = part
    setattr(changed, field, parts)
    return changed


def _without(node: Any, field: str, index: int) -> Any:
    changed, parts = copy(node), list(getattr(node, field))
    del parts[index]
    setattr(changed, field, parts)
    return changed
