"""What `ops check` makes of what it read, and the rungs on which an account may stand."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from ops_pipeline.adapters.calendar import NyseCalendar
from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.deployment import check_orders
from ops_pipeline.domain.deployment.findings import (
    calendar_differences,
    clock_skew,
    data_plan,
    vix_age,
)
from ops_pipeline.domain.deployment.ladder import LADDER, OFFERED, rung_of, why_not_offered
from ops_pipeline.domain.deployment.modes import MODES, stored_mode
from ops_pipeline.domain.deployment.transcript import HttpExchange, redacted
from ops_pipeline.domain.market import Session, new_york_time

NOW = datetime(2026, 2, 4, 14, 31, tzinfo=UTC)
NAMED = {"deployment": "main", "account": "large"}


@pytest.mark.parametrize(
    ("ours_ahead_s", "verdict"),
    [(0, "good"), (0.9, "good"), (-3, "note"), (3, "note"), (5.1, "bad"), (-90, "bad")],
)
def test_the_clock_is_judged_beyond_what_the_request_took(
    ours_ahead_s: float, verdict: str
) -> None:
    ours = NOW + timedelta(seconds=ours_ahead_s)
    assert clock_skew(NOW, ours, ours).verdict == verdict
    # Nothing is known of the time within the request.
    assert clock_skew(ours, NOW - timedelta(seconds=100), NOW + timedelta(seconds=100)).verdict == (
        "good"
    )


def test_each_day_on_which_the_calendars_differ_is_named() -> None:
    known = NyseCalendar()
    days = [date(2026, 11, 23) + timedelta(days=n) for n in range(7)]
    ours = {day: known.session(day) for day in days}
    theirs = [session for session in ours.values() if session is not None]
    assert calendar_differences(ours, theirs).verdict == "good"

    mourning, early = theirs[0], theirs[1]
    shortened = Session(early.day, early.opens_at, new_york_time(early.day, 13))
    found = calendar_differences(ours, [shortened, *theirs[2:]])
    assert found.verdict == "bad"
    assert f"{mourning.day}: 14:30 to 21:00 UTC here, closed at the broker" in found.found
    assert f"{early.day}: 14:30 to 21:00 UTC here, 14:30 to 18:00" in found.found


def test_the_feed_that_is_used_must_be_allowed_and_the_other_is_a_note() -> None:
    free = {"iex": None, "sip": "403: subscription does not permit"}
    assert [it.verdict for it in data_plan("iex", free)] == ["good", "note"]
    assert [it.verdict for it in data_plan("sip", free)] == ["good", "bad"]
    # A plan that forbids it and a vendor who is silent are two things: what it said is told.
    silent = data_plan("iex", {"iex": None, "sip": "no answer in time"})
    assert silent[1].found == "no quote, and not used: no answer in time"
    paid = {"iex": None, "sip": None}
    assert [it.verdict for it in data_plan("iex", paid)] == ["good", "note"]
    assert [it.verdict for it in data_plan("sip", paid)] == ["good", "good"]


def test_a_volatility_index_that_is_missing_or_behind_is_bad() -> None:
    last = date(2026, 2, 3)
    assert vix_age(None, last, None).verdict == "bad"
    assert vix_age(date(2026, 1, 30), last, 17.2).verdict == "bad"
    assert vix_age(last, last, 17.2).verdict == "good"


def test_the_ladder_ends_below_real_money() -> None:
    assert LADDER == ("shadow", "paper", "live")
    assert [rung for rung in LADDER if rung not in OFFERED] == ["live"]
    assert [rung_of(stored_mode(mode, "alpaca")) for mode in MODES] == ["paper", "shadow"]


@pytest.mark.parametrize("mode", ["LIVE", "ALPACA_LIVE", "", "alpaca_paper", "PAPER"])
def test_a_mode_that_is_live_or_unknown_counts_as_real_money(mode: str) -> None:
    assert rung_of(mode) == "live"
    assert "not offered" in (why_not_offered(mode) or "")


def test_the_id_of_a_check_order_is_known_for_its_account_alone() -> None:
    name = check_orders.check_order_id(**NAMED, symbol="BRK.B", at=NOW)
    assert name == "main-large-BRK.B-20260204T143100-check"
    assert check_orders.is_check_order_id(name, **NAMED)
    assert not check_orders.is_check_order_id(name, deployment="main", account="tiny")
    assert not check_orders.is_check_order_id("main-large-AAA-20260204T1431-entry-1", **NAMED)


@pytest.mark.parametrize(
    ("price", "limit"), [("600.37", "360.22"), ("1.50", "0.9"), ("0.01", "0.006")]
)
def test_the_limit_lies_far_below_the_price_on_a_step(price: str, limit: str) -> None:
    assert check_orders.far_below(Decimal(price)) == Decimal(limit)


def test_a_price_without_a_step_below_it_is_refused() -> None:
    with pytest.raises(ValueError, match="too low"):
        check_orders.far_below(Decimal("0.0001"))


@pytest.mark.parametrize("changed", [{"side": "sell"}, {"filled_quantity": Decimal(1)}])
def test_what_did_something_is_no_check_order_any_more(changed: dict[str, object]) -> None:
    placed = {
        "broker_order_id": "1",
        "client_order_id": "main-large-AAA-20260204T143100-check",
        "symbol": "AAA",
        "side": "buy",
        "order_type": "limit",
        "quantity": Decimal(1),
        "filled_quantity": Decimal(0),
        "filled_average_price": None,
        "status": "working",
        "raw_status": "new",
        "submitted_at": NOW,
        "updated_at": NOW,
    }
    order = BrokerOrder(**placed)  # type: ignore[arg-type]
    assert check_orders.is_check_order(order, **NAMED)
    assert not check_orders.is_check_order(BrokerOrder(**{**placed, **changed}), **NAMED)  # type: ignore[arg-type]


def test_a_transcript_keeps_nothing_private() -> None:
    account = {
        "id": "9d1f", "account_number": "PA1234567", "status": "ACTIVE", "cash": "8123.45",
        "portfolio_value": "8123.45", "trading_blocked": False,
    }  # fmt: skip
    order = {"id": "o-1", "symbol": "AAA", "account_id": "9d1f", "note": "of PA1234567 by KEYID"}
    kept = redacted(
        [
            HttpExchange("GET", "/v2/account", answer=account),
            HttpExchange("GET", "/v2/orders", {"q": "PA1234567"}, answer=[order]),
            HttpExchange("POST", "/v2/orders", body={"a": "SECRET"}, status=403, answer="KEYID?"),
        ],
        ["KEYID", "SECRET", "PA1234567"],
    )
    text = str(kept)
    assert not [it for it in ("KEYID", "SECRET", "PA1234567", "9d1f", "8123.45") if it in text]
    assert kept[0]["answer"]["status"] == "ACTIVE"
    assert kept[0]["answer"]["trading_blocked"] is False
    assert kept[1]["answer"][0]["symbol"] == "AAA"
