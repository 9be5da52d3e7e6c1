"""A transcript of `ops check --order`, of Alpaca or of the paper exchange, as a contract test.

`make contract-live TRANSCRIPT=file` holds one against the published API and lets our adapter read
it once more. One that is made here, on the paper exchange, proves that the road is there.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database
from tests.conftest import ROOT
from tests.contract.paper_street import LARGE
from tests.contract.published import require_published
from tests.contract.requests_published import Published
from tests.contract.transcripts import load, played, wrong_answers, wrong_requests
from tests.support.fakes import FixedClock
from tests.support.stand_ins import NOW, exchange_at_tick, leading_to, prepared

GIVEN = os.environ.get("TRANSCRIPT")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def published(shared_data: Path) -> list[Published]:
    require_published()
    folder = shared_data.parent / "alpaca"
    return [Published(folder / "trading-api.json"), Published(folder / "market-data-api.json")]


@pytest.fixture
def file(db: Database, database_urls: DatabaseUrls, tmp_path: Path) -> Iterator[Path]:
    """The transcript that was named, else one of an order at the paper exchange."""
    if GIVEN:
        yield Path(GIVEN)
        return
    prepared(db, "AAA")
    made = tmp_path / "transcript.json"
    with exchange_at_tick(tmp_path) as exchange:
        variables = {**leading_to(exchange, database_urls), "OPS_HOME": str(tmp_path)}
        words = ["check", "--order", "large", "--ticker", "BBB", "--yes"]
        assert main([*words, "--transcript", str(made)], variables, FixedClock(NOW)) == 0
    yield made


def test_it_keeps_the_contract(file: Path, published: list[Published]) -> None:
    exchanges = load(file)["exchanges"]

    assert wrong_requests(exchanges, published) == {}
    assert wrong_answers(exchanges) == {}
    reading = played(exchanges)
    assert "unknown" not in reading.statuses
    assert reading.statuses[-1] == "canceled"
    assert _orders(reading.sent) == _orders(exchanges)


def _orders(sent: Any) -> list[tuple[str, Any]]:
    """What was posted and deleted, in order."""
    told = [each if isinstance(each, dict) else vars(each) for each in sent]
    return [(each["method"], each["body"]) for each in told if each["method"] in ("POST", "DELETE")]


@pytest.mark.skipif(GIVEN is not None, reason="it is about the one that is made here")
@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [
        (lambda order: order.update(status="resting"), "unknown"),
        (lambda order: order.update(qty=None, filled_qty="x"), "Illegible|BrokerUnavailable"),
        (lambda order: order.update(new_field="1"), "new_field is not published"),
    ],
    ids=["a new status", "no quantity", "a new field"],
)
def test_what_is_not_as_published_is_noticed(
    file: Path, published: list[Published], spoil: Any, wrong: str
) -> None:
    exchanges = load(file)["exchanges"]
    for each in exchanges:
        if each["method"] == "GET" and "by_client" in each["path"]:
            spoil(each["answer"])
    try:
        said = json.dumps([wrong_answers(exchanges), played(exchanges).statuses])
    except Exception as error:  # noqa: BLE001 - whichever of the two notices it
        said = type(error).__name__
    assert re.search(wrong, said)


def test_a_file_that_is_no_transcript_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.json").write_text('{"steps": []}')
    with pytest.raises(ValueError, match="no transcript"):
        load(tmp_path / "odd.json")


@pytest.mark.skipif(GIVEN is not None, reason="it is about the one that is made here")
def test_nothing_private_stands_in_the_file(file: Path) -> None:
    text = file.read_text()
    assert not [it for it in (LARGE.key_id, LARGE.secret_key, LARGE.account_number) if it in text]
    assert "APCA" not in text


def test_the_readme_says_when_that_was_last_done_against_alpaca() -> None:
    [line] = re.findall(r"Last run against Alpaca: (.*?)\.", README)
    assert line == "never, by nobody yet" or re.fullmatch(r"\d{4}-\d{2}-\d{2}, by .+", line)
