"""Values of every type that a column can have: first, last, empty, odd. Each is an SQL expression.

A type that is in pg_type and not here makes test_types.py fail, so that none is forgotten, in newer servers either.
"""

# With these in a database it has types from all of contrib that brings some.
EXTENSIONS = ("citext", "cube", "earthdistance", "hstore", "intarray", "isn", "lo", "ltree", "pg_trgm", "seg", "btree_gist")

# Types of users' own. `celsius` and `wrapped` are base types, one passed by value and one of any length.
CREATE_TYPES = """
CREATE TYPE celsius;
CREATE FUNCTION celsius_in(cstring) RETURNS celsius LANGUAGE internal IMMUTABLE STRICT AS 'int8in';
CREATE FUNCTION celsius_out(celsius) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int8out';
CREATE TYPE celsius (INPUT = celsius_in, OUTPUT = celsius_out, LIKE = int8);
CREATE TYPE wrapped;
CREATE FUNCTION wrapped_in(cstring) RETURNS wrapped LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION wrapped_out(wrapped) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE FUNCTION wrapped_send(wrapped) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'textsend';
CREATE FUNCTION wrapped_recv(internal) RETURNS wrapped LANGUAGE internal IMMUTABLE STRICT AS 'textrecv';
CREATE TYPE wrapped (INPUT = wrapped_in, OUTPUT = wrapped_out, SEND = wrapped_send, RECEIVE = wrapped_recv, LIKE = text);
CREATE TYPE mood AS ENUM ('', 'it''s', 'Ünsicher', 'a,b');
CREATE DOMAIN even AS integer CHECK (VALUE % 2 = 0);
CREATE DOMAIN even_again AS even;
CREATE DOMAIN yes AS boolean CHECK (VALUE);
CREATE TYPE pair AS (x int, gone numeric, y text);
ALTER TYPE pair DROP ATTRIBUTE gone;
CREATE TYPE nested AS (p pair, l pair[], m mood);
CREATE DOMAIN sound_pair AS pair CHECK ((VALUE).x > 0);
CREATE TYPE floatrange AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi);
CREATE TYPE textrange AS RANGE (SUBTYPE = text, COLLATION = "C");
CREATE TYPE moodrange AS RANGE (SUBTYPE = mood);
CREATE TYPE pairrange AS RANGE (SUBTYPE = pair)
"""

# U+FEFF, U+0001, noncharacters, a family joined by U+200D, combining marks, the last code point.
ODD_TEXT = r"E'\uFEFF\x01\uFFFE\uFFFF\uFDD0\U0001F468\u200D\U0001F469\u200D\U0001F467 e\u0301 \U0010FFFF \u202E'"

# The last date and times of a timestamp, and those before which it must not be written as microseconds since 1970.
TIMESTAMPS = ["'infinity'", "'-infinity'", "'4713-11-24 BC'", "'4713-01-01 BC'", "'0044-03-15 12:00 BC'",
              "'0001-12-31 23:59:59.999999 BC'", "'0001-01-01'", "'1582-10-15'", "'1969-12-31 23:59:59.999999'",
              "'1970-01-01'", "'1999-12-31 23:59:59.999999'", "'2000-02-29 00:00:00.000001'", "'2026-03-29 02:30'",
              "'294246-12-31'", "'294247-01-10 04:00:54.775807'", "'294247-01-10 04:00:54.775808'",
              "'294276-12-31 23:59:59.999999'"]
FLOATS = ["'NaN'", "'Infinity'", "'-Infinity'", "0", "'-0'", "0.1", "1e15", "1e-7", "-123456.7"]

# How a column is declared, where that is not the type's bare name.
DECLARED = {"character": "character(6)", "bit": "bit(3)"}

SAMPLES = {
    "boolean": ["true", "false"],
    "bytea": ["''", r"'\x00'", r"'\x00ff0a0d5c27'", "decode(repeat('00', 3000), 'hex')"],
    '"char"': ["'x'", "''", "' '", r"E'\\'", "''''"],
    "name": ["'x'", "''", "'größe'", "repeat('n', 63)"],
    "bigint": ["-9223372036854775808", "9223372036854775807", "0"],
    "smallint": ["'-32768'", "32767", "0"],
    "integer": ["-2147483648", "2147483647", "0"],
    "int2vector": ["'1 -2 3'", "''"],
    "oidvector": ["'1 4294967295'", "''"],
    "oid": ["4294967295", "0", "2147483648"],
    "tid": ["'(0,1)'", "'(4294967295,65535)'"],
    "xid": ["'4294967295'", "'0'"], "cid": ["'4294967295'", "'0'"],
    "xid8": ["'18446744073709551615'", "'0'"],
    "text": ["''", "'null'", "'NULL'", "'unchanged-toast-datum'", r"E'a\nb\tc\\d''e\"f\r'", "'Zürich 🦭'", "' '", ODD_TEXT,
             "'{a,b}'", "'new-tuple: x[text]:''y'''", "repeat('é', 5000)"],
    "character varying": ["''", "'it''s'", "'trailing  '", ODD_TEXT],
    "character": ["'ab'", "''", "' x'", "'größe!'"],
    "json": [r"""'{"b": 1.0,  "a": [],
        "b": null}'""", "'null'", "'\"\"'", "' 1 '", r"""E'"\\u0000 \\ud83e\\uddad"'""", "'1e400'"],
    "jsonb": [r"""'{"b": 1.0, "a": [], "b": null}'""", "'null'", "'\"\"'", "'{}'", "'1e400'", "'-0'", "'\"\\u00fc\"'",
              "('\"' || repeat('x', 5000) || '\"')"],
    "jsonpath": ["'$'", "'strict $.a[*] ? (@.b like_regex \"^x\" flag \"i\")'"],
    "xml": ["'<a b=\"c\">d</a>'", "''", "'no tag &amp; <b/>'", "'<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?><ü/>'"],
    "point": ["'(1e300,-0)'", "'(NaN,Infinity)'", "'(0.1,0.2)'"],
    "lseg": ["'[(1,2),(-3,4e-5)]'"], "path": ["'[(1,2),(3,4)]'", "'((1,2),(3,4))'"], "box": ["'(1,2),(0.1,-Infinity)'"],
    "polygon": ["'((0,0),(1,1e-300),(2,0))'"], "line": ["'{1,-1,0.5}'"], "circle": ["'<(1,2),0.1>'"],
    "real": [*FLOATS, "1.4e-45", "3.4028235e38", "16777217"],
    "double precision": [*FLOATS, "5e-324", "1.7976931348623157e308", "9007199254740993"],
    "money": ["'-92233720368547758.08'::numeric", "'92233720368547758.07'::numeric", "0", "1234567.891::numeric"],
    "macaddr": ["'08:00:2b:01:02:03'"], "macaddr8": ["'08:00:2b:01:02:03:04:05'"],
    "inet": ["'10.0.0.1'", "'10.0.0.1/8'", "'::ffff:1.2.3.4/96'", "'::'", "'0.0.0.0/0'"],
    "cidr": ["'10.0.0.0/8'", "'2001:db8::/32'"],
    "aclitem": ["'postgres=r*w/postgres'", "'=X/postgres'"],
    "date": ["'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'0001-01-01'", "'1582-10-15'", "'1969-12-31'",
             "'1970-01-01'", "'1999-12-31'", "'2000-01-01'", "'2000-02-29'", "'1900-02-28'", "'9999-12-31'", "'10000-01-01'",
             "'5874897-12-31'"],
    "time without time zone": ["'00:00'", "'24:00'", "'23:59:59.999999'", "'12:00:00.1'"],
    "time with time zone": ["'24:00+15:59:59'", "'00:00:00.5-15:59:59'", "'12:00+05:30'", "'12:00:00.000001+00:00:01'"],
    "timestamp without time zone": TIMESTAMPS,
    "timestamp with time zone": [*(value[:-1] + "+00'" if value[1].isdigit() and "BC" not in value else value
                                   for value in TIMESTAMPS), "'1970-01-01 00:00:00+15:59:59'", "'2026-10-25 02:30+02'"],
    "interval": ["'-1 year 2 mons -3 days 04:05:06.789'", "'0'", "'178000000 years'", "'-178000000 years'",
                 "'1 mon -1 us'", "'-00:00:01'", "'2562047788:00:54.775807'"],
    "bit": ["B'101'", "B'000'"], "bit varying": ["B''", "B'101'", "B'1'::bit(3000)"],
    "numeric": ["'NaN'", "'Infinity'", "'-Infinity'", "0", "'-0.00'", "1.50", "'1e-30'", "'1e40'", "10000", "0.00010",
                "'123456789012345678.9'", "repeat('9', 131072)", "'-1' || repeat('0', 131071) || '.' || repeat('0', 16382) || '1'",
                "'0.' || repeat('0', 16382) || '1'"],
    "refcursor": ["'a cursor'", "''"],
    "regproc": ["'now'", "0"], "regprocedure": ["'abs(integer)'", "0"], "regoper": ["'|/'", "0"],
    "regoperator": ["'*(integer,integer)'", "0"], "regclass": ["'pg_class'", "4294967295", "0"],
    "regcollation": ["'\"C\"'"], "regtype": ["'integer'", "'date'", "'integer[]'", "0"], "regrole": ["'postgres'"],
    "regnamespace": ["'pg_catalog'"], "regconfig": ["'english'"], "regdictionary": ["'simple'"],
    "uuid": ["'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-4fff-bfff-0123456789ab'"],
    "pg_lsn": ["'0/0'", "'FFFFFFFF/FFFFFFFF'"],
    "tsvector": ["''", "'a:1A fat:2B,4C ''q''''uoted'':3'"], "tsquery": ["''", "'fat & (rat:AB | !cat:*) <-> x'"],
    "txid_snapshot": ["'10:20:10,14,15'"], "pg_snapshot": ["'10:20:10,14,15'", "pg_current_snapshot()"],
    # They have no input function, but a superuser's query finds values of them.
    "pg_node_tree": ["(SELECT adbin FROM pg_attrdef LIMIT 1)"],
    "pg_ndistinct": ["(SELECT stxdndistinct FROM pg_statistic_ext_data)"],
    "pg_dependencies": ["(SELECT stxddependencies FROM pg_statistic_ext_data)"],
    "pg_mcv_list": ["(SELECT stxdmcv FROM pg_statistic_ext_data)"],
    "int4range": ["'empty'", "'(,)'", "'[1,5)'", "'[-2147483648,2147483646]'"], "int8range": ["'[1,)'"],
    "numrange": ["'(,1.50]'", "'[NaN,NaN]'", "'[-Infinity,Infinity)'"], "daterange": ["'[0044-03-15 BC,infinity)'"],
    "tsrange": ["'[2026-01-01,294276-12-31 23:59:59.999999]'"], "tstzrange": ["'(-infinity,2026-01-01 00:00+02)'"],
    "int4multirange": ["'{}'", "'{[1,2),[5,9),(100,)}'"], "int8multirange": ["'{(,)}'"], "nummultirange": ["'{[1.0,2.00]}'"],
    "datemultirange": ["'{[1999-12-31,2000-01-02)}'"], "tsmultirange": ["'{[2026-01-01,2026-01-02]}'"],
    "tstzmultirange": ["'{(,2026-01-01 00:00+05:30)}'"],
    # contrib
    "citext": ["'MixedCase'", "''"], "hstore": ["'a=>1, \"b c\"=>NULL, c=>\"\\\"\"'", "''"],
    "ltree": ["'Top.Science'", "''"], "lquery": ["'Top.*{0,2}.sci*@'"], "ltxtquery": ["'Europe & Russia*@'"],
    "cube": ["'(0.1,2),(3,NaN)'", "'(1e-300)'", "'()'"], "earth": ["ll_to_earth(0, 0)"],
    "seg": ["'1.50 .. 2'", "'<3.0'", "'5(+-)0.3'"], "query_int": ["'1&(2|!3)'"], "lo": ["4294967295"],
    "ean13": ["'978-0-393-04002-9'"], "isbn13": ["'978-0-393-04002-9'"], "isbn": ["'0-393-04002-X'"],
    "ismn13": ["'979-0-2600-0043-8'"], "ismn": ["'M-3452-4680-5'"], "issn13": ["'977-1436-45200-8'"], "issn": ["'1436-4522'"],
    "upc": ["'220356483481'"],
    # CREATE_TYPES
    "celsius": ["'-9223372036854775808'", "'0'"], "wrapped": ["''", ODD_TEXT, "'" + "w" * 3000 + "'"],
    "mood": ["''", "'it''s'", "'Ünsicher'"], "even": ["-2"], "even_again": ["4"], "yes": ["true"],
    "pair": ["ROW(1, 'a \"b\" (c), \\')", "ROW(NULL, NULL)", "ROW(2, '')"], "sound_pair": ["ROW(1, NULL)"],
    "nested": ["ROW(ROW(1, 'x'), ARRAY[ROW(2, ','), NULL]::pair[], 'it''s')"],
    "floatrange": ["'[-0,0.1]'", "'(NaN,NaN]'"], "textrange": ["'[\"a,b\",\"c\"\"d\")'"], "moodrange": ["'[it''s,]'"],
    "pairrange": ["'[\"(1,a)\",\"(1,b)\")'"],
    "floatmultirange": ["'{[0.1,0.2)}'"], "textmultirange": ["'{[a,b),[\"c,\",d)}'"], "moodmultirange": ["'{}'"],
    "pairmultirange": ["'{[\"(1,a)\",\"(1,b)\")}'"],
    "information_schema.cardinal_number": ["7"], "information_schema.character_data": ["'x'"],
    "information_schema.sql_identifier": ["'x'"], "information_schema.time_stamp": ["'2026-01-01 00:00+00'"],
    "information_schema.yes_or_no": ["'YES'"],
}

# Types whose input function refuses every text, and of which no query has a value: what indexes keep inside of themselves.
NO_VALUES = {"gtsvector", "pg_brin_bloom_summary", "pg_brin_minmax_multi_summary", "gtrgm", "ghstore", "ltree_gist", "intbig_gkey",
             "gbtreekey2", "gbtreekey4", "gbtreekey8", "gbtreekey16", "gbtreekey32", "gbtreekey_var"}

# Gives pg_attrdef and pg_statistic_ext_data a row.
CREATE_STATISTICS = """
CREATE TABLE measured AS SELECT i % 2 AS a, i % 4 AS b FROM generate_series(1, 400) i;
ALTER TABLE measured ALTER a SET DEFAULT 7;
CREATE STATISTICS measured_s ON a, b FROM measured;
ANALYZE measured
"""
