-- Who may change what: each change tried by each role on a table of its own, and taken back.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE rule_owner;
CREATE ROLE rule_admin IN ROLE wal2lake_admin;
CREATE ROLE rule_both IN ROLE rule_owner, wal2lake_admin;
CREATE ROLE rule_later NOINHERIT IN ROLE rule_both;
CREATE ROLE rule_stranger;
CREATE ROLE rule_super SUPERUSER;
CREATE SCHEMA rules;
GRANT USAGE ON SCHEMA rules TO PUBLIC;
GRANT EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) TO rule_owner, wal2lake_admin, rule_stranger;
CREATE TABLE rules.t (id int PRIMARY KEY, email text, size int2, at timestamptz, flag bool, doc jsonb);
ALTER TABLE rules.t OWNER TO rule_owner;
-- Ways around: functions that run with the rights of somebody else.
CREATE FUNCTION rules.of_super(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE statement; END $$;
CREATE FUNCTION rules.of_admin(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN EXECUTE statement; END $$;
ALTER FUNCTION rules.of_admin OWNER TO rule_admin;
-- What comes of a statement of a role, after what is there before it; nothing of it stays.
CREATE FUNCTION rules.try(role text, before text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    outcome text := 'yes';
BEGIN
    BEGIN
        IF before <> '' THEN
            EXECUTE before;
        END IF;
        PERFORM set_config('role', role, true);
        BEGIN
            EXECUTE statement;
        EXCEPTION WHEN OTHERS THEN
            outcome := CASE WHEN SQLERRM LIKE '%needs the wal2lake admin role' THEN 'admin'
                            WHEN SQLERRM LIKE 'must be owner of %' THEN 'owner' ELSE SQLERRM END;
        END;
        RAISE SQLSTATE 'UNDO0';
    EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
        RETURN outcome;
    END;
END
$$;
CREATE FUNCTION rules.label(target text, label text) RETURNS text LANGUAGE sql AS
$$ SELECT format('SECURITY LABEL FOR wal2lake ON %s IS %s', target, coalesce(quote_literal(label), 'NULL')) WHERE target <> '' $$;
CREATE TABLE rules.change (number serial, change text, target text, before text, after text);
INSERT INTO rules.change (change, target, before, after) VALUES
    ('first label: drop', 'COLUMN rules.t.email', NULL, 'red drop'),
    ('first label: drop by default', 'COLUMN rules.t.email', NULL, 'regulated_red'),
    ('first label: hash', 'COLUMN rules.t.email', NULL, 'red hash'),
    ('first label: clear', 'COLUMN rules.t.email', NULL, 'green'),
    ('clear to hash', 'COLUMN rules.t.email', 'green', 'green hash'),
    ('clear to hash with a domain', 'COLUMN rules.t.email', 'green', 'red hash domain=d'),
    ('clear to drop', 'COLUMN rules.t.email', 'green', 'red drop'),
    ('hash to drop', 'COLUMN rules.t.email', 'red hash domain=d', 'red drop'),
    ('class raised', 'COLUMN rules.t.email', 'yellow', 'orange hash'),
    ('class raised, all else as it was', 'COLUMN rules.t.email', 'orange hash domain=d', 'red hash domain=d'),
    ('the same again', 'COLUMN rules.t.email', 'red hash domain=d', 'red hash domain=d'),
    ('drop to hash', 'COLUMN rules.t.email', 'red drop', 'red hash'),
    ('drop to clear', 'COLUMN rules.t.email', 'yellow drop', 'yellow'),
    ('hash to clear', 'COLUMN rules.t.email', 'green hash', 'green'),
    ('class lowered', 'COLUMN rules.t.email', 'red drop', 'orange drop'),
    ('domain changed', 'COLUMN rules.t.email', 'red hash domain=d', 'red hash domain=e'),
    ('domain removed', 'COLUMN rules.t.email', 'red hash domain=d', 'red hash'),
    ('domain added', 'COLUMN rules.t.email', 'red hash', 'red hash domain=d'),
    ('label removed', 'COLUMN rules.t.email', 'red drop', NULL),
    ('hash of few values', 'COLUMN rules.t.size', 'green', 'green hash'),
    ('hash of few values by default', 'COLUMN rules.t.size', 'green', 'red'),
    ('first label: hash by default of few values', 'COLUMN rules.t.flag', NULL, 'red'),
    ('first label: hash by default of what has none', 'COLUMN rules.t.doc', NULL, 'red'),
    ('first label: drop of few values', 'COLUMN rules.t.flag', NULL, 'red drop'),
    ('drop to hash by default of few values', 'COLUMN rules.t.size', 'red drop', 'red'),
    ('drop to hash by default of what has none', 'COLUMN rules.t.doc', 'red drop', 'red'),
    ('domain removed, of few values', 'COLUMN rules.t.size', 'red hash domain=d', 'red'),
    ('hash of few values to drop', 'COLUMN rules.t.size', 'red hash domain=d', 'red drop'),
    ('hash by default of what has none, raised', 'COLUMN rules.t.doc', 'orange', 'red'),
    ('exclude', 'TABLE rules.t', NULL, 'exclude'),
    ('exclude removed', 'TABLE rules.t', 'exclude', NULL),
    ('exclude to inherit', 'TABLE rules.t', 'exclude', 'inherit'),
    ('inherit', 'TABLE rules.t', NULL, 'inherit'),
    ('inherit removed', 'TABLE rules.t', 'inherit', NULL),
    ('key of the database', 'DATABASE regression', NULL, 'key=k2026'),
    ('key of the database removed', 'DATABASE regression', 'key=k2026', NULL);
\pset tuples_only off
SELECT change,
       rules.try('rule_owner', before, after) AS owner,
       rules.try('rule_admin', before, after) AS admin,
       rules.try('rule_both', before, after) AS both,
       rules.try('rule_later', before, after) AS later,
       rules.try('rule_later', before, 'SET ROLE rule_both; ' || after) AS later_as_both,
       rules.try('rule_stranger', before, after) AS stranger,
       rules.try('rule_super', before, after) AS super
  FROM (SELECT number, change, coalesce(rules.label(target, before), '') AS before, rules.label(target, after) AS after
          FROM rules.change) AS c ORDER BY number;
-- Through functions: the hook judges whose rights they run with. classify, which is ours, judges who called it.
SELECT change,
       rules.try('rule_owner', before, format('SELECT rules.of_super(%L)', after)) AS owner_through_super,
       rules.try('rule_owner', before, format('SELECT rules.of_admin(%L)', after)) AS owner_through_admin,
       rules.try('rule_owner', before, classify) AS owner_classifies,
       rules.try('rule_stranger', before, classify) AS stranger_classifies,
       rules.try('rule_admin', before, classify) AS admin_classifies,
       rules.try('rule_later', before, classify) AS later_classifies,
       rules.try('rule_later', before, 'SET ROLE wal2lake_admin; ' || classify) AS later_as_admin_classifies,
       rules.try('rule_owner', before, format('SELECT rules.of_super(%L)', classify)) AS owner_through_super_classifies
  FROM (SELECT number, change, coalesce(rules.label(target, before), '') AS before, rules.label(target, after) AS after,
               format('SELECT wal2lake.classify(''rules.t'', %L, ''email'')', after) AS classify
          FROM rules.change WHERE target LIKE '%email' AND after IS NOT NULL) AS c ORDER BY number;
\pset tuples_only on
-- What a label does today depends on the type, which the owner may change: so the type opens nothing.
SELECT rules.try('rule_owner', rules.label('COLUMN rules.t.email', 'red drop'),
                 'ALTER TABLE rules.t ALTER email TYPE jsonb USING NULL; ' || rules.label('COLUMN rules.t.email', 'red')
                 || '; ALTER TABLE rules.t ALTER email TYPE text'),
       rules.try('rule_owner', rules.label('COLUMN rules.t.email', 'red hash domain=d'),
                 'ALTER TABLE rules.t ALTER email TYPE int2 USING NULL; ' || rules.label('COLUMN rules.t.email', 'red')
                 || '; ALTER TABLE rules.t ALTER email TYPE text');
DROP SCHEMA rules CASCADE;
REVOKE EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) FROM rule_owner, wal2lake_admin, rule_stranger;
DROP ROLE rule_owner, rule_admin, rule_both, rule_later, rule_stranger, rule_super;
