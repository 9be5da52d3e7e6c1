"""docs/paper-exchange.md is what the exchange does: faults, control API, examples, modules."""

import inspect
import json
import re
import shlex
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops_local.exchange import accounts
from ops_local.exchange.__main__ import build_parser
from ops_local.exchange.api.control_routes import ROUTES
from ops_local.exchange.conditions import BEHAVIOURS, AccountCondition
from ops_local.exchange.control_client import ControlClient
from ops_local.exchange.faults import read_rules
from ops_local.exchange.faults.kinds import KINDS
from ops_local.exchange.faults.read_rules import COMMON, OPTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "paper-exchange.md").read_text(encoding="utf-8")
EXCHANGE = ROOT / "ops_local" / "exchange"


def _section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _rows(title: str) -> list[list[str]]:
    """The cells of a section's table, its head left out."""
    lines = re.findall(r"^\| (.*) \|$", _section(title), re.MULTILINE)
    return [line.split(" | ") for line in lines[1:]]


def _block(language: str, title: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", _section(title), re.MULTILINE | re.DOTALL)
    return str(found)


def test_each_fault_stands_in_the_table_with_its_requests_options_and_effect() -> None:
    told = [
        (kind, requests.replace("\\|", "|"), tuple(re.findall(r"`(\w+)`", options)), effect)
        for kind, requests, options, effect in _rows("Faults")
    ]
    assert told == [
        (f"`{kind}`", f"`{fault.requests}`", fault.options, fault.effect)
        for kind, fault in KINDS.items()
    ]


def test_each_field_of_a_rule_is_explained() -> None:
    assert [name for name in ("requests", *COMMON, *OPTIONS) if f"`{name}`" not in PAGE] == []


def test_each_behaviour_stands_in_the_table_with_its_values() -> None:
    told = {
        name.strip("`"): tuple(re.findall(r"`(\w+)`", values))
        for name, values, _ in _rows("Behaviours")
    }
    assert told == dict(BEHAVIOURS)


def test_each_condition_of_an_account_is_named() -> None:
    names = [field.name for field in fields(AccountCondition)][1:]
    assert [name for name in names if f"`{name}`" not in _section("Conditions")] == []


def test_each_control_route_stands_in_the_table_with_its_method() -> None:
    rows = _rows("The control API")
    served = [f"{min((route.methods or set()) - {'HEAD'})} {route.path}" for route in ROUTES]
    assert sorted(row[0].strip("`") for row in rows) == sorted(served)
    public = {name for name, _ in inspect.getmembers(ControlClient, inspect.isfunction)}
    named = {re.match(r"`(\w+)\(", row[1]) for row in rows}
    assert {name[1] for name in named if name} == {n for n in public if not n.startswith("_")}


@pytest.mark.parametrize("row", _rows("The control API"), ids=lambda row: str(row[0]))
def test_a_control_method_takes_what_the_table_says(row: list[str]) -> None:
    name, _, arguments = row[1].strip("`").rstrip(")").partition("(")
    taken = list(inspect.signature(getattr(ControlClient, name)).parameters)[1:]
    told = [argument.partition("=")[0].strip("* ") for argument in arguments.split(",")]
    assert [argument for argument in told if argument] == [it.rstrip("_") for it in taken]


def test_the_command_is_one_that_it_understands() -> None:
    program, *arguments = shlex.split(_block("sh", "Start one").replace("\\\n", ""))
    assert (program, arguments[:2]) == ("python", ["-m", "ops_local.exchange"])
    build_parser().parse_args(arguments[2:])


def test_the_accounts_of_the_example_are_accounts() -> None:
    (account,) = accounts.parse(_block("json", "Start one"))
    assert account.name == "large"


def test_the_rules_of_the_example_are_rules() -> None:
    injected = read_rules.read(
        json.loads(_block("json", "Faults")), datetime(2026, 2, 4, tzinfo=UTC)
    )
    assert injected.draw("GET", "/v2/orders", None, datetime(2026, 2, 4, tzinfo=UTC)) is None


def test_the_help_names_each_option_and_each_fault() -> None:
    text = build_parser().format_help()
    assert [kind for kind in KINDS if f"\n  {kind} " not in text] == []
    for option in ("--recording DIR", "--store FILE", "--accounts FILE", "--port PORT"):
        assert option in text


def test_each_module_of_the_table_exists_and_each_that_exists_is_named() -> None:
    named = {name for row in _rows("The code") for name in re.findall(r"`([a-z_]+)`", row[0])}
    there = {file.stem for file in EXCHANGE.glob("*.py") if not file.stem.startswith("__")}
    folders = {file.parent.name for file in EXCHANGE.glob("*/__init__.py")}
    assert named == there | folders


def test_it_imports_nothing_of_the_rest_that_the_page_does_not_name() -> None:
    allowed = ("ops_local.exchange", "ops_local.recordings", "ops_pipeline.domain")
    for file in EXCHANGE.rglob("*.py"):
        for line in re.findall(r"^\s*(?:from|import) (\S+)", file.read_text(), re.MULTILINE):
            if line.partition(".")[0] in ("ops_local", "ops_pipeline", "functions", "infra"):
                assert line.startswith(allowed), f"{file.name}: {line}"
