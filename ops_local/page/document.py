"""Assembles the page from its parts and writes it as one file, scripts included."""

import base64
import hashlib
import json
from contextlib import closing
from pathlib import Path

from vl_convert import javascript_bundle

from ops_local.explain.sections import Section, sections
from ops_local.figures import dollars, gain
from ops_local.page import tables
from ops_local.page.charts import specs
from ops_local.page.markup import Html, joined, part_table, table, tag
from ops_local.page.sources import PageData, PageSession, read
from ops_local.page.vega import Spec
from ops_pipeline.db.driver.connection import Database, Row, target_from_url

_FOLDER = Path(__file__).parent

_CHARTS = (
    (
        "equity",
        "Gain by account",
        "What each account had gained since the open: all it sold less all it bought (fills), plus "
        "what it still held at the middle of the market (position_telemetry, marked each minute). "
        "The last point is the gross P&L of its closed positions in position_history. "
        "Positions closed without a confirmed fill are left out.",
    ),
    (
        "positions",
        "Positions over the day",
        "From first fill to last, with the result. Green earned, red lost.",
    ),
    (
        "prices",
        "Signals and fills over price",
        "One-minute closes of the tickers that traded (of the strongest signals where none did). "
        "Headlines stand at the minute in which their feed showed them.",
    ),
    (
        "refusals",
        "Refusals by gate",
        "Every gate is evaluated for each recommendation, so one refusal may count at several.",
    ),
)


def write(file: Path, reader_url: str, session: PageSession) -> Path:
    """Write the page of a replay's database; returns the file.

    Raises:
        DatabaseUnavailable: the database can't be read.
    """
    database = Database(target_from_url(reader_url), application_name="ops-page", read_only=True)
    with closing(database), database.transaction() as tx:
        facts = read(tx)
    file.write_text(build(facts, session), encoding="utf-8")
    return file


def build(facts: PageData, session: PageSession) -> str:
    """The whole page as text."""
    charts = specs(facts)
    script = _script()
    title = f"Replay of {session.day}"
    head = joined(
        (
            tag("meta", charset="utf-8"),
            _policy(script),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"),
            tag("title", title),
            tag("style", Html(_text("page.css"))),
        )
    )
    body = joined(
        (
            tag("main", *_content(facts, session, charts)),
            tag("script", _json(charts), type="application/json", id="charts"),
            tag("script", Html(script)),
        )
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _content(facts: PageData, session: PageSession, charts: dict[str, Spec]) -> list[Html]:
    return [
        _header(facts, session),
        tag("section", *map(_account, facts.accounts), class_="cards", aria_label="Accounts"),
        tag(
            "noscript", tag("p", "The charts need JavaScript; every table below works without it.")
        ),
        *(
            _figure(name, title, how, tables.behind(name, facts))
            for name, title, how in _CHARTS
            if name in charts
        ),
        *_explained(facts),
        *_headlines(facts),
        tag("h2", "What each stage did"),
        tag("div", *(part_table(part) for part in facts.parts), class_="tables"),
    ]


def _header(facts: PageData, session: PageSession) -> Html:
    kind = "Synthetic session" if session.synthetic else "Recorded session"
    warning = (
        [tag("p", "Made up from a seed: what it earned means nothing.", class_="warning")]
        if session.synthetic
        else []
    )
    version = facts.parameters.get("version")
    source = facts.parameters.get("source")
    return tag(
        "header",
        tag("p", f"{kind} · {session.source}", class_="kind"),
        tag("h1", f"Replay of {session.day:%A %d %B %Y}"),
        *warning,
        tag("p", f"Times are New York's. Parameters: version {version} ({source})."),
    )


def _account(row: Row) -> Html:
    result = row["pnl"] if row["net"] is None else row["net"]
    sign = "loss" if result < 0 else "gain"
    lost = row["closed"] - row["won"]
    return tag(
        "article",
        tag("h2", f"Account {row['account']}"),
        tag("p", gain(result), tag("small", " USD"), class_=f"result {sign}"),
        tag("p", _of_what(row), class_="kind"),
        tag(
            "p",
            f"Entries {row['entries']}, closed {row['closed']}: {row['won']} won, {lost} not. "
            f"Recommendations refused: {row['refused']}.",
        ),
        tag("p", f"Executed as {row['mode']}.", class_="kind"),
    )


def _of_what(row: Row) -> str:
    """Whether an account's result is net, and of how much."""
    if row["net"] is None:
        return "Gross; no fees are known."
    return f"Net of {dollars(row['fees'])} of fees; gross {gain(row['pnl'])}."


def _figure(name: str, title: str, how: str, behind: Html) -> Html:
    return tag(
        "section",
        tag("h2", title, id=f"{name}-title"),
        tag(
            "figure",
            tag("div", id=f"{name}-choice", class_="choice"),
            tag("div", id=name, class_="chart", role="img", aria_labelledby=f"{name}-title"),
            tag("figcaption", how),
        ),
        tag("details", tag("summary", "The same as a table"), behind),
    )


def _explained(facts: PageData) -> list[Html]:
    if facts.explained is None:
        return [tag("h2", "No recommendation was made")]
    row = facts.explained.recommendation
    title = f"One decision explained: {row['action']} {row['ticker']} for {row['account_name']}"
    command = tag("code", f"ops explain {row['id']}")
    return [
        tag("h2", title),
        tag("p", "The same for any other: ", command),
        tag("div", *map(_section, sections(facts.explained)), class_="story"),
    ]


def _section(section: Section) -> Html:
    rows = [table(section.rows, section.title)] if section.rows else []
    return tag(
        "section",
        tag("h3", section.title),
        *(tag("p", sentence) for sentence in section.sentences),
        *rows,
    )


def _headlines(facts: PageData) -> list[Html]:
    if not facts.headlines:
        return [tag("h2", "Headlines"), tag("p", "None named a ticker.")]
    left_out = facts.headlines_left_out
    stories = sum(row["telling"] == 1 for row in facts.headlines)
    shown = (
        f"{len(facts.headlines)} headlines that name a ticker; {stories} stories, each counted once"
    )
    more = f", the newest; {left_out} before them are in the database" if left_out else ""
    rows = table(tables.headlines(facts), "Headlines that name a ticker")
    return [tag("h2", "Headlines"), tag("details", tag("summary", f"{shown}{more}"), rows)]


def _policy(script: str) -> Html:
    """A content security policy: the page may run its own script and load nothing.

    Vega compiles its expressions, hence unsafe-eval; and it sets styles on what it draws.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    rules = (
        f"default-src 'none'; script-src 'sha256-{digest}' 'unsafe-eval'; "
        "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return tag("meta", http_equiv="Content-Security-Policy", content=rules)


def _script() -> str:
    """Vega, Vega-Lite, vega-embed and our few lines as one script."""
    return javascript_bundle(_text("page.js"))


def _json(charts: dict[str, Spec]) -> Html:
    """JSON whose text cannot close the script element."""
    text = json.dumps(charts, default=float, separators=(",", ":"))
    return Html(text.replace("<", "\\u003c"))


def _text(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")
