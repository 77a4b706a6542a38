#include "policy_code/lexicon.h"

#include <algorithm>
#include <span>
#include <unordered_map>

namespace wal2lake
{
namespace
{

using enum TypeFamily;
using Words = std::vector<std::string>;
using Set = std::span<const std::string_view>;

constexpr unsigned operator|(TypeFamily a, TypeFamily b)
{
    return static_cast<unsigned>(a) | static_cast<unsigned>(b);
}

constexpr unsigned operator|(unsigned a, TypeFamily b)
{
    return a | static_cast<unsigned>(b);
}

constexpr unsigned kWords = kText | kArray | kDocument | kOther;

// A kind of red values.
struct Kind {
    std::string_view what;
    std::string_view domain;
    // The types that can hold them.
    unsigned families;
    // Of a secret every part is one; of the others what a name ends with says what it is.
    bool anywhere;
    // One to three words each.
    std::string_view names;
};

// Secrets are red, not regulated_red: GitLab's standard gives credentials the level of what they protect,
// and keeps the regulated level for data under a named regime. They are dropped, not hashed: equal tokens
// would tell of equal secrets, and short ones could be guessed by whoever holds the key.
constexpr Kind kKinds[] = {
    {"a secret", "", kWords | kUuid, true,
     "password,passwd,pwd,pass "
     "word,passphrase,htpasswd,secret,secrets,token,tokens,credential,credentials,salt,jwt,cookie,"
     "cookies,"
     "csrf,encrypted,kubeconfig,api key,apikey,private key,secret key,access key,encryption key,signing "
     "key,ssh key,"
     "deploy key,session key,master key,recovery key,license key,stream key,backup code,backup "
     "codes,recovery code,"
     "recovery codes,session data"},
    {"a secret", "", kWords | kNumber | kSmall, false, "otp,totp,pin,cvv,cvc,passcode"},
    {"an e-mail address", "email", kWords | kSmall, false,
     "email,emails,e mail,mail,email address,email addresses,emailaddress,mail address"},
    {"a login", "username", kWords | kSmall, false,
     "username,user name,login,login name,screen name,nickname"},
    {"a phone number", "phone", kWords | kNumber | kSmall, false,
     "phone,phone number,phonenumber,telephone,telephone number,mobile,mobile number,mobile phone,cell "
     "phone,fax,fax "
     "number,"
     "msisdn"},
    {"a network address", "ip", kWords | kNumber | kNetwork | kSmall, false,
     "ip,ips,ip address,ip addresses,ipaddress,ipv,remote addr,remote address,client address"},
    {"a device's address", "mac", kWords | kNetwork, false, "mac,mac address"},
    {"the name of a person", "", kWords, false,
     "first name,firstname,last name,lastname,middle name,full name,fullname,given name,family name,maiden "
     "name,"
     "surname,forename,display name,real name,contact name,author name,committer name,sender name,recipient "
     "name,"
     "cardholder,cardholder name,holder name,initials"},
    {"a place where a person is", "", kWords | kNumber, false,
     "address,addresses,address line,street,street address,postal code,postcode,zip,zip "
     "code,zipcode,city,latitude,"
     "longitude,lat,lng,lon,location,geolocation"},
    {"a date of birth or death", "", kWords | kDate | kTime | kNumber | kSmall, false,
     "birthday,birthdate,birth date,date of birth,dob,born,born on,born at,birth year,birth month,birth day,"
     "year of birth,died on,died at,date of death,deceased on,deceased at"},
    {"a number that an authority or a bank gave", "", kWords | kNumber | kSmall, false,
     "ssn,social security number,tax id,tax number,tax identifier,tin,vat,vat id,vat number,national id,"
     "national identifier,passport,passport number,driver license,driving license,iban,iban "
     "number,bic,swift,account "
     "number,"
     "bank account,routing number,sort code,card number,credit card,credit card number,pan"},
    {"a trait of a person", "", kWords | kNumber | kSmall | kDate, false,
     "gender,sex,ethnicity,race,religion,nationality,citizenship,marital status,health status,medical status,"
     "medical condition,diagnosis,disability,blood type,sexual orientation,salary,income,wage"},
    {"what people write", "", kWords, false,
     "title,subject,body,description,note,notes,message,messages,content,contents,comment,comments,text,"
     "summary,"
     "details,bio,biography,about,about "
     "me,feedback,caption,payload,params,parameters,snippet,patch,diff,transcript,"
     "prompt,response,question,answer,html,markdown,review,user agent,useragent,referrer,referer,search "
     "query"}};

constexpr size_t kMostWords = 3;

// Behind the word that says what it is: `description_html`, `email_normalized`.
constexpr std::string_view kForms[] = {
    "html",  "text",      "raw",          "plain", "encrypted", "normalized", "canonical",
    "lower", "downcased", "old",          "new",   "previous",  "current",    "original",
    "tmp",   "temp",      "confirmation", "value", "string",    "markdown",   "iv"};

// What ends a name that is about a secret, and holds none.
constexpr std::string_view kAboutSecrets[] = {
    "at",      "on",       "date",   "id",      "ids",     "count",      "counts",    "type",
    "kind",    "status",   "state",  "size",    "length",  "name",       "algorithm", "scopes",
    "enabled", "required", "set",    "expired", "expires", "expiration", "expiry",    "class",
    "limit",   "quota",    "policy", "login",   "allowed", "used"};

// What begins or stands in a name of a switch, whatever it ends with.
constexpr std::string_view kSwitches[] = {"is",     "has",     "can",      "should",   "allow",  "allows",
                                          "send",   "sends",   "receive",  "show",     "hide",   "use",
                                          "uses",   "require", "requires", "required", "enable", "disable",
                                          "notify", "verify",  "skip",     "force"};

constexpr std::string_view kPeople[] = {"users",      "user",      "people",     "persons",   "person",
                                        "contacts",   "contact",   "members",    "customers", "employees",
                                        "authors",    "patients",  "candidates", "leads",     "profiles",
                                        "applicants", "attendees", "students"};

constexpr std::string_view kOpenFlags[] = {
    "enabled",   "disabled",  "archived",  "active",    "inactive", "visible",  "hidden",
    "deleted",   "discarded", "locked",    "unlocked",  "public",   "internal", "default",
    "required",  "optional",  "protected", "approved",  "closed",   "open",     "resolved",
    "published", "pinned",    "completed", "expired",   "revoked",  "system",   "draft",
    "automatic", "merged",    "outdated",  "processed", "allowed",  "primary",  "readonly"};

constexpr std::string_view kOpenCounters[] = {
    "count",   "counter",  "counts", "position", "size",  "bytes",   "length",  "version", "attempts",
    "retries", "priority", "depth",  "offset",   "limit", "timeout", "ordinal", "duration"};

bool IsIn(const std::string& word, Set set)
{
    return std::find(set.begin(), set.end(), word) != set.end();
}

bool AnyIn(const Words& words, Set set)
{
    return std::any_of(words.begin(), words.end(), [&](const std::string& word) { return IsIn(word, set); });
}

bool Has(unsigned families, TypeFamily family)
{
    return (families & static_cast<unsigned>(family)) != 0;
}

const std::unordered_map<std::string, const Kind*>& KindsByName()
{
    static const auto kinds = [] {
        std::unordered_map<std::string, const Kind*> all;
        for (const Kind& kind : kKinds)
            for (size_t at = 0; at < kind.names.size();) {
                const size_t end = std::min(kind.names.find(',', at), kind.names.size());
                all.emplace(kind.names.substr(at, end - at), &kind);
                at = end + 1;
            }
        return all;
    }();
    return kinds;
}

struct Match {
    const Kind* kind = nullptr;
    // How many words there are up to its end.
    size_t end = 0;
};

// The kind that the name ends with, or else a secret that is in it. More words know better: an
// `ip_address` is none of a street.
Match FindKind(const Words& words)
{
    for (size_t end = words.size(); end > 0; end--)
        for (size_t first = end - std::min(end, kMostWords); first < end; first++) {
            std::string name = words[first];
            for (size_t next = first + 1; next < end; next++)
                name += " " + words[next];
            const auto found = KindsByName().find(name);
            if (found != KindsByName().end() && (end == words.size() || found->second->anywhere))
                return {found->second, end};
        }
    return {};
}

Words WithoutForms(Words words)
{
    while (words.size() > 1 && IsIn(words.back(), kForms))
        words.pop_back();
    return words;
}

// Whether a column of such a name is about what the name says instead of being it.
bool IsOnlyAbout(const Words& words, const Match& match, const SchemaType* type)
{
    const bool at_end = match.end == words.size();
    if (match.kind->anywhere && !at_end && IsIn(words.back(), kAboutSecrets))
        return true;
    const bool may_be_switch = type == nullptr || FamilyOf(*type) == kSmall;
    return may_be_switch && ((type != nullptr && !at_end) || AnyIn(words, kSwitches));
}

bool IsNameOfPerson(std::string_view table, const Words& words)
{
    const Words of_table = WordsOf(table);
    return words.size() == 1 && words[0] == "name" && !of_table.empty() && IsIn(of_table.back(), kPeople);
}

} // namespace

TypeFamily FamilyOf(const SchemaType& type)
{
    if (type.is_array)
        return kArray;
    if (type.is_enum)
        return kSmall;
    switch (type.base_oid) {
    case 16: // bool
    case 18: // "char"
    case 21: // int2
        return kSmall;
    case 19:   // name
    case 25:   // text
    case 1042: // bpchar
    case 1043: // varchar
        return kText;
    case 20:   // int8
    case 23:   // int4
    case 26:   // oid
    case 700:  // float4
    case 701:  // float8
    case 790:  // money
    case 1700: // numeric
        return kNumber;
    case 1082: // date
        return kDate;
    case 1083: // time
    case 1114: // timestamp
    case 1184: // timestamptz
    case 1186: // interval
    case 1266: // timetz
        return kTime;
    case 650: // cidr
    case 774: // macaddr8
    case 829: // macaddr
    case 869: // inet
        return kNetwork;
    case 2950: // uuid
        return kUuid;
    case 17:   // bytea
    case 114:  // json
    case 142:  // xml
    case 3614: // tsvector
    case 3802: // jsonb
        return kDocument;
    default:
        break;
    }
    const std::string_view name = std::string_view(type.name).substr(type.name.rfind('.') + 1);
    return name == "citext" ? kText : name == "hstore" ? kDocument : kOther;
}

std::vector<std::string> WordsOf(std::string_view name)
{
    Words words(1);
    char before = '_';
    const auto is_lower = [](char c) { return c >= 'a' && c <= 'z'; };
    for (size_t i = 0; i < name.size(); i++) {
        const char c = name[i];
        const bool upper = c >= 'A' && c <= 'Z';
        // "emailAddress", and "IPAddress": the last capital belongs to what follows.
        const bool begins = upper && (is_lower(before) || (i + 1 < name.size() && is_lower(name[i + 1])));
        if ((c == '_' || c == ' ' || c == '-' || c == '.' || begins) && !words.back().empty())
            words.emplace_back();
        if (upper)
            words.back() += static_cast<char>(c - 'A' + 'a');
        else if (c != '_' && c != ' ' && c != '-' && c != '.')
            words.back() += c;
        before = c;
    }
    for (std::string& word : words) {
        const size_t last = word.find_last_not_of("0123456789");
        word.resize(last == std::string::npos ? word.size() : last + 1);
    }
    std::erase(words, "");
    return words;
}

std::optional<RedName> RedNameOf(std::string_view table, std::string_view column, const SchemaType* type)
{
    const Words words = WordsOf(column);
    if (words.empty())
        return std::nullopt;
    Words head = WithoutForms(words);
    Match match = FindKind(head);
    if (match.kind == nullptr) {
        head = words;
        match = FindKind(words);
    }
    const bool fits_text = type == nullptr || Has(kWords, FamilyOf(*type));
    if (match.kind == nullptr)
        return fits_text && IsNameOfPerson(table, words) ? std::optional(RedName{"the name of a person", ""})
                                                         : std::nullopt;
    if ((type != nullptr && !Has(match.kind->families, FamilyOf(*type))) || IsOnlyAbout(head, match, type))
        return std::nullopt;
    return RedName{match.kind->what, match.kind->domain};
}

std::string_view OpenNameOf(std::string_view column, const SchemaType& type)
{
    const Words words = WordsOf(column);
    if (words.empty())
        return "";
    const std::string& last = words.back();
    constexpr std::string_view kStates[] = {"state", "status", "type", "kind"};
    switch (FamilyOf(type)) {
    case kTime:
        return words.size() > 1 && (last == "at" || last == "on") ? "a time" : "";
    case kDate:
        return words.size() > 1 && (last == "on" || last == "at") ? "a date" : "";
    case kNumber:
        return IsIn(last, kOpenCounters) ? "a count or size" : "";
    case kSmall:
        if (type.is_enum)
            return IsIn(last, kStates) ? "one of few states" : "";
        if (type.base_oid == 16)
            return IsIn(last, kOpenFlags) ? "a switch" : "";
        return type.base_oid == 21 && IsIn(last, kOpenCounters) ? "a count or size" : "";
    default:
        return "";
    }
}

} // namespace wal2lake
