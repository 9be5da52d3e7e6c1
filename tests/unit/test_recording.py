"""A recording is read whole or refused with the file, the line and what was expected."""

import gzip
import json
import os
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest

from ops_local.recordings import recording
from ops_local.recordings.recording import InvalidRecording, RecordedNewsItem, Recording
from ops_pipeline.domain.market import Bar, Quote, new_york_day
from tests.support.machine import within

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
SHARED = Path(os.environ.get("OPS_SHARED", Path(__file__).parents[3] / "shared")) / "data"


def a_recording(folder: Path) -> Recording:
    cents = Decimal("10.25")
    bars = [Bar("AAA", OPEN + timedelta(minutes=n), cents, cents, cents, cents, 7) for n in (0, 2)]
    quote = Quote("AAA", OPEN, Decimal("10.24"), 300, Decimal("10.26"), 100)
    news = RecordedNewsItem(
        feed="wire",
        guid=None,
        title="Aaa \u2013 \u201cquoted\u201d & <b>bold</b>",
        link="https://wire.example/1",
        summary=None,
        published_at=None,
        available_at=OPEN,
    )
    return Recording(
        folder=folder,
        day=date(2026, 2, 4),
        tickers=("BBB", "AAA"),
        synthetic=True,
        source="a test",
        vix_previous_close=17.5,
        bars={"BBB": [], "AAA": bars},
        quotes={"BBB": [], "AAA": [quote]},
        news=[news],
    )


@pytest.fixture
def written(tmp_path: Path) -> Recording:
    day = a_recording(tmp_path / "day")
    recording.write(day)
    return day


def put(file: Path, text: str) -> None:
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def put_session(folder: Path, **changed: object) -> None:
    facts = json.loads((folder / "session.json").read_text())
    (folder / "session.json").write_text(json.dumps({**facts, **changed}))


def put_bar(folder: Path, row: str, *, before: str = "") -> None:
    put(folder / "bars.csv.gz", f"ticker,ts,open,high,low,close,volume\n{before}{row}\n")


def test_what_was_written_is_read_back_unchanged(written: Recording) -> None:
    assert recording.load(written.folder) == written


def test_the_same_recording_gives_the_same_bytes(written: Recording, tmp_path: Path) -> None:
    recording.write(replace(written, folder=tmp_path / "again"))
    names = {file.name for file in written.folder.iterdir()}
    assert names == {"session.json", "bars.csv.gz", "quotes.csv.gz", "news.jsonl"}
    for name in names:
        again = (tmp_path / "again" / name).read_bytes()
        assert again == (written.folder / name).read_bytes()


def test_a_packed_file_carries_no_time_and_no_name(written: Recording) -> None:
    header = (written.folder / "bars.csv.gz").read_bytes()[:10]
    flags_and_time = header[3:8]
    assert flags_and_time == bytes(5)


def test_quotes_that_were_not_recorded_are_not_invented(written: Recording) -> None:
    (written.folder / "quotes.csv.gz").unlink()
    assert recording.load(written.folder).quotes == {"AAA": [], "BBB": []}


def a_day_before(folder: Path) -> Recording:
    """The same on a day on which Alpaca still counted round lots."""
    back = timedelta(days=100)
    day = a_recording(folder)
    return replace(
        day,
        day=day.day - back,
        bars={name: [replace(it, ts=it.ts - back) for it in its] for name, its in day.bars.items()},
        quotes={
            name: [replace(it, ts=it.ts - back) for it in its] for name, its in day.quotes.items()
        },
    )


def sizes(day: Recording) -> tuple[int, int]:
    (quote,) = day.quotes["AAA"]
    return quote.bid_size, quote.ask_size


def test_a_recording_says_that_its_sizes_are_shares(written: Recording) -> None:
    facts = json.loads((written.folder / "session.json").read_text())
    assert facts["quote_sizes"] == "shares"
    assert sizes(recording.load(written.folder)) == (300, 100)


def test_sizes_in_round_lots_are_read_as_shares(tmp_path: Path) -> None:
    day = a_day_before(tmp_path / "lots")
    recording.write(day)
    put_session(day.folder, quote_sizes="round_lots")
    read = recording.load(day.folder)
    assert sizes(read) == (30_000, 10_000)
    recording.write(replace(read, folder=tmp_path / "again"))
    assert sizes(recording.load(tmp_path / "again")) == (30_000, 10_000)


def test_a_recording_without_the_unit_counts_shares(written: Recording) -> None:
    facts = json.loads((written.folder / "session.json").read_text())
    del facts["quote_sizes"]
    (written.folder / "session.json").write_text(json.dumps(facts))
    assert sizes(recording.load(written.folder)) == (300, 100)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("lots", "expected quote_sizes as shares or round_lots, not 'lots'"),
        (100, "expected quote_sizes as shares or round_lots, not 100"),
        (["shares"], "expected quote_sizes as shares or round_lots"),
        ("round_lots", "expected quote_sizes in shares from 2025-11-03 on"),
    ],
)
def test_a_unit_that_nobody_uses_is_refused(
    written: Recording, unit: object, expected: str
) -> None:
    put_session(written.folder, quote_sizes=unit)
    with pytest.raises(InvalidRecording, match=expected):
        recording.load(written.folder)


def test_an_unknown_vix_is_none_and_not_a_figure(tmp_path: Path) -> None:
    recording.write(replace(a_recording(tmp_path), vix_previous_close=None))
    assert "vix" not in (tmp_path / "session.json").read_text()
    assert recording.load(tmp_path).vix_previous_close is None


def test_a_folder_without_bars_is_no_recording(written: Recording) -> None:
    (written.folder / "bars.csv.gz").unlink()
    with pytest.raises(InvalidRecording, match=r"bars\.csv\.gz: expected this file"):
        recording.load(written.folder)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"date": "4 February"}, "YYYY-MM-DD"),
        ({"tickers": []}, "distinct symbols"),
        ({"tickers": ["AAA", "AAA"]}, "distinct symbols"),
        ({"tickers": ["AAA", 5]}, "distinct symbols"),
        ({"synthetic": "no"}, "synthetic as bool"),
        ({"source": None}, "source as str"),
        ({"vix_previous_close": "17"}, "index points"),
        ({"vix_previous_close": float("nan")}, "index points"),
    ],
)
def test_session_facts_that_make_no_sense_are_named(
    written: Recording, changed: dict[str, object], expected: str
) -> None:
    put_session(written.folder, **changed)
    with pytest.raises(InvalidRecording, match=rf"session\.json: expected .*{expected}"):
        recording.load(written.folder)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("AAA,2026-02-04T14:30:00Z,1,1,1,1", "expected ticker, ts, open"),
        ("AAA,2026-02-04T14:30:00Z,1,1,1,one,5", "expected ticker, ts, open"),
        ("AAA,2026-02-04T14:30:00Z,1,1,1,1,5.5", "expected ticker, ts, open"),
        ("AAA,2026-02-04T14:30:00Z,NaN,1,1,1,5", "finite"),
        ("AAA,2026-02-04T14:30:00,1,1,1,1,5", "UTC"),
        ("AAA,2026-02-04T14:30:10Z,1,1,1,1,5", "start of a minute"),
        ("AAA,2026-02-05T14:30:00Z,1,1,1,1,5", "2026-02-04 in New York"),
        ("CCC,2026-02-04T14:30:00Z,1,1,1,1,5", "one of BBB, AAA"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(written: Recording, row: str, expected: str) -> None:
    put_bar(written.folder, row, before="BBB,2026-02-04T14:30:00Z,1,1,1,1,5\n")
    with pytest.raises(InvalidRecording, match=rf"bars\.csv\.gz, line 3: .*{expected}"):
        recording.load(written.folder)


def test_a_minute_that_comes_twice_for_a_ticker_is_refused(written: Recording) -> None:
    row = "AAA,2026-02-04T14:30:00Z,1,1,1,1,5"
    put_bar(written.folder, row, before=f"{row}\n")
    with pytest.raises(InvalidRecording, match="line 3: expected a minute after"):
        recording.load(written.folder)


def test_a_table_with_other_columns_is_refused(written: Recording) -> None:
    put(written.folder / "quotes.csv.gz", "ticker,ts,bid,ask\n")
    with pytest.raises(InvalidRecording, match=r"quotes\.csv\.gz, line 1: expected the header"):
        recording.load(written.folder)


def test_a_torn_file_is_refused(written: Recording) -> None:
    file = written.folder / "bars.csv.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(InvalidRecording, match="whole gzip file"):
        recording.load(written.folder)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{", "expected JSON"),
        ("[]", "expected a JSON object"),
        ("{}", "expected exactly the fields feed"),
    ],
)
def test_a_bad_news_line_is_named_by_number(written: Recording, line: str, expected: str) -> None:
    file = written.folder / "news.jsonl"
    put(file, file.read_text() + line + "\n")
    with pytest.raises(InvalidRecording, match=rf"news\.jsonl, line 2: {expected}"):
        recording.load(written.folder)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"title": None}, "expected title as text, not None"),
        ({"guid": 5}, "expected guid as text or null, not 5"),
        ({"published_at": "yesterday"}, "expected times like"),
    ],
)
def test_a_news_field_of_the_wrong_kind_is_named(
    written: Recording, changed: dict[str, object], expected: str
) -> None:
    file = written.folder / "news.jsonl"
    put(file, json.dumps({**json.loads(file.read_text()), **changed}))
    with pytest.raises(InvalidRecording, match=rf"line 1: {expected}"):
        recording.load(written.folder)


def test_news_is_read_in_the_order_in_which_it_became_visible(written: Recording) -> None:
    item = written.news[0]
    earlier = replace(item, title="earlier", available_at=OPEN - timedelta(minutes=1))
    recording.write(replace(written, news=[item, earlier]))
    assert recording.load(written.folder).news == [earlier, item]


def test_a_day_of_33_tickers_is_read_within_a_second_of_work(tmp_path: Path) -> None:
    bar, quote = a_recording(tmp_path).bars["AAA"][0], a_recording(tmp_path).quotes["AAA"][0]
    tickers = tuple(f"T{n}" for n in range(33))
    minutes = [OPEN + timedelta(minutes=n) for n in range(-320, 640)]
    day = replace(
        a_recording(tmp_path),
        tickers=tickers,
        bars={t: [replace(bar, ticker=t, ts=ts) for ts in minutes] for t in tickers},
        quotes={t: [replace(quote, ticker=t, ts=ts) for ts in minutes] for t in tickers},
    )
    recording.write(day)
    started = time.process_time()
    assert sum(map(len, recording.load(tmp_path).bars.values())) == 33 * 960
    assert within(time.process_time() - started, 1)


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no recorded days at {SHARED}")
def test_every_recorded_real_day_is_read() -> None:
    days = [recording.load(folder) for folder in sorted(SHARED.iterdir())]
    assert len(days) == 8
    for day in days:
        assert not day.synthetic
        assert all(day.bars[ticker] and day.quotes[ticker] for ticker in day.tickers)
        assert {new_york_day(bar.ts) for bars in day.bars.values() for bar in bars} == {day.day}


def test_a_link_a_pipe_and_a_folder_are_no_files_of_a_recording(
    written: Recording, tmp_path: Path
) -> None:
    for name in ("session.json", "bars.csv.gz", "quotes.csv.gz", "news.jsonl"):
        file, kept = written.folder / name, tmp_path / name
        file.rename(kept)
        for make in (partial(os.symlink, kept), os.mkfifo, Path.mkdir):
            make(file)
            with pytest.raises(InvalidRecording, match=f"{name}: expected a regular file"):
                recording.load(written.folder)
            file.rmdir() if file.is_dir() and not file.is_symlink() else file.unlink()
        kept.rename(file)
    assert recording.load(written.folder).tickers == written.tickers


def test_a_link_to_nowhere_is_not_the_same_as_no_news(written: Recording) -> None:
    news = written.folder / "news.jsonl"
    news.unlink()
    news.symlink_to(written.folder / "gone")
    with pytest.raises(InvalidRecording, match=r"news\.jsonl"):
        recording.load(written.folder)


@pytest.mark.parametrize("name", ["session.json", "bars.csv.gz", "news.jsonl"])
def test_a_nul_is_refused_by_its_file(written: Recording, name: str) -> None:
    put(written.folder / name, "{}\0")
    with pytest.raises(InvalidRecording, match=f"{name}: expected text without a NUL"):
        recording.load(written.folder)


@pytest.mark.parametrize("name", ["session.json", "news.jsonl"])
def test_json_that_is_nested_too_deep_is_refused_by_its_file(written: Recording, name: str) -> None:
    put(written.folder / name, "[" * 200_000)
    with pytest.raises(InvalidRecording, match=rf"{name}.*: expected JSON"):
        recording.load(written.folder)


def test_a_packed_table_without_end_is_refused(
    written: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops_local.recordings.tables._MOST_BYTES", 1_000)
    put(written.folder / "bars.csv.gz", "a" * 1_001)
    with pytest.raises(InvalidRecording, match="at most 1000 bytes unpacked"):
        recording.load(written.folder)


@pytest.mark.parametrize("odd", ["\\u0000", "\\ud800"])
@pytest.mark.parametrize("name", ["session.json", "news.jsonl"])
def test_a_text_that_no_database_stores_is_refused_by_its_place(
    written: Recording, name: str, odd: str
) -> None:
    """Written as an escape, a NUL is no NUL of the file."""
    file = written.folder / name
    text = file.read_text()
    field = '"source": "' if name == "session.json" else '"title": "'
    assert field in text
    file.write_text(text.replace(field, field + odd, 1))
    with pytest.raises(InvalidRecording, match=f"{name}.*NUL"):
        recording.load(written.folder)
