"""The paper exchange's clock and what passing time does: sessions, expiry, no look-ahead."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from ops_local.exchange.launcher import ExchangeFailed, RunningExchange
from ops_pipeline.domain.market import MINUTE
from tests.contract.paper_street import (
    MONDAY,
    TINY,
    Minute,
    ask,
    at,
    look,
    open_exchange,
    own,
    place,
    trading,
)
from tests.contract.paper_street import trading_requests as requests

FRIDAY = date(2013, 10, 4)
HALF_DAY = date(2013, 11, 29)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[RunningExchange]:
    with open_exchange(tmp_path) as running:
        yield running


def test_a_new_exchange_stands_at_midnight_of_its_recording(exchange: RunningExchange) -> None:
    assert exchange.now() == at("00:00")


def test_moving_to_the_same_moment_twice_changes_nothing(exchange: RunningExchange) -> None:
    exchange.set_clock(at("10:31"))
    place(exchange, qty="250")
    once = exchange.tables()

    exchange.set_clock(at("10:31"))

    assert exchange.tables() == once


def test_the_clock_never_goes_back(exchange: RunningExchange) -> None:
    exchange.set_clock(at("10:31"))

    with pytest.raises(ExchangeFailed, match="409"):
        exchange.set_clock(at("10:30"))
    assert exchange.now() == at("10:31")


def test_a_moment_without_a_time_zone_is_refused(exchange: RunningExchange) -> None:
    with pytest.raises(ExchangeFailed, match="names no offset"):
        exchange.set_clock(at("10:31").replace(tzinfo=None))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"now": 5}', b'{"now": "soon"}'])
def test_an_odd_clock_request_is_refused(exchange: RunningExchange, body: bytes) -> None:
    assert ask(exchange, "POST", "/control/clock", body or b" ")[0] == 400


def test_one_long_step_ends_where_many_short_ones_do(tmp_path: Path) -> None:
    fall = {("AAA", "11:07"): Minute(bid="9.40", ask="9.41", size=30, volume=0)}
    books = []
    for name, step in (("short", MINUTE), ("long", timedelta(hours=7))):
        (tmp_path / name).mkdir()
        with open_exchange(tmp_path / name, fall) as exchange:
            exchange.set_clock(at("10:31"))
            own(exchange, 100)
            place(exchange, side="sell", qty="100", type="stop", limit_price=None, stop_price="9.5")
            place(exchange, symbol="BBB", qty="950")
            place(exchange, account=TINY, qty="40", limit_price="9.41", time_in_force="gtc")
            while exchange.now() < at("17:31"):
                exchange.set_clock(exchange.now() + step)
            books.append(exchange.tables())

    assert books[0] == books[1]
    assert [order["status"] for order in books[0]["orders"]] == [
        "filled",
        "filled",
        "filled",
        "partially_filled",
    ]


def test_a_bar_and_a_quote_are_unknown_until_their_minute_is_over(tmp_path: Path) -> None:
    rise = {("AAA", "10:31"): Minute(bid="12.00", ask="12.02")}
    with open_exchange(tmp_path, rise) as exchange:
        exchange.set_clock(at("10:32") - timedelta(seconds=1))
        seen = ask(exchange, "GET", "/v2/stocks/snapshots?symbols=AAA")[1]["AAA"]
        assert (seen["minuteBar"]["t"], seen["latestQuote"]["bp"]) == ("2013-10-07T14:30:00Z", 10)
        assert seen["dailyBar"]["h"] == 10
        assert look(exchange, place(exchange, qty="1", limit_price="20"))["filled_avg_price"] == (
            "10.02"
        )

        exchange.set_clock(at("10:32"))
        seen = ask(exchange, "GET", "/v2/stocks/snapshots?symbols=AAA")[1]["AAA"]
        assert (seen["minuteBar"]["t"], seen["latestQuote"]["bp"]) == ("2013-10-07T14:31:00Z", 12)
        assert seen["latestQuote"]["t"] == "2013-10-07T14:32:00Z"


def test_an_order_before_the_open_waits_for_the_first_quote_of_the_session(
    tmp_path: Path,
) -> None:
    early = {("AAA", "09:29"): Minute(bid="9.00", ask="9.02")}
    with open_exchange(tmp_path, early) as exchange:
        exchange.set_clock(at("09:30") - MINUTE)
        waiting = place(exchange)
        assert look(exchange, waiting)["status"] == "accepted"

        exchange.set_clock(at("09:30"))
        assert look(exchange, waiting)["status"] == "new"

        exchange.set_clock(at("09:31"))
        assert look(exchange, waiting)["filled_avg_price"] == "10.02"


def test_an_order_that_is_not_at_the_exchange_yet_is_not_replaced(
    exchange: RunningExchange,
) -> None:
    exchange.set_clock(at("08:00"))
    waiting = place(exchange)

    status, answer = ask(exchange, "PATCH", f"/v2/orders/{waiting}", {"qty": "5"})

    assert status == 422
    assert "isn't sent to exchange yet" in answer["message"]


def test_a_day_order_ends_at_the_close_and_a_gtc_order_does_not(
    exchange: RunningExchange,
) -> None:
    exchange.set_clock(at("15:59"))
    for_the_day = place(exchange, limit_price="9")
    lasting = place(exchange, limit_price="9", time_in_force="gtc")

    exchange.set_clock(at("16:00"))

    ended = look(exchange, for_the_day)
    assert (ended["status"], ended["expired_at"]) == ("expired", "2013-10-07T20:00:00Z")
    assert look(exchange, lasting)["status"] == "new"


def test_a_half_day_ends_its_orders_at_one_o_clock(tmp_path: Path) -> None:
    with open_exchange(tmp_path, day=HALF_DAY, closes="13:00") as exchange:
        exchange.set_clock(at("12:58", HALF_DAY))
        resting = place(exchange, limit_price="9")
        clock = trading(exchange).get_clock()
        assert clock.is_open
        assert clock.next_close == at("13:00", HALF_DAY)

        exchange.set_clock(at("13:00", HALF_DAY))

        assert look(exchange, resting)["status"] == "expired"
        clock = trading(exchange).get_clock()
        assert not clock.is_open
        assert clock.next_open == at("09:30", date(2013, 12, 2))


def test_an_order_after_fridays_close_trades_on_monday(tmp_path: Path) -> None:
    with open_exchange(tmp_path, day=FRIDAY) as exchange:
        exchange.set_clock(at("16:05", FRIDAY))
        queued = place(exchange, qty="10")
        seen = look(exchange, queued)
        assert (seen["status"], seen["expires_at"]) == ("accepted", "2013-10-07T20:00:00Z")

    with open_exchange(tmp_path, day=MONDAY) as exchange:
        assert exchange.now() == at("16:05", FRIDAY)
        exchange.set_clock(at("09:31"))
        assert look(exchange, queued)["filled_at"] == "2013-10-07T13:31:00Z"


def test_the_calendar_knows_holidays_and_half_days(exchange: RunningExchange) -> None:
    days = trading(exchange).get_calendar(
        requests.GetCalendarRequest(start=date(2013, 11, 27), end=date(2013, 12, 2))
    )

    assert [(day.date.day, day.close.hour) for day in days] == [(27, 16), (29, 13), (2, 16)]


def test_the_clock_says_when_the_market_opens_and_closes(exchange: RunningExchange) -> None:
    client = trading(exchange)
    exchange.set_clock(at("09:29"))
    before = client.get_clock()
    exchange.set_clock(at("09:30"))
    during = client.get_clock()

    assert (before.is_open, before.next_open, before.next_close) == (
        False,
        at("09:30"),
        at("16:00"),
    )
    assert (during.is_open, during.next_open) == (True, at("09:30", MONDAY + timedelta(days=1)))
    assert during.timestamp == at("09:30")
