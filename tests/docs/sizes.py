"""Prints the longest modules and functions: `python -m tests.docs.sizes`. Nothing fails by it."""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("layers/common/python/ops_pipeline", "functions", "infra", "ops_local")
SHOWN = 10


def longest() -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
    """Lines and name of the longest modules, and of the longest functions, longest first."""
    modules, functions = [], []
    for folder in SOURCES:
        for file in (ROOT / folder).rglob("*.py"):
            source, name = file.read_text(), str(file.relative_to(ROOT))
            modules.append((len(source.splitlines()), name))
            for node in ast.walk(ast.parse(source)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or node.lineno) - node.lineno + 1
                    functions.append((lines, f"{name}: {node.name}"))
    return sorted(modules, reverse=True)[:SHOWN], sorted(functions, reverse=True)[:SHOWN]


if __name__ == "__main__":
    for rows in longest():
        sys.stdout.writelines(f"{lines:5}  {name}\n" for lines, name in rows)
        sys.stdout.write("\n")
