"""Statements that try to change something, to hold something or to fall over something.

Written against the table `canary` (id, note), the sequence canary_numbers, the large object
4711 and the function canary_bump() of the test's database.
"""

DIRECT_WRITE = r"""
INSERT INTO canary VALUES (2, 'new')
INSERT INTO canary DEFAULT VALUES
INSERT INTO canary SELECT 3, 'copied'
INSERT INTO canary VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET note = 'x'
UPDATE canary SET note = 'changed'
UPDATE canary SET note = note
UPDATE ONLY public.canary AS c SET note = 'changed' WHERE c.id = 1 RETURNING *
DELETE FROM canary
DELETE FROM canary USING canary AS other WHERE canary.id = other.id
TRUNCATE canary
TRUNCATE TABLE canary RESTART IDENTITY CASCADE
MERGE INTO canary USING (SELECT 1 AS id) AS s ON canary.id = s.id WHEN MATCHED THEN DELETE
DROP TABLE canary
DROP TABLE IF EXISTS canary CASCADE
DROP SEQUENCE canary_numbers
DROP FUNCTION canary_bump()
DROP SCHEMA public CASCADE
ALTER TABLE canary ADD COLUMN extra int
ALTER TABLE canary RENAME TO bird
ALTER TABLE canary DISABLE TRIGGER ALL
ALTER TABLE canary OWNER TO ops_pipeline_reader
CREATE TABLE nest (id int)
CREATE TEMP TABLE nest (id int)
CREATE TABLE nest AS SELECT * FROM canary
SELECT * INTO nest FROM canary
CREATE INDEX ON canary (note)
CREATE VIEW nest AS SELECT * FROM canary
CREATE OR REPLACE FUNCTION canary_bump() RETURNS int LANGUAGE sql AS 'SELECT 0'
CREATE SCHEMA nest
CREATE EXTENSION IF NOT EXISTS dblink
CREATE ROLE cuckoo LOGIN SUPERUSER
ALTER ROLE ops_pipeline_reader SUPERUSER
ALTER ROLE CURRENT_USER SET statement_timeout = 0
ALTER DATABASE postgres SET default_transaction_read_only = off
DROP ROLE ops_pipeline_writer
GRANT ALL ON canary TO PUBLIC
REVOKE ALL ON canary FROM ops_pipeline_owner
COMMENT ON TABLE canary IS 'a bird'
SECURITY LABEL ON TABLE canary IS 'x'
REASSIGN OWNED BY CURRENT_USER TO ops_pipeline_writer
DROP OWNED BY CURRENT_USER
REFRESH MATERIALIZED VIEW canary
ANALYZE canary
CLUSTER canary
REINDEX TABLE canary
IMPORT FOREIGN SCHEMA public FROM SERVER other INTO public
"""

CTE_WRITE = r"""
WITH x AS (INSERT INTO canary VALUES (2, 'new') RETURNING *) SELECT * FROM x
WITH x AS (UPDATE canary SET note = 'changed' RETURNING *) SELECT count(*) FROM x
WITH x AS (DELETE FROM canary RETURNING *) SELECT * FROM x
WITH x AS MATERIALIZED (DELETE FROM canary RETURNING id) SELECT 1 WHERE false
WITH a AS (SELECT 1), b AS (DELETE FROM canary RETURNING id) SELECT * FROM a
WITH RECURSIVE r AS (SELECT 1 AS n), w AS (UPDATE canary SET note = 'r' RETURNING 1) TABLE r
WITH x AS (MERGE INTO canary USING (SELECT 1 AS i) s ON id = i WHEN MATCHED THEN DELETE
 RETURNING id) SELECT * FROM x
WITH x AS (SELECT 1) INSERT INTO canary SELECT 9, 'with' FROM x
WITH x AS (SELECT 1 AS n) DELETE FROM canary USING x
SELECT * FROM canary FOR UPDATE
SELECT * FROM canary FOR NO KEY UPDATE
SELECT * FROM canary FOR SHARE
SELECT * FROM canary FOR KEY SHARE SKIP LOCKED
"""

STACKED = r"""
SELECT 1; DELETE FROM canary
SELECT 1; DROP TABLE canary; --
; DELETE FROM canary
SELECT 1;;DELETE FROM canary
SELECT 'a;b'; TRUNCATE canary
/* ; */ SELECT 1; UPDATE canary SET note = 'x'
COMMIT; DELETE FROM canary
ROLLBACK; BEGIN; DELETE FROM canary; COMMIT
END; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; DELETE FROM canary
SELECT 1; COMMIT; BEGIN READ WRITE; DELETE FROM canary; COMMIT; SELECT 2
SET TRANSACTION READ WRITE; DELETE FROM canary
SELECT 1\n;\nDELETE FROM canary\n;
VALUES (1); INSERT INTO canary VALUES (2, 'stacked')
DO $$BEGIN NULL; END$$; DELETE FROM canary
SELECT $1; DELETE FROM canary
"""

TRANSACTION_MODE = r"""
BEGIN
BEGIN READ WRITE
START TRANSACTION READ WRITE
COMMIT
COMMIT AND CHAIN
END
ABORT
ROLLBACK
ROLLBACK AND CHAIN
SAVEPOINT s
ROLLBACK TO SAVEPOINT s
RELEASE SAVEPOINT s
PREPARE TRANSACTION 'egg'
COMMIT PREPARED 'egg'
ROLLBACK PREPARED 'egg'
/* quiet */ commit
SET TRANSACTION READ WRITE
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET transaction_read_only = off
SET LOCAL transaction_read_only TO false
SET default_transaction_read_only = off
SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE
RESET transaction_read_only
SELECT set_config('transaction_read_only', 'off', false)
SELECT set_config('transaction_read_only', 'off', true), canary_bump()
WITH off AS MATERIALIZED (SELECT set_config('transaction_read_only', 'off', true))
 SELECT canary_bump() FROM off
SET ROLE ops_pipeline_owner
SET ROLE ops_pipeline_writer
SET SESSION AUTHORIZATION ops_pipeline_owner
SELECT set_config('role', 'ops_pipeline_writer', false)
SELECT set_config('session_authorization', 'ops_pipeline_owner', false)
SET session_replication_role = replica
RESET ALL
DISCARD ALL
"""

COMMENT_TRICKS = r"""
SELECT 1 /* a */ ; /* b */ DELETE FROM canary
SELECT 1 -- stop\n; DELETE FROM canary
--\nDELETE FROM canary
/* SELECT */ DELETE FROM canary
/* /* nested */ SELECT 1 */ DELETE FROM canary
SELECT 1 /* open
SELECT 'open
SELECT $tag$ open
SELECT "open
/*!50000 DELETE FROM canary */ SELECT 1; DELETE FROM canary
DEL/**/ETE FROM canary
SELECT 1 --\r DELETE FROM canary
SELECT E'\'; DELETE FROM canary; --'
SELECT '\'; DELETE FROM canary; --'
SELECT U&'\0027; DELETE FROM canary --'
# DELETE FROM canary
"""

EXPLAIN_PREPARE = r"""
EXPLAIN ANALYZE DELETE FROM canary
EXPLAIN (ANALYZE, BUFFERS) UPDATE canary SET note = 'x'
EXPLAIN ANALYZE INSERT INTO canary VALUES (2, 'x')
EXPLAIN ANALYZE CREATE TABLE nest AS SELECT * FROM canary
EXPLAIN (ANALYZE true, WAL) MERGE INTO canary USING (SELECT 1 AS i) s ON id = i
 WHEN MATCHED THEN DELETE
EXPLAIN ANALYZE WITH x AS (DELETE FROM canary RETURNING *) SELECT * FROM x
EXPLAIN ANALYZE SELECT canary_bump()
PREPARE egg AS DELETE FROM canary
PREPARE egg AS SELECT 1
PREPARE egg (int) AS UPDATE canary SET id = $1
EXPLAIN (ANALYZE, SERIALIZE) DELETE FROM canary RETURNING *
EXPLAIN ANALYZE DO $$ BEGIN DELETE FROM canary; END $$
EXPLAIN ANALYZE SELECT * FROM canary FOR UPDATE
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT canary_bump()
CREATE TABLE nest AS EXECUTE egg
EXECUTE egg
EXECUTE egg; EXECUTE egg
EXPLAIN ANALYZE EXECUTE egg
DEALLOCATE ALL
DEALLOCATE egg
DECLARE c CURSOR WITH HOLD FOR SELECT * FROM canary
DECLARE c CURSOR FOR SELECT * FROM canary FOR UPDATE
FETCH ALL FROM c
MOVE FORWARD 1 IN c
CLOSE ALL
DO $$ BEGIN DELETE FROM canary; END $$
DO $$ BEGIN COMMIT; DELETE FROM canary; END $$
DO $$ BEGIN EXECUTE 'DELETE FROM canary'; EXCEPTION WHEN OTHERS THEN NULL; END $$
CALL canary_clear()
"""

VOLATILE_FUNCTIONS = r"""
SELECT canary_bump()
SELECT * FROM canary_bump()
SELECT count(*) FROM canary WHERE canary_bump() > 0
SELECT nextval('canary_numbers')
SELECT setval('canary_numbers', 99)
SELECT lo_create(4712)
SELECT lo_unlink(4711)
SELECT lo_put(4711, 0, 'changed')
SELECT lo_from_bytea(0, 'egg')
SELECT lo_open(4711, 131072), lowrite(0, 'changed')
SELECT lo_truncate(lo_open(4711, 131072), 0)
SELECT set_config('search_path', 'nest, public', false)
SELECT set_config('work_mem', '2GB', false)
SELECT set_config('statement_timeout', '0', false)
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_switch_wal()
SELECT pg_create_restore_point('egg')
SELECT pg_stat_reset()
SELECT pg_stat_reset_shared('bgwriter')
SELECT pg_create_physical_replication_slot('egg')
SELECT pg_create_logical_replication_slot('egg', 'test_decoding')
SELECT pg_replication_origin_create('egg')
SELECT pg_logical_emit_message(true, 'egg', 'egg')
SELECT pg_import_system_collations('public')
SELECT query_to_xml('DELETE FROM canary RETURNING id', true, false, '')
SELECT query_to_xml('SELECT canary_bump()', true, false, '')
SELECT table_to_xml('canary', true, false, ''), canary_bump()
SELECT ts_stat('SELECT to_tsvector(note) FROM canary WHERE canary_bump() > 0')
SELECT ts_rewrite('a', 'SELECT ''a''::tsquery, ''b''::tsquery FROM canary WHERE canary_bump() > 0')
SELECT pg_terminate_backend(pg_backend_pid())
SELECT pg_cancel_backend(pg_backend_pid())
SELECT dblink_exec('dbname=postgres', 'DELETE FROM canary')
SELECT lo_creat(-1)
SELECT lo_import('/etc/passwd', 4713)
SELECT loread(lo_open(4711, 262144), 5), lowrite(lo_open(4711, 131072), 'changed')
SELECT nextval(c.oid::regclass) FROM pg_class AS c WHERE relkind = 'S'
SELECT pg_current_xact_id(), pg_export_snapshot()
SELECT pg_logical_emit_message(false, 'egg', repeat('x', 100000))
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE usename = current_user AND datname = current_database()
SELECT pg_cancel_backend(pid) FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND datname = current_database()
SELECT pg_stat_reset_single_table_counters('canary'::regclass)
SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()
SELECT pg_promote(), pg_backup_start('egg')
SELECT pg_wal_replay_pause()
SELECT pg_replication_slot_advance('egg', '0/0')
SELECT pg_restore_relation_stats('schemaname', 'public', 'relname', 'canary', 'reltuples', 9::real)
SELECT currtid2('canary', '(0,1)'), setval('canary_numbers', 7, false)
SELECT set_config('application_name', 'egg', false), set_config('role', 'none', false)
SELECT set_config('session_replication_role', 'replica', false)
SELECT set_config('client_encoding', 'LATIN1', false), note FROM canary
SELECT set_config('datestyle', 'German', false), set_config('timezone', 'Mars/Base', false)
SELECT set_config('standard_conforming_strings', 'off', false), 'a\'
SELECT set_config('idle_in_transaction_session_timeout', '0', false)
SELECT set_config('default_transaction_read_only', 'off', false), canary_bump()
"""

SERVER_FILES = r"""
COPY canary TO '/tmp/ops_canary_egg'
COPY canary TO PROGRAM 'touch /tmp/ops_canary_egg'
COPY (SELECT 'x') TO '/tmp/ops_canary_egg' WITH CSV
COPY canary FROM '/etc/passwd'
COPY canary FROM PROGRAM 'echo 1'
COPY canary FROM STDIN
COPY canary TO STDOUT
COPY (SELECT * FROM canary) TO STDOUT WITH (FORMAT binary)
COPY (DELETE FROM canary RETURNING *) TO STDOUT
SELECT pg_read_file('/etc/passwd')
SELECT pg_read_file('postgresql.conf')
SELECT pg_read_binary_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT * FROM pg_ls_logdir()
SELECT pg_stat_file('/etc/passwd')
SELECT lo_import('/etc/passwd')
SELECT lo_export(4711, '/tmp/ops_canary_egg')
SELECT rolpassword FROM pg_authid
SELECT passwd FROM pg_shadow
SELECT * FROM pg_hba_file_rules
LOAD 'auto_explain'
CREATE FUNCTION cuckoo() RETURNS int LANGUAGE c AS '/tmp/egg.so', 'cuckoo'
CREATE SERVER cuckoo FOREIGN DATA WRAPPER file_fdw
CREATE LANGUAGE plpython3u
ALTER SYSTEM SET archive_command = 'touch /tmp/ops_canary_egg'
CREATE TABLESPACE egg LOCATION '/tmp'
CREATE DATABASE egg
CREATE SUBSCRIPTION egg CONNECTION 'host=127.0.0.1' PUBLICATION egg
VACUUM FULL canary
CHECKPOINT
COPY (SELECT pg_read_file('/etc/passwd')) TO STDOUT
COPY pg_authid TO '/tmp/ops_canary_egg'
SELECT pg_file_write('/tmp/ops_canary_egg', 'x', false)
SELECT pg_ls_waldir(), pg_ls_tmpdir()
SELECT * FROM pg_file_settings
SELECT umoptions FROM pg_user_mapping
SELECT xmlparse(DOCUMENT '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>')
CREATE FOREIGN TABLE nest (a text) SERVER cuckoo OPTIONS (program 'touch /tmp/ops_canary_egg')
ALTER DATABASE hostile SET search_path = nest
GRANT pg_execute_server_program TO CURRENT_USER
"""

LOCKS = r"""
SELECT pg_advisory_lock(729104001)
SELECT pg_try_advisory_lock(1, 2)
SELECT pg_advisory_lock_shared(7)
SELECT pg_advisory_xact_lock(7)
SELECT pg_advisory_unlock_all()
LOCK TABLE canary
LOCK TABLE canary IN ACCESS SHARE MODE
LOCK TABLE canary IN EXCLUSIVE MODE NOWAIT
LISTEN canary
UNLISTEN *
NOTIFY canary, 'egg'
SELECT pg_notify('canary', 'egg')
SELECT pg_export_snapshot()
SET TRANSACTION SNAPSHOT '00000003-0000001B-1'
SELECT pg_log_backend_memory_contexts(pg_backend_pid())
SELECT pg_advisory_lock(n) FROM generate_series(1, 5000) AS n
SELECT pg_notify('canary', repeat('x', 7999)) FROM generate_series(1, 500)
SELECT pg_notify('canary', repeat('x', 8001))
LOCK TABLE canary, orders, fills IN ACCESS EXCLUSIVE MODE
"""

RESOURCE_BOMBS = r"""
SELECT pg_sleep(3600)
SELECT pg_sleep(3600) FROM generate_series(1, 1000)
SELECT set_config('statement_timeout', '0', false), pg_sleep(3600)
WITH off AS MATERIALIZED (SELECT set_config('statement_timeout', '0', false))
 SELECT pg_sleep(0.01) FROM off, generate_series(1, 1000000)
SELECT count(*) FROM generate_series(1, 100000000000)
SELECT * FROM generate_series(1, 100000000000)
SELECT repeat('x', 200000000)
SELECT repeat('x', 5000000) FROM generate_series(1, 1000)
SELECT a.note FROM canary a, generate_series(1, 1000000) b, generate_series(1, 1000000) c
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT * FROM r
WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r
SELECT array_agg(i) FROM generate_series(1, 10000000) AS i
SELECT regexp_replace(repeat('a', 30), '(a*)*b', 'x'), pg_sleep(10)
DO $$ BEGIN LOOP NULL; END LOOP; END $$
DO $$ BEGIN LOOP BEGIN PERFORM pg_sleep(1); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;
 END $$
SELECT 10 ^ 100000
SELECT factorial(100000)
SELECT pg_sleep_for('1 hour'), pg_sleep_until('infinity')
SELECT repeat('a', 3000) ~ '(a|a|aa|a?)*(a*)*b\1'
SELECT repeat('a', 20000) LIKE repeat('%a', 5000) || 'b'
SELECT repeat('x', 3000000)::int
SELECT ('{' || repeat('x', 3000000))::jsonb
SELECT repeat('[', 100000)::json
SELECT (repeat('[', 3000) || repeat(']', 3000))::jsonb
SELECT length(set_config('search_path', repeat('a,', 1000000) || 'a', false))
SELECT format('%50000000s', 'x')
SELECT string_agg(repeat('x', 100000), '') FROM generate_series(1, 500)
SELECT a.*, b.*, c.*, d.* FROM pg_attribute AS a, pg_attribute AS b, pg_proc AS c, pg_type AS d
SELECT md5(a.oid::text || b.oid::text) FROM pg_proc AS a, pg_proc AS b ORDER BY 1
SELECT to_tsvector(repeat('many words ', 90000))
SELECT 9.99::numeric ^ 30000.5, '1e131000'::numeric
SELECT generate_series(now(), 'infinity', '1 microsecond')
SELECT $65535::int
SELECT $99999999::int
"""

MALFORMED = r"""
selec 1
SELECT
SELECT FROM
DELETE
FROM canary
)
(
((((((((((((((((((((
SELECT CASE WHEN CASE WHEN
SELECT U&'\d800'
SELECT E'\xff'
SELECT chr(0)
SELECT convert_from('\xff', 'UTF8')
SELECT * FROM canary WHERE
SELECT $1
SELECT $1, $2
SELECT :name
SELECT 1/0
SELECT 'x'::int
SELECT no_such_column FROM canary
SELECT * FROM no_such_table
SELECT no_such_function()
EXPLAIN
VALUES
SELECT '\x'::bytea || 1
SELECT '{'::jsonb
SELECT '\ud800'::jsonb
'; DELETE FROM canary; --
1 OR 1=1; DELETE FROM canary
{"sql": "DELETE FROM canary"}
<script>DELETE FROM canary</script>
\! touch /tmp/ops_canary_egg
\copy canary to /tmp/ops_canary_egg
"""


def _statements(text: str) -> list[str]:
    r"""One a line; a line that begins with a space goes on. \n and \\r stand for line breaks."""
    joined = text.strip("\n").replace("\n ", " ")
    return [line.replace("\\n", "\n").replace("\\r", "\r") for line in joined.split("\n")]


CLASSES: dict[str, list[str]] = {
    "direct write": _statements(DIRECT_WRITE),
    "CTE write": _statements(CTE_WRITE),
    "stacked": _statements(STACKED),
    "transaction mode": _statements(TRANSACTION_MODE),
    "comment tricks": _statements(COMMENT_TRICKS),
    "EXPLAIN and PREPARE": _statements(EXPLAIN_PREPARE),
    "volatile functions": _statements(VOLATILE_FUNCTIONS),
    "server files and programs": _statements(SERVER_FILES),
    "locks and notify": _statements(LOCKS),
    "resource bombs": _statements(RESOURCE_BOMBS),
    "malformed": [*_statements(MALFORMED), " ", ";", "\ufeff", "\u200bDELETE FROM canary",
                  "\uff24\uff25\uff2c\uff25\uff34\uff25 FROM canary", "DEL\u0415TE FROM canary",
                  "SELECT 1 \u202e; DELETE FROM canary", "\u00a0DO $$ BEGIN END $$",
                  "\x0bDO $$ BEGIN NULL; END $$", "/*/*/**/*/*/ DO $$ BEGIN NULL; END $$",
                  "SELECT x\u2192$$ FROM canary; DELETE FROM canary; --$$",
                  "DELETE\u2028FROM canary",
                  "SELECT '" + "x" * 10_000_000 + "'", "SELECT " + ",".join(["1"] * 1700),
                  "SELECT '\0'", "SELECT '\ud800'", "DELETE\u00a0FROM canary", "é", "\U0001f4c8",
                  "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
                  "SELECT " + "1+" * 40_000 + "1", "x" * 1_000_000, "SELECT 1 " + "," * 50_000],
}  # fmt: skip
# No statements at all.
NOT_TEXT: list[object] = [None, 0, 7.5, True, [], ["SELECT 1"], {"sql": "SELECT 1"}, b"SELECT 1"]
