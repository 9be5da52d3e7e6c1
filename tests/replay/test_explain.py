"""`ops explain`: each recommendation can be told from its headlines to what it earned."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from operator import mul

import pytest

from ops_local import deployed
from ops_local.cli import main
from ops_local.explain import records
from ops_local.explain.sections import Section, sections
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db.driver.connection import Database, Row
from ops_pipeline.domain.news.sentiment import MODEL
from ops_pipeline.runtime.wiring import Runtime
from tests.replay.conftest import Day
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process

_IDS = "SELECT id FROM dispatch_recommendations ORDER BY id"
_TRADE = ["Decision", "Headlines", "Bars and features", "Signal", "Gates", "Size"]


def _told(day: Day, number: int) -> dict[str, Section]:
    with day.reading() as tx:
        return {part.title: part for part in sections(records.explain(tx, number))}


def _ops(day: Day, *words: str) -> int:
    return _run("--database-url", day.urls.reader, *words)


def _at(stack: str, *words: str) -> int:
    return _run("--stack", stack, *words)


def _run(*words: str) -> int:
    return main(["explain", *words], {})


def test_the_best_story_is_the_trade_with_news_that_moved_most(generated_morning: Day) -> None:
    with generated_morning.reading() as tx:
        number = records.best(tx)
        assert number is not None
        told = records.explain(tx, number)
    earned = generated_morning.rows(
        """
        SELECT abs(h.pnl_dollars) AS moved FROM position_history AS h
        JOIN dispatch_executions AS e USING (execution_id)
        JOIN dispatch_recommendations AS r ON r.id = e.recommendation_id
        WHERE r.sentiment_snapshot IS NOT NULL
        """
    )
    (position,) = told.positions
    assert abs(position["pnl_dollars"]) == max(row["moved"] for row in earned)
    assert told.headlines


def test_a_trade_is_told_to_its_result_with_the_database_s_figures(generated_morning: Day) -> None:
    row = generated_morning.rows(
        """
        SELECT e.recommendation_id, h.pnl_dollars, p.opened_quantity FROM position_history AS h
        JOIN active_positions AS p ON p.id = h.position_id
        JOIN dispatch_executions AS e ON e.execution_id = h.execution_id
        ORDER BY h.pnl_dollars DESC LIMIT 1
        """
    )[0]
    told = _told(generated_morning, row["recommendation_id"])
    assert list(told) == [*_TRADE, "Orders", "Fills", "Position", "Result"]
    assert f"P&L {row['pnl_dollars']:+,.2f} USD" in told["Result"].sentences[1]
    bought = sum(fill["qty"] for fill in told["Fills"].rows if fill["side"] == "buy")
    sold = sum(fill["qty"] for fill in told["Fills"].rows if fill["side"] == "sell")
    assert bought == sold == row["opened_quantity"]
    assert [event["event"] for event in told["Position"].rows][-1] == "closed"


def test_the_arithmetic_of_every_signal_comes_to_its_confidence(generated_morning: Day) -> None:
    for row in generated_morning.rows("SELECT id, confidence FROM dispatch_recommendations"):
        *_, last, total = _told(generated_morning, row["id"])["Signal"].rows
        assert total["so far"] == f"{row['confidence']:.3f}"
        assert float(last["so far"]) == pytest.approx(row["confidence"], abs=0.001) or (
            row["confidence"] == 1 and float(last["so far"]) > 1
        )


def test_the_headlines_are_those_that_the_signal_counted(generated_morning: Day) -> None:
    counted = generated_morning.rows(
        """
        SELECT id, CAST(sentiment_snapshot ->> 'stories' AS int) AS stories
        FROM dispatch_recommendations
        """
    )
    for row in counted:
        headlines = _told(generated_morning, row["id"])["Headlines"]
        assert len(headlines.rows) == (row["stories"] or 0), row["id"]
    assert any(row["stories"] for row in counted)


def test_the_quoted_scores_weigh_up_to_the_sentiment(generated_morning: Day) -> None:
    counted = generated_morning.rows(
        """
        SELECT id, CAST(sentiment_snapshot ->> 'score' AS float8) AS score
        FROM dispatch_recommendations WHERE sentiment_snapshot IS NOT NULL
        """
    )
    assert counted
    for row in counted:
        headlines = _told(generated_morning, row["id"])["Headlines"]
        weights = [1 - quoted["age min"] / 120 for quoted in headlines.rows]
        scores = [float(quoted["score"]) for quoted in headlines.rows]
        mean = sum(map(mul, weights, scores)) / sum(weights)
        # Ages and scores are quoted rounded.
        assert mean == pytest.approx(row["score"], abs=0.03), row["id"]
        assert all(quoted["reports"] >= 1 for quoted in headlines.rows)
        assert MODEL in headlines.sentences[0]


def test_a_refusal_ends_with_its_gates_those_that_refused_first(generated_morning: Day) -> None:
    row = generated_morning.rows(
        """
        SELECT id, risk_gate_json AS gates FROM dispatch_recommendations
        WHERE status = 'SKIPPED' ORDER BY id LIMIT 1
        """
    )[0]
    told = _told(generated_morning, row["id"])
    assert list(told) == _TRADE
    refused = {name for name, gate in row["gates"].items() if not gate["passed"]}
    rows = told["Gates"].rows
    assert {gate["gate"] for gate in rows[: len(refused)]} == refused
    assert [gate["verdict"] for gate in rows].count("REFUSED") == len(refused)
    assert len(rows) == len(row["gates"])
    for name in refused:
        assert f"{name}: {row['gates'][name]['reason']}." in told["Gates"].sentences


def test_the_size_names_the_bound_that_gave_it(generated_morning: Day) -> None:
    row = generated_morning.rows(
        "SELECT id, risk_gate_json -> 'size' AS size FROM dispatch_recommendations "
        "WHERE status = 'EXECUTED' AND action = 'BUY' ORDER BY id LIMIT 1"
    )[0]
    told = _told(generated_morning, row["id"])["Size"]
    least = told.rows[0]
    assert (least["bound"], least["counts"]) == (row["size"]["bound"], "the least")
    assert len(told.rows) == len(row["size"]["allowed"])


def test_a_sale_by_signal_shows_the_position_it_asked_to_close(generated_morning: Day) -> None:
    row: Row = generated_morning.rows(
        "SELECT id, ticker FROM dispatch_recommendations WHERE action = 'SELL' ORDER BY id LIMIT 1"
    )[0]
    with generated_morning.reading() as tx:
        told = records.explain(tx, row["id"])
    assert [position["ticker"] for position in told.positions] == [row["ticker"]]
    assert "exit_requested" in {event["kind"] for event in told.events}


def test_it_is_printed_within_80_columns(
    generated_morning: Day, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert _ops(generated_morning) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    titles = ("Decision", "Headlines", "Signal", "Gates", "Size", "Orders", "Fills", "Result")
    assert [line for line in lines if line in titles] == list(titles)


def test_json_gives_the_rows_behind_it(
    generated_morning: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    number = generated_morning.rows(_IDS)[0]["id"]
    assert _ops(generated_morning, str(number), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["recommendation"]["id"] == number
    assert {"headlines", "bars", "orders", "fills", "positions", "events"} < facts.keys()


def test_an_unknown_number_ends_with_1_and_a_word_with_2(
    generated_morning: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(generated_morning, "7") == 1
    assert "ops: there is no recommendation 7" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        _ops(generated_morning, "AAPL")
    assert ended.value.code == 2


@pytest.fixture
def stack(generated_morning: Day, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The morning's database, asked through its deployed console."""
    runtime = Runtime({"DATABASE_READER_URL": generated_morning.urls.reader}, WallClock())
    with in_process(runtime), lambda_endpoint() as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield STACK


def test_a_deployed_stack_tells_the_same_to_the_last_digit(
    generated_morning: Day, stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    far = deployed.TypedStackReader(stack)
    for row in generated_morning.rows(f"{_IDS} LIMIT 20"):
        with generated_morning.reading() as tx:
            near = records.explain(tx, row["id"])
        # A Decimal equals a float of its value: its written form does not.
        assert repr(records.explain(far, row["id"])) == repr(near)

    assert _ops(generated_morning) == 0
    here = capsys.readouterr().out
    assert _at(stack) == 0
    assert capsys.readouterr().out == here


def test_what_a_deployed_stack_can_t_tell_ends_with_1(
    stack: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _at(stack, "7") == 1
    assert "ops: there is no recommendation 7" in capsys.readouterr().err
    assert _at("other") == 1
    assert "ops: other-db-query could not be called" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        _at(stack, "--replay", "morning")
    assert ended.value.code == 2


def test_a_database_without_recommendations_has_no_story(db: Database) -> None:
    with db.transaction() as tx:
        assert records.best(tx) is None


def test_a_list_that_cannot_be_read_takes_no_other_part_down(
    generated_morning: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    with _hidden(generated_morning, "fills"):
        assert _ops(generated_morning) == 1
        lines = capsys.readouterr().out.splitlines()
        assert _ops(generated_morning, "--json") == 1
        facts = json.loads(capsys.readouterr().out)
    told = lines[lines.index("Fills") + 1]
    assert told.startswith("Not known: ")
    assert {"Decision", "Headlines", "Signal", "Gates", "Orders", "Result"} < set(lines)
    assert list(facts["unread"]) == ["fills"]
    assert facts["orders"]


def test_an_odd_snapshot_takes_no_other_part_down(generated_morning: Day) -> None:
    number = generated_morning.rows(_IDS)[0]["id"]
    with generated_morning.reading() as tx:
        whole = records.explain(tx, number)
    odd = replace(whole, recommendation={**whole.recommendation, "features_snapshot": {}})
    told = {part.title: part for part in sections(odd)}
    assert list(told) == [part.title for part in sections(whole)]
    assert [title for title, part in told.items() if not part.is_known] == ["Bars and features"]


@contextmanager
def _hidden(day: Day, table: str) -> Iterator[None]:
    """That table under another name, so that nothing can be read from it."""
    _run_there(day, f"ALTER TABLE {table} RENAME TO hidden")
    try:
        yield
    finally:
        _run_there(day, f"ALTER TABLE hidden RENAME TO {table}")


def _run_there(day: Day, sql: str) -> None:
    with day.reading() as tx:
        tx.execute(sql)
