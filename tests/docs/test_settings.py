"""Every variable that the code reads is documented, and every documented one is read."""

import ast
import re
from pathlib import Path

import pytest

from ops_pipeline.errors import SettingsInvalid
from ops_pipeline.runtime.settings import Settings, read_broker_keys, read_settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()


def _documented(section: str) -> dict[str, str]:
    """Variable and default (empty where the table has no such column) of one section's table."""
    body = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([A-Z0-9_<>]+) \| (?:([^|]+) \| )?[^|]+ \|$", body, re.MULTILINE)
    assert rows, f"no table under {section}"
    return dict(rows)


def _asked_for(folder: Path) -> set[str]:
    """Names that a folder's code asks some `variables` mapping for."""
    names = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            found = _called_or_indexed(node)
            if found is None:
                continue
            asked, key = found
            if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
                continue
            if ast.unparse(asked).endswith(("variables", "os.environ")):
                names.add(key.value)
    return names


def _called_or_indexed(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """What is asked for a key, and the key: `asked.get(key)` or `asked[key]`."""
    if isinstance(node, ast.Subscript):
        return node.value, node.slice
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    return (node.func.value, node.args[0]) if node.func.attr == "get" and node.args else None


def test_every_setting_of_the_functions_is_documented_and_no_other() -> None:
    read = {field.alias for field in Settings.model_fields.values()}
    assert set(_documented("Read by every function")) == read


@pytest.mark.parametrize("name", ["OPS_DEPLOYMENT", "ALPACA_DATA_FEED", "MIGRATIONS_DIR"])
def test_a_documented_default_is_the_default(name: str) -> None:
    values = {
        field.alias: getattr(read_settings({}), attribute)
        for attribute, field in Settings.model_fields.items()
    }
    assert _documented("Read by every function")[name] == f"`{values[name]}`"


def test_a_default_that_says_none_is_none() -> None:
    documented = _documented("Read by every function")
    without = {name for name, default in documented.items() if default.startswith("none")}
    settings = read_settings({})
    assert without == {
        field.alias
        for attribute, field in Settings.model_fields.items()
        if getattr(settings, attribute) is None and field.alias != "DATABASE_OWNER_URL"
    }


def test_the_documented_keys_of_an_account_are_enough_and_none_is_too_many() -> None:
    names = [name.replace("<ACCOUNT>", "LARGE") for name in _documented("One set for each account")]
    complete = dict.fromkeys(names, "x")
    read_broker_keys(complete, "large")
    for name in names:
        with pytest.raises(SettingsInvalid, match=name):
            read_broker_keys({**complete, name: ""}, "large")


def test_what_ops_reads_besides_is_documented() -> None:
    read = _asked_for(ROOT / "ops_local") - set(_documented("Read by every function"))
    assert set(_documented("Read by `ops` alone")) == read


def test_what_the_tests_read_is_documented() -> None:
    assert set(_documented("Read by the tests alone")) == {"OPS_SHARED"} & _asked_for(
        ROOT / "tests"
    )
