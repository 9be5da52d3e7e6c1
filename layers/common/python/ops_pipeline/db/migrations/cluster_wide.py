"""Which statements act beyond the database they run in.

Roles, databases, tablespaces and the server's settings belong to the whole cluster, and
a subscription involves another server. `verify` runs files a second time on a scratch
database: there, such a statement would drop the real database or reset a real password.
"""

import re

from ops_pipeline.db.migrations.statement import Statement

_CLUSTER_WIDE = re.compile(
    r"""
      (CREATE|ALTER|DROP)\ (DATABASE|TABLESPACE|ROLE|GROUP|USER(?!\ MAPPING)|SUBSCRIPTION)\b.*
    | ALTER\ SYSTEM\b.*
    | (COMMENT|SECURITY\ LABEL\ (FOR\ \w+\ )?)\ ?ON\ (DATABASE|TABLESPACE|ROLE|SUBSCRIPTION)\b.*
    | (GRANT|REVOKE)\ .*\bON\ (DATABASE|TABLESPACE|PARAMETER)\b.*
    | (GRANT|REVOKE)\ (?!.*\bON\b).*
    | (REASSIGN|DROP)\ OWNED\b.*
    | COPY\b.*\b(TO|PROGRAM)\b.*
    """,
    re.VERBOSE,
)
# What a block of code must not do a second time; its text is searched, not parsed.
_HIDDEN = re.compile(
    r"\b(create|alter|drop)\s+(database|tablespace|role|group|user(?!\s+mapping)|subscription)\b"
    r"|\balter\s+system\b|\b(drop|reassign)\s+owned\b|\bto\s+program\b|\bdblink",
    re.IGNORECASE,
)


def is_cluster_wide(statement: Statement) -> bool:
    """Whether running it on a scratch database would change anything outside of it."""
    if _CLUSTER_WIDE.fullmatch(" ".join(statement.words)):
        return True
    return statement.words[:1] == ("DO",) and statement.contains(_HIDDEN)
