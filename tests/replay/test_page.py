"""The page of a replay: its numbers are the database's, and it asks for nothing from anywhere."""

import base64
import csv
import hashlib
import io
import json
import re
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ops_local import page
from ops_local.database import DatabaseUrls
from ops_local.page import tables
from ops_pipeline.db.driver.connection import Database, target_from_url
from tests.replay.conftest import Day

_SESSION = page.PageSession(date(2026, 2, 4), synthetic=True, source="a seed")
_HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> & "more"'


@dataclass
class Page(HTMLParser):
    """A page as a browser reads it: elements, their text, and the charts' specifications."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def charts(self) -> dict[str, Any]:
        place = next(
            number for number, word in enumerate(self.words) if word.startswith(('{"equity', "{}"))
        )
        charts: dict[str, Any] = json.loads(self.words[place])
        return charts

    def count(self, tag: str) -> int:
        return sum(1 for name, _ in self.elements if name == tag)


@pytest.fixture(scope="module")
def shown(generated_morning: Day, tmp_path_factory: pytest.TempPathFactory) -> Page:
    file = tmp_path_factory.mktemp("page") / "report.html"
    page.write(file, generated_morning.urls.reader, _SESSION)
    return Page(file.read_text(encoding="utf-8"))


def test_each_account_s_result_is_the_database_s(shown: Page, generated_morning: Day) -> None:
    """Net of fees, with the gross result and the fees beside it."""
    rows = generated_morning.rows(
        "SELECT account_name, sum(pnl_dollars) AS pnl, sum(fees_usd) AS fees,"
        " sum(pnl_net_dollars) AS net FROM position_results GROUP BY account_name"
    )
    assert {row["account_name"] for row in rows} == {"large", "tiny"}
    for row in rows:
        card = shown.words.index(f"Account {row['account_name']}")
        assert row["net"] == row["pnl"] - row["fees"] < row["pnl"]
        assert shown.words[card + 1] == f"{round(row['net'], 2):+,.2f}"
        fees, gross = round(row["fees"], 2), f"{row['pnl']:+,.2f}"
        assert f"Net of {fees:,.2f} of fees; gross {gross}." in shown.words[card : card + 5]


def test_the_line_of_an_account_ends_at_its_closed_and_open_profit(
    shown: Page, generated_morning: Day
) -> None:
    rows = generated_morning.rows(
        """
        SELECT p.account_name AS account, sum(coalesce(h.pnl_dollars, 0)) AS closed,
               sum(CASE WHEN p.status = 'closed' THEN 0 ELSE p.current_pnl_dollars END) AS open
        FROM active_positions AS p LEFT JOIN position_history AS h ON h.position_id = p.id
        GROUP BY p.account_name
        """
    )
    last = {row["account"]: row["gain"] for row in shown.charts["equity"]["data"]["values"]}
    assert last.keys() == {row["account"] for row in rows}
    for row in rows:
        assert last[row["account"]] == pytest.approx(float(row["closed"] + row["open"]), abs=0.01)
    assert any(row["open"] for row in rows), "no position is open at 11:20: choose another minute"


def test_every_position_fill_and_refusal_is_drawn(shown: Page, generated_morning: Day) -> None:
    charts = shown.charts
    positions = charts["positions"]["data"]["values"]
    assert len(positions) == generated_morning.value("SELECT count(*) FROM active_positions")
    drawn = _csv(charts["prices"]["layer"][1])
    kinds = Counter(row["what"] for row in drawn)
    assert kinds["bought"] + kinds["sold"] == generated_morning.value("SELECT count(*) FROM fills")
    refused = sum(row["refused"] for row in charts["refusals"]["data"]["values"])
    assert refused == generated_morning.value(
        """
        SELECT count(*) FROM dispatch_recommendations AS r, jsonb_each(r.risk_gate_json) AS gate
        WHERE r.status = 'SKIPPED' AND gate.value ->> 'passed' = 'false'
        """
    )


def test_prices_are_the_session_s_closes_at_new_york_s_wall_clock(
    shown: Page, generated_morning: Day
) -> None:
    rows = _csv(shown.charts["prices"]["layer"][0])
    assert min(row["at"] for row in rows) == "2026-02-04T09:30:00"
    first = next(row for row in rows if row["at"] == "2026-02-04T10:15:00")
    stored = generated_morning.value(
        "SELECT close FROM lane_telemetry WHERE ticker = :ticker AND ts = '2026-02-04 15:15Z'",
        ticker=first["ticker"],
    )
    assert Decimal(first["close"]) == stored


def test_nothing_is_asked_of_anybody(shown: Page) -> None:
    for name, attributes in shown.elements:
        assert name not in ("link", "iframe", "img", "object", "embed", "base"), name
        assert {"src", "href", "srcset", "action"}.isdisjoint(attributes), (name, attributes)
    style = shown.text[shown.text.index("<style>") : shown.text.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = _policy(shown)
    assert policy["default-src"] == ["'none'"]
    assert "connect-src" not in policy
    assert not any("http" in source for sources in policy.values() for source in sources)


def test_the_policy_lets_run_the_page_s_own_script_and_no_other(shown: Page) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", shown.text, flags=re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert _policy(shown)["script-src"] == [f"'sha256-{digest}'", "'unsafe-eval'"]


def test_each_chart_has_a_name_and_the_same_figures_as_a_table(shown: Page) -> None:
    names = [a["id"] for _, a in shown.elements if a.get("class") == "chart"]
    assert names == ["equity", "positions", "prices", "refusals"] == list(shown.charts)
    ids = {attributes.get("id") for _, attributes in shown.elements}
    for name, attributes in shown.elements:
        if attributes.get("class") == "chart":
            assert (name, attributes["role"]) == ("div", "img")
            assert attributes["aria-labelledby"] in ids
    assert shown.words.count("The same as a table") == len(names)


def test_headlines_stand_with_score_model_tickers_and_how_often_their_story_was_told(
    generated_morning: Day,
) -> None:
    with generated_morning.reading() as tx:
        rows = tables.headlines(page.read(tx))
    assert {"at", "score", "model", "tickers", "report", "headline", "source"} == set(rows[0])
    stories = generated_morning.value(
        """
        SELECT count(DISTINCT story_id) FROM inbound_events_classified
        WHERE cardinality(tickers) > 0
        """
    )
    first = [row for row in rows if row["report"].startswith("1 of ")]
    assert len(first) == stories < len(rows)


def test_it_is_small_enough_to_mail(shown: Page) -> None:
    assert len(shown.text.encode()) < 3_000_000


def test_a_hostile_headline_is_only_text(db: Database, database_urls: DatabaseUrls) -> None:
    with db.transaction() as tx:
        tx.execute(
            """
            INSERT INTO inbound_events_raw (id, event_uid, story_id, published_at, source, title,
                                            feed_url, fetched_at)
            VALUES ('00000000-0000-8000-8000-000000000001', repeat('a', 64),
                    '00000000-0000-8000-8000-000000000002', '2026-02-04 15:00Z', 'wire', :title,
                    'https://feed.example/rss', '2026-02-04 15:00Z')
            """,
            title=_HOSTILE,
        )
        tx.execute(
            """
            INSERT INTO inbound_events_classified (id, raw_event_id, story_id, tickers, status,
                                                   reason, model, created_at)
            SELECT id, id, story_id, '{AAPL}', 'UNCLASSIFIABLE', 'odd', 'test', fetched_at
            FROM inbound_events_raw
            """
        )
    shown = _built(database_urls)
    assert shown.count("img") == 0
    assert shown.count("script") == 2
    assert _HOSTILE in shown.words


def test_text_inside_a_chart_cannot_end_its_script(generated_morning: Day) -> None:
    with generated_morning.reading() as tx:
        facts = page.read(tx)
    facts.headlines.append({**facts.headlines[-1], "title": _HOSTILE, "tickers": facts.tickers})
    shown = Page(page.build(facts, _SESSION))
    assert shown.count("script") == 2
    stories = [row["story"] for row in _csv(shown.charts["prices"]["layer"][1])]
    assert any(_HOSTILE in story for story in stories)


def test_a_day_on_which_nothing_happened_has_a_page_too(database_urls: DatabaseUrls) -> None:
    shown = _built(database_urls)
    assert shown.charts == {}
    assert "No recommendation was made" in shown.words


def test_a_recorded_session_is_not_called_synthetic(database_urls: DatabaseUrls) -> None:
    recorded = page.PageSession(date(2013, 10, 7), synthetic=False, source="an exchange")
    text = _built(database_urls, recorded).text
    assert "Recorded session" in text
    assert "Made up" not in text


def _built(urls: DatabaseUrls, session: page.PageSession = _SESSION) -> Page:
    with (
        closing(Database(target_from_url(urls.reader), application_name="tests")) as database,
        database.transaction() as tx,
    ):
        return Page(page.build(page.read(tx), session))


def _csv(layer: dict[str, Any]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(layer["data"]["values"])))


def _policy(shown: Page) -> dict[str, list[str]]:
    text = next(a["content"] for _, a in shown.elements if "http-equiv" in a)
    assert text is not None
    rules = (rule.split() for rule in text.split(";"))
    return {name: sources for name, *sources in rules}


def test_the_file_is_where_it_was_asked_for(database_urls: DatabaseUrls, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert page.write(file, database_urls.reader, _SESSION) == file
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
