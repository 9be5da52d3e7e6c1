"""Fees, dividends and deposits at the paper exchange, and the adapter that reads them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from ops_pipeline.adapters.alpaca_broker import AlpacaBroker
from tests.contract.paper_street import LARGE, TINY, ask, at, open_exchange, own
from tests.contract.stub_broker import ACCOUNT, ACCOUNT_NUMBER, Answer, serving

ALL = "GET /v2/account/activities"


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningExchange]:
    """10:31 bought, 10:32 a fee, 10:33 a dividend, 10:34 a deposit."""
    with open_exchange(tmp_path_factory.mktemp("activities")) as running:
        running.set_clock(at("10:31"))
        own(running, 50)
        running.set_clock(at("10:32"))
        running.add_activity("large", "FEE", "-0.12")
        running.set_clock(at("10:33"))
        running.add_activity("large", "DIV", "3.5", symbol="AAA")
        running.set_clock(at("10:34"))
        running.add_activity("large", "CSD", "1000")
        yield running


def broker(exchange: RunningExchange) -> AlpacaBroker:
    return AlpacaBroker(exchange.url, LARGE.key_id, LARGE.secret_key, LARGE.account_number)


def types(exchange: RunningExchange, query: str) -> list[str]:
    status, answer = ask(exchange, "GET", f"/v2/account/activities{query}")
    assert status == 200, answer
    return [entry["activity_type"] for entry in answer]


def test_money_moved_without_a_trade_is_in_cash_and_equity_and_not_in_last_equity(
    exchange: RunningExchange,
) -> None:
    account = broker(exchange).account()
    assert account.cash == 100_000 - 501 + Decimal("1003.38")
    assert account.equity - account.last_equity == Decimal("1003.38") - 1


def test_they_are_read_apart_from_executions_each_once_oldest_first(
    exchange: RunningExchange,
) -> None:
    exchange.set_faults([{"kind": "duplicate_fills"}])
    found = broker(exchange).cash_activities_since(at("10:00"))
    exchange.set_faults()
    assert [(it.raw_kind, it.amount) for it in found] == [
        ("FEE", Decimal("-0.12")),
        ("DIV", Decimal("3.5")),
        ("CSD", Decimal(1000)),
    ]
    assert found[-1].created_at == at("10:34")
    since = broker(exchange).cash_activities_since(at("10:34"))
    assert [(it.kind, it.raw_kind) for it in since] == [("capital", "CSD")]
    assert len(broker(exchange).fills_since(at("10:00"))) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?direction=asc", ["FILL", "FEE", "DIV", "CSD"]),
        ("?category=trade_activity", ["FILL"]),
        ("?category=non_trade_activity", ["CSD", "DIV", "FEE"]),
        ("?activity_types=FILL,DIV", ["DIV", "FILL"]),
        ("?activity_types=TRANS", ["CSD"]),
        ("/DIV", ["DIV"]),
    ],
)
def test_they_are_listed_by_type_and_category(
    exchange: RunningExchange, query: str, expected: list[str]
) -> None:
    found = types(exchange, query)
    assert sorted(found) == sorted(expected)
    assert found[0] == expected[0]


def test_the_other_account_sees_none_of_it(exchange: RunningExchange) -> None:
    assert ask(exchange, "GET", "/v2/account/activities", account=TINY) == (200, [])


def test_category_and_types_together_are_refused(exchange: RunningExchange) -> None:
    path = "/v2/account/activities?category=trade_activity&activity_types=FILL"
    assert ask(exchange, "GET", path)[0] == 400


@pytest.mark.parametrize(
    ("account", "type_", "amount"),
    [("nobody", "FEE", "1"), ("large", "FILL", "1"), ("large", "FEE", "much")],
)
def test_what_is_no_activity_moves_nothing(
    exchange: RunningExchange, account: str, type_: str, amount: str
) -> None:
    before = exchange.tables()
    with pytest.raises(ExchangeFailed, match="activity"):
        exchange.add_activity(account, type_, amount)
    assert exchange.tables() == before


def test_they_outlive_a_restart(tmp_path: Path) -> None:
    for _ in range(2):
        with open_exchange(tmp_path) as running:
            running.add_activity("large", "CSD", "5")
            cash = broker(running).account().cash
    assert cash == 100_010


RAW = {"id": "2026::a", "activity_type": "FEE", "date": "2026-02-04", "net_amount": "-1.2"}


@pytest.mark.parametrize(
    ("raw", "amount", "at_"),
    [
        (RAW, "-1.2", datetime(2026, 2, 4, 5, tzinfo=UTC)),
        ({**RAW, "created_at": "2026-02-05T14:01:04.65Z"}, "-1.2", None),
        ({**RAW, "status": "canceled"}, "0", None),
        ({**RAW, "activity_type": "NC", "net_amount": None}, "0", None),
        ({**RAW, "date": "2026-02-04T01:00:00Z"}, "-1.2", datetime(2026, 2, 4, 1, tzinfo=UTC)),
    ],
    ids=["a day", "a moment", "canceled", "no money", "a moment for a day"],
)
def test_an_activity_is_read_as_it_is_published(
    raw: dict[str, object], amount: str, at_: datetime | None
) -> None:
    with serving() as stub:
        stub.script("GET /v2/account", Answer(body=ACCOUNT))
        stub.script(ALL, Answer(body=[raw]))
        ours = AlpacaBroker(stub.url, "key", "a secret", ACCOUNT_NUMBER)
        (found,) = ours.cash_activities_since(datetime(2026, 2, 4, tzinfo=UTC))
        assert found.amount == Decimal(amount)
        assert at_ is None or found.created_at == at_


@pytest.mark.parametrize("word", ["SPLIT", "MA", "DIV", "ACATS", "CSD"])
def test_what_the_broker_canceled_explains_nothing(word: str) -> None:
    with serving() as stub:
        stub.script("GET /v2/account", Answer(body=ACCOUNT))
        stub.script(ALL, Answer(body=[{**RAW, "activity_type": word, "status": "canceled"}]))
        ours = AlpacaBroker(stub.url, "key", "a secret", ACCOUNT_NUMBER)
        (found,) = ours.cash_activities_since(datetime(2026, 2, 4, tzinfo=UTC))
    assert (found.kind, found.raw_kind, found.amount) == ("other", word, Decimal(0))


@pytest.mark.parametrize(
    "raw",
    [{**RAW, "net_amount": "much"}, {**RAW, "date": "soon"}, {**RAW, "id": None}, "no record"],
)
def test_an_activity_that_can_not_be_read_is_named_beside_the_list(raw: object) -> None:
    with serving() as stub:
        stub.script("GET /v2/account", Answer(body=ACCOUNT))
        stub.script(ALL, Answer(body=[raw]))
        ours = AlpacaBroker(stub.url, "key", "a secret", ACCOUNT_NUMBER)
        found = ours.cash_activities_since(datetime(2026, 2, 4, tzinfo=UTC) - timedelta(days=1))
        assert found == []
        assert len(found.illegible) == 1
