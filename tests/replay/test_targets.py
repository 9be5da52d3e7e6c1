"""A verb reaches the pipeline that is meant, says which, and acts on a replay only by its name."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.cli import main
from ops_local.commandline.target import Target
from ops_local.home import LIVE, Home
from ops_local.postgres.server import EmbeddedPostgres
from ops_local.recordings.recording import Recording
from ops_local.replay import Interrupted, ReplayPlan, replay
from ops_local.synthetic import generate
from ops_pipeline.adapters.clock import WallClock
from ops_pipeline.db import default_parameters
from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.driver.target import target_from_url
from ops_pipeline.domain.market import minute_of, new_york_day, new_york_time
from ops_pipeline.errors import InvalidInput
from tests.conftest import MIGRATIONS, ROOT, servers_folder
from tests.replay.conftest import Day

COPY = "generated_20260204_copy"
# So that these replays have a name of their own on the shared server.
_OVERLAY = {"exits": {"take_profit": 0.021}}
WHY = ["--reason", "emergency"]


@pytest.fixture
def mine(home: Home, generated_morning: Day, tmp_path: Path) -> Iterator[Home]:
    """A state folder on the same server, with a copy of the replayed morning to act on."""
    (tmp_path / "mine").mkdir()
    made = Home(tmp_path / "mine")
    (made.folder / "postgres").symlink_to(home.folder / "postgres")
    made.replay(COPY)
    made.make_current(COPY)
    morning = target_from_url(generated_morning.urls.owner).database
    with EmbeddedPostgres(home.folder / "postgres") as server:
        admin = Database(target_from_url(server.url), application_name="tests")
        with closing(admin):
            local.clone_database(admin, morning, COPY)
            yield made
            for name in (COPY, LIVE):
                local.drop_database(admin, name)


def _ops(home: Home, *words: str, **variables: str) -> int:
    return main(words, {"OPS_HOME": str(home.folder), **variables})


def _make_live(home: Home) -> None:
    """What `ops up` with keys leaves behind."""
    with local.opened(home.folder, None, MIGRATIONS, LIVE) as urls:
        owner = Database(target_from_url(urls.owner), application_name="tests")
        with owner.transaction() as tx:
            default_parameters.ensure(tx, now=WallClock().now())
        owner.close()
    home.make_live(LIVE)


def _halted(capsys: pytest.CaptureFixture[str], home: Home, *where: str) -> dict[str, object]:
    capsys.readouterr()
    _ops(home, "status", "--json", *where)
    accounts = json.loads(capsys.readouterr().out)["Accounts"]
    return {one["account_name"]: one["halted"] for one in accounts}


@pytest.fixture
def live(mine: Home) -> Home:
    """The same folder, in which a pipeline is live too."""
    _make_live(mine)
    return mine


def test_after_a_demo_the_emergency_halt_reaches_the_live_pipeline(
    live: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(live, "halt", "--json", *WHY) == 0
    told = capsys.readouterr()
    assert told.err.startswith(f"Live pipeline in {live.folder}, ")
    assert json.loads(told.out)["halted"] == ["large", "tiny"]
    assert _halted(capsys, live) == {"large": "emergency", "tiny": "emergency"}
    assert _halted(capsys, live, "--replay", COPY) == {"large": None, "tiny": None}
    assert _ops(live, "resume", *WHY) == 0


@pytest.mark.parametrize("verb", ["halt", "resume", "close"])
def test_a_replay_is_acted_on_only_by_its_name(
    mine: Home, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(mine, verb, *WHY) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert f"--replay {COPY}" in told.err


def test_a_replay_that_is_named_is_acted_on_and_says_its_kind_and_day(
    mine: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(mine, "halt", *WHY, "--account", "tiny", "--replay", COPY) == 0
    assert capsys.readouterr().err.startswith(
        f"Replay {COPY} in {mine.folder}, last run on 2026-02-04\n"
    )
    assert _halted(capsys, mine) == {"large": None, "tiny": "emergency"}
    assert _ops(mine, "resume", *WHY, "--account", "tiny", "--replay", COPY) == 0


def test_where_nothing_is_live_what_reads_speaks_to_the_last_replay_and_says_so(
    mine: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    _ops(mine, "status")
    assert capsys.readouterr().err.startswith(f"Replay {COPY} in ")
    assert _ops(mine, "query", "SELECT count(*) AS n FROM pipeline_runs") == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["n"] > 0


def test_a_pipeline_that_was_just_set_up_names_a_replay_that_can_be_explained(
    live: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(live, "explain") == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"Live pipeline in {live.folder}")
    assert told[1].endswith(
        f"has no recommendation to explain yet; a replay has some: --replay {COPY}"
    )
    assert _ops(live, "explain", "--replay", COPY) == 0


def test_a_first_database_takes_seconds_and_is_told_before(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with servers_folder("ops-first-") as folder:
        file, home = tmp_path / "ops.toml", Home(folder / "home")
        assert _ops(home, "init", "--file", str(file)) == 0
        assert capsys.readouterr().err.splitlines()[:2] == [
            f"Live pipeline in {home.folder}: its database is being made",
            f"Live pipeline in {home.folder}, no runs yet",
        ]
        _ops(home, "check", "--json")
        checks = json.loads(capsys.readouterr().out)["checks"]
        (found,) = (each for each in checks if each["subject"] == "database")
        assert (found["verdict"], found["found"]) == ("good", "parameters of version 1 in force")
        assert _ops(home, "init", "--file", str(tmp_path / "other.toml")) == 0
        assert "being made" not in capsys.readouterr().err


def test_keys_alone_make_a_pipeline_live_whose_database_is_not_made_up(
    mine: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _ops(mine, "halt", *WHY, ALPACA_LARGE_KEY_ID="key") == 1
    assert f"there is no database {LIVE}" in capsys.readouterr().err


def test_a_sale_that_nobody_will_carry_out_ends_with_1_and_says_so(
    mine: Home, generated_morning: Day, capsys: pytest.CaptureFixture[str]
) -> None:
    held = generated_morning.value("SELECT count(*) FROM active_positions WHERE status <> 'closed'")
    assert held > 0
    assert _ops(mine, "close", "--json", *WHY, "--replay", COPY) == 1
    told = capsys.readouterr()
    assert len(json.loads(told.out)["exits_asked"]) == held
    assert "nobody is there to carry it out" in told.err
    # What the replay buys later is not in it: it was asked at the replay's time, not at ours.
    days = "SELECT DISTINCT date(asked_at) AS day FROM close_requests"
    assert _ops(mine, "query", days, "--replay", COPY) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"day": "2026-02-04"}]
    # What is asked for already is still held, and still nobody is there.
    assert _ops(mine, "close", *WHY, "--replay", COPY) == 1
    assert "nobody is there to carry it out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["halt", *WHY], ["status"], ["doctor"], ["explain"], ["query", "SELECT 1"]],
    ids=" ".join,
)
def test_a_folder_without_a_pipeline_stays_empty_and_is_named(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    assert _ops(home, *words) == 1
    assert f"there is no pipeline in {home.folder} (OPS_HOME is {home.folder})" in (
        capsys.readouterr().err
    )
    assert not home.folder.exists()


def test_outside_a_project_the_user_s_own_folder_is_meant_and_where_was_looked_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["halt", *WHY], {"HOME": str(tmp_path / "ann")}) == 1
    told = capsys.readouterr().err
    state = tmp_path / "ann" / ".local" / "state" / "ops-pipeline"
    assert f"there is no pipeline in {state}" in told
    assert f"looked for .ops in {tmp_path} and above" in told
    assert list(tmp_path.iterdir()) == []


def test_below_a_project_its_own_folder_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".ops").mkdir()
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    assert main(["status"], {"HOME": str(tmp_path / "ann")}) == 1
    assert f"there is no pipeline in {tmp_path / '.ops'}" in capsys.readouterr().err


def test_the_state_folder_that_is_a_file_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["status"], {"OPS_HOME": str(tmp_path / "file")}) == 1
    assert f"the state folder {tmp_path / 'file'} is not a folder" in capsys.readouterr().err


def test_the_first_import_sets_up_the_live_pipeline_beside_the_replays(
    mine: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("ticker,name\nQRSA,Quarsa\n")
    migrations = {"MIGRATIONS_DIR": str(MIGRATIONS)}
    assert _ops(mine, "tickers", "import", str(file), **migrations) == 0
    assert "Live pipeline in " in capsys.readouterr().err
    assert mine.live_server == LIVE
    assert _ops(mine, "query", "SELECT name FROM tickers WHERE ticker = 'QRSA'") == 0
    assert json.loads(capsys.readouterr().out)["rows"] == [{"name": "Quarsa"}]


def test_a_live_pipeline_on_another_server_is_never_mistaken_for_the_folder_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path)
    home.make_live("db.example.com:5432/ops")
    assert _ops(home, "halt", *WHY) == 1
    assert "is on db.example.com:5432/ops: set DATABASE_URL" in capsys.readouterr().err
    with home.up():
        assert _ops(home, "halt", *WHY, DATABASE_URL="postgresql://me:hush@127.0.0.1:1/x") == 1
    told = capsys.readouterr().err
    assert "`ops up` runs here on db.example.com:5432/ops" in told
    assert "hush" not in told


@pytest.fixture(scope="module")
def short_day(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return generate(tmp_path_factory.mktemp("short") / "day", n_tickers=2)


def _first_minutes(mine: Home, recording: Recording) -> ReplayPlan:
    last = new_york_time(recording.day, 8, 30)
    return ReplayPlan(recording, mine, MIGRATIONS, overlay=_OVERLAY, last=last)


def _play(plan: ReplayPlan, minutes: int = 60) -> None:
    """Replay it, or stop after that many minutes."""
    left = iter(range(minutes))
    replay(plan, lambda _at, _tally: None, lambda _urls: None, lambda _at: next(left, -1) >= 0)


def test_a_replay_becomes_the_current_one_only_once_it_has_ended(
    mine: Home, short_day: Recording
) -> None:
    plan = _first_minutes(mine, short_day)
    with pytest.raises(Interrupted):
        _play(plan, minutes=2)
    assert mine.current_replay == COPY
    _play(plan)
    assert mine.current_replay == plan.name
    # Begun anew with other bounds: what was current is gone, and no half of it takes its place.
    again = replace(plan, last=new_york_time(short_day.day, 8, 31))
    with pytest.raises(Interrupted):
        _play(again, minutes=2)
    assert mine.current_replay is None
    _drop(mine, plan.name)


def test_while_up_plays_a_session_what_reads_speaks_to_it(
    mine: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.replay("played_x")
    with mine.up() as playing:
        playing("played_x")
        assert _ops(mine, "status") == 1
        assert "there is no database played_x" in capsys.readouterr().err
        assert _ops(mine, "halt", *WHY) == 1
        assert "--replay played_x" in capsys.readouterr().err
    _ops(mine, "status")
    assert capsys.readouterr().err.startswith(f"Replay {COPY} ")


def test_ctrl_c_in_a_replay_ends_it_between_two_minutes_and_says_how_to_go_on(
    mine: Home, short_day: Recording
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "ops_local.cli", "replay", str(short_day.folder)],
        cwd=ROOT,
        env={**os.environ, "OPS_HOME": str(mine.folder), "DATABASE_URL": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = next(line for line in process.stdout if line.startswith("08:30"))
    # As a terminal does: to everything that was started, not to `ops` alone.
    os.killpg(process.pid, signal.SIGINT)
    rest, told = process.communicate(timeout=120)
    assert process.returncode == 1, said + rest + told
    assert re.search(r"stopped at \d\d:\d\d New York; the same command goes on from there", told)
    assert "Traceback" not in told
    assert "FAILED" not in rest
    assert mine.current_replay == COPY
    _drop(mine, "generated_20260204")


def test_a_replay_plays_beside_the_database_that_the_live_pipeline_has(
    mine: Home, short_day: Recording
) -> None:
    """It played into that of DATABASE_URL where that had no runs yet: its feeds were removed."""
    live = "postgresql://me:hush@127.0.0.1:1/live"
    process = subprocess.Popen(
        [sys.executable, "-m", "ops_local.cli", "replay", str(short_day.folder)],
        cwd=ROOT,
        env={**os.environ, "OPS_HOME": str(mine.folder), "DATABASE_URL": live},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = [line for _, line in zip(range(6), process.stdout, strict=False)]
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[0]
    assert any(line.startswith("08:30") for line in said), "".join(said) + rest
    _drop(mine, "generated_20260204")


def test_a_replay_is_refused_in_a_database_that_somebody_set_up(
    live: Home, short_day: Recording
) -> None:
    work = (
        "INSERT INTO operator_actions (id, at, operator, action, scope, reason, details)"
        " VALUES ('00000000-0000-8000-8000-000000000001', '2026-02-04 12:00Z', 'ann', 'bind',"
        " '*', 'r', '{}')"
    )
    with local.opened(live.folder, None, None, LIVE, create=False) as urls:
        owner = Database(target_from_url(urls.owner), application_name="tests")
        with closing(owner):
            with owner.transaction() as tx:
                tx.execute(work)
                before = tx.rows("SELECT url, active, removed FROM feed_state ORDER BY url")
            plan = replace(_first_minutes(live, short_day), database_url=_superuser(live))
            with pytest.raises(InvalidInput, match="somebody works in this database"):
                _play(plan)
            with owner.transaction() as tx:
                assert tx.rows("SELECT url, active, removed FROM feed_state ORDER BY url") == before


def _superuser(home: Home) -> str:
    with EmbeddedPostgres(home.folder / "postgres") as server:
        return local.url_for(server.url, database=LIVE)


def _drop(home: Home, name: str) -> None:
    with EmbeddedPostgres(home.folder / "postgres") as server:
        admin = Database(target_from_url(server.url), application_name="tests")
        with closing(admin):
            local.drop_database(admin, name)


def test_with_up_trading_after_a_demo_the_halt_reaches_what_trades(
    mine: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = {f"ALPACA_LARGE_{name}": "x" for name in ("KEY_ID", "SECRET_KEY", "ACCOUNT_NUMBER")}
    process = subprocess.Popen(
        [sys.executable, "-m", "ops_local.cli", "up"],
        cwd=ROOT,
        env={
            **os.environ,
            **keys,
            "OPS_HOME": str(mine.folder),
            "DATABASE_URL": "",
            "ALPACA_TRADING_URL": "http://127.0.0.1:1",
            "ALPACA_DATA_URL": "http://127.0.0.1:1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"Live pipeline in {mine.folder}. ")
        next(line for line in process.stdout if line.startswith("Trading on paper"))
        # The operator's shell has no keys; the folder knows what is live.
        assert _ops(mine, "halt", *WHY) == 0
        assert capsys.readouterr().err.startswith(f"Live pipeline in {mine.folder}, no runs yet")
        process.send_signal(signal.SIGTERM)
        # Nobody answered as its broker: that is a failure.
        assert process.wait(60) == 1
    finally:
        process.kill()
        process.communicate()
    assert _halted(capsys, mine) == {"large": "emergency", "tiny": "emergency"}
    assert _halted(capsys, mine, "--replay", COPY) == {"large": None, "tiny": None}


def test_a_live_pipeline_is_judged_by_the_clock_and_a_replay_by_its_last_run(live: Home) -> None:
    variables = {"OPS_HOME": str(live.folder)}
    replayed = Target(variables, replay=COPY)
    with replayed.reading("tests") as tx:
        assert new_york_day(replayed.present(tx)) == date(2026, 2, 4)
    with Target(variables).writing("tests") as database, database.transaction() as tx:
        tx.execute(
            "INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner, "
            "lease_expires_at, started_at, finished_at, counts) VALUES "
            "('00000000-0000-8000-8000-000000000001', 'telemetry', '2026-02-04 15:00Z', '*', 1, "
            "'succeeded', 'local', '2026-02-04 15:01Z', '2026-02-04 15:00Z', "
            "'2026-02-04 15:00Z', '{}')"
        )
    with Target(variables).reading("tests") as tx:
        assert WallClock().now() - Target(variables).present(tx) < timedelta(minutes=1)


def test_texts_are_classified_where_nothing_ever_ran_and_nothing_is_live_after(
    mine: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine.folder / "current.json").unlink()
    (tmp_path / "lines.txt").write_text("Nike shares jump after strong quarter\n")
    assert _ops(mine, "classify", str(tmp_path / "lines.txt")) == 0
    assert json.loads(capsys.readouterr().out)["tickers"] == ["NKE"]
    assert mine.live_server is None


def test_that_nothing_holds_the_folder_of_a_live_pipeline_is_seen_at_once(
    live: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    now = minute_of(WallClock().now())
    with Target({"OPS_HOME": str(live.folder)}).writing("tests") as db, db.transaction() as tx:
        for number, stage in enumerate(("rss_ingest", "classifier", "healthcheck")):
            tx.execute(
                "INSERT INTO pipeline_runs (run_id, stage, tick, scope, attempt, status, owner, "
                "lease_expires_at, started_at, finished_at, counts) VALUES "
                "(:id, :stage, :now, '*', 1, 'succeeded', 'local/news_cycle', :now, :now, :now, "
                "'{}')",
                id=f"00000000-0000-8000-8000-00000000010{number}",
                stage=stage,
                now=now,
            )

    def overdue() -> tuple[int, list[str]]:
        code = _ops(live, "status", "--json")
        rows = json.loads(capsys.readouterr().out)["Overdue runs"]
        return code, [row["stage"] for row in rows]

    assert overdue() == (1, ["ops up"])
    with live.up():
        assert overdue() == (0, [])
