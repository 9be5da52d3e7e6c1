"""The server of this machine: adopted, restarted, reached, stopped by whoever leaves last."""
# ruff: noqa: SIM117 - the inner block is the unit of work, the outer ones its surroundings

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ops_local.home import Home
from ops_local.locks import NOW, open_lock, take
from ops_local.postgres.durability import make_durable
from ops_local.postgres.postmaster import read_postmaster
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.errors import DatabaseUnavailable, SettingsInvalid

_HOLD = """
import sys, time
from pathlib import Path
from ops_local.postgres.server import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), dies_with_us=sys.argv[2] == "True").start()
print(server.url, flush=True)
time.sleep(60)
"""


def _ask(url: str, sql: str) -> object:
    with closing(Database(target_from_url(url), application_name="tests")) as database:
        with database.transaction() as tx:
            return tx.rows(sql)


def _pid(server: EmbeddedPostgres) -> int:
    assert server.postmaster_pid is not None
    return server.postmaster_pid


def _started_elsewhere(server_folder: Path, *, dies_with_us: bool) -> subprocess.Popen[str]:
    """Another process of ours that has started the server and uses it still."""
    other = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(server_folder), str(dies_with_us)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline().startswith("postgresql://")
    return other


def _kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_data_outlives_a_restart(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder) as server:
        _ask(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
    with EmbeddedPostgres(server_folder) as server:
        assert _ask(server.url, "SELECT one FROM kept") == [{"one": 1}]


def test_committed_rows_survive_kill_9_of_the_server(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder) as server:
        _ask(server.url, "CREATE TABLE kept AS SELECT 1 AS one")
        os.kill(_pid(server), signal.SIGKILL)
    with EmbeddedPostgres(server_folder) as server:
        assert _ask(server.url, "SELECT one FROM kept") == [{"one": 1}]


def test_a_server_left_by_a_killed_process_is_adopted_not_started_twice(
    server_folder: Path,
) -> None:
    parent = _started_elsewhere(server_folder, dies_with_us=False)
    left = read_postmaster(server_folder / "data")
    _kill(parent)
    with EmbeddedPostgres(server_folder) as server:
        assert left is not None
        assert _pid(server) == left.pid
        assert _ask(server.url, "SELECT 1 AS one") == [{"one": 1}]
    assert read_postmaster(server_folder / "data") is None


def test_a_server_that_somebody_else_uses_is_not_stopped(server_folder: Path) -> None:
    other = _started_elsewhere(server_folder, dies_with_us=False)
    with EmbeddedPostgres(server_folder):
        pass
    assert read_postmaster(server_folder / "data") is not None
    _kill(other)
    with EmbeddedPostgres(server_folder):
        pass
    assert read_postmaster(server_folder / "data") is None


def test_a_test_s_server_ends_with_its_killed_process(server_folder: Path) -> None:
    other = _started_elsewhere(server_folder, dies_with_us=True)
    assert read_postmaster(server_folder / "data") is not None
    _kill(other)
    deadline = time.monotonic() + 10
    while read_postmaster(server_folder / "data") is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert read_postmaster(server_folder / "data") is None


def test_a_lock_file_of_a_dead_server_is_not_taken_for_a_live_one(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder):
        lock = (server_folder / "data" / "postmaster.pid").read_text()
    # The number belongs to this very test now: alive, and no Postgres.
    stale = lock.replace(lock.split("\n", 1)[0], str(os.getpid()), 1)
    (server_folder / "data" / "postmaster.pid").write_text(stale)
    assert read_postmaster(server_folder / "data") is None
    with EmbeddedPostgres(server_folder) as server:
        assert _ask(server.url, "SELECT 1 AS one") == [{"one": 1}]


def test_a_first_start_that_was_killed_is_done_again(server_folder: Path) -> None:
    half_made = server_folder / "data.partial"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    with EmbeddedPostgres(server_folder) as server:
        assert _ask(server.url, "SELECT 1 AS one") == [{"one": 1}]


def test_the_password_is_private_and_asked_for(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder) as server:
        mode = (server_folder / "superuser_password").stat().st_mode
        assert stat.S_IMODE(mode) == 0o600
        rules = _ask(server.url, "SELECT DISTINCT auth_method AS m FROM pg_hba_file_rules")
        assert rules == [{"m": "scram-sha-256"}]
        listening = _ask(server.url, "SELECT current_setting('listen_addresses') AS a")
        assert listening == [{"a": "127.0.0.1"}]


def test_data_of_a_version_that_is_not_here_is_refused_by_its_number(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder):
        pass
    version = server_folder / "data" / "PG_VERSION"
    real = version.read_text()
    version.write_text("9\n")
    try:
        with pytest.raises(SettingsInvalid, match="made by Postgres 9"):
            EmbeddedPostgres(server_folder).start()
    finally:
        version.write_text(real)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_as_root_a_home_that_nobody_can_reach_moves_to_one_that_works(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with EmbeddedPostgres(tmp_path / "home") as server:
        assert _ask(server.url, "SELECT 1 AS one") == [{"one": 1}]
    moved = Path((tmp_path / "home" / "postgres_lies_in").read_text().strip())
    with EmbeddedPostgres(tmp_path / "home"):
        assert read_postmaster(moved / "data") is not None
    shutil.rmtree(moved)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_the_server_s_user_reads_no_password_and_takes_no_lock(server_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    with EmbeddedPostgres(server_folder):
        pass
    # As an older version left them.
    os.chown(server_folder / "superuser_password", nobody.pw_uid, nobody.pw_gid)
    for lock in server_folder.glob("*.lock"):
        lock.chmod(0o644)
    with EmbeddedPostgres(server_folder):
        for name in ("superuser_password", "starting.lock", "in_use.lock", "."):
            read = ["ls" if name == "." else "cat", str(server_folder / name)]
            for user in (nobody.pw_uid, 12345):
                done = subprocess.run(read, user=user, extra_groups=[], check=False)
                assert done.returncode != 0, (name, user)


def test_a_lock_that_somebody_holds_is_not_waited_for_without_end(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder):
        pass
    with open_lock(server_folder / "starting.lock") as held:
        take(held, within_s=NOW)
        with pytest.raises(DatabaseUnavailable, match=r"it holds .*starting\.lock"):
            EmbeddedPostgres(server_folder, patience_s=0.1).start()


def test_a_new_state_folder_is_its_owner_s_alone(server_folder: Path) -> None:
    server_folder.chmod(0o755)
    home, given = Home(server_folder / "state"), server_folder / "given"
    given.mkdir(mode=0o755)
    with EmbeddedPostgres(home.folder / "postgres"), home.up():
        home.make_current("a_day")
        others = 0o710 if os.geteuid() == 0 else 0o700
        for folder in (home.folder, home.folder / "postgres"):
            assert stat.S_IMODE(folder.stat().st_mode) == others
        assert stat.S_IMODE((home.folder / "up.lock").stat().st_mode) == 0o600
    # A folder that somebody made, /tmp say, keeps its mode.
    Home(given).make_current("a_day")
    assert stat.S_IMODE(given.stat().st_mode) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
def test_an_ordinary_user_is_told_whose_data_it_is(server_folder: Path) -> None:
    with EmbeddedPostgres(server_folder):
        pass
    server_folder.chmod(0o777)
    for lock in server_folder.glob("*.lock"):
        lock.chmod(0o666)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom ops_local.postgres.server import "
        "EmbeddedPostgres\nos.setuid(12345)\nEmbeddedPostgres(Path(sys.argv[1])).start()"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(server_folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "run as that user or as root" in told.stderr


_DURABLE = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')"


def _durable(server: EmbeddedPostgres) -> set[str]:
    found = _ask(server.url, _DURABLE)
    assert isinstance(found, list)
    return {row["setting"] for row in found}


def test_a_live_pipeline_s_data_survives_a_power_cut_whoever_starts_the_server_next(
    server_folder: Path,
) -> None:
    with EmbeddedPostgres(server_folder) as server:
        assert _durable(server) == {"off"}
        assert make_durable(server.url)
        assert _durable(server) == {"on"}
        assert not make_durable(server.url)
    with EmbeddedPostgres(server_folder) as server:
        assert _durable(server) == {"on"}
