-- How values of each type travel, clear and hashed.
\pset format unaligned
\pset tuples_only on
CREATE TYPE mood AS ENUM ('happy', 'sad');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN handle AS varchar(20);
CREATE TYPE pair AS (x int, y text);
CREATE TABLE clear (
    id int PRIMARY KEY,
    c_bool bool, c_int2 int2, c_int8 int8, c_oid oid, c_float4 float4, c_float8 float8,
    c_text text, c_varchar varchar(10), c_bpchar char(5), c_name name, c_char "char",
    c_bytea bytea, c_uuid uuid, c_numeric numeric, c_numeric2 numeric(10,2),
    c_date date, c_time time, c_timetz timetz, c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval,
    c_json json, c_jsonb jsonb, c_enum mood, c_domain positive, c_handle handle, c_inet inet, c_array int[], c_texts text[],
    c_pair pair, c_range int4range, c_money money, c_bit bit(3), c_point point, c_xml xml, c_regclass regclass);
SELECT count(*) FROM wal2lake.classify('clear', 'green');
SELECT make_slot();
INSERT INTO clear VALUES (1, true, -32768, 9223372036854775807, 4294967295, 1.5, -0.1,
    'text', 'varchar', 'ab', 'name', 'x',
    '\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1.500, 3.1,
    '2026-11-22', '23:59:59.999999', '12:00:00+05:30', '2026-11-22 12:34:56.789', '2026-11-22 12:34:56+02', '1 day 02:03:04',
    '{"a":  1}', '{"b": 1.0, "a": [null]}', 'sad', 7, 'ada', '10.0.0.1/8', '{{1,2},{3,NULL}}', '{a,"b c",NULL}',
    '(1,"x y")', '[1,5)', 12.34, B'101', '(1,2)', '<a/>', 'pg_class');
-- The far ends.
INSERT INTO clear (id, c_float4, c_float8, c_numeric, c_date, c_timestamp, c_timestamptz, c_time) VALUES
    (2, 'NaN', '-Infinity', 'NaN', 'infinity', '-infinity', 'infinity', '24:00:00'),
    (3, 'Infinity', 1e-300, 'Infinity', '0044-03-15 BC', '0044-03-15 12:00 BC', '4713-01-01 00:00+00 BC', '00:00:00'),
    (4, 3.4e38, 1.7976931348623157e308, '-Infinity', '5874897-12-31', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59+00', NULL),
    (5, 0, '-0', 0.000, '1969-12-31', '1969-12-31 23:59:59.999999', '294247-01-10 04:00:54.775807+00', NULL);
INSERT INTO clear (id, c_numeric, c_text, c_bytea) VALUES
    (6, 12345678901234567890123456789012345678.9012345678901234567890, repeat('x', 100), '');
SELECT changes();

CREATE TABLE hashed (
    id int PRIMARY KEY,
    h_int2 int2, h_int4 int4, h_int8 int8, h_oid oid, h_numeric numeric, h_text text, h_varchar varchar(10),
    h_bpchar char(8), h_name name, h_uuid uuid, h_enum mood, h_domain handle);
SELECT count(*) FROM wal2lake.classify('hashed', 'green', 'id');
SELECT count(*) FROM wal2lake.classify('hashed', 'red hash domain=one');
INSERT INTO hashed VALUES (1, 7, 7, 7, 7, 7.00, 'ada', 'ada', 'ada', 'ada', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'sad', 'ada');
INSERT INTO hashed VALUES (2, -7, -7, -7, 0, -7, '', '', '', '', '00000000-0000-0000-0000-000000000000', 'happy', 'Zürich');
INSERT INTO hashed VALUES (3, NULL, NULL, NULL, NULL, 0.5, 'sad', 'Zürich', 'Zürich', 'Zürich', NULL, NULL, NULL);
SELECT changes();
-- A large value is hashed whole: the same text stored toasted gives the token of the text.
INSERT INTO hashed (id, h_text) SELECT 4, string_agg(md5(i::text), '') FROM generate_series(1, 40000) i;
SELECT substr(line, 1, 100) FROM changes() AS line;
SELECT drop_slot();
DROP TABLE clear, hashed;
DROP TYPE mood, pair;
DROP DOMAIN positive, handle;
