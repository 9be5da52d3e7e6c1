"""Each door through which strangers' bytes come: whatever comes is read or refused by a name.

Seeded slices in every run; `make fuzz` gives each door ten minutes. What was found is kept as a
case beside the code that it was about, and as an odd text or example here.
"""

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from ops_local.database import DatabaseUrls
from ops_local.recordings import recording
from ops_local.recordings.tables import InvalidRecording
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from ops_pipeline.adapters.alpaca_data import AlpacaMarketData
from ops_pipeline.db.console.console import Console, ConsoleLimits
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.migrations.files import read_folder
from ops_pipeline.db.migrations.plan import plan
from ops_pipeline.domain.legible import is_legible
from ops_pipeline.domain.news.identity import news_items
from ops_pipeline.domain.news.items import FeedState
from ops_pipeline.errors import FeedUnavailable, InvalidInput, MigrationRefused, OpsError
from tests.conftest import MIGRATIONS, ROOT
from tests.contract.alpaca_answers import START, raw_fill, raw_order
from tests.contract.stub_broker import ACCOUNT, ACCOUNT_NUMBER, Answer, Stub, serving
from tests.fuzz.exploring import SECONDS, explore
from tests.fuzz.inputs import JSON, ODD_TEXTS, altered, noisy
from tests.news.hostile_feeds import ODDITIES, STAMP
from tests.support.feed_server import FeedServer, Page, feed_server, item, local_feed, rss
from tests.support.handlers import FUNCTIONS, events_of, read_as_its_handler

pytestmark = pytest.mark.timeout(max(300, 3 * SECONDS))
TICK = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)


def _refused(error: Exception, *names: str) -> None:
    """A refusal can be stored and shown, and names one of these where there are any."""
    assert is_legible(str(error))
    assert not names or any(name in str(error) for name in names)


# Feeds: bytes and headers.

_ATOM = (
    b'<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><entry><id>1</id>'
    b'<title type="html">Aaa &amp;amp; rises</title><updated>2026-02-04T14:30:00Z</updated>'
    b'<link rel="alternate" href="http://wire.example/1?a=1&amp;b=2"/></entry></feed>'
)
_FEEDS = [
    rss(item("Aaa rises", guid="1", published=STAMP)),
    _ATOM,
    *(odd.make() for odd in ODDITIES.values() if len(odd.make()) < 4000),
]
_HEADERS = st.dictionaries(
    st.sampled_from(["ETag", "Last-Modified", "Content-Type", "Content-Encoding", "Date", "Age",
                     "Location", "Cache-Control", "Retry-After", "Content-Language"]),
    st.one_of(
        st.sampled_from([t for t in ODD_TEXTS if t.isascii() and "\n" not in t]),
        st.sampled_from(["gzip", "br", "deflate", "text/xml; charset=utf-16", "text/html",
                         "application/xml; charset=\x00", STAMP, "max-age=99999999999999999999"]),
        st.text(st.characters(max_codepoint=255, blacklist_characters="\r\n"), max_size=60),
    ),
    max_size=4,
)  # fmt: skip
_STATUSES = st.sampled_from([200, 200, 200, 200, 204, 301, 304, 404, 410, 429, 503])


@pytest.fixture
def web() -> Iterator[FeedServer]:
    with feed_server() as served:
        yield served


def test_a_feed_is_read_or_is_unavailable_and_what_it_says_can_be_stored(web: FeedServer) -> None:
    def feed(given: tuple[bytes, dict[str, str], int]) -> None:
        body, headers, status = given
        state = FeedState(web.put("/f", Page(body, status=status, headers=headers)), "Wire")
        try:
            document = local_feed().fetch(state)
        except FeedUnavailable as error:
            _refused(error)
            return
        told = [document.etag, document.last_modified, document.moved_to]
        for one in news_items(document.entries, state, TICK):
            told += [one.title, one.link, one.summary, one.canonical_link, one.title_key]
        assert all(is_legible(text) for text in told if text is not None)

    explore(st.tuples(noisy(_FEEDS), _HEADERS, _STATUSES), feed)


# Brokers and market data: answers.


@pytest.fixture
def street() -> Iterator[Stub]:
    with serving() as running:
        yield running


_POSITION = {"symbol": "AAA", "side": "long", "qty": "3", "qty_available": "3",
             "avg_entry_price": "9.5", "asset_class": "us_equity"}  # fmt: skip
_CASH = {"id": "c-1", "activity_type": "FEE", "net_amount": "-1", "date": "2026-02-04",
         "created_at": "2026-02-04T14:31:00Z"}  # fmt: skip
_QUOTE = {"t": "2026-02-04T14:30:59.5Z", "bp": 9.99, "bs": 3, "ap": 10.01, "as": 2}
_BAR = {"t": "2026-02-04T14:30:00Z", "o": 10, "h": 10.5, "l": 9.9, "c": 10.1, "v": 700}


def _listed(honest: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(st.one_of(altered(honest), JSON), max_size=3), JSON)


def _by_ticker(name: str, inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    tickers = st.dictionaries(st.sampled_from(["AAA", "BBB", "", "\x00"]), inner, max_size=2)
    return st.one_of(tickers.map(lambda found: {name: found}), JSON)


def test_a_broker_s_answer_is_read_item_by_item_or_is_no_answer(street: Stub) -> None:
    def broker(given: tuple[str, Any]) -> None:
        request, body = given
        street.script("GET /v2/account", Answer(body=ACCOUNT))
        street.script(request, Answer(body=body))
        ours = AlpacaBroker(street.url, "key", "a secret", ACCOUNT_NUMBER)
        for ask in (
            ours.account,
            ours.positions,
            lambda: ours.orders_since(START),
            lambda: ours.order_by_client_id("main-large-AAA-1"),
            lambda: ours.fills_since(START),
            lambda: ours.cash_activities_since(START),
        ):
            try:
                ask()
            except OpsError as error:
                _refused(error)
        street.sent.clear()
        street.answers.clear()

    answers = st.one_of(
        st.tuples(st.just("GET /v2/account"), st.one_of(altered(ACCOUNT), JSON)),
        st.tuples(st.just("GET /v2/positions"), _listed(_POSITION)),
        st.tuples(st.just("GET /v2/orders"), _listed(raw_order())),
        st.tuples(
            st.just("GET /v2/orders:by_client_order_id"), st.one_of(altered(raw_order()), JSON)
        ),
        st.tuples(st.just("GET /v2/account/activities/FILL"), _listed(raw_fill(1))),
        st.tuples(st.just("GET /v2/account/activities"), _listed(_CASH)),
    )
    explore(answers, broker)


def test_bars_and_quotes_are_read_item_by_item_or_are_no_answer(street: Stub) -> None:
    def market(given: tuple[Any, Any]) -> None:
        street.script("GET /v2/stocks/bars", Answer(body=given[0]))
        street.script("GET /v2/stocks/quotes/latest", Answer(body=given[1]))
        ours = AlpacaMarketData(url=street.url, key_id="key", secret_key="a secret", feed="iex")
        for ask in (
            lambda: ours.bars(["AAA", "BBB"], START, START + timedelta(minutes=2)),
            lambda: ours.quotes(["AAA", "BBB"]),
        ):
            try:
                ask()
            except OpsError as error:
                _refused(error)
        street.sent.clear()

    explore(
        st.tuples(_by_ticker("bars", _listed(_BAR)), _by_ticker("quotes", altered(_QUOTE))), market
    )


# Events.

_EVENTS = [(name, event) for name in FUNCTIONS for event in events_of(name).values()]


def test_an_event_is_accepted_whole_or_refused_by_its_field() -> None:
    def event(given: tuple[str, Any]) -> None:
        try:
            read_as_its_handler(*given)
        except InvalidInput as error:
            _refused(error)

    honest = st.sampled_from(_EVENTS).flatmap(
        lambda one: st.tuples(st.just(one[0]), altered(one[1]) if one[1] else JSON)
    )
    explore(st.one_of(honest, st.tuples(st.sampled_from(FUNCTIONS), JSON)), event)


# Recordings.

_SESSION = json.dumps(
    {"date": "2026-02-04", "tickers": ["AAA"], "synthetic": True, "source": "a test",
     "vix_previous_close": 16.7}
).encode()  # fmt: skip
_BARS = b"ticker,ts,open,high,low,close,volume\nAAA,2026-02-04T14:30:00Z,10,10.5,9.9,10.1,700\n"
_QUOTES = b"ticker,ts,bid,bid_size,ask,ask_size\nAAA,2026-02-04T14:30:00Z,9.99,300,10.01,100\n"
_NEWS = json.dumps(
    {"feed": "wire", "guid": "1", "title": "Aaa", "link": "https://wire.example/1",
     "summary": None, "published_at": None, "available_at": "2026-02-04T14:30:00Z"}
).encode()  # fmt: skip


def _files() -> st.SearchStrategy[dict[str, bytes]]:
    """The four files of a recording, one or two of them odd; packed, or what is not packed."""

    def packed(plain: bytes) -> st.SearchStrategy[bytes]:
        honest = st.just(gzip.compress(plain))
        return st.one_of(honest, honest, noisy([plain]).map(gzip.compress), noisy([honest_gz]))

    honest_gz = gzip.compress(_BARS)
    return st.fixed_dictionaries(
        {
            "session.json": st.one_of(st.just(_SESSION), noisy([_SESSION])),
            "bars.csv.gz": packed(_BARS),
            "quotes.csv.gz": packed(_QUOTES),
            "news.jsonl": st.one_of(st.just(_NEWS), noisy([_NEWS])),
        }
    )


def test_a_recording_is_read_whole_or_refused_with_its_file(tmp_path: Path) -> None:
    def recorded(files: dict[str, bytes]) -> None:
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        try:
            read = recording.load(tmp_path)
        except InvalidRecording as error:
            _refused(error, *files)
            return
        assert all(is_legible(str(one.title)) for one in read.news)

    explore(_files(), recorded)


# The console.

_STATEMENTS = [
    b"SELECT account_name, max_exposure FROM accounts WHERE account_name = $1",
    b"SELECT E'a\\'b', $q$ text $q$, U&'\\0061', '{1,2}'::int[], now(), 1.5::numeric, NULL",
    b"WITH a AS (SELECT 1 AS n) SELECT n, :name::text FROM a ORDER BY n LIMIT 3 -- end",
    b"SHOW work_mem; EXPLAIN SELECT 1 /* /* nested */ */",
    b"INSERT INTO alerts VALUES (1); COMMIT; SELECT set_config('transaction_read_only', 'off')",
]
_PARAMS = st.one_of(
    st.none(), st.lists(JSON, max_size=2), st.dictionaries(st.just("name"), JSON, max_size=1), JSON
)


@pytest.fixture
def console(database_urls: DatabaseUrls) -> Iterator[Console]:
    limits = ConsoleLimits(statement_ms=500, rows=50, body_bytes=50_000)
    with closing(Console(target_from_url(database_urls.reader), limits)) as opened:
        yield opened


def test_a_statement_is_answered_with_json_whatever_it_is_and_changes_nothing(
    console: Console, db: Database
) -> None:
    def statement(given: tuple[bytes, Any]) -> None:
        answer = console.run(given[0].decode("utf-8", "surrogatepass"), given[1])
        body = json.loads(answer["body"], parse_constant=pytest.fail)
        assert (answer["statusCode"], body["success"]) in ((200, True), (400, False))
        assert "InternalError" not in str(body.get("error"))

    def readable(given: tuple[bytes, Any]) -> bool:
        try:
            given[0].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return False
        return True

    explore(st.tuples(noisy(_STATEMENTS), _PARAMS).filter(readable), statement)
    with db.transaction() as tx:
        assert tx.rows("SELECT count(*) AS n FROM alerts") == [{"n": 0}]


# Migration files.

_SQL = [
    *(path.read_bytes()[:4000] for path in sorted(MIGRATIONS.glob("*.sql"))),
    b"-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY a ON b (c);\nDROP INDEX d;\n",
    b"BEGIN;\nCREATE FUNCTION f() RETURNS int AS $x$ BEGIN RETURN 1; END $x$ LANGUAGE plpgsql;\n"
    b"COMMIT;\n",
    b"-- migrate:up\nSELECT 1;\n-- migrate:down\nSELECT 2;\n",
    b"COPY a FROM STDIN;\n1\t2\n\\.\nCREATE PROCEDURE p() BEGIN ATOMIC SELECT 1; END;\n",
]


def test_a_migration_file_is_planned_or_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "0001_make.sql"

    def migration(content: bytes) -> None:
        file.write_bytes(content)
        try:
            [read] = read_folder(tmp_path)
            planned = plan(read)
            assert plan(read) == planned
        except MigrationRefused as error:
            _refused(error, "0001_make")

    explore(noisy(_SQL), migration)


def test_each_door_of_the_threat_model_is_here() -> None:
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert "tests/fuzz/test_doors.py" in page
