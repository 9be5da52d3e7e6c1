"""`ops close`: it says what it closes, asks a person, and reports until all of it is flat."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from functions.control.handler import lambda_handler
from ops_local.cli import main
from ops_local.commands import close
from ops_local.database import DatabaseUrls
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import InvalidInput
from ops_pipeline.runtime.wiring import Runtime
from tests.support.builders_trading import DAY, TradingBench
from tests.support.lambda_endpoint import STACK, lambda_endpoint
from tests.support.stand_ins import in_process

_GUARD_RAN = """
INSERT INTO pipeline_runs
    (run_id, stage, tick, scope, attempt, status, owner, lease_expires_at, started_at, finished_at,
     counts)
SELECT CAST(md5(account_name) AS uuid), 'position_manager', CAST(:tick AS timestamptz),
       account_name, 1, 'succeeded', 'test', :tick, :tick, :tick, '{}'
FROM accounts
"""


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Unread(StringIO):
    """A terminal from which nothing may be read."""

    def isatty(self) -> bool:
        return True

    def readline(self, *_: Any) -> Any:
        raise AssertionError("it asked")


@pytest.fixture
def stack(database_urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    variables = {
        "DATABASE_URL": database_urls.writer,
        "DATABASE_READER_URL": database_urls.reader,
    }
    with in_process(Runtime(variables, WallClock())), lambda_endpoint() as endpoint:
        for name, value in endpoint.items():
            monkeypatch.setenv(name, value)
        yield STACK


@pytest.fixture(params=["here", "a stack"])
def where(
    request: pytest.FixtureRequest, admin_url: str, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Words that reach the bench's database, as this machine's or as a deployed stack's."""
    if request.param == "here":
        monkeypatch.setenv("DATABASE_URL", admin_url)
        return []
    return ["--stack", request.getfixturevalue("stack")]


def guard_is_there(bench: TradingBench) -> None:
    """The position manager of each account has just run, by the wall's clock."""
    bench.run(_GUARD_RAN, tick=WallClock().now())


def asked(bench: TradingBench) -> list[str]:
    return [row["asked_by"] for row in bench.rows("SELECT asked_by FROM close_requests")]


def test_on_a_terminal_it_names_what_it_closes_and_a_no_closes_nothing(
    bench: TradingBench,
    where: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.buy()
    bench.quote("BBB")
    bench.recommend("BBB", account="tiny")
    bench.dispatch("tiny")
    bench.recommend("CCC")
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    assert main(["close", *where]) == 1
    told = capsys.readouterr()
    assert "large AAA: 19 held, 0 live" in told.err
    assert "tiny BBB: 0 held, 1 live" in told.err
    assert "recommendations to buy that wait: 1" in told.err
    assert "sells what is held and cancels every live order" in told.err
    assert "in these accounts are refused" in told.err
    assert told.err.endswith("Nothing was closed.\n")
    assert told.out == ""
    assert not asked(bench)


@pytest.mark.parametrize("answer", ["y\n", " YES \n"])
def test_a_yes_closes_what_was_shown(
    bench: TradingBench, where: list[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    bench.buy()
    guard_is_there(bench)
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert main(["close", "--operator", "ann", *where]) == 0
    assert asked(bench) == ["ann"]


@pytest.mark.parametrize(
    ("stdin", "words"), [(Unread(), ["--yes"]), (StringIO(""), [])], ids=["--yes", "no terminal"]
)
def test_with_yes_or_without_a_terminal_it_does_not_ask(
    bench: TradingBench,
    where: list[str],
    monkeypatch: pytest.MonkeyPatch,
    stdin: StringIO,
    words: list[str],
) -> None:
    bench.buy()
    guard_is_there(bench)
    monkeypatch.setattr(sys, "stdin", stdin)
    assert main(["close", "--account", "large", *words, *where]) == 0
    assert len(asked(bench)) == 1


def test_a_halt_never_asks(
    bench: TradingBench, where: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.buy()
    monkeypatch.setattr(sys, "stdin", Unread())
    assert main(["halt", "--reason", "night", *where]) == 0


@pytest.mark.parametrize("scope", [{}, {"account": "large"}, {"confirm": False}])
def test_an_event_that_closes_everything_needs_its_confirm(
    bench: TradingBench, stack: str, scope: dict[str, Any]
) -> None:
    bench.buy()
    event = {"action": "close", "operator": "ann", "reason": "news", **scope}
    with pytest.raises(InvalidInput, match="confirm: without a ticker everything in"):
        lambda_handler(event, None)
    assert not asked(bench)
    assert not bench.rows("SELECT 1 FROM operator_actions")
    assert lambda_handler({**event, "confirm": True}, None)["closing"] == ["large AAA"]


def test_an_event_that_closes_one_ticker_needs_none(bench: TradingBench, stack: str) -> None:
    bench.buy()
    event = {"action": "close", "operator": "ann", "reason": "news", "ticker": " aaa "}
    assert lambda_handler(event, None)["closing"] == ["large AAA"]


def test_a_symbol_is_read_as_the_market_writes_it(
    bench: TradingBench, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.buy()
    bench.quote("BBB")
    bench.buy("BBB")
    guard_is_there(bench)
    assert main(["close", "--ticker", " bbb ", "--json", *where]) == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["ticker"], done["closing"]) == ("BBB", ["large BBB"])
    assert bench.position()["exit_requested"] is None


def test_a_blank_symbol_does_not_mean_all_of_them(
    bench: TradingBench, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.buy()
    assert main(["close", "--ticker", " ", *where]) == 1
    assert "ticker: it is blank" in capsys.readouterr().err
    assert not asked(bench)


def test_where_nothing_is_held_live_or_pending_it_says_so_and_ends_with_1(
    bench: TradingBench,
    where: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    guard_is_there(bench)
    monkeypatch.setattr(sys, "stdin", Unread())
    assert main(["close", *where]) == 1
    assert "nothing to close" in capsys.readouterr().err


def test_a_recommendation_that_waits_is_something_to_close(
    bench: TradingBench, where: list[str]
) -> None:
    number = bench.recommend()
    assert main(["close", *where]) == 0
    assert bench.recommendation(number)["status"] == "CANCELLED"


def test_what_is_being_closed_already_may_be_closed_again(
    bench: TradingBench, where: list[str]
) -> None:
    bench.buy()
    guard_is_there(bench)
    assert main(["close", "--account", "large", *where]) == 0
    assert main(["close", "--account", "large", *where]) == 0


def test_where_no_position_manager_ran_lately_it_says_that_nobody_is_there(
    bench: TradingBench, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.buy()
    assert main(["close", "--json", *where]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["exits_asked"] == ["large AAA"]
    assert "nobody is there to carry it out in large: its position manager last ran at" in told.err


def test_an_account_whose_position_manager_never_ran_is_named(
    bench: TradingBench, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bench.buy()
    bench.run("DELETE FROM pipeline_runs WHERE stage = 'position_manager'")
    assert main(["close", *where]) == 1
    assert "in large: its position manager never ran" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (new_york_time(DAY, 11), new_york_time(DAY, 10, 57)),
        (new_york_time(DAY, 20), new_york_time(DAY, 15, 57)),
        (new_york_time(DAY, 9, 31), datetime(2026, 2, 3, 20, 57, tzinfo=UTC)),
        (datetime(2026, 2, 8, 15, tzinfo=UTC), datetime(2026, 2, 6, 20, 57, tzinfo=UTC)),
    ],
)
def test_a_run_is_due_by_the_sessions_of_the_exchange(now: datetime, due: datetime) -> None:
    assert close.run_due(now) == due


def test_outside_a_session_it_says_when_it_is_carried_out() -> None:
    assert close.next_open(new_york_time(DAY, 11)) is None
    assert close.next_open(new_york_time(DAY, 9)) == "Wednesday 2026-02-04 09:30 New York"
    friday = new_york_time(DAY, 17) + timedelta(days=2)
    assert close.next_open(friday) == "Monday 2026-02-09 09:30 New York"


def waited(bench: TradingBench, monkeypatch: pytest.MonkeyPatch, *, guarded: bool) -> None:
    """While the verb waits, a minute passes on the bench; its broker fills what is for sale."""

    def minute(_seconds: float) -> None:
        if not guarded:
            return
        bench.next_minute()
        bench.guard()
        for order in list(bench.broker.orders.values()):
            if (order.side, order.order_type, order.raw_status) == ("sell", "limit", "new"):
                bench.broker.fill(order.client_order_id, "99.98")

    monkeypatch.setattr(time, "sleep", minute)


def test_it_reports_what_is_left_until_all_is_flat(
    bench: TradingBench,
    where: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.buy()
    bench.guard()
    waited(bench, monkeypatch, guarded=True)
    assert main(["close", "--json", "--wait", *where]) == 0
    told = capsys.readouterr()
    assert "large AAA: 19 held, 1 live\n" in told.err
    assert told.err.endswith("flat, and nothing is live\n")
    assert json.loads(told.out)["closing"] == ["large AAA"]
    assert bench.position()["status"] == "closed"


def test_what_is_not_flat_in_time_ends_with_3_and_is_named(
    bench: TradingBench,
    where: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bench.buy()
    guard_is_there(bench)
    waited(bench, monkeypatch, guarded=False)
    assert main(["close", "--wait", "--timeout", "0.2", *where]) == 3
    told = capsys.readouterr().err
    assert told.count("large AAA: 19 held, 0 live\n") == 1
    assert "not flat after 0.2 s" in told


def test_a_wait_that_is_no_length_of_time_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["close", "--wait", "--timeout", "0"], {})
    assert ended.value.code == 2
