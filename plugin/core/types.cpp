#include "core/types.h"

namespace
{

/* They print the name of what they number. */
bool IsRegType(uint32_t base_type_oid)
{
    switch (base_type_oid) {
    case 24:   /* regproc */
    case 2202: /* regprocedure */
    case 2203: /* regoper */
    case 2204: /* regoperator */
    case 2205: /* regclass */
    case 2206: /* regtype */
    case 3734: /* regconfig */
    case 3769: /* regdictionary */
    case 4089: /* regnamespace */
    case 4096: /* regrole */
    case 4191: /* regcollation */
        return true;
    default:
        return false;
    }
}

} // namespace

extern "C" w2l_type w2l_type_of(uint32_t base_type_oid, bool is_enum) noexcept
{
    if (is_enum)
        return {W2L_ENCODING_ENUM, W2L_CANONICAL_TEXT, true};
    /* The oid, and not the name of that moment: a key stays the same when what it names is renamed. */
    if (IsRegType(base_type_oid))
        return {W2L_ENCODING_INT, W2L_CANONICAL_NONE, false};
    switch (base_type_oid) {
    case 16: /* bool */
        return {W2L_ENCODING_BOOL, W2L_CANONICAL_NONE, true};
    case 17: /* bytea */
        return {W2L_ENCODING_BYTES, W2L_CANONICAL_BYTES, false};
    case 18: /* "char" */
        return {W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, true};
    case 21: /* int2 */
        return {W2L_ENCODING_INT, W2L_CANONICAL_INT, true};
    case 20: /* int8 */
    case 23: /* int4 */
    case 26: /* oid */
        return {W2L_ENCODING_INT, W2L_CANONICAL_INT, false};
    case 19:   /* name */
    case 25:   /* text */
    case 1043: /* varchar */
        return {W2L_ENCODING_TEXT, W2L_CANONICAL_TEXT, false};
    case 1042: /* bpchar */
        return {W2L_ENCODING_TEXT, W2L_CANONICAL_BPCHAR, false};
    case 114:  /* json */
    case 3802: /* jsonb */
        return {W2L_ENCODING_JSON, W2L_CANONICAL_NONE, false};
    case 700: /* float4 */
        return {W2L_ENCODING_FLOAT32, W2L_CANONICAL_FLOAT, false};
    case 701: /* float8 */
        return {W2L_ENCODING_FLOAT64, W2L_CANONICAL_FLOAT, false};
    case 774: /* macaddr8 */
    case 829: /* macaddr */
        return {W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_MAC, false};
    case 650: /* cidr */
    case 869: /* inet */
        return {W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_INET, false};
    case 1082: /* date */
        return {W2L_ENCODING_DATE, W2L_CANONICAL_DATE, true};
    case 1083: /* time */
        return {W2L_ENCODING_TIME, W2L_CANONICAL_NONE, false};
    case 1114: /* timestamp */
        return {W2L_ENCODING_TIMESTAMP, W2L_CANONICAL_TIMESTAMP, false};
    case 1184: /* timestamptz */
        return {W2L_ENCODING_TIMESTAMPTZ, W2L_CANONICAL_TIMESTAMPTZ, false};
    case 1700: /* numeric */
        return {W2L_ENCODING_NUMERIC, W2L_CANONICAL_NUMERIC, false};
    case 2950: /* uuid */
        return {W2L_ENCODING_UUID, W2L_CANONICAL_UUID, false};
    default:
        return {W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false};
    }
}
