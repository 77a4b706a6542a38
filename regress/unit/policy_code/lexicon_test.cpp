// What names and types say of values.
#include "policy_code/lexicon.h"

#include <gtest/gtest.h>

namespace wal2lake
{
namespace
{

SchemaType Type(const std::string& name)
{
    SchemaType type;
    type.name = name;
    type.base_oid = BuiltInType(name);
    type.is_enum = name == "enum";
    if (name.ends_with("[]"))
        type.is_array = true;
    return type;
}

std::string What(const std::string& column, const std::string& type, const std::string& table = "things")
{
    const SchemaType known = Type(type);
    const std::optional<RedName> red = RedNameOf(table, column, &known);
    return red ? std::string(red->what) : "";
}

std::string WhatOfNoType(const std::string& column)
{
    const std::optional<RedName> red = RedNameOf("things", column, nullptr);
    return red ? std::string(red->what) : "";
}

TEST(Lexicon, Words)
{
    using Texts = std::vector<std::string>;
    EXPECT_EQ(WordsOf("home_address2"), (Texts{"home", "address"}));
    EXPECT_EQ(WordsOf("homeAddress"), (Texts{"home", "address"}));
    EXPECT_EQ(WordsOf("IPAddress"), (Texts{"ip", "address"}));
    EXPECT_EQ(WordsOf("Home Address"), (Texts{"home", "address"}));
    EXPECT_EQ(WordsOf("__a__b_"), (Texts{"a", "b"}));
    EXPECT_EQ(WordsOf("42"), Texts{"42"});
    EXPECT_EQ(WordsOf("URL"), Texts{"url"});
    EXPECT_EQ(WordsOf(""), Texts{});
    EXPECT_EQ(WordsOf("_"), Texts{});
}

TEST(Lexicon, Secrets)
{
    for (const std::string name :
         {"encrypted_password", "otp_secret", "encrypted_otp_secret_salt", "feed_token", "token_digest",
          "token_encrypted", "api_key", "ssh_private_key", "incoming_email_token", "backup_codes",
          "password_hash", "refreshToken", "encrypted_url_iv", "otp", "pwd", "hashed_pwd", "pass_word"})
        EXPECT_EQ(What(name, "text"), "a secret") << name;
    EXPECT_EQ(What("token", "bytea"), "a secret");
    EXPECT_EQ(What("token", "uuid"), "a secret");
    EXPECT_EQ(What("pin", "int4"), "a secret");
    for (const std::string name : {"token_type", "token_name", "password_algorithm", "key", "sort_key",
                                   "tokenizer", "secretary", "keyboard", "api_key_id"})
        EXPECT_EQ(What(name, "text"), "") << name;
    EXPECT_EQ(What("token_expires_at", "timestamptz"), "");
    EXPECT_EQ(What("password_expires_at", "timestamp"), "");
    EXPECT_EQ(What("input_tokens", "int8"), "");
    EXPECT_EQ(What("password_automatically_set", "bool"), "");
    EXPECT_EQ(What("otp_required_for_login", "bool"), "");
}

TEST(Lexicon, Identifiers)
{
    for (const std::string name : {"email", "notification_email", "email_address", "unconfirmedEmail",
                                   "email2", "email_normalized", "e_mail", "emailaddress"})
        EXPECT_EQ(What(name, "varchar"), "an e-mail address") << name;
    const SchemaType text = Type("text");
    EXPECT_EQ(RedNameOf("users", "email", &text)->domain, "email");
    EXPECT_EQ(RedNameOf("users", "current_sign_in_ip", &text)->domain, "ip");
    EXPECT_EQ(What("email", "citext"), "an e-mail address");
    EXPECT_EQ(What("emails", "text[]"), "an e-mail address");
    EXPECT_EQ(What("emailed_at", "timestamptz"), "");
    EXPECT_EQ(What("email_sent_at", "timestamptz"), "");
    EXPECT_EQ(What("email_verified", "bool"), "");
    EXPECT_EQ(What("send_email", "bool"), "");
    EXPECT_EQ(What("email_provider", "text"), "");
    EXPECT_EQ(What("username", "text"), "a login");
    EXPECT_EQ(What("phone_number", "int8"), "a phone number");
    EXPECT_EQ(What("phonenumber", "text"), "a phone number");
    EXPECT_EQ(What("iban_number", "text"), "a number that an authority or a bank gave");
    EXPECT_EQ(What("IPAddress", "text"), "a network address");
    EXPECT_EQ(What("ipaddress", "text"), "a network address");
    EXPECT_EQ(What("ip_address", "inet"), "a network address");
    EXPECT_EQ(What("ip_address", "text"), "a network address");
    EXPECT_EQ(What("address", "text"), "a place where a person is");
    EXPECT_EQ(What("zip", "text"), "a place where a person is");
    EXPECT_EQ(What("zip_path", "text"), "");
    EXPECT_EQ(What("tip", "text"), "");
}

TEST(Lexicon, Persons)
{
    EXPECT_EQ(What("first_name", "text"), "the name of a person");
    EXPECT_EQ(What("name", "text", "users"), "the name of a person");
    EXPECT_EQ(What("name", "text", "company_contacts"), "the name of a person");
    EXPECT_EQ(What("name", "text", "projects"), "");
    EXPECT_EQ(What("name", "int4", "users"), "");
    EXPECT_EQ(What("birth_date", "date"), "a date of birth or death");
    EXPECT_EQ(What("born_on", "date"), "a date of birth or death");
    EXPECT_EQ(What("due_on", "date"), "");
    EXPECT_EQ(What("gender", "enum"), "a trait of a person");
    EXPECT_EQ(What("gender", "int2"), "a trait of a person");
    EXPECT_EQ(What("tax_id", "text"), "a number that an authority or a bank gave");
    EXPECT_EQ(What("iban", "text"), "a number that an authority or a bank gave");
}

TEST(Lexicon, Content)
{
    for (const std::string name :
         {"title", "title_html", "description", "note", "body_text", "commit_message", "foo_html"})
        EXPECT_EQ(What(name, "text"), "what people write") << name;
    EXPECT_EQ(What("description", "jsonb"), "what people write");
    EXPECT_EQ(What("title", "int4"), "");
    EXPECT_EQ(What("note_id", "int8"), "");
    EXPECT_EQ(What("noteable_type", "text"), "");
}

TEST(Lexicon, WithoutATypeTheNameDecides)
{
    EXPECT_EQ(WhatOfNoType("email"), "an e-mail address");
    EXPECT_EQ(WhatOfNoType("reset_password_token"), "a secret");
    for (const std::string name : {"token_expires_at", "reset_password_sent_at", "otp_required_for_login",
                                   "send_email", "emailed_at", "id", "password_count"})
        EXPECT_EQ(WhatOfNoType(name), "") << name;
}

TEST(Lexicon, Open)
{
    EXPECT_EQ(OpenNameOf("created_at", Type("timestamptz")), "a time");
    EXPECT_EQ(OpenNameOf("due_on", Type("date")), "a date");
    EXPECT_EQ(OpenNameOf("archived", Type("bool")), "a switch");
    EXPECT_EQ(OpenNameOf("ldap_enabled", Type("bool")), "a switch");
    EXPECT_EQ(OpenNameOf("state", Type("enum")), "one of few states");
    EXPECT_EQ(OpenNameOf("issue_type", Type("enum")), "one of few states");
    EXPECT_EQ(OpenNameOf("commit_count", Type("int4")), "a count or size");
    EXPECT_EQ(OpenNameOf("relative_position", Type("int4")), "a count or size");
    EXPECT_EQ(OpenNameOf("lock_version", Type("int2")), "a count or size");
    for (const auto& [name, type] :
         std::initializer_list<std::pair<const char*, const char*>>{{"name", "text"},
                                                                    {"created_at", "text"},
                                                                    {"value", "int4"},
                                                                    {"state", "text"},
                                                                    {"happy", "bool"},
                                                                    {"count", "text"},
                                                                    {"mood", "enum"},
                                                                    {"at", "timestamptz"},
                                                                    {"day", "date"},
                                                                    {"data", "jsonb"},
                                                                    {"user_id", "int8"},
                                                                    {"", "bool"}})
        EXPECT_EQ(OpenNameOf(name, Type(type)), "") << name << " " << type;
}

TEST(Lexicon, Families)
{
    EXPECT_EQ(FamilyOf(Type("varchar")), FamilyOf(Type("text")));
    EXPECT_EQ(FamilyOf(Type("citext")), TypeFamily::kText);
    EXPECT_EQ(FamilyOf(Type("public.citext")), TypeFamily::kText);
    EXPECT_EQ(FamilyOf(Type("public.hstore")), TypeFamily::kDocument);
    EXPECT_EQ(FamilyOf(Type("tsvector")), TypeFamily::kDocument);
    EXPECT_EQ(FamilyOf(Type("text[]")), TypeFamily::kArray);
    EXPECT_EQ(FamilyOf(Type("enum")), TypeFamily::kSmall);
    EXPECT_EQ(FamilyOf(Type("geometry")), TypeFamily::kOther);
    EXPECT_NE(FamilyOf(Type("int4")), FamilyOf(Type("int2")));
}

} // namespace
} // namespace wal2lake
