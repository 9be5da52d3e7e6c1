"""Which columns of an answer are arrays, including arrays of user-defined types."""

from ops_pipeline.db.console.json_values import TO_JSON, ToJson, array_of, text_to_json
from ops_pipeline.db.console.protocol import QueryResult
from ops_pipeline.db.driver.wire import PipelinedSession
from ops_pipeline.db.migrations.literals import with_literals

# Common types that are no arrays, so that no query is needed for them: char, name, text,
# bpchar, varchar, date, time, timetz, interval, bytea, uuid, inet, cidr.
_PLAIN = frozenset((18, 19, 25, 1042, 1043, 1082, 1083, 1266, 1186, 17, 2950, 869, 650))
# For each array its element type, a domain resolved to its base type. int2vector and oidvector
# are not meant: their text form is another.
_ARRAYS = """
    SELECT t.oid::bigint, coalesce(nullif(e.typbasetype, 0), e.oid)::bigint
    FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_type AS e ON e.oid = t.typelem
    WHERE t.oid = ANY (CAST(:oids AS oid[])) AND t.typcategory = 'A' AND t.typarray = 0
    AND e.typdelim = ','
"""


def of_columns(session: PipelinedSession, answer: QueryResult) -> dict[int, ToJson]:
    """The converters of arrays that TO_JSON does not know, by type."""
    unknown = {column.oid for column in answer.columns} - TO_JSON.keys() - _PLAIN
    if not unknown or not answer.rows:
        return {}
    oids = f"{{{','.join(map(str, sorted(unknown)))}}}"
    found = session.execute_simple(with_literals(_ARRAYS, oids=oids)).rows
    return {oid: array_of(TO_JSON.get(element, text_to_json)) for oid, element in found}
