"""`ops feeds` and `ops tickers` here and at a stack: what changes, who did it, what is refused."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import universe
from ops_pipeline.db.driver.connection import Database, Row, target_from_url
from ops_pipeline.domain.discovery import TickerProposal
from ops_pipeline.runtime.wiring import Runtime
from tests.support.feed_server import FeedServer, Page, feed_server, item, rss
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process

WIRE = "https://wire.example/f"
SEC = "https://www.sec.gov/news/pressreleases.rss"
CONTACT = "Example Fund ops@fund.example"
NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
WHY = ("--reason", "our list", "--operator", "ann")


@dataclass
class Verbs:
    """Calls verbs either here or at a stack.

    Attributes:
        where: What each call ends with.
    """

    variables: dict[str, str]
    where: tuple[str, ...]
    db: Database
    capsys: pytest.CaptureFixture[str]
    told: str = ""

    def lines(self, *words: str) -> tuple[int, list[str]]:
        """Exit code and what a person reads."""
        code = main([*words, *self.where], self.variables)
        out, self.told = self.capsys.readouterr()
        return code, out.splitlines()

    def __call__(self, *words: str) -> tuple[int, Any]:
        """Exit code and what was printed as JSON; `told` has what went to stderr."""
        as_json = () if "--json" in words else ("--json",)
        code = main([*words, *as_json, *self.where], self.variables)
        out, self.told = self.capsys.readouterr()
        return code, json.loads(out) if out else None

    def rows(self, sql: str) -> list[Row]:
        with self.db.transaction() as tx:
            return tx.rows(sql)

    def feeds(self) -> dict[str, Row]:
        found = self.rows("SELECT url, source, active, removed, poll_every_s FROM feed_state")
        return {row.pop("url"): row for row in found}

    def actions(self) -> list[tuple[str, str, str]]:
        rows = self.rows("SELECT action, operator, reason FROM operator_actions ORDER BY at")
        return [(row["action"], row["operator"], row["reason"]) for row in rows]


@pytest.fixture
def variables(database_urls: DatabaseUrls, tmp_path: Path) -> dict[str, str]:
    return {
        **database_urls.variables(),
        "OPS_HOME": str(tmp_path),
        "FEED_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


@pytest.fixture(params=["here", "stack"])
def ops(
    request: pytest.FixtureRequest,
    variables: dict[str, str],
    admin_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Verbs]:
    target = target_from_url(variables["DATABASE_URL"])
    with closing(Database(target, application_name="tests")) as db:
        if request.param == "here":
            yield Verbs({**variables, "DATABASE_URL": admin_url}, (), db, capsys)
            return
        with in_process(Runtime(variables, WallClock())), lambda_endpoint() as aws:
            for name, value in aws.items():
                monkeypatch.setenv(name, value)
            yield Verbs({"OPS_HOME": variables["OPS_HOME"]}, ("--stack", STACK), db, capsys)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as served:
        yield served


def add(ops: Verbs, url: str = WIRE, *more: str) -> tuple[int, Any]:
    return ops("feeds", "add", url, "--source", "Wire", "--json", *more, *WHY)


def test_a_feed_is_added_paused_resumed_and_removed_with_its_row_kept(ops: Verbs) -> None:
    assert add(ops, WIRE, "--poll-every", "300")[0] == 0
    assert ops.feeds()[WIRE] == {
        "source": "Wire", "active": True, "removed": False, "poll_every_s": 300,
    }  # fmt: skip
    assert ops("feeds", "pause", WIRE, "--json", *WHY)[0] == 0
    assert not ops.feeds()[WIRE]["active"]
    assert ops("feeds", "resume", WIRE, "--json", *WHY)[0] == 0
    assert ops("feeds", "remove", WIRE, "--json", *WHY)[0] == 0
    assert ops.feeds()[WIRE]["removed"]
    assert ops.actions() == [
        (action, "ann", "our list")
        for action in ("feeds_add", "feeds_pause", "feeds_resume", "feeds_remove")
    ]
    assert [row["url"] for row in ops("feeds", "list", "--json")[1]["feeds"]] == []
    assert [row["state"] for row in ops("feeds", "list", "--all", "--json")[1]["feeds"]] == [
        "removed"
    ]


def test_what_changes_nothing_ends_with_1_says_so_and_is_not_recorded(ops: Verbs) -> None:
    add(ops)
    for words in (
        ("add", WIRE, "--source", "Wire"),
        ("resume", WIRE),
    ):
        code, done = ops("feeds", *words, "--json", *WHY)
        assert (code, done["changed"]) == (1, [])
        assert "nothing changed" in ops.told
    assert ops("feeds", "remove", WIRE, "--json", *WHY)[0] == 0
    for action in ("remove", "pause", "resume"):
        code, _ = ops("feeds", action, WIRE if action == "remove" else WIRE + "x", "--json", *WHY)
        assert code == 1
    assert [action for action, *_ in ops.actions()] == ["feeds_add", "feeds_remove"]


def test_a_feed_of_sec_is_refused_until_there_is_a_contact_and_the_setting_is_named(
    ops: Verbs,
) -> None:
    code, done = ops("feeds", "add", SEC, "--source", "SEC", "--json", *WHY)
    assert code == 1
    assert "feeds.contact" in done["refused"][SEC]
    assert "ops feeds contact" in ops.told
    assert ops.feeds() == {}

    assert ops("feeds", "contact", "nobody", "--json", *WHY)[0] == 1
    assert ops("feeds", "contact", CONTACT, "--json", *WHY)[0] == 0
    assert ops("feeds", "add", SEC, "--source", "SEC", "--json", *WHY)[0] == 0
    assert ops("feeds", "list", "--json")[1]["contact"] == CONTACT


def test_the_starter_s_agencies_are_on_and_what_somebody_paused_stays_so(ops: Verbs) -> None:
    assert ops("feeds", "add", "--starter", "--contact", CONTACT, "--json", *WHY)[0] == 0
    found = ops("feeds", "list", "--json")[1]["feeds"]
    assert all(row["terms"] for row in found)
    assert all(".gov/" in row["url"] for row in found if row["state"] == "on")
    assert {row["state"] for row in found} == {"on", "off"}
    assert ops("feeds", "pause", SEC, "--json", *WHY)[0] == 0
    assert ops("feeds", "add", "--starter", "--json", *WHY)[0] == 1
    assert not ops.feeds()[SEC]["active"]


def test_a_person_sees_the_address_the_terms_and_the_last_error_of_each_feed(ops: Verbs) -> None:
    add(ops, WIRE, "--terms", "headline and link alone")
    with ops.db.transaction() as tx:
        tx.execute("UPDATE feed_state SET failures_in_a_row = 2, last_error = 'it is empty'")
    assert main(["feeds", "list", *ops.where], ops.variables) == 0
    shown = ops.capsys.readouterr().out
    for told in ("on      Wire, every 60 s", WIRE, "failed 2 times in a row: it is empty",
                 "terms: headline and link alone", "Contact: none"):  # fmt: skip
        assert told in shown


def test_an_import_takes_what_is_a_feed_and_names_what_is_none(ops: Verbs, tmp_path: Path) -> None:
    file = tmp_path / "feeds.csv"
    file.write_text(f"url,source\n{WIRE},Wire\nftp://a.example/f,A\n{SEC},SEC\n")
    code, done = ops("feeds", "import", str(file), "--json", *WHY)
    assert (code, [row["url"] for row in done["changed"]]) == (1, [WIRE])
    assert set(done["refused"]) == {"ftp://a.example/f", SEC}
    assert set(ops.feeds()) == {WIRE}


def _page(*items: str) -> Page:
    return Page(rss(*items))


def _fresh(now: datetime) -> str:
    return now.strftime("%a, %d %b %Y %H:%M:%S +0000")


def test_a_feed_is_tried_once_and_nothing_of_it_is_stored(ops: Verbs, server: FeedServer) -> None:
    stamp = _fresh(WallClock().now())
    good = [item(f"Story {n} of the day", guid=str(n), published=stamp) for n in range(5)]
    code, seen = ops("feeds", "test", server.put("/good", _page(*good)))
    assert (code, seen["items"], seen["problems"]) == (0, 5, [])
    assert seen["newest_at"]

    undated = [item(f"Story {n} of the day", guid=str(n)) for n in range(5)]
    code, seen = ops("feeds", "test", server.put("/undated", _page(*undated)))
    assert (code, seen["undated"]) == (1, {"missing": 5})

    old = item("Story of another year", guid="1", published="Wed, 05 Feb 2025 14:00:00 GMT")
    code, seen = ops("feeds", "test", server.put("/old", _page(old, old.replace("1<", "2<"))))
    assert code == 1
    assert "newest item is of 2025-02-05" in seen["problems"][0]

    block = Page(b"<!DOCTYPE html><html><head><title>Undeclared tool</title></head></html>")
    code, seen = ops("feeds", "test", server.put("/block", block))
    assert code == 1
    assert 'a web page titled "Undeclared tool"' in seen["failed"]

    code, seen = ops("feeds", "test", "notaurl")
    assert (code, seen["failed"]) == (1, "notaurl: it is no http address")
    assert ops.rows("SELECT 1 FROM feed_state UNION ALL SELECT 1 FROM inbound_events_raw") == []
    assert ops.actions() == []


# Tickers.


@pytest.fixture
def proposed(db: Database) -> str:
    with db.transaction() as tx:
        universe.save(tx, [TickerProposal("ZZZ", 0.9, ("9 stories",))], NOW)
    return "ZZZ"


def watched(ops: Verbs, *tickers: str) -> list[str]:
    rows = ops.rows("SELECT ticker FROM tickers WHERE is_watched ORDER BY ticker")
    return [row["ticker"] for row in rows if row["ticker"] in tickers]


def test_a_proposal_is_accepted_where_it_was_made_and_recorded_there(
    ops: Verbs, proposed: str
) -> None:
    assert ops("tickers", "proposals", "--json")[1][0]["ticker"] == proposed
    code, done = ops("tickers", "accept", proposed, "--json", *WHY)
    assert (code, done["changed"]) == (0, [proposed])
    assert done["without_name"] == [proposed]
    assert "no name of ZZZ is known, so no news finds it" in ops.told
    assert watched(ops, proposed) == [proposed]
    assert ops.actions() == [("watch", "ann", "our list")]
    assert ops("tickers", "accept", proposed, "--json", *WHY)[0] == 1
    assert ops("tickers", "reject", proposed, "--json", *WHY)[0] == 0
    assert watched(ops, proposed) == []


@pytest.mark.parametrize("action", ["accept", "reject", "remove"])
def test_a_symbol_that_nobody_knows_is_neither_accepted_nor_rejected_nor_removed(
    ops: Verbs, action: str
) -> None:
    code, _ = ops("tickers", action, "NOSUCH", "--json", *WHY)
    assert code == 1
    assert "unknown: NOSUCH" in ops.told
    assert ops.actions() == []
    assert ops.rows("SELECT 1 FROM ticker_universe") == []


def test_a_symbol_of_one_s_own_choice_is_watched_with_its_name_or_a_warning(ops: Verbs) -> None:
    code, done = ops("tickers", "add", "zzy", "--name", "Zyzzyva Motors", "--json", *WHY)
    assert (code, done["changed"], done["without_name"]) == (0, ["ZZY"], [])
    code, done = ops("tickers", "add", "ZZX", "--json", *WHY)
    assert (code, done["without_name"]) == (0, ["ZZX"])
    assert watched(ops, "ZZX", "ZZY") == ["ZZX", "ZZY"]
    assert ops("tickers", "list", "Zyzzyva", "--json")[1][0]["ticker"] == "ZZY"
    assert ops("tickers", "add", "ZZY", "--name", "Another", "--json", *WHY)[0] == 1
    assert ops("tickers", "remove", "ZZX", "--json", *WHY)[0] == 0
    assert ops("tickers", "remove", "ZZX", "--json", *WHY)[0] == 1
    assert "nothing changed" in ops.told
    assert watched(ops, "ZZX", "ZZY") == ["ZZY"]
    assert [action for action, *_ in ops.actions()] == ["watch", "watch", "unwatch"]


def test_a_list_of_securities_has_a_line_for_each(
    ops: Verbs, capsys: pytest.CaptureFixture[str]
) -> None:
    """At eighty columns; it was spread over four lines each, letter by letter."""
    assert main(["tickers", "list", "JPM", *ops.where], ops.variables) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "JPM" in line]
    assert [line.split()[:3] for line in lines] == [["JPM", "JPMorgan", "NYSE"]]


def test_dates_of_events_are_imported_listed_and_removed(ops: Verbs, tmp_path: Path) -> None:
    file = tmp_path / "dates.csv"
    file.write_text("ticker,kind,at,source\naaa,earnings,2099-02-04T21:05:00Z,a calendar\n")
    assert ops("events", "import", str(file), *WHY) == (0, {"changed": 1, "events": 1})
    assert ops("events", "import", str(file), *WHY)[0] == 1
    code, listed = ops("events", "list", "aaa", "--json")
    assert (code, [(row["ticker"], row["kind"]) for row in listed]) == (0, [("AAA", "earnings")])
    assert ops("events", "remove", str(file), *WHY)[0] == 0
    assert ops("events", "list", "--json")[1] == []
    assert ops.actions() == [
        (action, "ann", "our list") for action in ("events_add", "events_remove")
    ]


def test_a_person_reads_lines(ops: Verbs, server: FeedServer, tmp_path: Path) -> None:
    code, lines = ops.lines("feeds", "add", WIRE, "--source", "Wire", "--off", *WHY)
    assert (code, lines) == (0, [f"added, off: Wire, {WIRE}"])
    assert ops.lines("feeds", "resume", WIRE, *WHY) == (0, [f"switched on: Wire, {WIRE}"])
    assert ops.lines("feeds", "contact", CONTACT, *WHY) == (0, ["contact: stored"])
    assert ops.lines("tickers", "add", "ZZX", *WHY) == (0, ["ZZX: watched from now on"])
    assert ops.lines("tickers", "remove", "ZZX", *WHY) == (0, ["ZZX: not watched any more"])
    assert ops.lines("tickers", "remove", "ZZX", *WHY) == (1, [])
    file = tmp_path / "dates.csv"
    file.write_text("ticker,kind,at,source\nAAA,earnings,2026-02-05 16:05 ET,hand\n")
    assert ops.lines("events", "import", str(file), *WHY) == (0, ["added: 1 of 1 dates"])
    assert ops.lines("events", "remove", str(file), *WHY) == (0, ["removed: 1 of 1 dates"])


def test_a_person_reads_what_a_feed_s_trial_saw(ops: Verbs, server: FeedServer) -> None:
    stamp = _fresh(WallClock().now())
    good = [item(f"Story {n} of the day", guid=str(n), published=stamp) for n in range(5)]
    code, lines = ops.lines("feeds", "test", server.put("/good", _page(*good)))
    assert code == 0
    assert re.fullmatch(r"items: 5, the newest of .*\+00:00", lines[0])
    assert lines[1:] == [f"  Story {n} of the day" for n in range(3)]

    undated = [item(f"Story {n} of the day", guid=str(n)) for n in range(5)]
    code, lines = ops.lines("feeds", "test", server.put("/undated", _page(*undated)))
    assert code == 1
    assert lines[0] == "problem: no item has a plausible time"
    assert lines[2:4] == ["items: 5, none with a time", "without weight: 5, missing"]

    assert ops.lines("feeds", "test", "notaurl") == (
        1,
        ["failed: notaurl: it is no http address"],
    )
