"""Every object of a schema with its definition, so that two databases can be compared.

Left out are the order of columns, owners, storage, statistics and rows, settings of a
database or a role, and of an extension everything but its name and version: no migration
promises those.
"""

import hashlib
import json
from collections.abc import Sequence

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.migrations.snapshot_rest import REST

# `s` are the schemas that are not Postgres's own, `o` their relations without the runner's own
# tables, which no migration makes.
_SNAPSHOT = """
WITH s AS (
    SELECT oid, nspname, nspacl FROM pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
), made_by_extension AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), o AS (
    SELECT c.oid, c.relname, c.relkind, c.relacl, c.relowner, c.relrowsecurity,
        c.relforcerowsecurity, c.reloptions, c.relreplident, c.relpersistence,
        c.relpartbound, c.relispartition,
        quote_ident(s.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class AS c JOIN s ON s.oid = c.relnamespace
    WHERE (s.nspname = 'public' AND c.relname IN
        ('schema_migrations', 'schema_migrations_half_done')) IS FALSE
    AND c.relname NOT IN ('schema_migrations_adopted', 'schema_migrations_corrections')
    AND NOT EXISTS (SELECT FROM made_by_extension AS e
                    WHERE e.classid = 'pg_class'::regclass AND e.objid = c.oid)
), kinds (letter, kind) AS (
    VALUES ('r', 'table'), ('p', 'partitioned table'), ('v', 'view'), ('m', 'materialized view'),
        ('f', 'foreign table'), ('S', 'sequence'), ('c', 'composite type')
)
-- text, all of it: the first arm decides, and a name would end after 63 bytes.
SELECT CAST('schema' AS text) AS kind, CAST(nspname AS text) AS name,
    CAST('' AS text) AS definition FROM s
UNION ALL
SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL
SELECT kinds.kind, o.name, concat_ws(', ',
    CASE WHEN o.relkind IN ('v', 'm') THEN pg_get_viewdef(o.oid) END,
    CASE WHEN o.relpersistence = 'u' THEN 'unlogged' END,
    CASE WHEN o.relrowsecurity THEN 'row security' END,
    CASE WHEN o.relforcerowsecurity THEN 'forced' END,
    CASE WHEN o.relispartition THEN pg_get_expr(o.relpartbound, o.oid) END,
    CASE WHEN o.relkind = 'p' THEN pg_get_partkeydef(o.oid) END,
    (SELECT 'of ' || string_agg(
        CAST(CAST(h.inhparent AS regclass) AS text), ' ' ORDER BY h.inhseqno)
     FROM pg_inherits AS h WHERE h.inhrelid = o.oid),
    (SELECT 'owned by ' || CAST(CAST(w.refobjid AS regclass) AS text) || '.' || a.attname
     FROM pg_depend AS w
     JOIN pg_attribute AS a ON a.attrelid = w.refobjid AND a.attnum = w.refobjsubid
     WHERE o.relkind = 'S' AND w.classid = 'pg_class'::regclass AND w.objid = o.oid
     AND w.deptype IN ('a', 'i')),
    CASE WHEN o.relreplident IN ('f', 'i', 'n') AND o.relkind IN ('r', 'p')
        THEN 'replica identity ' || CAST(o.relreplident AS text) END,
    array_to_string(o.reloptions, ' '))
FROM o JOIN kinds ON kinds.letter = o.relkind::text
UNION ALL
SELECT 'column', o.name || '.' || quote_ident(a.attname), concat_ws(' ',
    format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attnotnull THEN 'not null' END,
    CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
    CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
    CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN d.oid IS NOT NULL THEN 'default' END,
    pg_get_expr(d.adbin, d.adrelid))
FROM o JOIN pg_attribute AS a ON a.attrelid = o.oid
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = o.oid AND d.adnum = a.attnum
WHERE o.relkind IN ('r', 'p', 'f', 'v', 'm', 'c') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'sequence', quote_ident(q.schemaname) || '.' || quote_ident(q.sequencename) || ' (values)',
    concat_ws(' ', data_type, start_value, min_value, max_value, increment_by, cycle, cache_size)
FROM pg_sequences AS q JOIN o ON o.oid = format('%I.%I', q.schemaname, q.sequencename)::regclass
UNION ALL
SELECT 'constraint', o.name || '.' || quote_ident(k.conname),
    concat(pg_get_constraintdef(k.oid), CASE WHEN NOT k.convalidated THEN ' (not validated)' END,
        (SELECT ' (its triggers are off)' FROM pg_trigger AS g
         WHERE g.tgconstraint = k.oid AND g.tgisinternal AND g.tgenabled <> 'O' LIMIT 1))
FROM pg_constraint AS k JOIN o ON o.oid = k.conrelid WHERE k.contype <> 'n'
UNION ALL
SELECT 'index', o.name || '.' || quote_ident(c.relname),
    pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
FROM pg_index AS i JOIN o ON o.oid = i.indrelid JOIN pg_class AS c ON c.oid = i.indexrelid
UNION ALL
SELECT 'trigger', o.name || '.' || quote_ident(g.tgname),
    concat(pg_get_triggerdef(g.oid), CASE g.tgenabled
        WHEN 'D' THEN ' (off)' WHEN 'R' THEN ' (on replicas)' WHEN 'A' THEN ' (always)' END)
FROM pg_trigger AS g JOIN o ON o.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT 'rule', o.name || '.' || quote_ident(r.rulename),
    concat(pg_get_ruledef(r.oid), CASE WHEN r.ev_enabled <> 'O' THEN ' (off or on replicas)' END)
FROM pg_rewrite AS r JOIN o ON o.oid = r.ev_class WHERE r.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', o.name || '.' || quote_ident(p.polname), concat_ws(' ', p.polcmd, p.polpermissive,
    (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ' ' ORDER BY r)
     FROM unnest(p.polroles) AS r),
    pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy AS p JOIN o ON o.oid = p.polrelid
UNION ALL
SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END,
    quote_ident(s.nspname) || '.' || quote_ident(p.proname) || '('
        || pg_get_function_identity_arguments(p.oid) || ')',
    CASE WHEN p.prokind <> 'a' THEN pg_get_functiondef(p.oid) ELSE
        (SELECT concat_ws(' ', g.aggtransfn, g.aggfinalfn, g.aggcombinefn,
            format_type(g.aggtranstype, NULL), g.agginitval)
         FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid) END
FROM pg_proc AS p JOIN s ON s.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass
                  AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
UNION ALL
SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'range' END,
    quote_ident(s.nspname) || '.' || quote_ident(t.typname), concat_ws(' ',
    (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder)
     FROM pg_enum AS e WHERE e.enumtypid = t.oid),
    CASE WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
    CASE WHEN t.typnotnull THEN 'not null' END, t.typdefault,
    (SELECT string_agg(k.conname || ' ' || pg_get_constraintdef(k.oid), ', ' ORDER BY k.conname)
     FROM pg_constraint AS k WHERE k.contypid = t.oid),
    (SELECT format_type(r.rngsubtype, NULL) FROM pg_range AS r WHERE r.rngtypid = t.oid))
FROM pg_type AS t JOIN s ON s.oid = t.typnamespace
WHERE t.typtype IN ('e', 'd', 'r')
AND NOT EXISTS (SELECT FROM made_by_extension AS e
                WHERE e.classid = 'pg_type'::regclass AND e.objid = t.oid)
UNION ALL
SELECT 'comment', o.name || CASE WHEN x.objsubid = 0 THEN '' ELSE '.' ||
    (SELECT quote_ident(attname) FROM pg_attribute
     WHERE attrelid = o.oid AND attnum = x.objsubid) END, x.description
FROM pg_description AS x JOIN o ON o.oid = x.objoid WHERE x.classoid = 'pg_class'::regclass
UNION ALL
SELECT 'privileges', o.name || ' to ' || coalesce(r.rolname, 'public'),
    string_agg(p.privilege_type || CASE WHEN p.is_grantable THEN ' with grant option' ELSE '' END,
        ', ' ORDER BY p.privilege_type)
FROM o CROSS JOIN aclexplode(o.relacl) AS p LEFT JOIN pg_roles AS r ON r.oid = p.grantee
WHERE p.grantee <> o.relowner GROUP BY o.name, r.rolname
"""
# What decides how Postgres writes a constant in a definition.
_WRITING = {
    "search_path": "pg_catalog",
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
}
_SET = "SELECT current_setting(:name) AS before, set_config(:name, :value, true)"
_SET_BACK = "SELECT set_config(:name, :value, true)"


def snapshot(tx: Transaction) -> dict[str, str]:
    """Definition by object, for example `column public.accounts.active: boolean not null`.

    Names include their schema, whatever the session's search path is.
    """
    before = {
        name: (tx.one(_SET, name=name, value=value) or {})["before"]
        for name, value in _WRITING.items()
    }
    rows = [*tx.rows(_SNAPSHOT), *tx.rows(REST)]
    for name, value in before.items():
        tx.enqueue(_SET_BACK, name=name, value=value)
    return keyed(rows)


def keyed(rows: Sequence[Row]) -> dict[str, str]:
    """The definitions by kind and name, of which no two may be the same.

    Raises:
        RuntimeError: two are; one of them would hide the other.
    """
    found: dict[str, str] = {}
    for row in rows:
        key = f"{row['kind']} {row['name']}"
        if key in found:
            raise RuntimeError(f"two objects have one name in the snapshot: {key}")
        found[key] = row["definition"]
    return found


def fingerprint(tx: Transaction) -> str:
    """sha256 of the snapshot: two databases of one schema have the same."""
    ordered = sorted(snapshot(tx).items())
    return hashlib.sha256(json.dumps(ordered).encode()).hexdigest()
