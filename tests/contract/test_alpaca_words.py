"""Alpaca's words stay in its adapter, and those that it publishes are all known there."""

import ast
import json
import os
from pathlib import Path
from typing import get_args

import pytest

from ops_pipeline.adapters import alpaca_words
from ops_pipeline.domain.broker import BrokerStatus
from ops_pipeline.domain.orders import Status
from tests.contract.paper_street import enums
from tests.unit.source_rules import PACKAGE, ROOT, python_files

_SHARED = Path(os.environ.get("OPS_SHARED", ROOT.parent / "shared"))
_OURS = {*get_args(BrokerStatus), *get_args(Status)}
_PLAIN = {"held", "new"}  # English too
_THEIRS = {*alpaca_words.ORDER_STATUS, *alpaca_words.CASH_KIND, alpaca_words.MAY_TRADE}
_DECIDING = python_files(PACKAGE / "domain", PACKAGE / "execution", PACKAGE / "stages")


@pytest.mark.parametrize("word", [status.value for status in enums.OrderStatus])
def test_each_status_that_alpaca_py_knows_is_known(word: str) -> None:
    assert alpaca_words.order_status(word) != "unknown"


def test_each_status_that_alpaca_publishes_is_known() -> None:
    published = _SHARED / "alpaca" / "trading-api.json"
    if not published.exists():
        pytest.skip(f"the published API is not in {_SHARED}")
    schemas = json.loads(published.read_text(encoding="utf-8"))["components"]["schemas"]
    words = schemas["OrderStatus"]["enum"]
    assert words
    assert [word for word in words if alpaca_words.order_status(word) == "unknown"] == []


def test_a_word_that_nobody_knows_is_unknown_and_no_error() -> None:
    assert alpaca_words.order_status("frobnicated") == "unknown"
    assert alpaca_words.cash_kind("FROB") == "other"


@pytest.mark.parametrize("file", _DECIDING, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_decision_names_a_word_of_alpacas(file: Path) -> None:
    nodes = ast.walk(ast.parse(file.read_text()))
    constants = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert constants & (_THEIRS - _OURS - _PLAIN) == set()
