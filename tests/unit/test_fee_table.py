"""The dated table of fees: every day has one rate of each fee, or none and an error."""

import os
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from infra.bundles import stage_common
from ops_pipeline.domain.broker import Side
from ops_pipeline.domain.costs import fee_table as table
from ops_pipeline.domain.costs.fee_table import FeeInstrument, NoFeeRate, fee_table, parse
from tests.conftest import ROOT

_SHARED = Path(os.environ.get("OPS_SHARED", ROOT.parent / "shared"))
_ROW = "TAF stock sell 2024-01-01 2024-12-31 share 0.1 8.30 published a notice"


def rates(day: str, side: Side = "sell", instrument: FeeInstrument = "stock") -> dict[str, str]:
    found = fee_table().rates_on(date.fromisoformat(day), instrument, side)
    return {it.kind: format(it.rate.normalize(), "f") for it in found}


# Both sides of each change; by hand from the notices that the table names.
@pytest.mark.parametrize(
    ("day", "sec", "taf", "cat"),
    [
        ("2013-10-07", "0.0000174", "0.000119", "0"),
        ("2014-03-17", "0.0000174", "0.000119", "0"),
        ("2014-03-18", "0.0000221", "0.000119", "0"),
        ("2014-06-05", "0.0000221", "0.000119", "0"),
        ("2018-02-16", "0.0000231", "0.000119", "0"),
        ("2018-05-22", "0.000013", "0.000119", "0"),
        ("2024-09-03", "0.0000278", "0.000166", "0.000035"),
        ("2025-01-02", "0.0000278", "0.000166", "0.000046"),
        ("2025-05-13", "0.0000278", "0.000166", "0.000046"),
        ("2025-05-14", "0", "0.000166", "0.000046"),
        ("2025-09-15", "0", "0.000166", "0.0000265"),
        ("2025-12-31", "0", "0.000166", "0"),
        ("2026-02-04", "0", "0.000195", "0"),
        ("2026-04-03", "0", "0.000195", "0"),
        ("2026-04-04", "0.0000206", "0.000195", "0"),
        ("2026-05-01", "0.0000206", "0.000195", "0.000003"),
        ("2026-09-30", "0.0000206", "0.000195", "0.000003"),
        ("2026-10-01", "0.0000206", "0", "0.000003"),
        ("2027-01-01", "0.0000206", "0.000195", "0.000003"),
    ],
)
def test_a_share_sold_is_charged_what_was_in_force_that_day(
    day: str, sec: str, taf: str, cat: str
) -> None:
    assert rates(day) == {"SEC": sec, "TAF": taf, "CAT": cat}


def test_a_purchase_of_shares_is_charged_the_audit_trail_alone() -> None:
    assert rates("2025-01-02", "buy") == {"CAT": "0.000046"}


def test_an_option_is_charged_by_exchanges_and_clearing_on_both_sides() -> None:
    assert rates("2026-07-20", "buy", "option") == {
        "CAT": "0.000003",
        "ORF": "0.015",
        "OCC": "0.025",
    }
    assert rates("2026-07-20", "sell", "option") == {
        "SEC": "0.0000206",
        "TAF": "0.00329",
        "CAT": "0.000003",
        "ORF": "0.015",
        "OCC": "0.025",
    }


@pytest.mark.parametrize("day", ["2012-06-30", "2013-05-24", "2029-01-01"])
def test_a_day_without_a_rate_is_an_error_that_names_fee_and_day(day: str) -> None:
    with pytest.raises(NoFeeRate, match=rf"the fee (SEC|TAF) on stocks is known for {day}"):
        fee_table().rates_on(date.fromisoformat(day), "stock", "sell")


def test_the_error_carries_the_fee_and_the_day() -> None:
    with pytest.raises(NoFeeRate) as missing:
        fee_table().rates_on(date(2029, 1, 1), "option", "sell")
    assert (missing.value.kind, missing.value.day) == ("TAF", date(2029, 1, 1))
    assert "options" in str(missing.value)


def test_every_recorded_day_has_rates_of_shares_and_options() -> None:
    folders = [*_SHARED.glob("data/*"), *_SHARED.glob("history/*/*")]
    days = sorted({it.name for it in folders if re.fullmatch(r"\d{4}-\d\d-\d\d", it.name)})
    if not days:
        pytest.skip(f"no recordings in {_SHARED}")
    for day in days:
        for instrument in ("stock", "option"):
            for side in ("buy", "sell"):
                assert rates(day, side, instrument), (day, instrument, side)


def test_the_file_begins_by_saying_what_it_holds() -> None:
    header = table.FILE.read_text(encoding="utf-8").splitlines()[:2]
    assert all(line.startswith("#") for line in header)
    assert "# Written for this project; read by domain/costs/fee_table.py." in header[1]


def test_the_table_is_read_once() -> None:
    assert fee_table() is fee_table()


def test_each_rate_says_how_well_it_is_known_and_where_it_is_from() -> None:
    assert all(len(it.source) > 10 for it in fee_table().rates)
    # What recorded days and today are charged on shares is more than an assumption.
    guessed = {it.kind for it in fee_table().rates if it.evidence == "assumed"}
    assert guessed == {"CAT", "ORF", "OCC", "TAF"}
    of_shares = [it for it in fee_table().rates if it.instrument == "stock"]
    assert {(it.kind, it.first.year) for it in of_shares if it.evidence == "assumed"} == {
        ("CAT", 2025)
    }


@pytest.mark.parametrize(
    "text",
    [
        _ROW.replace("TAF", "TIP"),
        _ROW.replace("stock", "bond"),
        _ROW.replace("sell", "short"),
        _ROW.replace(" share ", " piece "),
        _ROW.replace("published", "rumoured"),
        _ROW.replace(" 0.1 ", " ten "),
        _ROW.replace(" 0.1 ", " -0.1 "),
        _ROW.replace(" 0.1 ", " NaN "),
        _ROW.replace("8.30", "much"),
        _ROW.replace("2024-12-31", "2023-12-31"),
        _ROW.replace("2024-12-31", "never"),
        _ROW.removesuffix(" a notice"),
        f"{_ROW}\n{_ROW}",
        f"{_ROW}\n{_ROW.replace('2024-01-01 2024-12-31', '2025-01-02 -')}",
        f"{_ROW}\n{_ROW.replace('2024-01-01 2024-12-31', '2024-12-31 -')}",
    ],
)
def test_a_table_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the day's own error is one of them
        parse(text)


def test_a_row_may_last_a_day_and_the_next_follows_it() -> None:
    a_day = _ROW.replace("2024-12-31", "2024-01-01")
    after = _ROW.replace("2024-01-01 2024-12-31", "2024-01-02 -").replace("8.30", "-")
    first, second = parse(f"# a table\n\n{after}\n{a_day}").rates
    assert (first.first, first.last, first.cap) == (date(2024, 1, 1),) * 2 + (Decimal("8.30"),)
    assert (second.last, second.cap) == (date.max, None)


def test_a_line_that_is_wrong_is_named() -> None:
    with pytest.raises(ValueError, match="line 2: 'TIP' is unknown"):
        parse(f"# a table\n{_ROW.replace('TAF', 'TIP')}")
    with pytest.raises(ValueError, match="line 1: ten columns"):
        parse("TAF stock sell")
    with pytest.raises(ValueError, match="line 1: 'much' is no amount"):
        parse(_ROW.replace("8.30", "much"))
    with pytest.raises(ValueError, match="line 1: it ends before it begins"):
        parse(_ROW.replace("2024-12-31", "2023-12-31"))
    with pytest.raises(ValueError, match="TAF: a gap or an overlap before 2024-01-01"):
        parse(f"{_ROW}\n{_ROW}")


def test_a_gap_is_seen_whatever_stands_between_the_rows() -> None:
    between = _ROW.replace("TAF", "SEC").replace("2024-01-01", "2024-06-01")
    later = _ROW.replace("2024-01-01 2024-12-31", "2025-01-02 -")
    with pytest.raises(ValueError, match="TAF: a gap or an overlap before 2025-01-02"):
        parse(f"{_ROW}\n{between}\n{later}")


def test_a_table_of_one_row_knows_its_own_days_alone() -> None:
    one = parse(_ROW.replace("2024-12-31", "2024-01-01"))
    assert [it.rate for it in one.rates_on(date(2024, 1, 1), "stock", "sell")] == [Decimal("0.1")]
    for day in (date(2023, 12, 31), date(2024, 1, 2)):
        with pytest.raises(NoFeeRate) as missing:
            one.rates_on(day, "stock", "sell")
        assert (missing.value.kind, missing.value.day) == ("TAF", day)


def test_each_column_is_read() -> None:
    (rate,) = parse(_ROW).rates
    assert (rate.kind, rate.instrument, rate.side, rate.basis) == ("TAF", "stock", "sell", "share")
    assert (rate.rate, rate.cap) == (Decimal("0.1"), Decimal("8.30"))
    assert (rate.evidence, rate.source) == ("published", "a notice")


def test_the_layer_carries_the_table(tmp_path: Path) -> None:
    layer = stage_common(tmp_path) / "python"
    code = (
        "from ops_pipeline.domain.costs import fee_table\n"
        "print(fee_table.FILE, len(fee_table.fee_table().rates) > 50)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(layer)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == f"{layer / 'ops_pipeline/domain/costs/fees.txt'} True\n"
