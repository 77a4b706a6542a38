-- The grammar, the order and who may do what.
CREATE TABLE t (id int PRIMARY KEY, a text, b text, flag bool, day date, small int2, doc jsonb);
ALTER TABLE t OWNER TO wal2lake_owner;

-- Bad labels are refused, with the reason.
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'purple';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS '';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red clear';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'orange clear';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'regulated_red clear';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'green mask';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'green domain=x';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red drop domain=x';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=check';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=x more';
SECURITY LABEL FOR wal2lake ON TABLE t IS 'green';
SECURITY LABEL FOR wal2lake ON SCHEMA public IS 'green';
SECURITY LABEL FOR wal2lake ON DATABASE postgres IS 'key=k2026';
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key=nosuchkey';
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key';

-- A type without a canonical form cannot be hashed; by default it is dropped, and so is one of few values.
SECURITY LABEL FOR wal2lake ON COLUMN t.doc IS 'red hash';
SECURITY LABEL FOR wal2lake ON COLUMN t.doc IS 'red';
SECURITY LABEL FOR wal2lake ON COLUMN t.flag IS 'red';
SECURITY LABEL FOR wal2lake ON COLUMN t.day IS 'orange';
SECURITY LABEL FOR wal2lake ON COLUMN t.small IS 'red';
SECURITY LABEL FOR wal2lake ON COLUMN t.small IS 'red hash domain=small';
SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'green';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=email';
SELECT column_name, class, action, domain, label FROM wal2lake.policy WHERE table_name = 't' ORDER BY column_name;
SELECT column_name, type, table_is_emitted FROM wal2lake.unclassified WHERE table_name = 't';

-- The owner may only tighten.
SET ROLE wal2lake_owner;
SECURITY LABEL FOR wal2lake ON COLUMN t.b IS 'green';
SECURITY LABEL FOR wal2lake ON COLUMN t.b IS 'red hash';
SECURITY LABEL FOR wal2lake ON COLUMN t.b IS 'red drop';
SECURITY LABEL FOR wal2lake ON COLUMN t.b IS NULL;
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'green';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red hash domain=other';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'orange hash domain=email';
SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'yellow hash domain=email';
SECURITY LABEL FOR wal2lake ON COLUMN t.id IS 'yellow hash';
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'red drop';
SECURITY LABEL FOR wal2lake ON TABLE t IS 'inherit';
SECURITY LABEL FOR wal2lake ON TABLE t IS 'exclude';
SECURITY LABEL FOR wal2lake ON TABLE t IS NULL;
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key=k2026';
SELECT wal2lake.classify('t', 'green');
RESET ROLE;

-- The admin may do all, through classify() also where it owns nothing.
SET ROLE wal2lake_admin;
SECURITY LABEL FOR wal2lake ON COLUMN t.a IS 'green';
SELECT * FROM wal2lake.classify('t', 'green', 'a');
RESET ROLE;
GRANT EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) TO wal2lake_admin;
SET ROLE wal2lake_admin;
SELECT * FROM wal2lake.classify('t', 'green', 'a');
SELECT * FROM wal2lake.classify('t', 'red', 'b');
SELECT * FROM wal2lake.classify('t', 'green', 'nosuch');
SELECT * FROM wal2lake.classify('t', 'purple', 'a');
RESET ROLE;
-- Executing is not enough: the outer user is judged.
GRANT EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) TO wal2lake_owner;
SET ROLE wal2lake_owner;
SELECT * FROM wal2lake.classify('t', 'green', 'b');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION wal2lake.classify(regclass, text, name[]) FROM wal2lake_owner, wal2lake_admin;

SECURITY LABEL FOR wal2lake ON TABLE t IS NULL;
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key=k2026';
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key=k2026 check=00000000';
SECURITY LABEL FOR wal2lake ON DATABASE regression IS 'key=k2026 check=4ab93f7a';
SECURITY LABEL FOR wal2lake ON DATABASE regression IS NULL;
SELECT column_name, class, action, domain, label FROM wal2lake.policy WHERE table_name = 't' ORDER BY column_name;
SELECT wal2lake.default_domain('t', 'a');
CREATE TABLE "Odd.Name" ("a b" int);
SELECT wal2lake.default_domain('"Odd.Name"', 'a b');
DROP TABLE t, "Odd.Name";
