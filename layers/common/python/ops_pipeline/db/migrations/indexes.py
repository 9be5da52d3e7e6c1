"""Removes what an interrupted CREATE INDEX CONCURRENTLY or REINDEX CONCURRENTLY left behind.

Postgres leaves an invalid index that slows writes and serves no query. It has the name the
statement needs, so every further attempt would fail.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.db.migrations.lexer import tokens_of
from ops_pipeline.db.migrations.literals import with_literals
from ops_pipeline.db.migrations.statement import Statement

_OF_TABLE = """
    SELECT i.indexrelid::bigint, format('%I.%I', n.nspname, c.relname), c.relname, i.indisvalid,
        EXISTS (SELECT FROM pg_stat_progress_create_index AS p
                WHERE p.index_relid = i.indexrelid) AS being_built
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE i.indrelid = to_regclass(:table)
"""
_REBUILT = """
    SELECT i.indexrelid::bigint, format('%I.%I', n.nspname, c.relname), c.relname, i.indisvalid,
        false AS being_built
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$'
"""


@dataclass(frozen=True, slots=True)
class Index:
    """One index. `place` is its quoted name with the schema."""

    oid: int
    place: str
    name: str
    valid: bool
    being_built: bool


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """What a statement builds: a table's index of that name (None: Postgres names it).

    `table` None means REINDEX, whose intermediate indexes Postgres names itself.
    """

    table: str | None
    name: str | None


def target_of(statement: Statement) -> IndexTarget | None:
    """The index a CONCURRENTLY statement builds; None for any other statement."""
    if "CONCURRENTLY" not in statement.words:
        return None
    tokens = tokens_of(statement.text)
    if tokens[:1] == ["reindex"] and "concurrently" in tokens:
        return IndexTarget(table=None, name=None)
    head = tokens[2:] if tokens[1:2] == ["unique"] else tokens[1:]
    if tokens[:1] != ["create"] or head[:2] != ["index", "concurrently"]:
        return None
    rest = head[5:] if head[2:5] == ["if", "not", "exists"] else head[2:]
    name = None if rest[0] == "on" else rest[0]
    after = rest[rest.index("on") + 1 :]
    parts = after[1:] if after[0] == "only" else after
    table = parts[:3] if parts[1:2] == ["."] else parts[:1]
    return IndexTarget(table=".".join(_quoted(part) for part in table if part != "."), name=name)


def existing(session: PipelinedSession, target: IndexTarget | None) -> list[Index]:
    """The indexes among which the statement's own would be found."""
    if target is None:
        return []
    sql = _REBUILT if target.table is None else with_literals(_OF_TABLE, table=target.table)
    return [Index(*row) for row in session.execute_simple(sql).rows]


def drop_leftover(session: PipelinedSession, target: IndexTarget | None) -> None:
    """Drop an invalid index of the name that is needed, unless it is being built right now."""
    found = existing(session, target)
    if target is not None and target.name is not None:
        _drop(session, (each for each in found if each.name == target.name))


def settle(session: PipelinedSession, target: IndexTarget | None, before: Iterable[int]) -> bool:
    """Drop what the statement left invalid; return whether it completed its index.

    Args:
        session: Outside any transaction.
        target: What the statement builds.
        before: The indexes that existed before it.
    """
    known = frozenset(before)
    made = [index for index in existing(session, target) if index.oid not in known]
    _drop(session, made)
    return any(index.valid for index in made)


def _drop(session: PipelinedSession, indexes: Iterable[Index]) -> None:
    for index in indexes:
        if not index.valid and not index.being_built:
            session.execute_simple(f"DROP INDEX CONCURRENTLY IF EXISTS {index.place}")


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
