"""When things start: AWS cron, New York's clock changes, the order within a minute."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from infra.definitions import load_schedules
from infra.schedule import CronInvalid, Schedule, parse_cron, ticks

WEDNESDAY = datetime(2026, 2, 4, 5, 0, tzinfo=UTC)  # midnight in New York
DAY = timedelta(days=1)


def schedule(*expressions: str, target: str = "probe") -> Schedule:
    return Schedule(
        kind="machine",
        target=target,
        crons=tuple(parse_cron(expression) for expression in expressions),
        input={"tick": "<aws.scheduler.scheduled-time>"},
        timezone="America/New_York",
    )


def starts(expression: str, start: datetime, end: datetime) -> list[str]:
    return [tick.event["tick"] for tick in ticks([schedule(expression)], start, end)]


@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("7", [7]),
        ("57-59", [57, 58, 59]),
        ("5,3,4", [3, 4, 5]),
        ("0/20", [0, 20, 40]),
        ("*/20", [0, 20, 40]),
        ("10-30/10", [10, 20, 30]),
        ("50/5", [50, 55]),
        ("1,30-31,58/1", [1, 30, 31, 58, 59]),
    ],
)
def test_numbers_ranges_lists_and_steps_are_read_as_aws_reads_them(
    field: str, minutes: list[int]
) -> None:
    assert sorted(parse_cron(f"cron({field} * * * ? *)").minutes) == minutes


def test_a_star_takes_every_minute() -> None:
    assert parse_cron("cron(* * * * ? *)").minutes == frozenset(range(60))


def test_days_of_the_week_count_from_sunday() -> None:
    cron = parse_cron("cron(0 0 ? * SUN *)")
    assert cron.days_of_week == {1}
    assert cron.matches(datetime(2026, 2, 8))  # noqa: DTZ001 - wall-clock time
    assert not cron.matches(datetime(2026, 2, 9))  # noqa: DTZ001 - wall-clock time


def test_month_and_day_names_are_read_in_either_case() -> None:
    cron = parse_cron("cron(0 0 ? jan-Mar mon-FRI 2026)")
    assert cron.months == {1, 2, 3}
    assert cron.days_of_week == {2, 3, 4, 5, 6}


def test_a_day_of_month_is_honoured() -> None:
    month = starts("cron(0 12 15 * ? *)", WEDNESDAY, WEDNESDAY + 31 * DAY)
    assert month == ["2026-02-15T17:00:00Z"]


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("cron(0 0 L * ? *)", "day of month: L"),
        ("cron(0 0 15W * ? *)", "day of month: W"),
        ("cron(0 0 ? * 6#3 *)", "day of week: #"),
        ("cron(0 0 ? * 6L *)", "day of week: L"),
        ("cron(60 0 * * ? *)", "minutes: 60 is not within 0-59"),
        ("cron(0 24 * * ? *)", "hours: 24"),
        ("cron(0 0 ? * 0 *)", "day of week: 0"),
        ("cron(0 0 * * ? 1969)", "year: 1969"),
        ("cron(30-10 0 * * ? *)", "runs backwards"),
        ("cron(0/0 * * * ? *)", "'0' is no step"),
        ("cron(? 0 * * ? *)", "minutes: \\?"),
        ("cron(x 0 * * ? *)", "minutes: 'x' is not understood"),
        ("cron(0 0 * * * *)", "exactly one of the two day fields"),
        ("cron(0 0 ? * ? *)", "exactly one of the two day fields"),
        ("cron(0 0 * * ?)", "has 5 fields"),
        ("rate(5 minutes)", "must look like cron"),
        ("0 0 * * ? *", "must look like cron"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(expression: str, complaint: str) -> None:
    with pytest.raises(CronInvalid, match=complaint):
        parse_cron(expression)


def test_a_minute_that_the_spring_change_skips_never_comes() -> None:
    sunday = datetime(2026, 3, 8, 5, 0, tzinfo=UTC)
    assert starts("cron(30 2 * * ? *)", sunday, sunday + DAY) == []
    assert starts("cron(30 1,3 * * ? *)", sunday, sunday + DAY) == [
        "2026-03-08T06:30:00Z",
        "2026-03-08T07:30:00Z",
    ]


def test_a_minute_that_the_autumn_change_repeats_starts_once_and_at_the_first() -> None:
    sunday = datetime(2026, 11, 1, 4, 0, tzinfo=UTC)
    assert starts("cron(30 1 * * ? *)", sunday, sunday + DAY) == ["2026-11-01T05:30:00Z"]


def test_the_same_wall_clock_time_is_an_hour_earlier_in_utc_in_summer() -> None:
    winter = starts("cron(30 8 ? * MON-FRI *)", WEDNESDAY, WEDNESDAY + DAY)
    summer_start = datetime(2026, 7, 1, 4, 0, tzinfo=UTC)
    summer = starts("cron(30 8 ? * MON-FRI *)", summer_start, summer_start + DAY)
    assert winter == ["2026-02-04T13:30:00Z"]
    assert summer == ["2026-07-01T12:30:00Z"]


def test_the_start_belongs_to_a_span_and_its_end_does_not() -> None:
    noon = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
    assert starts("cron(* * * * ? *)", noon, noon + timedelta(minutes=2)) == [
        "2026-02-04T17:00:00Z",
        "2026-02-04T17:01:00Z",
    ]


def test_a_start_within_a_minute_waits_for_the_next_one() -> None:
    start = datetime(2026, 2, 4, 17, 0, 0, 1, tzinfo=UTC)
    assert starts("cron(* * * * ? *)", start, start + timedelta(minutes=1)) == [
        "2026-02-04T17:01:00Z"
    ]


def test_naive_bounds_are_refused() -> None:
    naive = datetime(2026, 2, 4)  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="time zone"):
        list(ticks([schedule("cron(* * * * ? *)")], naive, naive + DAY))


def test_two_expressions_on_one_minute_start_it_once() -> None:
    both = schedule("cron(0 12 * * ? *)", "cron(0/30 12 * * ? *)")
    assert len(list(ticks([both], WEDNESDAY, WEDNESDAY + DAY))) == 2


def test_the_machines_of_one_minute_come_in_their_fixed_order() -> None:
    schedules = load_schedules()
    half_past_eight = datetime(2026, 2, 4, 13, 30, tzinfo=UTC)
    noon = datetime(2026, 2, 4, 17, 0, tzinfo=UTC)
    minute = timedelta(minutes=1)
    assert [
        tick.target for tick in ticks(schedules, half_past_eight, half_past_eight + minute)
    ] == [
        "daily_cycle",
        "news_cycle",
        "healthcheck",
    ]
    at_noon = list(ticks(schedules, noon, noon + minute))
    assert [tick.target for tick in at_noon] == [
        "news_cycle",
        "position_cycle",
        "regime_cycle",
        "reconcile_cycle",
        "trading_cycle",
        "healthcheck",
    ]
    assert [tick.order for tick in at_noon] == sorted(tick.order for tick in at_noon)
    assert at_noon[-1].kind == "function"


def test_a_trading_day_starts_each_machine_as_often_as_the_design_says() -> None:
    day = list(ticks(load_schedules(), WEDNESDAY, WEDNESDAY + DAY))
    assert Counter(tick.target for tick in day if tick.kind == "machine") == {
        "daily_cycle": 2,
        "news_cycle": 24 * 60,
        "trading_cycle": 6 * 60 + 46,
        "position_cycle": 6 * 60 + 46,
        "reconcile_cycle": 6 * 12 + 7,
        "regime_cycle": 5 + 3 * 12 + 4 * 2,
    }
    compared = [tick.event["tick"] for tick in day if tick.target == "reconcile_cycle"]
    assert (compared[0], compared[-1]) == ("2026-02-04T14:30:00Z", "2026-02-04T21:00:00Z")
    functions = Counter(tick.target for tick in day if tick.kind == "function")
    assert (functions["discovery"], functions["healthcheck"]) == (1, 24 * 12)
    trading = [tick.event["tick"] for tick in day if tick.target == "trading_cycle"]
    assert trading[0] == "2026-02-04T14:25:00Z"
    assert trading[-1] == "2026-02-04T21:10:00Z"


def test_trading_and_position_cycles_share_their_minutes_and_rest_at_the_weekend() -> None:
    minutes: dict[str, list[datetime]] = {"trading_cycle": [], "position_cycle": []}
    for tick in ticks(load_schedules(), WEDNESDAY, WEDNESDAY + 7 * DAY):
        if tick.target in minutes:
            minutes[tick.target].append(tick.at)
    assert minutes["trading_cycle"] == minutes["position_cycle"]
    days = {at.date() for at in minutes["trading_cycle"]}
    assert days == {date(2026, 2, number) for number in (4, 5, 6, 9, 10)}
