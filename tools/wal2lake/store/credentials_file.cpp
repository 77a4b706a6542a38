// Files in the format of ~/.aws/credentials and ~/.aws/config. No error shows a
// line of one: it may be a secret.
#include <algorithm>
#include <utility>

#include "lower_case.h"
#include "store/credentials_http.h"

namespace wal2lake
{
namespace
{

using Settings = ProfileSettings;

constexpr std::string_view kBlanks = " \t\r";

std::string_view Trimmed(std::string_view text)
{
    const size_t first = text.find_first_not_of(kBlanks);
    if (first == std::string_view::npos)
        return {};
    return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// A comment begins a line, or follows a blank.
std::string_view WithoutComment(std::string_view line)
{
    for (size_t i = 0; i < line.size(); i++)
        if ((line[i] == '#' || line[i] == ';') &&
            (i == 0 || kBlanks.find(line[i - 1]) != std::string_view::npos))
            return line.substr(0, i);
    return line;
}

// "[profile x]" of the file config and "[x]" of the file credentials are x.
std::string ProfileName(std::string_view section)
{
    constexpr std::string_view kWord = "profile";
    section = Trimmed(section);
    if (section.starts_with(kWord) && section.size() > kWord.size() &&
        kBlanks.find(section[kWord.size()]) != std::string_view::npos)
        section = Trimmed(section.substr(kWord.size()));
    if (section.size() > 1 && (section[0] == '"' || section[0] == '\'') && section.back() == section[0])
        section = section.substr(1, section.size() - 2);
    return std::string(section);
}

// False where the line is none of the format.
bool ReadLine(std::string_view line, Profiles* profiles, Settings** section)
{
    // An indented line belongs to a setting of several lines; none of ours is one.
    const bool indented = !line.empty() && kBlanks.find(line[0]) != std::string_view::npos;
    line = Trimmed(WithoutComment(line));
    if (line.empty() || (indented && line[0] != '['))
        return true;
    if (line[0] == '[') {
        if (line.back() != ']')
            return false;
        *section = &(*profiles)[ProfileName(line.substr(1, line.size() - 2))];
        return true;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos || equals == 0 || *section == nullptr)
        return false;
    (**section)[LowerCase(Trimmed(line.substr(0, equals)))] = Trimmed(line.substr(equals + 1));
    return true;
}

const std::string* Setting(const Settings& settings, const char* name)
{
    const auto found = settings.find(name);
    return found == settings.end() || found->second.empty() ? nullptr : &found->second;
}

// The pair of keys, absent where there is neither; `from` says where, for errors.
Result<Credentials> KeysOf(const Settings& settings, const std::string& from)
{
    const std::string* id = Setting(settings, "aws_access_key_id");
    const std::string* secret = Setting(settings, "aws_secret_access_key");
    if (id == nullptr && secret == nullptr)
        return Error{ErrorKind::kNotFound, from + " has no aws_access_key_id"};
    if (id == nullptr || secret == nullptr)
        return Error{ErrorKind::kInvalid,
                     from + " has no " + (id == nullptr ? "aws_access_key_id" : "aws_secret_access_key")};
    const std::string* token = Setting(settings, "aws_session_token");
    return CheckedCredentials({*id, *secret, token == nullptr ? "" : *token, {}}, from, ErrorKind::kInvalid);
}

class FromFile : public CredentialsProvider
{
  public:
    explicit FromFile(CredentialsOptions options) : options_(std::move(options)) {}

    Result<Credentials> Fetch() override
    {
        auto profiles = ReadOwnProfiles(options_.file);
        if (!profiles.ok())
            return profiles.error();
        auto keys = KeysOf(profiles.value()[Profile()], name());
        if (!keys.ok() && keys.error().kind == ErrorKind::kNotFound)
            return Error{ErrorKind::kInvalid, keys.error().text};
        return keys;
    }

    std::string name() const override { return "profile \"" + Profile() + "\" of \"" + options_.file + "\""; }

  private:
    std::string Profile() const { return options_.profile.empty() ? "default" : options_.profile; }

    const CredentialsOptions options_;
};

class FromProfile : public CredentialsProvider
{
  public:
    explicit FromProfile(CredentialsContext context) : context_(std::move(context)) {}

    Result<Credentials> Fetch() override
    {
        const auto keys = ReadProfile("AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials");
        if (!keys.ok())
            return keys.error();
        const auto config = ReadProfile("AWS_CONFIG_FILE", "/.aws/config");
        if (!config.ok())
            return config.error();
        if (!keys.value() && !config.value())
            return Error{named() ? ErrorKind::kInvalid : ErrorKind::kNotFound,
                         "there is no " + name() + " in the shared files"};
        return Resolve(keys.value().value_or(Settings{}), config.value().value_or(Settings{}));
    }

    std::string name() const override { return "profile \"" + Profile() + "\""; }

  private:
    std::optional<std::string> named() const
    {
        return context_.options.profile.empty() ? context_.environment("AWS_PROFILE")
                                                : context_.options.profile;
    }
    std::string Profile() const { return named().value_or("default"); }

    // Absent where the file or the profile is. A file below a home that is closed
    // to services counts as absent too; one that a variable names must be readable.
    Result<std::optional<Settings>> ReadProfile(const char* variable, const char* below_home) const
    {
        std::optional<Settings> none;
        const auto path = context_.environment(variable);
        const auto home = context_.environment("HOME");
        if (!path && !home)
            return none;
        const std::string file = path ? *path : *home + below_home;
        const auto text = ReadCredentialsFile(file, Readers::kAnybody);
        if (!text.ok()) {
            if (text.error().kind == ErrorKind::kNotFound || !path)
                return none;
            return text.error();
        }
        auto profiles = ParseProfiles(text.value(), file);
        if (!profiles.ok())
            return profiles.error();
        const auto profile = profiles.value().find(Profile());
        if (profile == profiles.value().end())
            return none;
        return std::optional<Settings>(std::move(profile->second));
    }

    Result<Credentials> Resolve(const Settings& keys, const Settings& config) const
    {
        // A pair is never put together from both files.
        Settings all = config;
        all.insert(keys.begin(), keys.end());
        if (const std::string* role = Setting(all, "role_arn"))
            return AssumeRole(*role, all);
        for (const Settings& settings : {keys, config}) {
            auto found = KeysOf(settings, name());
            if (found.ok() || found.error().kind != ErrorKind::kNotFound)
                return found;
        }
        for (const char* setting :
             {"credential_process", "sso_session", "sso_start_url", "sso_account_id", "login_session"})
            if (Setting(all, setting) != nullptr)
                return Unsupported(setting);
        return Error{ErrorKind::kNotFound, name() + " has no aws_access_key_id"};
    }

    Result<Credentials> AssumeRole(const std::string& role, const Settings& settings) const
    {
        const std::string* token_file = Setting(settings, "web_identity_token_file");
        if (token_file == nullptr)
            return Unsupported("role_arn without web_identity_token_file");
        const std::string* session = Setting(settings, "role_session_name");
        const std::string* region = Setting(settings, "region");
        return AssumeRoleWithWebIdentity(context_, {*token_file, role, session == nullptr ? "" : *session,
                                                    region == nullptr ? "" : *region});
    }

    Error Unsupported(const std::string& what) const
    {
        return {ErrorKind::kInvalid, name() + " has " + what +
                                         ", which wal2lake cannot use; it can use keys, and role_arn with "
                                         "web_identity_token_file"};
    }

    const CredentialsContext context_;
};

} // namespace

Result<Profiles> ParseProfiles(std::string_view text, const std::string& path)
{
    constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
    if (text.starts_with(kByteOrderMark))
        text.remove_prefix(kByteOrderMark.size());
    Profiles profiles;
    Settings* section = nullptr;
    for (size_t number = 1; !text.empty(); number++) {
        const size_t end = std::min(text.find('\n'), text.size());
        if (!ReadLine(text.substr(0, end), &profiles, &section))
            return Error{ErrorKind::kInvalid, "line " + std::to_string(number) + " of \"" + path +
                                                  "\" is no [profile], no setting and no comment"};
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return profiles;
}

Result<Profiles> ReadOwnProfiles(const std::string& path)
{
    const auto text = ReadCredentialsFile(path, Readers::kOwner);
    if (!text.ok())
        return Error{text.error().kind == ErrorKind::kNotFound ? ErrorKind::kPermanent : text.error().kind,
                     text.error().text};
    return ParseProfiles(text.value(), path);
}

std::unique_ptr<CredentialsProvider> FileCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromFile>(context.options);
}

std::unique_ptr<CredentialsProvider> ProfileCredentials(const CredentialsContext& context)
{
    return std::make_unique<FromProfile>(context);
}

} // namespace wal2lake
