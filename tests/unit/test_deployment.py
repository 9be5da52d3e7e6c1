"""A context value that makes no sense is refused by name, before anything is built."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from infra.deployment import (
    ContextInvalid,
    Deployment,
    read_deployment,
    require_same_accounts,
)
from tests.conftest import ROOT

SHA = "a" * 64


def _read(**given: Any) -> Deployment:
    return read_deployment(given.get)


def test_without_any_value_it_is_the_default() -> None:
    assert _read() == Deployment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stage", "Main"),
        ("nat", "yes"),
        ("schedules_enabled", "on"),
        ("storage_gib", "20.5"),
        ("bar_offset_s", "11"),
        ("bar_offset_s", "-1"),
        ("bar_offset_s", "2.5"),
        ("accounts", ""),
        ("alarm_email", "nobody"),
        ("model_s3_uri", "https://bucket/model"),
        ("model_s3_uri", "s3://bucket/*"),
        ("model_sha256", "abc"),
    ],
)
def test_an_odd_value_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(ContextInvalid, match=name):
        _read(**{name: value})


@pytest.mark.parametrize("seconds", [0, 4, 10])
def test_when_bars_are_fetched_can_be_chosen(seconds: int) -> None:
    assert _read(bar_offset_s=str(seconds)).bar_offset_s == seconds


def test_a_model_comes_with_its_hash_or_not_at_all() -> None:
    uri = "s3://a-bucket/finbert"
    for half in ({"model_s3_uri": uri}, {"model_sha256": SHA}):
        with pytest.raises(ContextInvalid, match="together"):
            _read(**half)
    assert _read(model_s3_uri=uri, model_sha256=SHA).model_s3_uri == uri


def test_the_page_lists_each_value_and_its_default() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## What a deployment can choose")[2].partition("\n## ")[0]
    for field in fields(Deployment):
        value = field.default
        shown = ",".join(value) if isinstance(value, tuple) else str(value)
        shown = shown.lower() if isinstance(value, bool) else shown
        default = f"`{shown}`" if shown else r"(none|newest [^|]+)"
        assert re.search(rf"^\| {field.name} \| {default} \| ", section, re.MULTILINE), field.name


def test_the_file_beside_it_names_the_same_accounts(tmp_path: Path) -> None:
    file = tmp_path / "ops.toml"
    require_same_accounts(_read(), file)
    file.write_text("[accounts.large]\n[accounts.third]\n")
    with pytest.raises(ContextInvalid) as refused:
        require_same_accounts(_read(), file)
    assert str(refused.value) == (
        "accounts.third: named in ops.toml alone: name it in both; "
        "accounts.tiny: named in the context alone: name it in both"
    )
    require_same_accounts(_read(accounts="third,large"), file)
    file.write_text("accounts = 3\n")
    with pytest.raises(ContextInvalid, match="expected tables"):
        require_same_accounts(_read(), file)
    file.write_text("[accounts.large\n")
    with pytest.raises(ContextInvalid, match=r"ops\.toml: Expected"):
        require_same_accounts(_read(), file)


@pytest.mark.parametrize("content", [b"a = '\xf6'", b"\xff\xfe\x00", b"x = " + b"[" * 5_000])
def test_a_file_that_cannot_be_read_is_named_before_anything_is_deployed(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "ops.toml"
    file.write_bytes(content)
    with pytest.raises(ContextInvalid, match=r"ops\.toml: "):
        require_same_accounts(_read(), file)


def test_it_needs_no_package_that_the_app_does_not_have() -> None:
    program = "import sys, infra.deployment; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & {"numpy", "pg8000", "publicsuffixlist", "pydantic"} == set()
