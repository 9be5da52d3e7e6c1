"""Everything in a schema but its relations: privileges, comments, rarer kinds of objects.

Objects of these kinds that come with Postgres have oids under 16384. Privileges of the
schema `public` come from the step that makes the roles, not from migrations.
"""

REST = """
WITH made_by_extension AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), s AS (
    SELECT oid, nspname, nspacl, nspowner FROM pg_namespace
    WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
), acl (name, owner, privileges) AS (
    SELECT 'schema ' || CAST(nspname AS text), nspowner, coalesce(nspacl, acldefault('n', nspowner))
    FROM s WHERE nspname <> 'public'
    UNION ALL
    SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' WHEN 'a' THEN 'aggregate ' ELSE 'function ' END
        || quote_ident(s.nspname) || '.' || quote_ident(p.proname) || '('
        || pg_get_function_identity_arguments(p.oid) || ')', p.proowner,
        coalesce(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc AS p JOIN s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
    UNION ALL
    SELECT CASE t.typtype WHEN 'e' THEN 'enum ' WHEN 'd' THEN 'domain ' ELSE 'range ' END
        || quote_ident(s.nspname) || '.' || quote_ident(t.typname), t.typowner,
        coalesce(t.typacl, acldefault('T', t.typowner))
    FROM pg_type AS t JOIN s ON s.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r') AND t.oid NOT IN
        (SELECT objid FROM made_by_extension WHERE classid = 'pg_type'::regclass)
    UNION ALL
    SELECT quote_ident(s.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname),
        c.relowner, a.attacl
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
    JOIN s ON s.oid = c.relnamespace WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
), rare (classid, objid, definition) AS (
    SELECT 'pg_ts_config'::regclass, oid, '' FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictinitoption FROM pg_ts_dict
    UNION ALL SELECT 'pg_collation'::regclass, oid, concat_ws(' ', collprovider, collcollate)
        FROM pg_collation
    UNION ALL SELECT 'pg_cast'::regclass, oid, concat_ws(' ', castcontext, castmethod) FROM pg_cast
    UNION ALL SELECT 'pg_operator'::regclass, oid, CAST(oprcode AS text) FROM pg_operator
    UNION ALL SELECT 'pg_opclass'::regclass, oid, '' FROM pg_opclass
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, '' FROM pg_opfamily
    UNION ALL SELECT 'pg_conversion'::regclass, oid, CAST(conproc AS text) FROM pg_conversion
    UNION ALL SELECT 'pg_language'::regclass, oid, '' FROM pg_language
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, array_to_string(fdwoptions, ' ')
        FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, array_to_string(srvoptions, ' ')
        FROM pg_foreign_server
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, pg_get_statisticsobjdef(oid)
        FROM pg_statistic_ext
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, concat_ws(' ', evtevent,
        CAST(evtfoid AS regproc), evtenabled, array_to_string(evttags, ' ')) FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, p.oid, concat_ws(' ', puballtables, pubinsert,
        pubupdate, pubdelete, pubtruncate,
        (SELECT string_agg(CAST(CAST(r.prrelid AS regclass) AS text), ' ' ORDER BY r.prrelid)
         FROM pg_publication_rel AS r WHERE r.prpubid = p.oid)) FROM pg_publication AS p
    UNION ALL SELECT 'pg_type'::regclass, oid, 'shell' FROM pg_type WHERE NOT typisdefined
)
SELECT CAST('privileges' AS text) AS kind,
    CAST(acl.name || ' to ' || coalesce(r.rolname, 'public') AS text) AS name,
    string_agg(p.privilege_type || CASE WHEN p.is_grantable THEN ' with grant option' ELSE '' END,
        ', ' ORDER BY p.privilege_type) AS definition
FROM acl CROSS JOIN aclexplode(acl.privileges) AS p LEFT JOIN pg_roles AS r ON r.oid = p.grantee
WHERE p.grantee <> acl.owner GROUP BY acl.name, r.rolname
UNION ALL
SELECT 'default privileges', concat_ws(' ', 'of', o.rolname, 'in ' || n.nspname,
    d.defaclobjtype, 'to', coalesce(r.rolname, 'public')),
    string_agg(p.privilege_type, ', ' ORDER BY p.privilege_type)
FROM pg_default_acl AS d JOIN pg_roles AS o ON o.oid = d.defaclrole
LEFT JOIN pg_namespace AS n ON n.oid = d.defaclnamespace
CROSS JOIN aclexplode(d.defaclacl) AS p LEFT JOIN pg_roles AS r ON r.oid = p.grantee
GROUP BY o.rolname, n.nspname, d.defaclobjtype, r.rolname
UNION ALL
SELECT 'comment', i.type || ' ' || i.identity, x.description
FROM pg_description AS x CROSS JOIN pg_identify_object(x.classoid, x.objoid, x.objsubid) AS i
WHERE x.objoid >= 16384 AND x.classoid NOT IN ('pg_class'::regclass, 'pg_extension'::regclass)
AND NOT EXISTS (SELECT FROM made_by_extension AS e
                WHERE e.classid = x.classoid AND e.objid = x.objoid)
UNION ALL
SELECT i.type, i.identity, coalesce(rare.definition, '')
FROM rare CROSS JOIN pg_identify_object(rare.classid, rare.objid, 0) AS i
WHERE rare.objid >= 16384
AND NOT EXISTS (SELECT FROM made_by_extension AS e
                WHERE e.classid = rare.classid AND e.objid = rare.objid)
"""
