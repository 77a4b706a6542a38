-- wal2lake 0.1.0: policy and diagnosis from SQL. Decoding itself needs none of
-- this, only the two libraries.
\echo Use "CREATE EXTENSION wal2lake" to load this file. \quit

-- ---- diagnosis ----

CREATE FUNCTION wal2lake.decode_frame(frame bytea, positions boolean DEFAULT true)
RETURNS text
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_decode_frame';
COMMENT ON FUNCTION wal2lake.decode_frame(bytea, boolean) IS
'Lines of text for the messages in frame, as pg_logical_slot_peek_binary_changes() gives them. Call it on the rows of one query in order: it remembers the tables announced before. positions => false leaves out xids, LSNs, times and oids. Raises data_corrupted (XX001) for bytes that are no frame.';

-- ---- policy ----

CREATE FUNCTION wal2lake.is_admin()
RETURNS boolean
LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'wal2lake_is_admin';
COMMENT ON FUNCTION wal2lake.is_admin() IS
'Whether the calling user may loosen labels: a superuser, or a member of wal2lake.admin_role. Within a SECURITY DEFINER function it judges who called that.';

CREATE FUNCTION wal2lake.default_domain(relation regclass, column_name name)
RETURNS text
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_default_domain';
COMMENT ON FUNCTION wal2lake.default_domain(regclass, name) IS
'Domain of a hashed column whose label names none: schema.table.column, of the root table in a partition.';

CREATE FUNCTION wal2lake.label_action(label text, type regtype)
RETURNS text
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_label_action';
COMMENT ON FUNCTION wal2lake.label_action(text, regtype) IS
'What a label does to values of a type: clear, hash or drop. An odd label drops.';

CREATE FUNCTION wal2lake.label_fault(label text)
RETURNS text
LANGUAGE C STABLE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_label_fault';
COMMENT ON FUNCTION wal2lake.label_fault(text) IS
'Why a text cannot be the label of a column; NULL where it can.';
REVOKE ALL ON FUNCTION wal2lake.label_fault(text) FROM PUBLIC;

CREATE FUNCTION wal2lake.lock_for_label(object oid)
RETURNS void
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_lock_for_label';
COMMENT ON FUNCTION wal2lake.lock_for_label(oid) IS
'For functions of wal2lake: takes the lock that SECURITY LABEL takes, on a table by its oid.';
CREATE FUNCTION wal2lake.set_label(object oid, attnum int2, label text)
RETURNS void
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'wal2lake_set_label';
COMMENT ON FUNCTION wal2lake.set_label(oid, int2, text) IS
'For functions of wal2lake: labels a column by its number, or the table itself as number 0; NULL takes the label away. Asks nobody who owns it.';
REVOKE ALL ON FUNCTION wal2lake.lock_for_label(oid), wal2lake.set_label(oid, int2, text) FROM PUBLIC;

CREATE VIEW wal2lake.policy AS
SELECT n.nspname AS schema_name,
       c.relname AS table_name,
       a.attname AS column_name,
       format_type(a.atttypid, a.atttypmod) AS type,
       split_part(l.label, ' ', 1) AS class,
       wal2lake.label_action(l.label, a.atttypid) AS action,
       CASE wal2lake.label_action(l.label, a.atttypid)
            WHEN 'hash' THEN coalesce(substring(l.label FROM 'domain=([^ ]+)'),
                                      wal2lake.default_domain(c.oid, a.attname))
       END AS domain,
       l.label
  FROM pg_seclabel l
  JOIN pg_class c ON c.oid = l.objoid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
 WHERE l.provider = 'wal2lake'
   AND l.classoid = 'pg_class'::regclass
   AND l.objsubid > 0
   AND NOT a.attisdropped;
COMMENT ON VIEW wal2lake.policy IS
'Every labelled column: class, action, domain, and the label as written. A partition shows its own labels only; what it takes from its ancestors is stricter or equal.';

CREATE VIEW wal2lake.unclassified AS
WITH labelled AS (
    SELECT l.objoid, l.objsubid, l.label
      FROM pg_seclabel l
     WHERE l.provider = 'wal2lake' AND l.classoid = 'pg_class'::regclass
)
SELECT n.nspname AS schema_name,
       c.relname AS table_name,
       a.attname AS column_name,
       format_type(a.atttypid, a.atttypmod) AS type,
       EXISTS (SELECT FROM labelled t WHERE t.objoid = c.oid AND t.objsubid > 0) AS table_is_emitted
  FROM pg_class c
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid
 WHERE c.relkind IN ('r', 'p')
   AND c.relpersistence = 'p'
   AND a.attnum > 0
   AND NOT a.attisdropped
   AND a.attgenerated <> 'v'
   AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', 'wal2lake')
   AND NOT EXISTS (SELECT FROM labelled t WHERE t.objoid = c.oid AND t.objsubid = a.attnum)
   AND NOT EXISTS (SELECT FROM labelled t WHERE t.objoid = c.oid AND t.objsubid = 0 AND t.label IN ('exclude', 'inherit'));
COMMENT ON VIEW wal2lake.unclassified IS
'Every column without a label: its values are withheld (or, in a key, hashed). table_is_emitted tells whether its table leaves the server at all. Tables labelled exclude, partitions that inherit and virtual columns, which are never sent, are left out.';

-- One label for each existing column: there is no wildcard for columns to come.
CREATE FUNCTION wal2lake.classify(relation regclass, label text, VARIADIC columns name[] DEFAULT '{}')
RETURNS TABLE (column_name name, new_label text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    called CONSTANT text := relation;
    unknown text;
    attribute record;
BEGIN
    IF NOT wal2lake.is_admin() THEN
        RAISE insufficient_privilege USING
            MESSAGE = 'wal2lake.classify needs the wal2lake admin role',
            HINT = 'The owner of a table may label a column "... drop" with SECURITY LABEL.';
    END IF;
    -- Another one would find columns and labels that it saw before it had the lock.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE invalid_transaction_state USING MESSAGE = 'wal2lake.classify runs in READ COMMITTED alone';
    END IF;
    -- Its names stay as they are until the labels are on; while we waited they may have become those of something else.
    PERFORM wal2lake.lock_for_label(relation);
    IF to_regclass(called) IS DISTINCT FROM relation THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s was renamed, moved or dropped meanwhile', called), HINT = 'Look at it, and say again what to label.';
    END IF;
    SELECT string_agg(quote_ident(wanted), ', ') INTO unknown
      FROM unnest(columns) AS wanted
     WHERE NOT EXISTS (SELECT FROM pg_attribute a
                        WHERE a.attrelid = relation AND a.attname = wanted AND a.attnum > 0 AND NOT a.attisdropped);
    IF unknown IS NOT NULL THEN
        RAISE undefined_column USING MESSAGE = format('table %s has no column %s', relation, unknown);
    END IF;
    FOR attribute IN
        SELECT a.attname, a.atttypid, a.attnum
          FROM pg_attribute a
         WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
           AND CASE WHEN cardinality(columns) > 0 THEN a.attname = ANY (columns)
                    ELSE NOT EXISTS (SELECT FROM pg_seclabel l
                                      WHERE l.objoid = relation AND l.classoid = 'pg_class'::regclass
                                        AND l.objsubid = a.attnum AND l.provider = 'wal2lake')
               END
         ORDER BY a.attnum
    LOOP
        column_name := attribute.attname;
        new_label := label;
        -- The domain is written out, so that a later rename does not change the tokens.
        IF label !~ 'domain=' AND wal2lake.label_action(label, attribute.atttypid) = 'hash' THEN
            new_label := label || ' domain=' || wal2lake.default_domain(relation, attribute.attname);
        END IF;
        PERFORM wal2lake.set_label(relation, attribute.attnum, new_label);
        RETURN NEXT;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wal2lake.classify(regclass, text, name[]) IS
'Labels the named columns of a table, or all that have no label yet, and returns what was written. For the wal2lake admin role. A default domain is written out.';

-- ---- the trail ----

-- Written by the library that judges labels, whoever changes one, and by the event trigger for columns that come without.
CREATE TABLE wal2lake.label_history (
    changed_at timestamptz,
    session_role name,
    changed_by name,
    ran_as name,
    object_type text,
    object_identity text,
    object oid,
    attnum int2,
    old_label text,
    new_label text
);
COMMENT ON TABLE wal2lake.label_history IS
'Every change of a wal2lake label in this database, those that wal2lake makes for partitions and declared columns included, and every column that appeared without one; never sent. A label that goes with its column or table leaves no row.';
COMMENT ON COLUMN wal2lake.label_history.session_role IS 'Role that had logged in.';
COMMENT ON COLUMN wal2lake.label_history.changed_by IS 'Role that made the change, or ran the statement that made the column, after SET ROLE; of a SECURITY DEFINER function who called it.';
COMMENT ON COLUMN wal2lake.label_history.ran_as IS 'Role with whose rights it was made: another one in a SECURITY DEFINER function, such as those of wal2lake and the event trigger that labels declared columns. NULL: a column appeared.';
COMMENT ON COLUMN wal2lake.label_history.object_type IS 'table column, table or database.';
COMMENT ON COLUMN wal2lake.label_history.object_identity IS 'Its name at that time, quoted as in SQL.';
COMMENT ON COLUMN wal2lake.label_history.object IS 'Its oid, which stays when it is renamed.';
COMMENT ON COLUMN wal2lake.label_history.attnum IS 'Number of the column; 0 for a table or database.';
COMMENT ON COLUMN wal2lake.label_history.old_label IS 'NULL: there was none.';
COMMENT ON COLUMN wal2lake.label_history.new_label IS 'NULL: it was removed; where old_label is NULL too, a column appeared and has none.';
-- In a publication of all tables a row can be deleted only where it has an identity.
ALTER TABLE wal2lake.label_history REPLICA IDENTITY FULL;
-- The trigger for new columns looks for each of them, however long the trail is.
CREATE INDEX ON wal2lake.label_history (object, attnum);
-- It goes with a dump. So no row security: pg_dump refuses tables that have it, unless it may pass it.
SELECT pg_catalog.pg_extension_config_dump('wal2lake.label_history', '');

-- pg_write_all_data is no way in, nor is a subscription of a role that has it, which works as a replica and fires what is for each
-- row alone. A superuser restores a dump, and could do worse, and functions of the extension run as one.
CREATE FUNCTION wal2lake.guard_own_table()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE insufficient_privilege USING MESSAGE = format('%I.%I is written by wal2lake alone', TG_TABLE_SCHEMA, TG_TABLE_NAME);
    END IF;
    IF TG_OP = 'DELETE' THEN
        RETURN OLD;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION wal2lake.guard_own_table() IS
'Trigger: keeps everybody but superusers from writing wal2lake.label_history, wal2lake.declared and wal2lake.declared_version.';
REVOKE ALL ON FUNCTION wal2lake.guard_own_table() FROM PUBLIC;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON wal2lake.label_history
    EXECUTE FUNCTION wal2lake.guard_own_table();
CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON wal2lake.label_history
    FOR EACH ROW EXECUTE FUNCTION wal2lake.guard_own_table();
ALTER TABLE wal2lake.label_history ENABLE ALWAYS TRIGGER guard, ENABLE ALWAYS TRIGGER guard_rows;

-- ---- labels as a plan has them ----

-- A label that was changed and changed back is another state: a plan that was made before is an old one. The trail tells, of
-- which everybody may read so much.
CREATE FUNCTION wal2lake.policy_state(relation regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $$
    WITH labels AS (
        SELECT l.objsubid, l.label FROM pg_seclabel l
         WHERE l.objoid = relation AND l.classoid = 'pg_class'::regclass AND l.provider = 'wal2lake'
    )
    SELECT encode(sha256(convert_to(json_build_array(
               n.nspname, c.relname, c.relispartition, (SELECT label FROM labels WHERE objsubid = 0),
               (SELECT json_agg(json_build_array(a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), l.label) ORDER BY a.attnum)
                  FROM pg_attribute a LEFT JOIN labels l ON l.objsubid = a.attnum
                 WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
               (SELECT extract(epoch FROM max(h.changed_at)) FROM wal2lake.label_history h
                 WHERE h.object = c.oid AND h.object_type <> 'database'))::text, getdatabaseencoding())), 'hex')
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = relation
$$;
COMMENT ON FUNCTION wal2lake.policy_state(regclass) IS
'A digest of what a plan for the labels of a table rests on: its name, whether it is a partition, its columns with numbers, names and types, all labels, and when its last row of the trail was written. NULL where there is no such table.';

-- What two arrays of columns and labels must be.
CREATE FUNCTION wal2lake.check_pairs(columns name[], labels text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF columns IS NULL OR labels IS NULL OR array_ndims(columns) > 1 OR array_ndims(labels) > 1
       OR cardinality(columns) <> cardinality(labels) OR array_position(columns, NULL) IS NOT NULL
       OR (SELECT count(DISTINCT c) FROM unnest(columns) AS c) <> cardinality(columns) THEN
        RAISE invalid_parameter_value USING MESSAGE = 'columns and labels are two lists of one length, and no column is NULL or there twice';
    END IF;
END
$$;

CREATE FUNCTION wal2lake.set_labels(relation regclass, expected_state text, table_label text, columns name[], labels text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    wanted record;
BEGIN
    IF NOT wal2lake.is_admin() THEN
        RAISE insufficient_privilege USING MESSAGE = 'wal2lake.set_labels needs the wal2lake admin role';
    END IF;
    PERFORM wal2lake.check_pairs(columns, labels);
    -- Another one would compare a state that it saw before it had the lock.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE invalid_transaction_state USING MESSAGE = 'wal2lake.set_labels runs in READ COMMITTED alone';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation AND relkind IN ('r', 'p') AND NOT relispartition) THEN
        RAISE wrong_object_type USING MESSAGE = format('%s is no table, or a partition', relation),
            HINT = 'A partition follows its root.';
    END IF;
    PERFORM wal2lake.lock_for_label(relation);
    IF wal2lake.policy_state(relation) IS DISTINCT FROM expected_state THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('table %s has changed since the plan was made', relation), HINT = 'Make a new plan.';
    END IF;
    -- By number: the lock holds the names of columns, and not that of the schema.
    FOR wanted IN
        SELECT *
          FROM (SELECT w.name, a.attnum, w.label, l.label AS old_label
                  FROM unnest(columns, labels) AS w (name, label)
                  LEFT JOIN pg_attribute a ON a.attrelid = relation AND a.attname = w.name AND a.attnum > 0 AND NOT a.attisdropped
                  LEFT JOIN pg_seclabel l ON l.objoid = relation AND l.classoid = 'pg_class'::regclass AND l.objsubid = a.attnum
                                         AND l.provider = 'wal2lake'
                UNION ALL
                SELECT '', 0::int2, nullif(table_label, ''),
                       (SELECT l.label FROM pg_seclabel l WHERE l.objoid = relation AND l.classoid = 'pg_class'::regclass
                           AND l.objsubid = 0 AND l.provider = 'wal2lake')
                 WHERE table_label IS NOT NULL) AS parts
         ORDER BY attnum = 0, name
    LOOP
        IF wanted.attnum IS NULL THEN
            RAISE undefined_column USING MESSAGE = format('table %s has no column %I', relation, wanted.name);
        END IF;
        -- What it is already leaves no trail.
        IF wanted.label IS DISTINCT FROM wanted.old_label THEN
            PERFORM wal2lake.set_label(relation, wanted.attnum, wanted.label);
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION wal2lake.set_labels(regclass, text, text, name[], text[]) IS
'Gives the named columns of a table these labels, or none where one is NULL, and the table its own (NULL: leave it as it is; empty: none), if policy_state() still is as expected once the table is locked; otherwise raises object_not_in_prerequisite_state (55000). In READ COMMITTED alone. For the wal2lake admin role.';
REVOKE ALL ON FUNCTION wal2lake.check_pairs(name[], text[]), wal2lake.set_labels(regclass, text, text, name[], text[]) FROM PUBLIC;

-- ---- declared ahead ----

-- Labels for columns and tables that do not exist yet. Exact names: nothing here is a pattern.
CREATE TABLE wal2lake.declared (
    schema_name name,
    table_name name,
    column_name name,
    label text NOT NULL,
    declared_at timestamptz NOT NULL,
    declared_by name NOT NULL,
    matched_at timestamptz,
    object oid,
    attnum int2,
    PRIMARY KEY (schema_name, table_name, column_name)
);
COMMENT ON TABLE wal2lake.declared IS
'Labels that columns and tables get when they appear, in the transaction that makes them; written by wal2lake.declare() and the event trigger; never sent. Each is used once: while the column or table that it matched exists. Those that have not matched go with a dump.';
COMMENT ON COLUMN wal2lake.declared.column_name IS 'Empty: the label is the table''s.';
COMMENT ON COLUMN wal2lake.declared.declared_by IS 'Role that called declare(), after SET ROLE.';
COMMENT ON COLUMN wal2lake.declared.matched_at IS 'When what it names appeared, or was there and had a label. NULL: never.';
COMMENT ON COLUMN wal2lake.declared.object IS 'Oid of the table that it matched. Where that is gone, and had the label to its end, the declaration is open again.';
COMMENT ON COLUMN wal2lake.declared.attnum IS 'Number of the column that it matched; 0 for the table.';
-- What has matched stays behind: in a restore its table has another oid, and a label that was changed since, and got lost on
-- the way, must not come back as it was declared.
SELECT pg_catalog.pg_extension_config_dump('wal2lake.declared', 'WHERE matched_at IS NULL');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON wal2lake.declared
    EXECUTE FUNCTION wal2lake.guard_own_table();
CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON wal2lake.declared
    FOR EACH ROW EXECUTE FUNCTION wal2lake.guard_own_table();
ALTER TABLE wal2lake.declared ENABLE ALWAYS TRIGGER guard, ENABLE ALWAYS TRIGGER guard_rows;

-- How often what is declared for a table was changed, also where nothing is left: what was declared, taken back and is planned
-- again by an old plan looks as it did when that was made.
CREATE TABLE wal2lake.declared_version (
    schema_name name,
    table_name name,
    version int8 NOT NULL,
    PRIMARY KEY (schema_name, table_name)
);
COMMENT ON TABLE wal2lake.declared_version IS
'How many times wal2lake.declare() has changed what is declared for a table; no row: never. Written by it alone; never sent, nor dumped.';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON wal2lake.declared_version
    EXECUTE FUNCTION wal2lake.guard_own_table();
CREATE TRIGGER guard_rows BEFORE INSERT OR UPDATE OR DELETE ON wal2lake.declared_version
    FOR EACH ROW EXECUTE FUNCTION wal2lake.guard_own_table();
ALTER TABLE wal2lake.declared_version ENABLE ALWAYS TRIGGER guard, ENABLE ALWAYS TRIGGER guard_rows;

-- Who called a SECURITY DEFINER function, as the trail has it.
CREATE FUNCTION wal2lake.caller()
RETURNS name
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END $$;

-- The columns of a permanent table, and as number 0 the table itself, with what they have. Becomes part of the queries that
-- call it, which have a pinned search path.
CREATE FUNCTION wal2lake.labelled_parts(schema_name name, table_name name)
RETURNS TABLE (object oid, attnum int2, column_name name, label text)
LANGUAGE sql STABLE
AS $$
    SELECT c.oid, p.attnum, p.name, l.label
      FROM pg_namespace n
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
     CROSS JOIN LATERAL (SELECT 0::int2, ''::name
                         UNION ALL
                         SELECT a.attnum, a.attname FROM pg_attribute a
                          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS p (attnum, name)
      LEFT JOIN pg_seclabel l ON l.objoid = c.oid AND l.classoid = 'pg_class'::regclass AND l.objsubid = p.attnum
                             AND l.provider = 'wal2lake'
     WHERE n.nspname = schema_name AND c.relname = table_name
$$;

-- Whether a declaration is used: what it matched is there, whatever its name is now.
CREATE FUNCTION wal2lake.part_exists(object oid, attnum int2)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE $2 WHEN 0 THEN EXISTS (SELECT FROM pg_class c WHERE c.oid = $1)
                ELSE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum = $2 AND NOT a.attisdropped) END
$$;

-- What cannot be declared, said before anything is written.
CREATE FUNCTION wal2lake.check_declarations(schema_name name, table_name name, columns name[], labels text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    wrong text;
    there text;
BEGIN
    PERFORM wal2lake.check_pairs(columns, labels);
    IF coalesce($1, '') = '' OR coalesce($2, '') = '' OR $1 = 'wal2lake' OR array_position(labels, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'a declaration names a schema, other than wal2lake, a table and a label';
    END IF;
    SELECT format('invalid wal2lake label: %s', fault) INTO wrong
      FROM unnest(columns, labels) AS w (name, label),
           LATERAL (SELECT CASE WHEN w.name <> '' THEN wal2lake.label_fault(w.label)
                                WHEN w.label <> 'exclude' THEN 'a table can be declared "exclude", nothing else' END) AS f (fault)
     WHERE fault IS NOT NULL LIMIT 1;
    IF wrong IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = wrong;
    END IF;
    -- It would be labelled by whatever statement touches the table next, whenever that is. What was matched is another matter.
    SELECT string_agg(coalesce(nullif(quote_ident(w.name), '""'), 'the table itself'), ', ') INTO there
      FROM unnest(columns, labels) AS w (name, label)
      JOIN wal2lake.labelled_parts($1, $2) AS p ON p.column_name = w.name AND p.label IS NULL
     WHERE NOT EXISTS (SELECT FROM wal2lake.declared d
                        WHERE d.schema_name = $1 AND d.table_name = $2 AND d.column_name = w.name AND d.label = w.label
                          AND d.object = p.object AND d.attnum = p.attnum);
    IF there IS NOT NULL THEN
        RAISE duplicate_column USING MESSAGE = format('table %I.%I has this already, without a label: %s', $1, $2, there),
            HINT = 'Label it; only what does not exist yet can be declared.';
    END IF;
END
$$;

CREATE FUNCTION wal2lake.declare(schema_name name, table_name name, columns name[], labels text[])
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    gone int8;
    come int8;
BEGIN
    IF NOT wal2lake.is_admin() THEN
        RAISE insufficient_privilege USING MESSAGE = 'wal2lake.declare needs the wal2lake admin role';
    END IF;
    -- Another one would judge what it saw before it had the lock.
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE invalid_transaction_state USING MESSAGE = 'wal2lake.declare runs in READ COMMITTED alone';
    END IF;
    -- One at a time: what another one adds meanwhile would stay. Who may only read cannot take it, and the trigger does not wait for it.
    LOCK TABLE wal2lake.declared IN SHARE UPDATE EXCLUSIVE MODE;
    PERFORM wal2lake.check_declarations($1, $2, columns, labels);
    DELETE FROM wal2lake.declared d
     WHERE d.schema_name = $1 AND d.table_name = $2
       AND NOT EXISTS (SELECT FROM unnest(columns, labels) AS w (name, label)
                        WHERE w.name = d.column_name AND w.label = d.label AND (d.matched_at IS NULL OR wal2lake.part_exists(d.object, d.attnum)));
    GET DIAGNOSTICS gone = ROW_COUNT;
    -- What is there and has a label keeps that, and is matched.
    INSERT INTO wal2lake.declared
    SELECT $1, $2, w.name, w.label, clock_timestamp(), wal2lake.caller(),
           CASE WHEN p.label IS NOT NULL THEN clock_timestamp() END,
           CASE WHEN p.label IS NOT NULL THEN p.object END, CASE WHEN p.label IS NOT NULL THEN p.attnum END
      FROM unnest(columns, labels) AS w (name, label)
      LEFT JOIN wal2lake.labelled_parts($1, $2) AS p ON p.column_name = w.name
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS come = ROW_COUNT;
    IF gone + come > 0 THEN
        INSERT INTO wal2lake.declared_version AS v VALUES ($1, $2, 1)
        ON CONFLICT ON CONSTRAINT declared_version_pkey DO UPDATE SET version = v.version + 1;
    END IF;
END
$$;
COMMENT ON FUNCTION wal2lake.declare(name, name, name[], text[]) IS
'Replaces what is declared for one table: labels for columns that do not exist yet, and for the column with an empty name "exclude", for the table itself. Refuses a column that exists and has no label. What is declared again unchanged stays as it is, unless what it matched is gone. In READ COMMITTED alone. For the wal2lake admin role.';
REVOKE ALL ON FUNCTION wal2lake.caller(), wal2lake.labelled_parts(name, name), wal2lake.part_exists(oid, int2),
    wal2lake.declare(name, name, name[], text[]), wal2lake.check_declarations(name, name, name[], text[]) FROM PUBLIC;

-- ---- what a reviewer asks ----

CREATE FUNCTION wal2lake.key_digits()
RETURNS text[]
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'wal2lake_key_digits';
COMMENT ON FUNCTION wal2lake.key_digits() IS
'"id digits" for each key of this server''s key file, read now; empty where none is set. Raises config_file_error (F0000) where decoding would refuse the file.';
REVOKE ALL ON FUNCTION wal2lake.key_digits() FROM PUBLIC;

-- Who gets past the labels, and with what.
CREATE FUNCTION wal2lake.check_ways_out()
RETURNS TABLE (severity text, code text, object text, finding text, fix text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- What a role may load: its own list, or that of all; NULL where the server has no such list.
    WITH RECURSIVE lists AS (
        SELECT s.setrole, s.setdatabase, substr(c, strpos(c, '=') + 1) AS libraries
          FROM pg_db_role_setting s, unnest(s.setconfig) AS c
         WHERE starts_with(c, 'output_plugin_libraries=')
           AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
    ), server AS (
        -- This session may have a list of its own. Then the file knows better.
        SELECT CASE WHEN s.source IN ('default', 'configuration file', 'command line', 'environment variable') THEN s.setting
                    ELSE coalesce((SELECT f.setting FROM pg_file_settings f WHERE f.name = s.name AND f.applied), s.boot_val)
               END AS libraries
          FROM pg_settings s WHERE s.name = 'output_plugin_libraries'
    ), allowed AS (
        SELECT r.rolname, r.rolsuper, r.rolreplication, r.rolcreaterole,
               -- The owner of what is pulled, as create_pull_source makes it, nobody can be.
               r.rolname <> 'wal2lake_pull' OR r.rolcanlogin
                   OR EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid) AS used,
               coalesce(own.libraries, (SELECT libraries FROM server)) AS libraries,
               CASE WHEN own.setrole <> 0 AND own.setdatabase <> 0 THEN format(' IN DATABASE %I', current_database()) ELSE '' END AS place
          FROM pg_roles r
          LEFT JOIN LATERAL (SELECT * FROM lists WHERE setrole IN (0, r.oid) ORDER BY setrole = 0, setdatabase = 0 LIMIT 1) AS own ON true
    ), member AS (
        -- Whom a role may become, and by which of its own memberships.
        SELECT member, roleid AS role, roleid AS through FROM pg_auth_members
        UNION
        SELECT a.member, m.role, a.roleid FROM pg_auth_members a JOIN member m ON m.member = a.roleid
    ), becomes AS (
        SELECT w.rolname AS who, r.rolname AS role, r.rolsuper AS to_super, r.rolreplication AND NOT w.rolreplication AS to_replication,
               string_agg(format('REVOKE %I FROM %I;', t.rolname, w.rolname), ' ' ORDER BY t.rolname) AS fix
          FROM member m
          JOIN pg_roles w ON w.oid = m.member AND NOT w.rolsuper
          JOIN pg_roles r ON r.oid = m.role
          JOIN pg_roles t ON t.oid = m.through
         GROUP BY 1, 2, 3, 4
    )
    SELECT 'warning', 'reads-everything', format('role %I', rolname),
           'The role has REPLICATION: it can take a base backup of the whole cluster, and read any slot.',
           'Have one such role, for the forwarder; ALTER ROLE ... NOREPLICATION for the others.'
      FROM allowed WHERE rolreplication AND used AND NOT rolsuper
    UNION ALL
    SELECT 'info', 'superuser', format('role %I', rolname), 'A superuser sees, changes and sends whatever it likes.', ''
      FROM allowed WHERE rolsuper
    UNION ALL
    SELECT 'warning', 'may-become', format('role %I', who),
           format('The role may SET ROLE to %I, which %s.', role,
                  CASE WHEN to_super THEN 'is a superuser' ELSE 'has REPLICATION, and read any slot with its functions' END), fix
      FROM becomes WHERE to_super OR to_replication
    UNION ALL
    -- From 16 on it may grant only what it was given with ADMIN.
    SELECT 'error', 'creates-roles', format('role %I', rolname),
           'Before version 16 a role with CREATEROLE may join pg_execute_server_program, and so read the key file.',
           format('ALTER ROLE %I NOCREATEROLE;', rolname)
      FROM allowed WHERE rolcreaterole AND NOT rolsuper AND current_setting('server_version_num')::int < 160000
    UNION ALL
    SELECT 'warning', 'reads-all-tables', format('role %I', who),
           'The role is a member of pg_read_all_data: it reads every table in clear.', fix
      FROM becomes WHERE role = 'pg_read_all_data'
    UNION ALL
    SELECT 'warning', 'other-plugins-allowed', format('role %I', rolname),
           format('The role may load %s: other plugins than wal2lake know no labels.', libraries),
           format('ALTER ROLE %I%s SET output_plugin_libraries = wal2lake;', rolname, place)
      FROM allowed WHERE rolreplication AND used AND NOT rolsuper AND translate(libraries, '" ', '') <> 'wal2lake'
    UNION ALL
    SELECT 'warning', 'no-allow-list', 'server', 'This minor version lets a REPLICATION role load any library (CVE-2026-6471).',
           'Update to 15.19, 16.15, 17.11, 18.6 or later.'
     WHERE current_setting('output_plugin_libraries', true) IS NULL
    UNION ALL
    SELECT 'error', 'reads-key-file', format('role %I', who),
           format('The role is a member of %I, and acts on files as the server''s user, who owns the key file.', role), fix
      FROM becomes WHERE role IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
    UNION ALL
    -- By a privilege on a function: those of large objects go anywhere, the others within the data directory.
    SELECT CASE WHEN p.proname LIKE 'lo%' THEN 'error' ELSE 'warning' END,
           CASE WHEN p.proname LIKE 'lo%' THEN 'reads-key-file' ELSE 'reads-data-directory' END,
           format('function pg_catalog.%s', p.oid::regprocedure),
           format(CASE WHEN p.proname LIKE 'lo%' THEN '%s may call it, and so act on files as the server''s user, who owns the key file.'
                       ELSE '%s may call it, and so read the files of all tables.' END, coalesce('Role ' || quote_ident(r.rolname), 'Everybody')),
           format('REVOKE EXECUTE ON FUNCTION pg_catalog.%s FROM %s;', p.oid::regprocedure, coalesce(quote_ident(r.rolname), 'PUBLIC'))
      FROM pg_proc p
     CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS x
      LEFT JOIN pg_roles r ON r.oid = x.grantee
     WHERE p.pronamespace = 'pg_catalog'::regnamespace
       AND p.proname IN ('lo_import', 'lo_export', 'pg_read_file', 'pg_read_binary_file')
       AND x.grantee <> p.proowner AND r.rolsuper IS NOT TRUE
    UNION ALL
    SELECT 'warning', 'other-slot', format('slot %I', slot_name),
           format('The slot belongs to %s, which knows no labels: who reads it sees all values.', plugin),
           format('SELECT pg_drop_replication_slot(%L);', slot_name)
      FROM pg_replication_slots
     WHERE slot_type = 'logical' AND plugin <> 'wal2lake'
    UNION ALL
    SELECT 'info', 'publication', format('publication %I', pubname),
           'Any REPLICATION role that may load pgoutput reads its tables in clear. A subscription may need it.',
           format('DROP PUBLICATION %I;', pubname)
      FROM pg_publication
    UNION ALL
    SELECT 'info', 'messages-open', 'wal2lake.message_prefixes',
           format('Messages with these prefixes leave in clear, whoever writes them: %s', current_setting('wal2lake.message_prefixes')),
           'ALTER SYSTEM SET wal2lake.message_prefixes = ''''; SELECT pg_reload_conf();'
     WHERE current_setting('wal2lake.message_prefixes', true) <> ''
$$;

-- The keys of this node, and which is in force.
CREATE FUNCTION wal2lake.check_keys()
RETURNS TABLE (severity text, code text, object text, finding text, fix text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    keys text[];
    label text := (SELECT l.label FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid
                    WHERE l.classoid = 'pg_database'::regclass AND l.provider = 'wal2lake' AND d.datname = current_database());
    named text := substring(label FROM 'key=([^ ]+)');
    digits text;
    -- Put together in two steps: the name of a database may hold what format() takes for a place.
    command text := format('SECURITY LABEL FOR wal2lake ON DATABASE %I IS ', current_database());
BEGIN
    BEGIN
        keys := wal2lake.key_digits();
    EXCEPTION WHEN config_file_error THEN
        RETURN QUERY SELECT 'error', 'key-file-unfit', 'wal2lake.key_file', SQLERRM, 'Mend the file, then reload the server: SELECT pg_reload_conf().';
        RETURN;
    END;
    digits := (SELECT split_part(k, ' ', 2) FROM unnest(keys) AS k
                WHERE split_part(k, ' ', 1) = named OR named IS NULL AND cardinality(keys) = 1);
    RETURN QUERY
    SELECT 'info', 'key', format('key %s', split_part(k, ' ', 1)),
           format('Its check digits are %s%s. Compare them with those of the other nodes.', split_part(k, ' ', 2),
                  CASE WHEN split_part(k, ' ', 2) = digits THEN ', and new tokens are made with it' ELSE '' END), ''
      FROM unnest(keys) AS k;
    IF cardinality(keys) = 0 THEN
        RETURN QUERY SELECT CASE WHEN EXISTS (SELECT FROM wal2lake.policy WHERE action = 'hash') THEN 'error' ELSE 'info' END,
                            'no-key', 'wal2lake.key_file', 'There is no key on this node: nothing can be hashed.',
                            'Set wal2lake.key_file to a file with a line "id base64-of-32-bytes".';
    ELSIF named IS NULL THEN
        RETURN QUERY SELECT CASE WHEN cardinality(keys) > 1 THEN 'error' ELSE 'warning' END,
                            'key-not-named', format('database %I', current_database()),
                            'No label of the database says which key is in force: with two in the file decoding stops.',
                            CASE WHEN cardinality(keys) > 1 THEN 'Name the key that made the tokens so far.'
                                 ELSE command || format('%L;', replace('key=' || keys[1], ' ', ' check=')) END;
    ELSIF digits IS NULL THEN
        RETURN QUERY SELECT 'error', 'key-not-there', format('key %s', named),
                            'The label of the database names a key that is not in the file of this node.',
                            'Copy the file from the node that has it, then reload the server: SELECT pg_reload_conf().';
    ELSIF label !~ 'check=' THEN
        RETURN QUERY SELECT 'info', 'key-without-check', format('database %I', current_database()),
                            'The label has no check digits: a node with other bytes under this id would make other tokens.',
                            command || format('%L;', format('key=%s check=%s', named, digits));
    ELSIF substring(label FROM 'check=([0-9a-f]+)') <> digits THEN
        RETURN QUERY SELECT 'error', 'key-differs', format('key %s', named),
                            'The file of this node has other bytes under this id than the label of the database means.',
                            'Copy the file from the node that made the tokens so far.';
    END IF;
END
$$;

-- Labels that are legal, and may not be what was meant.
CREATE FUNCTION wal2lake.check_labels()
RETURNS TABLE (severity text, code text, object text, finding text, fix text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH columns AS (
        SELECT a.attrelid, a.attnum, a.attname, a.atttypid, p.class, p.action, p.label,
               format('%I.%I.%I', p.schema_name, p.table_name, p.column_name) AS name,
               array_position(ARRAY['green', 'yellow', 'orange', 'red', 'regulated_red'], p.class) AS rank
          FROM wal2lake.policy p
          JOIN pg_namespace n ON n.nspname = p.schema_name
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.table_name
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = p.column_name
    )
    SELECT 'warning', 'odd-label', name, format('"%s" is no label: the column is withheld.', left(label, 64)),
           'Write it with SECURITY LABEL, which says what is wrong.'
      FROM columns
     WHERE rank IS NULL
        OR wal2lake.label_action(label, 'text') = 'drop' AND class <> 'regulated_red' AND label !~ ' drop( |$)'
    UNION ALL
    -- Few values: by type, or as ANALYZE has counted.
    SELECT 'warning', 'small-domain', k.name,
           CASE WHEN wal2lake.label_action('red', k.atttypid) = 'drop'
                THEN format('Hashed, and of type %s, which has few values', format_type(k.atttypid, NULL))
                ELSE format('Hashed, and has about %s different values', s.stadistinct::int) END
           || ': its tokens are a dictionary for whoever can insert rows, and can be counted.',
           'Label it drop, unless it must be joined.'
      FROM columns k LEFT JOIN pg_statistic s ON s.starelid = k.attrelid AND s.staattnum = k.attnum AND NOT s.stainherit
     WHERE k.action = 'hash'
       AND (wal2lake.label_action('red', k.atttypid) = 'drop' OR s.stadistinct BETWEEN 1 AND 1000)
    UNION ALL
    (SELECT DISTINCT ON (clear.name) 'warning', 'copy-by-name', clear.name,
            format('Sent in clear, and has the name and type of %s, which is %s. It may be something else.', other.name, other.class),
            format('SECURITY LABEL FOR wal2lake ON COLUMN %s IS %L;', clear.name,
                   CASE other.action WHEN 'hash' THEN other.label ELSE other.class || ' drop' END)
       FROM columns clear
       JOIN columns other ON other.attname = clear.attname AND other.atttypid = clear.atttypid AND other.attrelid <> clear.attrelid
      WHERE clear.action = 'clear' AND other.action <> 'clear' AND other.rank >= 3
      ORDER BY clear.name, other.rank DESC, other.name)
    UNION ALL
    -- Also from what nobody has labelled. A partition, whose expression may be another from 16 on, counts for its root.
    SELECT DISTINCT 'error', 'generated-copy', clear.name,
           format('Sent in clear, and generated from %s, which %s.',
                  coalesce(source.name, format('%I.%I.%I', n.nspname, c.relname, s.attname)),
                  CASE WHEN source.name IS NULL THEN 'has no label' ELSE 'is ' || source.class END),
           format('SECURITY LABEL FOR wal2lake ON COLUMN %s IS %L;', clear.name,
                  CASE WHEN source.rank IS NULL THEN 'red' ELSE source.class END || ' drop')
      FROM pg_attribute g
      JOIN pg_attrdef d ON d.adrelid = g.attrelid AND d.adnum = g.attnum
      JOIN pg_depend p ON p.refclassid = 'pg_class'::regclass AND p.refobjid = g.attrelid AND p.refobjsubid > 0
                      AND p.refobjsubid <> g.attnum
                      AND (p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
                           OR p.classid = 'pg_class'::regclass AND p.objid = g.attrelid AND p.objsubid = g.attnum)
      JOIN pg_attribute s ON s.attrelid = p.refobjid AND s.attnum = p.refobjsubid
      JOIN pg_class c ON c.oid = coalesce(pg_partition_root(g.attrelid), g.attrelid)
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN columns clear ON clear.attrelid = c.oid AND clear.attname = g.attname
      LEFT JOIN columns source ON source.attrelid = c.oid AND source.attname = s.attname
     WHERE g.attgenerated = 's' AND clear.action = 'clear' AND source.action IS DISTINCT FROM 'clear'
       AND NOT EXISTS (SELECT FROM columns own WHERE own.attrelid = g.attrelid AND own.attnum = g.attnum AND own.action <> 'clear')
    UNION ALL
    SELECT 'warning', 'key-withheld', k.name, 'Identifies the rows of its table, and is withheld: updates and deletes name no row.',
           'Label it hash, or give the table another REPLICA IDENTITY.'
      FROM columns k
      JOIN pg_class c ON c.oid = k.attrelid
      JOIN pg_index i ON i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident WHEN 'd' THEN i.indisprimary END
     WHERE k.action = 'drop' AND k.attnum = ANY (i.indkey)
    UNION ALL
    SELECT 'info', 'attached-partition', format('%I.%I', n.nspname, c.relname),
           'Attached, not created as a partition: its columns without a label are withheld.',
           format('SECURITY LABEL FOR wal2lake ON TABLE %I.%I IS ''inherit'';', n.nspname, c.relname)
      FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relispartition AND c.relkind = 'r'
       AND NOT EXISTS (SELECT FROM pg_seclabel l WHERE l.objoid = c.oid AND l.classoid = 'pg_class'::regclass
                          AND l.objsubid = 0 AND l.provider = 'wal2lake')
       AND EXISTS (SELECT FROM columns k WHERE k.attrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid)))
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                      AND NOT EXISTS (SELECT FROM columns k WHERE k.attrelid = c.oid AND k.attnum = a.attnum))
    UNION ALL
    -- Where the last change of a label that is still there made it less strict. By name: a restore gives other oids.
    SELECT 'info', 'lowered', name,
           format('From "%s" to "%s" by %s, %s.', old_label, new_label, changed_by,
                  to_char(changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')), ''
      FROM (SELECT DISTINCT ON (k.attrelid, k.attnum) k.name, k.atttypid, k.label, h.old_label, h.new_label, h.changed_by, h.changed_at
              FROM columns k
              JOIN wal2lake.label_history h ON h.object_identity = k.name
             ORDER BY k.attrelid, k.attnum, h.changed_at DESC) AS latest
     WHERE label = new_label
       AND (array_position(ARRAY['clear', 'hash', 'drop'], wal2lake.label_action(new_label, atttypid))
            < array_position(ARRAY['clear', 'hash', 'drop'], wal2lake.label_action(old_label, atttypid))
            OR array_position(ARRAY['green', 'yellow', 'orange', 'red', 'regulated_red'], split_part(new_label, ' ', 1))
            < array_position(ARRAY['green', 'yellow', 'orange', 'red', 'regulated_red'], split_part(old_label, ' ', 1)))
$$;

-- What waits: declarations for what never came, and columns for a label.
CREATE FUNCTION wal2lake.check_waiting()
RETURNS TABLE (severity text, code text, object text, finding text, fix text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH waiting AS (
        -- Of each the last that the trail has of it. The rows that a restore writes itself come after those that it brings.
        SELECT format('%I.%I.%I', u.schema_name, u.table_name, u.column_name) AS name, h.*
          FROM wal2lake.unclassified u
          JOIN pg_namespace n ON n.nspname = u.schema_name
          JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = u.table_name
          JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = u.column_name
          LEFT JOIN (SELECT DISTINCT ON (object, attnum) object, attnum, changed_at, changed_by, old_label, new_label
                       FROM wal2lake.label_history WHERE object_type = 'table column'
                      ORDER BY object, attnum, changed_at DESC) AS h
                 ON h.object = c.oid AND h.attnum = a.attnum
         WHERE u.table_is_emitted
    ), longest AS (
        SELECT w.*, to_char(w.changed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS since
          FROM waiting w ORDER BY w.changed_at NULLS FIRST, w.name LIMIT 1
    )
    SELECT 'warning', 'unclassified', l.name,
           CASE WHEN l.since IS NULL THEN 'Without a label, and withheld, since before '
                     || coalesce((SELECT to_char(min(changed_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') FROM wal2lake.label_history), 'now') || '.'
                WHEN l.new_label IS NOT NULL THEN format('Withheld: the label that it had on %s is gone.', l.since)
                WHEN l.old_label IS NOT NULL THEN format('Withheld: its label was removed by %s, %s.', l.changed_by, l.since)
                ELSE format('Without a label, and withheld, since a migration by %s, %s. Columns that appeared in that minute: %s.', l.changed_by, l.since,
                            (SELECT count(*) FROM wal2lake.label_history h
                              WHERE h.old_label IS NULL AND h.new_label IS NULL
                                AND date_trunc('minute', h.changed_at) = date_trunc('minute', l.changed_at))) END
           || format(' Columns without a label in tables that are sent: %s.', (SELECT count(*) FROM waiting)),
           'Label it, "... drop" if it is to be withheld. SELECT * FROM wal2lake.unclassified lists all.'
      FROM longest l
    UNION ALL
    SELECT CASE WHEN d.declared_at < now() - interval '7 days' THEN 'warning' ELSE 'info' END, 'declared-unmatched',
           CASE d.column_name WHEN '' THEN format('%I.%I', d.schema_name, d.table_name)
                ELSE format('%I.%I.%I', d.schema_name, d.table_name, d.column_name) END,
           format('Declared "%s" by %s, %s, and has not come since.', d.label, d.declared_by,
                  to_char(d.declared_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
           'Look whether its name is right and its migration has run; take it out of the policy if it will not come.'
      FROM wal2lake.declared d
     WHERE d.matched_at IS NULL
    UNION ALL
    -- What took it has another name by now: what has its name is not as declared.
    SELECT 'info', 'declared-unmatched', format('%I.%I', d.schema_name, d.table_name) || coalesce('.' || quote_ident(nullif(d.column_name, '')), ''),
           format('Declared "%s" by %s, %s, and used by what is called %s now.', d.label, d.declared_by,
                  to_char(d.declared_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
                  format('%I.%I', n.nspname, c.relname) || coalesce('.' || quote_ident(a.attname), '')),
           'Label what has the name, or take it out of the policy.'
      FROM wal2lake.declared d
      JOIN pg_class c ON c.oid = d.object
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.object AND a.attnum = d.attnum AND d.attnum > 0
     WHERE (n.nspname, c.relname, coalesce(a.attname, '')) <> (d.schema_name, d.table_name, d.column_name)
       AND a.attisdropped IS NOT TRUE
$$;

CREATE FUNCTION wal2lake.check()
RETURNS TABLE (severity text, code text, object text, finding text, fix text)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT wal2lake.is_admin() THEN
        RAISE insufficient_privilege USING MESSAGE = 'wal2lake.check needs the wal2lake admin role';
    END IF;
    RETURN QUERY
    SELECT f.*
      FROM (SELECT * FROM wal2lake.check_ways_out()
            UNION ALL SELECT * FROM wal2lake.check_keys()
            UNION ALL SELECT * FROM wal2lake.check_labels()
            UNION ALL SELECT * FROM wal2lake.check_waiting()) AS f
     ORDER BY array_position(ARRAY['error', 'warning', 'info'], f.severity), f.code, f.object, f.finding;
END
$$;
COMMENT ON FUNCTION wal2lake.check() IS
'What a reviewer of the policy looks at, in this database on this server: who gets past the labels, the keys, labels that may not be what was meant, and what waits for one. severity: error (values or keys are open, or decoding stops), warning, info. fix: SQL for psql where it ends with a semicolon, to be run as it stands; else a sentence of advice, or nothing. For the wal2lake admin role.';
REVOKE ALL ON FUNCTION wal2lake.check_ways_out(), wal2lake.check_keys(), wal2lake.check_labels(), wal2lake.check_waiting(), wal2lake.check()
    FROM PUBLIC;

-- ---- tokens by SQL ----

CREATE FUNCTION wal2lake.compute_token(value anyelement, key_id text, domain text)
RETURNS bytea
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_compute_token';
CREATE FUNCTION wal2lake.log_lookup(what text)
RETURNS void
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_log_lookup';

-- Minutes since 1970 times 1,000, and how many look-ups there were in that minute: a
-- sequence, since a rollback takes back what a table has.
CREATE SEQUENCE wal2lake.token_lookups MINVALUE 0 START 0;
REVOKE ALL ON SEQUENCE wal2lake.token_lookups FROM PUBLIC;

-- Who may, how often, and a line in the log: before any token.
CREATE FUNCTION wal2lake.admit_lookup(what text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    most CONSTANT int := 30;
    minute bigint := extract(epoch FROM clock_timestamp())::bigint / 60 * 1000;
BEGIN
    IF NOT wal2lake.is_admin() THEN
        RAISE insufficient_privilege USING MESSAGE = 'tokens are told to the wal2lake admin role alone';
    END IF;
    IF (SELECT last_value FROM wal2lake.token_lookups) < minute THEN
        PERFORM setval('wal2lake.token_lookups', minute);
    END IF;
    IF (SELECT last_value FROM wal2lake.token_lookups) >= minute + most OR nextval('wal2lake.token_lookups') > minute + most THEN
        PERFORM wal2lake.log_lookup(what || ', refused: too many');
        RAISE configuration_limit_exceeded USING
            MESSAGE = format('%s look-ups in this minute are enough', most), HINT = 'Go on in the next minute.';
    END IF;
    PERFORM wal2lake.log_lookup(what);
END
$$;

CREATE FUNCTION wal2lake.active_key()
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named text := (SELECT substring(l.label FROM 'key=([^ ]+)')
                     FROM pg_shseclabel l JOIN pg_database d ON d.oid = l.objoid
                    WHERE l.classoid = 'pg_database'::regclass AND l.provider = 'wal2lake' AND d.datname = current_database());
    keys text[];
BEGIN
    IF named IS NULL THEN
        keys := wal2lake.key_digits();
        IF cardinality(keys) <> 1 THEN
            RAISE object_not_in_prerequisite_state USING
                MESSAGE = format('there are %s keys, and no label of the database says which is in force', cardinality(keys)),
                HINT = 'Name the key.';
        END IF;
        named := split_part(keys[1], ' ', 1);
    END IF;
    RETURN named;
END
$$;

CREATE FUNCTION wal2lake.token(value anyelement, domain text, key_id text DEFAULT NULL)
RETURNS bytea
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key text := coalesce(key_id, wal2lake.active_key());
BEGIN
    PERFORM wal2lake.admit_lookup(format('a token of domain "%s" under key "%s"', domain, key));
    RETURN wal2lake.compute_token(value, key, domain);
END
$$;
COMMENT ON FUNCTION wal2lake.token(anyelement, text, text) IS
'The 16 bytes that a value has in the lake, in a domain, under a key of this server (default: the one in force). For the wal2lake admin role; told to the log without the value; 30 a minute. NULL has none. Pass the value as a parameter where statements are logged.';

CREATE FUNCTION wal2lake.token_pairs(domain text, old_key text, new_key text)
RETURNS TABLE (old_token bytea, new_token bytea)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    query text;
BEGIN
    PERFORM wal2lake.admit_lookup(format('all tokens of domain "%s" under keys "%s" and "%s"', domain, old_key, new_key));
    SELECT string_agg(format('SELECT wal2lake.compute_token(%1$I, $1, $3), wal2lake.compute_token(%1$I, $2, $3) FROM %2$I.%3$I WHERE %1$I IS NOT NULL',
                             p.column_name, p.schema_name, p.table_name), ' UNION ALL ')
      INTO query
      FROM wal2lake.policy p
     WHERE p.action = 'hash' AND p.domain = token_pairs.domain;
    IF query IS NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('no column is hashed in domain "%s"', domain), HINT = 'SELECT DISTINCT domain FROM wal2lake.policy;';
    END IF;
    -- Each pair once, also where a column has a value twice.
    RETURN QUERY EXECUTE format('SELECT DISTINCT * FROM (%s) AS pairs', query) USING old_key, new_key, domain;
END
$$;
COMMENT ON FUNCTION wal2lake.token_pairs(text, text, text) IS
'Tokens under two keys of each value that the columns of a domain have now, each pair once: what maps the lake from an old key to a new one. Reads the tables. For the wal2lake admin role; told to the log; 30 calls a minute.';
REVOKE ALL ON FUNCTION wal2lake.compute_token(anyelement, text, text), wal2lake.log_lookup(text), wal2lake.admit_lookup(text),
    wal2lake.active_key(), wal2lake.token(anyelement, text, text), wal2lake.token_pairs(text, text, text) FROM PUBLIC;

-- ---- pull mode ----

-- What must be so before anything is made.
CREATE FUNCTION wal2lake.check_pull_source(slot name, reader regrole, options text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    owner CONSTANT name := 'wal2lake_pull';
    option text;
BEGIN
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RAISE insufficient_privilege USING MESSAGE = 'sources to pull from are for superusers to make and to drop';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE oid = reader) THEN
        RAISE undefined_object USING MESSAGE = 'there is no such role to pull';
    END IF;
    IF length(slot) > 49 THEN
        RAISE name_too_long USING MESSAGE = format('slot %I: no schema can be named after it', slot),
            HINT = 'A slot to pull from has at most 49 characters.';
    END IF;
    IF NOT EXISTS (SELECT FROM pg_replication_slots
                    WHERE slot_name = slot AND plugin = 'wal2lake' AND database = current_database()) THEN
        RAISE undefined_object USING MESSAGE = format('there is no slot %I of wal2lake in this database', slot),
            HINT = format('SELECT pg_create_logical_replication_slot(%L, ''wal2lake'');', slot);
    END IF;
    IF array_ndims(options) > 1 OR cardinality(options) % 2 <> 0 OR array_position(options, NULL) IS NOT NULL THEN
        RAISE invalid_parameter_value USING MESSAGE = 'options are names and values in turn, none of them NULL';
    END IF;
    FOR option IN SELECT options[i] FROM generate_series(1, cardinality(options), 2) AS i LOOP
        IF option IN ('format_version', 'streaming', 'two_phase') THEN
            RAISE invalid_parameter_value USING MESSAGE = format('option %I cannot be chosen for a source to pull from', option);
        END IF;
    END LOOP;
    -- Whoever can become the owner can read every slot.
    IF EXISTS (SELECT FROM pg_roles r
                WHERE r.rolname = owner
                  AND (r.rolcanlogin OR r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls OR NOT r.rolreplication
                       OR EXISTS (SELECT FROM pg_auth_members m WHERE r.oid IN (m.roleid, m.member)))) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('role %I owns what reads the slot: it must have REPLICATION and nothing else, and no members', owner),
            HINT = format('ALTER ROLE %1$I NOLOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS REPLICATION; and revoke its memberships.', owner);
    END IF;
END
$$;

-- Nobody but the owner may use it, whatever default privileges say.
CREATE FUNCTION wal2lake.close_pull_source(kind text, object text, owner oid, acl aclitem[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    other oid;
BEGIN
    EXECUTE format('REVOKE ALL ON %s %s FROM PUBLIC', kind, object);
    FOR other IN SELECT DISTINCT a.grantee FROM aclexplode(acl) AS a WHERE a.grantee NOT IN (0, owner) LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %s', kind, object, other::regrole);
    END LOOP;
END
$$;

-- What is made can be read in pg_proc: slot and options are written into it.
CREATE FUNCTION wal2lake.create_pull_source(slot name, reader regrole, options text[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
    schema CONSTANT name := 'wal2lake_pull_' || slot;
    all_options CONSTANT text[] := options || '{format_version,1}'::text[];
    peek CONSTANT text := format($$
-- Every whole transaction behind what was acknowledged whose commit record begins before upto.
-- Nothing has reached the client before the function is over: a gap is found first.
DECLARE
    place record;
BEGIN
    RETURN QUERY SELECT s.lsn, s.data FROM pg_logical_slot_peek_binary_changes(%1$L, upto, NULL, VARIADIC %2$L::text[]) AS s;
    SELECT r.plugin, r.confirmed_flush_lsn INTO place FROM pg_replication_slots AS r WHERE r.slot_name = %1$L;
    IF place.plugin IS DISTINCT FROM 'wal2lake' THEN
        RAISE EXCEPTION USING ERRCODE = 'W2L02', MESSAGE = 'the slot belongs to another plugin than wal2lake';
    END IF;
    IF place.confirmed_flush_lsn IS DISTINCT FROM expected THEN
        RAISE EXCEPTION USING ERRCODE = 'W2L01',
            MESSAGE = format('the slot stands at %%s, not at %%s: somebody else has moved it', place.confirmed_flush_lsn, expected);
    END IF;
END
$$, slot, all_options);
    advance CONSTANT text := format($$
-- Where the slot stands afterwards. Never back, and never beyond what is durable here.
DECLARE
    confirmed pg_lsn := (SELECT r.confirmed_flush_lsn FROM pg_replication_slots AS r WHERE r.slot_name = %1$L);
BEGIN
    IF upto > pg_current_wal_flush_lsn() THEN
        RAISE EXCEPTION USING ERRCODE = 'W2L03',
            MESSAGE = format('%%s is beyond the end of the WAL, %%s', upto, pg_current_wal_flush_lsn());
    END IF;
    IF upto > confirmed THEN
        RETURN (SELECT a.end_lsn FROM pg_replication_slot_advance(%1$L, upto) AS a);
    END IF;
    IF confirmed IS NULL THEN
        RAISE undefined_object USING MESSAGE = format('replication slot %%I does not exist', %1$L);
    END IF;
    RETURN confirmed;
END
$$, slot);
BEGIN
    PERFORM wal2lake.check_pull_source(slot, reader, options);
    -- The plugin's own word on the options, before anything is made of them.
    PERFORM FROM pg_logical_slot_peek_binary_changes(slot, '0/1', NULL, VARIADIC all_options);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'wal2lake_pull') THEN
        CREATE ROLE wal2lake_pull NOLOGIN REPLICATION;
    END IF;
    IF (SELECT rolreplication FROM pg_roles WHERE oid = reader) THEN
        RAISE WARNING USING MESSAGE = format('role %s has REPLICATION, and needs no functions to read this slot and all others', reader),
            HINT = format('ALTER ROLE %s NOREPLICATION;', reader);
    END IF;
    EXECUTE format('CREATE SCHEMA %I', schema);
    EXECUTE format('CREATE FUNCTION %I.peek(expected pg_lsn, upto pg_lsn) RETURNS TABLE (lsn pg_lsn, data bytea)'
                   ' LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L', schema, peek);
    EXECUTE format('CREATE FUNCTION %I.advance(upto pg_lsn) RETURNS pg_lsn'
                   ' LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L', schema, advance);
    EXECUTE format('ALTER FUNCTION %I.peek(pg_lsn, pg_lsn) OWNER TO wal2lake_pull', schema);
    EXECUTE format('ALTER FUNCTION %I.advance(pg_lsn) OWNER TO wal2lake_pull', schema);
    PERFORM wal2lake.close_pull_source('FUNCTION', p.oid::regprocedure::text, p.proowner, p.proacl)
       FROM pg_proc p WHERE p.pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = schema);
    PERFORM wal2lake.close_pull_source('SCHEMA', quote_ident(nspname), nspowner, nspacl)
       FROM pg_namespace WHERE nspname = schema;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', schema, reader);
    EXECUTE format('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %I TO %s', schema, reader);
END
$function$;
COMMENT ON FUNCTION wal2lake.create_pull_source(name, regrole, text[]) IS
'Makes the functions peek and advance in schema wal2lake_pull_<slot>, by which reader, a role without REPLICATION, reads this one slot of this database with these options (name, value, ...) and nothing else. They belong to the role wal2lake_pull, which cannot log in. For superusers.';

CREATE FUNCTION wal2lake.drop_pull_source(slot name)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('DROP FUNCTION %1$I.peek(pg_lsn, pg_lsn), %1$I.advance(pg_lsn)', 'wal2lake_pull_' || slot);
    EXECUTE format('DROP SCHEMA %I', 'wal2lake_pull_' || slot);
END
$$;
COMMENT ON FUNCTION wal2lake.drop_pull_source(name) IS
'Drops what create_pull_source made for a slot. The slot itself and the role wal2lake_pull stay. For superusers.';
REVOKE ALL ON FUNCTION wal2lake.check_pull_source(name, regrole, text[]), wal2lake.close_pull_source(text, text, oid, aclitem[]),
    wal2lake.create_pull_source(name, regrole, text[]), wal2lake.drop_pull_source(name) FROM PUBLIC;

-- ---- DDL ----

-- What neither rows nor the shape of a table tell: a row for each such fact of a
-- statement, written and deleted in its transaction. The table stays empty; decoding
-- finds the row in the WAL and sends a Ddl record for it. Names and kinds only.
-- Columns are found by name and type, so a later version may add some.
CREATE TYPE wal2lake.ddl_fact AS (
    kind name,
    object oid,
    namespace name,
    name name,
    attnum int2,
    column_name name,
    old_name name,
    parent oid,
    parent_namespace name,
    parent_name name
);
-- xid is that of the writer: what a subscription brings here, of a publication of all
-- tables, was said of the tables of another server, and does not count.
CREATE TABLE wal2lake.ddl (LIKE wal2lake.ddl_fact, xid xid);
COMMENT ON TABLE wal2lake.ddl IS
'Always empty: the event triggers of wal2lake write and delete here what DDL statements did, so that the WAL says it.';
-- In a publication of all tables a row can be deleted only where it has an identity.
ALTER TABLE wal2lake.ddl REPLICA IDENTITY FULL;
-- What is read here is believed. So nobody writes but the trigger: pg_write_all_data
-- and default privileges are no way in.
ALTER TABLE wal2lake.ddl ENABLE ROW LEVEL SECURITY;
DO $$
DECLARE
    grantee name;
BEGIN
    FOR grantee IN
        SELECT DISTINCT r.rolname
          FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
         WHERE c.oid IN ('wal2lake.ddl'::pg_catalog.regclass, 'wal2lake.label_history'::pg_catalog.regclass,
                         'wal2lake.declared'::pg_catalog.regclass, 'wal2lake.declared_version'::pg_catalog.regclass)
           AND a.grantee <> c.relowner
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON wal2lake.ddl, wal2lake.label_history, wal2lake.declared, wal2lake.declared_version FROM %I',
                                  grantee);
    END LOOP;
END
$$;
REVOKE ALL ON wal2lake.ddl, wal2lake.label_history, wal2lake.declared, wal2lake.declared_version FROM PUBLIC;

CREATE FUNCTION wal2lake.ddl_facts(command pg_ddl_command)
RETURNS SETOF wal2lake.ddl_fact
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_ddl_facts';
COMMENT ON FUNCTION wal2lake.ddl_facts(pg_ddl_command) IS
'For the event trigger: what a finished command did that rows do not tell.';

-- Runs with the rights of the extension's owner, whoever runs the statement, and
-- never makes it fail. Rows are deleted by their place: a scan would pass all dead
-- rows of a long migration, and take a lock on the table in a serializable one.
CREATE FUNCTION wal2lake.tell_ddl()
RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    facts wal2lake.ddl_fact[];
    places tid[];
BEGIN
    CASE TG_EVENT
    WHEN 'ddl_command_end' THEN
        SELECT array_agg(f) INTO facts FROM pg_event_trigger_ddl_commands() AS d, wal2lake.ddl_facts(d.command) AS f;
    WHEN 'sql_drop' THEN
        SELECT array_agg((CASE d.objsubid WHEN 0 THEN 'drop_table' ELSE 'drop_column' END, d.objid,
                          d.address_names[1], d.address_names[2], nullif(d.objsubid, 0), d.address_names[3],
                          NULL, NULL, NULL, NULL)::wal2lake.ddl_fact)
          INTO facts
          FROM pg_event_trigger_dropped_objects() AS d
         WHERE d.classid = 'pg_class'::regclass
           AND d.object_type IN ('table', 'table column')
           AND NOT d.is_temporary
           AND d.objid <> 'wal2lake.ddl'::regclass;
    WHEN 'table_rewrite' THEN
        -- Reasons: 1 persistence, 2 default or expression, 4 type, 8 access method.
        SELECT array_agg((k.kind, c.oid, n.nspname, c.relname, NULL, NULL, NULL, NULL, NULL, NULL)::wal2lake.ddl_fact)
          INTO facts
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN (VALUES ('rewrite', 'p', 6), ('set_unlogged', 'p', 1), ('set_logged', 'u', 1)) AS k (kind, persistence, reasons)
               ON k.persistence = c.relpersistence AND k.reasons & pg_event_trigger_table_rewrite_reason() <> 0
         WHERE c.oid = pg_event_trigger_table_rewrite_oid()
           AND c.relkind = 'r'
           AND c.oid <> 'wal2lake.ddl'::regclass;
    END CASE;
    IF facts IS NULL THEN
        RETURN;
    END IF;
    WITH told AS (INSERT INTO wal2lake.ddl (kind, object, namespace, name, attnum, column_name, old_name,
                                            parent, parent_namespace, parent_name, xid)
                  SELECT f.*, pg_current_xact_id()::xid FROM unnest(facts) AS f RETURNING ctid)
    SELECT array_agg(ctid) INTO places FROM told;
    DELETE FROM wal2lake.ddl WHERE ctid = ANY (places);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING USING
        MESSAGE = format('wal2lake could not tell the stream what this statement did (SQLSTATE %s)', SQLSTATE),
        HINT = 'Copy the tables that it changed to the lake anew.';
END
$$;
COMMENT ON FUNCTION wal2lake.tell_ddl() IS
'Event trigger: tells the stream what a DDL statement did.';
REVOKE ALL ON FUNCTION wal2lake.ddl_facts(pg_ddl_command) FROM PUBLIC;
REVOKE ALL ON FUNCTION wal2lake.tell_ddl() FROM PUBLIC;

-- Always: also where session_replication_role is replica.
CREATE EVENT TRIGGER wal2lake_ddl_command_end ON ddl_command_end
    WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER SCHEMA', 'ALTER SEQUENCE', 'ALTER TABLE',
                 'ALTER TYPE', 'ALTER VIEW')
    EXECUTE FUNCTION wal2lake.tell_ddl();
CREATE EVENT TRIGGER wal2lake_sql_drop ON sql_drop EXECUTE FUNCTION wal2lake.tell_ddl();
CREATE EVENT TRIGGER wal2lake_table_rewrite ON table_rewrite EXECUTE FUNCTION wal2lake.tell_ddl();
ALTER EVENT TRIGGER wal2lake_ddl_command_end ENABLE ALWAYS;
ALTER EVENT TRIGGER wal2lake_sql_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER wal2lake_table_rewrite ENABLE ALWAYS;

-- ---- columns that appear ----

CREATE FUNCTION wal2lake.added_columns(command pg_ddl_command)
RETURNS TABLE (relation oid, attnum int2)
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_added_columns';
COMMENT ON FUNCTION wal2lake.added_columns(pg_ddl_command) IS
'For the event trigger: the columns that a finished ALTER added, also in tables that inherit or are of an altered type.';

CREATE FUNCTION wal2lake.label_declared(object oid, attnum int2, schema_name name, table_name name, column_name name, label text,
                                        since timestamptz)
RETURNS boolean
LANGUAGE C VOLATILE STRICT
AS 'MODULE_PATHNAME', 'wal2lake_label_declared';
COMMENT ON FUNCTION wal2lake.label_declared(oid, int2, name, name, name, text, timestamptz) IS
'For the event trigger: gives a column, or as number 0 a table, its declared label, unless it has one or had one since then; raises object_not_in_prerequisite_state (55000) for a table that has another one. False, and nothing done, where it is not called so now, whatever the snapshot says.';

-- Labels what was declared and is there now, in the tables that the statement made, altered, renamed or moved. One label that
-- cannot be leaves the others alone, and its declaration open. After a lock that was not to be had in time none is tried.
CREATE FUNCTION wal2lake.label_as_declared()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    part record;
    place text;
BEGIN
    -- Two that are serializable, and each read this table and mark a row, would make one of them fail.
    IF current_setting('transaction_isolation') = 'serializable' AND pg_relation_size('wal2lake.declared') > 0 THEN
        RAISE feature_not_supported USING MESSAGE = 'the transaction is serializable';
    END IF;
    IF NOT EXISTS (SELECT FROM wal2lake.declared) THEN
        RETURN;
    END IF;
    FOR part IN
        WITH RECURSIVE told AS (
            SELECT d.classid, d.objid, d.command_tag FROM pg_event_trigger_ddl_commands() AS d
        ), touched (relation) AS (
            (SELECT objid FROM told WHERE classid = 'pg_class'::regclass
             UNION
             SELECT c.oid FROM told t JOIN pg_class c ON c.relnamespace = t.objid
              WHERE t.classid = 'pg_namespace'::regclass AND t.command_tag = 'ALTER SCHEMA'
             UNION
             SELECT c.oid FROM told t JOIN pg_class o ON o.oid = t.objid AND o.relkind = 'c' JOIN pg_class c ON c.reloftype = o.reltype
              WHERE t.classid = 'pg_class'::regclass)
            UNION
            SELECT i.inhrelid FROM touched t JOIN pg_inherits i ON i.inhparent = t.relation
        )
        SELECT d.schema_name, d.table_name, d.column_name, d.label, d.declared_at, d.matched_at, p.object, p.attnum
          FROM touched t
          JOIN pg_class c ON c.oid = t.relation AND NOT c.relispartition
          JOIN pg_namespace n ON n.oid = c.relnamespace
          JOIN wal2lake.declared d ON d.schema_name = n.nspname AND d.table_name = c.relname
         CROSS JOIN LATERAL wal2lake.labelled_parts(d.schema_name, d.table_name) AS p
         WHERE p.column_name = d.column_name
           -- Used once, so that a label which the admin removed stays away; and again only if what is gone had it to the end.
           AND (d.matched_at IS NULL
                OR NOT wal2lake.part_exists(d.object, d.attnum)
                   AND d.label = (SELECT h.new_label FROM wal2lake.label_history h
                                   WHERE h.object = d.object AND h.attnum = d.attnum AND h.object_type <> 'database'
                                   ORDER BY h.changed_at DESC LIMIT 1))
         ORDER BY d.schema_name, d.table_name, d.column_name
    LOOP
        place := CASE part.attnum WHEN 0 THEN format('TABLE %I.%I', part.schema_name, part.table_name)
                      ELSE format('COLUMN %I.%I.%I', part.schema_name, part.table_name, part.column_name) END;
        BEGIN
            UPDATE wal2lake.declared d SET matched_at = clock_timestamp(), object = part.object, attnum = part.attnum
             WHERE d.schema_name = part.schema_name AND d.table_name = part.table_name AND d.column_name = part.column_name
               AND d.label = part.label AND d.declared_at = part.declared_at AND d.matched_at IS NOT DISTINCT FROM part.matched_at;
            -- Somebody may have replaced or used it while we waited for them.
            CONTINUE WHEN NOT FOUND;
            -- The empty name comes first.
            IF part.attnum <> 0 AND EXISTS (SELECT FROM wal2lake.declared d
                                             WHERE d.schema_name = part.schema_name AND d.table_name = part.table_name
                                               AND d.column_name = '' AND d.object IS DISTINCT FROM part.object) THEN
                RAISE object_not_in_prerequisite_state USING MESSAGE = 'the table is declared "exclude", and has not got that';
            END IF;
            IF NOT wal2lake.label_declared(part.object, part.attnum, part.schema_name, part.table_name, part.column_name, part.label,
                                           part.declared_at) THEN
                RAISE undefined_object USING MESSAGE = 'what had this name has another one by now';
            END IF;
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING USING
                MESSAGE = format('wal2lake could not label %s as declared (SQLSTATE %s)', place, SQLSTATE), DETAIL = SQLERRM,
                HINT = 'It is withheld until the admin labels it, or declares what its type can have.';
            EXIT WHEN SQLSTATE = '55P03';
        END;
    END LOOP;
END
$$;

-- A row of the trail for each column that the statement made and nobody has labelled. In PL/pgSQL, which keeps the plan: a
-- thousand tables in a session would each pay for another one.
CREATE FUNCTION wal2lake.record_new_columns()
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    who CONSTANT name := wal2lake.caller();
BEGIN
    INSERT INTO wal2lake.label_history (changed_at, session_role, changed_by, object_type, object_identity, object, attnum)
    SELECT clock_timestamp(), session_user, who, 'table column', format('%I.%I.%I', n.nspname, c.relname, a.attname), c.oid, a.attnum
      FROM (SELECT d.objid, NULL::int2
              FROM pg_event_trigger_ddl_commands() AS d
             WHERE d.classid = 'pg_class'::regclass AND d.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
            UNION
            SELECT f.relation, f.attnum FROM pg_event_trigger_ddl_commands() AS d, wal2lake.added_columns(d.command) AS f) AS made (relation, attnum)
      JOIN pg_class c ON c.oid = made.relation AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relispartition
      JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname <> 'wal2lake'
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = coalesce(made.attnum, a.attnum) AND a.attnum > 0 AND NOT a.attisdropped
                         AND a.attgenerated <> 'v'
     WHERE NOT EXISTS (SELECT FROM pg_seclabel l
                        WHERE l.objoid = c.oid AND l.classoid = 'pg_class'::regclass AND l.provider = 'wal2lake'
                          AND (l.objsubid = a.attnum OR l.objsubid = 0 AND l.label = 'exclude'))
     ORDER BY c.oid, a.attnum;
END
$$;

-- Runs with the rights of the extension's owner, whoever runs the statement, and never makes it fail: so it does not wait for a lock
-- until a limit of the statement's own is over. One look-up after the other, however many tables there are: the planner does not
-- know that a statement touches few. What a scan without an index costs on paper would have the query compiled.
CREATE FUNCTION wal2lake.meet_new_columns()
RETURNS event_trigger
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
SET lock_timeout = '500ms'
AS $$
BEGIN
    BEGIN
        PERFORM wal2lake.label_as_declared();
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING USING
            MESSAGE = format('wal2lake could not look for declared labels (SQLSTATE %s)', SQLSTATE), DETAIL = SQLERRM,
            HINT = 'What has no label is withheld until the admin labels it.';
    END;
    BEGIN
        PERFORM wal2lake.record_new_columns();
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING USING
            MESSAGE = format('wal2lake could not record that columns appeared (SQLSTATE %s)', SQLSTATE), DETAIL = SQLERRM,
            HINT = 'The view wal2lake.unclassified has them all the same.';
    END;
END
$$;
COMMENT ON FUNCTION wal2lake.meet_new_columns() IS
'Event trigger: labels columns and tables that were declared ahead, and records columns that appear without a label.';
REVOKE ALL ON FUNCTION wal2lake.added_columns(pg_ddl_command), wal2lake.label_as_declared(),
    wal2lake.label_declared(oid, int2, name, name, name, text, timestamptz), wal2lake.record_new_columns(),
    wal2lake.meet_new_columns() FROM PUBLIC;

-- Every statement that makes, renames or moves a table or gives it columns; some do so under another word.
CREATE EVENT TRIGGER wal2lake_declared ON ddl_command_end
    WHEN TAG IN ('ALTER FOREIGN TABLE', 'ALTER INDEX', 'ALTER MATERIALIZED VIEW', 'ALTER SCHEMA', 'ALTER SEQUENCE', 'ALTER TABLE',
                 'ALTER TYPE', 'ALTER VIEW', 'CREATE SCHEMA', 'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')
    EXECUTE FUNCTION wal2lake.meet_new_columns();
ALTER EVENT TRIGGER wal2lake_declared ENABLE ALWAYS;

REVOKE ALL ON FUNCTION wal2lake.classify(regclass, text, name[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION wal2lake.decode_frame(bytea, boolean) FROM PUBLIC;
GRANT USAGE ON SCHEMA wal2lake TO PUBLIC;
GRANT SELECT ON wal2lake.policy, wal2lake.unclassified, wal2lake.declared, wal2lake.declared_version TO PUBLIC;
GRANT SELECT (changed_at, object_type, object) ON wal2lake.label_history TO PUBLIC;
