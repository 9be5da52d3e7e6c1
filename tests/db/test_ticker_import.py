"""`ops tickers import` and `list`, as a person calls them."""

import json
import re
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ops_local.cli import main
from ops_local.database import DatabaseUrls, url_for
from ops_local.postgres.server import EmbeddedPostgres
from ops_local.ticker_files import read_csv, read_sec
from ops_pipeline.db import news
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.tickers import find_mentions
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages.operating.watching import watch_only

SEC = {
    "0": {"cik_str": 1, "ticker": "AAPL", "title": "Apple Inc."},
    "1": {"cik_str": 2, "ticker": "QRSA", "title": "QUARTZ RIVER TECHNOLOGIES CORP"},
    "2": {"cik_str": 2, "ticker": "QRSA-PB", "title": "QUARTZ RIVER TECHNOLOGIES CORP"},
}


@pytest.fixture
def urls(database_urls: DatabaseUrls) -> DatabaseUrls:
    return database_urls


@pytest.fixture
def environment(
    urls: DatabaseUrls,
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Path:
    name = target_from_url(urls.reader).database
    monkeypatch.setenv("DATABASE_URL", url_for(postgres.url, database=name))
    monkeypatch.setenv("OPS_HOME", str(tmp_path / "home"))
    return tmp_path


def row(urls: DatabaseUrls, ticker: str) -> dict[str, Any]:
    database = Database(target_from_url(urls.reader), application_name="test")
    with closing(database), database.transaction() as tx:
        (found,) = tx.rows("SELECT * FROM tickers WHERE ticker = :ticker", ticker=ticker)
    return found


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_secs_file_adds_what_is_new_and_leaves_what_is_known(
    environment: Path, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    before = row(urls, "AAPL")
    file = written(environment, "company_tickers.json", json.dumps(SEC))
    assert main(["tickers", "import", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "imported": 1,
        "skipped": {"known already": 1, "preferred, warrant, unit or right": 1},
    }
    # The company's number is SEC's to say; all else is as it was.
    assert row(urls, "AAPL") == {**before, "cik": "0000000001"}
    new = row(urls, "QRSA")
    assert (new["name"], new["aliases"]) == ("Quartz River Technologies", ["Quartz River"])
    assert (new["is_watched"], new["name_needs_context"]) == (False, True)
    # A second time nothing is new.
    assert main(["tickers", "import", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["imported"] == 0


def test_secs_file_with_exchanges_is_read_as_well(environment: Path, urls: DatabaseUrls) -> None:
    document = {
        "fields": ["cik", "name", "ticker", "exchange"],
        "data": [[9, "Quartz River Corp", "QRSA", "Nasdaq"], [8, "Lone Fir Co", "LFIR", None]],
    }
    file = written(environment, "company_tickers_exchange.json", json.dumps(document))
    assert main(["tickers", "import", file]) == 0
    assert (row(urls, "QRSA")["exchange"], row(urls, "LFIR")["exchange"]) == ("NASDAQ", "UNKNOWN")


def test_a_csv_is_the_operators_word_and_wins(environment: Path, urls: DatabaseUrls) -> None:
    text = "ticker,name,aliases,active\nAAPL,Apple,Cupertino giant|iPhone maker,\nIBM,IBM,,no\n"
    assert main(["tickers", "import", written(environment, "mine.csv", text)]) == 0
    apple = row(urls, "AAPL")
    assert apple["aliases"] == ["Cupertino giant", "iPhone maker"]
    assert (apple["exchange"], apple["is_watched"]) == ("NASDAQ", True)
    assert (row(urls, "IBM")["active"], row(urls, "IBM")["is_watched"]) == (False, False)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "symbol,name\nX,Y\n", "header must have ticker and name"),
        ("a.csv", "ticker,name\nAAPL,Apple\nappl3,Apple\n", "line 3: 'appl3' is not a symbol"),
        ("a.csv", "ticker,name,exchange\nQ,Quartz,MOON\n", "line 2: exchange MOON"),
        ("a.csv", "ticker,name,active\nQ,Quartz,maybe\n", "neither true nor false"),
        ("a.csv", "ticker,name\nQ,Quartz\nq,Quartz\n", "more than one line for Q"),
        ("a.csv", "ticker,name\nQ,Quartz,more\n", "more fields than the header"),
        ("a.json", "[", "not JSON"),
        ("a.json", "{}", "no entries"),
        ("a.json", '{"0": {"ticker": "Q"}}', "entry 0 has no ticker, name or cik"),
        ("a.json", '{"0": 5}', "entry 0 is not an object"),
    ],
)
def test_an_odd_line_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    read = read_csv if name.endswith(".csv") else read_sec
    with pytest.raises(InvalidInput, match=re.escape(said)):
        read(Path(written(tmp_path, name, text)))


def test_a_file_with_an_odd_line_is_refused_whole(
    environment: Path, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    before = row(urls, "AAPL")
    text = "ticker,name\nAAPL,Another\nappl3,Apple\n"
    assert main(["tickers", "import", written(environment, "mine.csv", text)]) == 1
    assert "mine.csv, line 3: 'appl3' is not a symbol" in capsys.readouterr().err
    assert row(urls, "AAPL") == before


def test_a_file_that_is_not_there_is_named(
    environment: Path, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tickers", "import", str(environment / "none.json")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_securities_are_found_by_symbol_and_by_a_part_of_a_name(
    environment: Path, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tickers", "list", "goldman", "--json"]) == 0
    assert [found["ticker"] for found in json.loads(capsys.readouterr().out)] == ["GS"]
    assert main(["tickers", "list", "bac", "--json"]) == 0
    assert [found["ticker"] for found in json.loads(capsys.readouterr().out)] == ["BAC"]
    assert main(["tickers", "list", "--most", "3"]) == 0
    assert "AAPL" in capsys.readouterr().out


def test_one_known_by_its_symbol_alone_is_no_ordinary_word(urls: DatabaseUrls) -> None:

    database = Database(target_from_url(urls.writer), application_name="test")
    with closing(database), database.transaction() as tx:
        watch_only(tx, ["ALL", "NOW"])
        book = NameIndex(news.companies(tx))
    assert find_mentions("NOW is the time for ALL of them", book) == ()


def test_the_operator_accepts_and_rejects_and_sees_what_is_decided(
    environment: Path, urls: DatabaseUrls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tickers", "accept", "qrsa", "nke", "--reason", "my list"]) == 1
    assert "unknown: QRSA; import" in capsys.readouterr().err
    text = "ticker,name\nQRSA,QRSA\n"
    assert main(["tickers", "import", written(environment, "mine.csv", text)]) == 0
    capsys.readouterr()
    assert main(["tickers", "accept", "qrsa", "nke", "--reason", "my list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "action": "watch",
        "tickers": ["NKE", "QRSA"],
        "changed": ["NKE", "QRSA"],
        "without_name": ["QRSA"],
    }
    assert (row(urls, "QRSA")["is_watched"], row(urls, "QRSA")["name"]) == (True, "QRSA")
    assert main(["tickers", "reject", "QRSA", "--reason", "second thoughts"]) == 0
    capsys.readouterr()
    assert main(["tickers", "proposals", "--json"]) == 0
    decided = {found["ticker"]: found["status"] for found in json.loads(capsys.readouterr().out)}
    assert decided == {"NKE": "ACCEPTED", "QRSA": "REJECTED"}
    assert main(["tickers", "accept", "no/such/thing", "--reason", "x"]) == 1
    assert "no symbol" in capsys.readouterr().err


def test_a_csv_says_when_a_symbol_was_in_use_and_what_it_became(
    environment: Path, urls: DatabaseUrls
) -> None:
    text = (
        "ticker,name,cik,valid_from,valid_to,renamed_to,names_to\n"
        "QRSA,Quartz River,320193,2012-05-18,2022-06-09,QRSB,\n"
        "QRSB,Quartz River,,2022-06-09,,,2024-01-31\n"
    )
    assert main(["tickers", "import", written(environment, "mine.csv", text)]) == 0
    old, new = row(urls, "QRSA"), row(urls, "QRSB")
    assert (old["cik"], old["valid_from"], old["valid_to"]) == (
        "0000320193",
        date(2012, 5, 18),
        date(2022, 6, 9),
    )
    assert (old["renamed_to"], new["names_to"]) == ("QRSB", date(2024, 1, 31))


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [("cik", "32o193", "no CIK"), ("valid_to", "9 June 2022", "no date like")],
)
def test_an_odd_number_or_date_refuses_the_file(
    environment: Path, capsys: pytest.CaptureFixture[str], field: str, value: str, why: str
) -> None:
    file = written(environment, "mine.csv", f"ticker,name,{field}\nQRSA,Quartz River,{value}\n")
    assert main(["tickers", "import", file]) == 1
    assert why in capsys.readouterr().err
