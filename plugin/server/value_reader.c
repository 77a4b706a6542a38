/*
 * From one Datum that may leave to what leaves of it: the clear value in its
 * encoding, or the canonical form that core hashes. A red value never meets an
 * output function.
 *
 * Called from tuple_reader.c alone, after the decision. What can fail on a value
 * runs under survives(): the value becomes UNCARRIED and the row goes on.
 */
#include "server/plugin.h"

#include "access/detoast.h"
#include "catalog/pg_type.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#define UNIX_EPOCH_DAYS (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE)
#define UNIX_EPOCH_US ((int64)UNIX_EPOCH_DAYS * USECS_PER_DAY)

/* ---- markers ---- */

static void set_uncarried(Session* session, w2l_reason reason, Size bytes, w2l_value* out)
{
    out->kind = W2L_VALUE_UNCARRIED;
    out->reason = reason;
    out->integer = (int64)bytes;
    session->current->uncarried++;
    session->has_news = true;
}

/* ---- bytes ---- */

typedef struct Detoast {
    struct varlena* value; /* in and out */
} Detoast;

static void detoast(void* argument)
{
    Detoast* call = argument;

    call->value = pg_detoast_datum_packed(call->value);
}

/* What decoding put together of a value's pieces is in memory: it need not be copied. */
static struct varlena* put_together(struct varlena* value)
{
    struct varatt_indirect redirect;

    if (!VARATT_IS_EXTERNAL_INDIRECT(value))
        return value;
    VARATT_EXTERNAL_GET_POINTER(redirect, value);
    return redirect.pointer;
}

/*
 * The bytes of a varlena that is not on disk, or false and a marker in *out.
 * `clear`: what is told of a value that fails may tell its size.
 */
static bool varlena_bytes(Session* session, Datum datum, bool clear, const char** bytes, Size* length,
                          w2l_value* out)
{
    Detoast call = {put_together((struct varlena*)DatumGetPointer(datum))};

    if ((VARATT_IS_EXTERNAL(call.value) || VARATT_IS_COMPRESSED(call.value)) &&
        !survives(session, detoast, &call)) {
        set_uncarried(session, W2L_REASON_OUTPUT_FAILED, clear ? toast_raw_datum_size(datum) - VARHDRSZ : 0,
                      out);
        return false;
    }
    *bytes = VARDATA_ANY(call.value);
    *length = VARSIZE_ANY_EXHDR(call.value);
    return true;
}

/* The only way of clear bytes into a row: in it, or ahead of it in chunks. */
static void set_bytes(Session* session, Column* column, w2l_value_kind kind, const char* bytes, Size length,
                      w2l_value* out)
{
    if (length > SMALL_VALUE && session->inline_bytes + length > MAX_INLINE_ROW) {
        if (session->cannot_chunk) {
            set_uncarried(session, W2L_REASON_TOO_LARGE, length, out);
            return;
        }
        batch_append_value(session, column, kind, bytes, length);
        out->kind = W2L_VALUE_CHUNKED;
        return;
    }
    out->kind = kind;
    out->bytes = bytes;
    out->length = length;
    session->inline_bytes += length;
}

/* ---- text ---- */

typedef struct Conversion {
    const char* text; /* in and out */
    Size length;      /* in and out */
} Conversion;

static void convert_to_utf8(void* argument)
{
    Conversion* call = argument;
    char* converted = pg_server_to_any(call->text, (int)call->length, PG_UTF8);

    if (converted != call->text) {
        call->text = converted;
        call->length = strlen(converted);
    }
}

/*
 * True only if each byte is 1 to 127, which is UTF-8 in any encoding of a
 * database; most text is, and this is a fraction of what asking the server costs.
 */
static bool is_plain_ascii(const char* text, Size length)
{
    const uint64 ones = UINT64CONST(0x0101010101010101);
    uint64 odd = 0;
    uint64 word;

    /* The high bit of a byte, set in it or by borrowing for a zero. */
    if (length >= sizeof(word)) {
        const char* last = text + length - sizeof(word);

        for (; text < last; text += sizeof(word)) {
            memcpy(&word, text, sizeof(word));
            odd |= word | (word - ones);
        }
        memcpy(&word, last, sizeof(word));
        return ((odd | word | (word - ones)) & (ones << 7)) == 0;
    }
    for (; length > 0; text++, length--) {
        word = (unsigned char)*text;
        odd |= word | (word - 1);
    }
    return (odd & (ones << 7)) == 0;
}

/* UTF-8 for text of the database's encoding; false where it has none. */
static bool to_utf8(Session* session, const char** text, Size* length)
{
    Conversion call = {*text, *length};

    if (is_plain_ascii(*text, *length))
        return true;
    if (GetDatabaseEncoding() == PG_UTF8)
        return pg_verify_mbstr(PG_UTF8, *text, (int)*length, true);
    if (!survives(session, convert_to_utf8, &call) ||
        !pg_verify_mbstr(PG_UTF8, call.text, (int)call.length, true))
        return false;
    *text = call.text;
    *length = call.length;
    return true;
}

/* What is no text is sent as the bytes that it is. */
static void set_text(Session* session, Column* column, const char* text, Size length, w2l_value* out)
{
    w2l_value_kind kind = to_utf8(session, &text, &length) ? W2L_VALUE_TEXT : W2L_VALUE_BYTES;

    set_bytes(session, column, kind, text, length, out);
}

/* ---- output functions ---- */

typedef struct OutputCall {
    Column* column;
    MemoryContext keep; /* where the looked-up function stays */
    Datum datum;
    char* text; /* out */
} OutputCall;

static void call_output(void* argument)
{
    OutputCall* call = argument;

    if (call->column->output == NULL) {
        FmgrInfo* function = MemoryContextAllocZero(call->keep, sizeof(FmgrInfo));
        Oid oid;
        bool is_varlena;

        getTypeOutputInfo(call->column->wire->type_oid, &oid, &is_varlena);
        fmgr_info_cxt(oid, function, call->keep);
        call->column->output = function;
    }
    call->text = OutputFunctionCall(call->column->output, call->datum);
}

/* A text out of the call context, which is then free again; a large one takes the context with it. */
static char* keep_text(Session* session, char* text)
{
    Size length = strlen(text);

    if (length <= LARGE_VALUE) {
        text = pnstrdup(text, length);
        MemoryContextReset(session->call_context);
        return text;
    }
    MemoryContextSetParent(session->call_context, CurrentMemoryContext);
    session->call_context =
        AllocSetContextCreate(session->context->context, "wal2lake call", ALLOCSET_DEFAULT_SIZES);
    return text;
}

static bool call_survives(Session* session, Column* column, OutputCall* call)
{
    if (!column->is_foreign)
        return survives(session, call_output, call);
    if (!survives_foreign(session, call_output, call,
                          column->is_varlena ? toast_raw_datum_size(call->datum) : 0))
        return false;
    call->text = keep_text(session, call->text);
    return true;
}

/* Text of a clear value by its type's output function, or false and a marker. */
static bool output_text(Session* session, Column* column, Datum datum, OutputCall* call, w2l_value* out)
{
    pin_settings(session);
    session->current->grew |= column->output == NULL;
    call->column = column;
    call->keep = session->current->context;
    call->datum = datum;
    if (!call_survives(session, column, call)) {
        /* Text that would exceed 1 GB is refused so by the server. */
        bool too_large = session->value_error == ERRCODE_PROGRAM_LIMIT_EXCEEDED ||
                         session->value_error == ERRCODE_OUT_OF_MEMORY;

        set_uncarried(session, too_large ? W2L_REASON_TOO_LARGE : W2L_REASON_OUTPUT_FAILED, 0, out);
        return false;
    }
    return true;
}

static void read_output(Session* session, Column* column, Datum datum, w2l_value* out)
{
    OutputCall call;

    if (output_text(session, column, datum, &call, out))
        set_text(session, column, call.text, strlen(call.text), out);
}

/* ---- clear values ---- */

static void set_int(int64 value, w2l_value* out)
{
    out->kind = W2L_VALUE_INT;
    out->integer = value;
}

static void read_bool(Session* session, Column* column, Datum datum, w2l_value* out)
{
    out->kind = W2L_VALUE_BOOL;
    out->integer = DatumGetBool(datum);
}

static void read_int2(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_int(DatumGetInt16(datum), out);
}

static void read_int4(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_int(DatumGetInt32(datum), out);
}

static void read_int8(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_int(DatumGetInt64(datum), out);
}

static void read_oid(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_int((int64)DatumGetObjectId(datum), out);
}

static void read_float4(Session* session, Column* column, Datum datum, w2l_value* out)
{
    out->kind = W2L_VALUE_FLOAT32;
    out->float32 = DatumGetFloat4(datum);
}

static void read_float8(Session* session, Column* column, Datum datum, w2l_value* out)
{
    out->kind = W2L_VALUE_FLOAT64;
    out->float64 = DatumGetFloat8(datum);
}

static void read_varlena_text(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* bytes;
    Size length;

    if (varlena_bytes(session, datum, true, &bytes, &length, out))
        set_text(session, column, bytes, length, out);
}

static void read_name(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* name = NameStr(*DatumGetName(datum));

    set_text(session, column, name, strlen(name), out);
}

static void read_bytea(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* bytes;
    Size length;

    if (varlena_bytes(session, datum, true, &bytes, &length, out))
        set_bytes(session, column, W2L_VALUE_BYTES, bytes, length, out);
}

/* numeric_out depends on no setting. */
static void read_numeric(Session* session, Column* column, Datum datum, w2l_value* out)
{
    OutputCall call;

    if (output_text(session, column, datum, &call, out))
        set_bytes(session, column, W2L_VALUE_NUMERIC, call.text, strlen(call.text), out);
}

static void read_uuid(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_bytes(session, column, W2L_VALUE_BYTES, (const char*)DatumGetUUIDP(datum)->data, UUID_LEN, out);
}

static void read_date(Session* session, Column* column, Datum datum, w2l_value* out)
{
    DateADT date = DatumGetDateADT(datum);

    if (DATE_NOT_FINITE(date))
        read_output(session, column, datum, out);
    else
        set_int((int64)date + UNIX_EPOCH_DAYS, out);
}

/* Both timestamps. The last 30 years of their range do not fit into microseconds since 1970. */
static void read_timestamp(Session* session, Column* column, Datum datum, w2l_value* out)
{
    Timestamp timestamp = DatumGetTimestamp(datum);

    if (TIMESTAMP_NOT_FINITE(timestamp) || timestamp > PG_INT64_MAX - UNIX_EPOCH_US)
        read_output(session, column, datum, out);
    else
        set_int(timestamp + UNIX_EPOCH_US, out);
}

/* ---- values to hash ---- */

static void set_hash_bytes(Column* column, const char* bytes, Size length, w2l_value* out)
{
    out->domain = column->domain;
    out->canonical = column->type.canonical;
    if (length > LARGE_VALUE) {
        report_status(w2l_token_of_bytes(column->domain, column->type.canonical, bytes, length, out->token),
                      "computing a token");
        out->kind = W2L_VALUE_TOKEN;
        return;
    }
    out->kind = W2L_VALUE_HASH_BYTES;
    out->bytes = bytes;
    out->length = length;
}

static void set_hash_int(Column* column, int64 value, w2l_value* out)
{
    out->kind = W2L_VALUE_HASH_INT;
    out->canonical = column->type.canonical;
    out->integer = value;
    out->domain = column->domain;
}

static void token_int2(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetInt16(datum), out);
}

static void token_int4(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetInt32(datum), out);
}

static void token_int8(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetInt64(datum), out);
}

static void token_oid(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, (int64)DatumGetObjectId(datum), out);
}

static void token_float4(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetInt64(Float8GetDatum((float8)DatumGetFloat4(datum))), out);
}

/* The bits, whatever the number. */
static void token_float8(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetInt64(datum), out);
}

static void token_date(Session* session, Column* column, Datum datum, w2l_value* out)
{
    DateADT date = DatumGetDateADT(datum);

    if (DATE_NOT_FINITE(date))
        set_hash_int(column, DATE_IS_NOBEGIN(date) ? PG_INT64_MIN : PG_INT64_MAX, out);
    else
        set_hash_int(column, (int64)date + UNIX_EPOCH_DAYS, out);
}

/* Both timestamps; core knows when PostgreSQL's time began. */
static void token_timestamp(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_int(column, DatumGetTimestamp(datum), out);
}

static void token_bytea(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* bytes;
    Size length;

    if (varlena_bytes(session, datum, false, &bytes, &length, out))
        set_hash_bytes(column, bytes, length, out);
}

/* inet and cidr: the server's number of the family becomes 4 or 6. */
static void token_inet(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* bytes;
    Size length;
    char* canonical;

    if (!varlena_bytes(session, datum, false, &bytes, &length, out))
        return;
    canonical = palloc(length);
    memcpy(canonical, bytes, length);
    canonical[0] = bytes[0] == PGSQL_AF_INET ? 4 : 6;
    set_hash_bytes(column, canonical, length, out);
}

static void token_macaddr(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_bytes(column, DatumGetPointer(datum), sizeof(macaddr), out);
}

static void token_macaddr8(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_bytes(column, DatumGetPointer(datum), sizeof(macaddr8), out);
}

/* Hashed text is UTF-8 too, so that databases of different encodings join. */
static void token_text(Session* session, Column* column, const char* text, Size length, w2l_value* out)
{
    if (to_utf8(session, &text, &length))
        set_hash_bytes(column, text, length, out);
    else
        set_uncarried(session, W2L_REASON_INVALID_TEXT, 0, out);
}

static void token_varlena_text(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* bytes;
    Size length;

    if (varlena_bytes(session, datum, false, &bytes, &length, out))
        token_text(session, column, bytes, length, out);
}

static void token_name(Session* session, Column* column, Datum datum, w2l_value* out)
{
    const char* name = NameStr(*DatumGetName(datum));

    token_text(session, column, name, strlen(name), out);
}

typedef struct NumericCall {
    Datum datum;
    char* text; /* out */
} NumericCall;

static void call_numeric_normalize(void* argument)
{
    NumericCall* call = argument;

    call->text = numeric_normalize(DatumGetNumeric(call->datum));
}

static void token_numeric(Session* session, Column* column, Datum datum, w2l_value* out)
{
    NumericCall call = {datum, NULL};

    if (survives(session, call_numeric_normalize, &call))
        set_hash_bytes(column, call.text, strlen(call.text), out);
    else
        set_uncarried(session, W2L_REASON_OUTPUT_FAILED, 0, out);
}

static void token_uuid(Session* session, Column* column, Datum datum, w2l_value* out)
{
    set_hash_bytes(column, (const char*)DatumGetUUIDP(datum)->data, UUID_LEN, out);
}

/* The label of an enum is a name in a catalog: its output function is a lookup. */
static void token_enum(Session* session, Column* column, Datum datum, w2l_value* out)
{
    OutputCall call;

    if (output_text(session, column, datum, &call, out))
        token_text(session, column, call.text, strlen(call.text), out);
}

/* ---- choosing ---- */

static ReadValue hash_reader(w2l_type type, Oid base_type_oid)
{
    switch (base_type_oid) {
    case INT2OID:
        return token_int2;
    case INT4OID:
        return token_int4;
    case INT8OID:
        return token_int8;
    case OIDOID:
        return token_oid;
    case NAMEOID:
        return token_name;
    case NUMERICOID:
        return token_numeric;
    case UUIDOID:
        return token_uuid;
    case FLOAT4OID:
        return token_float4;
    case FLOAT8OID:
        return token_float8;
    case DATEOID:
        return token_date;
    case TIMESTAMPOID:
    case TIMESTAMPTZOID:
        return token_timestamp;
    case BYTEAOID:
        return token_bytea;
    case INETOID:
    case CIDROID:
        return token_inet;
    case MACADDROID:
        return token_macaddr;
    case MACADDR8OID:
        return token_macaddr8;
    case TEXTOID:
    case VARCHAROID:
    case BPCHAROID:
        return token_varlena_text;
    default:
        return type.encoding == W2L_ENCODING_ENUM ? token_enum : NULL;
    }
}

static ReadValue int_reader(Oid base_type_oid)
{
    switch (base_type_oid) {
    case INT2OID:
        return read_int2;
    case INT4OID:
        return read_int4;
    case INT8OID:
        return read_int8;
    default:
        return read_oid;
    }
}

static ReadValue clear_reader(w2l_type type, Oid base_type_oid)
{
    switch (type.encoding) {
    case W2L_ENCODING_BOOL:
        return read_bool;
    case W2L_ENCODING_INT:
        return int_reader(base_type_oid);
    case W2L_ENCODING_FLOAT32:
        return read_float4;
    case W2L_ENCODING_FLOAT64:
        return read_float8;
    case W2L_ENCODING_TEXT:
        return base_type_oid == NAMEOID ? read_name : read_varlena_text;
    case W2L_ENCODING_BYTES:
        return read_bytea;
    case W2L_ENCODING_NUMERIC:
        return read_numeric;
    case W2L_ENCODING_UUID:
        return read_uuid;
    case W2L_ENCODING_DATE:
        return read_date;
    case W2L_ENCODING_TIME:
        return read_int8;
    case W2L_ENCODING_TIMESTAMP:
    case W2L_ENCODING_TIMESTAMPTZ:
        return read_timestamp;
    case W2L_ENCODING_JSON:
        return base_type_oid == JSONOID ? read_varlena_text : read_output;
    default:
        return read_output;
    }
}

ReadValue choose_reader(w2l_action action, w2l_type type, Oid base_type_oid)
{
    switch (action) {
    case W2L_ACTION_CLEAR:
        return clear_reader(type, base_type_oid);
    case W2L_ACTION_HASH:
        return hash_reader(type, base_type_oid);
    default:
        return NULL;
    }
}
