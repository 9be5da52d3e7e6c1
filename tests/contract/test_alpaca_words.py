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
_STATUSES = {*alpaca_words.TRADING_STATUSES, *alpaca_words.BLOCKING_STATUSES}
_THEIRS = {*alpaca_words.ORDER_STATUS, *alpaca_words.CASH_KIND, *_STATUSES}
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


def test_the_account_statuses_are_the_union_of_the_published_ones_and_alpaca_py_s() -> None:
    published = _SHARED / "alpaca" / "trading-api.json"
    if not published.exists():
        pytest.skip(f"the published API is not in {_SHARED}")
    schemas = json.loads(published.read_text(encoding="utf-8"))["components"]["schemas"]
    known = {status.value for status in enums.AccountStatus}
    assert known | set(schemas["AccountStatus"]["enum"]) == _STATUSES


def test_the_page_says_what_each_account_status_means() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert all(f"`{word}`" in page for word in _STATUSES)
    assert all(why in page for why in alpaca_words.BLOCKING_STATUSES.values())


def test_a_status_that_nobody_knows_blocks_and_says_so() -> None:
    told = alpaca_words.why_status_blocks("FROBNICATED")
    assert told is not None
    assert told.startswith("FROBNICATED, no status that is known here")


def test_a_word_that_nobody_knows_is_unknown_and_no_error() -> None:
    assert alpaca_words.order_status("frobnicated") == "unknown"
    assert alpaca_words.cash_kind("FROB") == "other"


@pytest.mark.parametrize("file", _DECIDING, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_decision_names_a_word_of_alpacas(file: Path) -> None:
    nodes = ast.walk(ast.parse(file.read_text()))
    constants = {node.value for node in nodes if isinstance(node, ast.Constant)}
    assert constants & (_THEIRS - _OURS - _PLAIN) == set()
