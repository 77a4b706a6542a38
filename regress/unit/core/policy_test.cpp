// What comes out of a column: the whole table of verdicts, and the algebra by
// which verdicts are folded.
#include "core/policy.h"

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace
{

using std::string;

w2l_verdict Of(std::string_view label, w2l_type type)
{
    return w2l_verdict_of_label(label.data(), label.size(), type);
}

string Domain(const w2l_verdict& verdict)
{
    return verdict.domain == nullptr ? "(own)" : string(verdict.domain, verdict.domain_length);
}

// Types by what matters to the policy; oids are PostgreSQL's.
struct TypeCase {
    const char* name;
    uint32_t oid;
    bool is_enum;
    w2l_encoding encoding;
    w2l_canonical canonical;
    bool few_values;
};
constexpr TypeCase kTypes[] = {
    {"bool", 16, false, W2L_ENCODING_BOOL, W2L_CANONICAL_NONE, true},
    {"bytea", 17, false, W2L_ENCODING_BYTES, W2L_CANONICAL_BYTES, false},
    {"\"char\"", 18, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, true},
    {"name", 19, false, W2L_ENCODING_TEXT, W2L_CANONICAL_TEXT, false},
    {"int8", 20, false, W2L_ENCODING_INT, W2L_CANONICAL_INT, false},
    {"int2", 21, false, W2L_ENCODING_INT, W2L_CANONICAL_INT, true},
    {"int4", 23, false, W2L_ENCODING_INT, W2L_CANONICAL_INT, false},
    {"text", 25, false, W2L_ENCODING_TEXT, W2L_CANONICAL_TEXT, false},
    {"oid", 26, false, W2L_ENCODING_INT, W2L_CANONICAL_INT, false},
    {"json", 114, false, W2L_ENCODING_JSON, W2L_CANONICAL_NONE, false},
    {"float4", 700, false, W2L_ENCODING_FLOAT32, W2L_CANONICAL_FLOAT, false},
    {"float8", 701, false, W2L_ENCODING_FLOAT64, W2L_CANONICAL_FLOAT, false},
    {"int4[]", 1007, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"text[]", 1009, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"bpchar", 1042, false, W2L_ENCODING_TEXT, W2L_CANONICAL_BPCHAR, false},
    {"varchar", 1043, false, W2L_ENCODING_TEXT, W2L_CANONICAL_TEXT, false},
    {"date", 1082, false, W2L_ENCODING_DATE, W2L_CANONICAL_DATE, true},
    {"time", 1083, false, W2L_ENCODING_TIME, W2L_CANONICAL_NONE, false},
    {"timestamp", 1114, false, W2L_ENCODING_TIMESTAMP, W2L_CANONICAL_TIMESTAMP, false},
    {"timestamptz", 1184, false, W2L_ENCODING_TIMESTAMPTZ, W2L_CANONICAL_TIMESTAMPTZ, false},
    {"timetz", 1266, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"numeric", 1700, false, W2L_ENCODING_NUMERIC, W2L_CANONICAL_NUMERIC, false},
    {"uuid", 2950, false, W2L_ENCODING_UUID, W2L_CANONICAL_UUID, false},
    {"jsonb", 3802, false, W2L_ENCODING_JSON, W2L_CANONICAL_NONE, false},
    {"cidr", 650, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_INET, false},
    {"macaddr8", 774, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_MAC, false},
    {"macaddr", 829, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_MAC, false},
    {"inet", 869, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_INET, false},
    {"money", 790, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"an extension's type", 16399, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"no type", 0, false, W2L_ENCODING_OUTPUT_TEXT, W2L_CANONICAL_NONE, false},
    {"an enum", 16400, true, W2L_ENCODING_ENUM, W2L_CANONICAL_TEXT, true},
};

w2l_type Type(const TypeCase& type)
{
    return w2l_type_of(type.oid, type.is_enum);
}

TEST(Types, EncodingCanonicalFormAndFewValues)
{
    for (const TypeCase& type : kTypes) {
        EXPECT_EQ(Type(type).encoding, type.encoding) << type.name;
        EXPECT_EQ(Type(type).canonical, type.canonical) << type.name;
        EXPECT_EQ(Type(type).few_values, type.few_values) << type.name;
    }
}

// A label and what it asks for before the type has a say.
struct LabelCase {
    const char* text;
    w2l_class class_;
    w2l_action action;
    bool by_default;
    const char* domain;
};
constexpr LabelCase kLabels[] = {
    {"green", W2L_CLASS_GREEN, W2L_ACTION_CLEAR, true, "(own)"},
    {"green clear", W2L_CLASS_GREEN, W2L_ACTION_CLEAR, false, "(own)"},
    {"green hash", W2L_CLASS_GREEN, W2L_ACTION_HASH, false, "(own)"},
    {"green drop", W2L_CLASS_GREEN, W2L_ACTION_DROP, false, "(own)"},
    {"yellow", W2L_CLASS_YELLOW, W2L_ACTION_CLEAR, true, "(own)"},
    {"yellow clear", W2L_CLASS_YELLOW, W2L_ACTION_CLEAR, false, "(own)"},
    {"yellow hash domain=d", W2L_CLASS_YELLOW, W2L_ACTION_HASH, false, "d"},
    {"yellow drop", W2L_CLASS_YELLOW, W2L_ACTION_DROP, false, "(own)"},
    {"orange", W2L_CLASS_ORANGE, W2L_ACTION_HASH, true, "(own)"},
    {"orange domain=d", W2L_CLASS_ORANGE, W2L_ACTION_HASH, true, "d"},
    {"orange hash", W2L_CLASS_ORANGE, W2L_ACTION_HASH, false, "(own)"},
    {"orange drop", W2L_CLASS_ORANGE, W2L_ACTION_DROP, false, "(own)"},
    {"red", W2L_CLASS_RED, W2L_ACTION_HASH, true, "(own)"},
    {"red hash domain=email", W2L_CLASS_RED, W2L_ACTION_HASH, false, "email"},
    {"red drop", W2L_CLASS_RED, W2L_ACTION_DROP, false, "(own)"},
    {"regulated_red", W2L_CLASS_REGULATED_RED, W2L_ACTION_DROP, true, "(own)"},
    {"regulated_red hash", W2L_CLASS_REGULATED_RED, W2L_ACTION_HASH, false, "(own)"},
    {"regulated_red drop", W2L_CLASS_REGULATED_RED, W2L_ACTION_DROP, false, "(own)"},
};

TEST(Verdict, OfEveryLabelOnEveryType)
{
    for (const LabelCase& label : kLabels) {
        for (const TypeCase& type : kTypes) {
            SCOPED_TRACE(string(label.text) + " on " + type.name);
            w2l_action expected = label.action;
            if (expected == W2L_ACTION_HASH &&
                (type.canonical == W2L_CANONICAL_NONE || (label.by_default && type.few_values)))
                expected = W2L_ACTION_DROP;
            w2l_verdict verdict = Of(label.text, Type(type));
            EXPECT_EQ(verdict.class_, label.class_);
            EXPECT_EQ(verdict.action, expected);
            EXPECT_EQ(Domain(verdict), expected == W2L_ACTION_HASH ? label.domain : "(own)");
        }
    }
}

TEST(Verdict, OddTextIsDropWhateverTheType)
{
    for (const char* text :
         {"", " ", "purple", "red clear", "orange clear", "regulated_red clear", "GREEN", "green clear x",
          "green domain=d", "exclude", "red hash domain=check", "clear", "green\n"}) {
        for (const TypeCase& type : kTypes) {
            w2l_verdict verdict = Of(text, Type(type));
            EXPECT_EQ(verdict.action, W2L_ACTION_DROP) << text << " on " << type.name;
            EXPECT_EQ(verdict.class_, W2L_CLASS_NONE) << text << " on " << type.name;
            EXPECT_EQ(verdict.domain, nullptr) << text << " on " << type.name;
        }
    }
    string too_long = "green" + string(252, ' ');
    EXPECT_EQ(Of(too_long, w2l_type_of(25, false)).action, W2L_ACTION_DROP);
}

TEST(Verdict, UnlabelledIsDropAndAKeyIsHashedWhereItCanBe)
{
    for (const TypeCase& type : kTypes) {
        w2l_verdict plain = w2l_verdict_unlabelled(false, Type(type));
        EXPECT_EQ(plain.action, W2L_ACTION_DROP) << type.name;
        EXPECT_EQ(plain.class_, W2L_CLASS_NONE) << type.name;
        w2l_verdict key = w2l_verdict_unlabelled(true, Type(type));
        EXPECT_EQ(key.action, type.canonical == W2L_CANONICAL_NONE ? W2L_ACTION_DROP : W2L_ACTION_HASH)
            << type.name;
        EXPECT_EQ(key.class_, W2L_CLASS_NONE) << type.name;
        EXPECT_EQ(key.domain, nullptr) << type.name;
    }
}

// Every verdict there can be, with domains that tell first from second.
std::vector<w2l_verdict> AllVerdicts(const char* domain)
{
    std::vector<w2l_verdict> all;
    for (int class_ = W2L_CLASS_NONE; class_ <= W2L_CLASS_REGULATED_RED; ++class_) {
        for (int action = W2L_ACTION_NONE; action <= W2L_ACTION_DROP; ++action) {
            w2l_verdict verdict = {static_cast<w2l_class>(class_), static_cast<w2l_action>(action), nullptr,
                                   0};
            all.push_back(verdict);
            if (action == W2L_ACTION_HASH) {
                verdict.domain = domain;
                verdict.domain_length = std::char_traits<char>::length(domain);
                all.push_back(verdict);
            }
        }
    }
    return all;
}

TEST(Stricter, IsNeverLooserThanEither)
{
    for (const w2l_verdict& first : AllVerdicts("first")) {
        for (const w2l_verdict& second : AllVerdicts("second")) {
            w2l_verdict result = w2l_stricter(first, second);
            EXPECT_EQ(result.action, std::max(first.action, second.action));
            EXPECT_EQ(result.class_, std::max(first.class_, second.class_));
            if (result.action == W2L_ACTION_CLEAR) {
                // Both permit, or one has nothing to say.
                EXPECT_LE(first.action, W2L_ACTION_CLEAR);
                EXPECT_LE(second.action, W2L_ACTION_CLEAR);
            }
        }
    }
}

TEST(Stricter, DomainIsTheHashersAndTheSecondsWhereBothHash)
{
    for (const w2l_verdict& first : AllVerdicts("first")) {
        for (const w2l_verdict& second : AllVerdicts("second")) {
            w2l_verdict result = w2l_stricter(first, second);
            const w2l_verdict& hasher = second.action == W2L_ACTION_HASH ? second : first;
            EXPECT_EQ(Domain(result), result.action == W2L_ACTION_HASH ? Domain(hasher) : "(own)");
        }
    }
}

TEST(Stricter, NoVerdictIsNeutralOnBothSides)
{
    w2l_verdict none = w2l_no_verdict();
    EXPECT_EQ(none.action, W2L_ACTION_NONE);
    for (const w2l_verdict& verdict : AllVerdicts("domain")) {
        for (const w2l_verdict& result : {w2l_stricter(none, verdict), w2l_stricter(verdict, none)}) {
            EXPECT_EQ(result.action, verdict.action);
            EXPECT_EQ(result.class_, verdict.class_);
            EXPECT_EQ(Domain(result), Domain(verdict));
        }
    }
}

TEST(Stricter, FoldsInAnyGroupingToTheSame)
{
    auto all = AllVerdicts("domain");
    for (const w2l_verdict& a : all) {
        for (const w2l_verdict& b : all) {
            for (const w2l_verdict& c : all) {
                w2l_verdict left = w2l_stricter(w2l_stricter(a, b), c);
                w2l_verdict right = w2l_stricter(a, w2l_stricter(b, c));
                ASSERT_EQ(left.action, right.action);
                ASSERT_EQ(left.class_, right.class_);
                ASSERT_EQ(Domain(left), Domain(right));
            }
        }
    }
}

// Correcting a mistake protects what was written before: green then, lost or red now.
TEST(Stricter, ThenAndNow)
{
    w2l_type text = w2l_type_of(25, false);
    EXPECT_EQ(w2l_stricter(Of("green", text), w2l_verdict_unlabelled(false, text)).action, W2L_ACTION_DROP);
    w2l_verdict raised = w2l_stricter(Of("green", text), Of("red hash domain=email", text));
    EXPECT_EQ(raised.action, W2L_ACTION_HASH);
    EXPECT_EQ(raised.class_, W2L_CLASS_RED);
    EXPECT_EQ(Domain(raised), "email");
    w2l_verdict lowered = w2l_stricter(Of("red hash domain=email", text), Of("green", text));
    EXPECT_EQ(lowered.action, W2L_ACTION_HASH);
    EXPECT_EQ(lowered.class_, W2L_CLASS_RED);
    EXPECT_EQ(Domain(lowered), "email");
    EXPECT_EQ(w2l_stricter(Of("green", text), w2l_no_verdict()).action, W2L_ACTION_CLEAR);
}

} // namespace
