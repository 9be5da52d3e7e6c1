"""Making a database ready: roles, passwords, the database itself, its schema."""
# ruff: noqa: SIM117 - the inner block is the unit of work, the outer ones its surroundings

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ops_local import database as local
from ops_local.database import DatabaseUrls
from ops_local.postgres.server import EmbeddedPostgres
from ops_pipeline.db import roles
from ops_pipeline.db.driver.connection import Database, target_from_url
from ops_pipeline.db.roles import Role
from ops_pipeline.db.runs import DryDatabase
from ops_pipeline.errors import SettingsInvalid


@pytest.fixture
def migrations(tmp_path: Path) -> Path:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_make.sql").write_text(
        "CREATE TABLE notes (id int);"
        "GRANT SELECT, INSERT ON notes TO ops_pipeline_writer;"
        "GRANT SELECT ON notes TO ops_pipeline_reader;"
    )
    return folder


def _who(url: str) -> object:
    with closing(Database(target_from_url(url), application_name="tests")) as database:
        with database.transaction() as tx:
            return tx.one("SELECT current_user::text AS who, count(*) AS notes FROM notes")


def test_each_role_has_its_own_login_to_the_migrated_database(
    postgres: EmbeddedPostgres, template_urls: DatabaseUrls, tmp_path: Path, migrations: Path
) -> None:
    with local.opened(tmp_path, postgres.url, migrations, "notes") as urls:
        assert _who(urls.owner) == {"who": "ops_pipeline_owner", "notes": 0}
        assert _who(urls.writer) == {"who": "ops_pipeline_writer", "notes": 0}
        assert _who(urls.reader) == {"who": "ops_pipeline_reader", "notes": 0}
    assert "ops_pipeline" not in repr(urls)


def test_preparing_again_keeps_data_and_fresh_drops_it(
    postgres: EmbeddedPostgres, tmp_path: Path, migrations: Path
) -> None:
    for fresh, expected in ((False, 0), (False, 1), (True, 0)):
        with local.opened(tmp_path, postgres.url, migrations, "again", fresh=fresh) as urls:
            assert _who(urls.writer) == {"who": "ops_pipeline_writer", "notes": expected}
            with closing(Database(target_from_url(urls.writer), application_name="t")) as db:
                with db.transaction() as tx:
                    tx.execute("INSERT INTO notes VALUES (1)")


def test_verbs_that_start_at_the_same_moment_prepare_one_database(
    postgres: EmbeddedPostgres, template_urls: DatabaseUrls
) -> None:
    """An `ops halt` beside an `ops status` must not fail, nor two that make the database."""
    names = [f"at_once_{number}" for number in range(6) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda it: local.ensure_database(postgres.url, it), names)) == (
            [None] * len(names)
        )


def test_every_home_on_a_server_comes_to_the_same_passwords(
    postgres: EmbeddedPostgres, template_urls: DatabaseUrls, tmp_path: Path
) -> None:
    with local.opened(tmp_path / "other home", postgres.url, None, "template_migrated") as urls:
        assert urls == template_urls
    assert len(set(local.role_passwords(postgres.url).values())) == len(Role)


def test_a_password_that_somebody_changed_is_set_again(
    postgres: EmbeddedPostgres, template_urls: DatabaseUrls, admin_db: Database
) -> None:
    with admin_db.transaction() as tx:
        tx.execute("ALTER ROLE ops_pipeline_owner PASSWORD 'changed'")
    local.ensure_roles(postgres.url)
    with closing(Database(target_from_url(template_urls.owner), application_name="t")) as owner:
        with owner.transaction() as tx:
            assert tx.one("SELECT 1 AS one") == {"one": 1}


def test_a_login_that_may_not_make_roles_is_told_what_to_run(
    template_urls: DatabaseUrls,
) -> None:
    database = Database(target_from_url(template_urls.writer), application_name="tests")
    with closing(database), pytest.raises(SettingsInvalid, match="ALTER ROLE ops_pipeline_reader"):
        with database.transaction() as tx:
            roles.ensure(tx, {Role.READER: "new"})


def test_a_login_with_createrole_alone_can_prepare_everything(
    server_folder: Path, tmp_path: Path, migrations: Path
) -> None:
    """As on RDS, whose master user is no superuser."""
    with EmbeddedPostgres(server_folder, dies_with_us=True) as server:
        with closing(Database(target_from_url(server.url), application_name="tests")) as admin:
            with admin.transaction() as tx:
                tx.execute("CREATE ROLE master LOGIN CREATEROLE CREATEDB PASSWORD 'word'")
        url = local.url_for(server.url, database="postgres", user="master", password="word")
        for _ in range(2):
            with local.opened(tmp_path, url, migrations, "made") as urls:
                assert _who(urls.reader) == {"who": "ops_pipeline_reader", "notes": 0}


def test_in_aws_stages_and_console_have_their_shares_of_the_connections(
    admin_db: Database, template_urls: DatabaseUrls
) -> None:
    # Roles are the whole server's: nothing of this may last.
    with DryDatabase(admin_db).transaction() as tx:
        roles.prepare(tx, {})
        rows = tx.rows(
            "SELECT rolname, rolconnlimit FROM pg_roles"
            " WHERE rolname = ANY(CAST(:names AS text[]))",
            names=list(Role),
        )
        found = {row["rolname"]: row["rolconnlimit"] for row in rows}
    # The migration has no limit but the server's.
    assert found == {Role.OWNER: -1, Role.WRITER: -1, **roles.CONNECTION_LIMITS}


def test_nobody_else_may_enter_the_database(
    admin_db: Database, database_urls: DatabaseUrls
) -> None:
    name = target_from_url(database_urls.owner).database
    with admin_db.transaction() as tx:
        found = tx.one(
            "SELECT has_database_privilege('public', :name, 'CONNECT') AS anybody, "
            "has_database_privilege('ops_pipeline_reader', :name, 'CONNECT') AS reader, "
            "has_database_privilege('ops_pipeline_reader', :name, 'TEMPORARY') AS reader_temp",
            name=name,
        )
    assert found == {"anybody": False, "reader": True, "reader_temp": False}
