"""Alpaca's published OpenAPI documents, and what they find wrong with an answer."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

_SHARED = Path(os.environ.get("OPS_SHARED", Path(__file__).parents[2].parent / "shared"))

TRADING, DATA = "trading-api.json", "market-data-api.json"


def require_published() -> None:
    """Skip the test where the documents are not at hand."""
    if not (_SHARED / "alpaca" / TRADING).exists():
        pytest.skip(f"the published API is not in {_SHARED}")


def complaints(file: str, schema: str, answer: object) -> list[str]:
    """Each thing in which an answer differs from its published schema."""
    whole = {**_published(file), "$ref": f"#/components/schemas/{schema}"}
    validator = Draft202012Validator(whole, format_checker=FormatChecker())
    return [f"{list(error.path)}: {error.message}" for error in validator.iter_errors(answer)]


def known_fields(file: str, schema: str) -> set[str]:
    return set(_schema(file, schema)["properties"])


def published_words(schema: str) -> list[str]:
    """The words of an enum of the trading API."""
    return [str(word) for word in _schema(TRADING, schema)["enum"]]


def published_example(name: str) -> dict[str, Any]:
    """The value of an example of the trading API."""
    return dict(_document(TRADING)["components"]["examples"][name]["value"])


def _schema(file: str, name: str) -> dict[str, Any]:
    return dict(_document(file)["components"]["schemas"][name])


def _document(file: str) -> dict[str, Any]:
    return dict(json.loads((_SHARED / "alpaca" / file).read_text(encoding="utf-8")))


def _published(file: str) -> dict[str, Any]:
    """The document as JSON Schema: OpenAPI 3.0 writes "or null" in a way of its own."""
    return dict(_with_nulls(_document(file)))


def _with_nulls(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_nulls(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _with_nulls(value) for key, value in node.items() if key != "nullable"}
    if node.get("nullable") is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain
