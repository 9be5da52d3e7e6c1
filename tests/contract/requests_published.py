"""What Alpaca's published OpenAPI lets a client ask, and how."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.contract.stub_broker import Sent


class Published:
    """One published document: what may be asked, and how."""

    def __init__(self, file: Path) -> None:
        self._document = dict(json.loads(file.read_text(encoding="utf-8")))

    def knows(self, sent: Sent) -> bool:
        return self._route(sent) is not None

    def complaints(self, sent: Sent) -> list[str]:
        """What of this request is not as published; none is good."""
        route = self._route(sent)
        if route is None:
            return [f"{sent.method} {sent.path}: no such route"]
        operation, template = route
        rules = [self._resolved(rule) for rule in operation.get("parameters", [])]
        queries = {rule["name"]: rule for rule in rules if rule["in"] == "query"}
        found = [f"query {name} is not published" for name in set(sent.query) - set(queries)]
        found += [
            f"query {name} is required"
            for name, rule in queries.items()
            if rule.get("required") and name not in sent.query
        ]
        for name in set(sent.query) & set(queries):
            found += self._wrong(queries[name]["schema"], self._value(queries[name], sent, name))
        found += self._wrong_path(template, sent)
        return found + self._wrong_body(operation, sent.body)

    def _route(self, sent: Sent) -> tuple[Mapping[str, Any], str] | None:
        """The operation of this path: the one without a placeholder before one with."""
        for template in sorted(self._document["paths"], key=lambda path: path.count("{")):
            parts, asked = template.split("/"), sent.path.split("/")
            fits = len(parts) == len(asked) and all(
                part == word or part.startswith("{")
                for part, word in zip(parts, asked, strict=True)
            )
            operation = self._document["paths"][template].get(sent.method.lower())
            if fits and operation:
                return operation, template
        return None

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return self._resolved(found)

    def _wrong(self, schema: Mapping[str, Any], value: object) -> list[str]:
        # Only what the schema refers to is taken from the document around it.
        whole = {"components": self._document["components"], **schema}
        return [
            f"{value!r}: {error.message}"
            for error in Draft202012Validator(whole).iter_errors(value)
        ]

    def _value(self, rule: Mapping[str, Any], sent: Sent, name: str) -> object:
        """A query's text as the JSON its schema speaks of."""
        text, schema = sent.query[name], self._resolved(rule["schema"])
        match schema.get("type"):
            case "integer":
                return int(text) if text.lstrip("-").isdecimal() else text
            case "array":
                return text.split(",")
        if schema.get("format") == "date-time":
            assert datetime.fromisoformat(text).tzinfo is not None, text
        return text

    def _wrong_path(self, template: str, sent: Sent) -> list[str]:
        rules = [
            self._resolved(rule) for rule in self._document["paths"][template].get("parameters", [])
        ]
        schemas = {f"{{{rule['name']}}}": rule["schema"] for rule in rules if rule["in"] == "path"}
        pairs = zip(template.split("/"), sent.path.split("/"), strict=True)
        return [wrong for part, word in pairs for wrong in self._wrong(schemas.get(part, {}), word)]

    def _wrong_body(self, operation: Mapping[str, Any], body: object) -> list[str]:
        published = operation.get("requestBody")
        if published is None:
            return [] if body is None else ["a body where none is published"]
        schema = self._resolved(published["content"]["application/json"]["schema"])
        if not isinstance(body, dict):
            return ["no body where one is published"]
        unknown = set(body) - set(schema["properties"])
        return [f"field {name} is not published" for name in unknown] + self._wrong(schema, body)
