"""Which recordings there are: coverage, gaps, kinds, what is missing, and what can't be read."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ops_local.cli import main
from ops_local.recordings import recording
from ops_local.recordings.catalogue import Entry, MissingSessions, catalogue, folders_in, missing
from ops_local.recordings.recording import Recording
from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.market import Bar, Quote

OPEN = datetime(2026, 2, 4, 14, 30, tzinfo=UTC)
DAY = date(2026, 2, 4)
CALENDAR = NyseCalendar()
Write = Callable[..., Path]


def bar(minute: int, ticker: str = "AAA") -> Bar:
    price = Decimal("10.25")
    return Bar(ticker, OPEN + timedelta(minutes=minute), price, price, price, price, 7)


@pytest.fixture
def day(tmp_path: Path) -> Recording:
    """AAA has a bar in each minute of the session but three, BBB only one before the open."""
    bars = [bar(minute) for minute in range(390) if minute not in (10, 11, 200)]
    quote = Quote("AAA", OPEN, Decimal("10.24"), 300, Decimal("10.26"), 100)
    return Recording(
        folder=tmp_path / "days" / "2026-02-04",
        day=DAY,
        tickers=("AAA", "BBB"),
        synthetic=False,
        source="a test",
        vix_previous_close=17.5,
        bars={"AAA": bars, "BBB": [bar(-5, "BBB")]},
        quotes={"AAA": [quote], "BBB": []},
        news=[],
    )


def entry_of(day: Recording) -> Entry:
    recording.write(day)
    [entry] = catalogue([day.folder], CALENDAR)
    return entry


def test_coverage_and_gaps_are_those_of_the_session(day: Recording) -> None:
    entry = entry_of(day)
    assert (entry.day, entry.kind, entry.tickers, entry.bars) == (DAY, "recorded", 2, 388)
    assert entry.coverage == pytest.approx(387 / 780)
    assert (entry.gaps, entry.longest_gap, entry.silent) == (2, 2, ("BBB",))
    assert (entry.quotes, entry.sizes, entry.vix, entry.problem) == (
        "recorded",
        "shares",
        True,
        None,
    )


def test_what_is_modelled_or_made_up_is_said(day: Recording) -> None:
    assert entry_of(replace(day, quotes_modelled=True)).quotes == "modelled"
    made_up = entry_of(replace(day, synthetic=True))
    assert (made_up.kind, made_up.quotes) == ("generated", "generated")
    bare = entry_of(replace(day, folder=day.folder.parent / "bare", quotes={}))
    assert (bare.quotes, bare.sizes) == ("none", None)


def test_sizes_in_round_lots_are_told(day: Recording) -> None:
    recording.write(replace(day, day=date(2025, 2, 4), bars={}, quotes={}))
    facts = json.loads((day.folder / "session.json").read_text())
    (day.folder / "session.json").write_text(json.dumps({**facts, "quote_sizes": "round_lots"}))
    assert recording.load(day.folder).quote_sizes == "round_lots"


def test_a_word_about_quotes_that_is_not_known_is_refused(day: Recording) -> None:
    recording.write(day)
    facts = json.loads((day.folder / "session.json").read_text())
    (day.folder / "session.json").write_text(json.dumps({**facts, "quotes": "guessed"}))
    [entry] = catalogue([day.folder], CALENDAR)
    assert entry.day is None
    assert "expected quotes as recorded or modelled, not 'guessed'" in (entry.problem or "")


def test_a_day_without_a_session_is_a_problem(day: Recording) -> None:
    recording.write(replace(day, day=date(2026, 2, 7), bars={}, quotes={}))
    [entry] = catalogue([day.folder], CALENDAR)
    assert (entry.coverage, entry.problem) == (None, "the exchange was closed on 2026-02-07")


def test_one_that_cannot_be_read_costs_no_other_its_place(day: Recording) -> None:
    recording.write(day)
    broken = day.folder.parent / "broken"
    broken.mkdir()
    (broken / "session.json").write_text("{")
    first, second = catalogue(folders_in(day.folder.parent), CALENDAR)
    assert (first.day, first.problem) == (DAY, None)
    assert second.day is None
    assert "expected JSON" in (second.problem or "")


def test_recordings_are_found_at_any_depth_and_not_inside_each_other(day: Recording) -> None:
    recording.write(day)
    recording.write(replace(day, folder=day.folder / "feeds" / "inner"))
    assert folders_in(day.folder.parents[1]) == [day.folder]
    assert folders_in(day.folder.parent / "nothing") == []


def test_missing_sessions_are_told_in_stretches_without_weekends() -> None:
    # 16 February 2026 was Presidents' Day.
    days = (date(2026, 2, 12), date(2026, 2, 18), date(2026, 2, 19), date(2026, 2, 23))
    entries = [Entry(folder=Path(str(day)), day=day) for day in days]
    assert missing(entries, CALENDAR) == [
        MissingSessions(date(2026, 2, 13), date(2026, 2, 17), 2),
        MissingSessions(date(2026, 2, 20), date(2026, 2, 20), 1),
    ]
    assert missing(entries[:1], CALENDAR) == []
    assert missing([Entry(folder=Path("x"), problem="no")], CALENDAR) == []


def test_the_verb_says_what_is_wrong_and_ends_with_1(
    day: Recording, capsys: pytest.CaptureFixture[str]
) -> None:
    recording.write(day)
    assert main(["recordings", str(day.folder)], {}) == 0
    shown = capsys.readouterr().out
    assert "49.6%" in shown
    assert "BBB" in shown
    (day.folder / "bars.csv.gz").unlink()
    assert main(["recordings", "--json", str(day.folder)], {}) == 1
    [found] = json.loads(capsys.readouterr().out)["recordings"]
    assert "bars.csv.gz: expected this file in every recording" in found["problem"]


def test_without_a_name_the_state_folder_s_are_listed(
    day: Recording, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {"OPS_HOME": str(tmp_path)}
    assert main(["recordings"], variables) == 1
    assert "there are no recordings in" in capsys.readouterr().err
    recording.write(replace(day, folder=tmp_path / "recordings" / "mine"))
    assert main(["recordings", "--json"], variables) == 0
    assert len(json.loads(capsys.readouterr().out)["recordings"]) == 1
