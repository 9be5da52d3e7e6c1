"""What the console refuses before Postgres sees it.

A READ ONLY transaction still lets a statement hold locks for the whole server, end other
sessions, send messages, write to the log and lift its own time limit. Every role may do so
and only a superuser could revoke it, which RDS has for nobody. So these commands and
functions are refused by name, wherever in the statement they stand.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from ops_pipeline.db.migrations.lexer import (
    SqlUnreadable,
    has_unicode_name,
    split,
    tokens_of,
)

# The console controls the transaction, and a block of code can catch the very error that
# ends it at the time limit.
_VERBS = frozenset(
    ("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE", "DO", "CALL",
     "LISTEN", "UNLISTEN", "NOTIFY")
)  # fmt: skip
_OF_A_SESSION = (("PREPARE",), ("EXECUTE",), ("DEALLOCATE",), ("DISCARD",))
_FUNCTIONS = re.compile(
    r"""
      pg_(try_)?advisory_\w+
    | pg_(terminate|cancel)_backend
    | pg_logical_\w+ | pg_replication_\w+ | pg_create_\w+ | pg_drop_replication_slot
    | pg_notify
    | lo_(creat|create|unlink|put|from_bytea|truncate|truncate64|import|export) | lowrite
    # These run SQL that is given as text.
    | (query|cursor)_to_xml\w* | ts_stat | ts_rewrite | dblink\w*
    """,
    re.VERBOSE,
)
_SET_CONFIG = "set_config"
# `SELECT set_config('a', 'b', true), ...` alone changes nothing for anybody: no work follows it.
_HARMLESS = re.compile(
    r"select(,? (pg_catalog \. )?set_config \( '[^']*' , '[^']*' , (true|false|on|off) \))+"
)
_LIMIT = re.compile(r"'?\w*_timeout'?", re.IGNORECASE)


def reason_to_refuse(sql: str) -> str | None:
    """Why the console refuses the statement; None for what Postgres may judge.

    SQL that cannot be split into statements is left to Postgres, which refuses it too.
    """
    try:
        statements = split(sql)
        tokens = tokens_of(sql)
    except SqlUnreadable:
        return None
    if not statements:
        return "sql holds no statement"
    for statement in statements:
        words = statement.words
        if words[:1] and words[0] in _VERBS:
            return f"{words[0]} is not allowed: the console reads, in its own transaction"
        if words[:2] == ("PREPARE", "TRANSACTION"):
            return "PREPARE TRANSACTION is not allowed: the console reads"
    if has_unicode_name(sql):
        return 'names written as U&"..." are not allowed in the console'
    return _forbidden_call(tokens) or _lifted_limit(tokens)


def reason_behind_a_pooler(sql: str) -> str | None:
    """Why the console refuses the statement where sessions are shared with others.

    A prepared statement outlives the transaction, and is in the way of whoever gets that
    session next.
    """
    try:
        words = [statement.words[:1] for statement in split(sql)]
    except SqlUnreadable:
        return None
    for word in words:
        if word in _OF_A_SESSION:
            return f"{word[0]} is not allowed behind a pooler, where the session is shared"
    return None


def _forbidden_call(tokens: Sequence[str]) -> str | None:
    for name, following in pairwise(tokens):
        if following == "(" and _FUNCTIONS.fullmatch(name):
            return f"{name}() is not allowed: the console reads, and keeps nothing"
    return None


def _lifted_limit(tokens: Sequence[str]) -> str | None:
    """A time limit that is set, or a set_config that is more than a statement of its own."""
    if tokens[:1] in (["set"], ["reset"]):
        names = [token for token in tokens[1:3] if token not in ("session", "local")]
        if names and _LIMIT.fullmatch(names[0]):
            return f"{names[0]} is the console's"
    if (_SET_CONFIG, "(") not in pairwise(tokens):
        return None
    if any(_LIMIT.fullmatch(token) for token in tokens):
        return "the time limits are the console's"
    line = " ".join(tokens).removesuffix(" ;")
    if _HARMLESS.fullmatch(line) is None:
        return "set_config() is allowed only in a statement of its own, with constants"
    return None
